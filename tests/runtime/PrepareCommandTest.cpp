// gptc prepare as a process: results, notes, one sentence for each mistake, and
// being killed at any moment.

#include "gptc/runtime/data/TokenData.h"
#include "tests/support/Command.h"
#include "tests/support/Matchers.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char *tokenizer = GPTC_SOURCE_DIR "/examples/shakespeare";

class PrepareCommand : public testing::Test {
protected:
  PrepareCommand() : output(folder / "data") {}

  /// `lines` documents of some words each.
  static std::string documents(size_t lines) {
    std::string text;
    for (size_t i = 0; i < lines; ++i) {
      text += R"({"text": "Document )" + std::to_string(i) + ":";
      for (size_t j = 0; j < i % 40; ++j)
        text += " so wise so young, they say, " + std::to_string(i * j);
      text += "\"}\n";
    }
    return text;
  }

  std::vector<std::string> arguments(std::vector<std::string> more) const {
    more.insert(more.begin(), "prepare");
    more.insert(more.end(), {"-o", output, "--tokenizer", tokenizer});
    return more;
  }
  CommandResult prepare(std::vector<std::string> more) const {
    return gptcCommand(arguments(std::move(more)));
  }

  /// Asserts that a command fails as commands should and leaves nothing.
  void expectFailure(const CommandResult &result,
                     const std::string &text) const {
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("gptc: "));
    EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
        << result.err;
    EXPECT_FALSE(fs::exists(output));
  }

  static std::map<std::string, std::string> contentOf(const std::string &path) {
    std::map<std::string, std::string> files;
    for (const auto &entry : fs::directory_iterator(path))
      files[entry.path().filename().string()] =
          TemporaryFolder::readFile(entry.path());
    return files;
  }

  TemporaryFolder folder;
  std::string output;
};

