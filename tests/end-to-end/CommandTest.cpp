//===- CommandTest.cpp - The command line as its users see it -------------===//
//
// Every subcommand as a process: help, JSON, and for every kind of mistake
// exit code 1, one sentence, and nothing left behind.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Npy.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
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
using testing::HasSubstr;

const std::string models = GPTC_SOURCE_DIR "/tests/golden/models";
const std::string tokenizer = GPTC_SOURCE_DIR "/tests/golden/text/gpt2";
/// Vocabulary 101, context 23.
const std::string model = models + "/gpt2-gelu";

const std::vector<std::string> subcommands{
    "bench",  "compare", "compile", "devices", "export", "generate", "inspect",
    "models", "plan",    "prepare", "run",     "score",  "tokenize"};

/// Asserts that a command fails as commands should.
Json jsonOf(const CommandResult &result) {
  EXPECT_EQ(result.code, 0) << result.err;
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

void expectKeys(const Json &json, std::initializer_list<const char *> keys) {
  for (const char *key : keys)
    EXPECT_TRUE(json.is_object() && json.contains(key))
        << key << " in " << json.dump();
}

/// Artifacts that all tests read.
class Command : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    all = *folder / "all.gptc";
    auto compiled = gptcCommand(
        {"compile", model, "-o", all, "--cpu", "x86-64-v3", "--dtype", "f32",
         "--entry", "prefill,decode,logits,score", "--threads-do-not-exist"});
    expectFailure(compiled, "--threads-do-not-exist");
    compiled = gptcCommand({"compile", model, "-o", all, "--cpu", "x86-64-v3",
                            "--dtype", "f32", "--entry",
                            "prefill,decode,logits,score"});
    ASSERT_EQ(compiled.code, 0) << compiled.err;
    decode = *folder / "decode.gptc";
    compiled =
        gptcCommand({"compile", model, "-o", decode, "--cpu", "x86-64-v3",
                     "--dtype", "f32", "--entry", "decode"});
    ASSERT_EQ(compiled.code, 0) << compiled.err;
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }

  static std::string writeIds(const std::string &name,
                              std::vector<uint64_t> shape,
                              std::vector<int64_t> values) {
    NpyArray array{DataType::I64, std::move(shape), {}};
    auto bytes = std::as_bytes(std::span(values));
    array.bytes.assign(bytes.begin(), bytes.end());
    auto written = writeNpy(*folder / name, array);
    EXPECT_TRUE(written) << written.error().message();
    return "@" + *folder / name;
  }

  static TemporaryFolder *folder;
  static std::string all, decode;
};

TemporaryFolder *Command::folder = nullptr;
std::string Command::all, Command::decode;

TEST_F(Command, HelpShowsAnExample) {
  for (const std::string &name : subcommands) {
    auto result = gptcCommand({name, "--help"});
    EXPECT_EQ(result.code, 0) << name;
    EXPECT_THAT(result.out, HasSubstr("Example:")) << name;
    EXPECT_THAT(result.out, HasSubstr("gptc " + name)) << name;
    EXPECT_EQ(result.err, "");
  }
  auto result = gptcCommand({"--help"});
  EXPECT_EQ(result.code, 0);
  for (const std::string &name : subcommands)
    EXPECT_THAT(result.out, HasSubstr("\n  " + name));
  EXPECT_EQ(gptcCommand({"--version"}).out, GPTC_VERSION "\n");
}

TEST_F(Command, MistakesInTheCommandLineAreOneSentence) {
  expectFailure(gptcCommand({}), "subcommand");
  expectFailure(gptcCommand({"nonsense"}), "nonsense");
  expectFailure(gptcCommand({"generate"}), "FILE");
  expectFailure(gptcCommand({"generate", all, "--max-tokens", "-3"}),
                "--max-tokens");
  expectFailure(
      gptcCommand({"generate", all, "--prompt", "a", "--prompt-ids", "1"}),
      "--prompt");
  expectFailure(gptcCommand({"score", all}), "--text");
  expectFailure(gptcCommand({"compile", "gpt2", "--checkpoint", "x",
                             "--init-seed", "3", "-o", "y"}),
                "--init-seed");
}

