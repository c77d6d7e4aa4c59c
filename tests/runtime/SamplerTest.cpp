#include "gptc/runtime/text/Sampler.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <set>

namespace gptc {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// How often each id is drawn.
std::vector<double> frequencies(const SamplingOptions &options,
                                const std::vector<float> &logits,
                                const std::vector<int32_t> &history = {},
                                int draws = 20000) {
  Sampler sampler(options, logits.size());
  std::vector<double> result(logits.size());
  for (int i = 0; i < draws; ++i)
    result[size_t(sampler.sample(logits, history))] += 1.0 / draws;
  return result;
}

void expectFrequencies(const std::vector<double> &found,
                       const std::vector<double> &expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 0.015) << i;
    if (expected[i] == 0)
      EXPECT_EQ(found[i], 0) << i;
  }
}

TEST(Sampler, GreedyTakesTheLowestOfEqualMaxima) {
  Sampler sampler({}, 4);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}, {}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{nan, 3, nan, 2}, {}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-infinity, -5, 0, infinity}, {}),
            3);
  EXPECT_EQ(sampler.sample(std::vector<float>{nan, nan, nan, nan}, {}), 0);
}

TEST(Sampler, DrawsByProbability) {
  std::vector<float> logits{std::log(1.F), std::log(2.F), std::log(5.F),
                            std::log(2.F)};
  expectFrequencies(frequencies({.temperature = 1}, logits),
                    {0.1, 0.2, 0.5, 0.2});
  // Squares at half the temperature: 1 4 25 4.
  expectFrequencies(frequencies({.temperature = 0.5F}, logits),
                    {1 / 34.0, 4 / 34.0, 25 / 34.0, 4 / 34.0});
}

TEST(Sampler, TopKKeepsTies) {
  std::vector<float> logits{std::log(1.F), std::log(2.F), std::log(5.F),
                            std::log(2.F)};
  expectFrequencies(frequencies({.temperature = 1, .topK = 1}, logits),
                    {0, 0, 1, 0});
  expectFrequencies(frequencies({.temperature = 1, .topK = 2}, logits),
                    {0, 2 / 9.0, 5 / 9.0, 2 / 9.0});
  expectFrequencies(frequencies({.temperature = 1, .topK = 100}, logits),
                    {0.1, 0.2, 0.5, 0.2});
}

TEST(Sampler, TopKDrawsAsIfTheRestWereImpossible) {
  for (size_t vocabulary : {1, 5, 16, 17, 97, 1009})
    for (uint32_t k : {1, 2, 7, 40, 1000}) {
      std::vector<float> logits(vocabulary);
      for (size_t i = 0; i < vocabulary; ++i)
        logits[i] = i % 11 == 3 ? nan : 7 * std::sin(float(i * i % 523));
      std::vector<float> sorted;
      for (float logit : logits)
        sorted.push_back(logit == logit ? logit : -infinity);
      std::sort(sorted.rbegin(), sorted.rend());
      float threshold = sorted[std::min<size_t>(k, vocabulary) - 1];
      std::vector<float> kept(logits);
      for (float &logit : kept)
        if (!(logit >= threshold))
          logit = -infinity;
      for (float topP : {1.F, 0.6F}) {
        Sampler few({.temperature = 2, .topK = k, .topP = topP, .seed = k},
                    vocabulary);
        Sampler all({.temperature = 2, .topP = topP, .seed = k}, vocabulary);
        for (int draw = 0; draw < 20; ++draw)
          EXPECT_EQ(few.sample(logits, {}), all.sample(kept, {}))
              << vocabulary << " tokens, the " << k << " most likely";
      }
    }
}

TEST(Sampler, TopPKeepsTheFewestThatSuffice) {
  std::vector<float> logits{std::log(1.F), std::log(2.F), std::log(5.F),
                            std::log(2.F)};
  auto draw = [&](float topP) {
    return frequencies({.temperature = 1, .topP = topP}, logits);
  };
  expectFrequencies(draw(0), {0, 0, 1, 0});
  expectFrequencies(draw(0.49F), {0, 0, 1, 0});
  expectFrequencies(draw(0.6F), {0, 2 / 7.0, 5 / 7.0, 0});
  expectFrequencies(draw(0.8F), {0, 2 / 9.0, 5 / 9.0, 2 / 9.0});
  expectFrequencies(draw(0.95F), {0.1, 0.2, 0.5, 0.2});
}

TEST(Sampler, TopPComesAfterTopK) {
  std::vector<float> logits{std::log(4.F), std::log(3.F), std::log(2.F),
                            std::log(1.F)};
  // Among the first two the probabilities are 4/7 and 3/7.
  expectFrequencies(
      frequencies({.temperature = 1, .topK = 2, .topP = 0.55F}, logits),
      {1, 0, 0, 0});
}

