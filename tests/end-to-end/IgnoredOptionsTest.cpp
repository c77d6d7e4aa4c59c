//===- IgnoredOptionsTest.cpp - Options that would do nothing -------------===//
//
// What is given and cannot be honoured is an error; values that mean nothing
// say what is expected.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/artifact/Artifact.h"
#include "tests/support/CommandExpectations.h"

#include <algorithm>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
const std::string shakespeare = GPTC_SOURCE_DIR "/examples/shakespeare";

class IgnoredOptions : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    embedded = *folder / "embedded.gptc";
    auto made = gptcCommand({"compile", shakespeare, "-o", embedded, "--cpu",
                             "x86-64-v3", "--embed-weights", "--context", "32",
                             "--entry", "prefill,decode,score"});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }
  /// Generates two tokens with more options.
  static CommandResult generate(std::vector<std::string> more) {
    more.insert(more.begin(),
                {"generate", embedded, "--max-tokens", "2", "--prompt", "A"});
    return gptcCommand(more);
  }

  static TemporaryFolder *folder;
  static std::string embedded;
};

TemporaryFolder *IgnoredOptions::folder = nullptr;
std::string IgnoredOptions::embedded;

TEST_F(IgnoredOptions, TwoWaysToSayOneThing) {
  expectFailure(generate({"--backend", "cpu:x86-64-v3", "--cpu", "x86-64-v3"}),
                "chooses an instruction set, and so does --backend");
  expectFailure(
      gptcCommand({"generate", embedded, "--prompts", "-", "--print-ids"}),
      "--print-ids excludes --prompts");
}

TEST_F(IgnoredOptions, OneOfSeveral) {
  expectFailure(generate({"--prompt-ids", "1"}),
                "gptc: --prompt and --prompt-ids exclude each other; give one "
                "of them; see 'gptc generate --help'");
  expectFailure(gptcCommand({"score", embedded, "--text", "A", "--ids", "1"}),
                "gptc: --text and --ids exclude each other;");
  expectFailure(gptcCommand({"score", embedded}),
                "gptc: score takes one of --text, --file, --ids;");
}

TEST_F(IgnoredOptions, NamesThatAreEmptyOrGivenTwice) {
  std::string output = *folder / "names.gptc";
  auto compile = [&](const std::string &option, const std::string &names) {
    return gptcCommand({"compile", model, "-o", output, option, names});
  };
  for (const char *names : {"decode,", ",decode", "decode,,score", ","})
    expectFailure(compile("--entry", names),
                  std::string("--entry: '") + names +
                      "' has a comma without a name on each side of it");
  expectFailure(compile("--target", "cpu,"), "--target: 'cpu,' has a comma");
  expectFailure(gptcCommand({"plan", model, "--entry", "decode,"}),
                "--entry: 'decode,' has a comma");
  expectFailure(compile("--entry", "decode,decode"),
                "--entry: 'decode' is given twice");
  expectFailure(compile("--target", "cpu,cpu"),
                "--target: 'cpu' is given twice");
  EXPECT_FALSE(fs::exists(output));
}

TEST_F(IgnoredOptions, WeightsThatAreNotTaken) {
  for (const char *command : {"generate", "bench"})
    expectFailure(gptcCommand({command, embedded, "--checkpoint", "/nowhere"}),
                  "carries its weights, and takes none from '/nowhere'");
}

TEST_F(IgnoredOptions, AnInstructionSetForNoTarget) {
  std::string output = *folder / "v.gptc";
  expectFailure(gptcCommand({"compile", model, "--target", "vulkan", "--cpu",
                             "host", "-o", output}),
                "--cpu: 'host' is an instruction set of the CPU");
  EXPECT_FALSE(fs::exists(output));
}

