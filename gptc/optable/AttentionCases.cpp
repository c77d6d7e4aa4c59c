//===- AttentionCases.cpp -------------------------------------------------===//

#include "gptc/optable/OpTable.h"

#include "gptc/frontend/GraphState.h"

#include <cmath>
#include <fmt/format.h>

namespace gptc::optable {

namespace {

struct Form {
  int64_t b, h, t, s, d;
  bool causal;
  int64_t window = 0;              ///< 0: none.
  std::vector<double> positions{}; ///< With lengths, or neither.
  std::vector<double> lengths{};
  DataType type = DataType::F32;
  double rate = 0; ///< Of dropout.

  /// 1 where a probability counts, else 0; `row` of all heads' queries.
  double mask(const char *topic, int64_t row, int64_t j) const {
    return rate == 0 || keepMask(uint32_t(row * s + j), rate, dropoutSeed,
                                 siteOf(std::string(topic) + "#0"))
               ? 1
               : 0;
  }

  bool sees(int64_t sequence, int64_t i, int64_t j) const {
    int64_t start = 0, end = s;
    if (!positions.empty()) {
      start = int64_t(positions[size_t(sequence)]);
      end = start + int64_t(lengths[size_t(sequence)]);
    }
    bool future = causal && j > start + i;
    bool tooOld = window > 0 && j <= start + i - window;
    return j < end && !future && !tooOld;
  }
};

/// Values of every key, weighted by exp of its score or by zero.
std::vector<double> closedForm(const Form &f, const HostTensors &in) {
  std::vector<double> result;
  double scale = float(1 / std::sqrt(double(f.d)));
  double factor = roundTo(f.type, 1 / (1 - f.rate));
  for (int64_t b = 0; b < f.b; ++b)
    for (int64_t h = 0; h < f.h; ++h)
      for (int64_t i = 0; i < f.t; ++i) {
        const double *q = in[0].values.data() + ((b * f.h + h) * f.t + i) * f.d;
        std::vector<double> row(size_t(f.d), 0.0);
        double total = 0;
        for (int64_t j = 0; j < f.s; ++j) {
          const int64_t at = ((b * f.h + h) * f.s + j) * f.d;
          double score = 0;
          for (int64_t d = 0; d < f.d; ++d)
            score += q[d] * in[1].values[size_t(at + d)];
          double weight = f.sees(b, i, j) ? std::exp(score * scale) : 0;
          total += weight;
          weight *= f.mask("attention", (b * f.h + h) * f.t + i, j) * factor;
          for (int64_t d = 0; d < f.d; ++d)
            row[size_t(d)] += weight * in[2].values[size_t(at + d)];
        }
        for (double value : row)
          result.push_back(total > 0 ? value / total : 0);
      }
  return result;
}

/// The logarithms of the sums of exponentials, and gradients of query, key and
/// value, from probabilities that are computed for every pair.
Expectation backwardClosedForm(const Form &f, const HostTensors &in) {
  Expectation result{std::vector<double>(size_t(f.b * f.h * f.t), 0.0),
                     std::vector<double>(in[0].values.size(), 0.0),
                     std::vector<double>(in[1].values.size(), 0.0),
                     std::vector<double>(in[2].values.size(), 0.0)};
  double scale = float(1 / std::sqrt(double(f.d)));
  auto dot = [&](const HostTensor &a, size_t x, const HostTensor &b, size_t y) {
    double sum = 0;
    for (size_t d = 0; d < size_t(f.d); ++d)
      sum += a.values[x + d] * b.values[y + d];
    return sum;
  };
  for (int64_t head = 0; head < f.b * f.h; ++head)
    for (int64_t i = 0; i < f.t; ++i) {
      int64_t b = head / f.h;
      auto q = size_t((head * f.t + i) * f.d);
      auto keyAt = [&](int64_t j) { return size_t((head * f.s + j) * f.d); };
      std::vector<double> p(size_t(f.s), 0.0);
      double total = 0, mean = 0;
      for (int64_t j = 0; j < f.s; ++j) {
        if (f.sees(b, i, j))
          p[size_t(j)] = std::exp(scale * dot(in[0], q, in[1], keyAt(j)));
        total += p[size_t(j)];
      }
      int64_t row = head * f.t + i;
      result[0][size_t(row)] = total > 0 ? std::log(total) : 0;
      if (!f.lengths.empty() && double(i) >= f.lengths[size_t(b)])
        continue;
      for (int64_t j = 0; j < f.s && total > 0; ++j) {
        p[size_t(j)] /= total;
        mean += p[size_t(j)] * f.mask("attentionBackward", row, j) *
                dot(in[3], q, in[2], keyAt(j));
      }
      for (int64_t j = 0; j < f.s; ++j)
        for (size_t d = 0; d < size_t(f.d); ++d) {
          double slope = scale * p[size_t(j)] *
                         (f.mask("attentionBackward", row, j) *
                              dot(in[3], q, in[2], keyAt(j)) -
                          mean);
          result[1][q + d] += slope * in[1].values[keyAt(j) + d];
          result[2][keyAt(j) + d] += slope * in[0].values[q + d];
          result[3][keyAt(j) + d] += p[size_t(j)] *
                                     f.mask("attentionBackward", row, j) *
                                     in[3].values[q + d];
        }
    }
  return result;
}

void addBackward(std::vector<OpCase> &table, const OpCase &forward,
                 const Form &f) {
  OpCase made = forward;
  made.name = "attentionBackward" + made.name.substr(made.name.find('/'));
  made.inputs.insert(made.inputs.begin() + 3,
                     {"gradient", made.inputs[0].type});
  if (!f.lengths.empty())
    made.matters = [f](const HostTensors &, size_t row) {
      int64_t sequence = int64_t(row) / (f.t * f.h);
      return double(int64_t(row) % f.t) < f.lengths[size_t(sequence)];
    };
  made.differentiable = false; // It is a gradient.
  made.build = [f](Graph &graph, const std::vector<Tensor> &in) {
    GraphState &state = graph.state();
    auto value = [&](size_t i) {
      return i < in.size() ? GraphState::unwrap(in[i]) : mlir::Value();
    };
    mlir::Value scale = mlir::arith::ConstantOp::create(
        state.builder, state.location(),
        state.builder.getF32FloatAttr(float(1 / std::sqrt(double(f.d)))));
    auto query = llvm::cast<mlir::RankedTensorType>(value(0).getType());
    mlir::Type key = value(1).getType();
    mlir::Type statistic = query.getElementType().isF64()
                               ? mlir::Type(state.builder.getF64Type())
                               : mlir::Type(state.builder.getF32Type());
    auto statistics =
        mlir::RankedTensorType::get(query.getShape().take_front(3), statistic);
    GraphState::Drop drop;
    if (f.rate != 0)
      drop = state.drop("attention", f.rate, dropoutSeed, Where::current());
    auto causal = f.causal ? state.builder.getUnitAttr() : mlir::UnitAttr();
    auto window = f.window ? state.builder.getI64IntegerAttr(f.window)
                           : mlir::IntegerAttr();
    auto forward = ir::AttentionOp::create(
        state.builder, state.location(), query, statistics, value(0), value(1),
        value(2), scale, value(4), value(5), drop.rate, drop.seed, drop.site,
        causal, window);
    auto backward = ir::AttentionBackwardOp::create(
        state.builder, state.location(), query, key, key, value(0), value(1),
        value(2), value(3), forward.getResult(), forward.getLogSumExp(), scale,
        value(4), value(5), drop.rate, drop.seed, drop.site, causal, window);
    std::vector<Tensor> results{state.wrap(forward.getLogSumExp())};
    for (mlir::Value result : backward->getResults())
      results.push_back(state.wrap(result));
    return results;
  };
  made.expected = [f](const HostTensors &in) {
    return backwardClosedForm(f, in);
  };
  made.tolerance = 2e-5;
  table.push_back(std::move(made));
}

void add(std::vector<OpCase> &table, const Form &f) {
  std::string name = fmt::format("attention/{}[{},{},{}|{},{}]",
                                 toString(f.type), f.b, f.h, f.t, f.s, f.d);
  if (f.causal)
    name += "/causal";
  if (f.window)
    name += fmt::format("/window{}", f.window);
  if (f.rate != 0)
    name += fmt::format("/dropout{}", f.rate);
  OpCase made{name,
              {{"query", {f.type, {f.b, f.h, f.t, f.d}}},
               {"key", {f.type, {f.b, f.h, f.s, f.d}}},
               {"value", {f.type, {f.b, f.h, f.s, f.d}}}},
              {}};
  bool cached = !f.positions.empty();
  if (cached) {
    TensorType index{DataType::I32, {f.b}};
    made.name += fmt::format("/at{}", f.positions[0]);
    made.inputs.push_back(
        {"positions", index, 0, 0, Source::Argument, f.positions});
    made.inputs.push_back(
        {"lengths", index, 0, 0, Source::Argument, f.lengths});
    made.matters = [f](const HostTensors &, size_t element) {
      int64_t row = int64_t(element) / f.d;
      int64_t sequence = row / (f.t * f.h);
      return double(row % f.t) < f.lengths[size_t(sequence)];
    };
  }
  made.build = [f, cached](Graph &, const std::vector<Tensor> &in) {
    AttentionOptions options;
    options.scale = 1 / std::sqrt(double(f.d));
    options.causal = f.causal;
    if (f.window)
      options.window = f.window;
    options.dropout = f.rate;
    options.seed = dropoutSeed;
    if (cached) {
      options.positions = in[3];
      options.lengths = in[4];
    }
    return std::vector<Tensor>{attention(in[0], in[1], in[2], options)};
  };
  made.expected = [f](const HostTensors &in) {
    return Expectation{closedForm(f, in)};
  };
  made.tolerance = 5e-6;
  addBackward(table, made, f);
  table.push_back(std::move(made));
}

/// Operands whose last dimension does not lie together.
void addStrided(std::vector<OpCase> &table) {
  for (int64_t d : {1, 5, 19})
    for (int64_t t : {3, 16}) {
      TensorType type{DataType::F32, {2, d, t, 3}};
      OpCase made{fmt::format("attention/strided_{}x{}", t, d),
                  {{"query", type}, {"key", type}, {"value", type}},
                  {}};
      made.build = [](Graph &, const std::vector<Tensor> &in) {
        std::vector<Tensor> turned = in;
        for (Tensor &x : turned)
          x = transpose(x, {0, 3, 2, 1});
        return std::vector<Tensor>{
            attention(turned[0], turned[1], turned[2], {}),
            attention(turned[0], turned[1], reshape(in[2], turned[2].shape()),
                      {})};
      };
      made.tolerance = 5e-6;
      table.push_back(std::move(made));
    }
}

} // namespace

void addAttentionCases(std::vector<OpCase> &table) {
  for (DataType type : floatTypes)
    add(table, {2, 3, 5, 5, 7, true, 0, {}, {}, type});
  add(table, {1, 1, 1, 1, 1, true});
  add(table, {1, 2, 7, 13, 5, false});
  add(table, {2, 1, 11, 3, 16, false});
  add(table, {1, 2, 67, 67, 8, true});
  add(table, {1, 1, 97, 97, 64, true});
  add(table, {1, 1, 130, 130, 67, true});
  add(table, {1, 2, 13, 13, 4, true, 1});
  // Heads of which workgroup memory holds small blocks, or none.
  add(table, {1, 1, 7, 11, 259, false});
  add(table, {1, 2, 6, 6, 770, true});
  add(table, {1, 2, 67, 67, 5, true, 7});
  add(table, {1, 1, 130, 130, 16, true, 65});
  // Over a cache: decode, a chunk in the middle, padded rows, a full cache.
  add(table, {1, 3, 1, 17, 8, true, 0, {0}, {1}});
  add(table, {2, 3, 1, 67, 7, true, 0, {66, 5}, {1, 1}});
  add(table, {2, 2, 5, 23, 8, true, 0, {3, 18}, {5, 5}});
  add(table, {3, 1, 7, 19, 5, true, 0, {0, 4, 11}, {7, 2, 1}});
  add(table, {1, 2, 67, 130, 16, true, 0, {63}, {67}});
  add(table, {2, 1, 5, 97, 8, true, 11, {80, 2}, {5, 3}});
  add(table, {2, 2, 1, 130, 64, true, 33, {129, 40}, {1, 1}});
  addStrided(table);
  for (DataType type : floatTypes)
    add(table, {2, 3, 5, 5, 7, true, 0, {}, {}, type, 0.3});
  add(table, {1, 1, 1, 1, 1, true, 0, {}, {}, DataType::F32, 0.5});
  add(table, {2, 2, 67, 67, 8, true, 0, {}, {}, DataType::F32, 0.1});
  add(table, {1, 2, 130, 130, 16, true, 65, {}, {}, DataType::F32, 0.25});
  add(table, {2, 1, 11, 3, 16, false, 0, {}, {}, DataType::F32, 0.9});
  add(table, {2, 3, 1, 67, 7, true, 0, {66, 5}, {1, 1}, DataType::F32, 0.4});
  add(table, {2, 2, 5, 23, 8, true, 0, {3, 18}, {5, 5}, DataType::F32, 0.2});
}

} // namespace gptc::optable
