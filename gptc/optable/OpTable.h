//===- OpTable.h - Every op in every type, with its meaning ----*- C++ -*-===//
//
// One list of small graphs that tests the reference interpreter against
// closed forms, and every backend against the interpreter. A test asserts that
// no op of the model phase is missing here. `gptc devices --check` runs it on a
// user's own devices (see WriteDeviceCheck.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_OPTABLE_OPTABLE_H
#define GPTC_OPTABLE_OPTABLE_H

#include "gptc/backends/reference/compiler/Interpreter.h"
#include "gptc/frontend/Graph.h"
#include "gptc/frontend/Operators.h"

#include <functional>

namespace gptc::optable {

enum class Source { Argument, Parameter, Cache, Counter };

/// Something that a case's graph takes.
struct OpInput {
  std::string name;
  TensorType type;
  /// Values are even between these; whole numbers for integers, both included.
  double low = -2;
  double high = 2;
  Source source = Source::Argument;
  /// If not empty: these, again and again.
  std::vector<double> values = {};
};

using HostTensors = std::vector<HostTensor>;
/// The values of each result.
using Expectation = std::vector<std::vector<double>>;

/// The graph that a case is built in, whose variables' names begin with a
/// prefix: one graph may hold many cases.
class CaseGraph {
public:
  CaseGraph(Graph &graph, std::string prefix)
      : graph_(graph), prefix_(std::move(prefix)) {}
  operator Graph &() const { return graph_; } // NOLINT: it is one.

  std::string nameOf(const std::string &variable) const {
    return prefix_ + variable;
  }
  Tensor cache(const std::string &name, const TensorType &type) const {
    return graph_.cache(nameOf(name), type);
  }
  void assign(const std::string &name, const Tensor &value) const {
    graph_.assign(nameOf(name), value);
  }

private:
  Graph &graph_;
  std::string prefix_;
};

struct OpCase {
  /// "op/variant"; the part before the slash is the topic that tests go by.
  std::string name;
  std::vector<OpInput> inputs;
  /// Builds the results from the inputs, in order.
  std::function<std::vector<Tensor>(CaseGraph &, const std::vector<Tensor> &)>
      build;
  /// The results by a closed form that shares no code with the interpreter;
  /// may be empty.
  std::function<Expectation(const HostTensors &inputs)> expected = {};
  /// Error that a backend may make in f32 in an element, relative to the
  /// element's magnitude or to 1, whichever is more.
  double tolerance = 2e-6;
  /// Whether anything may depend on an element of result 0; all if empty.
  std::function<bool(const HostTensors &inputs, size_t element)> matters = {};
  /// Whether gradients of the results by the floating point inputs are tested:
  /// not where an op has none, where values jump, and where not all are finite.
  bool differentiable = true;
};

const std::vector<OpCase> &opTable();
/// The topics in the table's order, each once.
std::vector<std::string> topics();

/// Values for the inputs of a case: always the same, and exact in their types.
HostTensors makeInputs(const std::vector<OpInput> &inputs,
                       const std::string &seed);

/// Adds the case as an entry with results "r0", "r1", ..., built in a scope.
void addEntry(CaseGraph &graph, const OpCase &opCase, const std::string &entry,
              const std::string &scope);
/// A graph of the case alone, as the entry "main" in the scope of its topic.
Status buildGraph(Graph &graph, const OpCase &opCase);
/// The graph's entry of that name.
mlir::func::FuncOp entryOf(Graph &graph, const std::string &name = "main");

/// What a run of a case starts from: inputs parted by their source.
struct RunInputs {
  HostTensors arguments;
  HostVariables variables;
};
RunInputs partInputs(const std::vector<OpInput> &inputs,
                     const HostTensors &values);

/// Nothing if `found` is `expected` within the tolerance (see OpCase), else a
/// sentence about the worst element. Integers and bools must be equal. Values
/// are compared in the element type, so that an overflow of it is one in both.
std::optional<std::string>
difference(const HostTensor &expected, const HostTensor &found,
           double tolerance,
           const std::function<bool(size_t element)> &matters = {});

/// A value of an element type nearest to `value`.
double roundTo(DataType type, double value);

/// What an error of `tolerance` in f32 may be where a case's numbers are
/// rounded to narrow types, which the interpreter does not do.
double roundedTolerance(const OpCase &opCase, double tolerance);
/// The same with products in "bf16" or "f16", whose operands are rounded: what
/// is left to see are errors of layout and of order, which are larger than
/// those of rounding. f16 has three bits more.
constexpr double narrowTolerance(std::string_view type) {
  return type == "f16" ? 0.15 / 8 : 0.15;
}
/// The topics that have products, or are stored in their type.
inline constexpr const char *narrowTopics[] = {
    "matmul", "linear", "attention", "gather", "cacheAppend", "variable"};

/// The seed of dropouts of the table, the number of the place `scope#n`, and an
/// element of a mask, all by definition.
inline constexpr int32_t dropoutSeed = -77;
uint32_t siteOf(const std::string &place);
bool keepMask(uint32_t index, double rate, int32_t seed, uint32_t site);

// The parts of the table.
void addElementwiseCases(std::vector<OpCase> &table);
void addShapeCases(std::vector<OpCase> &table);
void addContractionCases(std::vector<OpCase> &table);
void addNormalizationCases(std::vector<OpCase> &table);
void addAttentionCases(std::vector<OpCase> &table);
void addIndexingCases(std::vector<OpCase> &table);
void addVariableCases(std::vector<OpCase> &table);
void addRandomCases(std::vector<OpCase> &table);
void addTopKCases(std::vector<OpCase> &table);

inline constexpr DataType floatTypes[] = {DataType::F32, DataType::BF16,
                                          DataType::F16, DataType::F64};

} // namespace gptc::optable

#endif // GPTC_OPTABLE_OPTABLE_H
