//===- TopKCases.cpp - The largest elements of rows -----------------------===//

#include "gptc/optable/OpTable.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace gptc::optable {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// An element of a row; those of negative index are none.
struct Candidate {
  double value;
  double index;
};

/// Whether `a` is taken before `b`, which stands before it in the row.
bool isGreater(double a, double b, bool finite) {
  auto isFirst = [&](double x) {
    return std::isnan(x) || (finite && x == -infinity);
  };
  if (isFirst(b))
    return false;
  return isFirst(a) || a > b;
}

/// Takes the greatest of a piece out of it, k times.
void takeLargest(std::vector<Candidate> piece, int64_t k, bool finite,
                 Expectation &to) {
  for (int64_t taken = 0; taken < k; ++taken) {
    Candidate *best = nullptr;
    for (Candidate &one : piece)
      if (one.index >= 0 &&
          (!best || isGreater(one.value, best->value, finite)))
        best = &one;
    to[0].push_back(best ? best->value : -infinity);
    to[1].push_back(best ? best->index : -1);
    if (best)
      best->index = -1;
  }
}

Expectation largestOf(const HostTensor &x, const HostTensor *carried, int64_t k,
                      int64_t pieces, bool finite) {
  auto length = size_t(x.shape.back());
  size_t each = (length + size_t(pieces) - 1) / size_t(pieces);
  Expectation result(2);
  for (size_t row = 0; row < x.values.size(); row += length)
    for (size_t begin = 0; begin < each * size_t(pieces); begin += each) {
      std::vector<Candidate> piece;
      for (size_t i = begin; i < std::min(begin + each, length); ++i)
        piece.push_back({x.values[row + i],
                         carried ? carried->values[row + i] : double(i)});
      takeLargest(std::move(piece), k, finite, result);
    }
  return result;
}

void addTopK(std::vector<OpCase> &table, const std::string &what, OpInput x,
             int64_t k, int64_t pieces, bool finite = false) {
  OpCase made{
      fmt::format("topK/{}{}by{}of{}", what, x.type.toString(), k, pieces),
      {std::move(x)},
      {}};
  made.build = [=](Graph &, const std::vector<Tensor> &in) {
    TopK found = topK(in[0], k, {pieces, {}, finite});
    return std::vector<Tensor>{found.values, found.indices};
  };
  made.expected = [=](const HostTensors &in) {
    return largestOf(in[0], nullptr, k, pieces, finite);
  };
  made.tolerance = 0;
  made.differentiable = false;
  table.push_back(std::move(made));
}

/// Elements that bring their indices along, some of which are none.
void addCarried(std::vector<OpCase> &table, const Shape &shape, int64_t k,
                int64_t pieces) {
  OpCase made{fmt::format("topK/carried{}by{}of{}", toString(shape), k, pieces),
              {{"x", {DataType::F32, shape}},
               {"carried", {DataType::I32, shape}, -3, 9}},
              {}};
  made.build = [=](Graph &, const std::vector<Tensor> &in) {
    TopK found = topK(in[0], k, {pieces, in[1]});
    return std::vector<Tensor>{found.values, found.indices};
  };
  made.expected = [=](const HostTensors &in) {
    return largestOf(in[0], &in[1], k, pieces, false);
  };
  made.tolerance = 0;
  made.differentiable = false;
  table.push_back(std::move(made));
}

/// The row's largest from those of its pieces: as if it had not been cut.
void addTwoSteps(std::vector<OpCase> &table, OpInput x, int64_t k,
                 int64_t pieces) {
  OpCase made{
      fmt::format("topK/two_steps{}by{}of{}", x.type.toString(), k, pieces),
      {std::move(x)},
      {}};
  made.build = [=](Graph &, const std::vector<Tensor> &in) {
    TopK parts = topK(in[0], k, {pieces, {}, true});
    TopK found = topK(parts.values, k, {1, parts.indices, true});
    return std::vector<Tensor>{found.values, found.indices};
  };
  made.expected = [=](const HostTensors &in) {
    return largestOf(in[0], nullptr, k, 1, true);
  };
  made.tolerance = 0;
  made.differentiable = false;
  table.push_back(std::move(made));
}

} // namespace

void addTopKCases(std::vector<OpCase> &table) {
  auto x = [](const Shape &shape, std::vector<double> values = {}) {
    return OpInput{"x", {DataType::F32, shape}, -2,
                   2,   Source::Argument,       std::move(values)};
  };
  const std::vector<double> ties{1, 2, -0.0, 2, 0.0, -1, 2};
  const std::vector<double> odd{1,         -infinity, 3, notANumber, infinity,
                                -infinity, 2,         3, notANumber};
  addTopK(table, "", x({2, 3, 67}), 5, 1);
  for (DataType type : {DataType::BF16, DataType::F16, DataType::F64})
    addTopK(table, "", {"x", {type, {3, 37}}}, 5, 2);
  addTopK(table, "", x({130}), 1, 1);
  addTopK(table, "", x({1, 200}), 40, 3);
  addTopK(table, "", x({2, 64}), 64, 1);
  // Fewer elements than are asked for, in all pieces, the last, or none there.
  addTopK(table, "", x({3, 5}), 7, 1);
  addTopK(table, "", x({3, 5}), 2, 4);
  addTopK(table, "", x({1, 13}), 5, 3);
  addTopK(table, "ties", x({2, 35}, ties), 9, 2);
  addTopK(table, "odd", x({2, 18}, odd), 11, 2);
  addTopK(table, "odd_finite", x({2, 18}, odd), 11, 2, true);
  // More than a workgroup has at once, also of equal ones.
  addTopK(table, "", x({1, 5003}), 40, 1);
  addTopK(table, "", x({1, 7001}), 256, 1);
  addTopK(table, "ties", x({1, 5003}, ties), 64, 1);
  addCarried(table, {2, 35}, 5, 1);
  addCarried(table, {2, 35}, 16, 3);
  addTwoSteps(table, x({2, 5003}), 64, 3);
  addTwoSteps(table, x({2, 35}, odd), 40, 3);
  addTwoSteps(table, x({1, 700}, ties), 64, 5);
}

} // namespace gptc::optable
