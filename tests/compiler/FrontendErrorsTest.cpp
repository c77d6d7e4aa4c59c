// What a user reads who made a mistake in a definition: one line an error,
// with the place of the call, the scope, both shapes, and what would fit.

#include "gptc/frontend/Operators.h"

#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace gptc {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TensorType f32(const Shape &shape) { return {DataType::F32, shape}; }
TensorType i32(const Shape &shape) { return {DataType::I32, shape}; }

std::vector<std::string> linesOf(const Status &status) {
  std::vector<std::string> lines;
  if (status)
    return lines;
  const std::string &text = status.error().message();
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// One operator used wrongly, and the end of the line that says so.
struct Mistake {
  std::string name;
  std::function<void(Graph &)> make;
  std::string message;
};
void PrintTo(const Mistake &mistake, std::ostream *out) {
  *out << mistake.name;
}

Tensor argument(Graph &graph, const std::string &name, const TensorType &type) {
  return graph.argument(name, type);
}

const std::vector<Mistake> &mistakes() {
  // x and y are arguments of the types that are given.
  auto with = [](const TensorType &a, const TensorType &b, auto make) {
    return [=](Graph &graph) {
      Tensor x = argument(graph, "x", a), y = argument(graph, "y", b);
      make(x, y);
    };
  };
  auto heads = [](DataType type, Shape shape) {
    return TensorType{type, std::move(shape)};
  };
  static const std::vector<Mistake> all{
      {"AddShapes",
       with(f32({2, 3}), f32({4}), [](auto x, auto y) { add(x, y); }),
       "add: shapes [2, 3] and [4] do not fit: aligned at their last "
       "dimension, extents must be equal or 1"},
      {"ConcatenateExtents",
       with(f32({2, 3}), f32({4, 2}),
            [](auto x, auto y) { concatenate({x, y}, 0); }),
       "concatenate: f32[2, 3] and f32[4, 2] differ in more than dimension 0"},
      {"ConcatenateDimension",
       with(f32({2, 3}), f32({2, 3}),
            [](auto x, auto y) { concatenate({x, y}, 2); }),
       "concatenate: f32[2, 3] has no dimension 2"},
      {"ScalarType",
       [](Graph &graph) { graph.scalarArgument("rate", DataType::BF16); },
       "has the scalar 'rate' as bf16; scalars are of f32, f64, i32 or i64"},
      {"ScalarAgain",
       [](Graph &graph) {
         graph.scalarArgument("rate", DataType::F32);
         graph.scalarArgument("rate", DataType::F32);
       },
       "has the argument 'rate' a second time"},
      {"FullOfAnotherInteger",
       [](Graph &graph) {
         Tensor x = argument(graph, "x", i32({3}));
         full(x, graph.scalarArgument("rate", DataType::F32));
       },
       "full: cannot fill i32[3] with a scalar of f32"},
      {"ScaleIsAnInteger",
       [](Graph &graph) {
         Tensor x = argument(graph, "x", f32({1, 1, 2, 3}));
         AttentionOptions options;
         options.scale = graph.scalarArgument("step", DataType::I32);
         attention(x, x, x, options);
       },
       "attention: needs a scalar of f32 or f64, found one of i32"},
      {"OperatorShapes",
       with(f32({2, 3}), f32({2}), [](auto x, auto y) { x *y; }),
       "multiply: shapes [2, 3] and [2] do not fit: aligned at their last "
       "dimension, extents must be equal or 1"},
      {"SubtractTypes",
       with(f32({2}), i32({2}), [](auto x, auto y) { subtract(x, y); }),
       "subtract: f32[2] and i32[2] have different element types; cast one "
       "of them"},
      {"DivideIntegers",
       with(i32({2}), i32({2}), [](auto x, auto y) { divide(x, y); }),
       "divide: needs floating point tensors, found i32[2] and i32[2]; cast "
       "them"},
      {"MaximumOfBool",
       with({DataType::Bool, {2}}, {DataType::Bool, {2}},
            [](auto x, auto y) { maximum(x, y); }),
       "maximum: has no meaning for bool[2]; cast it"},
      {"ExpOfInteger", with(i32({2}), i32({2}), [](auto x, auto) { exp(x); }),
       "exp: needs a floating point tensor, found i32[2]; cast it"},
      {"GeluOfInteger",
       with(i32({2}), i32({2}), [](auto x, auto) { gelu(x, GeluForm::Erf); }),
       "gelu: needs a floating point tensor, found i32[2]; cast it"},
      {"CastToInteger",
       with(f32({2}), f32({2}), [](auto x, auto) { cast(x, DataType::I32); }),
       "cast: cannot convert f32[2] to i32"},
      {"LessShapes",
       with(f32({2}), f32({3}), [](auto x, auto y) { less(x, y); }),
       "less: shapes [2] and [3] do not fit: aligned at their last dimension, "
       "extents must be equal or 1"},
      {"ChooseCondition",
       with(f32({2}), f32({2}), [](auto x, auto y) { choose(x, x, y); }),
       "choose: the condition is f32[2], expected bool[2]"},
      {"ReshapeElements",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { reshape(x, {4}); }),
       "reshape: f32[2, 3] has 6 elements, [4] takes 4"},
      {"ReshapeNegative",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { reshape(x, {-1, 3}); }),
       "reshape: f32[2, 3] cannot become f32[-1, 3]; every extent must be at "
       "least 1"},
      {"TransposePermutation",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { transpose(x, {0, 2}); }),
       "transpose: [0, 2] is no permutation of the 2 dimensions of f32[2, 3]"},
      {"SliceOutside",
       with(f32({2, 3}), f32({2}),
            [](auto x, auto) { slice(x, {1, 0}, {2, 3}); }),
       "slice: the box [2, 3] at [1, 0] is not inside of f32[2, 3]"},
      {"SplitUnequal",
       with(f32({2, 5}), f32({2}), [](auto x, auto) { split(x, 3); }),
       "split: the last dimension of f32[2, 5] does not divide into 3 equal "
       "parts"},
      {"SplitNegative",
       with(f32({2, 5}), f32({2}), [](auto x, auto) { split(x, -1); }),
       "split: the last dimension of f32[2, 5] does not divide into -1 equal "
       "parts"},
      {"BroadcastShape",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { broadcast(x, {3}); }),
       "broadcast: f32[2, 3] does not fit [3]; aligned at the last dimension, "
       "extents must be equal or 1"},
      {"MatmulInner",
       with(f32({2, 3}), f32({4, 5}), [](auto x, auto y) { matmul(x, y); }),
       "matmul: f32[2, 3] and f32[4, 5] do not fit: the left one has 3 "
       "columns, so the right one needs 3 rows and has 4"},
      {"MatmulTransposed",
       with(f32({2, 3}), f32({3, 5}),
            [](auto x, auto y) { matmul(x, y, false, true); }),
       "matmul: f32[2, 3] and f32[3, 5] transposed do not fit: the left one "
       "has 3 columns, so the right one needs 3 rows and has 5"},
      {"MatmulRank",
       with(f32({3}), f32({3, 5}), [](auto x, auto y) { matmul(x, y); }),
       "matmul: f32[3] and f32[3, 5] do not fit: both need at least two "
       "dimensions"},
      {"MatmulTypes",
       with(f32({2, 3}), {DataType::BF16, {3, 5}},
            [](auto x, auto y) { matmul(x, y); }),
       "matmul: f32[2, 3] and bf16[3, 5] do not fit: their element types "
       "differ; cast one of them"},
      {"MatmulLeading",
       with(f32({2, 3, 4}), f32({5, 4, 6}),
            [](auto x, auto y) { matmul(x, y); }),
       "matmul: f32[2, 3, 4] and f32[5, 4, 6] do not fit: the right one needs "
       "two dimensions or the leading dimensions of the left one"},
      {"LinearBias",
       with(f32({2, 3}), f32({3, 5}), [](auto x, auto y) { linear(x, y, x); }),
       "linear: shapes [2, 5] and [2, 3] do not fit: aligned at their last "
       "dimension, extents must be equal or 1"},
      {"LinearWeight",
       with(f32({2, 3}), f32({4, 5}),
            [](auto x, auto y) { linear(x, y, Tensor()); }),
       "linear: f32[2, 3] and f32[4, 5] do not fit: the left one has 3 "
       "columns, "
       "so the right one needs 3 rows and has 4"},
      {"LinearCrossEntropyTable",
       with(f32({2, 3}), f32({5, 4}),
            [](auto x, auto y) { linearCrossEntropy(x, y, x); }),
       "linearCrossEntropy: f32[2, 3] and f32[5, 4] transposed do not fit: the "
       "left one has 3 columns, so the right one needs 3 rows and has 4"},
      {"ReduceDimension",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { reduceSum(x, -3); }),
       "reduceSum: f32[2, 3] has no dimension -3"},
      {"SoftmaxOfNumber",
       with(f32({}), f32({}), [](auto x, auto) { softmax(x); }),
       "softmax: needs a dimension to work along"},
      {"LayerNormGain",
       with(f32({2, 3}), f32({2}),
            [](auto x, auto y) { layerNorm(x, y, y, 1e-5); }),
       "layerNorm: f32[2, 3] needs a gain f32[3], found f32[2]"},
      {"LayerNormOfNumber",
       with(f32({}), f32({2}),
            [](auto x, auto y) { layerNorm(x, y, y, 1e-5); }),
       "layerNorm: f32[] needs a gain of its last dimension, which it lacks, "
       "found f32[2]"},
      {"AttentionRank",
       with(f32({2, 3}), f32({2, 3}),
            [](auto x, auto y) { attention(x, y, y, {}); }),
       "attention: query f32[2, 3], key f32[2, 3] and value f32[2, 3] do not "
       "fit: expected [B, H, T, D] and two of [B, H, S, D]"},
      {"AttentionHeads",
       with(heads(DataType::F32, {1, 2, 3, 4}),
            heads(DataType::F32, {1, 5, 3, 4}),
            [](auto x, auto y) { attention(x, y, y, {}); }),
       "attention: query f32[1, 2, 3, 4], key f32[1, 5, 3, 4] and value "
       "f32[1, 5, 3, 4] do not fit: for this query the key and value need to "
       "be f32[1, 2, 3, 4]"},
      {"AttentionCausal",
       with(f32({1, 2, 3, 4}), f32({1, 2, 7, 4}),
            [](auto x, auto y) { attention(x, y, y, {}); }),
       "attention: query f32[1, 2, 3, 4], key f32[1, 2, 7, 4] and value "
       "f32[1, 2, 7, 4] do not fit: causal attention without positions needs "
       "as many keys as queries, found 7 and 3"},
      {"AttentionWindow",
       with(f32({1, 2, 3, 4}), f32({1, 2, 3, 4}),
            [](auto x, auto y) {
              AttentionOptions options;
              options.window = 0;
              attention(x, y, y, options);
            }),
       "attention: query f32[1, 2, 3, 4], key f32[1, 2, 3, 4] and value "
       "f32[1, 2, 3, 4] do not fit: a window is positive and goes with causal "
       "attention"},
      {"AttentionPositions",
       with(f32({1, 2, 3, 4}), i32({3}),
            [](auto x, auto y) {
              AttentionOptions options;
              options.positions = y;
              options.lengths = y;
              attention(x, x, x, options);
            }),
       "attention: query f32[1, 2, 3, 4], key f32[1, 2, 3, 4] and value "
       "f32[1, 2, 3, 4] do not fit: positions and lengths must be i32[1], "
       "found i32[3] and i32[3]"},
      {"CacheAppendPositions",
       with(f32({2, 2, 8, 4}), i32({3}),
            [](auto x, auto y) { cacheAppend(x, x, y, y); }),
       "cacheAppend: the cache f32[2, 2, 8, 4] takes rows f32[2, 2, T, 4] and "
       "positions and lengths i32[2], found f32[2, 2, 8, 4], i32[3] and "
       "i32[3]"},
      {"GatherIndices",
       with(f32({2, 3}), f32({2}), [](auto x, auto y) { gather(x, y); }),
       "gather: needs a table [V, C] and i32 indices, found f32[2, 3] and "
       "f32[2]"},
      {"SelectRowIndices",
       with(f32({2, 3, 4}), i32({3}), [](auto x, auto y) { selectRow(x, y); }),
       "selectRow: needs [B, T, C] and i32[2], found f32[2, 3, 4] and i32[3]"},
      {"IotaDimension", [](Graph &graph) { iota(graph, {2, 3}, 2); },
       "iota: 2 is no dimension of [2, 3]"},
      {"DropoutRate",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { dropout(x, 1, 7); }),
       "dropout: the rate of dropout is 1, expected at least 0 and less than "
       "1"},
      {"DropoutSeed",
       [](Graph &graph) {
         Tensor x = graph.argument("x", f32({2, 3}));
         dropout(x, 0.1, graph.scalarArgument("seed", DataType::F32));
       },
       "dropout: the seed of dropout is a scalar of i32"},
      {"TopKOfTooMany",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { topK(x, 257); }),
       "topK: needs a row, a k of 1 to 256 and no more pieces than elements of "
       "a row, found f32[2, 3], k 257 and 1 pieces"},
      {"TopKOfTooManyPieces",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { topK(x, 1, {4, {}}); }),
       "topK: needs a row, a k of 1 to 256 and no more pieces than elements of "
       "a row, found f32[2, 3], k 1 and 4 pieces"},
      {"TopKCarried",
       with(f32({2, 3}), i32({3}), [](auto x, auto y) { topK(x, 1, {1, y}); }),
       "topK: f32[2, 3] takes carried indices i32[2, 3], found i32[3]"},
      {"LogLikelihoodTargets",
       with(f32({2, 3, 7}), i32({2}),
            [](auto x, auto y) { logLikelihood(x, y); }),
       "logLikelihood: logits f32[2, 3, 7] need targets i32[2, 3], found "
       "i32[2]"},
      {"DimOutside",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { x.dim(2); }),
       "dim: f32[2, 3] has no dimension 2"},
      {"ParameterExtent",
       [](Graph &graph) {
         graph.parameter("w", f32({0, 3}), Initializer::zeros());
       },
       "declares 'w' as f32[0, 3]; every extent must be at least 1"},
      {"ParameterElements",
       [](Graph &graph) {
         graph.parameter("w", f32({int64_t(1) << 32, int64_t(1) << 32}),
                         Initializer::zeros());
       },
       "declares 'w' as f32[4294967296, 4294967296]; a tensor has at most "
       "1099511627776 elements"},
      {"ParameterDeviation",
       [](Graph &graph) {
         graph.parameter("w", f32({3}), Initializer::normal(0, -1));
       },
       "declares 'w' with a normal distribution of mean 0 and deviation -1; "
       "both must be finite in f32, and the deviation at least 0"},
      {"ParameterMean",
       [](Graph &graph) {
         graph.parameter("w", f32({3}), Initializer::normal(NAN, 1));
       },
       "declares 'w' with a normal distribution of mean nan and deviation 1; "
       "both must be finite in f32, and the deviation at least 0"},
      {"ParameterInfiniteDeviation",
       [](Graph &graph) {
         graph.parameter("w", f32({3}), Initializer::normal(0, INFINITY));
       },
       "declares 'w' with a normal distribution of mean 0 and deviation inf; "
       "both must be finite in f32, and the deviation at least 0"},
      {"ParameterConstant",
       [](Graph &graph) {
         graph.parameter("w", f32({3}), Initializer::constant(INFINITY));
       },
       "declares 'w' with the value inf; it must be finite in f32"},
      {"ParameterOfHalves",
       [](Graph &graph) {
         graph.parameter("w", {DataType::F16, {3}}, Initializer::constant(7e4));
       },
       "declares 'w' with the value 70000; it must be finite in f16"},
      {"ArgumentElements",
       [](Graph &graph) { argument(graph, "w", f32({3, int64_t(1) << 62})); },
       "has the argument 'w' as f32[3, 4611686018427387904]; a tensor has at "
       "most 1099511627776 elements"},
      {"ReshapeElementsThatOverflow",
       with(f32({2, 3}), f32({2}),
            [](auto x, auto) {
              reshape(x, {int64_t(1) << 32, int64_t(1) << 32, 6});
            }),
       "reshape: f32[2, 3] cannot become f32[4294967296, 4294967296, 6]; a "
       "tensor has at most 1099511627776 elements"},
      {"SliceThatOverflows",
       with(f32({2, 3}), f32({2}),
            [](auto x, auto) {
              slice(x, {std::numeric_limits<int64_t>::max(), 0}, {2, 3});
            }),
       "slice: the box [2, 3] at [9223372036854775807, 0] is not inside of "
       "f32[2, 3]"},
      {"BroadcastElements",
       with(f32({2}), f32({2}),
            [](auto x, auto) {
              broadcast(x, {int64_t(1) << 31, int64_t(1) << 31, 2});
            }),
       "broadcast: f32[2] cannot become f32[2147483648, 2147483648, 2]; a "
       "tensor has at most 1099511627776 elements"},
      {"BroadcastToNothing",
       with(f32({2}), f32({2}), [](auto x, auto) { broadcast(x, {0, 2}); }),
       "broadcast: f32[2] cannot become f32[0, 2]; every extent must be at "
       "least 1"},
      {"AddElements",
       with(f32({int64_t(1) << 32, 1}), f32({int64_t(1) << 32}),
            [](auto x, auto y) { add(x, y); }),
       "add: cannot make f32[4294967296, 4294967296]; a tensor has at most "
       "1099511627776 elements"},
      {"ConcatenateElements",
       with(f32({int64_t(1) << 40}), f32({1}),
            [](auto x, auto y) { concatenate({x, y}, 0); }),
       "concatenate: cannot make f32[1099511627777]; a tensor has at most "
       "1099511627776 elements"},
      {"IotaElements",
       [](Graph &graph) {
         iota(graph, {int64_t(1) << 32, int64_t(1) << 32}, 0);
       },
       "iota: cannot make i32[4294967296, 4294967296]; a tensor has at most "
       "1099511627776 elements"},
      {"MatmulElements",
       with(f32({int64_t(1) << 32, 1}), f32({1, int64_t(1) << 32}),
            [](auto x, auto y) { matmul(x, y); }),
       "matmul: f32[4294967296, 1] and f32[1, 4294967296] cannot make "
       "f32[4294967296, 4294967296]; a tensor has at most 1099511627776 "
       "elements"},
      {"GatherElements",
       with(f32({1, int64_t(1) << 32}), i32({int64_t(1) << 32}),
            [](auto x, auto y) { gather(x, y); }),
       "gather: f32[1, 4294967296] and i32[4294967296] cannot make "
       "f32[4294967296, 4294967296]; a tensor has at most 1099511627776 "
       "elements"},
      {"AttentionScores",
       with(f32({1, 1, int64_t(1) << 32, 1}), f32({2}),
            [](auto x, auto) { attention(x, x, x, {}); }),
       "attention: query f32[1, 1, 4294967296, 1], key f32[1, 1, 4294967296, "
       "1] and value f32[1, 1, 4294967296, 1] do not fit: they have more than "
       "281474976710656 scores"},
      {"ParameterElement",
       [](Graph &graph) {
         graph.parameter("w", {DataType::I64, {3}}, Initializer::zeros());
       },
       "declares 'w' as i64[3]; a parameter, which a checkpoint or an "
       "initializer fills, is of f32, bf16 or f16: cast what it gives, make a "
       "constant with full, or keep state in a counter or a cache"},
      {"CacheElement",
       [](Graph &graph) { graph.cache("w", {DataType::I64, {3}}); },
       "declares 'w' as i64[3]; tensors are of f32, bf16, f16, f64, i32 or "
       "bool"},
      {"AssignUndeclared",
       with(f32({2}), f32({2}),
            [](Tensor x, auto) { x.graph()->assign("c", x); }),
       "assigns 'c', which is not declared"},
      {"AssignShape",
       with(f32({2}), f32({2}),
            [](Tensor x, auto) {
              x.graph()->cache("c", f32({3}));
              x.graph()->assign("c", x);
            }),
       "assigns f32[2] to 'c' of type f32[3]"},
      {"ArgumentTwice",
       with(f32({2}), f32({2}),
            [](Tensor x, auto) { x.graph()->argument("x", f32({2})); }),
       "has the argument 'x' a second time"},
      {"ResultTwice",
       with(f32({2}), f32({2}),
            [](Tensor x, auto y) {
              x.graph()->result("r", x);
              x.graph()->result("r", y);
            }),
       "has the result 'r' a second time"},
      {"MatmulOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto y) { matmul(x, y); }),
       "matmul: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"SoftmaxOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto) { softmax(x); }),
       "softmax: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"LayerNormOfIntegers",
       with(i32({2, 3}), i32({2}),
            [](auto x, auto y) { layerNorm(x, y, y, 1e-5); }),
       "layerNorm: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"ReduceMaxOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto) { reduceMax(x, 0); }),
       "reduceMax: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"AttentionOfIntegers",
       with(i32({1, 2, 3, 4}), i32({2}),
            [](auto x, auto) { attention(x, x, x, {}); }),
       "attention: needs a floating point tensor, found i32[1, 2, 3, 4]; cast "
       "it"},
      {"GatherOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto y) { gather(x, y); }),
       "gather: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"CacheAppendOfIntegers",
       with(i32({1, 2, 3, 4}), i32({2}),
            [](auto x, auto y) { cacheAppend(x, x, y, y); }),
       "cacheAppend: needs a floating point tensor, found i32[1, 2, 3, 4]; "
       "cast it"},
      {"SelectRowOfIntegers",
       with(i32({1, 2, 3}), i32({2}), [](auto x, auto y) { selectRow(x, y); }),
       "selectRow: needs a floating point tensor, found i32[1, 2, 3]; cast it"},
      {"TopKOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto) { topK(x, 1); }),
       "topK: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"LogLikelihoodOfIntegers",
       with(i32({2, 3}), i32({2}), [](auto x, auto y) { logLikelihood(x, y); }),
       "logLikelihood: needs a floating point tensor, found i32[2, 3]; cast "
       "it"},
      {"ParameterWithoutAName",
       [](Graph &graph) {
         graph.parameter("", f32({3}), Initializer::zeros());
       },
       "declares a variable (parameter) without a name; give it one"},
      {"StateWithoutAName",
       [](Graph &graph) { graph.optimizerState("", f32({3})); },
       "declares a variable (optimizer) without a name; give it one"},
      {"CounterWithoutAName", [](Graph &graph) { graph.counter("", i32({3})); },
       "declares a variable (counter) without a name; give it one"},
      {"CacheWithoutAName", [](Graph &graph) { graph.cache("", f32({3})); },
       "declares a variable (cache) without a name; give it one"},
      {"PieceWithoutAName",
       [](Graph &graph) {
         graph.parameter("w", f32({3}), Initializer::zeros(), {{"x"}, {""}});
       },
       "makes 'w' of a tensor of the checkpoint without a name; give it one"},
      {"ArgumentWithoutAName",
       [](Graph &graph) { graph.argument("", f32({3})); },
       "has an argument without a name; give it one"},
      {"ScalarWithoutAName",
       [](Graph &graph) { graph.scalarArgument("", DataType::F32); },
       "has a scalar argument without a name; give it one"},
      {"ResultWithoutAName",
       with(f32({2}), f32({2}),
            [](Tensor x, auto) { x.graph()->result("", x); }),
       "has a result without a name; give it one"},
      {"LayerNormEpsilon",
       with(f32({2, 3}), f32({3}),
            [](auto x, auto y) { layerNorm(x, y, y, -1.0); }),
       "layerNorm: the epsilon is -1, expected more than 0"},
      {"LayerNormEpsilonThatIsNoNumber",
       with(f32({2, 3}), f32({3}),
            [](auto x, auto y) { layerNorm(x, y, y, NAN); }),
       "layerNorm: the epsilon is nan, expected more than 0"},
      {"LayerNormEpsilonThatIsInfinite",
       with(f32({2, 3}), f32({3}),
            [](auto x, auto y) { layerNorm(x, y, y, INFINITY); }),
       "layerNorm: cannot compute with inf, which is not finite in f32"},
      {"AttentionScale",
       with(f32({1, 2, 3, 4}), f32({2}),
            [](auto x, auto) {
              AttentionOptions options;
              options.scale = NAN;
              attention(x, x, x, options);
            }),
       "attention: cannot compute with nan, which is not finite in f32"},
      {"ScaleByNoNumber",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { scale(x, NAN); }),
       "scale: the factor is nan, expected a finite number"},
      {"ScaleByInfinity",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { scale(x, INFINITY); }),
       "scale: the factor is inf, expected a finite number"},
      {"ScaleOfIntegers",
       with(i32({2, 3}), f32({2}), [](auto x, auto) { scale(x, 0.5); }),
       "scale: cannot fill i32[2, 3] with 0.5, which it does not hold"},
      {"FullOfNoNumber",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { full(x, NAN); }),
       "full: cannot fill f32[2, 3] with nan, which is no number"},
      {"FullOfAFraction",
       with(i32({2, 3}), f32({2}), [](auto x, auto) { full(x, 0.5); }),
       "full: cannot fill i32[2, 3] with 0.5, which it does not hold"},
      {"FullOfALargeInteger",
       with(i32({2, 3}), f32({2}), [](auto x, auto) { full(x, 3e9); }),
       "full: cannot fill i32[2, 3] with 3000000000, which it does not hold"},
      {"ReduceMeanDimension",
       with(f32({2, 3}), f32({2}), [](auto x, auto) { reduceMean(x, -9); }),
       "reduceMean: f32[2, 3] has no dimension -9"},
      {"ReduceMeanOfIntegers",
       with(i32({2, 3}), f32({2}), [](auto x, auto) { reduceMean(x, 0); }),
       "reduceMean: needs a floating point tensor, found i32[2, 3]; cast it"},
      {"CrossEntropyTargets",
       with(f32({2, 3, 7}), i32({2}),
            [](auto x, auto y) { crossEntropy(x, y); }),
       "crossEntropy: logits f32[2, 3, 7] need targets i32[2, 3], found "
       "i32[2]"},
      {"LinearCrossEntropyTargets",
       with(f32({2, 3}), i32({3}),
            [](auto x, auto y) { linearCrossEntropy(x, x, y); }),
       "linearCrossEntropy: logits f32[2, 2] need targets i32[2], found "
       "i32[3]"},
      {"LinearLogLikelihoodTargets",
       with(f32({2, 3}), i32({3}),
            [](auto x, auto y) { linearLogLikelihood(x, x, y); }),
       "linearLogLikelihood: logits f32[2, 2] need targets i32[2], found "
       "i32[3]"},
      {"EntryInside", [](Graph &graph) { graph.beginEntry("other"); },
       "begins the entry 'other' inside of another"},
  };
  return all;
}

