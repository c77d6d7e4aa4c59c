//===- Loss.cpp -----------------------------------------------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

namespace gptc {

namespace {

Tensor sumOfAll(Tensor x, Where where) {
  while (x.valid() && !x.shape().empty())
    x = reduceSum(x, -1, where);
  return x;
}

/// The mean of -likelihood over the targets that are not negative.
Tensor lossOf(const Tensor &likelihoods, const Tensor &targets, Where where) {
  if (!likelihoods.valid())
    return {};
  Tensor counts = lessEqual(full(targets, 0, where), targets, where);
  Tensor count =
      sumOfAll(cast(counts, likelihoods.type().element, where), where);
  count = maximum(count, full(count, 1, where), where);
  // Weighed before they are summed, so that the gradient of a likelihood waits
  // for the targets alone, and for no other likelihood.
  Tensor weight = divide(full(count, -1, where), count, where);
  return sumOfAll(multiply(likelihoods, weight, where), where);
}

/// Rows of a block of logits over `vocabulary` tokens: 64 MiB in f32, or an
/// eighth of all, as each block is code of its own; blocks of one size where
/// there is one near.
int64_t rowsOfBlock(int64_t rows, int64_t vocabulary) {
  constexpr int64_t mostBlocks = 8, elements = int64_t(1) << 24;
  int64_t most =
      std::max({int64_t(16), elements / std::max<int64_t>(1, vocabulary),
                (rows + mostBlocks - 1) / mostBlocks});
  if (rows <= most)
    return rows;
  int64_t blocks = (rows + most - 1) / most;
  for (int64_t more = blocks; more <= std::min(2 * blocks, mostBlocks); ++more)
    if (rows % more == 0)
      return rows / more;
  return (rows + blocks - 1) / blocks;
}

} // namespace

Tensor crossEntropy(const Tensor &logits, const Tensor &targets, Where where) {
  return lossOf(logLikelihoodAs("crossEntropy", logits, targets, where),
                targets, where);
}

static Tensor likelihoodInBlocks(const char *name, const Tensor &x,
                                 const Tensor &table, const Tensor &targets,
                                 int64_t rowsAtOnce, Where where) {
  if (!GraphState::of({x, table, targets}, where))
    return {};
  auto whole = [&] {
    return logLikelihoodAs(name, matmulAs(name, x, table, false, true, where),
                           targets, where);
  };
  // What does not fit is for the product and the likelihood to tell.
  Shape leading = x.shape();
  if (leading.size() < 2 || table.shape().size() != 2)
    return whole();
  int64_t width = leading.back();
  leading.pop_back();
  int64_t rows = 1;
  for (int64_t size : leading)
    rows *= size;
  int64_t each =
      rowsAtOnce > 0 ? rowsAtOnce : rowsOfBlock(rows, table.shape()[0]);
  if (each >= rows || targets.shape() != leading)
    return whole();
  Tensor flat = reshape(x, {rows, width}, where);
  Tensor flatTargets = reshape(targets, {rows}, where);
  std::vector<Tensor> parts;
  for (int64_t from = 0; from < rows; from += each) {
    int64_t count = std::min(each, rows - from);
    Tensor logits =
        matmulAs(name, slice(flat, {from, 0}, {count, width}, where), table,
                 false, true, where);
    parts.push_back(logLikelihood(
        logits, slice(flatTargets, {from}, {count}, where), where));
  }
  return reshape(concatenate(parts, 0, where), leading, where);
}

Tensor linearLogLikelihood(const Tensor &x, const Tensor &table,
                           const Tensor &targets, int64_t rowsAtOnce,
                           Where where) {
  return likelihoodInBlocks("linearLogLikelihood", x, table, targets,
                            rowsAtOnce, where);
}

Tensor linearCrossEntropy(const Tensor &x, const Tensor &table,
                          const Tensor &targets, int64_t rowsAtOnce,
                          Where where) {
  return lossOf(likelihoodInBlocks("linearCrossEntropy", x, table, targets,
                                   rowsAtOnce, where),
                targets, where);
}

} // namespace gptc
