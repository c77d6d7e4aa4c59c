//===- VulkanRoof.h - What a Vulkan device can do at most ------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_VULKANROOF_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_VULKANROOF_H

#include "gptc/backends/vulkan/runtime/Transfer.h"
#include "gptc/runtime/program/Roof.h"

namespace gptc::vulkan {

/// Measures a device by two small kernels: one reads memory, far more than
/// caches hold, the other multiplies and adds in registers. Both must outlive
/// the meter; nothing else may run on the device meanwhile.
Expected<std::unique_ptr<RoofMeter>> createRoofMeter(Device &device,
                                                     Transfer &transfer);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_VULKANROOF_H
