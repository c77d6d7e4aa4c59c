//===- Commands.cpp -------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Commands.h"

namespace gptc::vulkan {

namespace {

bool overlaps(std::span<const Range> a, std::span<const Range> b) {
  for (const Range &x : a)
    for (const Range &y : b)
      if (x.begin < y.end && y.begin < x.end)
        return true;
  return false;
}

} // namespace

Expected<CommandList> CommandList::create(const Device &device) {
  CommandList list;
  VkCommandPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  info.queueFamilyIndex = device.snapshot().queueFamily;
  GPTC_VULKAN(device.api().vkCreateCommandPool(device.handle(), &info, nullptr,
                                               &list.pool_),
              "create a command pool on '{}'", device.name());
  list.device_ = &device;
  return list;
}

CommandList &CommandList::operator=(CommandList &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(pool_, other.pool_);
  std::swap(buffers_, other.buffers_);
  return *this;
}

CommandList::~CommandList() {
  if (device_)
    device_->api().vkDestroyCommandPool(device_->handle(), pool_, nullptr);
}

Expected<VkCommandBuffer> CommandList::begin() {
  const Api &api = device_->api();
  VkCommandBufferAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  info.commandPool = pool_;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  VkCommandBuffer command = VK_NULL_HANDLE;
  GPTC_VULKAN(api.vkAllocateCommandBuffers(device_->handle(), &info, &command),
              "allocate a command buffer on '{}'", device_->name());
  buffers_.push_back(command);
  VkCommandBufferBeginInfo begin{};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  GPTC_VULKAN(api.vkBeginCommandBuffer(command, &begin),
              "record commands for '{}'", device_->name());
  barrier(api, command);
  return command;
}

Status CommandList::end() {
  GPTC_VULKAN(device_->api().vkEndCommandBuffer(buffers_.back()),
              "record commands for '{}'", device_->name());
  return {};
}

bool Hazards::mustWait(std::span<const Range> reads,
                       std::span<const Range> writes) {
  bool wait = overlaps(reads, writes_) || overlaps(writes, writes_) ||
              overlaps(writes, reads_);
  if (wait) {
    reads_.clear();
    writes_.clear();
  }
  reads_.insert(reads_.end(), reads.begin(), reads.end());
  writes_.insert(writes_.end(), writes.begin(), writes.end());
  return wait;
}

void barrier(const Api &api, VkCommandBuffer command) {
  constexpr VkPipelineStageFlags device =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkMemoryBarrier memory{};
  memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  memory.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  memory.dstAccessMask =
      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
      VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT |
      VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT;
  api.vkCmdPipelineBarrier(command, device, device | VK_PIPELINE_STAGE_HOST_BIT,
                           0, 1, &memory, 0, nullptr, 0, nullptr);
}

namespace {

/// Between dispatches alone, in the midst of a recording: a barrier that names
/// copies or the host as well makes a device write back more than it needs.
void dispatchBarrier(const Api &api, VkCommandBuffer command) {
  VkMemoryBarrier memory{};
  memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
  memory.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  api.vkCmdPipelineBarrier(command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &memory,
                           0, nullptr, 0, nullptr);
}

class Recorder {
public:
  Recorder(const Device &device, const Recording &recording)
      : device_(device), api_(device.api()), recording_(recording) {}

  Expected<CommandList> run() {
    GPTC_TRY(list_, CommandList::create(device_));
    GPTC_TRY(command_, list_.begin());
    if (recording_.timestamps)
      api_.vkCmdResetQueryPool(command_, recording_.timestamps, 0,
                               uint32_t(recording_.steps.size() + 1));
    copy(recording_.before);
    if (recording_.timestamps)
      timestamp(0);
    for (const Part &part : recording_.parts) {
      if (&part != &recording_.parts.front())
        GPTC_CHECK(beginNext());
      for (const Piece &piece : part)
        add(piece);
    }
    barrier(api_, command_);
    copy(recording_.after);
    GPTC_CHECK(list_.end());
    return std::move(list_);
  }

private:
  /// Records copies with a barrier behind them.
  void copy(const std::vector<Copy> &copies) {
    for (const Copy &one : copies) {
      VkBufferCopy region{one.offset, one.offset, one.bytes};
      api_.vkCmdCopyBuffer(command_, one.from->handle(), one.to->handle(), 1,
                           &region);
    }
    if (!copies.empty())
      barrier(api_, command_);
  }

  void timestamp(uint32_t query) {
    api_.vkCmdWriteTimestamp(command_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                             recording_.timestamps, query);
  }

  /// Goes on in a new command buffer.
  Status beginNext() {
    GPTC_CHECK(list_.end());
    GPTC_TRY(command_, list_.begin());
    pipeline_ = VK_NULL_HANDLE;
    return {};
  }

  void add(const Piece &piece) {
    const Step &step = recording_.steps[piece.step];
    bool wait = piece.begins && hazards_.mustWait(step.reads, step.writes);
    if (wait || (piece.begins && recording_.timestamps))
      dispatchBarrier(api_, command_);
    bind(step);
    api_.vkCmdDispatchBase(command_, piece.grid.x, piece.grid.y, 0,
                           piece.grid.width, piece.grid.height, 1);
    if (piece.ends && recording_.timestamps)
      timestamp(uint32_t(piece.step + 1));
  }

  void bind(const Step &step) {
    if (pipeline_ != step.pipeline)
      api_.vkCmdBindPipeline(command_, VK_PIPELINE_BIND_POINT_COMPUTE,
                             step.pipeline);
    pipeline_ = step.pipeline;
    // All of them: what a kernel does not have is not read.
    api_.vkCmdPushConstants(command_, recording_.layout,
                            VK_SHADER_STAGE_COMPUTE_BIT, 0,
                            sizeof(step.constants), &step.constants);
  }

  const Device &device_;
  const Api &api_;
  const Recording &recording_;
  CommandList list_;
  VkCommandBuffer command_ = VK_NULL_HANDLE;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
  Hazards hazards_;
};

} // namespace

Expected<CommandList> record(const Device &device, const Recording &recording) {
  return Recorder(device, recording).run();
}

} // namespace gptc::vulkan
