//===- OpTable.cpp --------------------------------------------------------===//

#include "gptc/optable/OpTable.h"

#include "gptc/frontend/GraphState.h"

#include <cmath>
#include <fmt/ranges.h>
#include <random>

namespace gptc::optable {

const std::vector<OpCase> &opTable() {
  static const std::vector<OpCase> table = [] {
    std::vector<OpCase> made;
    addElementwiseCases(made);
    addShapeCases(made);
    addContractionCases(made);
    addNormalizationCases(made);
    addAttentionCases(made);
    addIndexingCases(made);
    addVariableCases(made);
    addRandomCases(made);
    addTopKCases(made);
    return made;
  }();
  return table;
}

std::vector<std::string> topics() {
  std::vector<std::string> found;
  for (const OpCase &opCase : opTable()) {
    std::string topic = opCase.name.substr(0, opCase.name.find('/'));
    if (std::find(found.begin(), found.end(), topic) == found.end())
      found.push_back(topic);
  }
  return found;
}

double roundedTolerance(const OpCase &opCase, double tolerance) {
  for (const OpInput &input : opCase.inputs)
    if (input.type.element == DataType::BF16)
      tolerance = std::max(tolerance, 0x1p-7);
    else if (input.type.element == DataType::F16)
      tolerance = std::max(tolerance, 0x1p-10);
  return tolerance;
}

double roundTo(DataType type, double value) {
  switch (type) {
  case DataType::F32:
    return float(value);
  case DataType::BF16:
    return fromBF16(toBF16(float(value)));
  case DataType::F16:
    return fromF16(toF16(float(value)));
  default:
    return value;
  }
}

HostTensors makeInputs(const std::vector<OpInput> &inputs,
                       const std::string &seed) {
  // FNV-1a: the same on every machine and library.
  uint64_t hash = 1469598103934665603u;
  for (unsigned char c : seed)
    hash = (hash ^ c) * 1099511628211u;
  std::mt19937_64 random(hash);
  HostTensors tensors;
  for (const OpInput &input : inputs) {
    DataType type = input.type.element;
    HostTensor tensor{type, input.type.shape, {}};
    for (int64_t i = 0; i < input.type.elements(); ++i) {
      double unit = double(random() >> 11) * 0x1p-53;
      double value;
      if (!input.values.empty())
        value = input.values[size_t(i) % input.values.size()];
      else if (type == DataType::Bool)
        value = unit < 0.5;
      else if (type == DataType::I32)
        value = std::floor(input.low + unit * (input.high - input.low + 1));
      else
        value = input.low + unit * (input.high - input.low);
      tensor.values.push_back(roundTo(type, value));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void addEntry(CaseGraph &caseGraph, const OpCase &opCase,
              const std::string &entry, const std::string &scope) {
  Graph &graph = caseGraph;
  graph.beginEntry(entry);
  std::vector<Tensor> tensors;
  {
    Scope within(graph, scope);
    for (const OpInput &input : opCase.inputs) {
      std::string name = caseGraph.nameOf(input.name);
      switch (input.source) {
      case Source::Argument:
        tensors.push_back(graph.argument(input.name, input.type));
        break;
      case Source::Parameter:
        tensors.push_back(
            graph.parameter(name, input.type, Initializer::zeros()));
        break;
      case Source::Cache:
        tensors.push_back(graph.cache(name, input.type));
        break;
      case Source::Counter:
        tensors.push_back(graph.counter(name, input.type));
        break;
      }
    }
    std::vector<Tensor> results = opCase.build(caseGraph, tensors);
    for (size_t i = 0; i < results.size(); ++i)
      graph.result("r" + std::to_string(i), results[i]);
  }
  graph.endEntry();
}

Status buildGraph(Graph &graph, const OpCase &opCase) {
  CaseGraph alone(graph, "");
  addEntry(alone, opCase, "main", opCase.name.substr(0, opCase.name.find('/')));
  return graph.finish();
}

mlir::func::FuncOp entryOf(Graph &graph, const std::string &name) {
  return moduleOf(graph).lookupSymbol<mlir::func::FuncOp>(name);
}

RunInputs partInputs(const std::vector<OpInput> &inputs,
                     const HostTensors &values) {
  RunInputs parted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].source == Source::Argument)
      parted.arguments.push_back(values[i]);
    else
      parted.variables[inputs[i].name] = values[i];
  }
  return parted;
}

std::optional<std::string>
difference(const HostTensor &expected, const HostTensor &found,
           double tolerance,
           const std::function<bool(size_t element)> &matters) {
  if (expected.type != found.type || expected.shape != found.shape)
    return fmt::format("found {}[{}], expected {}[{}]", toString(found.type),
                       fmt::join(found.shape, ", "), toString(expected.type),
                       fmt::join(expected.shape, ", "));
  if (expected.values.size() != found.values.size())
    return fmt::format("found {} values, expected {}", found.values.size(),
                       expected.values.size());
  bool isFloat =
      expected.type == DataType::F32 || expected.type == DataType::F64 ||
      expected.type == DataType::F16 || expected.type == DataType::BF16;
  // Where the oracle's doubles overflow the type, so does the backend.
  DataType type =
      expected.type == DataType::F32 ? DataType::F32 : DataType::F64;
  double worst = -1;
  size_t place = 0, count = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    if (matters && !matters(i))
      continue;
    double a = roundTo(type, expected.values[i]);
    double b = roundTo(type, found.values[i]);
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double error = std::fabs(a - b) / std::max(1.0, std::fabs(a));
    if (isFloat && error <= tolerance)
      continue;
    ++count;
    if (std::isnan(error) || error > worst) {
      worst = error;
      place = i;
    }
  }
  if (count == 0)
    return std::nullopt;
  return fmt::format("{} of {} elements differ by more than {:.3g}; the worst, "
                     "element {} of [{}], is {:.9g}, expected {:.9g}",
                     count, expected.values.size(), isFloat ? tolerance : 0.0,
                     place, fmt::join(expected.shape, ", "),
                     found.values[place], expected.values[place]);
}

} // namespace gptc::optable
