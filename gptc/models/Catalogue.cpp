//===- Catalogue.cpp ------------------------------------------------------===//

#include "gptc/models/Catalogue.h"

namespace gptc {

namespace {

/// GPT-2's and GPT-3's vocabulary ends with the end of text.
constexpr int64_t endOfText = 50256;

ModelConfig gpt1() {
  ModelConfig config;
  config.family = Family::Gpt1;
  config.name = "gpt1";
  config.layers = 12;
  config.width = 768;
  config.heads = 12;
  config.headSize = 64;
  config.context = 512;
  config.vocabulary = 40478;
  config.inner = 3072;
  return config;
}

ModelConfig gpt2(const char *name, int64_t layers, int64_t width,
                 int64_t heads) {
  ModelConfig config;
  config.name = name;
  config.layers = layers;
  config.width = width;
  config.heads = heads;
  config.headSize = width / heads;
  config.context = 1024;
  config.vocabulary = 50257;
  config.inner = 4 * width;
  config.endOfText = endOfText;
  return config;
}

/// Dense and banded layers alternate; the paper gives neither the order nor
/// the width of the band: even layers are dense, the band is 256 keys, as in
/// the public models that follow it.
ModelConfig gpt3(const char *name, int64_t layers, int64_t width, int64_t heads,
                 int64_t headSize) {
  ModelConfig config = gpt2(name, layers, width, heads);
  config.family = Family::Gpt3;
  config.headSize = headSize;
  config.context = 2048;
  for (int64_t i = 0; i < layers; ++i)
    config.windows.push_back(i % 2 == 0 ? 0 : 256);
  return config;
}

} // namespace

const std::vector<ModelConfig> &publishedModels() {
  static const std::vector<ModelConfig> models{
      gpt1(),
      gpt2("gpt2-124m", 12, 768, 12),
      gpt2("gpt2-355m", 24, 1024, 16),
      gpt2("gpt2-774m", 36, 1280, 20),
      gpt2("gpt2-1558m", 48, 1600, 25),
      gpt3("gpt3-125m", 12, 768, 12, 64),
      gpt3("gpt3-350m", 24, 1024, 16, 64),
      gpt3("gpt3-760m", 24, 1536, 16, 96),
      // The paper's table gives 24 heads of 128 for a width of 2048; 16 fit.
      gpt3("gpt3-1.3b", 24, 2048, 16, 128),
      gpt3("gpt3-2.7b", 32, 2560, 32, 80),
      gpt3("gpt3-6.7b", 32, 4096, 32, 128),
      // 40 heads of 128 project a width of 5140 to 5120 and back.
      gpt3("gpt3-13b", 40, 5140, 40, 128),
      gpt3("gpt3-175b", 96, 12288, 96, 128),
  };
  return models;
}

} // namespace gptc
