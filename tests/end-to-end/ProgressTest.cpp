//===- ProgressTest.cpp - What takes a while says how far it is -----------===//

#include "tests/support/CommandExpectations.h"
#include "tests/support/Terminal.h"

namespace gptc {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::string shakespeare = GPTC_SOURCE_DIR "/examples/shakespeare";

std::vector<std::string> compiling(const std::string &model,
                                   const std::string &file,
                                   std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"compile", model, "-o", file, "--cpu", "x86-64-v3",
                             "--context", "64"});
  return more;
}

/// Runs the command on a terminal, on which a line of progress is written over
/// until its result is.
std::string onTerminal(const std::vector<std::string> &arguments,
                       const std::string &result) {
  auto ran = gptcOnTerminal(arguments);
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, ContainsRegex("\r\033\\[K" + result));
  return ran.out;
}

/// Runs it with files in the place of the terminal: there is no such line.
void elsewhere(const std::vector<std::string> &arguments) {
  auto ran = gptcCommand(arguments);
  expectSuccess(ran);
  EXPECT_THAT(ran.out + ran.err,
              AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033"))));
}

TEST(ProgressOfACommand, CompilingTellsPassesKernelsAndBytes) {
  TemporaryFolder folder;
  auto arguments = compiling(
      shakespeare, folder / "a.gptc",
      {"--entry", "decode", "--embed-weights", "--target", "cpu,vulkan"});
  EXPECT_THAT(
      onTerminal(arguments, "Wrote "),
      AllOf(HasSubstr("\r\033[Kphase model"),
            HasSubstr("\r\033[Kphase cpu-fused: gptc-form-kernels"),
            HasSubstr("\r\033[Kphase vulkan-program: gptc-plan-memory"),
            ContainsRegex("\033\\[Kx86-64-v3: kernel 2 of [0-9]+"),
            ContainsRegex("\033\\[Kx86-64-v3: optimizing the code of [0-9]+ "
                          "kernels"),
            ContainsRegex("\033\\[Kvulkan software: kernel 2 of [0-9]+"),
            ContainsRegex("\033\\[Kwriting: ([0-9]+) of [0-9]+ MiB")));
  elsewhere(arguments);
}

/// The weights of 124 million random parameters take a while.
TEST(ProgressOfACommand, WeightsTellBytes) {
  TemporaryFolder folder;
  std::string file = folder / "a.gptc";
  expectSuccess(
      gptcCommand(compiling("gpt2-124m", file, {"--entry", "decode"})));
  std::string bytes = ": [0-9.]+ [KMG]iB of [0-9.]+ MiB";
  std::vector<std::string> generate{"generate",     file, "--prompt-ids", "1",
                                    "--max-tokens", "1",  "--threads",    "1",
                                    "--print-ids"};
  EXPECT_THAT(onTerminal(generate, "[0-9]+\r\n"),
              ContainsRegex("\033\\[Kloading weights" + bytes));
  elsewhere(generate);
  EXPECT_THAT(onTerminal({"export", file, folder / "one"}, "Wrote "),
              ContainsRegex("\033\\[Kwriting weights" + bytes));
}

TEST(ProgressOfACommand, ScoringTellsWindows) {
  TemporaryFolder folder;
  std::string file = folder / "a.gptc";
  expectSuccess(
      gptcCommand(compiling(shakespeare, file, {"--entry", "score"})));
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "To be, or not to be, that is the question. ";
  std::vector<std::string> arguments{
      "score",    file, "--file",    folder.write("text", text),
      "--stride", "8",  "--threads", "1"};
  EXPECT_THAT(onTerminal(arguments, "log-likelihood "),
              ContainsRegex("\033\\[Kscoring: [0-9]+ of [0-9]+ windows"));
  auto piped = gptcCommand(arguments);
  expectSuccess(piped);
  EXPECT_EQ(piped.err, "");
}

} // namespace
} // namespace gptc
