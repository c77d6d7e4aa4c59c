//===- BackendComparison.h - The table of ops on a backend -----*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_BACKENDCOMPARISON_H
#define GPTC_TESTS_OPS_BACKENDCOMPARISON_H

#include "CompiledGraph.h"

namespace gptc::tests {

/// Runs each case of a topic on all variants of a target and expects the
/// interpreter's values, in f32 within each case's tolerance.
void expectTopic(const std::string &topic, const std::string &target);

/// The same with products in bf16, whose operands are rounded: what is left to
/// see are errors of layout and of order, which are larger than those of
/// rounding.
void expectNarrowTopic(const std::string &topic, const std::string &target);

/// The same of the gradients of each case that has any; of all these, part
/// `part` of `parts`.
void expectGradients(const std::string &topic, const std::string &target,
                     size_t part = 0, size_t parts = 1);

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_BACKENDCOMPARISON_H
