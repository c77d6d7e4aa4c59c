//===- FinetuneCommandTest.cpp - gptc finetune and predict ----------------===//
//
// Tasks that a bag of words cannot do: what the texts of different labels
// consist of is the same, and only its order tells them apart.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Command.h"
#include "tests/support/TinyModel.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

const std::string model = GPTC_SOURCE_DIR "/examples/shakespeare";

class Finetune : public testing::Test {
protected:
  /// Two different names and a verb between them.
  struct Sentence {
    std::string first, verb, second;
    std::string text() const { return first + " " + verb + " " + second + "."; }
    std::string turned() const {
      return second + " " + verb + " " + first + ".";
    }
  };
  Sentence sentence() {
    static const char *names[] = {"ROMEO", "JULIET", "TYBALT", "PARIS"};
    static const char *verbs[] = {"loves", "hates", "sees", "calls"};
    size_t a = random() % 4, b = (a + 1 + random() % 3) % 4;
    return {names[a], verbs[random() % 4], names[b]};
  }
  bool coin() { return random() % 2 != 0; }

  /// Writes `rows` lines for training and some for validation.
  template <typename Line>
  void writeData(const std::string &ending, const std::string &header,
                 size_t rows, Line line) {
    for (const char *part : {"train", "dev"}) {
      std::string text = header;
      size_t count = *part == 't' ? rows : 60;
      for (size_t i = 0; i < count; ++i)
        text += line() + "\n";
      folder.write(part + ending, text);
    }
  }

