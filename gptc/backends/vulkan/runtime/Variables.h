//===- Variables.h - A target's variables on a device ----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_VARIABLES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_VARIABLES_H

#include "gptc/backends/vulkan/runtime/Transfer.h"
#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/program/ChosenPrograms.h"
#include "gptc/runtime/program/InitialValues.h"

namespace gptc::vulkan {

/// The variables of a target in memory of a device: in few allocations, each
/// variable in one; those that no chosen program needs have none, and no bytes
/// are read of them. Movable; device, artifact, target and what is chosen must
/// outlive it.
class Variables {
public:
  /// Allocates them and gives them their first values; weights are packed by
  /// `team` while the device copies those before. Progress is told in bytes.
  static Expected<Variables>
  create(Device &device, Transfer &transfer, const Artifact &artifact,
         const artifact::TargetT &target, const ChosenPrograms &chosen,
         const std::string &checkpoint, ThreadTeam &team,
         const Progress &progress = {});

  uint64_t address(size_t index) const {
    const Placement &at = plan_.placements[index];
    return buffers_[at.allocation].address() + at.offset;
  }
  Expected<std::span<const std::byte>> read(Transfer &transfer,
                                            size_t index) const;
  /// Bytes of a buffer that begins where the variable does.
  Status write(Transfer &transfer, size_t index,
               std::span<const std::byte> bytes) const;
  /// Sets all but parameters to zero.
  Status clear(Transfer &transfer) const;

private:
  Status fill(Transfer &transfer, const InitialValues &values, size_t index,
              ThreadTeam &team) const;

  const Artifact *artifact_ = nullptr;
  const artifact::TargetT *target_ = nullptr;
  const ChosenPrograms *chosen_ = nullptr;
  SplitPlan plan_;
  std::vector<Buffer> buffers_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_VARIABLES_H
