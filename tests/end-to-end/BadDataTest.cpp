//===- BadDataTest.cpp - Tables and texts that are not as they should be --===//
//
// One sentence, exit code 1, bounded memory, nothing written: what 'Data that
// is bad' of docs/fine-tune-a-model.md promises.
//
//===----------------------------------------------------------------------===//

#include "tests/support/CommandExpectations.h"
#include "tests/support/TinyModel.h"

#include <nlohmann/json.hpp>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

constexpr const char *good = "text,label\nROMEO sees.,x\nWho?,y\n";

/// Runs the command where it gets 400 MB of memory and two minutes.
CommandResult bounded(const std::string &arguments) {
  TemporaryFolder folder;
  std::string script = "ulimit -d 400000; timeout 120 '" GPTC_COMMAND "' " +
                       arguments + " >'" + (folder / "out") + "' 2>'" +
                       (folder / "err") + "'";
  int status = std::system(("bash -c \"" + script + "\"").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, folder.read("out"),
          folder.read("err")};
}

/// A model, and a folder that was fine-tuned from it.
class BadData : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    model = writeTinyModel(*folder, "model");
    expectSuccess(finetune(folder->write("good.csv", good), {}, "tuned"));
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }
  void SetUp() override { fs::remove_all(*folder / "out"); }

  static CommandResult finetune(const std::string &train,
                                const std::vector<std::string> &more = {},
                                const std::string &output = "out",
                                const std::string &from = "") {
    std::vector<std::string> arguments{"finetune", from.empty() ? model : from,
                                       "--task",   "classification",
                                       "--train",  train,
                                       "--epochs", "1",
                                       "--out",    *folder / output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return gptcCommand(arguments);
  }
  static CommandResult predict(const std::string &input) {
    return gptcCommand({"predict", *folder / "tuned", "--input", input, "-o",
                        *folder / "out", "--json"});
  }
  static CommandResult prepare(const std::string &input) {
    return gptcCommand(
        {"prepare", input, "--tokenizer", model, "-o", *folder / "out"});
  }

  /// `name` is refused by finetune as examples of either kind, and by predict.
  static void expectRefused(const std::string &name, const std::string &text,
                            const std::string &sentence) {
    SCOPED_TRACE(name);
    std::string path = folder->write(name, text);
    std::string whole = fmt::format(fmt::runtime(sentence), path);
    for (const CommandResult &result :
         {finetune(path), finetune(*folder / "good.csv", {"--valid", path}),
          predict(path)}) {
      expectFailure(result, whole);
      EXPECT_FALSE(fs::exists(*folder / "out"));
    }
  }

  static TemporaryFolder *folder;
  static std::string model;
};

TemporaryFolder *BadData::folder = nullptr;
std::string BadData::model;

TEST_F(BadData, TablesThatHoldNoneAreRefused) {
  expectRefused("a.csv", "",
                "'{}' is empty, expected a line with the names of its columns "
                "and rows below it");
  expectRefused("a.jsonl", "\n",
                "'{}' is empty, expected lines of JSON objects with the names "
                "of columns as keys");
  expectRefused("a.tsv", "text\tlabel\n",
                "'{}' has a header and no rows below it");
  expectRefused("b.csv", "words,label\na,x\nb,y\n",
                "'{}' has no column 'text'; it has 'words', 'label'");
  expectRefused("b.jsonl", "{\"text\":\"a\",\"label\":\"x\"}\n{\"label\":1}\n",
                "{}:2: it has no key 'text'");
  expectRefused("c.csv", std::string("\0\0\n\0\0\n", 6),
                "; it has '\\x00\\x00'");
  expectRefused("d.csv", "text,label\na,x\n\xff,y\n",
                "{}:3: it is no UTF-8 at byte 1; save the file as UTF-8");
  expectRefused("e.csv", "text,label\na,x,y\n",
                "{}:2: the row has 3 cells, expected 2 as the header has; put "
                "a cell with a comma into quotes");
  expectRefused("f.csv", "text,label\n\"a,x\nb,y\n",
                "{}:2: the quote that begins a cell here is never closed; "
                "close it, or double a quote that is part of the text");
  expectRefused("c.jsonl", "{\"text\":\"a\",\"label\":\"x\"}\n{\"te\n",
                "{}:2: it is no JSON from byte");
}

TEST_F(BadData, LabelsAreThoseOfTraining) {
  std::string other = folder->write("z.csv", "text,label\na,x\nb,z\n");
  std::string sentence = "'" + other +
                         "', line 3: the label 'z' is no class of the training "
                         "data; expected one of x, y\n";
  expectFailure(finetune(*folder / "good.csv", {"--valid", other}), sentence);
  expectFailure(predict(other), sentence);
  std::string unlabelled = folder->write("u.csv", "text\na\n");
  expectFailure(finetune(unlabelled),
                "'" + unlabelled + "' has no column 'label'; it has 'text'\n");
  expectFailure(finetune(folder->write("one.csv", "text,label\na,x\nb,x\n")),
                "has the same label 'x' in every row, so there is nothing to "
                "learn\n");
  EXPECT_FALSE(fs::exists(*folder / "out"));
  expectSuccess(predict(unlabelled));
}

