//===- SessionTest.cpp - Sequences over compiled checkpoints --------------===//

#include "gptc/runtime/session/Session.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/session/Scoring.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

namespace gptc {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;
using Logits = std::vector<float>;

/// Options of artifacts. Golden checkpoints are bf16, so that it is the
/// default.
const std::string single = "--dtype f32", three = "--batch 3 --dtype f32";

/// Any ids below `vocabulary`, a function of `which`.
Ids someIds(size_t count, uint32_t which, uint32_t vocabulary = 211) {
  Ids ids(count);
  uint32_t state = 12345 + which;
  for (int32_t &id : ids) {
    state = state * 1664525 + 1013904223;
    id = int32_t((state >> 8) % vocabulary);
  }
  return ids;
}

Status feed(Session &session, const std::vector<Ids> &tokens) {
  return session.feed(
      std::vector<std::span<const int32_t>>(tokens.begin(), tokens.end()));
}

Logits logitsOf(const Session &session, uint32_t sequence) {
  auto logits = session.logits(sequence);
  return {logits.begin(), logits.end()};
}

bool sameBits(const Logits &a, const Logits &b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class SessionTest : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  /// A session over gptc compile MODEL OPTIONS; null after a failure.
  static std::unique_ptr<Session> open(const std::string &model,
                                       const std::string &options = single,
                                       unsigned threads = 2) {
    auto program = loadedModel(goldenModel(model), options, threads);
    if (!program)
      return nullptr;
    auto session = Session::create(std::move(program));
    if (!session) {
      ADD_FAILURE() << session.error().message();
      return nullptr;
    }
    return std::move(*session);
  }

  static Json answersOf(const std::string &model) {
    auto text = readTextFile(goldenModel(model) + "/answers.json");
    return text ? Json::parse(*text) : Json();
  }
};

class SessionAnswers : public SessionTest,
                       public testing::WithParamInterface<const char *> {};

TEST_P(SessionAnswers, AreThoseOfPyTorch) {
  auto session = open(GetParam());
  ASSERT_NE(session, nullptr);
  Json answers = answersOf(GetParam());
  auto prompts = answers["prompts"].get<std::vector<Ids>>();
  ASSERT_FALSE(prompts.empty());
  for (size_t i = 0; i < prompts.size(); ++i) {
    auto expected = answers["last_logits"][i].get<std::vector<double>>();
    auto [least, most] = std::minmax_element(expected.begin(), expected.end());
    session->reset();
    ASSERT_SUCCESS(feed(*session, {prompts[i]}));
    Logits logits = logitsOf(*session, 0);
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t v = 0; v < logits.size(); ++v)
      EXPECT_NEAR(logits[v], expected[v], 1e-4 * (*most - *least))
          << "prompt " << i << ", token " << v;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SessionAnswers,
                         testing::Values("gpt1-relu", "gpt2-wide",
                                         "gpt3-wide-band",
                                         "neo-global-and-local"),
                         [](const testing::TestParamInfo<const char *> &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Each sequence of a batch has the logits that it has alone, whatever the
/// lengths of its neighbours: to the bit where the chunks are the same ones,
/// else up to rounding.
TEST_F(SessionTest, SequencesOfABatchAreEachAlone) {
  auto session = open("gpt2-wide", three);
  ASSERT_NE(session, nullptr);
  std::vector<Ids> prompts{someIds(5, 1), someIds(65, 2), someIds(200, 3)};
  std::vector<Ids> more{someIds(1, 4), someIds(1, 5), someIds(1, 6)};
  ASSERT_SUCCESS(feed(*session, prompts));
  std::vector<Logits> first, second;
  for (uint32_t b = 0; b < 3; ++b) {
    EXPECT_EQ(session->length(b), prompts[b].size());
    first.push_back(logitsOf(*session, b));
  }
  ASSERT_SUCCESS(feed(*session, more));
  for (uint32_t b = 0; b < 3; ++b)
    second.push_back(logitsOf(*session, b));

  auto expectNear = [](const Logits &found, const Logits &expected) {
    ASSERT_EQ(found.size(), expected.size());
    auto [least, most] = std::minmax_element(expected.begin(), expected.end());
    for (size_t v = 0; v < expected.size(); ++v)
      EXPECT_NEAR(found[v], expected[v], 1e-5 * (*most - *least)) << v;
  };
  auto alone = open("gpt2-wide");
  ASSERT_NE(alone, nullptr);
  for (uint32_t b = 0; b < 3; ++b) {
    SCOPED_TRACE(b);
    // Among other sequences that are empty, in another place of the batch.
    session->reset();
    std::vector<Ids> tokens(3);
    tokens[2 - b] = prompts[b];
    ASSERT_SUCCESS(feed(*session, tokens));
    expectNear(first[b], logitsOf(*session, 2 - b));
    if (b == 2) // The longest decides the chunks.
      EXPECT_TRUE(sameBits(first[b], logitsOf(*session, 2 - b)));
    tokens[2 - b] = more[b];
    ASSERT_SUCCESS(feed(*session, tokens));
    expectNear(second[b], logitsOf(*session, 2 - b));
    // In an artifact for one sequence.
    alone->reset();
    ASSERT_SUCCESS(feed(*alone, {prompts[b]}));
    expectNear(first[b], logitsOf(*alone, 0));
    ASSERT_SUCCESS(feed(*alone, {more[b]}));
    expectNear(second[b], logitsOf(*alone, 0));
  }
}

TEST_F(SessionTest, SequencesThatRestKeepTheirLogitsAndCaches) {
  auto session = open("gpt2-wide", three);
  ASSERT_NE(session, nullptr);
  auto straight = open("gpt2-wide", three);
  ASSERT_NE(straight, nullptr);
  Ids a = someIds(20, 1), b = someIds(9, 2);
  ASSERT_SUCCESS(feed(*session, {a, b}));
  Logits before = logitsOf(*session, 1);
  // The first goes on, in chunks and token by token, the second rests.
  Ids more = someIds(40, 3), token = someIds(1, 4);
  ASSERT_SUCCESS(feed(*session, {more, {}}));
  for (int i = 0; i < 3; ++i)
    ASSERT_SUCCESS(feed(*session, {token}));
  EXPECT_EQ(session->length(0), 63U);
  EXPECT_EQ(session->length(1), 9U);
  EXPECT_EQ(session->length(2), 0U);
  EXPECT_TRUE(sameBits(before, logitsOf(*session, 1)));
  ASSERT_SUCCESS(feed(*session, {{}, token}));
  ASSERT_SUCCESS(feed(*straight, {a, b}));
  ASSERT_SUCCESS(feed(*straight, {{}, token}));
  EXPECT_TRUE(sameBits(logitsOf(*session, 1), logitsOf(*straight, 1)));
}

TEST_F(SessionTest, ChunksAndSingleTokensAgree) {
  auto session = open("gpt2-wide");
  ASSERT_NE(session, nullptr);
  Ids ids = someIds(100, 7);
  ASSERT_SUCCESS(feed(*session, {ids}));
  Logits whole = logitsOf(*session, 0);
  session->reset();
  for (int32_t id : ids)
    ASSERT_SUCCESS(feed(*session, {{id}}));
  Logits single = logitsOf(*session, 0);
  auto [least, most] = std::minmax_element(whole.begin(), whole.end());
  for (size_t v = 0; v < whole.size(); ++v)
    EXPECT_NEAR(single[v], whole[v], 1e-5 * (*most - *least)) << v;
}

TEST_F(SessionTest, EveryNumberOfThreadsGivesTheSameBits) {
  for (const char *type : {"f32", "bf16", "f16"}) {
    Logits expected;
    for (unsigned threads : {1U, 2U, 3U, 5U}) {
      auto session =
          open("gpt2-wide", std::string("--batch 3 --dtype ") + type, threads);
      ASSERT_NE(session, nullptr);
      EXPECT_EQ(session->runner().program()->threadCount(), threads);
      Logits all;
      auto note = [&] {
        for (uint32_t b = 0; b < 3; ++b) {
          auto logits = session->logits(b);
          all.insert(all.end(), logits.begin(), logits.end());
        }
      };
      ASSERT_SUCCESS(
          feed(*session, {someIds(5, 1), someIds(65, 2), someIds(200, 3)}));
      note();
      for (uint32_t i = 0; i < 8; ++i) {
        ASSERT_SUCCESS(feed(
            *session, {someIds(1, i), someIds(1, i + 10), someIds(1, i + 20)}));
        note();
      }
      if (expected.empty())
        expected = all;
      EXPECT_TRUE(sameBits(all, expected)) << type << ", " << threads;
    }
  }
}

TEST_F(SessionTest, WeightsMoveWithoutAChange) {
  auto resting = open("gpt2-wide", "--embed-weights --dtype f32");
  auto moving = open("gpt2-wide", "--embed-weights --dtype f32");
  ASSERT_TRUE(resting && moving);
  Executable &program = *moving->runner().program();
  EXPECT_EQ(program.mappedBytes(), program.weightsBytes());
  for (uint32_t i = 0; program.mappedBytes() != 0; ++i) {
    uint64_t before = program.mappedBytes();
    program.moveWeights(1);
    ASSERT_LT(program.mappedBytes(), before);
    ASSERT_SUCCESS(feed(*resting, {someIds(3, i)}));
    ASSERT_SUCCESS(feed(*moving, {someIds(3, i)}));
    EXPECT_TRUE(sameBits(logitsOf(*resting, 0), logitsOf(*moving, 0))) << i;
  }
  EXPECT_EQ(resting->runner().program()->mappedBytes(), program.weightsBytes());
  auto loaded = open("gpt2-wide");
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->runner().program()->mappedBytes(), 0U);
}

TEST_F(SessionTest, ResetForgetsAllSequences) {
  auto session = open("gpt2-wide", three);
  ASSERT_NE(session, nullptr);
  std::vector<Ids> prompts{someIds(5, 1), someIds(65, 2), someIds(17, 3)};
  ASSERT_SUCCESS(feed(*session, prompts));
  std::vector<Logits> first;
  for (uint32_t b = 0; b < 3; ++b)
    first.push_back(logitsOf(*session, b));
  // Longer ones leave more in the caches than the next will write.
  session->reset();
  ASSERT_SUCCESS(
      feed(*session, {someIds(256, 4), someIds(256, 5), someIds(256, 6)}));
  session->reset();
  for (uint32_t b = 0; b < 3; ++b)
    EXPECT_EQ(session->length(b), 0U);
  ASSERT_SUCCESS(feed(*session, prompts));
  for (uint32_t b = 0; b < 3; ++b)
    EXPECT_TRUE(sameBits(first[b], logitsOf(*session, b))) << b;
}

TEST_F(SessionTest, ErrorsChangeNothing) {
  auto session = open("gpt2-wide", three);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->batch(), 3U);
  EXPECT_EQ(session->capacity(), 256U);
  EXPECT_EQ(session->vocabulary(), 211U);
  ASSERT_SUCCESS(feed(*session, {someIds(200, 1), someIds(5, 2)}));
  Logits before = logitsOf(*session, 0);
  auto code = ErrorCode::InvalidArgument;
  EXPECT_THAT(feed(*session, {{}, {}, someIds(257, 1)}),
              FailsWith(code, "257 tokens do not fit into the context of 256"));
  EXPECT_THAT(feed(*session, {someIds(57, 1)}),
              FailsWith(code, "of which 200 are used"));
  EXPECT_THAT(feed(*session, {{1}, {1, 211}}), FailsWith(code, "token 211"));
  EXPECT_THAT(feed(*session, {{1}, {-1}}), FailsWith(code, "token -1"));
  EXPECT_THAT(feed(*session, {{1}, {1}, {1}, {1}}),
              FailsWith(code, "4 sequences"));
  EXPECT_EQ(session->length(0), 200U);
  EXPECT_EQ(session->length(1), 5U);
  EXPECT_TRUE(sameBits(before, logitsOf(*session, 0)));
  // What just fits is no error.
  ASSERT_SUCCESS(feed(*session, {someIds(56, 1)}));
  EXPECT_EQ(session->length(0), 256U);
  EXPECT_THAT(feed(*session, {{1}}), FailsWith(code, "256 are used"));
}

TEST_F(SessionTest, EntriesThatAreMissingAreNamed) {
  auto program =
      loadedModel(goldenModel("gpt2-wide"), "--dtype f32 --entry score", 1);
  ASSERT_NE(program, nullptr);
  EXPECT_THAT(Session::create(std::move(program)),
              FailsWith(ErrorCode::NotFound, "--entry prefill,decode"));
  program = loadedModel(goldenModel("gpt2-wide"), single, 1);
  ASSERT_NE(program, nullptr);
  EXPECT_THAT(score(*program, Ids{1, 2, 3}, 0),
              FailsWith(ErrorCode::NotFound, "--entry score"));
}

TEST_F(SessionTest, DecodeAloneAndPrefillAloneFeedToo) {
  auto whole = open("gpt2-wide");
  ASSERT_NE(whole, nullptr);
  Ids ids = someIds(19, 8);
  ASSERT_SUCCESS(feed(*whole, {ids}));
  Logits expected = logitsOf(*whole, 0);
  auto [least, most] = std::minmax_element(expected.begin(), expected.end());
  for (const char *entry : {" --entry decode", " --entry prefill"}) {
    auto session = open("gpt2-wide", single + entry);
    ASSERT_NE(session, nullptr);
    ASSERT_SUCCESS(feed(*session, {ids}));
    for (size_t v = 0; v < expected.size(); ++v)
      EXPECT_NEAR(session->logits(0)[v], expected[v], 1e-5 * (*most - *least));
  }
}

/// Programs of different artifacts are in memory at once, with kernels of equal
/// names: each runs its own.
TEST_F(SessionTest, ProgramsOfSeveralArtifactsRunSideBySide) {
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Logits> expected;
  const std::string bf16 = "--dtype bf16";
  for (const std::string &options : {single, three, bf16}) {
    auto alone = open("gpt2-wide", options);
    ASSERT_NE(alone, nullptr);
    ASSERT_SUCCESS(feed(*alone, {someIds(70, 1)}));
    expected.push_back(logitsOf(*alone, 0));
  }
  for (const std::string &options : {single, three, bf16}) {
    sessions.push_back(open("gpt2-wide", options));
    ASSERT_NE(sessions.back(), nullptr);
  }
  for (size_t i : {2, 0, 1}) {
    ASSERT_SUCCESS(feed(*sessions[i], {someIds(70, 1)}));
    EXPECT_TRUE(sameBits(expected[i], logitsOf(*sessions[i], 0))) << i;
  }
  // Code stays where it is when that beside it goes.
  sessions[0].reset();
  sessions.push_back(open("gpt1-relu", single));
  ASSERT_NE(sessions.back(), nullptr);
  sessions[1]->reset();
  ASSERT_SUCCESS(feed(*sessions[1], {someIds(70, 1)}));
  EXPECT_TRUE(sameBits(expected[1], logitsOf(*sessions[1], 0)));
}

class Scoring : public SessionTest {};

TEST_F(Scoring, IsThatOfPyTorch) {
  auto program =
      loadedModel(goldenModel("gpt2-wide"), "--dtype f32 --entry score", 2);
  ASSERT_NE(program, nullptr);
  Json answers = answersOf("gpt2-wide");
  auto text = answers["score"]["text"].get<Ids>();
  auto expected = answers["score"]["log_likelihood"].get<std::vector<double>>();
  ASSERT_VALUE(auto scores, score(*program, text, 0));
  ASSERT_EQ(scores.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(scores[i], expected[i], 2e-4 * (1 + std::abs(expected[i])));
}

/// A text longer than the window: what each window adds is what the text of
/// that window alone scores.
TEST_F(Scoring, WindowsAreThoseOfTheirTexts) {
  constexpr size_t rows = 64;
  Ids ids = someIds(201, 9);
  auto program = loadedModel(goldenModel("gpt2-wide"),
                             "--dtype f32 --entry score --context 64", 2);
  ASSERT_NE(program, nullptr);
  auto batched =
      loadedModel(goldenModel("gpt2-wide"),
                  "--dtype f32 --entry score --context 64 --batch 3", 2);
  ASSERT_NE(batched, nullptr);
  for (size_t stride :
       {size_t(0), size_t(1), size_t(7), size_t(32), size_t(63), size_t(64)}) {
    SCOPED_TRACE(stride);
    ASSERT_VALUE(auto scores, score(*program, ids, stride));
    ASSERT_EQ(scores.size(), ids.size() - 1);
    size_t step = stride == 0 ? rows / 2 : stride;
    size_t done = 0;
    for (size_t begin = 0; done < scores.size(); begin += step) {
      size_t end = std::min(scores.size(), begin + rows);
      auto part = std::span(ids).subspan(begin, end - begin + 1);
      ASSERT_VALUE(auto direct, score(*program, part, 0));
      ASSERT_EQ(direct.size(), end - begin);
      for (size_t i = done; i < end; ++i)
        EXPECT_EQ(scores[i], direct[i - begin]) << i;
      done = end;
    }
    ASSERT_VALUE(auto side, score(*batched, ids, stride));
    ASSERT_EQ(side.size(), scores.size());
    for (size_t i = 0; i < side.size(); ++i)
      EXPECT_NEAR(side[i], scores[i], 1e-5 * (1 + std::abs(scores[i]))) << i;
  }
}

TEST_F(Scoring, ErrorsNameWhatIsWrong) {
  auto program = loadedModel(goldenModel("gpt2-wide"),
                             "--dtype f32 --entry score --context 64", 1);
  ASSERT_NE(program, nullptr);
  auto code = ErrorCode::InvalidArgument;
  EXPECT_THAT(score(*program, Ids{}, 0), FailsWith(code, "0 tokens"));
  EXPECT_THAT(score(*program, Ids{5}, 0), FailsWith(code, "1 token;"));
  EXPECT_THAT(score(*program, Ids{5, 211}, 0), FailsWith(code, "token 211"));
  EXPECT_THAT(score(*program, Ids{5, -1}, 0), FailsWith(code, "token -1"));
  EXPECT_THAT(score(*program, Ids{5, 6}, 65), FailsWith(code, "--stride: 65"));
}

} // namespace
} // namespace gptc
