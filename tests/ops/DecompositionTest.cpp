//===- DecompositionTest.cpp - High-level ops and their primitives --------===//
//
// What a high-level op computes is also said by simpler ones. Both forms stand
// in one graph, and the interpreter runs both.
//
//===----------------------------------------------------------------------===//

#include "gptc/optable/OpTable.h"

#include "gptc/frontend/GraphState.h"

#include "mlir/IR/Verifier.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numbers>

namespace gptc::tests {

using namespace optable;

namespace {

/// Builds results in pairs that must be equal, and runs them.
void expectEqualPairs(const OpCase &opCase) {
  Graph graph;
  Status built = buildGraph(graph, opCase);
  ASSERT_TRUE(built) << built.error().message();
  auto [arguments, variables] =
      partInputs(opCase.inputs, makeInputs(opCase.inputs, opCase.name));
  auto results = interpret(entryOf(graph), arguments, variables);
  ASSERT_TRUE(results) << results.error().message();
  ASSERT_GT(results->size(), 0u);
  ASSERT_EQ(results->size() % 2, 0u);
  for (size_t i = 0; i < results->size(); i += 2) {
    auto unequal = difference((*results)[i], (*results)[i + 1], 1e-12);
    EXPECT_FALSE(unequal) << "pair " << i / 2 << ": " << *unequal;
  }
}

/// In f64, so that constants of the formulas are not rounded to f32.
OpInput input(const std::string &name, const Shape &shape) {
  return {name, {DataType::F64, shape}, -3, 3};
}

/// One value a row, repeated along the row.
Tensor alongRow(const Tensor &x, const Tensor &like) {
  Shape shape = x.shape();
  shape.push_back(1);
  return broadcast(reshape(x, shape), like.shape());
}

Tensor softmaxOf(const Tensor &x) {
  Tensor exponentials = exp(x - alongRow(reduceMax(x, -1), x));
  return exponentials / alongRow(reduceSum(exponentials, -1), x);
}

Tensor sigmoid(const Tensor &x) {
  return full(x, 1) / (full(x, 1) + exp(negate(x)));
}

TEST(Decomposition, Gelu) {
  OpCase opCase{"decomposition/gelu", {input("x", {7, 67})}, {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    const Tensor &x = in[0];
    Tensor half = scale(x, 0.5), one = full(x, 1);
    Tensor cube = x * (x * x);
    Tensor inner =
        scale(x + scale(cube, 0.044715), std::sqrt(2 / std::numbers::pi));
    return std::vector<Tensor>{
        gelu(x, GeluForm::Erf),
        half * (one + erf(scale(x, 1 / std::numbers::sqrt2))),
        gelu(x, GeluForm::Tanh),
        half * (one + tanh(inner)),
        gelu(x, GeluForm::Sigmoid),
        x * sigmoid(scale(x, 1.702))};
  };
  expectEqualPairs(opCase);
}

TEST(Decomposition, SiluAndRelu) {
  OpCase opCase{"decomposition/silu", {input("x", {5, 13})}, {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    const Tensor &x = in[0];
    return std::vector<Tensor>{
        silu(x), x * sigmoid(x),
        relu(x), maximum(x, full(x, 0)),
        relu(x), choose(less(x, full(x, 0)), full(x, 0), x)};
  };
  expectEqualPairs(opCase);
}

TEST(Decomposition, Softmax) {
  OpCase opCase{"decomposition/softmax", {input("x", {2, 5, 97})}, {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{softmax(in[0]), softmaxOf(in[0])};
  };
  expectEqualPairs(opCase);
}

TEST(Decomposition, LayerNorm) {
  OpCase opCase{
      "decomposition/layer_norm",
      {input("x", {3, 5, 67}), input("gain", {67}), input("bias", {67})},
      {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    const Tensor &x = in[0];
    Tensor centered = x - alongRow(reduceMean(x, -1), x);
    Tensor variance = reduceMean(centered * centered, -1);
    Tensor epsilon = full(variance, double(1e-5f));
    Tensor normal = centered * alongRow(rsqrt(variance + epsilon), x);
    return std::vector<Tensor>{layerNorm(x, in[1], in[2], 1e-5),
                               normal * in[1] + in[2]};
  };
  expectEqualPairs(opCase);
}

TEST(Decomposition, LogLikelihood) {
  OpCase opCase{"decomposition/log_likelihood",
                {input("logits", {5, 7, 13}),
                 {"targets", {DataType::I32, {5, 7}}, -1, 12}},
                {}};
  opCase.build = [](Graph &graph, const std::vector<Tensor> &in) {
    const Tensor &logits = in[0];
    // A negative target is no class, so that its row sums to zero.
    Tensor classes = iota(graph, logits.shape(), 2);
    Tensor hits = cast(equal(classes, alongRow(in[1], logits)), DataType::F64);
    Tensor chosen = reduceSum(hits * log(softmaxOf(logits)), -1);
    return std::vector<Tensor>{logLikelihood(logits, in[1]), chosen};
  };
  expectEqualPairs(opCase);
}

/// Attention with a mask of bools [B, H, T, S] built from the positions.
Tensor attentionOf(const std::vector<Tensor> &in, const Tensor &visible,
                   double factor) {
  Tensor scores = scale(matmul(in[0], in[1], false, true), factor);
  Tensor masked = choose(visible, scores, full(scores, -1e30));
  return matmul(softmaxOf(masked), in[2]);
}

TEST(Decomposition, DenseAndBandedAttention) {
  OpCase opCase{"decomposition/attention",
                {input("query", {2, 3, 11, 5}), input("key", {2, 3, 11, 5}),
                 input("value", {2, 3, 11, 5})},
                {}};
  opCase.build = [](Graph &graph, const std::vector<Tensor> &in) {
    Shape pairs = {2, 3, 11, 11};
    Tensor row = iota(graph, pairs, 2), column = iota(graph, pairs, 3);
    Tensor age = row - column, zero = full(age, 0);
    Tensor young = less(age, full(age, 4));
    Tensor past = lessEqual(zero, age);
    Tensor band = choose(past, young, past);
    AttentionOptions options;
    options.scale = 0.5;
    AttentionOptions all = options, banded = options;
    all.causal = false;
    banded.window = 4;
    return std::vector<Tensor>{attention(in[0], in[1], in[2], options),
                               attentionOf(in, past, 0.5),
                               attention(in[0], in[1], in[2], banded),
                               attentionOf(in, band, 0.5),
                               attention(in[0], in[1], in[2], all),
                               attentionOf(in, equal(row, row), 0.5)};
  };
  expectEqualPairs(opCase);
}

TEST(Decomposition, AttentionOverACache) {
  TensorType index{DataType::I32, {2}};
  OpCase opCase{"decomposition/cached_attention",
                {input("query", {2, 3, 4, 5}),
                 input("key", {2, 3, 17, 5}),
                 input("value", {2, 3, 17, 5}),
                 {"positions", index, 0, 0, Source::Argument, {3, 13}},
                 {"lengths", index, 0, 0, Source::Argument, {4, 4}}},
                {}};
  opCase.build = [](Graph &graph, const std::vector<Tensor> &in) {
    Shape pairs = {2, 3, 4, 17};
    Tensor start = broadcast(reshape(in[3], {2, 1, 1, 1}), pairs);
    Tensor row = iota(graph, pairs, 2) + start;
    Tensor past = lessEqual(iota(graph, pairs, 3), row);
    AttentionOptions options;
    options.positions = in[3];
    options.lengths = in[4];
    return std::vector<Tensor>{attention(in[0], in[1], in[2], options),
                               attentionOf(in, past, 1)};
  };
  expectEqualPairs(opCase);
}

/// The dialect's own decompositions, which the passes use.
TEST(Decomposition, OfTheDialect) {
  for (DataType type : floatTypes) {
    OpCase opCase{"decomposition/of_the_dialect",
                  {{"x", {type, {2, 5, 13}}},
                   {"gain", {type, {13}}, 0.5, 1.5},
                   {"bias", {type, {13}}}},
                  {}};
    opCase.build = [](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{layerNorm(in[0], in[1], in[2], 0.5),
                                 softmax(in[0])};
    };
    Graph graph;
    ASSERT_TRUE(buildGraph(graph, opCase));
    HostTensors inputs = makeInputs(opCase.inputs, opCase.name);
    HostVariables variables;
    mlir::func::FuncOp entry = entryOf(graph);
    auto whole = interpret(entry, inputs, variables);
    ASSERT_TRUE(whole) << whole.error().message();

    size_t decomposed = 0;
    entry.walk([&](mlir::Operation *op) {
      mlir::OpBuilder builder(op);
      mlir::Value parts;
      if (auto norm = llvm::dyn_cast<ir::LayerNormOp>(op)) {
        parts = norm.decompose(builder);
      } else if (auto softmaxOp = llvm::dyn_cast<ir::SoftmaxOp>(op)) {
        parts = softmaxOp.decompose(builder);
      } else {
        return;
      }
      op->getResult(0).replaceAllUsesWith(parts);
      op->erase();
      ++decomposed;
    });
    EXPECT_EQ(decomposed, 2u);
    ASSERT_TRUE(mlir::succeeded(mlir::verify(entry)));
    auto parts = interpret(entry, inputs, variables);
    ASSERT_TRUE(parts) << parts.error().message();
    for (size_t i = 0; i < 2; ++i) {
      // The decomposed norm rounds its result to the type.
      double allowed = type == DataType::F64    ? 1e-12
                       : type == DataType::F32  ? 0x1p-23
                       : type == DataType::BF16 ? 0x1p-8
                                                : 0x1p-11;
      auto unequal = difference((*whole)[i], (*parts)[i], allowed);
      EXPECT_FALSE(unequal) << "result " << i << ": " << *unequal;
    }
  }
}

} // namespace
} // namespace gptc::tests
