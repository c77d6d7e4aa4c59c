#include "gptc/runtime/tensors/Checkpoint.h"
#include "tests/fuzz/Fuzz.h"

using namespace gptc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  auto index = parseShardIndex(text, "index.json");
  if (!index) {
    requireSentence(index.error());
    return 0;
  }
  require(!index->empty());
  for (const auto &[file, tensors] : *index)
    require(!file.empty() && file != ".." && !tensors.empty() &&
            file.find('/') == std::string::npos);
  return 0;
}