TEST_F(BadData, ATokenizerIsTheModels) {
  static std::string small;
  small = writeTinyModel(*folder, "small", 100);
  std::string train = *folder / "good.csv";
  expectFailure(finetune(train, {}, "out", small),
                "'" + train + "', line 2: the tokenizer makes token ");
  expectFailure(finetune(train, {}, "out", small),
                " of it, and the model knows 100; it is another model's "
                "tokenizer\n");
  EXPECT_FALSE(fs::exists(*folder / "out"));
  // The same compiled.
  std::string compiled = *folder / "small.gptc";
  expectSuccess(
      gptcCommand({"compile", small, "--task", "classification", "--outputs",
                   "2", "--entry", "train_step,predict", "--batch", "2",
                   "--context", "16", "-o", compiled}));
  expectFailure(finetune(train, {}, "out", compiled),
                "of it, and the model knows 100; it is another model's "
                "tokenizer\n");
  EXPECT_FALSE(fs::exists(*folder / "out"));
}

TEST_F(BadData, WhatIsUnusualIsRead) {
  std::string text("text,label\nzero \0 within,x\nno end,y", 35);
  std::string path = folder->write("odd.csv", text);
  CommandResult done = predict(folder->write("same.csv", text.substr(0, 27)));
  expectSuccess(done);
  EXPECT_EQ(folder->read("out").substr(0, 35),
            std::string("text,label,prediction\nzero \0 within", 35));
  fs::remove(*folder / "out");
  done = finetune(path);
  expectSuccess(done);
  // The context is 32.
  std::string words;
  for (int i = 0; i < 100; ++i)
    words += "ROMEO ";
  std::string table = "text,label\n" + words + ",x\nb,y\n";
  done = finetune(folder->write("long.csv", table), {}, "out2");
  expectSuccess(done);
  EXPECT_THAT(done.err, HasSubstr("1 of 2 training examples are longer than 32 "
                                  "tokens and are cut\n"));
  fs::remove_all(*folder / "out");
  done = predict(*folder / "long.csv");
  expectSuccess(done);
  EXPECT_THAT(done.err, HasSubstr("1 of 2 rows are longer than"));
}

TEST_F(BadData, ALineOfAGigabyteTakesNoMemory) {
  auto huge = [&](const std::string &name, const std::string &begin,
                  const std::string &end) {
    std::string path = folder->write(name, begin);
    fs::resize_file(path, uint64_t(1) << 30); // A hole of zeros.
    std::ofstream(path, std::ios::binary | std::ios::app) << end;
    return path;
  };
  std::string csv = huge("g.csv", "text,label\n", ",x\nb,y\n");
  std::string json = huge("g.jsonl", "{\"text\": \"",
                          "\", \"label\": \"x\"}\n{\"text\":\"b\"}\n");
  std::string out = *folder / "out";
  CommandResult result = bounded("predict '" + (*folder / "tuned") +
                                 "' --input '" + csv + "' -o '" + out + "'");
  expectFailure(result, csv + ":2: a cell has more than 16777216 bytes, which "
                              "are the most\n");
  result = bounded("finetune '" + model + "' --task classification --train '" +
                   json + "' --out '" + out + "'");
  expectFailure(result, json + ":1: a key or value has more than 16777216 "
                               "bytes, which are the most\n");
  EXPECT_FALSE(fs::exists(out));
  result = bounded("prepare '" + json + "' --tokenizer '" + model + "' -o '" +
                   out + "'");
  expectSuccess(result);
  EXPECT_THAT(result.err, HasSubstr(":1: it has more than 16 MiB\n"));
  EXPECT_THAT(result.out, HasSubstr("in 1 document\n"));
}

TEST_F(BadData, TextsToPrepareThatHoldNoneAreRefused) {
  expectFailure(prepare(folder->write("a.txt", "")),
                "a.txt:1: the file is empty");
  expectFailure(prepare(folder->write("b.jsonl", "{\"body\": \"a\"}")),
                "b.jsonl:1: it has no key 'text'");
  expectFailure(prepare(folder->write("c.jsonl", "{\"text\": \"\xff\"}")),
                "c.jsonl:1: it is no UTF-8 at byte 11");
  EXPECT_FALSE(fs::exists(*folder / "out"));
  CommandResult result =
      prepare(folder->write("d.txt", std::string("no\0end", 6)));
  expectSuccess(result);
}

TEST_F(BadData, WhatWasWrittenBeforeStays) {
  folder->write("out", "before");
  expectFailure(predict(folder->write("e.csv", "")), "is empty");
  EXPECT_EQ(folder->read("out"), "before");
}

} // namespace
} // namespace gptc
