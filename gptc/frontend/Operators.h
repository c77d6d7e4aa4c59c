//===- Operators.h - What a graph can compute ------------------*- C++ -*-===//
//
// Elementwise operators broadcast as NumPy does: shapes are aligned at their
// last dimension, and extents of 1 are repeated. Every operator records an
// error in its graph instead of failing; see Graph.h.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_FRONTEND_OPERATORS_H
#define GPTC_FRONTEND_OPERATORS_H

#include "gptc/frontend/Graph.h"

#include <optional>

namespace gptc {

// Arithmetic, on tensors of one element type.
Tensor add(const Tensor &a, const Tensor &b, Where where = Where::current());
Tensor subtract(const Tensor &a, const Tensor &b,
                Where where = Where::current());
Tensor multiply(const Tensor &a, const Tensor &b,
                Where where = Where::current());
Tensor divide(const Tensor &a, const Tensor &b, Where where = Where::current());
Tensor maximum(const Tensor &a, const Tensor &b,
               Where where = Where::current());
Tensor minimum(const Tensor &a, const Tensor &b,
               Where where = Where::current());
/// A tensor of one number, of the shape and element type of `like`. A scalar
/// argument is converted: to floating point types, from all but i64.
Tensor full(const Tensor &like, Scalar value, Where where = Where::current());
Tensor scale(const Tensor &x, Scalar factor, Where where = Where::current());

Tensor negate(const Tensor &x, Where where = Where::current());
Tensor absolute(const Tensor &x, Where where = Where::current());
Tensor exp(const Tensor &x, Where where = Where::current());
Tensor log(const Tensor &x, Where where = Where::current());
Tensor tanh(const Tensor &x, Where where = Where::current());
Tensor erf(const Tensor &x, Where where = Where::current());
Tensor sqrt(const Tensor &x, Where where = Where::current());
Tensor rsqrt(const Tensor &x, Where where = Where::current());

enum class GeluForm { Erf, Tanh, Sigmoid };
Tensor gelu(const Tensor &x, GeluForm form, Where where = Where::current());
Tensor silu(const Tensor &x, Where where = Where::current());
Tensor relu(const Tensor &x, Where where = Where::current());
/// Converts between floating point types, and from i32 to them.
Tensor cast(const Tensor &x, DataType type, Where where = Where::current());

/// a < b, a <= b, a == b: bool tensors; and a choice by one.
Tensor less(const Tensor &a, const Tensor &b, Where where = Where::current());
Tensor lessEqual(const Tensor &a, const Tensor &b,
                 Where where = Where::current());
Tensor equal(const Tensor &a, const Tensor &b, Where where = Where::current());
Tensor choose(const Tensor &condition, const Tensor &a, const Tensor &b,
              Where where = Where::current());

// Views.
Tensor reshape(const Tensor &x, const Shape &shape,
               Where where = Where::current());
Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation,
                 Where where = Where::current());
/// The box of `shape` that starts at `offsets`.
Tensor slice(const Tensor &x, const std::vector<int64_t> &offsets,
             const Shape &shape, Where where = Where::current());
/// Equal parts along the last dimension.
std::vector<Tensor> split(const Tensor &x, int64_t parts,
                          Where where = Where::current());
Tensor broadcast(const Tensor &x, const Shape &shape,
                 Where where = Where::current());
/// Tensors that agree in all but one dimension, one after the other in it.
Tensor concatenate(const std::vector<Tensor> &parts, int64_t dimension,
                   Where where = Where::current());

// Contractions: [..., M, K] times [K, N] (or [N, K] if transposed).
Tensor matmul(const Tensor &a, const Tensor &b, bool transposeA = false,
              bool transposeB = false, Where where = Where::current());
/// x times weight plus bias; weight is [in, out], bias [out] or invalid.
Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias,
              Where where = Where::current());

// Reductions over a dimension, which is removed.
Tensor reduceSum(const Tensor &x, int64_t dimension,
                 Where where = Where::current());
Tensor reduceMax(const Tensor &x, int64_t dimension,
                 Where where = Where::current());
Tensor reduceMean(const Tensor &x, int64_t dimension,
                  Where where = Where::current());
/// Over the last dimension.
Tensor softmax(const Tensor &x, Where where = Where::current());
Tensor layerNorm(const Tensor &x, const Tensor &gain, const Tensor &bias,
                 Scalar epsilon, Where where = Where::current());

struct AttentionOptions {
  Scalar scale = 1.0;
  bool causal = true;
  std::optional<int64_t> window; ///< Keys that a query sees, itself included.
  Tensor positions;              ///< [B], with a cache.
  Tensor lengths;                ///< [B], with a cache.
  double dropout = 0;            ///< Of probabilities; see dropout().
  Scalar seed = 0.0;             ///< With dropout.
};
/// query [B, H, T, D], key and value [B, H, S, D].
Tensor attention(const Tensor &query, const Tensor &key, const Tensor &value,
                 const AttentionOptions &options,
                 Where where = Where::current());