TEST(Sampler, TopPOfManyIsTheSortedPrefix) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = float((i * 7919) % 1000) / 100;
  std::vector<float> sorted = logits;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double total = 0, sum = 0;
  for (float logit : sorted)
    total += std::exp(logit);
  size_t kept = 0;
  while (sum < 0.3 * total)
    sum += std::exp(sorted[kept++]);
  Sampler sampler({.temperature = 1, .topP = 0.3F}, logits.size());
  std::set<int32_t> seen;
  for (int i = 0; i < 20000; ++i)
    seen.insert(sampler.sample(logits, {}));
  EXPECT_LE(seen.size(), kept);
  EXPECT_GT(seen.size(), kept * 9 / 10);
  for (int32_t id : seen)
    EXPECT_GE(logits[size_t(id)], sorted[kept - 1]);
}

TEST(Sampler, PenalizesEachTokenOfTheHistoryOnce) {
  std::vector<float> logits{2, 1.5F, -1, -1.1F};
  std::vector<int32_t> history{0, 0, 2, -7, 99};
  Sampler sampler({.repetitionPenalty = 1.5F}, 4);
  EXPECT_EQ(sampler.sample(logits, history), 1); // 1.33, 1.5, -1.5, -1.1.
  EXPECT_EQ(sampler.sample(logits, {}), 0);
  auto found =
      frequencies({.temperature = 1, .repetitionPenalty = 2}, logits, history);
  std::vector<double> expected{std::exp(1.0), std::exp(1.5), std::exp(-2.0),
                               std::exp(-1.1)};
  double total = expected[0] + expected[1] + expected[2] + expected[3];
  for (double &value : expected)
    value /= total;
  expectFrequencies(found, expected);
}

TEST(Sampler, EqualSeedsDrawEqualTokens) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = float(i % 37) / 10;
  auto draw = [&](uint64_t seed) {
    Sampler sampler(
        {.temperature = 0.8F, .topK = 100, .topP = 0.9F, .seed = seed},
        logits.size());
    std::vector<int32_t> ids;
    for (int i = 0; i < 8; ++i)
      ids.push_back(sampler.sample(logits, ids));
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_NE(draw(0), draw(0x9e3779b97f4a7c15));
}

/// The `count` largest logits, as a backend gives them.
struct Chosen {
  std::vector<float> logits;
  std::vector<int32_t> ids;
  operator Candidates() const { return {logits, ids}; }
};
Chosen choose(const std::vector<float> &logits, size_t count) {
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = int32_t(i);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    auto rank = [&](int32_t id) {
      float x = logits[size_t(id)];
      return std::isnan(x) || x == -infinity ? infinity : x;
    };
    return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
  });
  Chosen chosen;
  for (size_t i = 0; i < count; ++i) {
    chosen.ids.push_back(i < order.size() ? order[i] : -1);
    chosen.logits.push_back(i < order.size() ? logits[size_t(order[i])]
                                             : -infinity);
  }
  return chosen;
}

/// Logits of -125 to 125 on so many levels: on few of them many are equal.
std::vector<float> logitsOn(int levels, size_t vocabulary, uint32_t seed) {
  std::vector<float> logits;
  for (uint32_t state = seed * 2654435761U + 1; logits.size() < vocabulary;) {
    state = state * 1664525 + 1013904223;
    logits.push_back(250 * float(int(state >> 8) % levels) / float(levels) -
                     125);
  }
  return logits;
}

TEST(Sampler, CandidatesDrawWhatAllLogitsDraw) {
  constexpr size_t vocabulary = 3001, count = 64;
  constexpr int many = 1 << 22;
  std::vector<SamplingOptions> cases;
  for (float penalty : {1.F, 1.3F, 3.F, 0.8F})
    for (uint32_t k : {0, 1, 2, 40, 63, 64, 100})
      for (float topP : {1.F, 0.7F})
        cases.push_back({.temperature = k == 0 && topP == 1 ? 0.F : 0.9F,
                         .topK = k,
                         .topP = topP,
                         .repetitionPenalty = penalty});
  size_t decided = 0, asked = 0;
  for (SamplingOptions options : cases)
    for (uint32_t seed = 0; seed < 8; ++seed) {
      options.seed = seed;
      Sampler all(options, vocabulary), few(options, vocabulary);
      std::vector<int32_t> history{5, 5, 2999, -1, 70000};
      for (uint32_t step = 0; step < 12; ++step) {
        bool ties = step % 3 == 0;
        auto logits = logitsOn(ties ? 40 : many, vocabulary, 100 * seed + step);
        // What has been said is likely again.
        for (size_t i = 0; i < history.size(); ++i)
          if (history[i] >= 0 && size_t(history[i]) < vocabulary)
            logits[size_t(history[i])] = 130 + float(i);
        int32_t expected = all.sample(logits, history);
        auto found = few.sample(choose(logits, count), history);
        decided += found.has_value();
        auto needed = few.candidatesFor(history);
        // As many as are asked for do, unless they are equal.
        if (needed && *needed <= count && !ties) {
          ++asked;
          EXPECT_TRUE(found) << options.topK << ", step " << step;
        }
        // The state of a sampler that could not decide is as it was.
        EXPECT_EQ(found ? *found : few.sample(logits, history), expected)
            << options.topK << " of penalty " << options.repetitionPenalty
            << ", seed " << seed << ", step " << step;
        history.push_back(expected);
      }
    }
  EXPECT_GT(asked, 1000U);
  EXPECT_GT(decided, asked);
}

