//===- TinyModel.h - A checkpoint of random weights ------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_TINYMODEL_H
#define GPTC_TESTS_SUPPORT_TINYMODEL_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "tests/support/TemporaryFolder.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <random>

namespace gptc {

/// Writes a GPT-2 of one layer, width 32, two heads, context 32, and
/// `vocabulary` tokens, with the tokenizer of examples/shakespeare (of 512),
/// into `name`; returns its path.
inline std::string writeTinyModel(const TemporaryFolder &folder,
                                  const std::string &name,
                                  uint64_t vocabulary = 512) {
  namespace fs = std::filesystem;
  fs::create_directories(folder / name);
  for (const char *file : {"vocab.json", "merges.txt"})
    fs::copy_file(std::string(GPTC_SOURCE_DIR "/examples/shakespeare/") + file,
                  folder / (name + "/" + file));
  folder.write(name + "/config.json",
               fmt::format(R"({{"model_type":"gpt2","n_layer":1,"n_embd":32,)"
                           R"("n_head":2,"n_positions":32,"vocab_size":{},)"
                           R"("bos_token_id":0,"eos_token_id":0}})",
                           vocabulary));
  std::mt19937 random(5);
  std::vector<PendingTensor> tensors;
  auto add = [&](const std::string &tensor, std::vector<uint64_t> shape,
                 float mean, float deviation) {
    std::vector<float> values(elementCount(shape));
    for (float &value : values)
      value = mean + deviation * (float(random() % 2001) / 1000 - 1);
    tensors.push_back({"transformer." + tensor, DataType::F32, std::move(shape),
                       [values](const PendingTensor::Sink &sink) {
                         return sink(std::as_bytes(std::span(values)));
                       }});
  };
  auto linear = [&](const std::string &layer, uint64_t in, uint64_t out) {
    add(layer + ".weight", {in, out}, 0, 0.3F);
    add(layer + ".bias", {out}, 0, 0.1F);
  };
  auto norm = [&](const std::string &layer) {
    add(layer + ".weight", {32}, 1, 0.2F);
    add(layer + ".bias", {32}, 0, 0.1F);
  };
  add("wte.weight", {vocabulary, 32}, 0, 0.3F);
  add("wpe.weight", {32, 32}, 0, 0.1F);
  norm("h.0.ln_1");
  linear("h.0.attn.c_attn", 32, 96);
  linear("h.0.attn.c_proj", 32, 32);
  norm("h.0.ln_2");
  linear("h.0.mlp.c_fc", 32, 128);
  linear("h.0.mlp.c_proj", 128, 32);
  norm("ln_f");
  Status written = writeSafetensors(folder / (name + "/model.safetensors"),
                                    std::move(tensors));
  EXPECT_TRUE(written) << written.error().message();
  return folder / name;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_TINYMODEL_H
