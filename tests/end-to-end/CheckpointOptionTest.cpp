//===- CheckpointOptionTest.cpp - Weights from a folder that is named -----===//
//
// An artifact's checkpoint may have moved, have changed, or be left for another
// of the same architecture: every command that reads weights takes a folder,
// and none computes with others than were compiled in without a word.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/tensors/Npy.h"
#include "tests/support/CommandExpectations.h"

#include <cstring>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string models = GPTC_SOURCE_DIR "/tests/golden/models";

class CheckpointOption : public testing::Test {
protected:
  void SetUp() override {
    fs::copy(models + "/gpt2-gelu", named);
    expectSuccess(
        gptcCommand({"compile", named, "-o", artifact, "--cpu", "x86-64-v3",
                     "--dtype", "f32", "--entry", "prefill,decode,logits,score",
                     "--target", "cpu,reference"}));
    ASSERT_TRUE(writeNpy(
        tokens, NpyArray{DataType::I32, {1, 2}, std::vector<std::byte>(8)}));
  }

  /// What each command that reads an artifact's weights does.
  std::vector<std::vector<std::string>> commands() {
    fs::remove_all(exported);
    return {
        {"generate", artifact, "--prompt-ids", "1,2", "--max-tokens", "2"},
        {"generate", artifact, "--prompt-ids", "1,2", "--max-tokens", "2",
         "--backend", "reference"},
        {"score", artifact, "--ids", "1,2,3"},
        {"run", artifact, "--entry", "logits", "--input", "tokens=@" + tokens},
        {"bench", artifact, "--entry", "decode", "--repeat", "1"},
        {"compare", artifact, "--entry", "decode"},
        {"export", artifact, exported}};
  }
  static CommandResult with(std::vector<std::string> command,
                            const std::string &checkpoint) {
    command.insert(command.end(), {"--checkpoint", checkpoint});
    return gptcCommand(command);
  }

  /// Changes a value of the first tensor.
  static void change(const std::string &checkpoint) {
    std::string path = checkpoint + "/model.safetensors";
    std::string text = TemporaryFolder::readFile(path);
    uint64_t header = 0;
    std::memcpy(&header, text.data(), sizeof(header));
    text[sizeof(header) + header] ^= 1;
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string weightsOf(const std::string &checkpoint) {
    return TemporaryFolder::readFile(checkpoint + "/model.safetensors");
  }

  TemporaryFolder folder;
  std::string named = folder / "named", moved = folder / "moved",
              artifact = folder / "a.gptc", exported = folder / "exported",
              tokens = folder / "tokens.npy";
};

TEST_F(CheckpointOption, AFolderMayMove) {
  fs::rename(named, moved);
  for (const auto &command : commands())
    expectFailure(gptcCommand(command),
                  "it does not exist; say with --checkpoint DIR where they are "
                  "now");
  for (const auto &command : commands()) {
    auto result = with(command, moved);
    expectSuccess(result);
    EXPECT_THAT(result.err, testing::Not(HasSubstr("compiled from")))
        << command[0];
  }
  EXPECT_EQ(weightsOf(exported), weightsOf(moved));
}

TEST_F(CheckpointOption, OtherWeightsAreTakenAndToldOfOnce) {
  change(named);
  for (const auto &command : commands())
    expectFailure(gptcCommand(command),
                  "'" + artifact +
                      "' was compiled from; compile it again, or take the "
                      "weights as they are by --checkpoint DIR");
  std::string notice = "The weights are those of '" + named +
                       "', which are not those that '" + artifact +
                       "' was compiled from.\n";
  for (const auto &command : commands()) {
    auto result = with(command, named);
    expectSuccess(result);
    size_t at = result.err.find(notice);
    ASSERT_NE(at, std::string::npos) << command[0] << ": " << result.err;
    EXPECT_EQ(result.err.find(notice, at + 1), std::string::npos) << command[0];
  }
  EXPECT_EQ(weightsOf(exported), weightsOf(named));
}

TEST_F(CheckpointOption, OtherSizesAreRefused) {
  for (const auto &command : commands())
    expectFailure(with(command, models + "/gpt2-wide"), "expected");
  EXPECT_FALSE(fs::exists(exported));
}

TEST_F(CheckpointOption, RandomWeightsMayBeReplacedWithoutAWord) {
  fs::remove(named + "/model.safetensors");
  expectSuccess(gptcCommand({"compile", named, "--init-seed", "1", "-o",
                             artifact, "--cpu", "x86-64-v3", "--dtype", "f32",
                             "--entry", "decode"}));
  auto result = with({"export", artifact, exported}, models + "/gpt2-gelu");
  expectSuccess(result);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(weightsOf(exported), weightsOf(models + "/gpt2-gelu"));
}

TEST_F(CheckpointOption, OfTwoArtifactsItIsForTheOneWithoutWeights) {
  std::string carrying = folder / "carrying.gptc";
  expectSuccess(
      gptcCommand({"compile", named, "-o", carrying, "--cpu", "x86-64-v3",
                   "--dtype", "f32", "--entry", "decode", "--embed-weights"}));
  fs::rename(named, moved);
  std::vector<std::string> both{"compare", carrying, artifact, "--entry",
                                "decode"};
  expectFailure(gptcCommand(both), "say with --checkpoint DIR");
  expectSuccess(with(both, moved));
  expectFailure(with({"compare", carrying, carrying}, moved),
                "carries its weights, and takes none from");
  expectFailure(with({"export", carrying, exported}, moved),
                "carries its weights, and takes none from");
  EXPECT_FALSE(fs::exists(exported));
}

} // namespace
} // namespace gptc
