#include "gptc/models/checkpoint/HuggingFaceConfig.h"
#include "tests/fuzz/Fuzz.h"

using namespace gptc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  auto config = parseHuggingFaceConfig(text);
  if (!config) {
    requireSentence(config.error());
    return 0;
  }
  require(config->layers > 0 && config->heads > 0 && config->context > 0 &&
          config->vocabulary > 0 && config->inner > 0);
  require(config->layers <= 1024 && config->headSize > 0);
  require(config->family == Family::Gpt3 ||
          config->width == config->heads * config->headSize);
  require(config->windows.empty() ||
          config->windows.size() == size_t(config->layers));
  require(config->endOfText >= -1 && config->endOfText < config->vocabulary);
  require(config->epsilon >= 0);
  return 0;
}