TEST_F(Command, FilesThatAreNoArtifactsAreRefused) {
  folder->write("truncated", folder->read("all.gptc").substr(0, 70'000));
  folder->write("garbage", std::string(10'000, 'x'));
  folder->write("empty", "");
  for (const std::string &name :
       {"generate", "score", "inspect", "bench", "compare", "run", "export"}) {
    auto with = [&](const std::string &file) {
      std::vector<std::string> arguments{name, *folder / file};
      if (name == "generate")
        arguments.insert(arguments.end(), {"--prompt-ids", "1"});
      if (name == "score")
        arguments.insert(arguments.end(), {"--ids", "1,2"});
      if (name == "run")
        arguments.insert(arguments.end(), {"--entry", "logits"});
      if (name == "export")
        arguments.push_back(*folder / "exported");
      if (name == "compare")
        arguments.push_back(all);
      return gptcCommand(arguments);
    };
    expectFailure(with("missing"), "No such file");
    expectFailure(with("."), "it is a folder");
    expectFailure(with("truncated"), "truncated");
    expectFailure(with("garbage"), "'");
    expectFailure(with("empty"), "'");
    EXPECT_FALSE(fs::exists(*folder / "exported"));
  }
}

TEST_F(Command, CompileRefusesWhatCannotBe) {
  std::string output = *folder / "refused.gptc";
  auto compile = [&](std::vector<std::string> more,
                     const std::string &what = model) {
    std::vector<std::string> arguments{"compile", what, "-o", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return gptcCommand(arguments);
  };
  expectFailure(compile({}, "gpt9"), "'gpt9' is no model");
  expectFailure(compile({}, all), "is no model");
  expectFailure(compile({}, folder->path()), "config.json");
  expectFailure(compile({"--context", "24"}), "the model's context of 23");
  expectFailure(compile({"--context", "0"}), "--context");
  expectFailure(compile({"--batch", "100000"}), "--batch");
  expectFailure(compile({"--dtype", "f8"}), "'f8' is not supported");
  expectFailure(compile({"--target", "tpu"}), "'tpu' is not supported");
  expectFailure(compile({"--cpu", "pentium"}), "'pentium' is no target");
  expectFailure(compile({"--entry", "decode,nope"}), "'nope' is no entry");
  expectFailure(compile({"--to", "nowhere"}), "nowhere");
  expectFailure(compile({"--from", "kernels"}), "--from");
  expectFailure(compile({"--checkpoint", *folder / "none"}), "none");
  EXPECT_FALSE(fs::exists(output));
  expectFailure(gptcCommand({"compile", model}), "-o FILE.gptc");
  size_t before = folder->count();
  expectFailure(gptcCommand({"compile", model, "-o", *folder / "none/a.gptc",
                             "--entry", "decode", "--cpu", "x86-64-v3"}),
                "No such file");
  expectFailure(gptcCommand({"compile", model, "-o", folder->path(), "--entry",
                             "decode", "--cpu", "x86-64-v3"}),
                "it is a folder");
  EXPECT_EQ(folder->count(), before);
}

TEST_F(Command, GenerateRefusesPromptsThatDoNotFit) {
  auto generate = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"generate", all});
    return gptcCommand(more);
  };
  std::string full = "1";
  for (int i = 0; i < 23; ++i)
    full += ",1";
  expectFailure(generate({"--prompt-ids", "1,x"}), "is no list of token ids");
  expectFailure(generate({"--prompt-ids", ""}), "");
  expectFailure(generate({"--prompt-ids", full}),
                "24 tokens, more than the context of 23");
  expectFailure(generate({"--prompt-ids", "5,101"}),
                "outside of the vocabulary of 101");
  expectFailure(generate({"--prompt-ids", "-1"}), "vocabulary");
  expectFailure(generate({"--prompt", "Hello"}), "carries no tokenizer");
  expectFailure(generate({"--prompt-ids", "1", "--stop", "x"}), "tokenizer");
  expectFailure(generate({"--prompt-ids", "1", "--temperature", "-1"}),
                "temperature");
  expectFailure(generate({"--prompt-ids", "1", "--top-p", "2"}), "top-p");
  expectFailure(generate({"--prompt-ids", "1", "--backend", "tpu"}),
                "'tpu' is not supported");
  expectFailure(generate({"--prompt-ids", "1", "--backend", "cpu:onednn"}),
                "has no product for oneDNN on this machine");
  expectFailure(generate({"--prompt-ids", "1", "--cpu", "x86-64-v9"}),
                "x86-64-v9");
  expectFailure(generate({"--prompt-ids", "1", "--checkpoint", "/none"}),
                "/none");
}

TEST_F(Command, AFullOutputIsAnError) {
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"generate", all, "--prompt-ids", "1,2"},
        {"score", all, "--ids", "1,2"},
        {"inspect", all},
        {"models"},
        {"compile", model, "--to", "model"},
        {"devices"}})
    expectFailure(gptcCommand(arguments, "", "/dev/full"),
                  "No space left on device");
}

