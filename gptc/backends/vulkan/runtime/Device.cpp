//===- Device.cpp ---------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Device.h"

#include "gptc/backends/vulkan/runtime/DeviceChoice.h"
#include "gptc/backends/vulkan/runtime/DeviceFeatures.h"
#include "gptc/backends/vulkan/runtime/TakeSnapshot.h"
#include "gptc/runtime/program/Memory.h"

#include <algorithm>
#include <chrono>

namespace gptc::vulkan {

Expected<std::unique_ptr<Device>> Device::open(const DeviceOptions &options) {
  std::unique_ptr<Device> device(new Device());
  GPTC_TRY(device->instance_, Instance::create(options.intercept));
  const Instance &instance = *device->instance_;
  GPTC_TRY(size_t index, chooseDevice(instance.devices(), options.device));
  device->snapshot_ = &instance.devices()[index];
  device->physical_ = instance.physical(index);
  device->alwaysCopy_ = options.alwaysCopy;
  device->api_ = instance.api();
  std::vector<std::string> wanted;
  if (options.wanted) {
    GPTC_TRY(wanted, options.wanted(*device->snapshot_));
  }
  GPTC_CHECK(device->create(options.intercept, wanted));
  return device;
}

Status Device::create(const Intercept &intercept,
                      const std::vector<std::string> &wanted) {
  GPTC_TRY(auto extensions, extensionsOf(api_, physical_));
  hasBudgets_ =
      std::find(extensions.begin(), extensions.end(),
                VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) != extensions.end();
  VkPhysicalDeviceMemoryProperties2 memory{};
  memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  api_.vkGetPhysicalDeviceMemoryProperties2(physical_, &memory);
  memory_ = memory.memoryProperties;

  float priority = 1;
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = snapshot_->queueFamily;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  DeviceFeatures features(*snapshot_, wanted);
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = features.chain();
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = uint32_t(features.extensions().size());
  info.ppEnabledExtensionNames = features.extensions().data();
  GPTC_VULKAN(api_.vkCreateDevice(physical_, &info, nullptr, &device_),
              "open the Vulkan device '{}'", name());
  api_.loadDevice(device_);
  if (intercept)
    intercept(api_);
  api_.vkGetDeviceQueue(device_, snapshot_->queueFamily, 0, &queue_);

  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo semaphore{};
  semaphore.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  semaphore.pNext = &type;
  GPTC_VULKAN(api_.vkCreateSemaphore(device_, &semaphore, nullptr, &timeline_),
              "create a semaphore on '{}'", name());
  return {};
}

Device::~Device() {
  if (device_ == VK_NULL_HANDLE)
    return;
  // A device that is lost has nothing to wait for.
  (void)api_.vkDeviceWaitIdle(device_);
  api_.vkDestroySemaphore(device_, timeline_, nullptr);
  api_.vkDestroyDevice(device_, nullptr);
}

uint64_t Device::freeBytes() const {
  auto type = chooseMemoryType(memory_, ~uint32_t(0), MemoryUse::Device);
  if (!type)
    return 0;
  uint64_t bytes = freeHeapBytes(
      api_, physical_, hasBudgets_)[memory_.memoryTypes[*type].heapIndex];
  if (snapshot_->kind != DeviceKind::Software)
    return bytes;
  // A software device's memory is the machine's.
  uint64_t available = availableMemory();
  return available == 0 ? bytes : std::min(bytes, available);
}

Expected<uint64_t> Device::submit(std::span<const VkCommandBuffer> commands) {
  size_t count = commands.size();
  values_.resize(count);
  signals_.resize(count);
  submissions_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    values_[i] = submitted_ + 1 + i;
    signals_[i] = {};
    signals_[i].sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    signals_[i].signalSemaphoreValueCount = 1;
    signals_[i].pSignalSemaphoreValues = &values_[i];
    submissions_[i] = {};
    submissions_[i].sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submissions_[i].pNext = &signals_[i];
    submissions_[i].commandBufferCount = 1;
    submissions_[i].pCommandBuffers = &commands[i];
    submissions_[i].signalSemaphoreCount = 1;
    submissions_[i].pSignalSemaphores = &timeline_;
  }
  GPTC_VULKAN(api_.vkQueueSubmit(queue_, uint32_t(count), submissions_.data(),
                                 VK_NULL_HANDLE),
              "run on the Vulkan device '{}'", name());
  submitted_ += count;
  return submitted_;
}

Status Device::wait(uint64_t submission) {
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline_;
  info.pValues = &submission;
  VkResult result = api_.vkWaitSemaphores(device_, &info, UINT64_MAX);
  if (result == VK_SUCCESS)
    return {};
  // The caller frees what the device may still use.
  (void)api_.vkDeviceWaitIdle(device_);
  return callFailed(result,
                    fmt::format("run on the Vulkan device '{}'", name()));
}

Status Device::run(std::span<const VkCommandBuffer> commands) {
  GPTC_TRY(uint64_t submission, submit(commands));
  return wait(submission);
}

Status Device::run(std::span<const VkCommandBuffer> commands,
                   std::span<double> seconds) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point before = Clock::now();
  GPTC_TRY(uint64_t last, submit(commands));
  uint64_t first = last + 1 - commands.size();
  for (size_t i = 0; i < commands.size(); ++i) {
    GPTC_CHECK(wait(first + i));
    Clock::time_point now = Clock::now();
    seconds[i] = std::chrono::duration<double>(now - before).count();
    before = now;
  }
  return {};
}

} // namespace gptc::vulkan
