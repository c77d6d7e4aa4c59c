//===- Commands.h - Recorded work of a Vulkan device -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/Buffer.h"
#include "gptc/backends/vulkan/runtime/Pacing.h"

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

/// One dispatch, ready to be recorded.
struct Step {
  VkPipeline pipeline = VK_NULL_HANDLE;
  KernelConstants constants{};
  std::vector<Range> reads, writes;
};

/// A copy between a buffer of the device and one of the host, from an offset to
/// the same one.
struct Copy {
  const Buffer *from = nullptr, *to = nullptr;
  uint64_t offset = 0, bytes = 0;
};

/// Steps to record, with what is copied before and after them.
struct Recording {
  std::span<const Step> steps;
  /// All of the steps, as they are handed over.
  std::span<const Part> parts;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  std::vector<Copy> before, after;
  /// Where not null: a timestamp before the first step and after each, every
  /// step waiting for the one before.
  VkQueryPool timestamps = VK_NULL_HANDLE;
};

/// Records each part into a command buffer of its own.
Expected<CommandList> record(const Device &device, const Recording &recording);

/// Makes all that is written before `command` visible to all that follows, on
/// the device and on the host.
void barrier(const Api &api, VkCommandBuffer command);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_COMMANDS_H
