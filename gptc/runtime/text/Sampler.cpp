//===- Sampler.cpp --------------------------------------------------------===//

#include "gptc/runtime/text/Sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

// The same bits on every machine: no fused multiply-adds, no libm.
#pragma STDC FP_CONTRACT OFF

namespace gptc {

namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();
constexpr double unit = double(uint64_t(1) << 40);

/// One step of SplitMix64 (G. L. Steele et al., "Fast Splittable Pseudorandom
/// Number Generators", 2014, figure 14).
uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

/// 1/11!, 1/10!, ..., 1.
constexpr double exponentialSeries[] = {
    1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320, 1. / 5040, 1. / 720,
    1. / 120,      1. / 24,      1. / 6,      1. / 2,     1.,        1.};

/// exp(x) * 2^40 for x <= 0, rounded down, to about 40 bits.
uint64_t weightOf(double x) {
  constexpr double log2e = 1.4426950408889634;
  constexpr double ln2High = 6.93147180369123816490e-01;
  constexpr double ln2Low = 1.90821492927058770002e-10;
  if (!(x > -30))
    return 0;
  auto power = int(x * log2e - 0.5);
  // |r| <= 0.35, which the series leaves an error of 1e-14.
  double r = x - power * ln2High - power * ln2Low;
  double sum = 0;
  for (double coefficient : exponentialSeries)
    sum = sum * r + coefficient;
  return uint64_t(sum * unit) >> -power;
}

/// Buckets of about equal weights, the larger ones later.
constexpr size_t buckets = 42 * 8;
size_t bucketOf(uint64_t weight) {
  if (weight < 8)
    return size_t(weight);
  auto bits = unsigned(std::bit_width(weight));
  return (bits - 3) * 8 + size_t(weight >> (bits - 4) & 7);
}

float withoutNaN(float value) { return value == value ? value : lowest; }

int32_t greedy(std::span<const float> scores) {
  size_t best = 0;
  float largest = withoutNaN(scores[0]);
  for (size_t i = 1; i < scores.size(); ++i)
    if (scores[i] > largest) {
      largest = scores[i];
      best = i;
    }
  return int32_t(best);
}

} // namespace

Status validate(const SamplingOptions &options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0)
    return failure(ErrorCode::InvalidArgument,
                   "temperature is {}, expected a finite number of at least 0 "
                   "(0 is greedy)",
                   options.temperature);
  if (!(options.topP >= 0 && options.topP <= 1))
    return failure(ErrorCode::InvalidArgument,
                   "top-p is {}, expected a number from 0 to 1", options.topP);
  if (!std::isfinite(options.repetitionPenalty) ||
      options.repetitionPenalty <= 0)
    return failure(ErrorCode::InvalidArgument,
                   "repetition penalty is {}, expected a number above 0",
                   options.repetitionPenalty);
  return {};
}

Sampler::Sampler(const SamplingOptions &options, size_t vocabulary)
    : options_(options), random_(options.seed) {
  // Seeds that differ by SplitMix64's increment must not share a sequence.
  uint64_t state = options.seed;
  random_ = nextRandom(state);
  bool draws = options.temperature > 0;
  if (options.repetitionPenalty != 1) {
    penalized_.resize(vocabulary);
    scores_.resize(vocabulary);
  }
  if (draws) {
    scores_.resize(vocabulary);
    weights_.resize(vocabulary);
    if (options.topK > 0)
      values_.resize(vocabulary);
    if (options.topP < 1)
      order_.resize(vocabulary);
  }
}

