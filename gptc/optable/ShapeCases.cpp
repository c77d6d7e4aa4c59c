//===- ShapeCases.cpp - Views ---------------------------------------------===//

#include "gptc/optable/OpTable.h"

#include <fmt/format.h>

namespace gptc::optable {

namespace {

constexpr DataType viewTypes[] = {DataType::F32, DataType::BF16,
                                  DataType::F16, DataType::F64,
                                  DataType::I32, DataType::Bool};

/// Results that pick elements of the one input: `source` names, for each
/// element of the result, its place in the input.
void addView(std::vector<OpCase> &table, const std::string &name,
             const Shape &shape,
             const std::function<Tensor(const Tensor &)> &view,
             const std::function<std::vector<int64_t>()> &source) {
  for (DataType type : viewTypes) {
    OpCase made{name + "/" + std::string(toString(type)),
                {{"x", {type, shape}, -9, 9}},
                {}};
    made.build = [view](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{view(in[0])};
    };
    made.expected = [source](const HostTensors &in) {
      std::vector<double> values;
      for (int64_t i : source())
        values.push_back(in[0].values[size_t(i)]);
      return Expectation{values};
    };
    made.tolerance = 0;
    table.push_back(std::move(made));
  }
}

std::vector<int64_t> upTo(int64_t count) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < count; ++i)
    places.push_back(i);
  return places;
}

/// What two views make of each other, and arithmetic on them.
void addChains(std::vector<OpCase> &table) {
  // Heads out of a joined projection, as attention wants them.
  OpCase heads{
      "view_chain/heads", {{"x", {DataType::F32, {2, 5, 3 * 21}}}}, {}};
  heads.build = [](Graph &, const std::vector<Tensor> &in) {
    std::vector<Tensor> results = split(in[0], 3);
    for (Tensor &part : results)
      part = transpose(reshape(part, {2, 5, 3, 7}), {0, 2, 1, 3});
    return results;
  };
  heads.expected = [](const HostTensors &in) {
    Expectation parts(3);
    for (size_t p = 0; p < 3; ++p)
      for (size_t b = 0; b < 2; ++b)
        for (size_t h = 0; h < 3; ++h)
          for (size_t t = 0; t < 5; ++t)
            for (size_t d = 0; d < 7; ++d)
              parts[p].push_back(
                  in[0].values[(b * 5 + t) * 63 + p * 21 + h * 7 + d]);
    return parts;
  };
  heads.tolerance = 0;
  table.push_back(std::move(heads));

  OpCase merge{
      "view_chain/merged_rows", {{"x", {DataType::F32, {2, 3, 5, 7}}}}, {}};
  merge.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor rows = reshape(transpose(in[0], {0, 2, 1, 3}), {2, 5, 21});
    return std::vector<Tensor>{rows, rows + rows, exp(reshape(rows, {10, 21}))};
  };
  table.push_back(std::move(merge));

  OpCase across{
      "view_chain/reshape_across_rows",
      {{"x", {DataType::F32, {6, 10}}}, {"y", {DataType::F32, {4, 15}}}},
      {}};
  across.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor sum = reshape(in[0] * in[0], {4, 15}) + in[1];
    return std::vector<Tensor>{sum, transpose(sum, {1, 0}),
                               slice(reshape(sum, {60}), {7}, {43})};
  };
  table.push_back(std::move(across));

  OpCase strided{
      "view_chain/slice_of_transpose", {{"x", {DataType::F32, {13, 17}}}}, {}};
  strided.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor cut = slice(transpose(in[0], {1, 0}), {2, 3}, {11, 7});
    return std::vector<Tensor>{
        cut, reshape(cut, {77}),
        cut + broadcast(slice(cut, {0, 0}, {1, 7}), {11, 7})};
  };
  table.push_back(std::move(strided));
}

/// Views that are read where they lie and also leave, or are read whole.
void addSharedViews(std::vector<OpCase> &table) {
  using Tensors = std::vector<Tensor>;
  auto add = [&](const std::string &name, const Shape &shape,
                 decltype(OpCase::build) build) {
    table.push_back({"view_chain/" + name,
                     {{"x", {DataType::F32, shape}}},
                     std::move(build)});
  };
  add("returned_and_read", {2, 2}, [](Graph &, const Tensors &in) {
    Tensor made = exp(in[0]);
    Tensor view = reshape(made, {1, 2, 2});
    return Tensors{made, view, view / (absolute(view) + full(view, 1))};
  });
  add("selected_from_and_read", {7, 5, 3}, [](Graph &graph, const Tensors &in) {
    Tensor made = exp(in[0]);
    Tensor view = reshape(made, {7, 15, 1}), table = reshape(made, {35, 3});
    Tensor rows = selectRow(view, iota(graph, {7}, 0));
    Tensor more = gather(table, iota(graph, {2, 4}, 1));
    return Tensors{rows, more, negate(view), negate(table)};
  });
  // What lies along the row on one way and along the rows on another.
  add("row_read_as_column", {8, 8}, [](Graph &graph, const Tensors &in) {
    Tensor made = in[0] + in[0];
    Tensor turned = broadcast(reduceMax(made, 1), {8, 8}) * in[0];
    Tensor column = iota(graph, {8, 8}, 1);
    return Tensors{choose(equal(column, full(column, 1)), turned, made)};
  });
  // Two row programs may not join in an op that a third, between them, feeds.
  add("columns_between_rows", {8, 5}, [](Graph &graph, const Tensors &in) {
    Tensor made = exp(in[0]);
    Tensor sums = broadcast(reduceSum(made, 0), {8, 5});
    Tensor column = iota(graph, {8, 5}, 1);
    return Tensors{choose(less(column, full(column, 2)), sums, made)};
  });
  add("across_rows_and_read", {6, 10}, [](Graph &, const Tensors &in) {
    Tensor made = exp(in[0]);
    Tensor odd = reshape(transpose(made, {1, 0}), {4, 15});
    Tensor twice = reshape(transpose(odd, {1, 0}), {12, 5});
    return Tensors{softmax(odd),
                   odd + odd,
                   softmax(twice),
                   twice,
                   negate(transpose(odd, {1, 0})),
                   made};
  });
}

