//===- DeviceAdvice.h - What checks of a device tell -----------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_DEVICEADVICE_H
#define GPTC_TOOLS_GPTC_DEVICEADVICE_H

#include "CommandLine.h"

#include "gptc/backends/vulkan/runtime/VulkanProgram.h"

namespace gptc::tool {

/// Where the suites lie that devices are checked with: beside the command, as
/// it is built and installed.
std::string checkFolder();
/// The file that what was found is kept in; empty where there is no folder for
/// it.
std::string checkRecords();

/// What VulkanOptions::advise may be: what is known of the device. One that was
/// never seen with this driver and this gptc is briefly checked first; where
/// something is wrong, or no check can be made, standard error says so.
vulkan::VariantAdvice deviceAdvice(const RunOptions &options);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_DEVICEADVICE_H
