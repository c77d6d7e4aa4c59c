//===- Sampler.cpp --------------------------------------------------------===//

#include "gptc/runtime/text/Sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

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

/// Buckets of about equal weights, the larger ones later.
constexpr size_t buckets = 42 * 8;
size_t bucketOf(uint64_t weight) {
  if (weight < 8)
    return size_t(weight);
  auto bits = unsigned(std::bit_width(weight));
  return (bits - 3) * 8 + size_t(weight >> (bits - 4) & 7);
}

/// Scores that are compared at once: as wide as any vector register.
constexpr size_t lanes = 16;

/// exp((score - largest) / temperature) * 2^40 of each, rounded down, to about
/// 40 bits. No score is above `largest`. Written in steps that compilers make
/// vector instructions of.
std::array<uint64_t, lanes> weigh(const std::array<float, lanes> &scores,
                                  float largest, float temperature) {
  constexpr double log2e = 1.4426950408889634;
  constexpr double ln2High = 6.93147180369123816490e-01;
  constexpr double ln2Low = 1.90821492927058770002e-10;
  constexpr double least = -30;
  std::array<double, lanes> x;
  std::array<int32_t, lanes> power, high, low;
  for (size_t i = 0; i < lanes; ++i) {
    double distance = (double(scores[i]) - double(largest)) / temperature;
    // A difference of infinities is not a number; equal scores are 0 apart.
    distance = scores[i] == largest ? 0 : distance;
    x[i] = distance > least ? distance : least;
  }
  for (size_t i = 0; i < lanes; ++i) {
    power[i] = int32_t(x[i] * log2e - 0.5);
    // |r| <= 0.35, which the series leaves an error of 1e-14.
    double r = x[i] - power[i] * ln2High - power[i] * ln2Low;
    double sum = 0;
    for (double coefficient : exponentialSeries)
      sum = sum * r + coefficient;
    // In two parts: vectors have no conversion to 64 bits.
    double scaled = sum * unit;
    high[i] = int32_t(scaled * 0x1p-20);
    low[i] = int32_t(scaled - high[i] * 0x1p20);
  }
  std::array<uint64_t, lanes> weights;
  for (size_t i = 0; i < lanes; ++i) {
    uint64_t whole = uint64_t(high[i]) << 20 | uint64_t(low[i]);
    weights[i] = x[i] > least ? whole >> -power[i] : 0;
  }
  return weights;
}

/// The largest score; -inf where there is none that is a number.
float largestOf(std::span<const float> scores) {
  std::array<float, lanes> largest;
  largest.fill(lowest);
  size_t whole = scores.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes)
    for (size_t j = 0; j < lanes; ++j)
      largest[j] = scores[i + j] > largest[j] ? scores[i + j] : largest[j];
  float result = *std::max_element(largest.begin(), largest.end());
  for (float score : scores.subspan(whole))
    result = score > result ? score : result;
  return result;
}

/// Calls `take` with the place of every score above `bound`, upwards, where
/// `take` may raise the bound. Few are: most blocks are passed at once.
template <typename Take>
void forEachAbove(std::span<const float> scores, const float &bound,
                  Take take) {
  auto single = [&](size_t i) {
    if (scores[i] > bound)
      take(i);
  };
  size_t whole = scores.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes) {
    bool any = false;
    for (size_t j = 0; j < lanes; ++j)
      any |= scores[i + j] > bound;
    for (size_t j = 0; any && j < lanes; ++j)
      single(i + j);
  }
  for (size_t i = whole; i < scores.size(); ++i)
    single(i);
}

int32_t greedy(std::span<const float> scores) {
  float largest = largestOf(scores);
  return largest == lowest
             ? 0
             : int32_t(std::find(scores.begin(), scores.end(), largest) -
                       scores.begin());
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
  if (penalizes()) {
    seen_.resize(vocabulary);
    scores_.resize(vocabulary);
  }
  if (draws) {
    weights_.resize(vocabulary);
    if (options.topK > 0 && options.topK < vocabulary) {
      values_.resize(options.topK);
      ids_.resize(vocabulary);
      kept_.resize(vocabulary);
    }
    if (options.topP < 1)
      order_.resize(vocabulary);
  }
}

