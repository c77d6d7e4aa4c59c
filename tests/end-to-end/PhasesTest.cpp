// IR of every phase prints, parses back to the same text, and compiles on from
// there to the same artifact, byte for byte.

#include "gptc/compiler/Driver.h"
#include "tests/support/TemporaryFolder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::HasSubstr;

constexpr const char *phases[] = {"model", "gradient", "fused", "kernels",
                                  "program"};

struct Case {
  std::string model;
  std::string type;
  std::vector<std::string> entries = {"prefill", "decode"};
};
void PrintTo(const Case &item, std::ostream *out) {
  *out << item.model << " in " << item.type;
}

class Phases : public testing::TestWithParam<Case> {
protected:
  CompileRequest request() const {
    CompileRequest result;
    result.model = GPTC_SOURCE_DIR "/tests/golden/models/" + GetParam().model;
    result.dtype = GetParam().type;
    result.entries = GetParam().entries;
    result.cpu = "x86-64-v3";
    return result;
  }
  /// What is compiled, or an empty text after a failure of the test.
  std::string artifactOf(CompileRequest request) {
    request.output = folder / "out.gptc";
    auto compiled = compileModel(request);
    if (!compiled) {
      ADD_FAILURE() << compiled.error().message();
      return "";
    }
    return folder.read("out.gptc");
  }
  std::string textOf(CompileRequest request, const std::string &phase) {
    request.toPhase = phase;
    auto compiled = compileModel(request);
    if (!compiled) {
      ADD_FAILURE() << compiled.error().message();
      return "";
    }
    return compiled->text;
  }

  TemporaryFolder folder;
};

TEST_P(Phases, PrintParseAndCompileOn) {
  std::string expected = artifactOf(request());
  ASSERT_FALSE(expected.empty());
  CompileRequest before = request();
  for (const std::string phase : phases) {
    std::string text = textOf(request(), phase);
    EXPECT_THAT(text, HasSubstr("gptc.phase = \"" + phase + "\""));
    // On from the phase before gives what all at once gives.
    EXPECT_TRUE(textOf(before, phase) == text) << phase;
    CompileRequest onward;
    onward.model = folder.write(phase + ".mlir", text);
    onward.fromPhase = phase;
    EXPECT_TRUE(textOf(onward, phase) == text) << phase;
    EXPECT_TRUE(artifactOf(onward) == expected) << phase;
    before = onward;
  }
}

TEST_P(Phases, CompileTwiceToTheSameBytes) {
  EXPECT_TRUE(artifactOf(request()) == artifactOf(request()));
}

INSTANTIATE_TEST_SUITE_P(
    Models, Phases,
    testing::Values(Case{"gpt2-gelu", "f32"}, Case{"gpt2-sharded", "bf16"},
                    Case{"gpt1-relu", "f32"},
                    Case{"neo-global-and-local", "bf16"},
                    Case{"gpt3-band-of-one", "f32", {"loss_and_gradients"}}),
    [](const testing::TestParamInfo<Case> &info) {
      std::string name = info.param.model + "_" + info.param.type;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

std::string errorOf(const CompileRequest &request) {
  auto compiled = compileModel(request);
  return compiled ? "no error" : compiled.error().message();
}

TEST(PhasesErrors, NameThePhases) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.toPhase = "optimized";
  EXPECT_THAT(errorOf(request), HasSubstr("'optimized'"));
  EXPECT_THAT(errorOf(request), HasSubstr("kernels"));

  request.toPhase = "kernels";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  CompileRequest onward;
  onward.model = folder.write("kernels.mlir", compiled->text);
  // There is no way back.
  onward.toPhase = "model";
  EXPECT_THAT(errorOf(onward), HasSubstr("'kernels'"));
  onward.fromPhase = "model";
  onward.toPhase = "program";
  EXPECT_THAT(errorOf(onward), HasSubstr("'kernels'"));
  // Text that does not parse, or says no phase.
  onward.fromPhase = "";
  onward.model =
      folder.write("broken.mlir", compiled->text.substr(0, 3000) + "?");
  EXPECT_THAT(errorOf(onward), HasSubstr("broken.mlir"));
  onward.model = folder.write("empty.mlir", "module {}");
  EXPECT_THAT(errorOf(onward), HasSubstr("empty.mlir"));
}

TEST(PhasesErrors, GradientsAreAskedForInPhaseModelAlone) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-context-of-one";
  request.entries = {"loss_and_gradients"};
  request.toPhase = "model";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  std::string text = compiled->text;
  const std::string phase = "gptc.phase = \"model\"";
  ASSERT_NE(text.find(phase), std::string::npos);
  text.replace(text.find(phase), phase.size(), "gptc.phase = \"gradient\"");
  CompileRequest onward;
  onward.model = folder.write("gradient.mlir", text);
  onward.toPhase = "fused";
  EXPECT_THAT(errorOf(onward),
              HasSubstr("malformed in phase 'gradient': module: "
                        "'gptc.gradient' op stands in phase model alone"));
}

} // namespace
} // namespace gptc
