//===- F16Test.cpp - Programs with products in f16 ------------------------===//

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "tests/support/CommandExpectations.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

/// Its weights are bf16.
const std::string model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
const std::string shakespeare = GPTC_SOURCE_DIR "/examples/shakespeare";

/// A copy of the model in which one weight is `value`, where bf16 has it.
std::string withWeight(const TemporaryFolder &folder, float value) {
  std::string copy = folder / "changed";
  fs::copy(model, copy);
  auto from = SafetensorsFile::open(model + "/model.safetensors");
  EXPECT_TRUE(from);
  std::vector<PendingTensor> tensors;
  for (const auto &[name, view] : from->tensors()) {
    std::vector<std::byte> bytes(view.bytes.begin(), view.bytes.end());
    if (name.ends_with("mlp.c_fc.weight")) {
      uint16_t bits = toBF16(value);
      std::memcpy(bytes.data() + size_t(2) * 17, &bits, sizeof bits);
    }
    tensors.push_back(
        {name, view.type, view.shape,
         [bytes](const PendingTensor::Sink &sink) { return sink(bytes); }});
  }
  EXPECT_TRUE(writeSafetensors(folder / "model.safetensors", tensors));
  fs::rename(folder / "model.safetensors", copy + "/model.safetensors");
  return copy;
}

TEST(F16, GreedyTextIsTheReferences) {
  TemporaryFolder folder;
  std::string file = folder / "a.gptc";
  expectSuccess(gptcCommand({"compile", shakespeare, "-o", file, "--dtype",
                             "f16", "--target", "cpu,reference"}));
  auto generate = [&](const std::string &backend) {
    auto result = gptcCommand({"generate", file, "--backend", backend,
                               "--prompt", "ROMEO:", "--max-tokens", "16",
                               "--temperature", "0", "--print-ids"});
    expectSuccess(result);
    return result.out;
  };
  std::string expected = generate("reference");
  EXPECT_EQ(std::count(expected.begin(), expected.end(), ','), 15) << expected;
  for (const char *backend : {"cpu", "cpu:x86-64-v3"})
    EXPECT_EQ(generate(backend), expected) << backend;
}

TEST(F16, TakesTheMemoryOfBf16) {
  Json plans[2];
  for (int i : {0, 1}) {
    auto planned = gptcCommand(
        {"plan", "gpt2-124m", "--dtype", i == 0 ? "f16" : "bf16", "--json"});
    ASSERT_EQ(planned.code, 0) << planned.err;
    plans[i] = Json::parse(planned.out);
  }
  EXPECT_EQ(plans[0], plans[1]);
  EXPECT_LT(plans[0]["weights_bytes"],
            3 * plans[0]["parameters"].get<uint64_t>());
}

TEST(F16, TrainsNothing) {
  TemporaryFolder folder;
  const std::string refusal = "--dtype: f16 is for inference, and the entry '";
  for (const char *entry : {"train_step", "loss_and_gradients"})
    expectFailure(
        gptcCommand({"compile", model, "-o", folder / "a.gptc", "--dtype",
                     "f16", "--entry", std::string("decode,") + entry}),
        refusal + entry + "' computes gradients");
  expectFailure(gptcCommand({"plan", model, "--train", "--dtype", "f16"}),
                refusal + "train_step'");
  EXPECT_EQ(folder.count(), 0U);
}

/// A checkpoint in f16 is computed with in f32 unless f16 is asked for.
TEST(F16, IsAskedFor) {
  TemporaryFolder folder;
  std::string file = folder / "a.gptc";
  for (const char *type : {"", "f16"}) {
    std::vector<std::string> arguments{
        "compile", GPTC_SOURCE_DIR "/tests/golden/models/gpt1-swish-sharded",
        "-o", file};
    if (*type)
      arguments.insert(arguments.end(), {"--dtype", type});
    expectSuccess(gptcCommand(arguments));
    EXPECT_THAT(gptcCommand({"inspect", file}).out,
                HasSubstr(*type ? "target cpu in f16" : "target cpu in f32"));
  }
}

/// Where the weights are packed, which is while compiling or when an artifact
/// is loaded.
TEST(F16, WeightsThatItDoesNotHoldAreNamed) {
  TemporaryFolder folder;
  std::string changed = withWeight(folder, 70144), file = folder / "a.gptc";
  const std::string told =
      "mlp.c_fc.weight' of the checkpoint '" + changed +
      "' has 70144 as element 17, and f16 ends at 65504; take bf16";
  expectFailure(gptcCommand({"compile", changed, "-o", file, "--dtype", "f16",
                             "--embed-weights"}),
                told);
  EXPECT_FALSE(fs::exists(file));
  const std::vector<std::string> generate{
      "generate",     file, "--prompt-ids", "5,9",
      "--max-tokens", "1",  "--print-ids",  "--ignore-end"};
  expectSuccess(
      gptcCommand({"compile", changed, "-o", file, "--dtype", "f16"}));
  expectFailure(gptcCommand(generate), told);
  expectSuccess(
      gptcCommand({"compile", changed, "-o", file, "--dtype", "bf16"}));
  expectSuccess(gptcCommand(generate));
}

TEST(F16, ExportsWhatItStores) {
  TemporaryFolder folder;
  expectSuccess(
      gptcCommand({"compile", model, "-o", folder / "a.gptc", "--dtype", "f16",
                   "--embed-weights", "--entry", "decode"}));
  expectSuccess(gptcCommand({"export", folder / "a.gptc", folder / "out"}));
  auto from = SafetensorsFile::open(model + "/model.safetensors");
  auto to = SafetensorsFile::open(folder / "out/model.safetensors");
  ASSERT_TRUE(from && to);
  size_t compared = 0;
  for (const auto &[name, view] : to->tensors()) {
    if (!name.ends_with("c_fc.weight"))
      continue;
    const TensorView &original =
        from->tensors().at(name.substr(name.find('.') + 1));
    ASSERT_EQ(view.type, DataType::F16);
    for (size_t i = 0; i < elementCount(view.shape); ++i, ++compared)
      ASSERT_EQ(readElement(view.bytes.data(), view.type, i),
                fromF16(toF16(float(
                    readElement(original.bytes.data(), original.type, i)))));
  }
  EXPECT_GT(compared, 100U);
}

} // namespace
} // namespace gptc
