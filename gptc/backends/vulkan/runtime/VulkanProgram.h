//===- VulkanProgram.h - A Vulkan target, ready to run ---------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_VULKANPROGRAM_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_VULKANPROGRAM_H

#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/program/ChosenPrograms.h"
#include "gptc/runtime/program/Executable.h"

#include <functional>
#include <memory>
#include <optional>

namespace gptc::vulkan {

struct Api;
struct DeviceSnapshot;
struct VariantCheck;

/// What is known of how a device runs the variants of a type of products.
using VariantAdvice = std::function<Expected<std::vector<VariantCheck>>(
    const DeviceSnapshot &device, const std::string &type)>;

struct VulkanOptions {
  /// Number, name, PCI address or UUID of the device; empty: the best one.
  std::string device;
  /// Name of the variant; empty: the best that the device can run.
  std::string variant;
  /// Asked where no variant is named. One that was found wrong is not used, and
  /// of those that were measured the fastest is.
  VariantAdvice advise = {};
  /// Folder with the weights, in place of the one that the artifact names.
  std::string checkpoint;
  /// That pack weights and compile kernels; 0: one for each CPU.
  unsigned threads = 0;
  EntryFilter entries = {}; ///< Those to load.
  Progress onProgress = {}; ///< Of the bytes of weights and state.
  /// Where compiled kernels are kept; nothing: the user's cache folder; an
  /// empty text: nowhere.
  std::optional<std::string> cacheFolder;
  /// Copies also where the host could use the device's memory: for tests.
  bool alwaysCopy = false;
  /// What each 32 bits of the activations' memory hold at first: for tests.
  std::optional<uint32_t> fill;
  /// May replace functions of Vulkan: for tests.
  std::function<void(Api &)> intercept;
};

/// Loads the target `vulkan` of an artifact on a device of this machine. The
/// artifact's kernels are trusted from then on. Errors are sentences: no
/// loader, driver or device, too little memory (looked at before anything is
/// allocated). Kernels are compiled when an entry is first run, which fails
/// where the driver cannot. After an error of a run the program is of no more
/// use.
Expected<std::unique_ptr<Executable>>
loadVulkanProgram(std::shared_ptr<const Artifact> artifact,
                  const VulkanOptions &options);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_VULKANPROGRAM_H
