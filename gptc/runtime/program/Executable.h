//===- Executable.h - A target with its memory, on any backend -*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_EXECUTABLE_H
#define GPTC_RUNTIME_PROGRAM_EXECUTABLE_H

#include "gptc/runtime/artifact/Artifact.h"

#include <memory>

namespace gptc {

class RoofMeter;

/// The entry points of one of an artifact's targets with their memory, ready
/// to run: on the CPU (Program), or on a Vulkan device. Entry points share
/// variables, so that only one runs at a time; not thread safe. After an error
/// of a run, what variables hold is unknown.
class Executable {
public:
  virtual ~Executable() = default;

  /// Backend, instruction set or device: "cpu x86-64-v4, 2 threads".
  virtual std::string name() const = 0;
  virtual const Artifact &artifact() const = 0;
  virtual const artifact::TargetT &target() const = 0;
  /// Name of the target's variant in use.
  virtual const std::string &variant() const = 0;
  /// What the variant in use needs, as the artifact spells it.
  virtual const std::vector<std::string> &features() const = 0;

  /// Whether the target has that entry of the manifest, and it is loaded.
  virtual bool has(uint32_t entry) const = 0;
  /// The dispatches and buffers of an entry that the target has.
  virtual const artifact::ProgramT &describe(uint32_t entry) const = 0;
  /// Memory of an argument or result, dense and row-major; a scalar argument
  /// is 8 bytes, an f32 or i32 in the first half. It stays where it is, and
  /// results change with each run.
  virtual std::span<std::byte> argument(uint32_t entry, size_t index) = 0;
  virtual std::span<std::byte> result(uint32_t entry, size_t index) = 0;
  template <typename T> std::span<T> argumentAs(uint32_t entry, size_t index) {
    auto bytes = argument(entry, index);
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T> std::span<T> resultAs(uint32_t entry, size_t index) {
    auto bytes = result(entry, index);
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }

  /// Says which results, by their numbers, runs of an entry are to leave in
  /// their memory; others hold anything until bring(). At first these are all
  /// of the artifact's, and not those that the target adds to them
  /// (ProgramT::results, whose numbers go on).
  virtual void want(uint32_t entry, std::span<const size_t> results) {
    (void)entry, (void)results;
  }
  /// Brings a result of the latest run of an entry to its memory, if it is not
  /// there. Nothing else may have run since.
  virtual Status bring(uint32_t entry, size_t result) {
    (void)entry, (void)result;
    return {};
  }

  /// Runs an entry that the target has. `seconds`, if not empty, receives the
  /// time of each dispatch; every dispatch is then waited for.
  virtual Status run(uint32_t entry, std::span<double> seconds = {}) = 0;
  /// Rows of each sequence that an entry computes for `rows` valid ones: whole
  /// blocks of its heaviest dispatch.
  virtual uint64_t computedRows(uint32_t entry, uint64_t rows) const = 0;
  /// Runs dispatches [from, to) alone, so that what each leaves can be looked
  /// at. A whole run begins with from = 0 and leaves none out.
  virtual Status runDispatches(uint32_t entry, size_t from, size_t to) = 0;
  /// What one of a dispatch's buffers holds, until anything else is called. In
  /// the arena it is what was written there last.
  virtual Expected<std::span<const std::byte>>
  readBuffer(uint32_t entry, size_t dispatch, size_t position) = 0;

  /// The stored bytes of a variable, in its target's layout, until anything
  /// else is called; none of a variable that no loaded entry uses and that is
  /// no parameter.
  virtual Expected<std::span<const std::byte>> readVariable(size_t index) = 0;
  /// Gives a variable new bytes, as many as it has.
  virtual Status writeVariable(size_t index,
                               std::span<const std::byte> bytes) = 0;
  /// Sets caches, counters and optimizer state to zero.
  virtual Status reset() = 0;

  /// Whether variables are in double here, so that their stored bytes are
  /// rounded.
  virtual bool isInDouble() const { return false; }
  /// Their values then, row-major, to read or to change, until anything else is
  /// called; empty elsewhere.
  virtual std::span<double> doubles(size_t index) {
    (void)index;
    return {};
  }

  /// Bytes of weights that are read where the file is mapped.
  virtual uint64_t mappedBytes() const { return 0; }
  /// Copies mapped weights, about `bytes` more of them, to where they are read
  /// faster.
  virtual void moveWeights(uint64_t bytes) { (void)bytes; }

  /// Of this machine's threads, those that run kernels.
  virtual unsigned threadCount() const { return 0; }
  /// What measures the limits of where this runs; this must outlive it.
  virtual Expected<std::unique_ptr<RoofMeter>> createRoofMeter() = 0;

  /// What computes a kernel's matrix product, as oneDNN calls it; empty where
  /// generated code does.
  virtual std::string_view libraryOf(uint32_t kernel) const {
    (void)kernel;
    return {};
  }

  virtual uint64_t weightsBytes() const = 0;
  virtual uint64_t stateBytes() const = 0;
  virtual uint64_t arenaBytes() const = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_EXECUTABLE_H
