//===- CompileTest.cpp - What gptc compile writes -------------------------===//

#include "tests/support/Command.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string models = GPTC_SOURCE_DIR "/tests/golden/models";

std::vector<std::string> compileArguments(const std::string &model,
                                          const std::string &output) {
  return {"compile",   model,     "-o",  output,    "--cpu",
          "x86-64-v3", "--dtype", "f32", "--entry", "prefill,decode,score"};
}

void run(const std::vector<std::string> &arguments) {
  auto result = gptcCommand(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
}

TEST(Compile, AFolderWithoutWeightsIsGivenASeed) {
  TemporaryFolder folder;
  fs::create_directories(folder / "own");
  for (const char *file : {"config.json", "vocab.json", "merges.txt"})
    fs::copy(GPTC_SOURCE_DIR "/examples/shakespeare/" + std::string(file),
             folder / ("own/" + std::string(file)));
  std::string artifact = folder / "own.gptc";
  auto arguments = compileArguments(folder / "own", artifact);
  auto result = gptcCommand(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("--init-seed gives a folder without "
                                    "weights random ones"));
  result = gptcCommand({"plan", folder / "own", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"parameters\": 1927296"));
  arguments.insert(arguments.end(), {"--init-seed", "5"});
  run(arguments);
  // It carries the tokenizer, and needs the folder no more.
  // So does what is compiled on from a phase.
  std::string module = folder / "own.mlir", on = folder / "on.gptc";
  auto toPhase = arguments;
  toPhase[3] = module;
  toPhase.insert(toPhase.end(), {"--to", "fused"});
  run(toPhase);
  run({"compile", module, "-o", on, "--cpu", "x86-64-v3"});
  EXPECT_TRUE(folder.read("on.gptc") == folder.read("own.gptc"));
  fs::remove_all(folder / "own");
  result = gptcCommand(
      {"generate", artifact, "--prompt", "ROMEO:", "--max-tokens", "3"});
  EXPECT_EQ(result.code, 0) << result.err;
  // What has weights takes no seed.
  arguments[1] = models + "/gpt2-gelu";
  result = gptcCommand(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("has weights of its own"));
}

TEST(Compile, GoesOnFromPhaseToPhase) {
  TemporaryFolder folder;
  std::string model = models + "/neo-local-untied";
  run(compileArguments(model, folder / "direct.gptc"));
  std::string previous;
  for (std::string phase :
       {"model", "gradient", "fused", "kernels", "program"}) {
    std::string file = folder / (phase + ".mlir");
    auto arguments = compileArguments(model, file);
    arguments.insert(arguments.end(), {"--to", phase});
    run(arguments);
    // Steps lead where one walk does.
    if (!previous.empty()) {
      run({"compile", previous, "-o", folder / "step.mlir", "--to", phase});
      EXPECT_EQ(folder.read("step.mlir"), folder.read(phase + ".mlir"))
          << phase;
    }
    previous = file;
  }
  run({"compile", previous, "-o", folder / "on.gptc", "--from", "program"});
  EXPECT_EQ(folder.read("on.gptc") == folder.read("direct.gptc"), true);
  auto back = gptcCommand({"compile", previous, "--to", "model"});
  EXPECT_EQ(back.code, 1);
  EXPECT_THAT(back.err, HasSubstr("is in phase 'program' already"));
}

TEST(Compile, GoesOnFromAPhaseOfANamedModel) {
  // Its config.json is no file's.
  TemporaryFolder folder;
  std::vector<std::string> arguments{
      "compile", "gpt1",      "-o",      folder / "direct.gptc",
      "--cpu",   "x86-64-v3", "--entry", "decode"};
  run(arguments);
  arguments[3] = folder / "a.mlir";
  arguments.insert(arguments.end(), {"--to", "gradient"});
  run(arguments);
  run({"compile", folder / "a.mlir", "-o", folder / "on.gptc"});
  EXPECT_TRUE(folder.read("on.gptc") == folder.read("direct.gptc"));
}

TEST(Compile, EqualInputsGiveEqualBytes) {
  TemporaryFolder folder;
  for (const char *type : {"f32", "bf16", "f16"}) {
    std::string files[] = {folder / "a.gptc", folder / "b.gptc"};
    for (const std::string &file : files)
      run({"compile", models + "/gpt2-gelu", "-o", file, "--dtype", type,
           "--embed-weights"});
    EXPECT_TRUE(folder.read("a.gptc") == folder.read("b.gptc")) << type;
  }
}

TEST(Compile, DumpsWhatHappened) {
  TemporaryFolder folder;
  std::string dump = folder / "dump";
  auto arguments = compileArguments(models + "/gpt2-gelu", folder / "a.gptc");
  arguments.insert(arguments.end(), {"--dump-dir", dump});
  run(arguments);
  std::vector<std::string> numbered;
  for (const auto &entry : fs::directory_iterator(dump))
    if (entry.path().extension() == ".mlir")
      numbered.push_back(entry.path().filename());
  std::sort(numbered.begin(), numbered.end());
  ASSERT_GE(numbered.size(), 4U);
  for (size_t i = 0; i < numbered.size(); ++i) {
    char prefix[16];
    std::snprintf(prefix, sizeof(prefix), "%03zu-", i);
    EXPECT_THAT(numbered[i], testing::StartsWith(prefix));
  }
  EXPECT_EQ(numbered[0], "000-model.mlir");
  size_t kinds[3] = {0, 0, 0};
  for (const auto &entry :
       fs::recursive_directory_iterator(dump + "/kernels")) {
    std::string extension = entry.path().extension();
    kinds[0] += extension == ".mlir";
    kinds[1] += extension == ".ll";
    kinds[2] += extension == ".s";
    if (entry.is_regular_file())
      EXPECT_GT(entry.file_size(), 0U) << entry.path();
  }
  for (size_t count : kinds)
    EXPECT_GE(count, 1U);
  // Where a phase ends one can go on.
  for (const char *phase : {"fused", "kernels", "program"}) {
    auto found = std::find_if(
        numbered.begin(), numbered.end(), [&](const std::string &name) {
          return name.substr(4) == std::string(phase) + ".mlir";
        });
    ASSERT_NE(found, numbered.end()) << phase;
    run({"compile", dump + "/" + *found, "-o", folder / "b.gptc"});
    EXPECT_TRUE(folder.read("b.gptc") == folder.read("a.gptc")) << phase;
  }
}

TEST(Compile, BrokenModulesAreToldByLine) {
  TemporaryFolder folder;
  auto file = folder.write("a.mlir", "module {\n  nonsense\n}\n");
  auto result = gptcCommand({"compile", file, "-o", folder / "a.gptc"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("a.mlir"));
  EXPECT_THAT(result.err, HasSubstr("line 2, column 3: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
      << result.err;
  file = folder.write("b.mlir", "module {}\n");
  result = gptcCommand({"compile", file, "-o", folder / "a.gptc"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, testing::StartsWith("gptc: "));
  EXPECT_FALSE(fs::exists(folder / "a.gptc"));
}

} // namespace
} // namespace gptc
