//===- Safetensors.cpp ----------------------------------------------------===//

#include "gptc/runtime/tensors/Safetensors.h"

#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace gptc {

namespace {

using Json = nlohmann::json;

std::optional<DataType> dataTypeOf(const std::string &name) {
  static const std::map<std::string, DataType> names{
      {"F32", DataType::F32},   {"F16", DataType::F16},
      {"BF16", DataType::BF16}, {"F64", DataType::F64},
      {"I8", DataType::I8},     {"U8", DataType::U8},
      {"I16", DataType::I16},   {"I32", DataType::I32},
      {"I64", DataType::I64},   {"BOOL", DataType::Bool},
      {"U16", DataType::U16},   {"U32", DataType::U32},
      {"U64", DataType::U64}};
  auto found = names.find(name);
  return found == names.end() ? std::nullopt : std::optional(found->second);
}

Expected<TensorView> readTensor(const std::string &tensor, const Json &json,
                                std::span<const std::byte> data,
                                const std::string &name, uint64_t &begin) {
  auto damaged = [&](const std::string &what) {
    return failure(ErrorCode::Corrupt, "'{}' is damaged: tensor '{}' {}", name,
                   tensor, what);
  };
  if (!json.is_object() || !json.contains("dtype") ||
      !json["dtype"].is_string() || !json.contains("shape") ||
      !json["shape"].is_array() || !json.contains("data_offsets") ||
      !json["data_offsets"].is_array() || json["data_offsets"].size() != 2)
    return damaged("has no dtype, shape and data_offsets");
  TensorView view;
  auto type = dataTypeOf(json["dtype"].get<std::string>());
  if (!type)
    return failure(ErrorCode::Unsupported,
                   "'{}': tensor '{}' has the element type {}, which is not "
                   "supported",
                   name, tensor, json["dtype"].get<std::string>());
  view.type = *type;
  uint64_t elements = 1;
  for (const Json &extent : json["shape"]) {
    if (!extent.is_number_unsigned() || view.shape.size() >= 8)
      return damaged("has a malformed shape");
    view.shape.push_back(extent.get<uint64_t>());
    if (__builtin_mul_overflow(elements, view.shape.back(), &elements))
      return damaged("has more elements than fit an address space");
  }
  uint64_t bytes = 0;
  const Json &offsets = json["data_offsets"];
  if (__builtin_mul_overflow(elements, sizeOf(view.type), &bytes) ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    return damaged("has malformed offsets");
  begin = offsets[0].get<uint64_t>();
  uint64_t end = offsets[1].get<uint64_t>();
  if (begin > end || end > data.size())
    return damaged(fmt::format("lies at bytes {} to {} of {}; the file is "
                               "truncated or the header wrong",
                               begin, end, data.size()));
  if (end - begin != bytes)
    return damaged(
        fmt::format("has {} bytes, its shape asks for {}", end - begin, bytes));
  view.bytes = data.subspan(begin, bytes);
  return view;
}

} // namespace

Expected<std::map<std::string, TensorView>>
SafetensorsFile::parse(std::span<const std::byte> bytes,
                       const std::string &name) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length)
    return failure(ErrorCode::Corrupt,
                   "'{}' is no safetensors file: it has {} bytes", name,
                   bytes.size());
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - sizeof length)
    return failure(ErrorCode::Corrupt,
                   "'{}' is no safetensors file, or truncated: its header says "
                   "{} bytes, the file has {}",
                   name, length, bytes.size());
  std::string_view text(
      reinterpret_cast<const char *>(bytes.data()) + sizeof length, length);
  GPTC_TRY(Json json, parseJson(text, name + ": header"));
  if (!json.is_object())
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: its header is no JSON object of tensors",
                   name);
  std::span<const std::byte> data = bytes.subspan(sizeof length + length);
  std::map<std::string, TensorView> tensors;
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto &[tensor, value] : json.items()) {
    if (tensor == "__metadata__")
      continue;
    uint64_t begin = 0;
    GPTC_TRY(TensorView view, readTensor(tensor, value, data, name, begin));
    if (!view.bytes.empty())
      order.push_back({begin, tensor});
    tensors.emplace(tensor, std::move(view));
  }
  std::sort(order.begin(), order.end());
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1].first + tensors[order[i - 1].second].bytes.size() >
        order[i].first)
      return failure(ErrorCode::Corrupt,
                     "'{}' is damaged: tensors '{}' and '{}' overlap", name,
                     order[i - 1].second, order[i].second);
  uint64_t end = 0;
  if (!order.empty())
    end = order.back().first + tensors[order.back().second].bytes.size();
  if (end != data.size())
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: {} bytes follow its last tensor, expected "
                   "none",
                   name, data.size() - end);
  return tensors;
}

Expected<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  SafetensorsFile file;
  GPTC_TRY(file.file_, MappedFile::open(path));
  GPTC_TRY(file.tensors_, parse(file.file_.bytes(), path));
  return file;
}

std::span<const std::byte> SafetensorsFile::header() const {
  uint64_t length = 0;
  std::memcpy(&length, file_.bytes().data(), sizeof length);
  return file_.bytes().first(sizeof length + length);
}

} // namespace gptc
