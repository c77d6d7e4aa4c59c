//===- DeviceAdvice.h - What checks of a device tell -----------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_DEVICEADVICE_H
#define GPTC_TOOLS_GPTC_DEVICEADVICE_H

#include "CommandLine.h"

#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"

namespace gptc::tool {

/// Where the suites lie that devices are checked with: beside the command, as
/// it is built and installed.
std::string checkFolder();
/// The file that what was found is kept in; empty where there is no folder for
/// it.
std::string checkRecords();

/// The variant that a device runs with a check's type of products where none is
/// named, by what its record tells; empty where none is left that is not wrong.
/// Fails where the check is not of the suite beside the command.
Expected<std::string> usedVariant(const vulkan::DeviceSnapshot &device,
                                  const vulkan::DeviceRecord &record,
                                  const vulkan::VariantCheck &check);

/// What VulkanOptions::advise may be: what is known of the device. One that was
/// never seen with this driver and this gptc is briefly checked first; where
/// something is wrong, or no check can be made, standard error says so.
vulkan::VariantAdvice deviceAdvice(const RunOptions &options);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_DEVICEADVICE_H
