//===- TrainCommandTest.cpp - gptc train as a process ---------------------===//

#include "tests/support/Command.h"
#include "tests/support/TinyModel.h"

#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <sstream>
#include <thread>

namespace gptc {
namespace {

namespace fs = std::filesystem;

const std::string model = GPTC_SOURCE_DIR "/examples/shakespeare";

class TrainCommand : public testing::Test {
protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 60; ++i)
      text +=
          "JULIET:\nParting is such sweet sorrow " + std::to_string(i) + "\n\n";
    folder.write("text.txt", text);
    expectSuccess({"prepare", folder / "text.txt", "-o", folder / "data",
                   "--tokenizer", model, "--separator",
                   "JULIET:", "--validation", "0.2"});
    expectSuccess({"compile", model, "-o", folder / "model.gptc", "--entry",
                   "train_step,score", "--batch", "1", "--context", "23",
                   "--dropout", "0.1"});
  }

  static void expectSuccess(const std::vector<std::string> &arguments) {
    CommandResult result = gptcCommand(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
  }

  std::vector<std::string> train(const std::string &output,
                                 std::vector<std::string> more = {},
                                 const std::string &steps = "6") {
    std::vector<std::string> arguments{"train",
                                       folder / "model.gptc",
                                       "--data",
                                       folder / "data",
                                       "--out",
                                       folder / output,
                                       "--steps",
                                       steps,
                                       "--learning-rate",
                                       "1e-3",
                                       "--save-every",
                                       "1",
                                       "--validate-every",
                                       "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  std::string stateFile(const std::string &output, const std::string &file) {
    return folder.read(output + "/step-00000006/" + file);
  }

  TemporaryFolder folder;
};

/// Runs the command and kills it after a while; whether it had not ended.
bool runAndKill(std::vector<std::string> arguments,
                std::chrono::milliseconds after) {
  arguments.insert(arguments.begin(), GPTC_COMMAND);
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = -1;
  EXPECT_EQ(::posix_spawn(&process, GPTC_COMMAND, nullptr, nullptr, argv.data(),
                          environ),
            0);
  std::this_thread::sleep_for(after);
  ::kill(process, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  return WIFSIGNALED(status);
}

TEST_F(TrainCommand, TellsHowStepsGrow) {
  expectSuccess({"compile", model, "-o", folder / "model.gptc", "--entry",
                 "train_step,accumulate_gradients,score", "--batch", "1",
                 "--context", "23"});
  const std::string told = "steps grow from 1 to 3 batches of 23 tokens over "
                           "the first 200 tokens";
  CommandResult grows = gptcCommand(
      train("grows", {"--accumulate", "3", "--batch-growth", "200"}, "2"));
  ASSERT_EQ(grows.code, 0) << grows.err;
  EXPECT_NE(grows.err.find(told), std::string::npos) << grows.err;
  CommandResult whole = gptcCommand(train("whole", {"--accumulate", "3"}, "1"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.err.find("steps grow"), std::string::npos) << whole.err;
}

TEST_F(TrainCommand, AKilledRunGoesOnToTheSameBits) {
  CommandResult whole = gptcCommand(train("whole", {"--json"}));
  ASSERT_EQ(whole.code, 0) << whole.err;
  auto summary = nlohmann::json::parse(whole.out);
  EXPECT_EQ(summary["steps"], 6);
  EXPECT_EQ(summary["steps_done"], 6);
  EXPECT_TRUE(summary["validation_loss"].is_number());
  EXPECT_NE(whole.err.find("of memory planned"), std::string::npos);

  auto expectSameState = [&] {
    for (const char *file : {"model.safetensors", "optimizer.safetensors"}) {
      ASSERT_FALSE(stateFile("whole", file).empty());
      EXPECT_TRUE(stateFile("killed", file) == stateFile("whole", file))
          << file;
    }
  };
  std::mt19937 random(3);
  for (int kills = 0; kills < 50;) {
    if (runAndKill(train("killed", {"--resume"}),
                   std::chrono::milliseconds(30 + random() % 700))) {
      ++kills;
      continue;
    }
    // It came to its end; the next one begins anew.
    expectSameState();
    fs::remove_all(folder / "killed");
  }
  expectSuccess(train("killed", {"--resume"}));
  expectSameState();
  // The log has each step once, with the losses of the unbroken run.
  std::string log = folder.read("killed/log.jsonl");
  std::string expected = folder.read("whole/log.jsonl");
  std::istringstream found(log), wanted(expected);
  std::string a, b;
  int lines = 0;
  for (; std::getline(wanted, b); ++lines) {
    ASSERT_TRUE(std::getline(found, a)) << log;
    auto x = nlohmann::json::parse(a), y = nlohmann::json::parse(b);
    for (const char *key : {"step", "loss", "gradient_norm", "learning_rate"})
      EXPECT_EQ(x[key], y[key]) << lines;
  }
  EXPECT_EQ(lines, 6);
  EXPECT_FALSE(std::getline(found, a));
}

TEST_F(TrainCommand, AModelIsCompiledWithTheEntriesThatTheRunNeeds) {
  CommandResult result =
      gptcCommand({"train", model, "--data", folder / "data", "--out",
                   folder / "run", "--batch", "1", "--context", "23", "--steps",
                   "2", "--accumulate", "2", "--sample", "JULIET:"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("46 tokens a step"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("  | JULIET:"), std::string::npos) << result.err;
}

TEST_F(TrainCommand, ARunThatCannotGoOnLeavesTheFolderAsItWas) {
  expectSuccess(train("run", {}, "2"));
  std::string program = folder.read("run/program.gptc");
  ASSERT_FALSE(program.empty());
  expectSuccess({"compile", model, "-o", folder / "other.gptc", "--entry",
                 "train_step,score", "--batch", "2", "--context", "23"});
  auto other = train("run", {"--resume"});
  other[1] = folder / "other.gptc";
  auto compiled = train("run", {"--resume", "--batch", "2", "--context", "23"});
  compiled[1] = model;
  for (const auto &arguments : {other, compiled}) {
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_NE(result.err.find("was saved with batch 1, and this run has 2"),
              std::string::npos)
        << result.err;
    EXPECT_TRUE(folder.read("run/program.gptc") == program);
  }
  CommandResult result = gptcCommand(train("run", {"--resume"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("going on after step 2\n"), std::string::npos)
      << result.err;
}

TEST_F(TrainCommand, WithoutValidationProgressIsToldAllTheSame) {
  expectSuccess({"prepare", folder / "text.txt", "-o", folder / "all",
                 "--tokenizer", model});
  // A line comes with each state then.
  CommandResult result = gptcCommand({"train", folder / "model.gptc", "--data",
                                      folder / "all", "--out", folder / "run",
                                      "--steps", "6", "--save-every", "3"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char *line : {"\nstep 3/6: loss ", "\nstep 6/6: loss "})
    EXPECT_NE(result.err.find(line), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("validation"), std::string::npos) << result.err;
}

TEST_F(TrainCommand, TellsTheShareOfThePeakAndTheTimeThatIsLeft) {
  CommandResult result = gptcCommand(train("run", {"--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(std::regex_search(
      result.err,
      std::regex("\nstep 3/6: loss [0-9.]+, norm [0-9.]+, rate [0-9.e-]+, "
                 "[0-9]+ tokens/s, [0-9]+% of peak, validation [0-9.]+, "
                 "[0-9]+ s left\n")))
      << result.err;
  double peak = nlohmann::json::parse(result.out)["peak_gflop_s"];
  EXPECT_GT(peak, 0.5);
  std::istringstream log(folder.read("run/log.jsonl"));
  size_t lines = 0;
  for (std::string text; std::getline(log, text); ++lines) {
    auto line = nlohmann::json::parse(text);
    double rate = line["gflop_s"];
    EXPECT_NEAR(line["share_of_peak"].get<double>() * peak, rate, 1e-6 * rate);
  }
  EXPECT_EQ(lines, 6U);
}

TEST_F(TrainCommand, AValidationThatIsBetterThanAllBeforeSavesAState) {
  // Steps so large that later states are worse.
  CommandResult result =
      gptcCommand({"train", folder / "model.gptc", "--data", folder / "data",
                   "--out", folder / "run", "--steps", "6", "--learning-rate",
                   "0.03", "--schedule", "constant", "--save-every", "1000",
                   "--validate-every", "1", "--keep", "1", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  std::istringstream log(folder.read("run/log.jsonl"));
  double least = std::numeric_limits<double>::infinity();
  uint64_t best = 0;
  for (std::string text; std::getline(log, text);) {
    auto line = nlohmann::json::parse(text);
    if (line["validation_loss"] < least) {
      least = line["validation_loss"];
      best = line["step"];
    }
  }
  ASSERT_GT(best, 0U);
  ASSERT_LT(best, 6U) << "nothing is shown";
  EXPECT_EQ(nlohmann::json::parse(result.out)["best_state"],
            folder / ("run/step-0000000" + std::to_string(best)));
  size_t states = 0;
  for (const auto &entry : fs::directory_iterator(folder / "run"))
    states += entry.path().filename().string().starts_with("step-");
  EXPECT_EQ(states, 2U);
}

TEST_F(TrainCommand, OtherDataOfTheSameSizeAreNotGoneOnWith) {
  std::string text;
  for (int i = 60; i-- > 0;)
    text +=
        "JULIET:\nParting is such sweet sorrow " + std::to_string(i) + "\n\n";
  folder.write("turned.txt", text);
  expectSuccess({"prepare", folder / "turned.txt", "-o", folder / "turned",
                 "--tokenizer", model, "--separator", "JULIET:", "--validation",
                 "0.2"});
  expectSuccess(train("run", {}, "1"));
  auto arguments = train("run", {"--resume"}, "2");
  arguments[3] = folder / "turned";
  CommandResult result = gptcCommand(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("step-00000001' was saved on other data, of as "
                            "many tokens; go on with the data"),
            std::string::npos)
      << result.err;
  expectSuccess(train("run", {"--resume"}, "2"));
  // Of a run that was begun before data were told apart.
  std::string record = folder.read("run/step-00000002/training.json");
  auto json = nlohmann::json::parse(record);
  json.erase("data_digest");
  json.erase("program");
  folder.write("run/step-00000002/training.json", json.dump());
  expectSuccess(train("run", {"--resume"}, "3"));
}

TEST_F(TrainCommand, ThePeakIsThePlannedOne) {
  // Its state is larger than what a process has beside.
  fs::create_directory(folder / "wide");
  for (const char *file : {"vocab.json", "merges.txt"})
    fs::copy(model + "/" + file, folder / "wide");
  folder.write("wide/config.json",
               R"({"model_type": "gpt2", "vocab_size": 512, "n_positions": 64,
                   "n_embd": 768, "n_layer": 2, "n_head": 12,
                   "bos_token_id": 0, "eos_token_id": 0})");
  expectSuccess({"compile", folder / "wide", "--init-seed", "1", "-o",
                 folder / "wide.gptc", "--entry", "train_step,score", "--batch",
                 "1", "--context", "23"});
  auto expectPlanned = [&](const std::string &artifact,
                           std::vector<std::string> more) {
    more.emplace_back("--json");
    auto arguments =
        train(artifact + "-run", more, more.size() == 1 ? "2" : "3");
    arguments[1] = folder / (artifact + ".gptc");
    CommandResult result = gptcCommand(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    auto summary = nlohmann::json::parse(result.out);
    auto planned = summary["planned_bytes"].get<double>();
    EXPECT_GT(planned, 170e6); // Of which 118 MB are moments.
    EXPECT_LT(summary["peak_rss_bytes"].get<double>(), planned + (30 << 20));
  };
  expectPlanned("wide", {});
  expectPlanned("wide", {"--resume"});
  // Embedded weights are copied, and not resident a second time.
  expectSuccess({"compile", folder / "wide", "--init-seed", "1", "-o",
                 folder / "embedded.gptc", "--entry", "train_step,score",
                 "--batch", "1", "--context", "23", "--embed-weights", "--cpu",
                 "x86-64-v3"});
  expectPlanned("embedded", {});
}

TEST_F(TrainCommand, AnInterruptedRunSavesAndSaysHowToGoOn) {
  std::vector<std::string> arguments = train("stopped", {}, "1000000");
  arguments.insert(arguments.begin(), GPTC_COMMAND);
  for (std::string &argument : arguments)
    if (argument == "1") // Of --save-every: never.
      argument = "1000000";
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = -1;
  ASSERT_EQ(::posix_spawn(&process, GPTC_COMMAND, nullptr, nullptr, argv.data(),
                          environ),
            0);
  // Its first step is done, so that it listens.
  std::error_code code;
  for (int i = 0; i < 600; ++i) {
    if (fs::file_size(folder / "stopped/log.jsonl", code) > 0 && !code)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::kill(process, SIGINT);
  int status = 0;
  ASSERT_EQ(::waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  size_t states = 0;
  for (const auto &entry : fs::directory_iterator(folder / "stopped"))
    states += entry.path().filename().string().starts_with("step-");
  EXPECT_EQ(states, 1U);
}

TEST_F(TrainCommand, EmbeddedWeightsAreThoseToBeginWith) {
  std::string artifact = folder / "embedded.gptc";
  expectSuccess({"compile", model, "-o", artifact, "--entry",
                 "train_step,score,prefill,decode", "--batch", "1", "--context",
                 "23", "--embed-weights", "--cpu", "x86-64-v3"});
  auto arguments = train("embedded", {"--sample", "JULIET:"}, "3");
  arguments[1] = artifact;
  CommandResult first = gptcCommand(arguments);
  ASSERT_EQ(first.code, 0) << first.err;
  // The recipe's course, but for the option; and what the model writes.
  EXPECT_NE(first.err.find("learning rate 0.001 after 0 steps, cosine to "
                           "0.0001; recipe gpt2"),
            std::string::npos)
      << first.err;
  EXPECT_NE(first.err.find("\n  | JULIET:"), std::string::npos) << first.err;
  auto more = train("embedded", {"--resume"}, "6");
  more[1] = artifact;
  expectSuccess(more);
  std::string whole = folder.read("embedded/step-00000006/model.safetensors");
  EXPECT_FALSE(whole.empty());
}

TEST_F(TrainCommand, WhatMemoryDoesNotHoldIsComputedAgain) {
  auto planned = [&](const std::vector<std::string> &more) {
    std::vector<std::string> arguments{"plan",    model, "--train",   "--json",
                                       "--batch", "4",   "--context", "128"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  auto all = planned({}), half = planned({"--memory", "38MiB"});
  EXPECT_GT(all["peak_bytes"], 40 << 20);
  EXPECT_LE(half["peak_bytes"], 38 << 20);
  EXPECT_EQ(all["recomputed"]["flops"], 0);
  EXPECT_GT(half["recomputed"]["flops"], 0);
  std::vector<double> losses;
  for (const char *memory : {"1GiB", "38MiB"}) {
    std::string output = folder / memory;
    CommandResult result = gptcCommand(
        {"train", model, "--data", folder / "data", "--out", output, "--batch",
         "4", "--context", "128", "--steps", "3", "--learning-rate", "1e-3",
         "--dropout", "0.1", "--memory", memory, "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err.find("Computed again in the backward pass: ") !=
                  std::string::npos,
              losses.size() == 1)
        << result.err;
    losses.push_back(nlohmann::json::parse(result.out)["loss"]);
  }
  EXPECT_NEAR(losses[1], losses[0], 1e-5 * losses[0]);
  // Other kernels may round otherwise: no run goes on with another budget.
  CommandResult other = gptcCommand(
      {"train", model, "--data", folder / "data", "--out", folder / "38MiB",
       "--batch", "4", "--context", "128", "--steps", "4", "--learning-rate",
       "1e-3", "--dropout", "0.1", "--resume"});
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(std::regex_search(
      other.err, std::regex("was saved with arena_bytes [0-9]+, and this run "
                            "has [0-9]+ \\(--memory\\); go on with")))
      << other.err;
}

TEST_F(TrainCommand, OnTheReferenceARunIsTheCpusInDouble) {
  expectSuccess({"compile", writeTinyModel(folder, "tiny"), "-o",
                 folder / "model.gptc", "--target", "cpu,reference", "--entry",
                 "train_step,accumulate_gradients,score", "--batch", "1",
                 "--context", "23", "--dropout", "0.1"});
  auto run = [&](const std::string &output, const std::string &backend,
                 const std::string &steps, bool resume = false) {
    std::vector<std::string> more{"--backend",  backend,     "--accumulate",
                                  "2",          "--warm-up", "0",
                                  "--schedule", "constant"};
    if (resume)
      more.emplace_back("--resume");
    CommandResult result = gptcCommand(train(output, more, steps));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err.find("in double on the reference") !=
                  std::string::npos,
              backend == "reference")
        << result.err;
  };
  run("cpu", "cpu", "6");
  run("whole", "reference", "6");
  run("parts", "reference", "2");
  run("parts", "reference", "6", true);

  std::istringstream found(folder.read("whole/log.jsonl")),
      wanted(folder.read("cpu/log.jsonl"));
  std::string a, b;
  size_t steps = 0, validations = 0;
  for (; std::getline(found, a) && std::getline(wanted, b); ++steps) {
    auto x = nlohmann::json::parse(a), y = nlohmann::json::parse(b);
    for (const char *key : {"loss", "gradient_norm", "validation_loss"}) {
      ASSERT_EQ(x.contains(key), y.contains(key)) << key;
      if (x.contains(key))
        EXPECT_NEAR(x[key].get<double>() / y[key].get<double>(), 1, 1e-4)
            << key << " of step " << steps;
    }
    validations += x.contains("validation_loss");
  }
  EXPECT_EQ(steps, 6U);
  EXPECT_EQ(validations, 2U);
  for (const char *file :
       {"model.safetensors", "optimizer.safetensors", "exact.safetensors"}) {
    EXPECT_FALSE(stateFile("whole", file).empty()) << file;
    EXPECT_TRUE(stateFile("whole", file) == stateFile("parts", file)) << file;
  }
  // What is kept in double is not what f32 holds.
  EXPECT_GT(stateFile("whole", "exact.safetensors").size(),
            stateFile("whole", "model.safetensors").size());
  EXPECT_FALSE(stateFile("whole", "model.safetensors") ==
               stateFile("cpu", "model.safetensors"));
  // Either goes on from the other's state.
  run("whole", "cpu", "7", true);
  run("cpu", "reference", "7", true);
}

TEST_F(TrainCommand, AModelIsCompiledForTheReferenceWhereItTrainsThere) {
  CommandResult result = gptcCommand(
      {"train", writeTinyModel(folder, "tiny"), "--data", folder / "data",
       "--out", folder / "run", "--batch", "1", "--context", "23", "--steps",
       "1", "--backend", "reference", "--sample", "JULIET:", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("  | JULIET:"), std::string::npos) << result.err;
  EXPECT_FALSE(nlohmann::json::parse(result.out).contains("planned_bytes"));
  expectSuccess({"export", folder / "run", folder / "exported"});
}

TEST_F(TrainCommand, MistakesAreSentences) {
  auto expectError = [&](const std::vector<std::string> &arguments,
                         const std::string &part) {
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
        << result.err;
  };
  expectError({"plan", model, "--train", "--memory", "2 books"},
              "--memory: '2 books' is no size; expected a whole number of "
              "bytes, or of a unit");
  expectError({"plan", model, "--train", "--memory", "0"}, "'0' is no size");
  expectError({"plan", model, "--memory", "1GiB"},
              "add an entry that trains, train_step");
  // Told before a step is done, which would be lost.
  CommandResult sampled =
      gptcCommand(train("unsampled", {"--sample", "JULIET:"}));
  EXPECT_EQ(sampled.code, 1);
  EXPECT_NE(sampled.err.find("has neither of the entries prefill and decode"),
            std::string::npos)
      << sampled.err;
  EXPECT_FALSE(fs::exists(folder / "unsampled/log.jsonl"));
  expectSuccess(train("run", {}, "1"));
  expectError(train("run"), "holds a run of 1 step; go on with --resume");
  expectError(train("other", {"--schedule", "steep"}),
              "choose constant, linear or cosine");
  expectError(train("other", {"--schedule", "constant", "--last-rate", "0.5"}),
              "--last-rate: 0.5 is where a rate that falls ends");
  expectError(train("other", {"--batch-growth", "100"}),
              "--batch-growth: steps of one batch cannot grow");
  expectError(train("other", {"--backend", "reference"}),
              "holds nothing for the reference; compile with --target "
              "cpu,reference");
  expectError(train("other", {"--backend", "reference", "--threads", "2"}),
              "--threads: the reference computes on one thread");
  expectError(train("text.txt"), "cannot create the folder");
  expectError(train("other", {"--batch", "7"}),
              "is compiled already, and --batch is for models; compile it with "
              "it");
  expectError({"train", "gpt2-124m", "--data", folder / "data", "--out",
               folder / "new", "--recipe", "none"},
              "--recipe: 'none' is no recipe; choose from gpt1, gpt1-finetune, "
              "gpt2, gpt3-125m, ");
}

} // namespace
} // namespace gptc
