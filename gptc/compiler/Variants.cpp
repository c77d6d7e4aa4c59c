//===- Variants.cpp -------------------------------------------------------===//

#include "gptc/compiler/Variants.h"

#include "gptc/backends/cpu/compiler/CpuBackend.h"
#include "gptc/backends/vulkan/compiler/VulkanBackend.h"

#include <map>

namespace gptc {

namespace {

/// Dumps what a kernel becomes for one variant.
std::function<void(llvm::StringRef, llvm::StringRef, std::string)>
kernelDump(Dump &dump, const std::string &variant) {
  if (!dump.active())
    return {};
  return [&dump, variant](llvm::StringRef kernel, llvm::StringRef kind,
                          const std::string &text) {
    std::string name = kernel.empty() ? "all" : kernel.str();
    dump.file(fmt::format("kernels/{}/{}.{}", variant, name, kind.str()), text);
  };
}

/// Tells which kernel is made for a variant.
Progress kernelProgress(const TextProgress &progress,
                        const std::string &variant) {
  if (!progress)
    return {};
  return [&progress, variant](uint64_t done, uint64_t all) {
    progress(done < all
                 ? fmt::format("{}: kernel {} of {}", variant, done + 1, all)
                 : fmt::format("{}: optimizing the code of {} kernels", variant,
                               all));
  };
}

std::unique_ptr<artifact::ProductT>
describeProduct(const cpu::LibraryProduct &product) {
  auto described = std::make_unique<artifact::ProductT>();
  described->rows = product.rows;
  described->depth = product.depth;
  described->type = artifact::ElementType::BF16;
  described->source = product.source;
  described->source_offset = product.sourceOffset;
  described->source_stride = product.sourceStride;
  described->weights = product.weights;
  described->panels = product.panels;
  described->panels_per_tile = product.panelsPerTile;
  described->before = product.before;
  described->after = product.after;
  return described;
}

Status addCpuVariants(mlir::ModuleOp module, const ModuleInfo &info,
                      artifact::TargetT &target,
                      std::vector<PendingBlob> &blobs, Dump &dump,
                      const TextProgress &progress) {
  GPTC_TRY(auto targets, cpu::cpuTargets(info.cpu, info.type == "bf16"));
  for (const cpu::CpuTarget &cpuTarget : targets) {
    GPTC_TRY(cpu::EncodedModule encoded,
             cpu::encodeKernels(module, cpuTarget,
                                kernelDump(dump, cpuTarget.name),
                                kernelProgress(progress, cpuTarget.name)));
    auto variant = std::make_unique<artifact::VariantT>();
    variant->name = cpuTarget.name;
    variant->features = cpuTarget.required;
    variant->library = std::make_unique<artifact::BlobT>();
    for (const cpu::EncodedKernel &kernel : encoded.kernels) {
      auto implementation = std::make_unique<artifact::ImplementationT>();
      implementation->symbol = kernel.symbol;
      implementation->tiles = kernel.tiles;
      implementation->scratch_bytes = kernel.scratchBytes;
      implementation->rows_per_block = kernel.rowsPerBlock;
      implementation->inner_tiles = kernel.innerTiles;
      if (kernel.product)
        implementation->product = describeProduct(*kernel.product);
      variant->implementations.push_back(std::move(implementation));
    }
    blobs.push_back(
        PendingBlob::of(variant->library.get(),
                        std::as_bytes(std::span(encoded.sharedObject))));
    target.variants.push_back(std::move(variant));
  }
  return {};
}

/// What was made of a target so far, with the number of each kernel's blob:
/// kernels that another target shares stand in the artifact once.
struct EncodedTarget {
  std::vector<vulkan::EncodedKernel> kernels;
  std::vector<size_t> blobs;
  std::unique_ptr<artifact::VariantT> variant; ///< Null if it shares all.
};

/// Describes a target's kernels in its variant, if it has any that `other` does
/// not have.
void describeKernels(EncodedTarget &made, const EncodedTarget *other,
                     std::unique_ptr<artifact::VariantT> variant,
                     std::vector<PendingBlob> &blobs) {
  size_t before = blobs.size();
  for (const auto &[i, kernel] : llvm::enumerate(made.kernels)) {
    auto implementation = std::make_unique<artifact::ImplementationT>();
    implementation->spirv = std::make_unique<artifact::BlobT>();
    implementation->tiles = kernel.tiles;
    implementation->rows_per_block = kernel.rowsPerBlock;
    implementation->inner_tiles = kernel.innerTiles;
    if (other && other->kernels[i].spirv == kernel.spirv) {
      made.blobs.push_back(other->blobs[i]);
    } else {
      made.blobs.push_back(blobs.size());
      blobs.push_back(PendingBlob::of(implementation->spirv.get(),
                                      std::as_bytes(std::span(kernel.spirv))));
    }
    variant->implementations.push_back(std::move(implementation));
  }
  if (blobs.size() == before)
    return;
  for (const auto &[i, implementation] :
       llvm::enumerate(variant->implementations))
    if (made.blobs[i] < before)
      blobs[made.blobs[i]].same.push_back(implementation->spirv.get());
  made.variant = std::move(variant);
}

std::unique_ptr<artifact::VariantT>
describeVariant(const vulkan::VulkanTarget &target) {
  auto variant = std::make_unique<artifact::VariantT>();
  variant->name = target.name;
  variant->features = target.required;
  return variant;
}

/// The targets whose kernels others share come last, so they are encoded first;
/// those that would have no kernel of their own are left out.
Status addVulkanVariants(mlir::ModuleOp module,
                         const std::vector<vulkan::VulkanTarget> &targets,
                         artifact::TargetT &target,
                         std::vector<PendingBlob> &blobs, Dump &dump,
                         const TextProgress &progress) {
  std::map<std::string, EncodedTarget> encoded;
  for (const vulkan::VulkanTarget &one : llvm::reverse(targets)) {
    std::vector<bool> own = vulkan::ownKernels(module, one);
    if (!llvm::is_contained(own, true))
      continue;
    auto found = encoded.find(one.otherwise);
    const EncodedTarget *other =
        found == encoded.end() ? nullptr : &found->second;
    EncodedTarget made;
    GPTC_TRY(made.kernels,
             vulkan::encodeKernels(
                 module, one, kernelDump(dump, "vulkan-" + one.name),
                 kernelProgress(progress, "vulkan " + one.name),
                 other ? llvm::ArrayRef(other->kernels)
                       : llvm::ArrayRef<vulkan::EncodedKernel>()));
    describeKernels(made, other, describeVariant(one), blobs);
    encoded[one.name] = std::move(made);
  }
  for (const vulkan::VulkanTarget &one : targets)
    if (auto made = encoded.find(one.name);
        made != encoded.end() && made->second.variant)
      target.variants.push_back(std::move(made->second.variant));
  return {};
}

} // namespace

passes::FusionCapabilities fusionCapabilities(const std::string &target) {
  return target == "vulkan" ? vulkan::fusionCapabilities()
                            : passes::FusionCapabilities{};
}

Status addVariants(const std::string &name, mlir::ModuleOp module,
                   const ModuleInfo &info, artifact::TargetT &target,
                   std::vector<PendingBlob> &blobs, Dump &dump,
                   const TextProgress &progress,
                   const std::vector<vulkan::VulkanTarget> &vulkanTargets) {
  if (name == "vulkan")
    return addVulkanVariants(module, vulkanTargets, target, blobs, dump,
                             progress);
  return addCpuVariants(module, info, target, blobs, dump, progress);
}

} // namespace gptc
