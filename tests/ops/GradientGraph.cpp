//===- GradientGraph.cpp --------------------------------------------------===//

#include "GradientGraph.h"

#include "gptc/frontend/GraphState.h"
#include "gptc/passes/Passes.h"

#include <cmath>
#include <random>

namespace gptc::tests {

namespace {

bool isFloat(const TensorType &type) {
  return type.element != DataType::I32 && type.element != DataType::Bool;
}

/// The sum of all elements, in a type.
Tensor total(Tensor x, DataType type) {
  while (!x.shape().empty())
    x = reduceSum(x, 0);
  return x.type().element == type ? x : cast(x, type);
}

Tensor declare(Graph &graph, const OpInput &input) {
  switch (input.source) {
  case Source::Argument:
    return graph.argument(input.name, input.type);
  case Source::Parameter:
    return graph.parameter(input.name, input.type, Initializer::zeros());
  case Source::Cache:
    return graph.cache(input.name, input.type);
  case Source::Counter:
    return graph.counter(input.name, input.type);
  }
  return {};
}

} // namespace

Status GradientGraph::build(const OpCase &opCase) {
  inputs = opCase.inputs;
  values = makeInputs(inputs, opCase.name);
  graph.beginEntry("main");
  std::vector<Tensor> tensors, variables;
  for (const OpInput &input : inputs)
    tensors.push_back(declare(graph, input));
  for (size_t i = 0; i < tensors.size(); ++i)
    if (isFloat(inputs[i].type)) {
      differentiated.push_back(i);
      variables.push_back(tensors[i]);
    }
  Tensor loss;
  CaseGraph alone(graph, "");
  std::vector<Tensor> results = opCase.build(alone, tensors);
  for (size_t r = 0; r < results.size(); ++r) {
    if (!results[r].valid() || !isFloat(results[r].type()))
      continue;
    OpInput weight{"weight" + std::to_string(r), results[r].type(), -1, 1};
    HostTensor drawn = makeInputs({weight}, opCase.name + weight.name)[0];
    if (r == 0 && opCase.matters)
      for (size_t i = 0; i < drawn.values.size(); ++i)
        if (!opCase.matters(values, i))
          drawn.values[i] = 0;
    Tensor part = total(results[r] * declare(graph, weight), lossType);
    loss = loss.valid() ? loss + part : part;
    inputs.push_back(weight);
    values.push_back(drawn);
  }
  if (loss.valid() && !variables.empty()) {
    graph.result("loss", loss);
    std::vector<Tensor> gradients = gradient(loss, variables);
    for (size_t i = 0; i < gradients.size(); ++i)
      graph.result("g" + std::to_string(i), gradients[i]);
  } else {
    differentiated.clear();
  }
  graph.endEntry();
  return graph.finish();
}

Expected<HostTensors> GradientGraph::run() const {
  auto [arguments, variables] = partInputs(inputs, values);
  return interpret(entryOf(const_cast<Graph &>(graph)), arguments, variables);
}

Expected<double> GradientGraph::lossAt(const HostTensors &other) const {
  auto [arguments, variables] = partInputs(inputs, other);
  GPTC_TRY(HostTensors results, interpret(entryOf(const_cast<Graph &>(graph)),
                                          arguments, variables));
  return results[0].values[0];
}

Status differentiate(Graph &graph) {
  mlir::ModuleOp module = moduleOf(graph);
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(module.getContext(),
                                        [&](mlir::Diagnostic &diagnostic) {
                                          errors += diagnostic.str();
                                          return mlir::success();
                                        });
  mlir::PassManager manager(module.getContext());
  passes::buildGradientPipeline(manager);
  if (mlir::failed(manager.run(module)))
    return failure(ErrorCode::InvalidArgument, "{}", errors);
  return {};
}

std::optional<std::string> compareWithDifferences(const GradientGraph &graph,
                                                  double tolerance) {
  constexpr double step = 1e-6;
  constexpr size_t fewElements = 12, directions = 3;
  auto results = graph.run();
  if (!results)
    return results.error().message();
  std::mt19937_64 random(17);
  for (size_t g = 0; g < graph.differentiated.size(); ++g) {
    size_t input = graph.differentiated[g];
    const HostTensor &gradient = (*results)[g + 1];
    if (gradient.shape != graph.values[input].shape)
      return fmt::format("the gradient of '{}' has another shape",
                         graph.inputs[input].name);
    size_t count = gradient.values.size();
    bool each = count <= fewElements;
    for (size_t d = 0; d < (each ? count : directions); ++d) {
      HostTensors above = graph.values, below = graph.values;
      double expected = 0, size = 0;
      for (size_t i = 0; i < count; ++i) {
        double way =
            each ? double(i == d) : double(random() >> 11) * 0x1p-52 - 1;
        above[input].values[i] += step * way;
        below[input].values[i] -= step * way;
        expected += way * gradient.values[i];
        size += std::fabs(way * gradient.values[i]);
      }
      auto high = graph.lossAt(above), low = graph.lossAt(below);
      if (!high || !low)
        return (high ? low : high).error().message();
      double found = (*high - *low) / (2 * step);
      // The difference itself is as exact as the loss is.
      double allowed =
          tolerance * size + 1e-9 * (1 + std::fabs(*high)) + 1e-3 * tolerance;
      if (!(std::fabs(found - expected) <= allowed))
        return fmt::format(
            "by '{}', in direction {}, the loss changes by {:.12g}, its "
            "gradient says {:.12g}",
            graph.inputs[input].name, d, found, expected);
    }
  }
  return std::nullopt;
}

} // namespace gptc::tests
