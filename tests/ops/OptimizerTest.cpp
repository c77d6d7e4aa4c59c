//===- OptimizerTest.cpp - Optimizers of the DSL against their papers -----===//
//
// A loss with a known gradient, several steps; what each optimizer makes of it
// is computed again from the formulas, in double.
//
//===----------------------------------------------------------------------===//

#include "CompiledGraph.h"
#include "GradientGraph.h"

#include "gptc/frontend/Optimizers.h"

#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gptc::tests {
namespace {

constexpr double rate = 0.03;
constexpr int steps = 5;

using Values = std::vector<double>;

/// The parameters of the graph below: a matrix and a bias, which does not
/// decay.
struct Weights {
  Values matrix, bias;
};

struct Optimizer {
  std::string name;
  double most = 0; ///< Norm of the gradients at most; 0: any.
  std::function<void(Graph &, const std::vector<Trained> &, Scalar)> build;
  /// The next value of one element; `state` is its own, zero at first.
  std::function<double(double value, double slope, int step, bool decays,
                       double state[2])>
      next;
};

Optimizer adamOf(const std::string &name, const AdamOptions &options,
                 double most = 0) {
  auto build = [options](Graph &graph, const std::vector<Trained> &trained,
                         Scalar learningRate) {
    adam(graph, trained, learningRate, options);
  };
  auto next = [options](double value, double slope, int step, bool decays,
                        double state[2]) {
    double decay = decays ? options.decay : 0;
    if (options.decoupled)
      value -= rate * decay * value;
    else
      slope += decay * value;
    state[0] = options.beta1 * state[0] + (1 - options.beta1) * slope;
    state[1] = options.beta2 * state[1] + (1 - options.beta2) * slope * slope;
    double mean = state[0] / (1 - std::pow(options.beta1, step));
    double square = state[1] / (1 - std::pow(options.beta2, step));
    return value - rate * mean / (std::sqrt(square) + options.epsilon);
  };
  return {name, most, build, next};
}

Optimizer sgdOf(const std::string &name, const SgdOptions &options) {
  auto build = [options](Graph &graph, const std::vector<Trained> &trained,
                         Scalar learningRate) {
    sgd(graph, trained, learningRate, options);
  };
  auto next = [options](double value, double slope, int, bool decays,
                        double state[2]) {
    if (decays)
      slope += options.decay * value;
    state[0] = options.momentum * state[0] + slope;
    return value - rate * (options.nesterov
                               ? slope + options.momentum * state[0]
                               : state[0]);
  };
  return {name, 0, build, next};
}

std::vector<Optimizer> optimizers() {
  AdamOptions l2{.decay = 0.3, .decoupled = false};
  AdamOptions large{.beta1 = 0.5, .beta2 = 0.95, .epsilon = 1e-2};
  AdamOptions all{.decay = 0.3,
                  .decays = [](const Parameter &) { return true; }};
  return {adamOf("adam", {}),
          adamOf("adam_with_decay", {.decay = 0.3}),
          adamOf("adam_with_l2", l2),
          adamOf("adam_with_other_numbers", large),
          adamOf("adam_clipped", {.decay = 0.1}, 0.7),
          adamOf("adam_hardly_clipped", {}, 1e6),
          sgdOf("sgd", {}),
          sgdOf("sgd_without_momentum", {.momentum = 0}),
          sgdOf("sgd_with_nesterov", {.decay = 0.2, .nesterov = true})};
}

constexpr int64_t rows = 7, columns = 11;
constexpr double spread = 3; ///< Second derivative of the bias's loss.

/// Half of the squared distance of the matrix from a target, and of the bias
/// from zero: a gradient that everybody knows.
void buildStep(Graph &graph, const Optimizer &optimizer) {
  TensorType matrixType{DataType::F32, {rows, columns}};
  graph.beginEntry("train_step");
  Tensor target = graph.argument("target", matrixType);
  Scalar learningRate = graph.scalarArgument("learning_rate", DataType::F32);
  Tensor matrix = graph.parameter("matrix", matrixType, Initializer::ones());
  Tensor bias = graph.parameter("bias", {DataType::F32, {columns}},
                                Initializer::constant(-2));
  Tensor distance = matrix - target;
  Tensor loss = scale(reduceSum(reduceSum(distance * distance, 1), 0), 0.5) +
                scale(reduceSum(bias * bias, 0), 0.5 * spread);
  std::vector<Trained> trained = gradientsOf(graph, loss);
  Tensor norm;
  if (optimizer.most > 0)
    norm = clipByGlobalNorm(trained, optimizer.most);
  optimizer.build(graph, trained, learningRate);
  graph.result("loss", loss);
  if (norm.valid())
    graph.result("gradient_norm", norm);
  graph.endEntry();
}

double targetOf(size_t element) { return std::sin(double(element) + 1); }

/// Steps as the papers have them; returns the norm of the last gradients
/// before they are clipped.
double expectedAfter(const Optimizer &optimizer, Weights &weights) {
  weights = {Values(rows * columns, 1), Values(columns, -2)};
  std::vector<std::array<double, 2>> states(rows * columns + columns);
  double norm = 0;
  for (int step = 1; step <= steps; ++step) {
    Values slopes;
    for (size_t i = 0; i < weights.matrix.size(); ++i)
      slopes.push_back(weights.matrix[i] - float(targetOf(i)));
    for (double value : weights.bias)
      slopes.push_back(spread * value);
    norm = 0;
    for (double slope : slopes)
      norm += slope * slope;
    norm = std::sqrt(norm);
    double factor =
        optimizer.most > 0 ? std::min(1.0, optimizer.most / (norm + 1e-6)) : 1;
    for (size_t i = 0; i < slopes.size(); ++i) {
      bool inMatrix = i < weights.matrix.size();
      double &value = inMatrix ? weights.matrix[i]
                               : weights.bias[i - weights.matrix.size()];
      value = optimizer.next(value, factor * slopes[i], step, inMatrix,
                             states[i].data());
    }
  }
  return norm;
}

void expectNear(const HostTensor &found, const Values &expected,
                double tolerance) {
  ASSERT_EQ(found.values.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found.values[i], expected[i], tolerance) << i;
}

class OptimizerTest : public testing::TestWithParam<Optimizer> {
protected:
  void SetUp() override {
    norm = expectedAfter(GetParam(), expected);
    target = {DataType::F32, {rows, columns}, {}};
    for (size_t i = 0; i < rows * columns; ++i)
      target.values.push_back(float(targetOf(i)));
    start["matrix"] = {
        DataType::F32, {rows, columns}, Values(rows * columns, 1)};
    start["bias"] = {DataType::F32, {columns}, Values(columns, -2)};
  }