class FrontendErrors : public testing::TestWithParam<Mistake> {};

TEST_P(FrontendErrors, NameThePlaceTheShapesAndWhatWouldFit) {
  Graph graph;
  graph.beginEntry("main");
  {
    Scope outer(graph, "h.0");
    Scope inner(graph, "mlp");
    GetParam().make(graph);
  }
  graph.endEntry();
  auto lines = linesOf(graph.finish());
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], StartsWith("FrontendErrorsTest.cpp:"));
  EXPECT_THAT(lines[0],
              EndsWith(": in 'h.0/mlp' of 'main': " + GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Operators, FrontendErrors,
                         testing::ValuesIn(mistakes()),
                         [](const testing::TestParamInfo<Mistake> &info) {
                           return info.param.name;
                         });

TEST(FrontendErrorsOfAGraph, ParametersAreOfTypesThatWeightsHave) {
  for (DataType type : {DataType::F64, DataType::I32, DataType::Bool})
    for (Initializer init :
         {Initializer::normal(0, 1), Initializer::constant(3)}) {
      Graph graph;
      graph.beginEntry("main");
      unsigned line = __LINE__ + 1;
      graph.parameter("i", {type, {8}}, init);
      // State of these types has calls of its own.
      graph.cache("state", {type, {8}});
      graph.endEntry();
      EXPECT_THAT(linesOf(graph.finish()),
                  ElementsAre(StartsWith(fmt::format(
                      "FrontendErrorsTest.cpp:{}: in 'main': declares 'i' as "
                      "{}[8]; a parameter, which a checkpoint or an "
                      "initializer fills, is of f32, bf16 or f16: ",
                      line, toString(type)))));
    }
}

TEST(FrontendErrorsOfAGraph, WhatIsDeclaredAgainIsDeclaredTheSame) {
  using Init = Initializer;
  Graph graph;
  graph.beginEntry("main");
  unsigned first = __LINE__ + 1;
  graph.parameter("w", f32({3}), Init::zeros());
  graph.parameter("w", f32({3}), Init::zeros());
  graph.parameter("w", f32({4}), Init::zeros());
  graph.cache("w", f32({3}));
  graph.parameter("w", {DataType::BF16, {3}}, Init::zeros());
  graph.parameter("w", f32({3}), Init::ones());
  graph.parameter("w", f32({3}), Init::normal(0, 0.5));
  graph.parameter("w", f32({3}), Init::zeros(), {{"other"}});
  graph.endEntry();
  // Nor in another entry otherwise.
  graph.beginEntry("second");
  graph.parameter("w", f32({3}), Init::zeros());
  graph.parameter("w", f32({3}), Init::constant(2));
  graph.endEntry();
  std::string at = "FrontendErrorsTest.cpp:" + std::to_string(first);
  EXPECT_THAT(
      linesOf(graph.finish()),
      ElementsAre(
          EndsWith("uses 'w' as parameter f32[4], but it was declared at " +
                   at + " as parameter f32[3]"),
          EndsWith("uses 'w' as cache f32[3], but it was declared at " + at +
                   " as parameter f32[3]"),
          EndsWith("uses 'w' as parameter bf16[3], but it was declared at " +
                   at + " as parameter f32[3]"),
          EndsWith("declares 'w' with the value 1, but it was declared at " +
                   at +
                   " with the value 0; give both the same, or one another "
                   "name"),
          EndsWith("declares 'w' with a normal distribution of mean 0 and "
                   "deviation 0.5, but it was declared at " +
                   at +
                   " with the value 0; give both the same, or one another "
                   "name"),
          EndsWith("declares 'w' as made of other tensors of a checkpoint than "
                   "at " +
                   at + "; give both the same, or one another name"),
          EndsWith("in 'second': declares 'w' with the value 2, but it was "
                   "declared at " +
                   at +
                   " with the value 0; give both the same, or one another "
                   "name")));
}

TEST(FrontendErrorsOfAGraph, EntriesHaveNames) {
  Graph graph;
  graph.beginEntry("");
  graph.result("r", graph.argument("x", f32({2})));
  graph.endEntry();
  EXPECT_THAT(
      linesOf(graph.finish()),
      ElementsAre(EndsWith(": begins an entry without a name; give it one")));
}

/// Infinity is what masks are filled with, and small numbers are numbers.
TEST(FrontendErrorsOfAGraph, NumbersThatOperatorsTake) {
  Graph graph;
  graph.beginEntry("main");
  Tensor x = graph.argument("x", f32({2, 3})),
         i = graph.argument("i", i32({3}));
  full(x, -INFINITY);
  full(i, -2147483648.0);
  full(less(i, i), 1);
  Tensor row = reshape(slice(x, {0, 0}, {1, 3}), {3});
  graph.result("r", layerNorm(scale(x, -0.5), row, row, 1e-12));
  graph.endEntry();
  Status status = graph.finish();
  EXPECT_TRUE(status) << status.error().message();
}

TEST(FrontendErrorsOfAGraph, AllAreReportedInOrderAndNoneTwice) {
  Graph graph;
  graph.beginEntry("main");
  Tensor x = graph.argument("x", f32({2, 3}));
  Tensor y = graph.argument("y", f32({4}));
  unsigned first = __LINE__ + 1;
  Tensor wrong = x + y;
  // What follows from a wrong value is not another error.
  Tensor silent = exp(reshape(wrong, {17}) + x);
  EXPECT_FALSE(silent.valid());
  EXPECT_EQ(silent.dim(0), 1);
  unsigned second = __LINE__ + 1;
  matmul(x, y);
  graph.result("r", silent);
  graph.endEntry();
  auto begins = [](unsigned line) {
    return StartsWith("FrontendErrorsTest.cpp:" + std::to_string(line) +
                      ": in 'main': ");
  };
  EXPECT_THAT(linesOf(graph.finish()),
              ElementsAre(begins(first), begins(second)));
}

TEST(FrontendErrorsOfAGraph, AreToldForTheFirstEntryThatHasThem) {
  Graph graph;
  for (int64_t rows : {16, 512}) {
    graph.beginEntry("prefill_" + std::to_string(rows));
    Tensor x = graph.argument("x", f32({rows, 3}));
    for (const char *layer : {"h.0", "h.1"}) {
      Scope scope(graph, layer);
      reshape(x, {5});
    }
    graph.endEntry();
  }
  EXPECT_THAT(linesOf(graph.finish()),
              ElementsAre(HasSubstr("in 'h.0' of 'prefill_16': reshape"),
                          HasSubstr("in 'h.1' of 'prefill_16': reshape")));
}

TEST(FrontendErrorsOfAGraph, TensorsStayInTheirEntryAndGraph) {
  Graph graph, other;
  other.beginEntry("main");
  graph.beginEntry("first");
  Tensor x = graph.argument("x", f32({2})), y = other.argument("y", f32({2}));
  add(x, y);
  graph.endEntry();
  graph.beginEntry("second");
  exp(x);
  graph.endEntry();
  exp(x);
  EXPECT_THAT(
      linesOf(graph.finish()),
      ElementsAre(
          EndsWith("in 'first': uses a tensor of another entry or graph; read "
                   "it again"),
          EndsWith("in 'second': uses a tensor of another entry or graph; read "
                   "it again"),
          EndsWith(": is outside of an entry; call beginEntry first")));
}

TEST(FrontendErrorsOfAGraph, EntriesBeginOnceAndEnd) {
  Graph graph;
  graph.beginEntry("main");
  graph.endEntry();
  graph.beginEntry("main");
  unsigned line = __LINE__ + 1;
  graph.beginEntry("open");
  EXPECT_THAT(
      linesOf(graph.finish()),
      ElementsAre(EndsWith(": begins the entry 'main' a second time"),
                  "FrontendErrorsTest.cpp:" + std::to_string(line) +
                      ": in 'open': begins an entry that nothing ends; call "
                      "endEntry"));
}

TEST(FrontendErrorsOfAGraph, ARightGraphHasNone) {
  Graph graph;
  graph.beginEntry("main");
  Tensor x = graph.argument("x", f32({2, 3}));
  EXPECT_EQ(x.dim(-1), 3);
  graph.result("r", x + x);
  graph.endEntry();
  Status status = graph.finish();
  EXPECT_TRUE(status) << status.error().message();
}

} // namespace
} // namespace gptc
