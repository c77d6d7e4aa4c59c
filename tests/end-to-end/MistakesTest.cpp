//===- MistakesTest.cpp - What goes wrong around the command --------------===//
//
// Damaged and edited files, outputs that cannot be written, values that mean
// nothing: one sentence, exit code 1, nothing half-written.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Npy.h"
#include "tests/support/CommandExpectations.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Vocabulary 101, context 23.
const std::string model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
const std::string shakespeare = GPTC_SOURCE_DIR "/examples/shakespeare";

/// Runs bash on `script`, in which $gptc is the command.
CommandResult bash(const std::string &script) {
  TemporaryFolder folder;
  std::string command = "gptc='" GPTC_COMMAND "'\n" + script;
  folder.write("script", command);
  int status = std::system(("bash " + (folder / "script") + " >" +
                            (folder / "out") + " 2>" + (folder / "err"))
                               .c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, folder.read("out"),
          folder.read("err")};
}

/// Artifacts that all tests read.
class Mistakes : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    all = *folder / "all.gptc";
    expectSuccess(gptcCommand({"compile", model, "-o", all, "--cpu",
                               "x86-64-v3", "--dtype", "f32", "--embed-weights",
                               "--entry", "prefill,decode,logits,score"}));
    text = *folder / "text.gptc";
    expectSuccess(
        gptcCommand({"compile", shakespeare, "-o", text, "--cpu", "x86-64-v3",
                     "--context", "64", "--entry", "prefill,decode,score"}));
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }

  /// "@PATH" of a .npy file of ids.
  static std::string writeIds(const std::string &path,
                              std::vector<int32_t> values) {
    NpyArray array{DataType::I32, {1, values.size()}, {}};
    auto bytes = std::as_bytes(std::span(values));
    array.bytes.assign(bytes.begin(), bytes.end());
    auto written = writeNpy(path, array);
    EXPECT_TRUE(written) << written.error().message();
    return "@" + path;
  }

  static TemporaryFolder *folder;
  static std::string all, text;
};

TemporaryFolder *Mistakes::folder = nullptr;
std::string Mistakes::all, Mistakes::text;

/// A thread's stack has the size of `ulimit -s`, so that the address space has
/// room for as many as a test wants.
TEST_F(Mistakes, ThreadsThatCannotBeStartedEndNothing) {
  TemporaryFolder folder;
  std::string output = folder / "a.gptc";
  std::string compile =
      "$gptc compile " + model + " --entry decode -o " + output + "\n";
  auto none = bash("ulimit -s 4000000; ulimit -v 3000000; " + compile);
  expectFailure(none, "cannot start the thread that reads the linked kernels");
  EXPECT_FALSE(fs::exists(output));
  expectSuccess(bash("ulimit -s 2000000; ulimit -v 3000000; " + compile));

  std::string trained = folder / "step.gptc";
  expectSuccess(gptcCommand({"compile", shakespeare, "--task", "classification",
                             "--outputs", "2", "--entry", "train_step,predict",
                             "--batch", "2", "--context", "16", "--cpu",
                             "x86-64-v3", "-o", trained}));
  folder.write("train.csv", "text,label\nROMEO,a\nJULIET,b\n");
  std::string finetune =
      "ulimit -s 4000000; ulimit -v 3000000; $gptc finetune " + trained +
      " --task classification --train " + (folder / "train.csv") +
      " --epochs 1 --out " + (folder / "run");
  expectFailure(bash(finetune), "ask for fewer with --threads");
  expectSuccess(bash(finetune + " --threads 1"));
}

TEST_F(Mistakes, HalfOfACharacterInPromptsIsNamed) {
  TemporaryFolder folder;
  std::string prompts = folder.write(
      "p.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"\\ud800\"}\n");
  expectFailure(gptcCommand({"generate", text, "--prompts", prompts}),
                "p.jsonl:2' has half of a character at byte 19");
  prompts = folder.write("p.jsonl", "{\"prompt\": 1}\n");
  expectFailure(gptcCommand({"generate", text, "--prompts", prompts}),
                "line 1: expected a JSON object with a string 'prompt'");
}