TEST_F(Command, WeightsThatAreGoneOrOthersAreTold) {
  std::string copy = *folder / "copy", file = *folder / "copy.gptc";
  fs::copy(model, copy);
  auto compiled = gptcCommand(
      {"compile", copy, "-o", file, "--cpu", "x86-64-v3", "--entry", "decode"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  EXPECT_EQ(gptcCommand({"generate", file, "--prompt-ids", "1"}).code, 0);
  fs::copy_file(models + "/gpt1-gelu/model.safetensors",
                copy + "/model.safetensors",
                fs::copy_options::overwrite_existing);
  std::string output = *folder / "copy-exported";
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"generate", file, "--prompt-ids", "1"},
        {"export", file, output}})
    expectFailure(gptcCommand(arguments), "is not what");
  fs::remove_all(copy);
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"generate", file, "--prompt-ids", "1"},
        {"export", file, output}})
    expectFailure(gptcCommand(arguments), "does not exist");
  EXPECT_FALSE(fs::exists(output));
}

TEST_F(Command, ScoreNeedsItsEntryAndTwoTokens) {
  expectFailure(gptcCommand({"score", decode, "--ids", "1,2"}),
                "no entry 'score'");
  expectFailure(gptcCommand({"score", all, "--ids", "1"}), "at least 2");
  expectFailure(gptcCommand({"score", all, "--ids", "1,101"}), "vocabulary");
  expectFailure(gptcCommand({"score", all, "--ids", "1,2", "--stride", "24"}),
                "--stride");
  expectFailure(gptcCommand({"score", all, "--file", *folder / "none"}), "'");
}

TEST_F(Command, TokenizeNeedsATokenizerAndValidIds) {
  auto result = gptcCommand({"tokenize", tokenizer}, "to be");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(gptcCommand({"tokenize", tokenizer, "--decode"}, result.out).out,
            "to be");
  expectFailure(gptcCommand({"tokenize", model}), "'");
  expectFailure(gptcCommand({"tokenize", *folder / "none"}), "none");
  expectFailure(gptcCommand({"tokenize", tokenizer, "--decode"}, "1 x"), "x");
  expectFailure(gptcCommand({"tokenize", tokenizer, "--decode"}, "9999999"),
                "9999999");
}

TEST_F(Command, TokenizePrintsJson) {
  auto ids = gptcCommand({"tokenize", tokenizer, "--json"}, "to be");
  expectSuccess(ids);
  std::string text;
  Json parsed = Json::parse(ids.out);
  for (int id : parsed.at("ids"))
    text += std::to_string(id) + " ";
  EXPECT_NE(text, "");
  auto back = gptcCommand({"tokenize", tokenizer, "--decode", "--json"}, text);
  expectSuccess(back);
  EXPECT_EQ(Json::parse(back.out), Json({{"text", "to be"}}));
  EXPECT_EQ(Json::parse(gptcCommand({"tokenize", tokenizer, "--json"}, "").out),
            Json({{"ids", Json::array()}}));
  // One byte of a character of two is no text: it is replaced.
  auto half = gptcCommand({"tokenize", tokenizer}, "\xc3");
  expectSuccess(half);
  back = gptcCommand({"tokenize", tokenizer, "--decode", "--json"}, half.out);
  expectSuccess(back);
  EXPECT_EQ(Json::parse(back.out), Json({{"text", "\xef\xbf\xbd"}}));
}

