//===- Trace.h - What is computed on the way -------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_TRACE_H
#define GPTC_RUNTIME_SESSION_TRACE_H

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace gptc {

/// Values that one run computes on the way to its results.
struct Trace {
  struct Value {
    std::string scope; ///< Of the op that computes it.
    std::vector<double> elements;
  };
  /// Only values of as many elements are kept.
  std::set<uint64_t> counts;
  /// In the order in which they were computed.
  std::vector<Value> values;
};

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_TRACE_H
