//===- VulkanBackend.cpp --------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/VulkanBackend.h"

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/compiler/Matrix.h"
#include "gptc/ir/Decompose.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace gptc::vulkan {

namespace {

void emitBody(Emitter &emitter) {
  mlir::Block &body = emitter.kernel.getBody().front();
  switch (emitter.kernel.getFamily()) {
  case ir::Family::Contraction:
    return emitContraction(emitter);
  case ir::Family::Attention:
    for (mlir::Operation &op : body) {
      if (auto attention = llvm::dyn_cast<ir::AttentionOp>(op))
        return emitAttention(emitter, attention);
      if (auto backward = llvm::dyn_cast<ir::AttentionBackwardOp>(op))
        return emitAttentionBackward(emitter, backward);
    }
    emitter.failure = "no attention";
    return;
  case ir::Family::Rowwise:
    for (mlir::Operation &op : body)
      if (auto topK = llvm::dyn_cast<ir::TopKOp>(op))
        return emitTopK(emitter, topK);
    return emitRowwise(emitter);
  case ir::Family::Columnwise:
    return emitColumnwise(emitter);
  case ir::Family::Gather:
    for (mlir::Operation &op : body) {
      if (auto append = llvm::dyn_cast<ir::CacheAppendOp>(op))
        return emitCacheAppend(emitter, append);
      if (auto scatter = llvm::dyn_cast<ir::ScatterAddOp>(op))
        return emitScatterAdd(emitter, scatter);
      if (auto concat = llvm::dyn_cast<ir::ConcatOp>(op))
        return emitConcat(emitter, concat);
    }
    return emitRowwise(emitter);
  }
}

std::string printed(mlir::Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out, mlir::OpPrintingFlags().useLocalScope());
  out << "\n";
  return text;
}

Status encodeKernel(ir::KernelOp kernel, const VulkanTarget &target,
                    const KernelDump &dump,
                    std::vector<EncodedKernel> &encoded) {
  std::string name = kernel.getSymName().str();
  mlir::OwningOpRef<ir::KernelOp> copy(
      llvm::cast<ir::KernelOp>(kernel->clone()));
  ir::decomposeRowOps(copy->getBody().front());
  mlir::OwningOpRef<mlir::ModuleOp> code(
      mlir::ModuleOp::create(mlir::UnknownLoc::get(kernel.getContext())));
  // Which buffers are accessed in vectors shows in emitting the body.
  Emitter::Accesses known;
  std::unique_ptr<Emitter> emitted;
  mlir::spirv::ModuleOp module;
  for (bool settled = false; !settled;) {
    emitted = std::make_unique<Emitter>(*code, *copy, target, known);
    if (emitted->failure.empty())
      emitBody(*emitted);
    module = emitted->finish();
    settled = emitted->isSettled();
    known = emitted->accesses();
    if (!settled)
      module.erase();
  }
  const Emitter &emitter = *emitted;
  if (!emitter.failure.empty())
    return failure(ErrorCode::Unsupported,
                   "the Vulkan backend cannot encode kernel '{}': {}", name,
                   emitter.failure);
  if (dump)
    dump(name, "mlir", printed(module));
  EncodedKernel one{
      {}, emitter.tiles, emitter.rowsPerBlock, emitter.innerTiles};
  auto spirv = lowerToSpirv(module, target.unrollsLoops);
  if (!spirv)
    return tl::unexpected(spirv.error().in(fmt::format("kernel '{}'", name)));
  one.spirv = std::move(*spirv);
  if (dump)
    dump(name, "spvasm", disassemble(one.spirv));
  encoded.push_back(std::move(one));
  return {};
}

} // namespace

ir::FusionCapabilities fusionCapabilities() {
  return {/*prologueRows=*/1, /*appendQueries=*/1,
          /*mostBuffers=*/maxBuffers, /*candidates=*/64};
}

std::vector<bool> ownKernels(mlir::ModuleOp module,
                             const VulkanTarget &target) {
  bool hasMatrices = !target.matrixType.empty();
  auto isNarrow = [](mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getElementTypeBitWidth() == 16;
  };
  std::vector<bool> own;
  for (ir::KernelOp kernel : module.getOps<ir::KernelOp>()) {
    mlir::Block &body = kernel.getBody().front();
    if (hasMatrices)
      own.push_back(
          llvm::any_of(body.getOps<ir::MatmulOp>(), [&](ir::MatmulOp op) {
            return multipliesMatrices(target, op);
          }));
    else
      own.push_back(target.otherwise.empty() ||
                    llvm::any_of(body.getArgumentTypes(), isNarrow) ||
                    llvm::any_of(kernel.getSignature().getResults(), isNarrow));
  }
  return own;
}

Expected<std::vector<EncodedKernel>>
encodeKernels(mlir::ModuleOp module, const VulkanTarget &target,
              const KernelDump &dump, const Progress &progress,
              llvm::ArrayRef<EncodedKernel> others) {
  std::vector<EncodedKernel> encoded;
  module.getContext()
      ->loadDialect<mlir::scf::SCFDialect, mlir::spirv::SPIRVDialect,
                    mlir::ub::UBDialect, mlir::vector::VectorDialect>();
  auto kernels = module.getOps<ir::KernelOp>();
  auto count = uint64_t(std::distance(kernels.begin(), kernels.end()));
  std::vector<bool> own = ownKernels(module, target);
  for (ir::KernelOp kernel : kernels) {
    if (progress)
      progress(encoded.size(), count);
    if (!others.empty() && !own[encoded.size()]) {
      encoded.push_back(others[encoded.size()]);
      continue;
    }
    GPTC_CHECK(encodeKernel(kernel, target, dump, encoded));
  }
  return encoded;
}

} // namespace gptc::vulkan
