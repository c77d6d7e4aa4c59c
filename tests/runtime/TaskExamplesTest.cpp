//===- TaskExamplesTest.cpp - How tables become sequences -----------------===//

#include "gptc/runtime/training/TaskExamples.h"
#include "gptc/runtime/training/Adapters.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

namespace gptc {
namespace {

using Ids = std::vector<int32_t>;
using testing::ElementsAre;

/// One token for each byte; "|" ends a text.
class Bytes : public Tokenizer {
public:
  std::vector<int32_t> encode(std::string_view text) const override {
    return {text.begin(), text.end()};
  }
  Expected<std::string> decode(std::span<const int32_t> ids) const override {
    return std::string(ids.begin(), ids.end());
  }
  Expected<TokenText> textOf(int32_t) const override { return TokenText{}; }
  uint64_t vocabularySize() const override { return vocabulary; }
  std::optional<int32_t> endOfText() const override { return '|'; }

  static constexpr uint64_t vocabulary = 128;
};

constexpr int32_t start = 128, delimiter = 129, extract = 130;

class TaskExamplesTest : public testing::Test {
protected:
  Expected<TaskExamples> read(const std::string &name, const std::string &text,
                              const std::string &task,
                              const std::vector<std::string> &names = {},
                              LabelKind labels = LabelKind::Natural) {
    path = folder.write(name, text);
    GPTC_TRY(format, formatOf(path, task, names, labels));
    return again(path);
  }
  /// Other data of the same format.
  Expected<TaskExamples> again(const std::string &from) const {
    GPTC_TRY(Table table, readTable(from, format.columns(true)));
    return TaskExamples::create(table, format, Bytes(), vocabulary, true);
  }

  struct Written {
    Ids tokens, targets, ends;
    uint64_t count = 0;
  };
  Written write(const TaskExamples &examples, size_t example,
                size_t context) const {
    size_t sequences = format.task ? size_t(format.task->sequences()) : 1;
    Written out{Ids(sequences * context, 77), Ids(sequences * context, 77),
                Ids(format.task ? sequences : 0, 77)};
    out.count = examples.write(example, Bytes::vocabulary,
                               {out.tokens, out.targets, out.ends});
    return out;
  }

