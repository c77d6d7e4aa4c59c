//===- PipelineCache.h - Compiled kernels kept on disk ---------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINECACHE_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINECACHE_H

#include "gptc/backends/vulkan/runtime/Device.h"

namespace gptc::vulkan {

/// The folder of caches: gptc in $XDG_CACHE_HOME or ~/.cache; empty where the
/// environment names neither. It may be removed at any time.
std::string defaultCacheFolder();

/// A VkPipelineCache that begins with what an earlier run left in a file and
/// can be written back. The file is of one driver, device and set of kernels;
/// one that is missing, damaged or of another version counts as empty. The
/// driver locks the cache itself: it may be used by several threads. Movable;
/// the device must outlive it.
class PipelineCache {
public:
  /// `kernels` tells sets of kernels apart. An empty folder keeps nothing.
  static Expected<PipelineCache> open(const Device &device,
                                      const std::string &folder,
                                      const std::string &kernels);
  PipelineCache() = default;
  PipelineCache(PipelineCache &&other) noexcept { *this = std::move(other); }
  PipelineCache &operator=(PipelineCache &&other) noexcept;
  ~PipelineCache();

  VkPipelineCache handle() const { return cache_; }
  /// Whether it began with something.
  bool wasFound() const { return found_; }
  /// Writes the file whole or not at all, if there is anything new in it. That
  /// it cannot be written costs the next start time, nothing else.
  void save();

private:
  const Device *device_ = nullptr;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::string path_;
  bool found_ = false;
  std::string digest_; ///< Of what was found.
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINECACHE_H
