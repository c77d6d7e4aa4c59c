//===- Arguments.h - Arrays for entry points -------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_ARGUMENTS_H
#define GPTC_RUNTIME_SESSION_ARGUMENTS_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Npy.h"

#include <map>

namespace gptc {

/// What an entry point takes, one array for each argument, of exactly the
/// argument's type and shape (a scalar has the shape []).
struct BoundArguments {
  std::vector<NpyArray> arrays;
  /// B and T of what was given, where that is less than what was compiled.
  struct Extent {
    uint64_t batch = 0;
    uint64_t rows = 0;
  };
  std::optional<Extent> given;
};

/// Makes the arguments of entry `entry` out of arrays by name. Converts i64 to
/// i32 where the values fit, and f64 to f32. The entries `logits`, `score` and
/// `loss_and_gradients` take tokens and targets of a smaller B or T, which are
/// padded on the right (tokens with 0, targets with -1). Fails when a name is
/// unknown or missing, or a type, a shape, a token id, a position or a length
/// is not what the entry takes.
Expected<BoundArguments> bindArguments(const Artifact &artifact, uint32_t entry,
                                       std::map<std::string, NpyArray> inputs);

/// Cuts result `index` of the entry to what belongs to the given extent.
NpyArray cutResult(const Artifact &artifact, uint32_t entry, size_t index,
                   const BoundArguments &arguments, NpyArray result);

/// Arguments that any entry point can run with, a function of `seed`: random
/// ids, numbers of a standard normal distribution, and for the entries of a
/// cache all rows valid from `position` on, which is lowered to what fits.
std::vector<NpyArray> sampleArguments(const Artifact &artifact, uint32_t entry,
                                      uint64_t seed, uint64_t position);

/// Whether the entry runs over the caches of a language model: `decode`,
/// `prefill` or `prefill_N`.
bool runsOverCaches(const artifact::EntryT &entry);

/// The index of the entry of that name; the error lists what there is.
Expected<uint32_t> requireEntry(const Artifact &artifact,
                                const std::string &name);

/// "f32 [2, 3]" or "i32 scalar".
std::string describe(DataType type, const std::vector<uint64_t> &shape);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_ARGUMENTS_H
