//===- StoredTensor.cpp ---------------------------------------------------===//

#include "gptc/optable/StoredTensor.h"

namespace gptc::optable {

namespace {

/// Where an element of a variable lies in its layout, in elements.
size_t placeOf(const HostTensor &tensor, DataType type, artifact::Layout layout,
               size_t element) {
  if (layout == artifact::Layout::RowMajor)
    return element;
  auto columns = size_t(tensor.shape[1]);
  size_t k = element / columns, n = element % columns;
  auto extentK = size_t(tensor.shape[0]);
  if (layout == artifact::Layout::PackedTransposed) {
    std::swap(k, n);
    extentK = columns;
  }
  size_t panel = n / 64 * ((extentK + 15) / 16 * 16) * 64;
  if (sizeOf(type) == 2)
    return panel + k / 2 * 128 + n % 64 * 2 + k % 2;
  return panel + k * 64 + n % 64;
}

} // namespace

std::vector<std::byte> storeTensor(const HostTensor &tensor) {
  std::vector<std::byte> bytes(tensor.values.size() * sizeOf(tensor.type));
  for (size_t i = 0; i < tensor.values.size(); ++i)
    writeElement(bytes.data(), tensor.type, i, tensor.values[i]);
  return bytes;
}

std::vector<std::byte> storeVariable(const HostTensor &tensor,
                                     const artifact::VariableT &variable,
                                     const artifact::StorageT &storage) {
  std::vector<std::byte> bytes(storage.bytes);
  DataType type = toDataType(variable.type);
  for (size_t i = 0; i < tensor.values.size(); ++i)
    writeElement(bytes.data(), type, placeOf(tensor, type, storage.layout, i),
                 tensor.values[i]);
  return bytes;
}

HostTensor loadTensor(artifact::ElementType type,
                      const std::vector<uint64_t> &shape,
                      std::span<const std::byte> from) {
  HostTensor tensor{toDataType(type), {shape.begin(), shape.end()}, {}};
  for (size_t i = 0; i < elementCount(shape); ++i)
    tensor.values.push_back(readElement(from.data(), tensor.type, i));
  return tensor;
}

} // namespace gptc::optable
