//===- StructureChain.h - Vulkan's lists of structures ---------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_STRUCTURECHAIN_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_STRUCTURECHAIN_H

#include <vulkan/vulkan_core.h>

namespace gptc::vulkan {

/// Puts structures behind each other on a pNext chain.
template <typename Head> class StructureChain {
public:
  explicit StructureChain(Head &head)
      : last_(reinterpret_cast<VkBaseOutStructure *>(&head)) {}
  template <typename T> void add(T &next) {
    last_->pNext = reinterpret_cast<VkBaseOutStructure *>(&next);
    last_ = last_->pNext;
  }

private:
  VkBaseOutStructure *last_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_STRUCTURECHAIN_H