/// The parts of a plan, as JSON and as text, add up to what the plan says.
TEST_F(Command, APlanNamesTheShareOfEachPart) {
  Json plan = jsonOf(gptcCommand({"plan", model, "--train", "--json"}));
  expectKeys(plan, {"peak_entry", "parts"});
  EXPECT_EQ(plan["peak_entry"], "train_step");
  std::map<std::string, uint64_t> memory;
  uint64_t peak = 0;
  for (const Json &one : plan["parts"]) {
    expectKeys(one, {"name", "bytes"});
    memory[one["name"]] = one["bytes"];
    peak += one["bytes"].get<uint64_t>();
  }
  EXPECT_EQ(peak, plan["peak_bytes"]);
  EXPECT_EQ(memory["weights"], plan["weights_bytes"]);
  EXPECT_EQ(memory["exp_avg"], 4 * plan["parameters"].get<uint64_t>());
  EXPECT_EQ(memory["exp_avg_sq"], memory["exp_avg"]);
  EXPECT_GT(memory["activations"] + memory["gradients"], 0U);
  const Json &step = plan["entries"][0];
  std::map<std::string, uint64_t> flops;
  uint64_t bytes = 0, traffic = 0;
  for (const Json &one : step["parts"]) {
    expectKeys(one, {"name", "pass", "flops", "bytes", "traffic_bytes"});
    flops[one["pass"]] += one["flops"].get<uint64_t>();
    bytes += one["bytes"].get<uint64_t>();
    traffic += one["traffic_bytes"].get<uint64_t>();
  }
  EXPECT_EQ(flops.size(), 3U);
  EXPECT_EQ(flops["forward"] + flops["backward"] + flops["update"],
            step["flops"]);
  EXPECT_GT(flops["backward"], flops["forward"]);
  EXPECT_EQ(bytes, step["bytes"]);
  EXPECT_EQ(traffic, step["traffic_bytes"]);

  auto text = gptcCommand({"plan", model, "--train"});
  ASSERT_EQ(text.code, 0) << text.err;
  // Columns: a name, bytes, the same with a unit, and the share of the peak.
  EXPECT_THAT(text.out, testing::ContainsRegex(
                            "\nat the peak, train_step +bytes +share\n"
                            "weights +52984 +51\\.7 KiB +23\\.[0-9]%\n"
                            "  embedding +17360 +17\\.0 KiB +7\\.[0-9]%\n"));
  EXPECT_THAT(text.out,
              testing::ContainsRegex("\nexp_avg +52984 +51\\.7 KiB [^\n]+\n"
                                     "exp_avg_sq +52984 "));
  EXPECT_THAT(text.out, testing::ContainsRegex(fmt::format(
                            "\ntotal +{} [^\n]+ 100\\.0%\n\n"
                            "train_step +flops +share +traffic +share\n"
                            "forward +{} +30\\.[0-9]% ",
                            peak, flops["forward"])));
  EXPECT_THAT(text.out, testing::ContainsRegex(fmt::format(
                            "\ntotal +{} +100\\.0% +{} +100\\.0%\n$",
                            step["flops"].get<uint64_t>(), traffic)));
  size_t width = 0;
  for (std::istringstream lines(
           text.out.substr(text.out.find("\nat the peak") + 1));
       !lines.eof() && lines.peek() != '\n';) {
    std::string line;
    std::getline(lines, line);
    EXPECT_TRUE(width == 0 || line.size() == width) << line;
    width = line.size();
  }
  EXPECT_EQ(text.out.find("at the peak"), text.out.rfind("at the peak"));

  EXPECT_EQ(gptcCommand({"plan", model}).out.find("at the peak"),
            std::string::npos);
  EXPECT_THAT(gptcCommand({"plan", model, "--parts"}).out,
              testing::ContainsRegex("\ndecode +flops +share +traffic +share\n"
                                     "forward +[0-9]+ +100\\.0%"));
  expectFailure(gptcCommand({"plan", all, "--parts"}), "is compiled already");
  EXPECT_FALSE(jsonOf(gptcCommand({"plan", all, "--json"})).contains("parts"));
}

