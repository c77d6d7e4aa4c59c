//===- DeviceCheck.h - Whether a device computes right ---------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHECK_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHECK_H

#include "gptc/backends/vulkan/runtime/CheckSuite.h"
#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"

namespace gptc::vulkan {

/// How a check is made; see VulkanOptions.
struct CheckOptions {
  std::string device; ///< As chooseDevice() takes it.
  /// Some cases alone, and nothing timed: what a start can wait for.
  bool isBrief = false;
  unsigned threads = 0;
  std::optional<std::string> cacheFolder = {};
  Progress onProgress = {}; ///< Of cases.
  std::function<void(Api &)> intercept = {};
};

/// Runs the suite's cases with one variant of its kernels on a device and holds
/// them against the reference's results. A case that fails to run, or that the
/// driver cannot compile, is a wrong one with that reason; after eight of
/// those the check ends. Fails where the device cannot be used at all, lacks
/// what the variant needs (Unsupported) or has too little memory.
Expected<VariantCheck> checkVariant(const CheckSuite &suite,
                                    const std::string &variant,
                                    const CheckOptions &options);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICECHECK_H