TEST_F(IgnoredOptions, WhatAModuleHasAlready) {
  TemporaryFolder own;
  std::string output = own / "a.gptc";
  for (const char *phase : {"model", "fused", "program"}) {
    std::string module = own / "a.mlir";
    expectSuccess(
        gptcCommand({"compile", shakespeare, "--entry", "decode", "--context",
                     "32", "--to", phase, "-o", module}));
    auto compile = [&](std::vector<std::string> more) {
      more.insert(more.begin(), {"compile", module, "-o", output});
      return gptcCommand(more);
    };
    for (const std::vector<std::string> &option :
         {std::vector<std::string>{"--dtype", "bf16"},
          {"--batch", "2"},
          {"--context", "16"},
          {"--entry", "decode"},
          {"--checkpoint", shakespeare},
          {"--init-seed", "1"},
          {"--target", "cpu"},
          {"--recipe", "gpt2"},
          {"--dropout", "0.1"},
          {"--clip", "1"},
          {"--memory", "1GiB"},
          {"--task", "classification"},
          {"--outputs", "2"},
          {"--auxiliary", "0.5"},
          {"--lora", "2"},
          {"--lora-alpha", "2"},
          {"--lora-targets", "c_attn"}})
      expectFailure(compile(option),
                    "checkpoint already; " + option[0] + " is for models");
    expectFailure(gptcCommand({"plan", module}),
                  "is a phase of a model, and plan takes models and artifacts");
    expectFailure(compile({"--task", "similarity", "--lora", "2"}),
                  "--task and --lora are for models");
    EXPECT_FALSE(fs::exists(output));
    // What is decided last can be said last.
    expectSuccess(compile({"--embed-weights", "--cpu", "x86-64-v3"}));
    auto artifact = Artifact::open(output);
    ASSERT_TRUE(artifact) << artifact.error().message();
    const artifact::TargetT &target = *(*artifact)->findTarget("cpu");
    ASSERT_EQ(target.variants.size(), 1U);
    EXPECT_EQ(target.variants[0]->name, "x86-64-v3");
    EXPECT_TRUE((*artifact)->manifest().source->embedded);
    EXPECT_TRUE(target.storages[0]->embedded);
    fs::remove(output);
  }
  std::string module = own / "v.mlir";
  expectSuccess(
      gptcCommand({"compile", shakespeare, "--entry", "decode", "--target",
                   "vulkan", "--to", "fused", "-o", module}));
  expectFailure(
      gptcCommand({"compile", module, "--cpu", "x86-64-v3", "-o", output}),
      "--cpu: 'x86-64-v3' is an instruction set of the CPU, for which '");
}

TEST_F(IgnoredOptions, OptionsWithoutWhatTheyAreFor) {
  expectFailure(gptcCommand({"compile", model, "--auxiliary", "3", "-o",
                             *folder / "n.gptc"}),
                "--auxiliary: 3 weighs a loss beside that of a task");
  expectFailure(gptcCommand({"compile", model, "--to", "model", "--json"}),
                "--json: a phase is printed as IR");
}

TEST_F(IgnoredOptions, AKeyWithoutJson) {
  auto text = folder->write("a.txt", "To be.\n");
  auto lines = folder->write("a.jsonl", "{\"body\": \"To be.\"}\n");
  auto prepare = [&](const std::string &input) {
    return gptcCommand({"prepare", input, "--key", "body", "-o",
                        *folder / "data", "--tokenizer", shakespeare});
  };
  expectFailure(prepare(text), "the key 'body' is for JSON lines");
  EXPECT_EQ(prepare(lines).code, 0);
}

TEST_F(IgnoredOptions, ASeparatorWithoutText) {
  auto text = folder->write("b.txt", "To be.\n--\nOr not.\n");
  auto lines = folder->write("b.jsonl", "{\"text\": \"To be.\"}\n");
  auto prepare = [&](std::vector<std::string> inputs) {
    inputs.insert(inputs.begin(), "prepare");
    inputs.insert(inputs.end(), {"--separator", "--", "-o", *folder / "lines",
                                 "--tokenizer", shakespeare});
    return gptcCommand(inputs);
  };
  expectFailure(
      prepare({lines}),
      "the separator '--' is for text, and all inputs are JSON lines");
  expectFailure(prepare({text, "--format", "jsonl"}), "the separator '--'");
  EXPECT_FALSE(fs::exists(*folder / "lines"));
  EXPECT_EQ(prepare({lines, text}).code, 0);
}

TEST_F(IgnoredOptions, LabelsOfTasksThatHaveNone) {
  auto table = folder->write(
      "c.csv", "context,answer_0,answer_1,label,prompt,answer\na,b,c,0,a,b\n");
  auto finetune = [&](const std::string &task, const std::string &labels) {
    return gptcCommand({"finetune", shakespeare, "--task", task, "--train",
                        table, "--out", *folder / "run", "--labels", labels});
  };
  for (const char *labels : {"numbers", "classes"})
    expectFailure(finetune("multiple-choice", labels),
                  "--labels says whether labels are classes or numbers, and "
                  "those of multiple-choice are the numbers of answers");
  expectFailure(finetune("text", "numbers"), "those of text are texts");
}