  uint64_t vocabulary = Bytes::vocabulary; ///< Of the model.
  TemporaryFolder folder;
  TaskFormat format;
  std::string path;
};

TEST_F(TaskExamplesTest, AClassifiedTextStandsBetweenStartAndExtract) {
  ASSERT_VALUE(
      auto examples,
      read("a.csv", "label,text\nyes,abc\nno,\nmaybe,d\n", "classification"));
  EXPECT_THAT(format.classes, ElementsAre("maybe", "no", "yes"));
  EXPECT_EQ(format.task->outputs, 3);
  EXPECT_EQ(examples.size(), 3U);
  EXPECT_EQ(examples.label(0), 2);
  EXPECT_EQ(examples.label(1), 1);
  EXPECT_EQ(examples.longest(), 5U);
  EXPECT_EQ(examples.tokens(), 10U);
  Written first = write(examples, 0, 7);
  EXPECT_THAT(first.tokens, ElementsAre(start, 'a', 'b', 'c', extract, 0, 0));
  EXPECT_THAT(first.targets, ElementsAre('a', 'b', 'c', -1, -1, -1, -1));
  EXPECT_THAT(first.ends, ElementsAre(4));
  EXPECT_EQ(first.count, 3U);
  Written empty = write(examples, 1, 3);
  EXPECT_THAT(empty.tokens, ElementsAre(start, extract, 0));
  EXPECT_THAT(empty.targets, ElementsAre(-1, -1, -1));
  EXPECT_THAT(empty.ends, ElementsAre(1));
  // Cut at its end.
  EXPECT_EQ(examples.longerThan(4), 1U);
  EXPECT_THAT(write(examples, 0, 4).tokens,
              ElementsAre(start, 'a', 'b', extract));
}

TEST_F(TaskExamplesTest, ClassesThatAreWholeNumbersSortByValue) {
  ASSERT_VALUE(auto examples, read("a.tsv", "text\tlabel\na\t10\nb\t9\nc\t-1\n",
                                   "classification"));
  EXPECT_THAT(format.classes, ElementsAre("-1", "9", "10"));
  EXPECT_EQ(examples.label(0), 2);
  ASSERT_VALUE(examples, read("a.tsv", "text\tlabel\na\t10\nb\t9.5\n",
                              "classification", {}, LabelKind::Numbers));
  EXPECT_TRUE(format.task->isRegression());
  EXPECT_EQ(examples.label(1), 9.5);
}

TEST_F(TaskExamplesTest, ANameAmongTheNumbersOfASimilarityIsASlip) {
  std::string table = "text_a,text_b,label\na,b,1.5\nc,d,nan\ne,f,2\n";
  EXPECT_THAT(read("a.csv", table, "similarity"),
              FailsWith(ErrorCode::Corrupt,
                        "line 3: the label 'nan' is no finite number, and that "
                        "of line 2 is one"));
  ASSERT_TRUE(read("a.csv", table, "similarity", {}, LabelKind::Classes));
  EXPECT_THAT(format.classes, ElementsAre("1.5", "2", "nan"));
  ASSERT_TRUE(
      read("a.csv", "text_a,text_b,label\na,b,yes\nc,d,no\n", "similarity"));
  EXPECT_FALSE(format.task->isRegression());
}

TEST_F(TaskExamplesTest, AnEntailmentHasADelimiterAndTheLongestIsCutFirst) {
  ASSERT_VALUE(auto examples,
               read("a.csv", "a,b,y\nabcdef,xy,t\na,b,f\n", "entailment",
                    {"premise=a", "hypothesis=b", "label=y"}));
  EXPECT_THAT(write(examples, 0, 11).tokens,
              ElementsAre(start, 'a', 'b', 'c', 'd', 'e', 'f', delimiter, 'x',
                          'y', extract));
  EXPECT_THAT(write(examples, 0, 11).targets,
              ElementsAre('a', 'b', 'c', 'd', 'e', 'f', -1, 'x', 'y', -1, -1));
  EXPECT_THAT(write(examples, 0, 8).tokens,
              ElementsAre(start, 'a', 'b', 'c', delimiter, 'x', 'y', extract));
  // Of equal ones the first.
  EXPECT_THAT(write(examples, 0, 6).tokens,
              ElementsAre(start, 'a', delimiter, 'x', 'y', extract));
  EXPECT_EQ(examples.shortestContext(), 5U);
}

TEST_F(TaskExamplesTest, ASimilarityIsAskedInBothOrders) {
  ASSERT_VALUE(
      auto examples,
      read("a.csv", "text_a,text_b,label\nab,c,2.5\nd,e,-1\n", "similarity"));
  EXPECT_TRUE(format.task->isRegression());
  EXPECT_EQ(examples.label(0), 2.5);
  Written both = write(examples, 0, 7);
  EXPECT_THAT(both.tokens,
              ElementsAre(start, 'a', 'b', delimiter, 'c', extract, 0, //
                          start, 'c', delimiter, 'a', 'b', extract, 0));
  EXPECT_THAT(both.ends, ElementsAre(5, 5));
  EXPECT_EQ(both.count, 6U);
  EXPECT_EQ(examples.tokens(), 22U);
  ASSERT_VALUE(examples, read("a.csv", "text_a,text_b,label\na,b,1\nd,e,0\n",
                              "similarity", {}, LabelKind::Classes));
  EXPECT_THAT(format.classes, ElementsAre("0", "1"));
}

TEST_F(TaskExamplesTest, EachAnswerStandsBehindItsContext) {
  ASSERT_VALUE(auto examples,
               read("a.jsonl",
                    R"({"context":"q","answer_0":"a","answer_1":"bc",)"
                    R"("answer_2":"","label":1})"
                    "\n",
                    "multiple-choice"));
  EXPECT_EQ(format.task->outputs, 3);
  EXPECT_EQ(examples.label(0), 1);
  Written all = write(examples, 0, 6);
  EXPECT_THAT(all.tokens,
              ElementsAre(start, 'q', delimiter, 'a', extract, 0,   //
                          start, 'q', delimiter, 'b', 'c', extract, //
                          start, 'q', delimiter, extract, 0, 0));
  EXPECT_THAT(all.ends, ElementsAre(4, 5, 3));
  ASSERT_VALUE(examples, read("a.csv", "context,x0,x1,label\nq,a,b,0\n",
                              "multiple-choice", {"answer_=x"}));
  EXPECT_EQ(format.task->outputs, 2);
}

TEST_F(TaskExamplesTest, OfTextTheAnswerIsLearned) {
  ASSERT_VALUE(auto examples, read("a.csv", "prompt,answer\nabc,xy\n", "text"));
  EXPECT_FALSE(format.task.has_value());
  Written whole = write(examples, 0, 8);
  EXPECT_THAT(whole.tokens, ElementsAre('a', 'b', 'c', 'x', 'y', '|', 0, 0));
  EXPECT_THAT(whole.targets, ElementsAre(-1, -1, 'x', 'y', '|', -1, -1, -1));
  EXPECT_EQ(whole.count, 3U);
  // A prompt loses its beginning, an answer its end.
  EXPECT_THAT(write(examples, 0, 5).tokens,
              ElementsAre('b', 'c', 'x', 'y', '|'));
  EXPECT_THAT(write(examples, 0, 3).tokens, ElementsAre('c', 'x', 'y'));
}

TEST_F(TaskExamplesTest, ErrorsNameTheLine) {
  ASSERT_TRUE(read("a.csv", "text,label\na,x\nb,y\n", "classification"));
  std::string other = folder.write("b.csv", "text,label\n\"a\nb\",x\nc,z\n");
  EXPECT_THAT(again(other),
              FailsWith(ErrorCode::Corrupt,
                        "b.csv', line 4: the label 'z' is no class of the "
                        "training data; expected one of x, y"));
  EXPECT_THAT(read("a.csv", "text,label\na,x\nb,x\n", "classification"),
              FailsWith(ErrorCode::InvalidArgument, "same label 'x'"));
  EXPECT_THAT(read("a.csv", "text,label\na,x\nb,\n", "classification"),
              FailsWith(ErrorCode::Corrupt, "line 3: the label is empty"));
  EXPECT_THAT(read("a.csv", "text,label\na,1\nb,x\n", "classification", {},
                   LabelKind::Numbers),
              FailsWith(ErrorCode::Corrupt, "line 3: the label 'x' is no "));
  EXPECT_THAT(read("a.csv", "context,answer_0,answer_1,label\nq,a,b,2\n",
                   "multiple-choice"),
              FailsWith(ErrorCode::Corrupt,
                        "line 2: the label '2' is no answer; expected 0 to 1"));
  EXPECT_THAT(
      read("a.csv", "context,answer_0,label\nq,a,0\n", "multiple-choice"),
      FailsWith(ErrorCode::InvalidArgument, "has 1 answers"));
  EXPECT_THAT(
      read("a.csv", "prompt,answer\n,b\n", "text"),
      FailsWith(ErrorCode::InvalidArgument, "line 2: the prompt is empty"));
  EXPECT_THAT(read("a.csv", "text,label\na,1\n", "sorting"),
              FailsWith(ErrorCode::InvalidArgument,
                        "--task: 'sorting' is no task; choose from "));
  EXPECT_THAT(read("a.csv", "text,label\na,1\n", "classification", {"word=x"}),
              FailsWith(ErrorCode::InvalidArgument,
                        "--column: 'word=x' names no column of"));
  vocabulary = 'z';
  EXPECT_TRUE(read("a.csv", "text,label\nay,z\nb,y\n", "classification"));
  EXPECT_THAT(
      read("a.csv", "text,label\na,y\nxyz,x\n", "classification"),
      FailsWith(ErrorCode::InvalidArgument,
                "a.csv', line 3: the tokenizer makes token 122 of it, and the "
                "model knows 122; it is another model's tokenizer"));
  vocabulary = '|';
  EXPECT_THAT(read("a.csv", "prompt,answer\na,b\n", "text"),
              FailsWith(ErrorCode::InvalidArgument, "makes token 124 of it"));
  EXPECT_THAT(read("a.csv", "words,label\na,1\nb,2\n", "classification"),
              FailsWith(ErrorCode::NotFound, "text"));
}

TEST(TaskFormat, IsReadBack) {
  TaskFormat format;
  format.task = Task{Task::Kind::Entailment, 3, 0.25};
  format.texts = {"a", "b"};
  format.label = "y";
  format.classes = {"no", "ja \"x\"", "\xc3\xa9"};
  ASSERT_VALUE(TaskFormat read, parseTaskFormat(describe(format), "F"));
  EXPECT_EQ(read, format);
  format = {std::nullopt, {"prompt"}, "answer", {}};
  ASSERT_VALUE(read, parseTaskFormat(describe(format), "F"));
  EXPECT_EQ(read, format);
  for (const char *text :
       {"{}", "[]", R"({"task":"text","texts":[],"label":"a"})",
        R"({"task":"text","texts":["a","b"],"label":"a"})",
        R"({"task":"text","texts":[1],"label":"a"})",
        R"({"task":"entailment","texts":["a","b"],"label":"a"})",
        R"({"task":"entailment","texts":["a","b"],"label":"a","outputs":2,)"
        R"("auxiliary":0.5,"classes":["x"]})",
        R"({"task":"entailment","texts":["a"],"label":"a","outputs":1,)"
        R"("auxiliary":0.5,"classes":[]})",
        R"({"task":"entailment","texts":["a","b"],"label":"a","outputs":0,)"
        R"("auxiliary":0.5,"classes":[]})",
        R"({"task":"entailment","texts":["a","b"],"label":"a","outputs":1,)"
        R"("auxiliary":-1,"classes":[]})"})
    EXPECT_THAT(parseTaskFormat(text, "F"), FailsWith(ErrorCode::Corrupt, "F"))
        << text;
}

TEST(Adapters, AreReadBack) {
  ASSERT_VALUE(Adapters read, parseAdapters(describe(Adapters{5, 2.5}), "A"));
  EXPECT_EQ(read.rank, 5);
  EXPECT_EQ(read.alpha, 2.5);
  for (const char *text :
       {"{}", "3", R"({"rank":0,"alpha":1})", R"({"rank":1,"alpha":0})",
        R"({"rank":1.5,"alpha":1})", R"({"rank":1,"alpha":"1"})"})
    EXPECT_THAT(parseAdapters(text, "A"), FailsWith(ErrorCode::Corrupt, "A "))
        << text;
}

} // namespace
} // namespace gptc