/// cache [B, H, S, D] with rows [B, H, T, D] put at each position.
Tensor cacheAppend(const Tensor &cache, const Tensor &rows,
                   const Tensor &positions, const Tensor &lengths,
                   Where where = Where::current());

// Indexing by i32.
Tensor gather(const Tensor &table, const Tensor &indices,
              Where where = Where::current());
Tensor selectRow(const Tensor &x, const Tensor &indices,
                 Where where = Where::current());
/// Each element is its index along `dimension`.
Tensor iota(Graph &graph, const Shape &shape, int64_t dimension,
            Where where = Where::current());

struct TopKOptions {
  int64_t pieces = 1;  ///< That each row is cut into, each giving its own.
  Tensor carried;      ///< The index of each element; without it, its place.
  bool finite = false; ///< -inf comes first, as what is no number does.
};
struct TopK {
  Tensor values;  ///< [..., pieces * k], of each piece the largest first.
  Tensor indices; ///< i32, and -1 where a piece has fewer than k elements.
};
/// The k largest elements along the last dimension, at most 256; of equal ones
/// the first. What is no number comes before all numbers.
TopK topK(const Tensor &x, int64_t k, const TopKOptions &options = {},
          Where where = Where::current());

/// log softmax(logits)[target]; 0 where the target is negative.
Tensor logLikelihood(const Tensor &logits, const Tensor &targets,
                     Where where = Where::current());

/// Mean of -log softmax(logits)[target] over the targets that are not
/// negative, []; 0 if all of them are.
Tensor crossEntropy(const Tensor &logits, const Tensor &targets,
                    Where where = Where::current());

/// logLikelihood of the logits of x [..., C] over the rows of a table [V, C].
/// Many rows are taken in blocks, one after the other, so that a program never
/// holds all logits: `rowsAtOnce`, or where that is 0, 64 MiB of them or an
/// eighth; in training as much of their gradients.
Tensor linearLogLikelihood(const Tensor &x, const Tensor &table,
                           const Tensor &targets, int64_t rowsAtOnce = 0,
                           Where where = Where::current());
/// crossEntropy of the same logits.
Tensor linearCrossEntropy(const Tensor &x, const Tensor &table,
                          const Tensor &targets, int64_t rowsAtOnce = 0,
                          Where where = Where::current());

/// Each element zero with the probability `rate` in [0, 1), else divided by
/// 1 - rate. Which are zero is a function of the seed, a scalar of i32 that
/// should differ from step to step, of the present scope, of the number of
/// dropouts in it so far, and of the element's index: the same on every
/// backend and at any number of threads. `x` itself where the rate is 0.
/// Source: Srivastava et al., 2014.
Tensor dropout(const Tensor &x, double rate, Scalar seed,
               Where where = Where::current());

// Gradients.
/// How a loss, a floating point tensor [], changes with each element of each
/// parameter, or of any other tensor that it was computed from: one gradient
/// for each, of its type, and zeros where the loss does not depend on it. An
/// error if an operator on the way is not differentiable: assignments to
/// variables, cacheAppend, and gradients themselves (no second derivatives).
std::vector<Tensor> gradient(const Tensor &loss,
                             const std::vector<Tensor> &parameters,
                             Where where = Where::current());
/// `x` itself; no gradient flows through it.
Tensor stopGradient(const Tensor &x, Where where = Where::current());
/// Gives the present entry the results of `loss_and_gradients`: "loss", and
/// "gradient:NAME" for each tensor of a checkpoint that a trained parameter of
/// the entry is made of, in its shape. Several pieces of one parameter must be
/// equally wide.
void gradientResults(Graph &graph, const Tensor &loss,
                     Where where = Where::current());

/// An operand together with the place of the expression it stands in, so that
/// an error of an operator names the line that uses it.
struct Operand {
  Operand(const Tensor &tensor, // NOLINT: converts on purpose.
          Where where = Where::current())
      : tensor(tensor), where(where) {}
  const Tensor &tensor;
  Where where;
};
inline Tensor operator+(const Tensor &a, const Operand &b) {
  return add(a, b.tensor, b.where);
}
inline Tensor operator-(const Tensor &a, const Operand &b) {
  return subtract(a, b.tensor, b.where);
}
inline Tensor operator*(const Tensor &a, const Operand &b) {
  return multiply(a, b.tensor, b.where);
}
inline Tensor operator/(const Tensor &a, const Operand &b) {
  return divide(a, b.tensor, b.where);
}

} // namespace gptc

#endif // GPTC_FRONTEND_OPERATORS_H
