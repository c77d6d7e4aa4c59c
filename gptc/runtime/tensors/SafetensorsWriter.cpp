//===- SafetensorsWriter.cpp ----------------------------------------------===//

#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include "gptc/runtime/base/File.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

const char *nameOf(DataType type) {
  switch (type) {
  case DataType::F32:
    return "F32";
  case DataType::F16:
    return "F16";
  case DataType::BF16:
    return "BF16";
  case DataType::F64:
    return "F64";
  case DataType::I8:
    return "I8";
  case DataType::U8:
    return "U8";
  case DataType::I16:
    return "I16";
  case DataType::I32:
    return "I32";
  case DataType::I64:
    return "I64";
  case DataType::Bool:
    return "BOOL";
  case DataType::U16:
    return "U16";
  case DataType::U32:
    return "U32";
  case DataType::U64:
    return "U64";
  }
  return "";
}

Expected<uint64_t> bytesOf(const PendingTensor &tensor) {
  uint64_t bytes = sizeOf(tensor.type);
  for (uint64_t extent : tensor.shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes))
      return failure(ErrorCode::InvalidArgument,
                     "tensor '{}' has more bytes than fit an address space",
                     tensor.name);
  return bytes;
}

} // namespace

Status writeSafetensors(const std::string &path,
                        std::vector<PendingTensor> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const PendingTensor &a, const PendingTensor &b) {
              size_t first = sizeOf(a.type), second = sizeOf(b.type);
              return first != second ? first > second : a.name < b.name;
            });
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  uint64_t position = 0;
  std::vector<uint64_t> sizes;
  for (const PendingTensor &tensor : tensors) {
    GPTC_TRY(uint64_t bytes, bytesOf(tensor));
    if (header.contains(tensor.name))
      return failure(ErrorCode::InvalidArgument,
                     "tensor '{}' is written a second time", tensor.name);
    header[tensor.name] = {{"dtype", nameOf(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {position, position + bytes}}};
    sizes.push_back(bytes);
    position += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  uint64_t length = text.size();
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(&length, 1))));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  for (size_t i = 0; i < tensors.size(); ++i) {
    uint64_t end = file.position() + sizes[i];
    GPTC_CHECK(tensors[i].produce(
        [&](std::span<const std::byte> bytes) { return file.write(bytes); }));
    if (file.position() != end)
      return failure(
          ErrorCode::Internal, "tensor '{}' came with {} bytes, expected {}",
          tensors[i].name, file.position() + sizes[i] - end, sizes[i]);
  }
  return file.commit();
}

} // namespace gptc
