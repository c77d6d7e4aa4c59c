//===- TrainingState.h - What a training run saves -------------*- C++ -*-===//
//
// A saved state is a folder OUT/step-N that appears whole or not at all:
//
//   model.safetensors       all parameters, as `gptc export` writes them
//   optimizer.safetensors   all other variables that are no caches, by name
//   exact.safetensors       from a backend in double: the values of both that
//                           their types do not hold, in double
//   training.json           the step, the validation loss, what the run
//                           depends on, what its artifact is, and SHA-256 of
//                           these files
//
// with the configuration and the tokenizer that the artifact carries: it is a
// checkpoint folder like others, which can be compiled, or loaded elsewhere.
// Where low-rank adapters are trained, adapter.safetensors is in the place of
// model.safetensors, and the weights stay where they came from.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TRAINING_TRAININGSTATE_H
#define GPTC_RUNTIME_TRAINING_TRAININGSTATE_H

#include "gptc/runtime/program/Executable.h"

#include "gptc/runtime/training/StepSizes.h"

#include <map>
#include <optional>

namespace gptc {

/// What must be the same where a run goes on, beside its artifact.
struct TrainingIdentity {
  uint64_t seed = 0;
  uint64_t batch = 0, context = 0;
  uint64_t trainingTokens = 0;
  uint64_t accumulate = 1; ///< Batches of a whole step.
  BatchGrowth growth;
  /// BatchSource::details().
  std::map<std::string, std::string> details;

  bool operator==(const TrainingIdentity &) const = default;
};

/// The number of the newest state in a folder, that is, of steps done; 0 if
/// there is none. Errors if the folder cannot be read.
Expected<uint64_t> newestState(const std::string &output);
/// "OUT/step-00000100".
std::string statePath(const std::string &output, uint64_t step);

/// The number of the state with the lowest validation loss, the earlier of
/// equal ones; 0 where none has one.
Expected<uint64_t> bestState(const std::string &output);

/// The lowest validation loss of a folder's states; nothing where none has one.
Expected<std::optional<double>> bestLoss(const std::string &output);

/// InvalidArgument where another artifact made the state of a step: the
/// sentence says in what the two differ.
Status checkProgram(const std::string &output, uint64_t step,
                    const Artifact &artifact);

struct SaveOptions {
  uint64_t keep = 2; ///< Newest states that stay, beside the best.
  std::optional<double> validationLoss; ///< After these steps.
};

/// Writes the state after `step` steps, and removes older ones.
Status saveState(const std::string &output, uint64_t step,
                 const SaveOptions &options, const TrainingIdentity &identity,
                 Executable &program);

/// Gives a program, which was loaded with the state's folder as its
/// checkpoint, what lies beside the parameters. InvalidArgument if the run was
/// another one, and the sentence says in what; Corrupt if a file is not what
/// was saved.
Status loadState(const std::string &output, uint64_t step,
                 const TrainingIdentity &identity, Executable &program);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TRAININGSTATE_H
