//===- DeviceChoice.h - Which device to use --------------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHOICE_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHOICE_H

#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"
#include "gptc/runtime/base/Error.h"

#include <optional>
#include <span>

namespace gptc::vulkan {

/// What a device lacks to be used at all: "Vulkan 1.2 (its driver offers
/// 1.1)". Empty for one that can be used.
std::vector<std::string> lacking(const DeviceSnapshot &device);

/// What became of all devices where none was named.
struct Ranking {
  /// The one to use.
  std::optional<size_t> best;
  /// For each device why it is not the one; empty for the best.
  std::vector<std::string> reasons;
};

/// Takes the first discrete GPU, else integrated, virtual and other ones, and a
/// software device only where there is nothing else. Of two drivers for one
/// GPU the one that is known to compute better is taken, else the first.
Ranking rankDevices(std::span<const DeviceSnapshot> devices);

/// The index of the device that `wanted` names: its number in the list, a part
/// of its name, its PCI address or its UUID; an empty text leaves the choice to
/// rankDevices(). NotFound where there is no such device, Unsupported where
/// there is, but it lacks something, InvalidArgument where several are meant.
Expected<size_t> chooseDevice(std::span<const DeviceSnapshot> devices,
                              const std::string &wanted);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHOICE_H
