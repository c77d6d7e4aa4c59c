//===- VariableCases.cpp - State ------------------------------------------===//

#include "gptc/optable/OpTable.h"

#include <fmt/format.h>

namespace gptc::optable {

void addVariableCases(std::vector<OpCase> &table) {
  for (DataType type : {DataType::F32, DataType::BF16, DataType::F16,
                        DataType::F64, DataType::I32, DataType::Bool}) {
    TensorType vector{type, {13}};
    // What is read after an assignment is what was assigned; what was read
    // before it is the old value.
    // Parameters are of types that checkpoints and initializers give.
    Source other = isWeightType(type) ? Source::Parameter : Source::Cache;
    OpCase made{fmt::format("variable/{}", toString(type)),
                {{"x", vector, -9, 9},
                 {"other", vector, -9, 9, other},
                 {"cache", vector, -9, 9, Source::Cache}},
                {}};
    made.build = [vector](CaseGraph &graph, const std::vector<Tensor> &in) {
      graph.assign("cache", in[0]);
      Tensor after = graph.cache("cache", vector);
      return std::vector<Tensor>{in[1], in[2], after};
    };
    made.expected = [](const HostTensors &in) {
      return Expectation{in[1].values, in[2].values, in[0].values};
    };
    made.tolerance = 0;
    table.push_back(std::move(made));
  }

  OpCase counter{"variable/counter",
                 {{"step", {DataType::I32, {1}}, 41, 41, Source::Counter}},
                 {}};
  counter.build = [](CaseGraph &graph, const std::vector<Tensor> &in) {
    Tensor next = in[0] + full(in[0], 1);
    graph.assign("step", next);
    return std::vector<Tensor>{next};
  };
  counter.expected = [](const HostTensors &in) {
    return Expectation{{in[0].values[0] + 1}};
  };
  table.push_back(std::move(counter));

  OpCase swapped{"variable/swapped",
                 {{"a", {DataType::F32, {7, 5}}, -2, 2, Source::Cache},
                  {"b", {DataType::F32, {7, 5}}, -2, 2, Source::Cache}},
                 {}};
  swapped.build = [](CaseGraph &graph, const std::vector<Tensor> &in) {
    graph.assign("a", in[1]);
    graph.assign("b", in[0]);
    return std::vector<Tensor>{in[0] - in[1]};
  };
  table.push_back(std::move(swapped));

  OpCase twice{"variable/assigned_twice",
               {{"a", {DataType::F32, {11}}, -2, 2, Source::Cache},
                {"x", {DataType::F32, {11}}}},
               {}};
  twice.build = [](CaseGraph &graph, const std::vector<Tensor> &in) {
    graph.assign("a", in[0] + in[1]);
    Tensor once = graph.cache("a", in[0].type());
    graph.assign("a", once * in[1]);
    return std::vector<Tensor>{graph.cache("a", in[0].type()), once};
  };
  table.push_back(std::move(twice));

  // The old value is read after the new one is known, in other kernels than
  // the one that makes it, and by the new one itself out of order.
  auto add = [&](const std::string &name, std::vector<OpInput> inputs,
                 decltype(OpCase::build) build) {
    OpCase made{"variable/" + name, std::move(inputs), std::move(build)};
    made.tolerance = 2e-5;
    made.differentiable = !name.starts_with("append");
    table.push_back(std::move(made));
  };
  TensorType square{DataType::F32, {13, 13}};
  OpInput a{"a", square, -2, 2, Source::Cache};
  OpInput b{"b", square, -2, 2, Source::Cache};
  OpInput x{"x", square};
  using Tensors = std::vector<Tensor>;
  add("old_value_read_later", {a, x}, [](CaseGraph &graph, const Tensors &in) {
    Tensor next = matmul(in[0], in[1]);
    graph.assign("a", next);
    return Tensors{matmul(next, in[0])};
  });
  add("transposed_in_place", {a}, [](CaseGraph &graph, const Tensors &in) {
    graph.assign("a", transpose(in[0], {1, 0}));
    return Tensors{};
  });
  add("row_repeated_in_place", {a}, [](CaseGraph &graph, const Tensors &in) {
    Tensor row = slice(in[0], {3, 0}, {1, 13});
    graph.assign("a", scale(broadcast(row, {13, 13}), 2));
    return Tensors{};
  });
  add("product_in_place", {a, b}, [](CaseGraph &graph, const Tensors &in) {
    graph.assign("a", matmul(in[0], in[1]));
    graph.assign("b", matmul(in[1], in[0]));
    return Tensors{};
  });
  add("swapped_transposed", {a, b}, [](CaseGraph &graph, const Tensors &in) {
    graph.assign("a", transpose(in[1], {1, 0}));
    graph.assign("b", transpose(in[0], {1, 0}));
    return Tensors{in[0]};
  });
  add("moved_on", {a, b, x}, [](CaseGraph &graph, const Tensors &in) {
    graph.assign("b", in[0]);
    graph.assign("a", in[2]);
    return Tensors{in[1], in[1]};
  });
  add("moved_into_unread", {a, x},
      [square](CaseGraph &graph, const Tensors &in) {
        graph.cache("unread", square);
        graph.assign("unread", in[0]);
        graph.assign("a", in[1]);
        return Tensors{};
      });
  add("one_value_into_two", {a, b, x}, [](CaseGraph &graph, const Tensors &in) {
    Tensor next = exp(in[2]);
    graph.assign("a", next);
    graph.assign("b", next);
    return Tensors{next, next, in[2]};
  });
  add("product_stored_transposed", {a, x},
      [](CaseGraph &graph, const Tensors &in) {
        Tensor product = matmul(in[1], in[1]);
        graph.assign("a", transpose(product, {1, 0}));
        return Tensors{exp(product) + in[0]};
      });
  OpInput i{"i", {DataType::I32, {3}}, -9, 9, Source::Counter};
  OpInput j{"j", {DataType::I32, {3}}, -9, 9, Source::Counter};
  add("counters_swapped", {i, j}, [](CaseGraph &graph, const Tensors &in) {
    graph.assign("i", in[1] + full(in[1], 1));
    graph.assign("j", in[0] - full(in[0], 1));
    return Tensors{};
  });

  TensorType index{DataType::I32, {2}};
  std::vector<OpInput> appended = {
      {"cache", {DataType::F32, {2, 3, 7, 5}}, -2, 2, Source::Cache},
      {"rows", {DataType::F32, {2, 3, 2, 5}}},
      {"positions", index, 0, 0, Source::Argument, {2, 5}},
      {"lengths", index, 0, 0, Source::Argument, {2, 1}}};
  add("append_and_old_cache", appended,
      [](CaseGraph &graph, const Tensors &in) {
        Tensor grown = cacheAppend(in[0], in[1], in[2], in[3]);
        graph.assign("cache", grown);
        return Tensors{grown - in[0], transpose(grown, {0, 2, 1, 3})};
      });
  add("append_not_assigned", appended, [](Graph &, const Tensors &in) {
    return Tensors{cacheAppend(in[0], in[1], in[2], in[3])};
  });
  add("append_twice", appended, [](CaseGraph &graph, const Tensors &in) {
    Tensor once = cacheAppend(in[0], in[1], in[2], in[3]);
    Tensor twice = cacheAppend(once, scale(in[1], 2), in[3], in[3]);
    graph.assign("cache", twice);
    return Tensors{once};
  });
  add("arguments_returned", {x}, [](Graph &, const Tensors &in) {
    Tensor y = transpose(in[0], {1, 0});
    return Tensors{in[0], in[0], y, y, reshape(y, {169})};
  });
}

} // namespace gptc::optable