TEST_F(Command, JsonHasItsKeys) {
  Json list = jsonOf(gptcCommand({"models", "--json"}));
  ASSERT_TRUE(list.is_array() && !list.empty());
  for (const Json &one : list)
    expectKeys(one, {"name", "layers", "width", "heads", "head_size", "context",
                     "vocabulary", "parameters"});
  Json plan = jsonOf(gptcCommand({"plan", model, "--json"}));
  expectKeys(plan, {"parameters", "weights_bytes", "arena_bytes", "cache_bytes",
                    "optimizer_bytes", "peak_bytes", "entries"});
  EXPECT_EQ(plan["peak_bytes"], plan["weights_bytes"].get<uint64_t>() +
                                    plan["arena_bytes"].get<uint64_t>() +
                                    plan["cache_bytes"].get<uint64_t>());
  for (const Json &one : plan["entries"])
    expectKeys(one, {"name", "flops", "bytes", "traffic_bytes", "parts"});
  Json inspect = jsonOf(gptcCommand({"inspect", all, "--json"}));
  expectKeys(inspect, {"version", "model", "dtype", "variables", "targets"});
  expectKeys(inspect["targets"]["cpu"],
             {"entries", "kernels", "dispatches", "arena_bytes"});
  EXPECT_TRUE(inspect["targets"]["cpu"]["kernels"].is_array());
  Json score = jsonOf(gptcCommand({"score", all, "--ids", "1,2,3", "--json"}));
  expectKeys(score, {"tokens", "words", "log_likelihood", "perplexity_by_token",
                     "perplexity_by_word"});
  EXPECT_EQ(score["tokens"], 2);
  Json generated =
      jsonOf(gptcCommand({"generate", all, "--prompt-ids", "1,2",
                          "--max-tokens", "3", "--json", "--ignore-end"}));
  expectKeys(generated,
             {"prompt_tokens", "tokens", "text", "ids", "load_seconds",
              "prompt_seconds", "decode_seconds", "first_token_seconds",
              "tokens_per_s", "peak_rss_bytes"});
  EXPECT_EQ(generated["prompt_tokens"], 2);
  EXPECT_EQ(generated["ids"].size(), 3U);
  expectKeys(jsonOf(gptcCommand({"devices", "--json"})), {"cpu"});
}

TEST_F(Command, BenchMeasuresEveryEntryAgainstTheRoof) {
  Json bench = jsonOf(
      gptcCommand({"bench", all, "--json", "--repeat", "2", "--threads", "1"}));
  expectKeys(bench, {"roof", "entries"});
  expectKeys(bench["roof"], {"read_gb_s", "gflop_s"});
  expectKeys(bench["roof"]["gflop_s"], {"f32", "bf16", "int8"});
  EXPECT_GT(bench["roof"]["read_gb_s"], 0.1);
  EXPECT_GT(bench["roof"]["gflop_s"]["f32"], 0.5);
  ASSERT_EQ(bench["entries"].size(), 5U);
  for (const Json &entry : bench["entries"]) {
    expectKeys(entry, {"name", "tokens", "seconds", "tokens_per_s", "gflop_s",
                       "gb_s", "share_of_roof", "kernels"});
    EXPECT_GT(entry["seconds"], 0);
    EXPECT_GT(entry["share_of_roof"], 0);
    double shares = 0;
    for (const Json &kernel : entry["kernels"]) {
      expectKeys(kernel,
                 {"name", "share_of_time", "gflop_s", "gb_s", "share_of_roof"});
      shares += kernel["share_of_time"].get<double>();
    }
    EXPECT_NEAR(shares, 1, 1e-6);
  }
  auto text = gptcCommand({"bench", all, "--entry", "decode", "--repeat", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("decode: 1 token after 11"));
  EXPECT_EQ(text.err, "");
  expectFailure(gptcCommand({"bench", all, "--entry", "nope"}),
                "it has prefill_16");
}

TEST_F(Command, RunPadsCutsAndChecks) {
  std::string tokens = writeIds("tokens.npy", {1, 3}, {1, 2, 3});
  std::string output = *folder / "logits.npy";
  Json json = jsonOf(gptcCommand({"run", all, "--entry", "logits", "--input",
                                  "tokens=" + tokens, "--output",
                                  "logits=@" + output, "--json"}));
  expectKeys(json,
             {"entry", "backend", "load_seconds", "run_seconds", "results"});
  auto logits = readNpy(output);
  ASSERT_TRUE(logits) << logits.error().message();
  EXPECT_EQ(logits->shape, (std::vector<uint64_t>{1, 3, 101}));
  // The same from the caches, which knows nothing of padding.
  writeIds("three.npy", {1, 1}, {3});
  auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", all});
    return gptcCommand(more);
  };
  expectFailure(run({"--entry", "nope"}), "it has prefill_16");
  expectFailure(run({"--entry", "logits"}), "lacks the input tokens");
  expectFailure(run({"--entry", "logits", "--input", "x=" + tokens}),
                "it takes tokens");
  expectFailure(run({"--entry", "logits", "--input", "tokens"}),
                "NAME=@FILE.npy");
  expectFailure(run({"--entry", "logits", "--input", "tokens=" + tokens,
                     "--input", "tokens=" + tokens}),
                "a second time");
  expectFailure(run({"--entry", "logits", "--input", "tokens=@/none"}),
                "No such file");
  expectFailure(run({"--entry", "logits", "--input", "tokens=@" + all}), all);
  expectFailure(run({"--entry", "logits", "--input", "tokens=" + tokens,
                     "--output", "y=@" + output}),
                "it gives logits");
  expectFailure(run({"--entry", "logits", "--input", "tokens=" + tokens,
                     "--output", "logits=@" + *folder / "none/a.npy"}),
                "No such file");
  std::string longer =
      writeIds("long.npy", {1, 24}, std::vector<int64_t>(24, 1));
  expectFailure(run({"--entry", "logits", "--input", "tokens=" + longer}),
                "i32 [1, 24], expected i32 [1, 23] or smaller");
  std::string outside = writeIds("outside.npy", {1, 1}, {101});
  expectFailure(run({"--entry", "logits", "--input", "tokens=" + outside}),
                "expected 0 to 100");
}

