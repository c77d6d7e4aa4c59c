//===- Scoring.cpp --------------------------------------------------------===//

#include "gptc/runtime/session/Scoring.h"

#include "gptc/runtime/session/FiniteValues.h"
#include <algorithm>

namespace gptc {

namespace {

int find(const std::vector<std::unique_ptr<artifact::ParameterT>> &list,
         const std::string &name) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i]->name == name && !list[i]->scalar)
      return int(i);
  return -1;
}

} // namespace

Expected<std::vector<double>> score(Runner &runner,
                                    std::span<const int32_t> ids,
                                    uint64_t stride, const Progress &progress) {
  const Artifact &artifact = runner.artifact();
  int index = artifact.findEntry("score");
  if (index < 0 || !runner.has(uint32_t(index)))
    return failure(ErrorCode::NotFound,
                   "'{}' has no entry 'score'; compile with --entry score",
                   artifact.path());
  const artifact::EntryT &entry = *artifact.manifest().entries[index];
  int tokenIndex = find(entry.arguments, "tokens");
  int targetIndex = find(entry.arguments, "targets");
  int resultIndex = find(entry.results, "log_likelihood");
  if (tokenIndex < 0 || targetIndex < 0 || resultIndex < 0 ||
      entry.arguments[tokenIndex]->shape.size() != 2)
    return failure(ErrorCode::Unsupported,
                   "entry 'score' of '{}' does not take tokens [B, T] and "
                   "targets [B, T] and give log_likelihood [B, T]",
                   artifact.path());
  auto tokens = runner.argumentAs<int32_t>(uint32_t(index), tokenIndex);
  auto targets = runner.argumentAs<int32_t>(uint32_t(index), targetIndex);
  auto results = runner.resultAs<float>(uint32_t(index), resultIndex);
  uint64_t batch = entry.arguments[tokenIndex]->shape[0];
  uint64_t rows = entry.arguments[tokenIndex]->shape[1];
  if (targets.size() != tokens.size() || results.size() != tokens.size())
    return failure(ErrorCode::Unsupported,
                   "entry 'score' of '{}' has shapes that do not go together",
                   artifact.path());
  uint64_t vocabulary = artifact.manifest().model->vocabulary;
  for (int32_t id : ids)
    if (id < 0 || uint64_t(id) >= vocabulary)
      return failure(ErrorCode::InvalidArgument,
                     "token {} is outside of the vocabulary of {}", id,
                     vocabulary);
  if (ids.size() < 2)
    return failure(ErrorCode::InvalidArgument,
                   "the text has {} token{}; scoring needs at least 2",
                   ids.size(), ids.size() == 1 ? "" : "s");
  if (stride == 0)
    stride = std::max<uint64_t>(1, rows / 2);
  if (stride > rows)
    return failure(ErrorCode::InvalidArgument,
                   "--stride: {} is more than the window of {}", stride, rows);

  std::vector<double> scores(ids.size() - 1);
  struct Window {
    uint64_t begin, firstNew;
  };
  std::vector<Window> windows;
  // The first window predicts all that it can, each later one what is new.
  for (uint64_t begin = 0, done = 0; done < scores.size(); begin += stride) {
    windows.push_back({begin, done});
    done = std::min<uint64_t>(scores.size(), begin + rows);
  }
  for (size_t first = 0; first < windows.size(); first += batch) {
    size_t count = std::min<size_t>(batch, windows.size() - first);
    std::fill(tokens.begin(), tokens.end(), 0);
    std::fill(targets.begin(), targets.end(), -1);
    for (size_t b = 0; b < count; ++b) {
      uint64_t begin = windows[first + b].begin;
      uint64_t end = std::min<uint64_t>(scores.size(), begin + rows);
      for (uint64_t i = begin; i < end; ++i) {
        tokens[b * rows + i - begin] = ids[i];
        targets[b * rows + i - begin] = ids[i + 1];
      }
    }
    GPTC_CHECK(runner.runInPlace(uint32_t(index)));
    for (size_t b = 0; b < count; ++b) {
      auto [begin, firstNew] = windows[first + b];
      uint64_t end = std::min<uint64_t>(scores.size(), begin + rows);
      for (uint64_t i = firstNew; i < end; ++i) {
        float score = results[b * rows + i - begin];
        GPTC_CHECK(checkFinite(std::span(&score, 1), "log-likelihood", i + 1));
        scores[i] = score;
      }
    }
    if (progress)
      progress(first + count, windows.size());
  }
  return scores;
}

} // namespace gptc
