//===- Comparison.h - Two ways of running one entry point ------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_COMPARISON_H
#define GPTC_RUNTIME_SESSION_COMPARISON_H

#include "gptc/runtime/session/Runner.h"

#include <optional>

namespace gptc {

/// Largest errors over values that should be equal. Infinite where one side
/// alone is no finite number.
struct ErrorSize {
  double absolute = 0;
  /// Parts of the largest finite magnitude on the first side.
  double relative = 0;
};

/// Of a result's name or a scope.
struct NamedError {
  std::string name;
  ErrorSize size;
};

/// The first dispatch, in the order of the first program, whose outputs differ
/// by more than is tolerated.
struct FirstDifference {
  uint64_t dispatch = 0; ///< Its number in that order.
  std::string kernel, scope;
  ErrorSize outputs;
  /// Of what it read, but for weights; nothing where the other side is no
  /// program: then what follows is not known, either.
  std::optional<ErrorSize> inputs;
  /// The element with the largest error, of which output, and its values.
  uint64_t output = 0, element = 0;
  double values[2] = {0, 0};
};

struct Comparison {
  std::string entry;
  uint64_t position = 0; ///< Tokens in the cache before the run.
  double seconds[2] = {0, 0};
  std::vector<NamedError> results;
  /// In the order of the first program, or of the only one.
  std::vector<NamedError> scopes;
  /// Parameters, optimizer state and counters that the entry writes, where both
  /// sides are programs that store them in rows.
  std::vector<NamedError> variables;
  /// Dispatches of the first program with and without a counterpart: the one
  /// in the same place where both programs are the same steps, else one of the
  /// same scope whose outputs have as many values. A backend that runs no
  /// program but traces counts by its values: each output of a dispatch, which
  /// may begin and end with ops of other scopes than its own, is held against
  /// the closest of the values of as many elements that belong to the same part
  /// of the model (`h.3`) or the one before.
  uint64_t matched = 0, unmatched = 0;
  /// The scopes of those without, in order.
  std::vector<std::string> unmatchedScopes;
  /// Where it was asked for and there is one.
  std::optional<FirstDifference> firstDifference;
};

struct ComparisonOptions {
  uint64_t seed = 1;
  /// Runs to take the median time of; a backend that traces runs once.
  uint64_t repeats = 5;
  /// Look for the first difference, in parts of an output's largest magnitude.
  std::optional<double> tolerance = {};
};

/// Largest errors of `second` against `first`, of equal numbers of values; of
/// any floating point or integer type up to 32 bits.
ErrorSize errorOf(std::span<const std::byte> first, DataType firstType,
                  std::span<const std::byte> second, DataType secondType);

/// Runs the entry of that name on equal random arguments. `decode` runs after
/// a prefill, where both have one; optimizer state is positive random numbers,
/// since from zeros Adam's first step is the sign of each gradient, also of one
/// that is but rounding. Fails when one side lacks the entry, or its
/// arguments or results differ.
Expected<Comparison> compare(Runner &first, Runner &second,
                             const std::string &entry,
                             const ComparisonOptions &options);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_COMPARISON_H