int32_t Sampler::sample(std::span<const float> logits,
                        std::span<const int32_t> history) {
  std::span<const float> scores = logits;
  if (penalizes()) {
    std::copy(logits.begin(), logits.end(), scores_.begin());
    forEachSeen(history,
                [&](size_t id) { scores_[id] = penalized(scores_[id]); });
    scores = scores_;
  }
  if (options_.temperature == 0)
    return greedy(scores);

  float largest = largestOf(scores);
  if (largest == lowest)
    return 0;
  if (ids_.empty())
    return draw(scores, {}, largest);
  float below = std::nextafter(thresholdOfTopK(scores), lowest);
  size_t count = 0;
  forEachAbove(scores, below, [&](size_t id) {
    ids_[count] = uint32_t(id);
    kept_[count++] = scores[id];
  });
  return draw(std::span(kept_).first(count), std::span(ids_).first(count),
              largest);
}

std::optional<size_t> Sampler::candidatesFor(std::span<const int32_t> history) {
  bool isGreedy = options_.temperature == 0;
  if ((!isGreedy && ids_.empty()) || options_.repetitionPenalty < 1)
    return std::nullopt;
  size_t seen = 0;
  if (penalizes())
    forEachSeen(history, [&](size_t) { ++seen; });
  // All that is chosen, pushed down or not, and one that is less likely.
  return (isGreedy ? 1 : options_.topK) + seen + 1;
}

std::optional<int32_t> Sampler::sample(const Candidates &candidates,
                                       std::span<const int32_t> history) {
  size_t count = candidates.ids.size();
  bool isGreedy = options_.temperature == 0;
  // A penalty below 1 makes more likely what is not among the candidates.
  if (count == 0 || count > mostCandidates ||
      (!isGreedy && (ids_.empty() || options_.topK > count)) ||
      options_.repetitionPenalty < 1)
    return std::nullopt;
  std::array<uint32_t, mostCandidates> places;
  std::iota(places.begin(), places.begin() + ptrdiff_t(count), 0);
  std::sort(places.begin(), places.begin() + ptrdiff_t(count),
            [&](uint32_t a, uint32_t b) {
              return candidates.ids[a] < candidates.ids[b];
            });
  if (candidates.ids[places[0]] < 0)
    return std::nullopt;
  std::array<float, mostCandidates> buffer;
  std::array<uint32_t, mostCandidates> ids;
  for (size_t i = 0; i < count; ++i) {
    buffer[i] = candidates.logits[places[i]];
    ids[i] = uint32_t(candidates.ids[places[i]]);
    if (!std::isfinite(buffer[i]))
      return std::nullopt;
  }
  std::span<float> scores = std::span(buffer).first(count);
  if (penalizes())
    forEachSeen(history, [&](size_t id) {
      auto *at = std::lower_bound(ids.begin(), ids.begin() + count, id);
      if (at != ids.begin() + count && *at == id)
        scores[size_t(at - ids.begin())] =
            penalized(scores[size_t(at - ids.begin())]);
    });
  // No other token is more likely than the last candidate.
  float least = candidates.logits.back();
  float largest = largestOf(scores);
  float threshold = isGreedy ? largest : thresholdOfTopK(scores);
  if (!(threshold > least))
    return std::nullopt;
  if (isGreedy)
    return int32_t(ids[size_t(greedy(scores))]);
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i)
    if (scores[i] >= threshold) {
      scores[kept] = scores[i];
      ids[kept++] = ids[i];
    }
  return draw(scores.first(kept), std::span(ids).first(kept), largest);
}

