//===- Transfer.cpp -------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Transfer.h"

#include <algorithm>
#include <cstring>

namespace gptc::vulkan {

namespace {
/// Enough for the bus to be busy, little enough to be made in the meantime.
constexpr uint64_t slotBytes = uint64_t(16) << 20;
} // namespace

Transfer::~Transfer() {
  // Buffers must not go while the device copies.
  (void)finish();
}

Expected<Transfer::Slot *> Transfer::nextSlot(uint64_t bytes) {
  Slot &slot = slots_[next_];
  next_ = 1 - next_;
  if (slot.submission != 0) {
    GPTC_CHECK(device_->wait(slot.submission));
    slot.submission = 0;
  }
  if (slot.buffer.size() < bytes) {
    slot.buffer = Buffer();
    GPTC_TRY(slot.buffer,
             Buffer::create(*device_, std::max(bytes, slotBytes),
                            MemoryUse::Host, "copies to the device"));
  }
  return &slot;
}

Status Transfer::copy(Slot &slot, const Buffer &from, uint64_t fromOffset,
                      const Buffer &to, uint64_t toOffset, uint64_t bytes) {
  GPTC_TRY(slot.commands, CommandList::create(*device_));
  GPTC_TRY(VkCommandBuffer command, slot.commands.begin());
  VkBufferCopy region{fromOffset, toOffset, bytes};
  device_->api().vkCmdCopyBuffer(command, from.handle(), to.handle(), 1,
                                 &region);
  barrier(device_->api(), command);
  GPTC_CHECK(slot.commands.end());
  GPTC_TRY(slot.submission, device_->submit(slot.commands.buffers()));
  return {};
}

Status Transfer::write(const Buffer &to, uint64_t offset, uint64_t units,
                       uint64_t unitBytes, const Fill &fill) {
  if (to.data()) {
    fill(0, units, to.data() + offset);
    return {};
  }
  uint64_t part = std::max<uint64_t>(1, slotBytes / unitBytes);
  for (uint64_t from = 0; from < units; from += part) {
    uint64_t end = std::min(units, from + part);
    uint64_t bytes = (end - from) * unitBytes;
    GPTC_TRY(Slot * slot, nextSlot(bytes));
    fill(from, end, slot->buffer.data());
    GPTC_CHECK(
        copy(*slot, slot->buffer, 0, to, offset + from * unitBytes, bytes));
  }
  return {};
}

Status Transfer::write(const Buffer &to, uint64_t offset,
                       std::span<const std::byte> bytes) {
  return write(to, offset, bytes.size(), 1,
               [&](uint64_t from, uint64_t end, std::byte *at) {
                 std::memcpy(at, bytes.data() + from, end - from);
               });
}

Status Transfer::fill(const Buffer &to, uint64_t offset, uint64_t bytes,
                      uint32_t word) {
  if (to.data()) {
    std::fill_n(reinterpret_cast<uint32_t *>(to.data() + offset), bytes / 4,
                word);
    return {};
  }
  Slot &slot = slots_[next_];
  GPTC_CHECK(finish());
  GPTC_TRY(slot.commands, CommandList::create(*device_));
  GPTC_TRY(VkCommandBuffer command, slot.commands.begin());
  device_->api().vkCmdFillBuffer(command, to.handle(), offset, bytes, word);
  barrier(device_->api(), command);
  GPTC_CHECK(slot.commands.end());
  GPTC_TRY(slot.submission, device_->submit(slot.commands.buffers()));
  return {};
}

Status Transfer::finish() {
  for (Slot &slot : slots_) {
    if (slot.submission == 0)
      continue;
    uint64_t submission = std::exchange(slot.submission, 0);
    GPTC_CHECK(device_->wait(submission));
  }
  return {};
}

Expected<std::span<const std::byte>>
Transfer::read(const Buffer &from, uint64_t offset, uint64_t bytes) {
  if (from.data())
    return std::span<const std::byte>(from.data() + offset, bytes);
  GPTC_CHECK(finish());
  read_.resize(bytes);
  for (uint64_t at = 0; at < bytes; at += slotBytes) {
    uint64_t part = std::min(slotBytes, bytes - at);
    GPTC_TRY(Slot * slot, nextSlot(part));
    GPTC_CHECK(copy(*slot, from, offset + at, slot->buffer, 0, part));
    GPTC_CHECK(finish());
    std::memcpy(read_.data() + at, slot->buffer.data(), part);
  }
  return std::span<const std::byte>(read_);
}

} // namespace gptc::vulkan