/// Two tensors of one shape and a part of the first, joined.
void addConcat(std::vector<OpCase> &table, DataType type, const Shape &shape,
               int64_t dimension) {
  OpCase made{fmt::format("concat/{}along{}",
                          TensorType{type, shape}.toString(), dimension),
              {{"x", {type, shape}}, {"y", {type, shape}}},
              {}};
  Shape half = shape;
  auto along = size_t(dimension);
  half[along] = (shape[along] + 1) / 2;
  made.build = [=](Graph &, const std::vector<Tensor> &in) {
    Tensor part = slice(in[0], std::vector<int64_t>(shape.size(), 0), half);
    return std::vector<Tensor>{
        concatenate({in[0], in[1], part}, dimension),
        concatenate(
            {transpose(reshape(in[1], {1, in[1].type().elements()}), {1, 0})},
            0)};
  };
  made.expected = [=](const HostTensors &in) {
    int64_t inner = 1, outer = 1;
    for (size_t i = 0; i < shape.size(); ++i)
      (i < along ? outer : inner) *= i == along ? 1 : shape[i];
    Expectation result(2);
    for (int64_t o = 0; o < outer; ++o) {
      auto add = [&](const HostTensor &x, int64_t extent) {
        int64_t begin = o * shape[along] * inner;
        for (int64_t i = begin; i < begin + extent * inner; ++i)
          result[0].push_back(x.values[size_t(i)]);
      };
      add(in[0], shape[along]);
      add(in[1], shape[along]);
      add(in[0], half[along]);
    }
    result[1] = in[1].values;
    return result;
  };
  made.tolerance = 0;
  table.push_back(std::move(made));
}

} // namespace

void addShapeCases(std::vector<OpCase> &table) {
  using T = const Tensor &;
  addView(
      table, "reshape/[5,6]to[2,15]", {5, 6},
      [](T x) { return reshape(x, {2, 15}); }, [] { return upTo(30); });
  addView(
      table, "reshape/[3,4,5]to[60]", {3, 4, 5},
      [](T x) { return reshape(x, {60}); }, [] { return upTo(60); });
  addView(
      table, "reshape/[67]to[1,67,1]", {67},
      [](T x) { return reshape(x, {1, 67, 1}); }, [] { return upTo(67); });
  addView(
      table, "transpose/[7,11]", {7, 11},
      [](T x) { return transpose(x, {1, 0}); },
      [] {
        std::vector<int64_t> places;
        for (int64_t j = 0; j < 11; ++j)
          for (int64_t i = 0; i < 7; ++i)
            places.push_back(i * 11 + j);
        return places;
      });
  addView(
      table, "transpose/[3,5,7]by[2,0,1]", {3, 5, 7},
      [](T x) { return transpose(x, {2, 0, 1}); },
      [] {
        std::vector<int64_t> places;
        for (int64_t k = 0; k < 7; ++k)
          for (int64_t i = 0; i < 3; ++i)
            for (int64_t j = 0; j < 5; ++j)
              places.push_back((i * 5 + j) * 7 + k);
        return places;
      });
  addView(
      table, "slice/[7,11]at[2,3]", {7, 11},
      [](T x) { return slice(x, {2, 3}, {5, 7}); },
      [] {
        std::vector<int64_t> places;
        for (int64_t i = 2; i < 7; ++i)
          for (int64_t j = 3; j < 10; ++j)
            places.push_back(i * 11 + j);
        return places;
      });
  addView(
      table, "slice/[130]at[63]", {130},
      [](T x) { return slice(x, {63}, {67}); },
      [] {
        std::vector<int64_t> places = upTo(67);
        for (int64_t &place : places)
          place += 63;
        return places;
      });
  addView(
      table, "broadcast/[11]to[3,11]", {11},
      [](T x) { return broadcast(x, {3, 11}); },
      [] {
        std::vector<int64_t> places;
        for (int64_t i = 0; i < 33; ++i)
          places.push_back(i % 11);
        return places;
      });
  addView(
      table, "broadcast/[5,1,7]to[5,3,7]", {5, 1, 7},
      [](T x) { return broadcast(x, {5, 3, 7}); },
      [] {
        std::vector<int64_t> places;
        for (int64_t i = 0; i < 5; ++i)
          for (int64_t j = 0; j < 3; ++j)
            for (int64_t k = 0; k < 7; ++k)
              places.push_back(i * 7 + k);
        return places;
      });
  addView(
      table, "broadcast/[1]to[2,13]", {1},
      [](T x) { return broadcast(x, {2, 13}); },
      [] { return std::vector<int64_t>(26, 0); });
  addChains(table);
  addSharedViews(table);
  for (DataType type : {DataType::F32, DataType::BF16, DataType::F16,
                        DataType::F64, DataType::I32, DataType::Bool})
    addConcat(table, type, {7, 11}, 1);
  for (const Shape &shape : {Shape{1}, {97}, {130}})
    addConcat(table, DataType::F32, shape, 0);
  for (int64_t dimension : {0, 1, 2})
    for (int64_t last : {1, 5, 64, 67})
      addConcat(table, DataType::F32, {2, 3, last}, dimension);
}

} // namespace gptc::optable