int32_t Sampler::sample(std::span<const float> logits,
                        std::span<const int32_t> history) {
  bool penalty = options_.repetitionPenalty != 1;
  if (options_.temperature == 0 && !penalty)
    return greedy(logits);

  std::transform(logits.begin(), logits.end(), scores_.begin(), withoutNaN);
  if (penalty)
    penalize(history);
  if (options_.temperature == 0)
    return greedy(scores_);

  float largest = *std::max_element(scores_.begin(), scores_.end());
  if (largest == lowest)
    return 0;
  float threshold = thresholdOfTopK();
  uint64_t total = 0;
  for (size_t i = 0; i < scores_.size(); ++i) {
    // A difference of infinities is not a number, and equal scores are 0 apart.
    double distance =
        scores_[i] == largest
            ? 0
            : (double(scores_[i]) - double(largest)) / options_.temperature;
    weights_[i] = scores_[i] >= threshold ? weightOf(distance) : 0;
    total += weights_[i];
  }
  if (options_.topP < 1) {
    keepTopP(total);
    total = 0;
    for (uint64_t weight : weights_)
      total += weight;
  }
  auto drawn = uint64_t(
      static_cast<unsigned __int128>(nextRandom(random_)) * total >> 64);
  size_t id = 0;
  while (drawn >= weights_[id])
    drawn -= weights_[id++];
  return int32_t(id);
}

void Sampler::penalize(std::span<const int32_t> history) {
  auto inside = [&](int32_t id) {
    return id >= 0 && size_t(id) < scores_.size();
  };
  for (int32_t id : history) {
    if (!inside(id) || penalized_[size_t(id)] != 0)
      continue;
    penalized_[size_t(id)] = 1;
    float &score = scores_[size_t(id)];
    score = score < 0 ? score * options_.repetitionPenalty
                      : score / options_.repetitionPenalty;
  }
  for (int32_t id : history)
    if (inside(id))
      penalized_[size_t(id)] = 0;
}

/// The smallest score that top-k keeps.
float Sampler::thresholdOfTopK() {
  size_t count = options_.topK;
  if (count == 0 || count >= scores_.size())
    return lowest;
  // A heap of the largest so far, the smallest of them in front.
  auto first = values_.begin(), last = first + ptrdiff_t(count);
  std::copy_n(scores_.begin(), count, first);
  std::make_heap(first, last, std::greater<>());
  for (size_t i = count; i < scores_.size(); ++i)
    if (scores_[i] > *first) {
      std::pop_heap(first, last, std::greater<>());
      last[-1] = scores_[i];
      std::push_heap(first, last, std::greater<>());
    }
  return *first;
}

/// Sets the weights outside of the nucleus to zero: finds the bucket that its
/// end lies in, then halves what of the bucket may hold the end. The sums are
/// of integers, so that they do not depend on how nth_element arranges ids.
void Sampler::keepTopP(uint64_t total) {
  auto target = std::max<uint64_t>(
      1, uint64_t(std::ceil(double(options_.topP) * double(total))));
  std::array<uint64_t, buckets> sums{};
  for (uint64_t weight : weights_)
    sums[bucketOf(weight)] += weight;
  size_t bucket = buckets - 1;
  uint64_t before = 0;
  while (before + sums[bucket] < target && bucket > 0)
    before += sums[bucket--];

  size_t count = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    size_t own = bucketOf(weights_[i]);
    if (own == bucket)
      order_[count++] = uint32_t(i);
    else if (own < bucket)
      weights_[i] = 0;
  }
  auto first = order_.begin(), last = first + ptrdiff_t(count);
  auto moreLikely = [&](uint32_t a, uint32_t b) {
    return weights_[a] != weights_[b] ? weights_[a] > weights_[b] : a < b;
  };
  auto end = last;
  // What is kept already sums to `before` < target; ids from `last` on are not
  // needed to reach the target.
  while (last - first > 1) {
    auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, moreLikely);
    uint64_t sum = before;
    for (auto it = first; it != middle; ++it)
      sum += weights_[*it];
    if (sum >= target) {
      last = middle;
    } else {
      before = sum;
      first = middle;
    }
  }
  for (auto it = last; it != end; ++it)
    weights_[*it] = 0;
}

} // namespace gptc
