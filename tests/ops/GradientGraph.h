//===- GradientGraph.h - A case's gradients --------------------*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_GRADIENTGRAPH_H
#define GPTC_TESTS_OPS_GRADIENTGRAPH_H

#include "gptc/optable/OpTable.h"

namespace gptc::tests {

using namespace optable;

/// A graph whose entry "main" has the results "loss" and the gradient of each
/// input in `differentiated`.
struct GradientGraph {
  Graph graph;
  /// Of the loss; not every backend has f64.
  DataType lossType = DataType::F64;
  std::vector<OpInput> inputs; ///< Of the case, then one for each result.
  HostTensors values;          ///< Of the inputs.
  std::vector<size_t> differentiated;

  /// Builds the loss of a case: the sum of its floating point results, each
  /// weighted by an argument (zero where the case says that nothing may depend
  /// on the element), and its gradients by all floating point inputs. Both are
  /// empty where the case has none of them.
  Status build(const OpCase &opCase);
  /// The gradient of each input in `differentiated`, and the loss before them,
  /// on the interpreter: needs phase gradient.
  Expected<HostTensors> run() const;
  /// The loss alone, with other values.
  Expected<double> lossAt(const HostTensors &other) const;
};

/// Gives the losses of a graph their gradients: model -> gradient.
Status differentiate(Graph &graph);

/// Nothing if the gradients agree with central differences of the loss: in
/// every element of small inputs, and in some directions of others.
std::optional<std::string> compareWithDifferences(const GradientGraph &graph,
                                                  double tolerance);

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_GRADIENTGRAPH_H