TEST_F(Mistakes, ModulesThatNestTooDeepAreRefused) {
  TemporaryFolder folder;
  auto compile = [&](const std::string &text) {
    return gptcCommand(
        {"compile", folder.write("a.mlir", text), "-o", folder / "a.gptc"});
  };
  auto nested = [](const std::string &open, const std::string &close) {
    std::string text = "module attributes {\n a = ";
    for (int i = 0; i < 100'000; ++i)
      text += open;
    text += "1";
    for (int i = 0; i < 100'000; ++i)
      text += close;
    return text + "} {}\n";
  };
  expectFailure(compile(nested("[", "]")), "line 2 nests more than 256");
  expectFailure(compile(nested("{a = ", "}")), "line 2 nests more than 256");
  expectFailure(compile(nested("tuple<", ">")), "line 2 nests more than 256");
  expectFailure(compile(nested("affine_map<() -> (-", ")>")), "line 2 nests");
  expectFailure(compile("module attributes {a = affine_map<() -> (" +
                        std::string(100'000, '-') + "1)>} {}"),
                "line 1 nests more than 256");
  expectFailure(compile(std::string(100'000, '(')), "line 1 nests");
  std::string aliases = "#a0 = []\n";
  for (int i = 0; i < 100'000; ++i)
    aliases += fmt::format("#a{} = [#a{}]\n", i + 1, i);
  expectFailure(compile(aliases + "module attributes {a = #a100000} {}"),
                "line 258 nests more than 256");
  // What stands in strings and comments nests nothing, nor does an arrow.
  std::string harmless = "// " + std::string(1000, '(') + "\nmodule " +
                         "attributes {gptc.a = \"\\\"" +
                         std::string(1000, '[') + "\"} {}\n";
  expectFailure(compile(harmless), "no attribute gptc.info");
  std::string arrows = "module {\n";
  for (int i = 0; i < 1000; ++i)
    arrows += "func.func private @f" + std::to_string(i) + "() -> (i32)\n";
  expectFailure(compile(arrows + "}\n"), "no attribute gptc.info");
  expectFailure(compile("ML\xefR and more"), "it is bytecode");
  EXPECT_FALSE(fs::exists(folder / "a.gptc"));
}

TEST_F(Mistakes, ModulesOfTensorsThatNoMemoryHolds) {
  TemporaryFolder folder;
  std::string file = folder / "a.mlir";
  expectSuccess(gptcCommand({"compile", model, "--entry", "decode", "--to",
                             "model", "-o", file, "--cpu", "x86-64-v3"}));
  std::string whole = folder.read("a.mlir");
  for (const char *huge :
       {"tensor<4294967296x4294967296xf32>", "tensor<1099511627777xf32>",
        "tensor<4611686018427387904x3xf32>"}) {
    std::string text = whole;
    size_t at = text.find("parameter : tensor<");
    ASSERT_NE(at, std::string::npos);
    at += std::string_view("parameter : ").size();
    text.replace(at, text.find('>', at) + 1 - at, huge);
    folder.write("a.mlir", text);
    expectFailure(gptcCommand({"compile", file, "-o", folder / "a.gptc"}),
                  "a.mlir'");
    // Of a type that nothing contradicts.
    text = whole;
    text.insert(text.find("  gptc.variable"),
                std::string("  gptc.variable @w parameter : ") + huge +
                    " init(<constant, 0.0, 0.0>)\n");
    folder.write("a.mlir", text);
    expectFailure(gptcCommand({"compile", file, "-o", folder / "a.gptc"}),
                  std::string("has a value of ") + huge +
                      "; a tensor has at most 1099511627776 elements");
  }
}

TEST_F(Mistakes, NumbersOfAnEditedModuleAreHeldAgainstItsTypes) {
  TemporaryFolder folder;
  auto edited = [&](std::string text,
                    const std::vector<std::pair<std::string, int>> &members) {
    for (const auto &[member, value] : members) {
      size_t at = text.find(member + " = ");
      EXPECT_NE(at, std::string::npos) << member;
      at += member.size() + 3;
      text.replace(at, text.find(' ', at) - at, std::to_string(value));
    }
    return gptcCommand(
        {"compile", folder.write("b.mlir", text), "-o", folder / "b.gptc"});
  };
  for (const char *entry : {"decode", "logits"})
    for (const char *phase : {"model", "program"}) {
      std::string file = folder / "a.mlir";
      expectSuccess(gptcCommand({"compile", model, "--entry", entry, "--to",
                                 phase, "-o", file, "--cpu", "x86-64-v3"}));
      std::string text = folder.read("a.mlir");
      for (int capacity : {46, 22})
        expectFailure(
            edited(text, {{"capacity", capacity}, {"context", capacity}}),
            fmt::format("has a capacity of {}, and", capacity));
      expectFailure(edited(text, {{"batch", 2}}), "has a batch of 2, and");
      expectFailure(edited(text, {{"vocabulary", 102}}),
                    "has a vocabulary of 102, and");
      EXPECT_FALSE(fs::exists(folder / "b.gptc"));
      expectSuccess(edited(text, {{"end_of_text", 5}}));
      fs::remove(folder / "b.gptc");
    }
}

TEST_F(Mistakes, SizesOfAnEditedModuleAreSizes) {
  TemporaryFolder folder;
  std::string file = folder / "a.mlir";
  expectSuccess(gptcCommand({"compile", model, "--entry", "decode", "--to",
                             "program", "-o", file, "--cpu", "x86-64-v3"}));
  const std::string whole = folder.read("a.mlir");
  for (const char *member : {"layers", "width", "heads", "head_size"})
    for (const char *value : {"-12", "4294967296"}) {
      std::string text = whole;
      size_t at = text.find(std::string(member) + " = ");
      ASSERT_NE(at, std::string::npos) << member;
      at += std::string_view(member).size() + 3;
      text.replace(at, text.find(' ', at) - at, value);
      folder.write("a.mlir", text);
      expectFailure(gptcCommand({"compile", file, "-o", folder / "b.gptc"}),
                    fmt::format("the module's attribute gptc.info has '{}' of "
                                "{}, expected 0 to 2147483647",
                                member, value));
    }
  EXPECT_FALSE(fs::exists(folder / "b.gptc"));
}

TEST_F(Mistakes, TheFirstErrorsOfAModuleAreToldAndHowManyMore) {
  TemporaryFolder folder;
  std::string text = "module {\n  func.func @main() {\n";
  for (int i = 0; i < 25; ++i)
    text += fmt::format("    %r{0} = arith.negf %none{0} : f32\n", i);
  std::string file = folder.write("a.mlir", text + "    return\n  }\n}\n");
  auto failed = gptcCommand({"compile", file, "-o", folder / "a.gptc"});
  expectFailure(failed, "and 22 more errors");
  EXPECT_EQ(failed.err.find("line 6,"), std::string::npos) << failed.err;
  EXPECT_NE(failed.err.find("line 3,"), std::string::npos) << failed.err;
}

/// Of each layer the same would be said.
TEST_F(Mistakes, SizesThatNoTensorHasAreToldInOneSentence) {
  TemporaryFolder folder;
  auto plan = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"plan", "gpt3-175b", "--dtype", "bf16"});
    return gptcCommand(more);
  };
  expectFailure(
      plan({"--batch", "65536"}),
      "--batch 65536 and --context 2048 are too large for 'prefill_16' of "
      "'gpt3-175b': the cache of a layer's keys would be f32[65536, 96, 2048, "
      "128] of 1649267441664 elements, and a tensor has at most 1099511627776; "
      "give smaller ones");
  // The train step's states, and an entry that gives all logits.
  expectFailure(plan({"--batch", "65536", "--train"}),
                "what is inside of a layer's MLP would be f32[65536, 2048, "
                "49152]");
  expectFailure(gptcCommand({"compile", "gpt2-124m", "--entry", "logits",
                             "--batch", "65536", "-o", folder / "a.gptc"}),
                "--batch 65536 and --context 1024 are too large for 'logits' "
                "of 'gpt2-124m': the logits would be f32[65536, 1024, 50257]");
  expectFailure(gptcCommand({"compile", model, "--batch", "65537", "-o",
                             folder / "a.gptc"}),
                "--batch: 65537 is more than 65536");
  EXPECT_EQ(folder.count(), 0U);
}

TEST_F(Mistakes, CompilingNeedsNoTemporaryFolder) {
  TemporaryFolder folder;
  auto compile = [&](const std::string &before, const std::string &name) {
    return bash(before + " $gptc compile " + model + " -o " + (folder / name) +
                " --cpu x86-64-v3 --entry decode");
  };
  expectSuccess(compile("", "a.gptc"));
  for (const char *place : {"/nonexistent", "/proc", "/dev/null"})
    expectSuccess(compile(fmt::format("TMPDIR={}", place), "b.gptc"));
  EXPECT_TRUE(folder.read("a.gptc") == folder.read("b.gptc"));
  EXPECT_EQ(folder.count(), 2U);
  // Files of one block: neither object code nor artifact fit.
  fs::create_directory(folder / "temporary");
  expectFailure(compile("ulimit -f 1; TMPDIR=" + (folder / "temporary"), "c"),
                "File too large");
  EXPECT_TRUE(fs::is_empty(folder / "temporary"));
  EXPECT_EQ(folder.count(), 3U);
}

TEST_F(Mistakes, ADumpIsWholeOrNotThere) {
  TemporaryFolder folder;
  auto compile = [&](const std::string &before, const std::string &dump) {
    return bash(before + " $gptc compile " + model +
                " --to program"
                " --cpu x86-64-v3 --entry decode --dump-dir " +
                (folder / dump));
  };
  // Files of one block.
  expectFailure(compile("ulimit -f 1;", "a/b"), "File too large");
  EXPECT_EQ(folder.count(), 0U);
  fs::create_directory(folder / "a");
  expectFailure(compile("ulimit -f 1;", "a/b"), "File too large");
  EXPECT_TRUE(fs::is_directory(folder / "a"));
  EXPECT_TRUE(fs::is_empty(folder / "a"));
  fs::create_directory(folder / "a/b");
  expectFailure(compile("ulimit -f 1;", "a/b"), "File too large");
  EXPECT_TRUE(fs::is_directory(folder / "a/b"));
  EXPECT_TRUE(fs::is_empty(folder / "a/b"));
}

TEST_F(Mistakes, ALoopOfLinksIsCalledOne) {
  TemporaryFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  for (const char *name : {"a", "a/inside"})
    expectFailure(gptcCommand({"compile", folder / name, "-o", folder / "c"}),
                  fmt::format("cannot open '{}': Too many levels of symbolic "
                              "links",
                              folder / name));
  fs::create_symlink("nothing", folder / "dangling");
  for (const char *name : {"dangling", "nothing"})
    expectFailure(gptcCommand({"compile", folder / name, "-o", folder / "c"}),
                  "is no model: neither one of gpt1,");
}

/// What does not fit is told from the configuration and the headers, in far
/// less time and memory than a graph of it takes.
TEST_F(Mistakes, SizesThatNoModelHasAreToldAtOnce) {
  TemporaryFolder folder;
  fs::copy(model, folder / "m");
  const Json whole = Json::parse(folder.read("m/config.json"));
  auto sized = [&](const Json &sizes) {
    Json json = whole;
    json.update(sizes);
    folder.write("m/config.json", json.dump());
  };
  const std::vector<std::string> plan{"plan", folder / "m"};
  const std::vector<std::string> compile{"compile", folder / "m", "-o",
                                         folder / "a.gptc"};
  for (const auto &command : {plan, compile}) {
    sized({{"n_layer", 16777216}});
    expectFailure(gptcCommand(command),
                  "'n_layer' is 16777216, expected an integer from 1 to 1024");
    sized({{"n_layer", 1000}});
    expectFailure(gptcCommand(command),
                  "has no tensor 'h.1.ln_1.weight', and its config.json names "
                  "1000 layers");
  }
  EXPECT_FALSE(fs::exists(folder / "a.gptc"));
}

TEST_F(Mistakes, DamagedBlobsAreToldBeforeTheyRun) {
  auto artifact = Artifact::open(all);
  ASSERT_TRUE(artifact) << artifact.error().message();
  const artifact::TargetT &target = *(*artifact)->manifest().targets[0];
  const artifact::BlobT &code = *target.variants[0]->library;
  const artifact::BlobT &weights = *target.storages[0]->embedded;
  std::string whole = folder->read("all.gptc");
  struct Case {
    uint64_t at, bytes;
    const char *says;
  };
  for (Case damage :
       {Case{code.offset, code.size, "its code for x86-64-v3"},
        Case{code.offset + code.size / 2, 1, "its code for x86-64-v3"},
        Case{weights.offset, 64, "the content of '"}}) {
    std::string damaged = whole;
    for (uint64_t i = 0; i < damage.bytes; ++i)
      damaged[damage.at + i] = char(damaged[damage.at + i] ^ 0x5a);
    std::string file = folder->write("damaged.gptc", damaged);
    for (const std::vector<std::string> &arguments :
         {std::vector<std::string>{"generate", file, "--prompt-ids", "1"},
          {"score", file, "--ids", "1,2"},
          {"inspect", file}})
      expectFailure(gptcCommand(arguments), damage.says);
  }
}

TEST_F(Mistakes, RunWritesAllOutputsOrNone) {
  TemporaryFolder folder;
  std::string artifact = folder / "a.gptc";
  fs::copy_file(all, artifact);
  auto whole = folder.read("a.gptc");
  std::string tokens = writeIds(folder / "tokens.npy", {1, 2, 3});
  size_t before = folder.count();
  auto run = [&](std::vector<std::string> outputs) {
    std::vector<std::string> arguments{"run",     artifact,  "--entry",
                                       "logits",  "--input", "tokens=" + tokens,
                                       "--output"};
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0)
        arguments.emplace_back("--output");
      arguments.push_back("logits=@" + outputs[i]);
    }
    return gptcCommand(arguments);
  };
  std::string first = folder / "first.npy";
  expectFailure(run({first, folder / "none/second.npy"}), "No such file");
  expectFailure(run({first, "/dev/full"}), "a pipe or device");
  expectFailure(run({artifact}), "is the artifact");
  expectFailure(run({folder / "x/../a.gptc"}), "is the artifact");
  expectFailure(run({folder / "tokens.npy"}), "is an input");
  expectFailure(run({first, folder.path() + "//first.npy"}),
                "is to be written twice");
  EXPECT_EQ(folder.count(), before);
  EXPECT_TRUE(folder.read("a.gptc") == whole);
  expectSuccess(run({first, folder / "second.npy"}));
  EXPECT_EQ(folder.count(), before + 2);
  EXPECT_EQ(folder.read("first.npy"), folder.read("second.npy"));
}

TEST_F(Mistakes, RunKeepsTheCheckpoint) {
  TemporaryFolder folder;
  fs::copy(model, folder / "model");
  std::string file = folder / "a.gptc";
  expectSuccess(gptcCommand({"compile", folder / "model", "-o", file, "--cpu",
                             "x86-64-v3", "--entry", "logits"}));
  std::string weights = folder / "model/model.safetensors";
  auto size = fs::file_size(weights);
  std::string tokens = writeIds(folder / "tokens.npy", {1, 2});
  expectFailure(
      gptcCommand({"run", file, "--entry", "logits", "--input",
                   "tokens=" + tokens, "--output", "logits=@" + weights}),
      "a file of the artifact's checkpoint");
  EXPECT_EQ(fs::file_size(weights), size);
}

TEST_F(Mistakes, BenchTakesNoPositionThatDoesNotFit) {
  auto bench = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"bench", all, "--repeat", "1", "--threads", "1", "--json"});
    return gptcCommand(more);
  };
  expectFailure(bench({"--entry", "decode", "--position", "23"}),
                "entry 'decode' takes 1 token of the context of 23, so that at "
                "most 22 can be in the cache before, not 23");
  expectFailure(bench({"--position", "22"}), "entry 'prefill_16' takes 16");
  expectFailure(bench({"--entry", "logits", "--position", "1"}),
                "'logits' runs over no cache");
  auto result = bench({"--entry", "decode", "--position", "22"});
  expectSuccess(result);
  EXPECT_EQ(Json::parse(result.out)["entries"][0]["position"], 22);
  expectFailure(bench({"--backend", "reference"}), "'gptc compare'");
}

TEST_F(Mistakes, NumbersBelowZeroAndEmptyValuesAreRefused) {
  std::string output = *folder / "never.gptc";
  std::vector<std::vector<std::string>> numbers{
      {"generate", text, "--prompt", "a", "--seed", "-1"},
      {"generate", text, "--prompt", "a", "--threads", "-1"},
      {"generate", text, "--prompt", "a", "--top-k", "-1"},
      {"generate", text, "--prompt", "a", "--seed", "18446744073709551616"},
      {"generate", text, "--prompt", "a", "--seed", "1x"},
      {"compile", "gpt2-124m", "-o", output, "--init-seed", "-1"},
      {"compile", "gpt2-124m", "-o", output, "--batch", "-1"},
      {"compare", all, all, "--seed", "-1"},
      {"bench", all, "--position", "-1"},
      {"score", all, "--ids", "1,2", "--stride", "-1"}};
  for (const auto &arguments : numbers)
    expectFailure(gptcCommand(arguments), "is no whole number");
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"generate", text, "--prompt-file", ""},
        {"generate", text, "--prompts", ""},
        {"generate", text, "--prompt-ids", ""},
        {"generate", text, "--prompt", "a", "--checkpoint", ""},
        {"generate", text, "--prompt", "a", "--stop", ""},
        {"generate", text, "--prompt", "a", "--backend", ""},
        {"generate", text, "--prompt", "a", "--cpu", ""},
        {"generate", ""},
        {"compile", model, "-o", ""},
        {"compile", model, "-o", output, "--checkpoint", ""},
        {"compile", model, "-o", output, "--dtype", ""},
        {"compile", model, "-o", output, "--to", ""},
        {"compile", model, "-o", output, "--entry", ""},
        {"compile", model, "-o", output, "--dump-dir", ""},
        {"compile", "", "-o", output},
        {"score", text, "--file", ""},
        {"score", text, "--ids", ""},
        {"bench", all, "--entry", ""},
        {"compare", all, ""},
        {"run", all, "--entry", ""},
        {"export", all, ""},
        {"tokenize", ""}})
    expectFailure(gptcCommand(arguments), "its value is empty");
  EXPECT_FALSE(fs::exists(output));
  // An empty text is one, of which there is nothing to make.
  expectFailure(gptcCommand({"generate", text, "--prompt", ""}),
                "the prompt is empty, and a model needs at least one token to "
                "go on from; a new text begins after '<|endoftext|>'");
  expectFailure(gptcCommand({"score", text, "--text", ""}), "0 tokens");
  // Digits alone are decimal, whatever they begin with.
  auto drawn = [&](const char *seed) {
    return gptcCommand({"generate", text, "--prompt", "a", "--temperature",
                        "1.5", "--seed", seed, "--max-tokens", "20"})
        .out;
  };
  EXPECT_EQ(drawn("010"), drawn("10"));
  EXPECT_NE(drawn("8"), drawn("10"));
}