TEST_F(IgnoredOptions, ValidationWithoutAnythingToValidateWith) {
  TemporaryFolder own;
  auto text = own.write("a.txt", std::string(600, 'a'));
  expectSuccess(gptcCommand(
      {"prepare", text, "-o", own / "data", "--tokenizer", shakespeare}));
  auto compile = [&](const std::string &entries) {
    expectSuccess(
        gptcCommand({"compile", shakespeare, "-o", own / "a.gptc", "--cpu",
                     "x86-64-v3", "--context", "16", "--entry", entries}));
  };
  auto train = [&](const std::string &data, const std::string &option) {
    return gptcCommand({"train", own / "a.gptc", "--data", own / data, "--out",
                        own / "run", "--steps", "1", option, "2"});
  };
  compile("train_step,score");
  for (const char *option : {"--validate-every", "--validation-windows"})
    expectFailure(train("data", option),
                  std::string(option) + ": '" + (own / "data") +
                      "' keeps nothing apart to "
                      "validate with; prepare it with --validation 0.05, or "
                      "leave it out");
  compile("train_step");
  expectFailure(train("data", "--validate-every"),
                "has no entry score to validate with; compile with --entry "
                "train_step,score");
  // Nothing is left of what was refused, be it compiled or not.
  EXPECT_FALSE(fs::exists(own / "run"));
  expectFailure(gptcCommand({"train", shakespeare, "--data", own / "data",
                             "--out", own / "run", "--context", "8", "--steps",
                             "1", "--validate-every", "2"}),
                "keeps nothing apart to validate with");
  EXPECT_FALSE(fs::exists(own / "run"));
}

TEST_F(IgnoredOptions, NumbersSayWhichOnesAreExpected) {
  expectFailure(generate({"--threads", "4294967297"}),
                "'4294967297' is no whole number from 0 to 1024");
  expectFailure(gptcCommand({"generate", embedded, "--max-tokens", "-1"}),
                "'-1' is no whole number from 0 to 16777216");
  expectFailure(generate({"--temperature", "inf"}),
                "expected a finite number of at least 0");
  expectFailure(gptcCommand({"train", shakespeare, "--data", "d", "--out",
                             *folder / "o", "--learning-rate", "inf"}),
                "'inf' is no finite number above 0");
  expectFailure(generate({"--top-k", "99999999999"}),
                "'99999999999' is no whole number from 0 to 4294967295");
  expectFailure(generate({"--temperature", "warm"}), "'warm' is no number");
  expectFailure(generate({"--top-p", ""}), "its value is empty");
  for (const char *command : {"bench", "compare"})
    expectFailure(gptcCommand({command, embedded, "--repeat", "0"}),
                  "'0' is no whole number from 1 to 1048576");
  auto train = [&](const char *option, const char *value) {
    return gptcCommand({"train", shakespeare, "--data", "d", "--out",
                        *folder / "o", option, value});
  };
  expectFailure(train("--last-rate", "1.5"), "'1.5' is no number from 0 to 1");
  expectFailure(train("--steps", "0"), "'0' is no whole number above 0");
  expectFailure(train("--steps", "1e3"), "'1e3' is no whole number above 0");
  expectFailure(train("--dropout", "some"), "'some' is no number");
  for (const char *value : {"-1", "nan", "x"})
    expectFailure(gptcCommand({"compile", model, "--task", "similarity",
                               "--auxiliary", value, "-o", *folder / "n"}),
                  std::string("'") + value +
                      "' is no finite number of at least 0");
  expectFailure(gptcCommand({"prepare", "a.txt", "--validation", "2", "-o",
                             *folder / "data", "--tokenizer", shakespeare}),
                "'2' is no number from 0 to 1");
  expectFailure(
      gptcCommand({"prepare", "a.txt", "--threads", "4294967296", "-o",
                   *folder / "data", "--tokenizer", shakespeare}),
      "'4294967296' is no whole number from 0 to 4294967295");
  // Digits are decimal also where a check of its own looks at them.
  EXPECT_EQ(generate({"--top-k", "010", "--temperature", "1"}).out,
            generate({"--top-k", "10", "--temperature", "1"}).out);
  expectFailure(gptcCommand({"tokenize", shakespeare, "--decode"},
                            "12345678901234567890\n"),
                "'12345678901234567890' at byte 0");
}

TEST_F(IgnoredOptions, ALongPromptIsNamedByItsLine) {
  std::string words;
  for (int i = 0; i < 100; ++i)
    words += "word ";
  auto prompts = folder->write(
      "prompts", "{\"prompt\": \"A\"}\n{\"prompt\": \"" + words + "\"}\n");
  expectFailure(gptcCommand({"generate", embedded, "--prompts", prompts}),
                "' line 2: the prompt has ");
}

