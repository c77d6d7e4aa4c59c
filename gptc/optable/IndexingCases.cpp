//===- IndexingCases.cpp - Indexed rows -----------------------------------===//

#include "gptc/optable/OpTable.h"

#include "gptc/frontend/GraphState.h"

#include <fmt/format.h>

namespace gptc::optable {

namespace {

int64_t nearest(double index, int64_t extent) {
  return std::max<int64_t>(0, std::min<int64_t>(int64_t(index), extent - 1));
}

void addGather(std::vector<OpCase> &table, DataType type, int64_t rows,
               int64_t width, const Shape &indices, Source source) {
  // Some indices lie outside of the table, on either side.
  OpCase made{fmt::format("gather/{}[{},{}]by{}{}", toString(type), rows, width,
                          toString(indices),
                          source == Source::Parameter ? "/parameter" : ""),
              {{"table", {type, {rows, width}}, -2, 2, source},
               {"indices", {DataType::I32, indices}, -2, double(rows) + 1}},
              {}};
  made.build = [](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{gather(in[0], in[1])};
  };
  made.expected = [rows, width](const HostTensors &in) {
    std::vector<double> values;
    for (double index : in[1].values)
      for (int64_t c = 0; c < width; ++c)
        values.push_back(
            in[0].values[size_t(nearest(index, rows) * width + c)]);
    return Expectation{values};
  };
  made.tolerance = 0;
  table.push_back(std::move(made));
}

/// Where a gather's rows came from, rows go back to and are summed.
void addScatterAdd(std::vector<OpCase> &table, DataType type, int64_t rows,
                   int64_t width, const Shape &indices) {
  Shape shape = indices;
  shape.push_back(width);
  OpCase made{fmt::format("scatterAdd/{}[{},{}]by{}", toString(type), rows,
                          width, toString(indices)),
              {{"rows", {type, shape}},
               {"indices", {DataType::I32, indices}, -2, double(rows) + 1}},
              {}};
  made.build = [=](Graph &graph, const std::vector<Tensor> &in) {
    GraphState &state = graph.state();
    return std::vector<Tensor>{state.wrap(ir::ScatterAddOp::create(
        state.builder, state.location(), state.lower({type, {rows, width}}),
        GraphState::unwrap(in[0]), GraphState::unwrap(in[1])))};
  };
  made.expected = [rows, width](const HostTensors &in) {
    std::vector<double> values(size_t(rows * width), 0.0);
    for (size_t i = 0; i < in[0].values.size(); ++i)
      values[size_t(nearest(in[1].values[i / size_t(width)], rows) * width) +
             i % size_t(width)] += in[0].values[i];
    return Expectation{values};
  };
  made.differentiable = false; // It is a gradient.
  table.push_back(std::move(made));
}

void addSelectRow(std::vector<OpCase> &table, DataType type, int64_t b,
                  int64_t t, int64_t c) {
  OpCase made{fmt::format("selectRow/{}[{},{},{}]", toString(type), b, t, c),
              {{"x", {type, {b, t, c}}},
               {"indices", {DataType::I32, {b}}, -1, double(t)}},
              {}};
  made.build = [](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{selectRow(in[0], in[1])};
  };
  made.expected = [b, t, c](const HostTensors &in) {
    std::vector<double> values;
    for (int64_t i = 0; i < b; ++i) {
      int64_t row = nearest(in[1].values[size_t(i)], t);
      for (int64_t j = 0; j < c; ++j)
        values.push_back(in[0].values[size_t((i * t + row) * c + j)]);
    }
    return Expectation{values};
  };
  made.tolerance = 0;
  table.push_back(std::move(made));
}

void addCacheAppend(std::vector<OpCase> &table, DataType type, Source source,
                    int64_t t, int64_t s, std::vector<double> positions,
                    std::vector<double> lengths) {
  int64_t b = int64_t(positions.size()), h = 3, d = 5;
  TensorType index{DataType::I32, {b}};
  OpCase made{fmt::format("cacheAppend/{}[{},{}|{}]at{}{}", toString(type), b,
                          t, s, positions[0],
                          source == Source::Cache ? "/variable" : ""),
              {{"cache", {type, {b, h, s, d}}, -2, 2, source},
               {"rows", {type, {b, h, t, d}}},
               {"positions", index, 0, 0, Source::Argument, positions},
               {"lengths", index, 0, 0, Source::Argument, lengths}},
              {}};
  made.build = [source](CaseGraph &graph, const std::vector<Tensor> &in) {
    Tensor grown = cacheAppend(in[0], in[1], in[2], in[3]);
    if (source == Source::Cache)
      graph.assign("cache", grown);
    return std::vector<Tensor>{grown};
  };
  made.expected = [=](const HostTensors &in) {
    std::vector<double> values;
    for (int64_t i = 0; i < b * h * s * d; ++i) {
      int64_t sequence = i / (h * s * d), head = i / (s * d) % h;
      int64_t from = i / d % s - int64_t(positions[size_t(sequence)]);
      bool replaced =
          from >= 0 && from < t && double(from) < lengths[size_t(sequence)];
      int64_t row = (sequence * h + head) * t + from;
      values.push_back(replaced ? in[1].values[size_t(row * d + i % d)]
                                : in[0].values[size_t(i)]);
    }
    return Expectation{values};
  };
  made.tolerance = 0;
  made.differentiable = false;
  table.push_back(std::move(made));
}

void addIota(std::vector<OpCase> &table, const Shape &shape,
             int64_t dimension) {
  OpCase made{
      fmt::format("iota/{}along{}", toString(shape), dimension), {}, {}};
  made.build = [=](Graph &graph, const std::vector<Tensor> &) {
    return std::vector<Tensor>{iota(graph, shape, dimension)};
  };
  made.expected = [=](const HostTensors &) {
    int64_t inner = 1, count = 1;
    for (size_t i = 0; i < shape.size(); ++i) {
      count *= shape[i];
      if (int64_t(i) > dimension)
        inner *= shape[i];
    }
    std::vector<double> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(double(i / inner % shape[size_t(dimension)]));
    return Expectation{values};
  };
  table.push_back(std::move(made));
}

} // namespace

void addIndexingCases(std::vector<OpCase> &table) {
  for (DataType type : floatTypes) {
    addGather(table, type, 13, 7, {2, 5}, Source::Argument);
    addScatterAdd(table, type, 5, 7, {2, 13});
    addSelectRow(table, type, 3, 5, 7);
    addCacheAppend(table, type, Source::Argument, 3, 11, {0, 7}, {3, 3});
  }
  for (int64_t width : {1, 64, 67, 130}) {
    addGather(table, DataType::F32, 97, width, {11}, Source::Parameter);
    addSelectRow(table, DataType::F32, 2, 13, width);
  }
  for (int64_t width : {1, 64, 67, 130}) {
    addScatterAdd(table, DataType::F32, 97, width, {11});
    addScatterAdd(table, DataType::F32, 3, width, {2, 3, 5});
  }
  addScatterAdd(table, DataType::F32, 1, 5, {1});
  addGather(table, DataType::F32, 1, 5, {1}, Source::Argument);
  addGather(table, DataType::F32, 7, 5, {2, 3, 5}, Source::Argument);
  for (Source source : {Source::Argument, Source::Cache}) {
    // Padded rows, a row that would fall beyond the end, and one alone.
    addCacheAppend(table, DataType::F32, source, 5, 13, {4, 0, 8}, {2, 5, 1});
    addCacheAppend(table, DataType::F32, source, 5, 7, {5, 2}, {5, 4});
    addCacheAppend(table, DataType::F32, source, 1, 67, {66}, {1});
  }
  addIota(table, {5}, 0);
  addIota(table, {130}, 0);
  addIota(table, {3, 67}, 0);
  addIota(table, {3, 67}, 1);
  addIota(table, {2, 5, 7}, 1);

  // One table read by row and multiplied with, as a tied head does.
  OpCase tied{"gather/tied_table",
              {{"table", {DataType::F32, {97, 19}}, -1, 1, Source::Parameter},
               {"indices", {DataType::I32, {5}}, 0, 96}},
              {}};
  tied.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor rows = gather(in[0], in[1]);
    return std::vector<Tensor>{rows, matmul(rows, in[0], false, true)};
  };
  tied.tolerance = 2e-5;
  table.push_back(std::move(tied));
}

} // namespace gptc::optable
