//===- Commands.h - Recorded work of a Vulkan device -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/Buffer.h"

namespace gptc::vulkan {

/// Command buffers that run one after the other, again and again. Movable;
/// owns; the device must outlive it and be done with it when it goes.
class CommandList {
public:
  static Expected<CommandList> create(const Device &device);
  CommandList() = default;
  CommandList(CommandList &&other) noexcept { *this = std::move(other); }
  CommandList &operator=(CommandList &&other) noexcept;
  ~CommandList();

  /// Begins one more command buffer, which sees all that ran before, and which
  /// commands are recorded into until end().
  Expected<VkCommandBuffer> begin();
  Status end();
  std::span<const VkCommandBuffer> buffers() const { return buffers_; }

private:
  const Device *device_ = nullptr;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::vector<VkCommandBuffer> buffers_;
};

/// Bytes that a dispatch touches, as addresses.
struct Range {
  uint64_t begin = 0, end = 0;
};

/// Tells which dispatches must wait for those before.
class Hazards {
public:
  /// Whether one that reads and writes these must wait for any since the last
  /// that had to; they count as running from here on.
  bool mustWait(std::span<const Range> reads, std::span<const Range> writes);

private:
  std::vector<Range> reads_, writes_;
};

/// A part of a dispatch's grid of workgroups.
struct GridPart {
  uint32_t x = 0, y = 0, width = 0, height = 1;
};

/// Cuts the grid of `tiles` workgroups, tilesPerRow in a row, into about
/// `parts` parts, at least one for each row where there are several.
std::vector<GridPart> cutGrid(uint32_t tiles, uint64_t parts);

/// One dispatch, ready to be recorded.
struct Step {
  VkPipeline pipeline = VK_NULL_HANDLE;
  KernelConstants constants{};
  uint32_t buffers = 0;
  uint32_t tiles = 0;
  double work = 0; ///< Operations, or bytes where moving them is more work.
  std::vector<Range> reads, writes;
};

/// A copy between a buffer of the device and one of the host.
struct Copy {
  const Buffer *from = nullptr, *to = nullptr;
  uint64_t bytes = 0;
};

/// Steps to record, with what is copied before and after them.
struct Recording {
  std::span<const Step> steps;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  std::vector<Copy> before, after;
  /// Where not null: a timestamp before the first step and after each, every
  /// step waiting for the one before.
  VkQueryPool timestamps = VK_NULL_HANDLE;
};

/// Records into as many command buffers as keep each one short.
Expected<CommandList> record(const Device &device, const Recording &recording);

/// Makes all that is written before `command` visible to all that follows, on
/// the device and on the host.
void barrier(const Api &api, VkCommandBuffer command);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H
