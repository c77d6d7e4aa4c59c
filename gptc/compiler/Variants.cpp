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

/// What was made of a target so far: kernels that another one shares stand in
/// the artifact once.
struct EncodedTarget {
  std::vector<vulkan::EncodedKernel> kernels;
  size_t firstBlob = 0;
  std::unique_ptr<artifact::VariantT> variant;
};

/// Describes kernels in a variant, of which those that `shared` holds for have
/// their blobs already, from number `sharedBlob` on.
void describeKernels(const std::vector<vulkan::EncodedKernel> &kernels,
                     const std::vector<bool> &shared, size_t sharedBlob,
                     artifact::VariantT &variant,
                     std::vector<PendingBlob> &blobs) {
  for (const auto &[i, kernel] : llvm::enumerate(kernels)) {
    auto implementation = std::make_unique<artifact::ImplementationT>();
    implementation->spirv = std::make_unique<artifact::BlobT>();
    implementation->tiles = kernel.tiles;
    implementation->rows_per_block = kernel.rowsPerBlock;
    implementation->inner_tiles = kernel.innerTiles;
    if (shared[i])
      blobs[sharedBlob + i].same.push_back(implementation->spirv.get());
    else
      blobs.push_back(PendingBlob::of(implementation->spirv.get(),
                                      std::as_bytes(std::span(kernel.spirv))));
    variant.implementations.push_back(std::move(implementation));
  }
}

std::unique_ptr<artifact::VariantT>
describeVariant(const vulkan::VulkanTarget &target) {
  auto variant = std::make_unique<artifact::VariantT>();
  variant->name = target.name;
  variant->features = target.required;
  return variant;
}

/// Targets with matrices come behind those whose other kernels they share, and
/// are left out where no product is for them.
Status addVulkanVariants(mlir::ModuleOp module,
                         const std::vector<vulkan::VulkanTarget> &targets,
                         artifact::TargetT &target,
                         std::vector<PendingBlob> &blobs, Dump &dump,
                         const TextProgress &progress) {
  std::map<std::string, EncodedTarget> encoded;
  for (bool withMatrices : {false, true})
    for (const vulkan::VulkanTarget &one : targets) {
      if (one.matrixType.empty() == withMatrices)
        continue;
      std::vector<bool> multiply = vulkan::multiplyMatrices(module, one);
      if (withMatrices && !llvm::is_contained(multiply, true))
        continue;
      auto other = encoded.find(one.otherwise);
      bool shares = other != encoded.end();
      EncodedTarget made;
      made.firstBlob = blobs.size();
      GPTC_TRY(made.kernels,
               vulkan::encodeKernels(
                   module, one, kernelDump(dump, "vulkan-" + one.name),
                   kernelProgress(progress, "vulkan " + one.name),
                   shares ? llvm::ArrayRef(other->second.kernels)
                          : llvm::ArrayRef<vulkan::EncodedKernel>()));
      made.variant = describeVariant(one);
      std::vector<bool> shared(multiply.size(), false);
      for (size_t i = 0; shares && i < shared.size(); ++i)
        shared[i] = !multiply[i];
      describeKernels(made.kernels, shared,
                      shares ? other->second.firstBlob : 0, *made.variant,
                      blobs);
      encoded[one.name] = std::move(made);
    }
  for (const vulkan::VulkanTarget &one : targets)
    if (auto made = encoded.find(one.name); made != encoded.end())
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
