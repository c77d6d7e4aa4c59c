//===- Runner.h - Whatever runs entry points on arrays ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_RUNNER_H
#define GPTC_RUNTIME_SESSION_RUNNER_H

#include "gptc/runtime/program/Executable.h"
#include "gptc/runtime/session/Trace.h"
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
  /// Memory of an argument or result of an entry that the backend has, as
  /// Executable::argument has it: for whoever runs without copies.
  virtual std::span<std::byte> argument(uint32_t entry, size_t index) = 0;
  virtual std::span<std::byte> result(uint32_t entry, size_t index) = 0;
  /// Runs an entry on what lies in its arguments' memory.
  virtual Status runInPlace(uint32_t entry) = 0;
  /// As Executable::computedRows.
  virtual uint64_t computedRows(uint32_t entry, uint64_t rows) const {
    (void)entry;
    return rows;
  }
  template <typename T> std::span<T> argumentAs(uint32_t entry, size_t index) {
    auto bytes = argument(entry, index);
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T> std::span<T> resultAs(uint32_t entry, size_t index) {
    auto bytes = result(entry, index);
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  /// Sets caches and counters to zero.
  virtual Status reset() = 0;
  /// Whether runTraced() is there.
  virtual bool traces() const { return false; }
  /// As run(), and adds to the trace what is computed on the way.
  virtual Expected<std::vector<NpyArray>>
  runTraced(uint32_t entry, std::span<const NpyArray> arguments, Trace &trace) {
    (void)trace;
    return run(entry, arguments);
  }
  /// The program, where this runs one: its dispatches can be watched.
  virtual Executable *program() { return nullptr; }
};

/// A program as a Runner.
std::unique_ptr<Runner> createRunner(std::unique_ptr<Executable> program);
/// The same over a program that stays the caller's and must live longer.
std::unique_ptr<Runner> borrowingRunner(Executable &program);

/// Copies arrays of exactly the right types and shapes into the memory of an
/// entry's arguments.
void setArguments(Executable &program, uint32_t entry,
                  std::span<const NpyArray> arguments);
/// Result `index` of the last run of an entry. A bf16 result comes as f32,
/// since .npy has no such type.
NpyArray readResult(Executable &program, uint32_t entry, size_t index);
/// An array of bf16 as one of f32, any other as it is.
NpyArray withoutBF16(NpyArray array);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_RUNNER_H