TEST_F(Mistakes, TextsComeThroughPipesUpToASize) {
  std::string prompt = *folder / "prompt", lines = *folder / "lines";
  folder->write("prompt", "ROMEO:");
  folder->write("lines", "{\"prompt\": \"ROMEO:\"}\n{\"prompt\": \"To\"}\n");
  for (const std::string &command :
       {"generate " + text + " --max-tokens 5 --prompt-file ",
        "generate " + text + " --max-tokens 5 --prompts ",
        "score " + text + " --file "}) {
    const std::string &file =
        command.find("--prompts") != std::string::npos ? lines : prompt;
    auto straight = bash("$gptc " + command + file);
    auto piped = bash("$gptc " + command + "<(cat " + file + ")");
    expectSuccess(straight);
    expectSuccess(piped);
    EXPECT_EQ(piped.out, straight.out);
    EXPECT_NE(piped.out, "");
    expectFailure(bash("$gptc " + command + "/dev/zero"),
                  "'/dev/zero' has more than 268435456 bytes");
    expectFailure(bash("$gptc " + command + folder->path()), "Is a directory");
  }
  expectFailure(bash("$gptc generate " + text + " </dev/zero"),
                "'standard input' has more than");
}

TEST_F(Mistakes, HelpThatCannotBeWrittenIsAnError) {
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"--help"}, {"--version"}, {"run", "--help"}})
    expectFailure(gptcCommand(arguments, "", "/dev/full"),
                  "No space left on device");
}

TEST_F(Mistakes, CompileReadsTheTokenizer) {
  TemporaryFolder folder;
  fs::copy(shakespeare, folder / "model");
  auto compile = [&] {
    return gptcCommand({"compile", folder / "model", "-o", folder / "a.gptc",
                        "--cpu", "x86-64-v3", "--entry", "decode"});
  };
  std::string vocabulary = folder.read("model/vocab.json");
  folder.write("model/vocab.json", vocabulary.substr(0, 1000));
  expectFailure(compile(), "the tokenizer of '");
  folder.write("model/vocab.json", vocabulary);
  std::string merges = folder.read("model/merges.txt");
  folder.write("model/merges.txt", merges + "nonsense\n");
  expectFailure(compile(), "merges.txt");
  fs::remove(folder / "model/merges.txt");
  expectFailure(compile(), "merges.txt is missing");
  folder.write("model/merges.txt", merges);
  fs::remove(folder / "model/vocab.json");
  expectFailure(compile(), "vocab.json is missing");
  EXPECT_FALSE(fs::exists(folder / "a.gptc"));
  // A checkpoint without any of them serves for ids.
  fs::remove(folder / "model/merges.txt");
  expectSuccess(compile());
}

} // namespace
} // namespace gptc
