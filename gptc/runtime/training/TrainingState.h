//===- TrainingState.h - What a training run saves -------------*- C++ -*-===//
//
// A saved state is a folder OUT/step-N that appears whole or not at all:
//
//   model.safetensors       all parameters, as `gptc export` writes them
//   optimizer.safetensors   all other variables that are no caches, by name
//   training.json           the step and what the run depends on
//
// with the configuration and the tokenizer that the artifact carries: it is a
// checkpoint folder like others, which can be compiled, or loaded elsewhere.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TRAINING_TRAININGSTATE_H
#define GPTC_RUNTIME_TRAINING_TRAININGSTATE_H

#include "gptc/runtime/program/Executable.h"

namespace gptc {

/// What must be the same where a run goes on.
struct TrainingIdentity {
  uint64_t seed = 0;
  uint64_t batch = 0, context = 0;
  uint64_t trainingTokens = 0;
  std::string sourceHash; ///< Of the artifact.

  bool operator==(const TrainingIdentity &) const = default;
};

/// The number of the newest state in a folder, that is, of steps done; 0 if
/// there is none. Errors if the folder cannot be read.
Expected<uint64_t> newestState(const std::string &output);
/// "OUT/step-00000100".
std::string statePath(const std::string &output, uint64_t step);

/// Writes the state after `step` steps, and removes all states but the newest
/// `keep`.
Status saveState(const std::string &output, uint64_t step, uint64_t keep,
                 const TrainingIdentity &identity, Executable &program);

/// Gives a program, which was loaded with the state's folder as its
/// checkpoint, what lies beside the parameters. InvalidArgument if the run was
/// another one; the sentence says in what.
Status loadState(const std::string &output, uint64_t step,
                 const TrainingIdentity &identity, Executable &program);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TRAININGSTATE_H
