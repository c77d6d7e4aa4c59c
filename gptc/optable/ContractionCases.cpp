//===- ContractionCases.cpp - Matrix products -----------------------------===//

#include "gptc/optable/OpTable.h"

#include <fmt/format.h>

namespace gptc::optable {

namespace {

struct Product {
  Shape leading; ///< Of the left operand.
  bool shared;   ///< Whether the right operand lacks the leading dimensions.
  int64_t m, k, n;
  bool transposeA, transposeB;
  DataType type;
  Source source; ///< Of the right operand.
};

void add(std::vector<OpCase> &table, const Product &p) {
  Shape a = p.leading, b = p.shared ? Shape{} : p.leading;
  a.insert(a.end(), {p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k});
  b.insert(b.end(), {p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n});
  OpCase made{
      fmt::format("matmul/{}{}x{}{}{}", TensorType{p.type, a}.toString(),
                  p.transposeA ? "t" : "", toString(b), p.transposeB ? "t" : "",
                  p.source == Source::Parameter ? "/parameter" : ""),
      {{"a", {p.type, a}}, {"b", {p.type, b}, -1, 1, p.source}},
      {}};
  made.build = [p](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{
        matmul(in[0], in[1], p.transposeA, p.transposeB)};
  };
  made.expected = [p](const HostTensors &in) {
    int64_t batch = 1;
    for (int64_t extent : p.leading)
      batch *= extent;
    std::vector<double> c(size_t(batch * p.m * p.n), 0.0);
    for (int64_t i = 0; i < batch; ++i) {
      const double *a = in[0].values.data() + i * p.m * p.k;
      const double *b = in[1].values.data() + (p.shared ? 0 : i * p.k * p.n);
      // Outer products: another order of summation than the interpreter's.
      for (int64_t k = 0; k < p.k; ++k)
        for (int64_t m = 0; m < p.m; ++m)
          for (int64_t n = 0; n < p.n; ++n)
            c[size_t((i * p.m + m) * p.n + n)] +=
                (p.transposeA ? a[k * p.m + m] : a[m * p.k + k]) *
                (p.transposeB ? b[n * p.k + k] : b[k * p.n + n]);
    }
    return Expectation{c};
  };
  // Rounding errors grow with the extent that is summed over.
  made.tolerance = p.k > 16 ? std::max(2e-5, 1e-7 * double(p.k)) : 4e-6;
  table.push_back(std::move(made));
}

/// Weights so small that f16 has fewer bits for them, multiplied by what makes
/// results of ordinary size: what a device takes for zero is seen.
void addSmall(std::vector<OpCase> &table) {
  for (int64_t rows : {1, 5, 67}) {
    constexpr double most = 6e-5;
    OpCase made{
        fmt::format("matmul/small_[{},67]x[67,70]/parameter", rows),
        {{"x", {DataType::F32, {rows, 67}}},
         {"w", {DataType::F32, {67, 70}}, -most, most, Source::Parameter}},
        {}};
    made.build = [](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{scale(matmul(in[0], in[1]), 0x1p14)};
    };
    made.tolerance = 2e-5;
    made.differentiable = false;
    table.push_back(std::move(made));
  }
}

/// Products with what fuses around them.
void addFused(std::vector<OpCase> &table) {
  for (int64_t rows : {1, 5, 67})
    for (int64_t out : {7, 130}) {
      OpCase made{fmt::format("linear/[{},19]x[19,{}]", rows, out),
                  {{"x", {DataType::F32, {rows, 19}}},
                   {"w", {DataType::F32, {19, out}}, -1, 1, Source::Parameter},
                   {"b", {DataType::F32, {out}}, -1, 1, Source::Parameter}},
                  {}};
      made.build = [](Graph &, const std::vector<Tensor> &in) {
        Tensor y = linear(in[0], in[1], in[2]);
        return std::vector<Tensor>{gelu(y, GeluForm::Tanh), y};
      };
      made.tolerance = 2e-5;
      table.push_back(std::move(made));

      OpCase residual{
          fmt::format("linear/norm_and_residual_[{},{}]", rows, out),
          {{"x", {DataType::F32, {rows, out}}},
           {"g", {DataType::F32, {out}}, 0.5, 1.5, Source::Parameter},
           {"h", {DataType::F32, {out}}, -1, 1, Source::Parameter},
           {"w", {DataType::F32, {out, out}}, -1, 1, Source::Parameter},
           {"b", {DataType::F32, {out}}, -1, 1, Source::Parameter}},
          {}};
      residual.build = [](Graph &, const std::vector<Tensor> &in) {
        Tensor y = layerNorm(in[0], in[1], in[2], 1e-5);
        return std::vector<Tensor>{in[0] + linear(y, in[3], in[4])};
      };
      residual.tolerance = 2e-5;
      table.push_back(std::move(residual));
    }
}

/// Rows that are both operands of a product, or read beside it.
void addShared(std::vector<OpCase> &table) {
  for (int64_t rows : {1, 3, 5}) {
    OpCase made{fmt::format("linear/rows_on_both_sides_[{}]", rows),
                {{"x", {DataType::F32, {rows, 19}}}},
                {}};
    made.build = [](Graph &, const std::vector<Tensor> &in) {
      Tensor y = tanh(in[0]);
      Tensor scores = matmul(y, y, false, true);
      return std::vector<Tensor>{scores, matmul(scores, y) + y};
    };
    made.tolerance = 2e-5;
    table.push_back(std::move(made));
  }
}

} // namespace

void addContractionCases(std::vector<OpCase> &table) {
  const int64_t extents[][3] = {{1, 1, 1},
                                {5, 7, 11},
                                {1, 67, 130},
                                {13, 97, 5},
                                {2, 16, 64},
                                {3, 17, 65},
                                {67, 33, 97},
                                {130, 13, 67},
                                // Several blocks of rows and of k.
                                {5, 523, 67},
                                {251, 521, 70}};
  for (auto [m, k, n] : extents)
    for (bool transposeB : {false, true})
      for (Source source : {Source::Argument, Source::Parameter}) {
        add(table,
            {{}, true, m, k, n, false, transposeB, DataType::F32, source});
        // Of what takes seconds, one gradient is enough.
        if (m > 200 && (transposeB || source == Source::Parameter))
          table.back().differentiable = false;
      }
  for (DataType type : floatTypes)
    for (bool transposeA : {false, true})
      for (bool transposeB : {false, true})
        for (bool shared : {false, true})
          add(table, {{2, 3},
                      shared,
                      5,
                      7,
                      11,
                      transposeA,
                      transposeB,
                      type,
                      Source::Argument});
  for (bool transposeA : {false, true})
    add(table, {{},
                true,
                67,
                13,
                97,
                transposeA,
                false,
                DataType::F32,
                Source::Argument});
  for (bool transposeB : {false, true})
    for (int64_t rows : {1, 4, 5, 67})
      add(table, {{3},
                  true,
                  rows,
                  21,
                  71,
                  false,
                  transposeB,
                  DataType::F32,
                  Source::Parameter});
  // Rows that are far apart in memory.
  for (bool transposeB : {false, true}) {
    add(table, {{},
                true,
                7,
                16411,
                5,
                false,
                transposeB,
                DataType::F32,
                Source::Argument});
    table.back().differentiable = false;
  }
  // Pairs of k in every layout, over blocks of rows and of k.
  for (int64_t depth : {523, 1040})
    for (bool transposeA : {false, true})
      for (bool transposeB : {false, true}) {
        add(table, {{},
                    true,
                    107,
                    depth,
                    71,
                    transposeA,
                    transposeB,
                    DataType::BF16,
                    Source::Argument});
        table.back().differentiable = false;
      }
  // Steps of k that are far apart, in one block and in several, over one panel
  // of columns and more.
  const int64_t tall[][3] = {{16411, 5, 67}, {16411, 519, 3}};
  for (auto [m, k, n] : tall) {
    add(table,
        {{}, true, m, k, n, true, false, DataType::F32, Source::Argument});
    table.back().differentiable = false;
  }
  // Weights that a definition declares in a narrow type, as pairs of k.
  for (DataType type : {DataType::BF16, DataType::F16})
    for (int64_t rows : {1, 67}) {
      add(table,
          {{}, true, rows, 33, 70, false, false, type, Source::Parameter});
      table.back().differentiable = false;
    }
  addSmall(table);
  addFused(table);
  addShared(table);
}

} // namespace gptc::optable