TEST_F(PrepareCommand, JsonSaysWhatWasWritten) {
  std::string input = folder.write("a.jsonl", documents(300) + "no json\n" +
                                                  documents(3) + "{}\n");
  auto result = prepare({input, "--validation", "0.1", "--seed", "7",
                         "--drop-duplicates", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  auto json = nlohmann::json::parse(result.out);
  ASSERT_VALUE(TokenData data, TokenData::open(output));
  ASSERT_SUCCESS(data.verify());
  uint64_t training = data.tokens(DataPart::Training),
           validation = data.tokens(DataPart::Validation);
  EXPECT_GT(validation, 0U);
  EXPECT_EQ(json["documents"], 300);
  EXPECT_EQ(json["tokens"], training + validation);
  EXPECT_EQ(json["training_tokens"], training);
  EXPECT_EQ(json["validation_tokens"], validation);
  EXPECT_EQ(json["validation_documents"], data.documents(DataPart::Validation));
  EXPECT_EQ(json["training_documents"], data.documents(DataPart::Training));
  EXPECT_EQ(json["bad_lines"], 2);
  EXPECT_EQ(json["duplicates"], 3);
  EXPECT_EQ(json["shards"], 1);
  EXPECT_GT(json["seconds"], 0);
  EXPECT_THAT(result.err,
              StartsWith("Left out 2 bad lines, the first in this run:\n  " +
                         input + ":301: it is no JSON from byte 2 on\n"));
  EXPECT_EQ(result.err.find('\r'), std::string::npos) << "no terminal";
}

TEST_F(PrepareCommand, TextSaysTheSameAndAgainThatItIsFinished) {
  std::string input = folder.write("a.txt", "To be,\n\nor not to be\n");
  auto result = prepare({input, "--separator", "", "--validation", "0"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, StartsWith("training    9 tokens in 2 documents\n"
                                     "1 shard in " +
                                     output + ", 2 bytes a token, in "));
  auto content = contentOf(output);
  result = prepare({input, "--separator", "", "--validation", "0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err,
            "'" + output + "' was finished before; nothing is left to do.\n");
  EXPECT_EQ(contentOf(output), content);
  result = prepare({input, "--separator", ""});
  EXPECT_EQ(result.code, 0) << "the same options by default";
  result = prepare({input, "--seed", "1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("was prepared with separator \"\""));
  EXPECT_EQ(contentOf(output), content);
}

TEST_F(PrepareCommand, NotesTellOfPartsThatAreEmpty) {
  std::string input = folder.write("a.txt", "To be");
  auto result = prepare({input, "--validation", "0.000001"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, StartsWith("No document was chosen for validation"));
  EXPECT_THAT(result.out, HasSubstr("validation  0 tokens in 0 documents\n"));
  fs::remove_all(output);
  result = prepare({input, "--validation", "1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, StartsWith("All documents were chosen"));
}

TEST_F(PrepareCommand, MistakesAreOneSentence) {
  std::string input = folder.write("a.jsonl", documents(3) + "no json\n");
  expectFailure(prepare({folder / "none"}), "none': No such file");
  expectFailure(prepare({folder.path()}), "it is a folder");
  expectFailure(prepare({"/dev/null"}), "a pipe or device");
  expectFailure(prepare({input, "--strict"}),
                "a.jsonl:4: it is no JSON from byte 2 on");
  expectFailure(prepare({input, "--key", "body"}),
                "hold no documents; 4 of their lines are bad, the first is " +
                    input + ":1: it has no key 'body'");
  expectFailure(prepare({input, "--validation", "1.5"}), "--validation");
  expectFailure(prepare({input, "--validation", "nan"}), "validation");
  expectFailure(prepare({input, "--shard-tokens", "0"}), "--shard-tokens");
  expectFailure(prepare({input, "--format", "csv"}), "choose text or jsonl");
  expectFailure(prepare({input, "--threads", "100000"}), "100000 threads");
  expectFailure(prepare({folder.write("empty.txt", "")}),
                "empty.txt:1: the file is empty");
  expectFailure(gptcCommand({"prepare", input, "-o", output}), "--tokenizer");
  expectFailure(gptcCommand({"prepare", input, "--tokenizer", tokenizer}),
                "--output");
  expectFailure(gptcCommand({"prepare", input, "-o", output, "--tokenizer",
                             folder.path()}),
                "'" + folder.path() + "'");
  expectFailure(gptcCommand({"prepare", input, "-o", output, "--tokenizer",
                             folder / "none"}),
                "none'");
}

/// Kills the command after a time; whether it was still running.
bool killAfter(const std::vector<std::string> &arguments,
               std::chrono::microseconds time) {
  pid_t child = ::fork();
  if (child == 0) {
    std::vector<char *> argv;
    std::string command = GPTC_COMMAND;
    argv.push_back(command.data());
    for (const std::string &argument : arguments)
      argv.push_back(const_cast<char *>(argument.c_str()));
    argv.push_back(nullptr);
    int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::execv(GPTC_COMMAND, argv.data());
    ::_exit(127);
  }
  std::this_thread::sleep_for(time);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

TEST_F(PrepareCommand, KilledAtAnyMomentItGoesOnToTheSameBytes) {
  std::string input = folder.write("a.jsonl", documents(4000));
  std::vector<std::string> options = {
      input,   "--validation", "0.2", "--shard-tokens",
      "20000", "--threads",    "2"};
  auto begin = std::chrono::steady_clock::now();
  auto whole = prepare(options);
  ASSERT_EQ(whole.code, 0) << whole.err;
  auto time = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  auto expected = contentOf(output);
  ASSERT_GE(expected.size(), 10U);
  // Once killed after each share of the time in which it is done.
  for (int moment = 1; moment <= 9; moment += 2) {
    fs::remove_all(output);
    killAfter(arguments(options), time * moment / 10);
    // Only the last moment may have been late enough.
    if (TokenData::open(output))
      EXPECT_EQ(contentOf(output), expected);
    auto result = prepare(options);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(contentOf(output), expected) << moment;
  }
  // Again and again, each time a little later, until it gets through.
  fs::remove_all(output);
  for (int share = 2; killAfter(arguments(options), time * share / 10);)
    ++share;
  auto result = prepare(options);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(contentOf(output), expected);
}

} // namespace
} // namespace gptc
