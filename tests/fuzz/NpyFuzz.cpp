#include "gptc/runtime/tensors/Npy.h"
#include "tests/fuzz/Fuzz.h"

using namespace gptc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  auto array = parseNpy(bytes, "f.npy");
  if (!array) {
    requireSentence(array.error());
    return 0;
  }
  uint64_t count = sizeOf(array->type);
  for (uint64_t extent : array->shape)
    count *= extent;
  require(array->bytes.size() == count && count < size);
  return 0;
}