/// Draws one of some scores, of which the largest is known; their ids are their
/// places where none are given.
int32_t Sampler::draw(std::span<const float> scores,
                      std::span<const uint32_t> ids, float largest) {
  size_t count = scores.size();
  for (size_t i = 0; i < count; i += lanes) {
    size_t here = std::min(lanes, count - i);
    std::array<float, lanes> block;
    block.fill(lowest);
    std::copy_n(scores.begin() + ptrdiff_t(i), here, block.begin());
    std::copy_n(weigh(block, largest, options_.temperature).begin(), here,
                weights_.begin() + ptrdiff_t(i));
  }
  std::span<uint64_t> weights = std::span(weights_).first(count);
  auto sum = [&] {
    return std::accumulate(weights.begin(), weights.end(), uint64_t(0));
  };
  uint64_t total = sum();
  if (options_.topP < 1) {
    keepTopP(weights, total);
    total = sum();
  }
  auto drawn = uint64_t(
      static_cast<unsigned __int128>(nextRandom(random_)) * total >> 64);
  size_t place = 0;
  while (drawn >= weights[place])
    drawn -= weights[place++];
  return int32_t(ids.empty() ? place : ids[place]);
}

float Sampler::penalized(float score) const {
  return score < 0 ? score * options_.repetitionPenalty
                   : score / options_.repetitionPenalty;
}

template <typename Visit>
void Sampler::forEachSeen(std::span<const int32_t> history, Visit visit) {
  auto inside = [&](int32_t id) {
    return id >= 0 && size_t(id) < seen_.size();
  };
  for (int32_t id : history)
    if (inside(id) && seen_[size_t(id)] == 0) {
      seen_[size_t(id)] = 1;
      visit(size_t(id));
    }
  for (int32_t id : history)
    if (inside(id))
      seen_[size_t(id)] = 0;
}

/// The smallest score that top-k keeps; -inf where there are fewer than k.
float Sampler::thresholdOfTopK(std::span<const float> scores) {
  // A heap of the largest so far, the smallest of them in front.
  auto first = values_.begin(), last = values_.end();
  std::fill(first, last, lowest);
  forEachAbove(scores, values_.front(), [&](size_t i) {
    std::pop_heap(first, last, std::greater<>());
    last[-1] = scores[i];
    std::push_heap(first, last, std::greater<>());
  });
  return *first;
}

/// Sets the weights outside of the nucleus to zero: finds the bucket that its
/// end lies in, then halves what of the bucket may hold the end. The sums are
/// of integers, so that they do not depend on how nth_element arranges
/// candidates.
void Sampler::keepTopP(std::span<uint64_t> weights, uint64_t total) {
  auto target = std::max<uint64_t>(
      1, uint64_t(std::ceil(double(options_.topP) * double(total))));
  std::array<uint64_t, buckets> sums{};
  for (uint64_t weight : weights)
    sums[bucketOf(weight)] += weight;
  size_t bucket = buckets - 1;
  uint64_t before = 0;
  while (before + sums[bucket] < target && bucket > 0)
    before += sums[bucket--];

  size_t count = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    size_t own = bucketOf(weights[i]);
    if (own == bucket)
      order_[count++] = uint32_t(i);
    else if (own < bucket)
      weights[i] = 0;
  }
  auto first = order_.begin(), last = first + ptrdiff_t(count);
  auto moreLikely = [&](uint32_t a, uint32_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  };
  auto end = last;
  // What is kept already sums to `before` < target; ids from `last` on are not
  // needed to reach the target.
  while (last - first > 1) {
    auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, moreLikely);
    uint64_t sum = before;
    for (auto it = first; it != middle; ++it)
      sum += weights[*it];
    if (sum >= target) {
      last = middle;
    } else {
      before = sum;
      first = middle;
    }
  }
  for (auto it = last; it != end; ++it)
    weights[*it] = 0;
}

} // namespace gptc
