//===- Timestamps.cpp -----------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Timestamps.h"

namespace gptc::vulkan {

Expected<Timestamps> Timestamps::create(const Device &device, uint32_t count) {
  Timestamps timestamps(device, count);
  VkQueryPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = count;
  GPTC_VULKAN(device.api().vkCreateQueryPool(device.handle(), &info, nullptr,
                                             &timestamps.pool_),
              "take the time on '{}'", device.name());
  return timestamps;
}

Timestamps::Timestamps(Timestamps &&other) noexcept
    : device_(other.device_), count_(other.count_),
      pool_(std::exchange(other.pool_, VK_NULL_HANDLE)) {}

Timestamps::~Timestamps() {
  device_->api().vkDestroyQueryPool(device_->handle(), pool_, nullptr);
}

Status Timestamps::read(std::span<double> seconds) const {
  std::vector<uint64_t> moments(count_);
  GPTC_VULKAN(device_->api().vkGetQueryPoolResults(
                  device_->handle(), pool_, 0, count_,
                  moments.size() * sizeof(uint64_t), moments.data(),
                  sizeof(uint64_t),
                  VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
              "take the time on '{}'", device_->name());
  uint32_t bits = device_->snapshot().timestampBits;
  uint64_t mask = bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  double tick = device_->snapshot().timestampNanoseconds * 1e-9;
  for (size_t i = 0; i < seconds.size(); ++i)
    seconds[i] = double((moments[i + 1] - moments[i]) & mask) * tick;
  return {};
}

} // namespace gptc::vulkan
