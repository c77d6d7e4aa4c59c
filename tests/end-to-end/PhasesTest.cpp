// IR of every phase prints, parses back to the same text, and compiles on from
// there to the same artifact, byte for byte.

#include "gptc/compiler/Driver.h"
#include "tests/support/TemporaryFolder.h"
#include "tests/support/TinyModel.h"

#include "llvm/Support/ErrorHandling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::AnyOf;
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
                    Case{"gpt1-swish-sharded", "f16"},
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
                        "'gptc.gradient' does not stand here in phase"));
}

/// `text` with what its attribute gptc.phase says exchanged.
std::string relabelled(std::string text, const std::string &phase) {
  const std::string before = "gptc.phase = \"";
  size_t at = text.find(before) + before.size();
  return text.replace(at, text.find('"', at) - at, phase);
}

TEST(PhasesErrors, AModuleIsNotOfAnotherPhaseThanItSays) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.cpu = "x86-64-v3";
  request.entries = {"loss_and_gradients", "decode"};
  CompileRequest onward;
  onward.output = folder / "out.gptc";
  for (const std::string phase : phases) {
    request.toPhase = phase;
    auto compiled = compileModel(request);
    ASSERT_TRUE(compiled) << compiled.error().message();
    for (const std::string other : phases) {
      // A module of phase gradient is one that asks for no gradients.
      if (other == phase || (phase == "gradient" && other == "model"))
        continue;
      onward.model =
          folder.write("other.mlir", relabelled(compiled->text, other));
      EXPECT_THAT(errorOf(onward), HasSubstr("malformed in phase '" + other))
          << phase;
      EXPECT_FALSE(std::filesystem::exists(onward.output));
    }
  }
}

TEST(PhasesErrors, WhatAPassLeavesIsRefused) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.cpu = "x86-64-v3";
  request.output = folder / "out.gptc";
  request.dumpDirectory = folder / "dump";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  std::filesystem::remove(request.output);
  CompileRequest onward;
  onward.output = request.output;
  size_t refused = 0;
  for (const auto &file :
       std::filesystem::directory_iterator(request.dumpDirectory)) {
    std::string name = file.path().filename();
    if (name.find("form-kernels") == std::string::npos &&
        name.find("outline") == std::string::npos &&
        name.find("plan-memory") == std::string::npos)
      continue;
    onward.model = file.path();
    EXPECT_THAT(errorOf(onward), HasSubstr("does not stand here in phase"));
    EXPECT_FALSE(std::filesystem::exists(onward.output));
    ++refused;
  }
  EXPECT_GE(refused, 6U);
}

TEST(PhasesErrors, BuffersLieInTheArena) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.entries = {"decode"};
  request.toPhase = "program";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  CompileRequest onward;
  onward.output = folder / "out.gptc";
  auto errorWith = [&](const std::string &offset) {
    std::string text = compiled->text;
    size_t at = text.find("gptc.arena ") + 11;
    text.replace(at, text.find(' ', at) - at, offset);
    onward.model = folder.write("edited.mlir", text);
    return errorOf(onward);
  };
  EXPECT_THAT(errorWith("1000000000000000"), HasSubstr("(arena_c1)"));
  EXPECT_THAT(errorWith("-64"), HasSubstr("(arena_c1)"));
  EXPECT_THAT(errorWith("4"), HasSubstr("(arena_c1)"));
  EXPECT_THAT(errorWith("1048576"), HasSubstr("ends after the"));
  EXPECT_FALSE(std::filesystem::exists(onward.output));
}

/// `text` without the line at `at`.
std::string withoutLine(std::string text, size_t at) {
  size_t begin = text.rfind('\n', at) + 1;
  return text.erase(begin, text.find('\n', at) + 1 - begin);
}

