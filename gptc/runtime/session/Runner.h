//===- Runner.h - Whatever runs entry points on arrays ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_RUNNER_H
#define GPTC_RUNTIME_SESSION_RUNNER_H

#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/tensors/Npy.h"

namespace gptc {

/// A backend with an artifact on it. Variables keep their values from run to
/// run, so that entries of a cache can follow each other. Not thread safe.
class Runner {
public:
  virtual ~Runner() = default;

  /// Backend, instruction set or device, threads: "cpu x86-64-v4, 2 threads".
  virtual std::string name() const = 0;
  virtual const Artifact &artifact() const = 0;
  /// Whether the backend has that entry of the manifest.
  virtual bool has(uint32_t entry) const = 0;
  /// Runs an entry that the backend has on arrays of exactly its arguments'
  /// types and shapes; one array for each result. `seconds`, if not null,
  /// receives the time of the run alone.
  virtual Expected<std::vector<NpyArray>>
  run(uint32_t entry, std::span<const NpyArray> arguments,
      double *seconds = nullptr) = 0;
  /// Sets caches and counters to zero.
  virtual void reset() = 0;
  /// The program, where this runs one: its dispatches can be watched.
  virtual Program *program() { return nullptr; }
};

/// The CPU backend as a Runner.
std::unique_ptr<Runner> createRunner(std::unique_ptr<Program> program);

/// Copies arrays of exactly the right types and shapes into the memory of an
/// entry's arguments.
void setArguments(Program &program, uint32_t entry,
                  std::span<const NpyArray> arguments);
/// Result `index` of the last run of an entry. A bf16 result comes as f32,
/// since .npy has no such type.
NpyArray readResult(Program &program, uint32_t entry, size_t index);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_RUNNER_H
