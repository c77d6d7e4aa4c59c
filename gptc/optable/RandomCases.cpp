//===- RandomCases.cpp - Random masks -------------------------------------===//

#include "gptc/optable/OpTable.h"

#include "gptc/frontend/GraphState.h"

#include <fmt/format.h>

namespace gptc::optable {

uint32_t siteOf(const std::string &place) {
  uint64_t hash = 2166136261;
  for (char c : place)
    hash = ((hash ^ uint64_t(uint8_t(c))) * 16777619) % 0x100000000;
  return uint32_t(hash);
}

bool keepMask(uint32_t index, double rate, int32_t seed, uint32_t site) {
  uint64_t left = index, right = site, key = uint32_t(seed);
  for (uint64_t round = 0; round < 7; ++round) {
    uint64_t product = 0xD256D193 * left;
    uint64_t bumped = (key + round * 0x9E3779B9) % 0x100000000;
    left = product / 0x100000000 ^ right ^ bumped;
    right = product % 0x100000000;
  }
  uint64_t fraction = left / 256;
  return double(fraction) / 16777216 >= double(float(rate));
}

namespace {

void addMask(std::vector<OpCase> &table, const Shape &shape, double rate) {
  OpCase made{fmt::format("keepMask/{}rate{}", toString(shape), rate), {}, {}};
  made.build = [=](Graph &graph, const std::vector<Tensor> &) {
    GraphState &state = graph.state();
    auto drop = state.drop("mask", rate, dropoutSeed, Where::current());
    return std::vector<Tensor>{state.wrap(ir::KeepMaskOp::create(
        state.builder, state.location(), state.lower({DataType::Bool, shape}),
        drop.rate, drop.seed, drop.site))};
  };
  made.expected = [=](const HostTensors &) {
    std::vector<double> values;
    for (int64_t i = 0; i < (TensorType{DataType::Bool, shape}.elements()); ++i)
      values.push_back(
          keepMask(uint32_t(i), rate, dropoutSeed, siteOf("keepMask#0")) ? 1
                                                                         : 0);
    return Expectation{values};
  };
  table.push_back(std::move(made));
}

/// Two dropouts of one scope, the second one of a transpose: elements count in
/// the order of the tensor that is dropped from, wherever it lies.
void addDropout(std::vector<OpCase> &table, DataType type, int64_t rows,
                int64_t columns, double rate) {
  OpCase made{fmt::format("dropout/{}[{},{}]rate{}", toString(type), rows,
                          columns, rate),
              {{"x", {type, {rows, columns}}}},
              {}};
  made.build = [=](Graph &graph, const std::vector<Tensor> &in) {
    Scope scope(graph, "here");
    Tensor first = dropout(in[0], rate, dropoutSeed);
    return std::vector<Tensor>{
        first, dropout(transpose(in[0], {1, 0}), rate, dropoutSeed)};
  };
  made.expected = [=](const HostTensors &in) {
    double factor = roundTo(type, 1 / (1 - rate));
    std::vector<double> first, second;
    for (int64_t i = 0; i < rows * columns; ++i) {
      int64_t from = i % rows * columns + i / rows;
      first.push_back(
          keepMask(uint32_t(i), rate, dropoutSeed, siteOf("dropout/here#0"))
              ? in[0].values[size_t(i)] * factor
              : 0);
      second.push_back(
          keepMask(uint32_t(i), rate, dropoutSeed, siteOf("dropout/here#1"))
              ? in[0].values[size_t(from)] * factor
              : 0);
    }
    return Expectation{first, second};
  };
  table.push_back(std::move(made));
}

/// Between other ops, on both sides of a product and of a norm.
void addFused(std::vector<OpCase> &table, int64_t rows, int64_t width) {
  TensorType type{DataType::F32, {rows, width}};
  OpCase made{fmt::format("dropout/fused[{},{}]", rows, width),
              {{"x", type},
               {"residual", type},
               {"w", {DataType::F32, {width, width}}, -1, 1, Source::Parameter},
               {"gain", {DataType::F32, {width}}},
               {"bias", {DataType::F32, {width}}}},
              {}};
  made.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor y = dropout(matmul(dropout(in[0], 0.2, dropoutSeed), in[2]), 0.1,
                       dropoutSeed);
    Tensor sum = in[1] + y;
    return std::vector<Tensor>{
        sum, dropout(layerNorm(sum, in[3], in[4], 0.1), 0.5, dropoutSeed)};
  };
  made.tolerance = 2e-5;
  table.push_back(std::move(made));
}

} // namespace

void addRandomCases(std::vector<OpCase> &table) {
  for (const Shape &shape :
       {Shape{1}, {7}, {130}, {3, 5, 11}, {2, 67}, {13, 1}})
    addMask(table, shape, 0.3);
  for (double rate : {0.0, 0.001, 0.999})
    addMask(table, {5, 97}, rate);
  for (DataType type : floatTypes)
    addDropout(table, type, 5, 13, 0.25);
  addDropout(table, DataType::F32, 1, 1, 0.5);
  addDropout(table, DataType::F32, 11, 67, 0.1);
  addDropout(table, DataType::F32, 7, 130, 0.9);
  addFused(table, 1, 7);
  addFused(table, 5, 67);
  addFused(table, 17, 64);
}

} // namespace gptc::optable
