//===- RandomGraph.h - Graphs that nobody thought of -----------*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_RANDOMGRAPH_H
#define GPTC_TESTS_OPS_RANDOMGRAPH_H

#include "gptc/optable/OpTable.h"

namespace gptc::tests {

using namespace optable;

/// Builds the entry "main" of a graph from `steps` random steps: sharing,
/// branches, views, reductions, products, attention, indexing, variables read
/// and assigned, odd shapes, several results. It is a function of the seed,
/// and its first steps do not depend on the number of steps, so that a failure
/// shrinks by building fewer of them. Values stay of the order of 1, and
/// nothing depends on a comparison of rounded numbers: an error in f32 stays
/// small.
///
/// Returns what the graph takes, in the order of its arguments.
std::vector<OpInput> buildRandomGraph(Graph &graph, uint64_t seed,
                                      size_t steps);

/// The same with a loss, the result 0, made of everything that nothing else
/// uses, and its gradients by all floating point inputs, whose indices go to
/// `differentiated`. Every step has a gradient, and no value is rounded.
std::vector<OpInput> buildRandomGradient(Graph &graph, uint64_t seed,
                                         size_t steps,
                                         std::vector<size_t> &differentiated);

/// The number of steps that suits a seed, 3 to 22.
size_t stepsFor(uint64_t seed);

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_RANDOMGRAPH_H