  Json finetune(const std::string &task, const std::string &ending,
                const std::string &output,
                const std::vector<std::string> &more = {},
                const std::string &rate = "1e-3") {
    std::vector<std::string> arguments{
        "finetune",        model,
        "--task",          task,
        "--train",         folder / ("train" + ending),
        "--valid",         folder / ("dev" + ending),
        "--out",           folder / output,
        "--batch",         "16",
        "--learning-rate", rate,
        "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  Json predict(const std::string &output, const std::string &ending,
               const std::vector<std::string> &more = {}) {
    std::vector<std::string> arguments{
        "predict", folder / output,    "--input", folder / ("dev" + ending),
        "-o",      folder / "out.csv", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  static Json run(const std::vector<std::string> &arguments) {
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    Json json = Json::parse(result.out, nullptr, false);
    EXPECT_TRUE(json.is_object()) << result.out << result.err;
    return json.is_object() ? json : Json::object();
  }
  static double metric(const Json &json, const char *name) {
    EXPECT_TRUE(json.contains("metrics") && json["metrics"].contains(name));
    return json.value("metrics", Json::object()).value(name, 0.0);
  }

  TemporaryFolder folder;
  std::mt19937 random{7};
};

TEST_F(Finetune, ClassifiesByTheOrderOfWords) {
  writeData(".csv", "text,label\n", 240, [&] {
    return std::string(coin() ? "ROMEO sees JULIET.,first"
                              : "JULIET sees ROMEO.,second");
  });
  Json done =
      finetune("classification", ".csv", "run", {"--epochs", "2"}, "3e-4");
  EXPECT_EQ(done["steps"], 30);
  EXPECT_GE(metric(done, "accuracy"), 0.95);
  Json predicted = predict("run", ".csv");
  EXPECT_GE(metric(predicted, "accuracy"), 0.95);
  EXPECT_GE(metric(predicted, "f1"), 0.95);
  EXPECT_GE(metric(predicted, "matthews"), 0.9);
  // Weights, and nothing of training.
  EXPECT_GT(predicted["weights_bytes"], 7'000'000U);
  EXPECT_EQ(predicted["state_bytes"], 0U);
  Json inspected =
      run({"inspect", folder / "run/program.gptc", "--json"})["targets"]["cpu"];
  EXPECT_LT(predicted["arena_bytes"], inspected["arena_bytes"]);
  // Its states have all weights: no other folder can give some.
  CommandResult other =
      gptcCommand({"predict", folder / "run", "--input", folder / "dev.csv",
                   "-o", folder / "other.csv", "--checkpoint", model});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("has all of its weights itself"));
  EXPECT_THAT(folder.read("out.csv"), HasSubstr("text,label,prediction\n"));
  EXPECT_THAT(folder.read("out.csv"),
              HasSubstr("ROMEO sees JULIET.,first,first\n"));
  EXPECT_THAT(folder.read("run/log.csv"), HasSubstr("accuracy="));
  // Without labels nothing is measured, and the predictions are the same.
  folder.write("dev.jsonl", "{\"text\":\"JULIET sees ROMEO.\",\"n\":7}\n");
  predicted = predict("run", ".jsonl");
  EXPECT_FALSE(predicted.contains("metrics"));
  EXPECT_EQ(folder.read("out.csv"),
            "text,n,prediction\nJULIET sees ROMEO.,7,second\n");
}

TEST_F(Finetune, TellsWhatFollowsFromAPremise) {
  writeData(".tsv", "premise\thypothesis\tlabel\n", 800, [&] {
    Sentence one = sentence();
    bool same = coin();
    return one.text() + "\t" + (same ? one.text() : one.turned()) + "\t" +
           (same ? "yes" : "no");
  });
  // With the recipe's dropout it takes several times as many steps.
  Json done = finetune("entailment", ".tsv", "run",
                       {"--epochs", "2", "--dropout", "0"}, "3e-4");
  EXPECT_GE(metric(done, "accuracy"), 0.95);
  EXPECT_GE(metric(predict("run", ".tsv"), "accuracy"), 0.95);
}

TEST_F(Finetune, ChoosesAmongAnswers) {
  writeData(".jsonl", "", 400, [&] {
    Sentence one = sentence();
    bool second = coin();
    std::string right = one.second + " is.", wrong = one.first + " is.";
    return Json{{"context", one.text() + " Who?"},
                {"answer_0", second ? wrong : right},
                {"answer_1", second ? right : wrong},
                {"label", int(second)}}
        .dump();
  });
  finetune("multiple-choice", ".jsonl", "run",
           {"--epochs", "3", "--dropout", "0"}, "3e-4");
  Json predicted = predict("run", ".jsonl");
  EXPECT_GE(metric(predicted, "accuracy"), 0.95);
}

TEST_F(Finetune, LearnsNumbersOfPairs) {
  writeData(".csv", "text_a,text_b,label\n", 400, [&] {
    bool same = coin();
    return std::string("ROMEO sees JULIET.,") +
           (same ? "ROMEO sees JULIET.,1.5" : "JULIET sees ROMEO.,-0.5");
  });
  Json done = finetune("similarity", ".csv", "run", {"--epochs", "2"}, "3e-4");
  EXPECT_GE(metric(done, "pearson"), 0.95);
  EXPECT_GE(metric(predict("run", ".csv"), "spearman"), 0.8);
}

TEST_F(Finetune, AnswersInText) {
  writeData(".csv", "prompt,answer\n", 480, [&] {
    Sentence one = sentence();
    return one.text() + " Who?, " + one.second + ".";
  });
  finetune("text", ".csv", "run", {"--epochs", "2"}, "5e-4");
  Json done = predict("run", ".csv", {"--max-tokens", "8"});
  EXPECT_EQ(done["weights_bytes"].get<uint64_t>() / 1'000'000, 7U);
  EXPECT_LT(done["state_bytes"], done["weights_bytes"]) << "caches alone";
  std::string text = folder.read("out.csv");
  size_t rows = 0, right = 0;
  for (size_t at = text.find('\n') + 1, end; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    size_t last = line.rfind(','), answer = line.rfind(',', last - 1);
    ++rows;
    right +=
        line.substr(answer + 1, last - answer - 1) == line.substr(last + 1);
  }
  EXPECT_EQ(rows, 60U);
  EXPECT_GE(double(right), 0.95 * double(rows)) << text;
}

TEST_F(Finetune, OnTheReferenceItIsTheCpusInDouble) {
  folder.write("train.csv", "text,label\nROMEO,a\nsees,b\n");
  folder.write("dev.csv", "text,label\nROMEO,a\n");
  std::string tiny = writeTinyModel(folder, "tiny");
  for (const char *rank : {"", "2"}) {
    std::vector<double> losses, predicted;
    for (const char *backend : {"cpu", "reference"}) {
      std::string output = std::string(backend) + rank;
      std::vector<std::string> arguments{"finetune",  tiny,
                                         "--task",    "classification",
                                         "--train",   folder / "train.csv",
                                         "--valid",   folder / "dev.csv",
                                         "--out",     folder / output,
                                         "--batch",   "1",
                                         "--context", "8",
                                         "--epochs",  "1",
                                         "--backend", backend,
                                         "--json"};
      if (*rank)
        arguments.insert(arguments.end(), {"--lora", rank});
      losses.push_back(run(arguments)["validation_loss"]);
      predicted.push_back(
          predict(output, ".csv", {"--backend", backend})["loss"]);
      EXPECT_EQ(
          folder.read(output + "/step-00000002/exact.safetensors").empty(),
          std::string(backend) == "cpu");
    }
    EXPECT_NEAR(losses[1], losses[0], 1e-4 * losses[0]);
    EXPECT_NEAR(predicted[0], losses[0], 1e-5 * losses[0]);
    EXPECT_NEAR(predicted[1], losses[1], 1e-5 * losses[1]);
  }
}

TEST_F(Finetune, WhatARunCannotGoOnWithIsNamed) {
  std::string tiny = writeTinyModel(folder, "tiny");
  auto with = [&](const std::string &rows, std::vector<std::string> more) {
    folder.write("train.csv", "text,label\n" + rows);
    more.insert(more.begin(),
                {"finetune", tiny, "--task", "classification", "--train",
                 folder / "train.csv", "--out", folder / "run", "--batch", "1",
                 "--context", "8", "--epochs", "1"});
    return gptcCommand(more);
  };
  ASSERT_EQ(with("ROMEO,a\nsees,b\n", {}).code, 0);
  struct {
    std::string rows;
    std::vector<std::string> more;
    std::string difference;
  } const cases[] = {
      {"ROMEO,a\nsees,b\nROMEO,c\n",
       {},
       "was saved with task outputs 2, and this run has 3 (--outputs, or the "
       "labels of the data); go on with what it began with"},
      {"ROMEO,a\nsees,c\n",
       {},
       "was saved with classes \"a, b\", and this run has \"a, c\""},
      {"sees,a\nROMEO,b\n", {}, "was saved on other data, of as many tokens"},
      {"ROMEO,a\nsees,b\n",
       {"--dropout", "0.2"},
       "was saved with recipe dropout 0.1, and this run has 0.2 (--dropout)"},
      {"ROMEO,a\nsees,b\n",
       {"--lora", "2"},
       "was saved with lora none, and this run has {\"rank\":2,"},
  };
  for (auto [rows, more, difference] : cases) {
    more.emplace_back("--resume");
    CommandResult result = with(rows, more);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr(difference));
  }
  EXPECT_EQ(with("ROMEO,a\nsees,b\n", {"--resume"}).code, 0);
}

TEST_F(Finetune, AdaptersLearnAndAreMerged) {
  writeData(".csv", "text,label\n", 480, [&] {
    return std::string(coin() ? "ROMEO sees JULIET.,first"
                              : "JULIET sees ROMEO.,second");
  });
  Json done = finetune(
      "classification", ".csv", "run",
      {"--epochs", "3", "--lora", "3", "--lora-targets", "c_attn,c_fc"},
      "2e-3");
  EXPECT_GE(metric(done, "accuracy"), 0.95);
  std::string state = done["state"].get<std::string>();
  EXPECT_TRUE(fs::exists(state + "/adapter.safetensors"));
  EXPECT_FALSE(fs::exists(state + "/model.safetensors"));
  EXPECT_LT(fs::file_size(state + "/adapter.safetensors"), 200'000U);
  Json separate = predict("run", ".csv");
  // What adapters stand beside may have moved.
  fs::copy(model, folder / "moved");
  EXPECT_EQ(predict("run", ".csv", {"--checkpoint", folder / "moved"}),
            separate);
  CommandResult gone =
      gptcCommand({"predict", folder / "run", "--input", folder / "dev.csv",
                   "-o", folder / "gone.csv", "--checkpoint", folder / "none"});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err, HasSubstr("it does not exist"));
  // Alone, with what PEFT has no place for left out and told.
  CommandResult alone =
      gptcCommand({"export", folder / "run", folder / "peft", "--adapters"});
  EXPECT_EQ(alone.code, 0);
  EXPECT_THAT(alone.out, HasSubstr("adapters of rank 3 for 8 layers"));
  EXPECT_THAT(alone.err, HasSubstr("task.head.weight"));
  Json config = Json::parse(folder.read("peft/adapter_config.json"));
  EXPECT_EQ(config["lora_alpha"], 6);
  EXPECT_EQ(config["target_modules"], Json({"c_attn", "c_fc"}));
  EXPECT_EQ(config["base_model_name_or_path"], model);
  EXPECT_NE(folder.read("peft/adapter_model.safetensors")
                .find("\"base_model.model.transformer.h.3.mlp.c_fc.lora_B."
                      "weight\":{\"dtype\":\"F32\",\"shape\":[768,3],"),
            std::string::npos);
  CommandResult again =
      gptcCommand({"export", folder / "run", folder / "peft", "--adapters"});
  EXPECT_EQ(again.code, 1) << "the folder is not empty";

  // Merged, the weights alone give the same answers.
  std::string merged = folder / "merged";
  EXPECT_EQ(gptcCommand({"export", folder / "run", merged}).code, 0);
  std::string weights = folder.read("merged/model.safetensors");
  EXPECT_EQ(weights.find("lora_"), std::string::npos);
  EXPECT_NE(weights.find("task.head.weight"), std::string::npos);
  EXPECT_EQ(
      gptcCommand({"compile", merged, "--task", "classification", "--outputs",
                   "2", "--entry", "train_step,predict", "--batch", "16",
                   "--context", "32", "-o", folder / "merged.gptc"})
          .code,
      0);
  // A step at a rate of next to nothing makes a folder to predict with.
  run({"finetune", folder / "merged.gptc", "--task", "classification",
       "--train", folder / "dev.csv", "--valid", folder / "dev.csv", "--out",
       folder / "again", "--epochs", "1", "--learning-rate", "1e-30",
       "--json"});
  Json together = predict("again", ".csv");
  EXPECT_NEAR(together["loss"].get<double>(), separate["loss"].get<double>(),
              1e-5);
  // All of its weights were trained.
  CommandResult none =
      gptcCommand({"export", folder / "again", folder / "none", "--adapters"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("has none, since all of its weights were "
                                  "trained"));
  none = gptcCommand(
      {"export", folder / "run/program.gptc", folder / "none", "--adapters"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("is an artifact, and trained adapters"));
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST_F(Finetune, GoesOnWithTheSameBits) {
  writeData(".csv", "text,label\n", 70,
            [&] { return std::string(coin() ? "a b,x" : "b a,y"); });
  std::vector<std::string> more{"--epochs",     "2", "--lora", "2",
                                "--accumulate", "2"};
  finetune("classification", ".csv", "whole", more);
  // The first epoch alone, by removing what came after it.
  fs::copy(folder / "whole", folder / "broken", fs::copy_options::recursive);
  fs::remove_all(folder / "broken/step-00000006");
  more.emplace_back("--resume");
  Json done = finetune("classification", ".csv", "broken", more);
  EXPECT_EQ(done["steps_done"], 3);
  for (const char *file : {"adapter.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(folder.read(std::string("whole/step-00000006/") + file),
              folder.read(std::string("broken/step-00000006/") + file));
}

TEST_F(Finetune, ARunThatCannotGoOnLeavesTheFolderAsItWas) {
  writeData(".csv", "text,label\n", 16,
            [&] { return std::string(coin() ? "a b,x" : "b a,y"); });
  finetune("classification", ".csv", "run", {"--epochs", "1"});
  std::string program = folder.read("run/program.gptc");
  std::string format = folder.read("run/finetune.json");
  ASSERT_THAT(format, HasSubstr("\"y\""));
  // Three classes of other names.
  writeData(".csv", "text,label\n", 16, [&, i = 0]() mutable {
    return "a b," + std::string(1, char('p' + i++ % 3));
  });
  CommandResult result =
      gptcCommand({"finetune", model, "--task", "classification", "--train",
                   folder / "train.csv", "--out", folder / "run", "--batch",
                   "16", "--epochs", "2", "--resume"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err,
              HasSubstr("was saved with task outputs 2, and this run has 3"));
  EXPECT_TRUE(folder.read("run/program.gptc") == program);
  EXPECT_EQ(folder.read("run/finetune.json"), format);
}

TEST_F(Finetune, MistakesAreTold) {
  writeData(".csv", "text,label\n", 20,
            [&] { return std::string(coin() ? "a b,x" : "b a,y"); });
  auto expectError = [&](const std::vector<std::string> &arguments,
                         const std::string &part) {
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
        << result.err;
  };
  auto with = [&](const std::string &what, const std::string &train,
                  std::vector<std::string> more) {
    std::vector<std::string> arguments{"finetune", what,    "--train",
                                       train,      "--out", folder / "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  std::string train = folder / "train.csv";
  expectError(with(model, train, {"--task", "poetry"}), "is no task");
  expectError(with(model, folder / "none.csv", {"--task", "classification"}),
              "none.csv");
  expectError(with(model, train, {"--task", "entailment"}), "premise");
  expectError(with("gpt2-124m", train, {"--task", "classification"}),
              "has no tokenizer");
  expectError(
      with(model, train,
           {"--task", "classification", "--lora", "2", "--lora-targets", "wq"}),
      "no product has a weight 'wq'; choose from c_attn, c_fc, c_proj");
  expectError(
      with(model, train, {"--task", "classification", "--lora-alpha", "2"}),
      "ask for them with --lora RANK");
  ASSERT_EQ(gptcCommand({"compile", model, "--task", "classification",
                         "--outputs", "2", "--entry", "train_step,predict",
                         "--batch", "2", "--context", "8", "--cpu", "host",
                         "-o", folder / "task.gptc"})
                .code,
            0);
  std::string task = folder / "task.gptc";
  for (const std::vector<std::string> &option :
       {std::vector<std::string>{"--auxiliary", "0.3"},
        {"--lora", "2"},
        {"--lora-alpha", "2"},
        {"--lora-targets", "c_attn"}}) {
    std::vector<std::string> more{"--task", "classification"};
    more.insert(more.end(), option.begin(), option.end());
    expectError(with(task, train, more),
                "is compiled already, and " + option[0] + " is for models");
  }
  expectError(
      {"predict", folder / "nowhere", "--input", train, "-o", folder / "o.csv"},
      "nowhere");
  expectError({"compile", model, "--task", "classification", "--outputs", "2",
               "--entry", "prefill", "-o", folder / "m.gptc"},
              "'prefill' is no entry point of a task");
  expectError({"compile", model, "--entry", "predict", "-o", folder / "m.gptc"},
              "with --task");
  expectError(
      {"compile", model, "--task", "classification", "-o", folder / "m.gptc"},
      "--outputs: classification has 0 outputs");
}

} // namespace
} // namespace gptc