TEST_F(Command, CompareFindsErrorsByScope) {
  std::string narrow = *folder / "narrow.gptc";
  auto compiled =
      gptcCommand({"compile", model, "-o", narrow, "--cpu", "x86-64-v3",
                   "--dtype", "bf16", "--entry", "logits,decode"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  for (const char *entry : {"logits", "decode"}) {
    Json equal =
        jsonOf(gptcCommand({"compare", all, all, "--entry", entry, "--json"}));
    expectKeys(equal,
               {"entry", "cpu", "version", "sides", "results", "scopes"});
    ASSERT_EQ(equal["results"].size(), 1U);
    EXPECT_EQ(equal["results"][0]["absolute_error"], 0);
    EXPECT_GT(equal["dispatches_compared"], 3);
    EXPECT_EQ(equal["dispatches_without_counterpart"], 0);
    for (const Json &scope : equal["scopes"])
      EXPECT_EQ(scope["absolute_error"], 0) << scope;
    Json other = jsonOf(
        gptcCommand({"compare", all, narrow, "--entry", entry, "--json"}));
    EXPECT_GT(other["results"][0]["relative_error"], 1e-5);
    EXPECT_LT(other["results"][0]["relative_error"], 0.1);
    EXPECT_FALSE(other["scopes"].empty());
    EXPECT_EQ(other["dispatches_without_counterpart"], 0);
  }
  auto markdown = gptcCommand({"compare", all, narrow, "--markdown"});
  EXPECT_EQ(markdown.code, 0) << markdown.err;
  EXPECT_THAT(markdown.out, HasSubstr("|---|---:|---:|\n| logits |"));
  expectFailure(gptcCommand({"compare", all}), "give a second artifact");
  expectFailure(gptcCommand({"compare", all, decode, "--entry", "logits"}),
                "no entry 'logits'");
  expectFailure(gptcCommand({"compare", all, "--backends", "cpu,tpu"}),
                "'tpu' is not supported");
}

TEST_F(Command, ExportIsBitEqual) {
  std::string output = *folder / "exported";
  Json json = jsonOf(gptcCommand({"export", all, output, "--json"}));
  EXPECT_EQ(json["original"], true);
  auto before = SafetensorsFile::open(model + "/model.safetensors");
  auto after = SafetensorsFile::open(output + "/model.safetensors");
  ASSERT_TRUE(before && after);
  ASSERT_EQ(before->tensors().size(), after->tensors().size());
  for (const auto &[name, view] : before->tensors()) {
    const TensorView &other = after->tensors().at(name);
    EXPECT_EQ(view.type, other.type) << name;
    EXPECT_EQ(view.shape, other.shape) << name;
    EXPECT_TRUE(std::equal(view.bytes.begin(), view.bytes.end(),
                           other.bytes.begin(), other.bytes.end()))
        << name;
  }
  EXPECT_EQ(TemporaryFolder::readFile(output + "/config.json"),
            TemporaryFolder::readFile(model + "/config.json"));
  expectFailure(gptcCommand({"export", all, output}), "is not empty");
  expectFailure(gptcCommand({"export", all, all}), "it is a file");
  expectFailure(gptcCommand({"export", all, *folder / "none/x"}),
                "No such file");
}

TEST_F(Command, ExportTakesEmbeddedAndSeededWeightsApart) {
  // Joined and transposed pieces: the projections of GPT-Neo.
  std::string neo = models + "/neo-global-and-local";
  std::string file = *folder / "neo.gptc", output = *folder / "neo";
  auto compiled =
      gptcCommand({"compile", neo, "-o", file, "--cpu", "x86-64-v3", "--dtype",
                   "f32", "--entry", "decode", "--embed-weights"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  auto exported = gptcCommand({"export", file, output});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_EQ(exported.err, "");
  auto before = SafetensorsFile::open(neo + "/model.safetensors");
  auto after = SafetensorsFile::open(output + "/model.safetensors");
  ASSERT_TRUE(before && after);
  size_t equal = 0;
  for (const auto &[name, view] : after->tensors()) {
    auto found = before->tensors().find(name);
    if (found == before->tensors().end())
      found = before->tensors().find(name.substr(name.find('.') + 1));
    ASSERT_NE(found, before->tensors().end()) << name;
    ASSERT_EQ(found->second.type, DataType::F32);
    EXPECT_EQ(view.shape, found->second.shape) << name;
    EXPECT_TRUE(std::equal(view.bytes.begin(), view.bytes.end(),
                           found->second.bytes.begin(),
                           found->second.bytes.end()))
        << name;
    ++equal;
  }
  EXPECT_GT(equal, 20U);
}

/// What a checkpoint had in 16 bits comes back so, also where it was computed
/// with in 32; joined projections each in their own type.
TEST_F(Command, ExportOfEmbeddedWeightsHasTheCheckpointsTypes) {
  for (const char *name : {"gpt2-gelu", "gpt2-wide", "gpt1-silu-heads-of-one",
                           "gpt2-swish-inverse-layer", "neo-local-untied"}) {
    TemporaryFolder folder;
    std::string before = models + "/" + name;
    expectSuccess(
        gptcCommand({"compile", before, "-o", folder / "a.gptc", "--cpu",
                     "x86-64-v3", "--entry", "decode", "--embed-weights"}));
    auto exported =
        gptcCommand({"export", folder / "a.gptc", folder / "exported"});
    expectSuccess(exported);
    EXPECT_EQ(exported.err, "") << name;
    auto from = SafetensorsFile::open(before + "/model.safetensors");
    auto to = SafetensorsFile::open(folder / "exported/model.safetensors");
    ASSERT_TRUE(from && to) << name;
    for (const auto &[tensor, view] : to->tensors()) {
      auto found = from->tensors().find(tensor);
      if (found == from->tensors().end())
        found = from->tensors().find(tensor.substr(tensor.find('.') + 1));
      ASSERT_NE(found, from->tensors().end()) << name << ": " << tensor;
      EXPECT_EQ(view.type, found->second.type) << name << ": " << tensor;
      EXPECT_EQ(view.shape, found->second.shape) << name << ": " << tensor;
      EXPECT_TRUE(std::ranges::equal(view.bytes, found->second.bytes))
          << name << ": " << tensor;
    }
  }
  // What was rounded is told of.
  TemporaryFolder folder;
  expectSuccess(
      gptcCommand({"compile", models + "/gpt2-swish-inverse-layer", "-o",
                   folder / "a.gptc", "--cpu", "x86-64-v3", "--entry", "decode",
                   "--dtype", "bf16", "--embed-weights"}));
  auto exported = gptcCommand({"export", folder / "a.gptc", folder / "e"});
  EXPECT_THAT(exported.err, HasSubstr("tensors in a narrower type than they "
                                      "came in"));
}

TEST_F(Command, ExportTellsThatF64CameOutAsF32) {
  TemporaryFolder own;
  std::string wide = own / "wide";
  fs::copy(models + "/neo-global-and-local", wide);
  auto from = SafetensorsFile::open(wide + "/model.safetensors");
  ASSERT_TRUE(from);
  std::vector<PendingTensor> tensors;
  for (const auto &[name, view] : from->tensors())
    tensors.push_back({name, DataType::F64, view.shape,
                       [bytes = view.bytes](const PendingTensor::Sink &sink) {
                         std::vector<double> values(bytes.size() /
                                                    sizeof(float));
                         for (size_t i = 0; i < values.size(); ++i) {
                           float value = 0;
                           std::memcpy(&value, bytes.data() + i * sizeof(float),
                                       sizeof(value));
                           values[i] = value;
                         }
                         return sink(std::as_bytes(std::span(values)));
                       }});
  ASSERT_TRUE(writeSafetensors(own / "model.safetensors", tensors));
  fs::rename(own / "model.safetensors", wide + "/model.safetensors");
  expectSuccess(
      gptcCommand({"compile", wide, "-o", own / "a.gptc", "--cpu", "x86-64-v3",
                   "--entry", "decode", "--embed-weights"}));
  auto exported = gptcCommand({"export", own / "a.gptc", own / "exported"});
  expectSuccess(exported);
  EXPECT_THAT(exported.err, HasSubstr("tensors in a narrower type than they "
                                      "came in"));
}

/// A name of the catalogue stands for a configuration, which travels with it.
TEST_F(Command, NamesHaveAConfiguration) {
  TemporaryFolder folder;
  expectSuccess(
      gptcCommand({"compile", "gpt2-124m", "-o", folder / "a.gptc", "--cpu",
                   "x86-64-v3", "--entry", "decode", "--context", "16"}));
  auto artifact = Artifact::open(folder / "a.gptc");
  ASSERT_TRUE(artifact) << artifact.error().message();
  const auto *file = (*artifact)->findFile("config.json");
  ASSERT_NE(file, nullptr);
  Json config = Json::parse((*artifact)->text(*file));
  EXPECT_EQ(config["model_type"], "gpt2");
  EXPECT_EQ(config["n_embd"], 768);
  EXPECT_EQ(config["n_positions"], 1024);
}

TEST_F(Command, ExportTellsWhatTransformersDoesNotLoad) {
  TemporaryFolder folder;
  auto compiled = [&](const std::string &from) {
    expectSuccess(gptcCommand(
        {"compile", from, "-o", folder / "a.gptc", "--cpu", "x86-64-v3"}));
    fs::remove_all(folder / "exported");
    auto exported =
        gptcCommand({"export", folder / "a.gptc", folder / "exported"});
    expectSuccess(exported);
    return exported.err;
  };
  EXPECT_THAT(compiled(models + "/gpt3-band"),
              HasSubstr("has the model_type gpt3, which gptc knows and "
                        "transformers does not"));
  EXPECT_TRUE(fs::exists(folder / "exported/config.json"));
  // IR carries what its folder said.
  fs::create_directory(folder / "sizes");
  folder.write("sizes/config.json",
               TemporaryFolder::readFile(model + "/config.json"));
  std::string module = folder / "model.mlir";
  expectSuccess(
      gptcCommand({"compile", folder / "sizes", "--init-seed", "1", "--entry",
                   "decode", "--to", "model", "-o", module}));
  EXPECT_EQ(compiled(module).find("config.json"), std::string::npos);
  EXPECT_TRUE(fs::exists(folder / "exported/config.json"));
}

TEST_F(Command, CompileKeepsWhatItCompiles) {
  TemporaryFolder folder;
  std::filesystem::copy(models + "/gpt2-gelu", folder / "model");
  std::string model = folder / "model", weights = model + "/model.safetensors";
  auto size = std::filesystem::file_size(weights);
  expectFailure(gptcCommand({"compile", model, "-o", weights}),
                "is a file of what is being compiled");
  EXPECT_EQ(std::filesystem::file_size(weights), size);
  expectFailure(gptcCommand({"compile", model, "--entry", "decode,decode", "-o",
                             folder / "a.gptc"}),
                "'decode' is given twice");
  expectFailure(gptcCommand({"compile", model, "--to", "artifact"}),
                "nowhere to write to");
  std::string module = folder / "model.mlir";
  EXPECT_EQ(gptcCommand({"compile", model, "--to", "model", "-o", module}).code,
            0);
  expectFailure(gptcCommand({"compile", module, "-o", folder / "a.gptc",
                             "--dtype", "bf16"}),
                "has its types");
}

} // namespace
} // namespace gptc