TEST(Sampler, CandidatesDoNotDecideWhatTheyMayHide) {
  std::vector<float> logits = logitsOn(1 << 22, 500, 1);
  Sampler greedy({}, 500);
  EXPECT_TRUE(greedy.sample(choose(logits, 8), {}));
  EXPECT_FALSE(greedy.sample(Candidates(), {}));
  // All are equal: others may be as well.
  EXPECT_FALSE(greedy.sample(choose(std::vector<float>(500, 1.F), 8), {}));
  // The largest were seen, and come behind others that are not there.
  Sampler penalizing({.repetitionPenalty = 100}, 500);
  Chosen chosen = choose(logits, 8);
  EXPECT_FALSE(penalizing.sample(chosen, chosen.ids));
  // Fewer than top-k keeps, or fewer than there are.
  Sampler drawing({.temperature = 1, .topK = 9}, 500);
  EXPECT_FALSE(drawing.sample(chosen, {}));
  EXPECT_FALSE(greedy.sample(choose({3, 2, 1}, 8), {}));
  for (float odd : {nan, infinity, -infinity}) {
    logits[123] = odd;
    EXPECT_FALSE(greedy.sample(choose(logits, 8), {})) << odd;
  }
}

TEST(Sampler, SaysHowManyCandidatesDecide) {
  std::vector<int32_t> history{3, 3, 4, -1, 99};
  using Count = std::optional<size_t>;
  auto needed = [&](const SamplingOptions &options) {
    return Sampler(options, 50).candidatesFor(history);
  };
  EXPECT_EQ(needed({}), Count(2));
  EXPECT_EQ(needed({.temperature = 1, .topK = 40}), Count(41));
  EXPECT_EQ(needed({.repetitionPenalty = 1.5F}), Count(4));
  EXPECT_EQ(needed({.temperature = 1, .topK = 5, .repetitionPenalty = 1.5F}),
            Count(8));
  EXPECT_EQ(needed({.temperature = 1}), Count());
  EXPECT_EQ(needed({.temperature = 1, .topK = 50}), Count());
  EXPECT_EQ(needed({.temperature = 1, .topP = 0.5F}), Count());
  EXPECT_EQ(needed({.repetitionPenalty = 0.5F}), Count());
}

TEST(Sampler, DrawsTheSameOnEveryMachine) {
  std::vector<float> logits(64);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = float(i * i % 61) / 16;
  Sampler sampler({.temperature = 0.7F, .topP = 0.95F, .seed = 42},
                  logits.size());
  std::vector<int32_t> ids;
  for (int i = 0; i < 12; ++i)
    ids.push_back(sampler.sample(logits, {}));
  EXPECT_EQ(ids, (std::vector<int32_t>{27, 51, 30, 11, 39, 11, 17, 39, 11, 39,
                                       34, 15}));
}

TEST(Sampler, OddLogitsDoNotHurt) {
  SamplingOptions all{.temperature = 1e-30F,
                      .topK = 2,
                      .topP = 0.5F,
                      .repetitionPenalty = 1.1F};
  std::vector<int32_t> history{0, 1, 2};
  for (float temperature : {1e-38F, 1e-3F, 1.F, 1e38F}) {
    all.temperature = temperature;
    Sampler sampler(all, 3);
    auto inside = [&](std::vector<float> logits) {
      int32_t id = sampler.sample(logits, history);
      return id >= 0 && id < 3;
    };
    EXPECT_TRUE(inside({nan, nan, nan}));
    EXPECT_TRUE(inside({-infinity, -infinity, -infinity}));
    EXPECT_TRUE(inside({infinity, infinity, nan}));
    EXPECT_TRUE(inside({3e38F, -3e38F, 0}));
    EXPECT_EQ(sampler.sample(std::vector<float>{nan, 1, nan}, history), 1);
    EXPECT_EQ(sampler.sample(std::vector<float>{0, infinity, 0}, history), 1);
  }
  Sampler one({.temperature = 1, .topK = 5, .topP = 0.1F}, 1);
  EXPECT_EQ(one.sample(std::vector<float>{-3}, {}), 0);
}

TEST(SamplingOptions, OutOfRangeIsNamed) {
  EXPECT_TRUE(validate({}).has_value());
  EXPECT_TRUE(validate({.temperature = 2, .topK = 5, .topP = 0}).has_value());
  auto message = [](const SamplingOptions &options) {
    Status status = validate(options);
    return status ? "" : status.error().message();
  };
  EXPECT_NE(message({.temperature = -1}).find("temperature"),
            std::string::npos);
  EXPECT_NE(message({.temperature = nan}).find("temperature"),
            std::string::npos);
  EXPECT_NE(message({.temperature = infinity}).find("temperature"),
            std::string::npos);
  EXPECT_NE(message({.topP = 1.5F}).find("top-p"), std::string::npos);
  EXPECT_NE(message({.topP = nan}).find("top-p"), std::string::npos);
  EXPECT_NE(message({.repetitionPenalty = 0}).find("repetition"),
            std::string::npos);
}

} // namespace
} // namespace gptc
