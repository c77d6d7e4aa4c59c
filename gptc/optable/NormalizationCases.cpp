//===- NormalizationCases.cpp - Reductions, norms, likelihoods ------------===//

#include "gptc/optable/OpTable.h"

#include <cmath>
#include <fmt/format.h>

namespace gptc::optable {

namespace {

std::vector<std::pair<DataType, Shape>> everyTypeAndShape() {
  const Shape shapes[] = {{1}, {13}, {5, 1}, {7, 11}, {2, 3, 67}, {3, 130}};
  std::vector<std::pair<DataType, Shape>> pairs;
  for (DataType type : floatTypes)
    pairs.push_back({type, {7, 11}});
  for (const Shape &shape : shapes)
    if (shape != Shape{7, 11})
      pairs.push_back({DataType::F32, shape});
  return pairs;
}

/// Applies a function of one row to each row of the input.
Expectation
eachRow(const HostTensor &x,
        const std::function<std::vector<double>(std::vector<double>)> &of) {
  size_t extent = size_t(x.shape.back());
  std::vector<double> values;
  for (size_t start = 0; start < x.values.size(); start += extent)
    for (double value : of({x.values.begin() + long(start),
                            x.values.begin() + long(start + extent)}))
      values.push_back(value);
  return {values};
}

void addReductions(std::vector<OpCase> &table) {
  struct Reduction {
    const char *name;
    Tensor (*op)(const Tensor &, int64_t, Where);
    double start;
    double (*step)(double, double);
    bool isMean;
  };
  const Reduction reductions[] = {
      {"reduceSum", reduceSum, 0, [](double a, double b) { return a + b; },
       false},
      {"reduceMax", reduceMax, -INFINITY,
       [](double a, double b) { return std::max(a, b); }, false},
      {"reduceMean", reduceMean, 0, [](double a, double b) { return a + b; },
       true}};
  auto add = [&](const Reduction &reduction, DataType type, const Shape &shape,
                 int64_t dimension) {
    OpCase made{fmt::format("{}/{}over{}", reduction.name,
                            TensorType{type, shape}.toString(), dimension),
                {{"x", {type, shape}}},
                {}};
    made.build = [reduction, dimension](Graph &,
                                        const std::vector<Tensor> &in) {
      return std::vector<Tensor>{
          reduction.op(in[0], dimension, Where::current())};
    };
    made.expected = [reduction, dimension, type](const HostTensors &in) {
      int64_t before = 1, after = 1, extent = 1;
      for (size_t i = 0; i < in[0].shape.size(); ++i)
        (int64_t(i) < dimension    ? before
         : int64_t(i) == dimension ? extent
                                   : after) *= in[0].shape[i];
      // The mean multiplies by a reciprocal that is rounded to the type.
      double factor = reduction.isMean ? roundTo(type, 1 / double(extent)) : 1;
      std::vector<double> values;
      for (int64_t i = 0; i < before; ++i)
        for (int64_t j = 0; j < after; ++j) {
          double value = reduction.start;
          for (int64_t k = 0; k < extent; ++k)
            value = reduction.step(
                value, in[0].values[size_t((i * extent + k) * after + j)]);
          values.push_back(value * factor);
        }
      return Expectation{values};
    };
    made.tolerance = 5e-6;
    table.push_back(std::move(made));
  };
  for (const Reduction &reduction : reductions) {
    for (DataType type : floatTypes)
      for (int64_t dimension : {0, 1})
        add(reduction, type, {7, 11}, dimension);
    for (int64_t dimension : {0, 1, 2})
      add(reduction, DataType::F32, {3, 67, 13}, dimension);
    add(reduction, DataType::F32, {130}, 0);
    add(reduction, DataType::F32, {97, 1}, 1);
    add(reduction, DataType::F32, {1, 97}, 0);
  }
}

void addSoftmax(std::vector<OpCase> &table) {
  auto add = [&](DataType type, const Shape &shape, double range,
                 std::vector<double> values = {}) {
    OpCase made{fmt::format("softmax/{}within{}{}",
                            TensorType{type, shape}.toString(), range,
                            values.empty() ? "" : "/special"),
                {{"x", {type, shape}, -range, range, Source::Argument, values}},
                {}};
    made.build = [](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{softmax(in[0])};
    };
    made.expected = [](const HostTensors &in) {
      return eachRow(in[0], [](const std::vector<double> &row) {
        // Each probability by the sum of ratios: no maximum is needed.
        std::vector<double> values;
        for (double x : row) {
          double sum = 0;
          for (double y : row)
            sum += std::exp(y - x);
          values.push_back(1 / sum);
        }
        return values;
      });
    };
    table.push_back(std::move(made));
  };
  for (const auto &[type, shape] : everyTypeAndShape())
    add(type, shape, 3);
  add(DataType::F32, {5, 67}, 300);
  add(DataType::F32, {3, 7}, 1, {-1e30, 0, 1, 2, -1e30, 3, 88});
}

void addLayerNorm(std::vector<OpCase> &table) {
  auto add = [&](DataType type, const Shape &shape, double low, double high) {
    TensorType vector{type, {shape.back()}};
    Source source = isWeightType(type) ? Source::Parameter : Source::Argument;
    OpCase made{fmt::format("layerNorm/{}from{}",
                            TensorType{type, shape}.toString(), low),
                {{"x", {type, shape}, low, high},
                 {"gain", vector, 0.5, 1.5, source},
                 {"bias", vector, -1, 1, source}},
                {}};
    made.build = [](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{layerNorm(in[0], in[1], in[2], 1e-5)};
    };
    made.expected = [](const HostTensors &in) {
      return eachRow(in[0], [&](std::vector<double> row) {
        double n = double(row.size()), sum = 0, spread = 0;
        for (double x : row)
          sum += x;
        // The variance from all pairs: half the mean square of differences.
        for (double x : row)
          for (double y : row)
            spread += (x - y) * (x - y);
        double variance = spread / (2 * n * n);
        for (size_t i = 0; i < row.size(); ++i)
          row[i] = in[1].values[i] * (row[i] - sum / n) *
                       std::pow(variance + double(1e-5f), -0.5) +
                   in[2].values[i];
        return row;
      });
    };
    made.tolerance = 1e-5;
    table.push_back(std::move(made));
  };
  for (const auto &[type, shape] : everyTypeAndShape())
    add(type, shape, -2, 2);
  // A mean far from zero: one pass over x and x² would lose the variance.
  add(DataType::F32, {5, 97}, 100, 101);
  // A mean that is off by three units in its last place, which the order of
  // sums decides, is off by this much in a row of that spread.
  table.back().tolerance = 2e-4;
}

void addLogLikelihood(std::vector<OpCase> &table) {
  for (auto [type, shape] : everyTypeAndShape()) {
    Shape leading(shape.begin(), shape.end() - 1);
    double extent = double(shape.back());
    // Negative targets count for nothing, those beyond the end for the last.
    OpCase made{
        fmt::format("logLikelihood/{}", TensorType{type, shape}.toString()),
        {{"logits", {type, shape}, -5, 5},
         {"targets", {DataType::I32, leading}, -2, extent + 2}},
        {}};
    made.build = [](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{logLikelihood(in[0], in[1])};
    };
    made.expected = [](const HostTensors &in) {
      size_t row = 0;
      Expectation result(1);
      eachRow(in[0], [&](std::vector<double> logits) {
        int64_t target = int64_t(in[1].values[row++]);
        target = std::min(target, int64_t(logits.size()) - 1);
        double sum = 0;
        for (double x : logits)
          sum += std::exp(x - (target < 0 ? 0 : logits[size_t(target)]));
        result[0].push_back(target < 0 ? 0 : -std::log(sum));
        return std::vector<double>{};
      });
      return result;
    };
    made.tolerance = 5e-6;
    table.push_back(std::move(made));
  }
}

/// The same from hidden rows in blocks, which are one row, or of which the
/// last one is shorter.
void addLinearLogLikelihood(std::vector<OpCase> &table) {
  for (int64_t rowsAtOnce : {1, 3}) {
    OpCase made{fmt::format("logLikelihood/linear_{}_rows", rowsAtOnce),
                {{"x", {DataType::F32, {2, 7, 5}}},
                 {"table", {DataType::F32, {11, 5}}, -1, 1, Source::Parameter},
                 {"targets", {DataType::I32, {2, 7}}, -2, 13}},
                {}};
    made.build = [rowsAtOnce](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{
          linearLogLikelihood(in[0], in[1], in[2], rowsAtOnce),
          linearCrossEntropy(in[0], in[1], in[2], rowsAtOnce)};
    };
    made.expected = [](const HostTensors &in) {
      Expectation result(2);
      double counted = 0, total = 0;
      for (size_t row = 0; row < 14; ++row) {
        double logits[11], sum = 0;
        for (size_t v = 0; v < 11; ++v) {
          logits[v] = 0;
          for (size_t c = 0; c < 5; ++c)
            logits[v] += in[0].values[row * 5 + c] * in[1].values[v * 5 + c];
          sum += std::exp(logits[v]);
        }
        auto target = int64_t(in[2].values[row]);
        double found =
            target < 0 ? 0
                       : logits[std::min<int64_t>(target, 10)] - std::log(sum);
        result[0].push_back(found);
        total -= found;
        counted += target >= 0 ? 1 : 0;
      }
      result[1].push_back(total / std::max(counted, 1.0));
      return result;
    };
    made.tolerance = 1e-5;
    table.push_back(std::move(made));
  }
}

} // namespace

void addNormalizationCases(std::vector<OpCase> &table) {
  addReductions(table);
  addSoftmax(table);
  addLayerNorm(table);
  addLogLikelihood(table);
  addLinearLogLikelihood(table);
}

} // namespace gptc::optable
