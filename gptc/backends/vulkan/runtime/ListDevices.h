//===- ListDevices.h - The Vulkan devices of this machine ------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_LISTDEVICES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_LISTDEVICES_H

#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"
#include "gptc/runtime/base/Error.h"

namespace gptc::vulkan {

/// What the drivers of this machine say of their devices now; NotFound with a
/// reason where there is no loader or no driver.
Expected<std::vector<DeviceSnapshot>> listDevices();

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_LISTDEVICES_H
