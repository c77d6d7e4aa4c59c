//===- BisectTest.cpp - The first kernel that differs ---------------------===//

#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "tests/support/CommandExpectations.h"

#include <nlohmann/json.hpp>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

/// The model of a folder with the first number of one tensor replaced.
void writeAltered(const std::string &from, const std::string &to,
                  const std::string &tensor, double value) {
  fs::copy(from, to);
  auto file = SafetensorsFile::open(from + "/model.safetensors");
  ASSERT_TRUE(file) << file.error().message();
  std::vector<PendingTensor> pending;
  bool altered = false;
  for (const auto &[name, view] : file->tensors()) {
    std::vector<std::byte> bytes(view.bytes.begin(), view.bytes.end());
    if (name.ends_with(tensor)) {
      writeElement(bytes.data(), view.type, 0, value);
      altered = true;
    }
    pending.push_back(
        {name, view.type, view.shape,
         [bytes](const PendingTensor::Sink &sink) { return sink(bytes); }});
  }
  ASSERT_TRUE(altered) << tensor;
  fs::remove(to + "/model.safetensors");
  ASSERT_TRUE(writeSafetensors(to + "/model.safetensors", std::move(pending)));
}

class Bisect : public testing::Test {
protected:
  void SetUp() override {
    writeAltered(model, folder / "altered", "h.1.mlp.c_proj.bias", 300);
    for (const auto &[checkpoint, file] :
         {std::pair(model, right), std::pair(folder / "altered", wrong)})
      expectSuccess(gptcCommand({"compile", checkpoint, "-o", file, "--cpu",
                                 "x86-64-v3", "--dtype", "f32", "--entry",
                                 "prefill,decode,logits,loss_and_gradients",
                                 "--target", "cpu,reference"}));
  }
  static Json compare(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"compare"});
    arguments.insert(arguments.end(), {"--bisect", "--json", "--repeat", "1"});
    auto compared = gptcCommand(arguments);
    EXPECT_EQ(compared.code, 0) << compared.err;
    return Json::parse(compared.out)["bisect"];
  }

  const std::string model =
      GPTC_SOURCE_DIR "/tests/golden/models/gpt2-silu-unscaled";
  TemporaryFolder folder;
  const std::string right = folder / "right.gptc",
                    wrong = folder / "wrong.gptc";
};

TEST_F(Bisect, NamesTheKernelThatBringsItIn) {
  for (std::string entry : {"logits", "decode", "loss_and_gradients"}) {
    SCOPED_TRACE(entry);
    Json found = compare({right, wrong, "--entry", entry});
    EXPECT_DOUBLE_EQ(found["tolerance"], 1e-4);
    const Json &first = found["first"];
    ASSERT_TRUE(first.is_object()) << found;
    EXPECT_THAT(first["scope"].get<std::string>(), HasSubstr("h.1/mlp/c_proj"));
    EXPECT_THAT(first["kernel"].get<std::string>(), HasSubstr("matmul"));
    // What it reads is the same on both sides, and what it writes is not.
    EXPECT_LT(first["inputs_relative_error"], 1e-6);
    EXPECT_GT(first["relative_error"], 0.1);
    double values[2] = {first["values"][0], first["values"][1]};
    EXPECT_GT(values[1] - values[0], 250);
  }
}

TEST_F(Bisect, NamesNoneWhereNoneDiffers) {
  for (const auto &arguments : std::vector<std::vector<std::string>>{
           {right, right, "--entry", "logits"},
           {right, "--backends", "cpu,reference", "--entry", "logits"},
           {right, wrong, "--entry", "logits", "--tolerance", "1e9"}})
    EXPECT_TRUE(compare(arguments)["first"].is_null());
  auto told = gptcCommand({"compare", right, right, "--bisect"});
  EXPECT_THAT(told.out, HasSubstr("No kernel's outputs differ by more than"));
}

TEST_F(Bisect, HoldsAProgramAgainstTheReference) {
  Json found = compare(
      {right, wrong, "--backends", "cpu,reference", "--entry", "logits"});
  const Json &first = found["first"];
  ASSERT_TRUE(first.is_object()) << found;
  EXPECT_THAT(first["scope"].get<std::string>(), HasSubstr("h.1/mlp/c_proj"));
  EXPECT_FALSE(first.contains("values"));
}

/// Adam's first step from zeros is a gradient's sign, also of one that is but
/// rounding: here there is state, and what is left in variables is looked at.
TEST_F(Bisect, FindsAnOptimizerThatDiffersAndNoneThatDoesNot) {
  auto compile = [&](const std::string &file, const std::string &recipe) {
    expectSuccess(gptcCommand({"compile", model, "-o", file, "--dtype", "f32",
                               "--entry", "train_step", "--recipe", recipe,
                               "--dropout", "0", "--clip", "0"}));
  };
  // Of other decays of the second moments, 0.999 and 0.95.
  compile(folder / "gpt1.gptc", "gpt1");
  compile(folder / "gpt2.gptc", "gpt2");
  const std::vector<std::string> entry{"--entry", "train_step"};
  Json wrong = compare({folder / "gpt1.gptc", folder / "gpt2.gptc", entry[0],
                        entry[1], "--tolerance", "1e-3"});
  ASSERT_TRUE(wrong["first"].is_object()) << wrong;
  EXPECT_THAT(wrong["first"]["scope"].get<std::string>(),
              HasSubstr("optimizer"));
  EXPECT_LT(wrong["first"]["inputs_relative_error"], 1e-4);
  auto told =
      gptcCommand({"compare", folder / "gpt1.gptc", folder / "gpt2.gptc",
                   entry[0], entry[1], "--repeat", "1"});
  EXPECT_THAT(told.out, HasSubstr("variable, largest errors first"));
  // Also where no dispatch is looked at, what they left in variables is.
  EXPECT_THAT(told.out, HasSubstr("exp_avg_sq"));
  Json right = compare({folder / "gpt2.gptc", "--backends",
                        "cpu:x86-64-v4,cpu:x86-64-v3", entry[0], entry[1]});
  EXPECT_TRUE(right["first"].is_null()) << right;
}

TEST_F(Bisect, SaysItInASentence) {
  auto told =
      gptcCommand({"compare", right, wrong, "--bisect", "--entry", "logits"});
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("The first kernel whose outputs differ"));
  EXPECT_THAT(told.out, HasSubstr("in h.1/mlp/c_proj"));
  expectFailure(gptcCommand({"compare", right, wrong, "--tolerance", "0.1"}),
                "add --bisect");
}

} // namespace
} // namespace gptc
