//===- CpuBackend.cpp -----------------------------------------------------===//

#include "gptc/backends/cpu/compiler/CpuBackend.h"

#include "gptc/backends/cpu/compiler/Families.h"
#include "gptc/ir/Decompose.h"

namespace gptc::cpu {

namespace {

void emitBody(Emitter &emitter) {
  mlir::Block &body = emitter.kernel.getBody().front();
  switch (emitter.kernel.getFamily()) {
  case ir::Family::Contraction:
    return emitContraction(emitter, ContractionPart::Whole);
  case ir::Family::Attention:
    for (mlir::Operation &op : body)
      if (auto backward = llvm::dyn_cast<ir::AttentionBackwardOp>(op))
        return emitAttentionBackward(emitter, backward);
    return emitAttention(emitter);
  case ir::Family::Rowwise:
    for (mlir::Operation &op : body)
      if (auto topK = llvm::dyn_cast<ir::TopKOp>(op))
        return emitTopK(emitter, topK);
    return emitRowwise(emitter);
  case ir::Family::Columnwise:
    return emitRowwise(emitter);
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

/// Adds the functions around a product that is left to oneDNN.
void emitAroundProduct(mlir::ModuleOp code, const Emitter &whole,
                       const LibraryProduct &product, EncodedKernel &encoded) {
  auto emit = [&](const std::string &symbol, ContractionPart part) {
    if (symbol.empty())
      return;
    Emitter emitter(code, whole.kernel, whole.target, whole.width, symbol);
    emitContraction(emitter, part);
    emitter.finish();
    assert(emitter.failure.empty() && "the whole kernel could be emitted");
    encoded.scratchBytes =
        std::max(encoded.scratchBytes, emitter.encoded.scratchBytes);
  };
  emit(product.before, ContractionPart::Before);
  emit(product.after, ContractionPart::After);
}

/// Encodes one kernel, with vectors if its last dimension allows it.
Expected<EncodedKernel> encodeKernel(mlir::ModuleOp code, ir::KernelOp kernel,
                                     const CpuTarget &target) {
  std::string failures;
  for (int width : {target.vectorWidth, 1}) {
    Emitter emitter(code, kernel, target, width, kernel.getSymName().str());
    emitBody(emitter);
    emitter.finish();
    if (emitter.failure.empty()) {
      EncodedKernel encoded = emitter.encoded;
      if (emitter.encoded.product)
        emitAroundProduct(code, emitter, *emitter.encoded.product, encoded);
      return encoded;
    }
    failures = emitter.failure;
    emitter.function().erase();
  }
  return failure(ErrorCode::Unsupported,
                 "the CPU backend cannot encode kernel '{}': {}",
                 kernel.getSymName().str(), failures);
}

} // namespace

Expected<EncodedModule> encodeKernels(mlir::ModuleOp module,
                                      const CpuTarget &target,
                                      const KernelDump &dump,
                                      const Progress &progress) {
  EncodedModule encoded;
  mlir::OwningOpRef<mlir::ModuleOp> code(
      mlir::ModuleOp::create(mlir::UnknownLoc::get(module.getContext())));
  std::vector<std::string> symbols;
  auto kernels = module.getOps<ir::KernelOp>();
  auto count = uint64_t(std::distance(kernels.begin(), kernels.end()));
  for (ir::KernelOp kernel : kernels) {
    if (progress)
      progress(encoded.kernels.size(), count);
    mlir::OwningOpRef<ir::KernelOp> copy(
        llvm::cast<ir::KernelOp>(kernel->clone()));
    ir::decomposeRowOps(copy->getBody().front());
    GPTC_TRY(EncodedKernel one, encodeKernel(*code, *copy, target));
    symbols.push_back(one.symbol);
    if (one.product) {
      if (!one.product->before.empty())
        symbols.push_back(one.product->before);
      symbols.push_back(one.product->after);
    }
    encoded.kernels.push_back(std::move(one));
  }
  if (progress)
    progress(count, count);
  GPTC_TRY(encoded.sharedObject, generateCode(*code, target, symbols, dump));
  return encoded;
}

} // namespace gptc::cpu
