//===- Entry.h - An entry point on a Vulkan device -------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_ENTRY_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_ENTRY_H

#include "gptc/backends/vulkan/runtime/Pipelines.h"
#include "gptc/backends/vulkan/runtime/Variables.h"
#include "gptc/runtime/program/KernelAbi.h"

namespace gptc::vulkan {

/// What all entry points of a program share.
struct EntryContext {
  Device &device;
  Transfer &transfer;
  const Artifact &artifact;
  const artifact::VariantT &variant;
  const Variables &variables;
  const Buffer &arena;
};

/// What an entry point runs with.
struct EntryRunner {
  Device &device;
  Pipelines &pipelines;
  ThreadTeam &team; ///< Compiles kernels where there are any left to.
};

/// An entry point with its arguments, results and recorded commands; its
/// kernels are compiled when it is first run. Commands are recorded anew where
/// runs show that they are to be handed over in other parts. Where the host
/// does not share the device's memory, arguments are copied to the device
/// before the first dispatch and results from it after the last, those that
/// somebody wants: reading a result over the bus value by value would take far
/// longer. Movable.
class Entry {
public:
  static Expected<Entry> create(const EntryContext &context,
                                const artifact::ProgramT &program);

  const artifact::ProgramT &description() const { return *description_; }
  std::span<std::byte> argument(size_t index) const {
    return arguments_[index];
  }
  std::span<std::byte> result(size_t index) const { return results_[index]; }
  /// Rows that the heaviest dispatch computes at once; 0: all.
  uint64_t rowsPerBlock() const { return rowsPerBlock_; }

  /// As Executable says.
  void want(std::span<const size_t> results);
  Status bring(Transfer &transfer, size_t result);

  Status run(const EntryRunner &with);
  /// The same with the time of each dispatch.
  Status runTimed(const EntryRunner &with, std::span<double> seconds);
  /// Runs dispatches [from, to) alone.
  Status runPart(const EntryRunner &with, size_t from, size_t to);
  /// Where a buffer of a dispatch lies that is an argument or result.
  struct Place {
    const Buffer *buffer = nullptr;
    uint64_t offset = 0;
  };
  Place placeOf(const artifact::BufferT &buffer) const;

  /// Bytes that an entry point's arguments, results and scalars take on the
  /// device.
  static uint64_t bytesOf(const Artifact &artifact,
                          const artifact::ProgramT &program);

private:
  /// Of a block of arguments or results.
  struct Block {
    Buffer device, host; ///< No host buffer where the memory is shared.
    std::vector<uint64_t> offsets;
    uint64_t bytes = 0;
    std::byte *data() const {
      return device.data() ? device.data() : host.data();
    }
    Status allocate(const Device &device, const std::string &what);
  };
  struct Patch {
    Scalars *to;
    const Scalars *from;
  };
  Status addSteps(const EntryContext &context);
  uint64_t addressOf(const EntryContext &context,
                     const artifact::BufferT &buffer) const;
  /// Compiles the kernels and records the commands, where that is to be done.
  Status prepare(const EntryRunner &with);
  Recording recording(const EntryRunner &with, size_t from, size_t to,
                      std::span<const Part> parts) const;
  /// The share of a dispatch's rows that are valid by the arguments: the others
  /// are not computed.
  double computedShare(size_t step) const;
  void patchScalars();
  Status runOneByOne(const EntryRunner &with, std::span<double> seconds);

  const artifact::ProgramT *description_ = nullptr;
  Block input_, output_;
  std::vector<std::span<std::byte>> arguments_, results_;
  std::vector<size_t> wanted_; ///< Results, upwards.
  std::vector<Patch> patches_;
  std::vector<Step> steps_;
  Pacing pacing_;
  CommandList commands_;        ///< Empty where they are to be recorded.
  std::vector<Part> parts_;     ///< As the commands have them.
  std::vector<double> seconds_; ///< Of each part in the latest run.
  uint64_t rowsPerBlock_ = 0;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_ENTRY_H
