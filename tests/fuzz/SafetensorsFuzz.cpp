#include "gptc/runtime/tensors/Pack.h"
#include "tests/fuzz/Fuzz.h"

#include <cstring>

using namespace gptc;

/// Reads a tensor in the ways that loading weights does.
static void load(const TensorView &view) {
  touch(view.bytes);
  if (view.bytes.empty() || view.shape.size() > 2)
    return;
  std::vector<uint64_t> shape = view.shape;
  bool transposed = shape.size() == 2 && shape[0] > shape[1];
  if (transposed)
    std::swap(shape[0], shape[1]);
  auto matrix = SourceMatrix::create("tensor", shape, {{view, transposed}});
  if (!matrix) {
    requireSentence(matrix.error());
    return;
  }
  uint64_t rows = matrix->rows(), columns = matrix->columns();
  std::vector<std::byte> plain(rows * columns * 4);
  storeRows(*matrix, DataType::F32, 0, rows, plain.data());
  uint64_t panels = (columns + 63) / 64;
  std::vector<std::byte> packed(panels * 64 * ((rows + 15) / 16 * 16) * 2);
  storePanels(*matrix, DataType::BF16, false, 0, panels, packed.data());
}

static void parse(std::span<const std::byte> bytes) {
  auto tensors = SafetensorsFile::parse(bytes, "f.safetensors");
  if (!tensors) {
    requireSentence(tensors.error());
    return;
  }
  size_t total = 0;
  for (const auto &[name, view] : *tensors) {
    load(view);
    total += view.bytes.size();
  }
  require(total <= bytes.size());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  parse(bytes);
  // The same with a length of the header that leads past the first check.
  if (size < 2 || size - 2 < data[0])
    return 0;
  uint64_t header = size - 2 - data[0];
  std::vector<std::byte> file(8 + size - 2);
  std::memcpy(file.data(), &header, 8);
  std::memcpy(file.data() + 8, data + 2, size - 2);
  parse(file);
  return 0;
}