/// Whatever buffer is moved and whatever launch is left out, what would run on
/// other values than before is refused.
TEST(PhasesErrors, BuffersHoldWhatIsReadFromThem) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  for (const std::string entry : {"decode", "loss_and_gradients"}) {
    request.entries = {entry};
    request.toPhase = "program";
    auto compiled = compileModel(request);
    ASSERT_TRUE(compiled) << compiled.error().message();
    const std::string &text = compiled->text;
    CompileRequest onward;
    onward.toPhase = "program";
    auto errorOfText = [&](const std::string &edited) {
      onward.model = folder.write("edited.mlir", edited);
      return errorOf(onward);
    };
    EXPECT_EQ(errorOfText(text), "no error");
    size_t moved = 0, launches = 0;
    const std::string arena = "gptc.arena ";
    for (size_t at = 0; (at = text.find(arena, at)) != std::string::npos;) {
      at += arena.size();
      std::string edited = text;
      edited.replace(at, text.find(' ', at) - at, "0");
      if (edited != text)
        moved +=
            errorOfText(edited).find("must not overlap") != std::string::npos;
    }
    EXPECT_GE(moved, 2U) << entry;
    for (size_t at = 0;
         (at = text.find("gptc.launch", at)) != std::string::npos; ++at) {
      ++launches;
      EXPECT_THAT(errorOfText(withoutLine(text, at)),
                  AnyOf(HasSubstr("which no launch before it writes"),
                        HasSubstr("', which no launch writes")))
          << text.substr(at, 80);
    }
    EXPECT_GE(launches, 6U);
  }
}

TEST(PhasesErrors, SessionsFindArgumentsAndResults) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.entries = {"decode"};
  for (const std::string phase : {"model", "program"}) {
    request.toPhase = phase;
    auto compiled = compileModel(request);
    ASSERT_TRUE(compiled) << compiled.error().message();
    auto renamed = [&](const std::string &name) {
      std::string text = compiled->text, quoted = "\"" + name + "\"}";
      size_t at = text.find(quoted);
      EXPECT_NE(at, std::string::npos) << name;
      text.replace(at, quoted.size(), "\"other\"}");
      CompileRequest onward;
      onward.model = folder.write("edited.mlir", text);
      onward.output = folder / "out.gptc";
      return errorOf(onward);
    };
    EXPECT_THAT(renamed("logits"),
                HasSubstr("the entry 'decode' has no result 'logits', by which "
                          "it is run; found other"));
    EXPECT_THAT(renamed("positions"),
                HasSubstr("the entry 'decode' has no argument 'positions', by "
                          "which it is run; found tokens, other, lengths"));
    EXPECT_FALSE(std::filesystem::exists(folder / "out.gptc"));
  }
}

/// A vocabulary that Vulkan's programs choose candidates of.
CompileRequest manyTokens(const TemporaryFolder &folder) {
  CompileRequest request;
  request.model = writeTinyModel(folder, "tiny", 9001);
  request.targets = {"vulkan"};
  request.entries = {"decode"};
  return request;
}

TEST(PhasesCandidates, CompileOnToTheSameArtifact) {
  TemporaryFolder folder;
  const CompileRequest request = manyTokens(folder);
  CompileRequest whole = request;
  whole.output = folder / "out.gptc";
  ASSERT_TRUE(compileModel(whole));
  std::string expected = folder.read("out.gptc");
  for (const std::string phase : phases) {
    CompileRequest part = request;
    part.toPhase = phase;
    auto compiled = compileModel(part);
    ASSERT_TRUE(compiled) << compiled.error().message();
    EXPECT_EQ(compiled->text.find("gptc.top_k") != std::string::npos,
              phase != "model" && phase != "gradient")
        << phase;
    CompileRequest onward;
    onward.model = folder.write(phase + ".mlir", compiled->text);
    onward.output = folder / "out.gptc";
    auto again = compileModel(onward);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(folder.read("out.gptc") == expected) << phase;
  }
}

/// The names of the variants that a request compiles Vulkan's kernels to.
std::vector<std::string> variantsOf(CompileRequest request,
                                    const std::string &path) {
  request.output = path;
  auto compiled = compileModel(request);
  EXPECT_TRUE(compiled) << compiled.error().message();
  auto artifact = Artifact::open(path);
  EXPECT_TRUE(artifact);
  std::vector<std::string> names;
  for (const auto &variant : (*artifact)->findTarget("vulkan")->variants)
    names.push_back(variant->name);
  return names;
}