TEST_F(IgnoredOptions, APlanOfAnArtifactIsWhatItSays) {
  auto planned = gptcCommand({"plan", embedded, "--json"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  Json plan = Json::parse(planned.out);
  auto artifact = Artifact::open(embedded);
  ASSERT_TRUE(artifact);
  const artifact::TargetT &target = *(*artifact)->findTarget("cpu");
  uint64_t arena = 0, variables = 0;
  for (const auto &program : target.programs)
    arena = std::max(arena, program->arena_bytes);
  for (const auto &storage : target.storages)
    variables += storage->bytes;
  EXPECT_EQ(plan["arena_bytes"], arena);
  EXPECT_EQ(plan["weights_bytes"].get<uint64_t>() +
                plan["cache_bytes"].get<uint64_t>(),
            variables);
  EXPECT_EQ(plan["peak_bytes"].get<uint64_t>(), variables + arena);
  EXPECT_EQ(plan["entries"].size(), (*artifact)->manifest().entries.size());
  expectFailure(gptcCommand({"plan", embedded, "--batch", "2"}),
                "is compiled already");
}

/// A copy of a model with the first element of a tensor exchanged.
void damage(const TemporaryFolder &own, const std::string &tensor,
            float value) {
  fs::copy(shakespeare, own / "model");
  std::string bytes = own.read("model/model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  Json json = Json::parse(bytes.substr(8, header));
  auto found = std::find_if(
      json.items().begin(), json.items().end(),
      [&](const auto &item) { return item.key().ends_with(tensor); });
  ASSERT_NE(found, json.items().end());
  ASSERT_EQ(found.value()["dtype"], "F32");
  uint64_t at = 8 + header + found.value()["data_offsets"][0].get<uint64_t>();
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  own.write("model/model.safetensors", bytes);
}

TEST_F(IgnoredOptions, LogitsThatAreNoNumbers) {
  for (float value : {std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity()}) {
    TemporaryFolder own;
    damage(own, "ln_f.weight", value);
    std::string file = own / "a.gptc";
    auto made = gptcCommand({"compile", own / "model", "-o", file, "--cpu",
                             "x86-64-v3", "--entry", "prefill,decode,score"});
    ASSERT_EQ(made.code, 0) << made.err;
    expectFailure(gptcCommand({"generate", file, "--prompt-ids", "1,2,3",
                               "--max-tokens", "4"}),
                  "the distribution after 3 tokens has ");
    expectFailure(gptcCommand({"score", file, "--text", "To be"}),
                  "the log-likelihood after 1 tokens has ");
  }
}

TEST_F(IgnoredOptions, ADumpReplacesADumpAndNothingElse) {
  TemporaryFolder own;
  auto dump = [&](const std::string &entry) {
    return gptcCommand({"compile", model, "-o", own / "a.gptc", "--cpu",
                        "x86-64-v3", "--entry", entry, "--dump-dir",
                        own / "dump"});
  };
  ASSERT_EQ(dump("loss_and_gradients").code, 0);
  size_t first = size_t(std::distance(fs::directory_iterator(own / "dump"),
                                      fs::directory_iterator()));
  ASSERT_EQ(dump("decode").code, 0);
  size_t second = size_t(std::distance(fs::directory_iterator(own / "dump"),
                                       fs::directory_iterator()));
  EXPECT_LT(second, first); // Inference has fewer steps; none is left over.
  own.write("dump/notes.txt", "mine");
  expectFailure(dump("decode"), "holds 'notes.txt', which is of no dump");
  EXPECT_EQ(own.read("dump/notes.txt"), "mine");
}

TEST_F(IgnoredOptions, OfDevicesAreForChecking) {
  expectFailure(gptcCommand({"devices", "--device", "0"}), "add --check");
  expectFailure(gptcCommand({"devices", "--threads", "2"}), "add --check");
}

TEST_F(IgnoredOptions, LibrariesThatAreCutShort) {
  TemporaryFolder own;
  std::string whole = TemporaryFolder::readFile(GPTC_COMPILER_LIBRARY);
  ASSERT_GT(whole.size(), 100'000U);
  for (size_t size : {size_t(0), size_t(63), size_t(64), size_t(5000),
                      whole.size() / 2, whole.size() - 1}) {
    auto path = own.write("cut.so", std::string_view(whole).substr(0, size));
    expectFailure(gptcCommand({"compile", path, "-o", own / "a.gptc"}),
                  size == 0 ? "cut.so" : "or truncated: ");
  }
}

TEST_F(IgnoredOptions, WeightsThatDoNotFitOnTheDisk) {
  TemporaryFolder own;
  // 650 GiB.
  expectFailure(
      gptcCommand({"compile", "gpt3-175b", "--embed-weights", "--entry",
                   "decode", "--cpu", "x86-64-v3", "-o", own / "a.gptc"}),
      "its file system has ");
  EXPECT_EQ(own.count(), 0U);
}

TEST_F(IgnoredOptions, WhoReadEnoughIsNoFailure) {
  TemporaryFolder own;
  // The pipe is closed long before all is written.
  std::string command = "set -o pipefail; " GPTC_COMMAND " inspect " +
                        embedded + " --json | head -c 10 >" + (own / "out") +
                        " 2>" + (own / "err");
  int status =
      std::system(("bash -c '" + command + "' 2>" + (own / "all")).c_str());
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(own.read("all"), "");
  EXPECT_EQ(own.read("out").size(), 10U);
}

} // namespace
} // namespace gptc
