//===- Driver.h - Whether there is a device to test on ---------*- C++ -*-===//

#ifndef GPTC_TESTS_VULKAN_DRIVER_H
#define GPTC_TESTS_VULKAN_DRIVER_H

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace gptc::vulkan {

/// Why a test of devices is skipped; empty where there is one. A driver that
/// $GPTC_VULKAN_DRIVER asks for, and that is not there, is a failure.
inline std::string reasonWithoutDevice() {
  auto devices = listDevices();
  if (devices)
    return "";
  if (std::getenv("GPTC_VULKAN_DRIVER"))
    ADD_FAILURE() << devices.error().message();
  return devices.error().message();
}

/// Whether the first device can run a variant; that it is no GPU is no reason
/// not to.
inline bool canRun(const artifact::VariantT &variant) {
  auto devices = listDevices();
  if (!devices || devices->empty())
    return false;
  std::vector<std::string> missing =
      missingOf(variant, devices->front().features);
  std::erase(missing, feature::hardware);
  return missing.empty();
}

} // namespace gptc::vulkan

#endif // GPTC_TESTS_VULKAN_DRIVER_H