TEST(PhasesProfiles, ChooseTheVariantsOfAnArtifact) {
  using Names = std::vector<std::string>;
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.entries = {"decode", "logits"};
  auto of = [&](const std::string &profile, const std::string &type) {
    request.targets = {"vulkan:" + profile};
    request.dtype = type;
    return variantsOf(request, folder / "out.gptc");
  };
  EXPECT_EQ(of("gpu", "f32"), Names({"hardware"}));
  EXPECT_EQ(of("gpu", "bf16"),
            Names({"matrix-bf16", "hardware-16bit", "hardware"}));
  EXPECT_EQ(of("software", "bf16"), Names({"software-wide", "software"}));
  // One alone has all kernels, whatever it shares with others elsewhere.
  for (std::string one : {"hardware", "hardware-16bit", "matrix-bf16"})
    EXPECT_EQ(of(one, "bf16"), Names({one}));
  EXPECT_EQ(of("hardware-16bit", "f32"), Names({"hardware-16bit"}));
  request.output = folder / "none.gptc";
  request.targets = {"vulkan:matrix-f16"};
  auto nothing = compileModel(request);
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message(),
              HasSubstr("'matrix-f16' has nothing for this model: it is for "
                        "products in f16; give --dtype f16"));
  request.targets = {"vulkan:wide"};
  auto unknown = compileModel(request);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(),
              HasSubstr("Vulkan has no profile 'wide'; choose gpu, software, "
                        "or a variant: matrix-bf16"));
  request.targets = {"vulkan", "vulkan:gpu"};
  auto twice = compileModel(request);
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message(), HasSubstr("'vulkan' is given twice"));
  // A phase remembers it.
  request.targets = {"vulkan:gpu"};
  request.output.clear();
  request.toPhase = "program";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  CompileRequest onward;
  onward.model = folder.write("program.mlir", compiled->text);
  EXPECT_EQ(variantsOf(onward, folder / "out.gptc"), Names({"hardware"}));
}

TEST(PhasesCandidates, AddedResultsAreCounted) {
  TemporaryFolder folder;
  CompileRequest request = manyTokens(folder);
  request.toPhase = "program";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  const std::string count = "gptc.added_results = 2";
  size_t at = compiled->text.find(count);
  ASSERT_NE(at, std::string::npos);
  for (const char *wrong : {"4", "-1", "\"2\""}) {
    std::string text = compiled->text;
    text.replace(at + count.size() - 1, 1, wrong);
    CompileRequest onward;
    // A number has its type behind it.
    if (wrong[0] == '"')
      text.erase(text.find(" : i64", at), 6);
    onward.model = folder.write("edited.mlir", text);
    onward.output = folder / "out.gptc";
    EXPECT_THAT(errorOf(onward),
                HasSubstr("the entry 'decode' has 3 results, and its attribute "
                          "gptc.added_results must say how many of them its "
                          "target adds"));
  }
}

TEST(PhasesErrors, EntriesAreOneBlock) {
  TemporaryFolder folder;
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
  request.entries = {"decode"};
  request.toPhase = "kernels";
  auto compiled = compileModel(request);
  ASSERT_TRUE(compiled) << compiled.error().message();
  std::string text = compiled->text;
  text.insert(text.find("func.func @decode"),
              "func.func private @declared()\n  ");
  CompileRequest onward;
  onward.model = folder.write("edited.mlir", text);
  onward.output = folder / "out.gptc";
  EXPECT_THAT(errorOf(onward),
              HasSubstr("entry 'declared' has 0 blocks, expected one"));
}

/// LLVM would abort.
TEST(CompilerService, MemoryThatRunsOutInLlvmEndsAsTheCommandWants) {
  EXPECT_EXIT(
      {
        gptc_compiler_service()->onOutOfMemory([] { ::_exit(7); });
        llvm::report_bad_alloc_error("Allocation failed");
      },
      testing::ExitedWithCode(7), "^$");
}

} // namespace
} // namespace gptc