  /// Runs the steps by `run`, and compares what they leave.
  void check(const std::function<Expected<HostTensors>(HostVariables &)> &run,
             double tolerance) {
    HostVariables variables = start;
    double lastNorm = 0, firstLoss = 0, lastLoss = 0;
    for (int step = 0; step < steps; ++step) {
      auto results = run(variables);
      ASSERT_TRUE(results) << results.error().message();
      lastLoss = (*results)[0].values[0];
      if (step == 0)
        firstLoss = lastLoss;
      if (results->size() > 1)
        lastNorm = (*results)[1].values[0];
    }
    EXPECT_LT(lastLoss, firstLoss);
    if (GetParam().most > 0)
      EXPECT_NEAR(lastNorm, norm, 1e-5 * norm);
    expectNear(variables["matrix"], expected.matrix, tolerance);
    expectNear(variables["bias"], expected.bias, tolerance);
  }

  Weights expected;
  double norm = 0;
  HostTensor target;
  HostVariables start;
};

TEST_P(OptimizerTest, IsWhatThePaperSaysOnTheReference) {
  Graph graph;
  buildStep(graph, GetParam());
  Status status = graph.finish();
  ASSERT_TRUE(status) << status.error().message();
  Status differentiated = differentiate(graph);
  ASSERT_TRUE(differentiated) << differentiated.error().message();
  // A learning rate and the constants of the graph are f32.
  check(
      [&](HostVariables &variables) {
        return interpret(entryOf(graph, "train_step"),
                         {target, {DataType::F32, {}, {float(rate)}}},
                         variables);
      },
      1e-6);
}

TEST_P(OptimizerTest, IsWhatThePaperSaysOnTheCpu) {
  Graph graph;
  buildStep(graph, GetParam());
  auto compiled = CompiledGraph::compile(graph);
  ASSERT_TRUE(compiled) << compiled.error().message();
  for (const std::string &variant : (*compiled)->variants())
    for (unsigned threads : {1U, 3U}) {
      SCOPED_TRACE(fmt::format("{}, {} threads", variant, threads));
      check(
          [&](HostVariables &variables) {
            return (*compiled)->run(
                "train_step", variant, threads,
                {target, {DataType::F32, {}, {float(rate)}}}, variables);
          },
          1e-5);
    }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, OptimizerTest,
                         testing::ValuesIn(optimizers()),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace gptc::tests
