//===- Lowering.cpp - From scf, arith and math to binary SPIR-V -----------===//

#include "gptc/backends/vulkan/compiler/VulkanBackend.h"

#include "gptc/backends/vulkan/KernelInterface.h"
#include "mlir/Conversion/ArithToSPIRV/ArithToSPIRV.h"
#include "mlir/Conversion/MathToSPIRV/MathToSPIRV.h"
#include "mlir/Conversion/SCFToSPIRV/SCFToSPIRV.h"
#include "mlir/Conversion/UBToSPIRV/UBToSPIRV.h"
#include "mlir/Conversion/VectorToSPIRV/VectorToSPIRV.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Dialect/SPIRV/Transforms/SPIRVConversion.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Target/SPIRV/Serialization.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include "spirv-tools/libspirv.hpp"

namespace gptc::vulkan {

namespace spirv = mlir::spirv;

namespace {

/// exp, tanh, erf, log by polynomials, as the CPU backend has them: what
/// drivers have instead differs in accuracy, and tanh may overflow.
mlir::LogicalResult approximateMath(spirv::ModuleOp module) {
  mlir::RewritePatternSet patterns(module.getContext());
  mlir::populateMathPolynomialApproximationPatterns(patterns);
  return mlir::applyPatternsGreedily(module, std::move(patterns));
}

/// What the module may use, as MLIR has to be told. It knows the ops of
/// matrices from SPIR-V 1.6 on; the extension asks for no version, and
/// Vulkan 1.2 ends at 1.5. Of 16-bit elements behind a pointer it asks for what
/// integers of 16 bits and push constants with them need, and the module has
/// neither.
spirv::VerCapExtAttr environmentOf(spirv::ModuleOp module) {
  spirv::VerCapExtAttr triple = module.getVceTripleAttr();
  auto capabilities = llvm::to_vector(triple.getCapabilities());
  spirv::Version version = triple.getVersion();
  if (module.getMemoryModel() == spirv::MemoryModel::Vulkan)
    version = spirv::Version::V_1_6;
  if (llvm::is_contained(capabilities,
                         spirv::Capability::StorageBuffer16BitAccess))
    capabilities.push_back(spirv::Capability::Int16);
  return spirv::VerCapExtAttr::get(version, capabilities,
                                   llvm::to_vector(triple.getExtensions()),
                                   module.getContext());
}

mlir::LogicalResult convert(spirv::ModuleOp module) {
  mlir::MLIRContext *context = module.getContext();
  auto environment = spirv::TargetEnvAttr::get(
      environmentOf(module), spirv::getDefaultResourceLimits(context));
  auto target = mlir::SPIRVConversionTarget::get(environment);
  mlir::SPIRVTypeConverter types(environment);
  mlir::ScfToSPIRVContext loops;
  mlir::RewritePatternSet patterns(context);
  mlir::arith::populateArithToSPIRVPatterns(types, patterns);
  mlir::populateMathToSPIRVPatterns(types, patterns);
  mlir::populateVectorToSPIRVPatterns(types, patterns);
  mlir::populateSCFToSPIRVPatterns(types, loops, patterns);
  mlir::ub::populateUBToSPIRVConversionPatterns(types, patterns);
  return mlir::applyFullConversion(module, *target, std::move(patterns));
}

} // namespace

Expected<std::vector<uint32_t>> lowerToSpirv(spirv::ModuleOp module,
                                             bool unrollsLoops) {
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(
      module.getContext(), [&](mlir::Diagnostic &diagnostic) {
        errors += (errors.empty() ? "" : "; ") + diagnostic.str();
        return mlir::success();
      });
  if (mlir::failed(approximateMath(module)) || mlir::failed(convert(module)) ||
      mlir::failed(mlir::verify(module)))
    return failure(ErrorCode::Internal, "lowering to SPIR-V failed: {}",
                   errors);
  if (!unrollsLoops)
    module.walk([](spirv::LoopOp loop) {
      loop.setLoopControl(spirv::LoopControl::DontUnroll);
    });
  llvm::SmallVector<uint32_t> words;
  spirv::SerializationOptions options;
  options.emitSymbolName = false;
  if (mlir::failed(spirv::serialize(module, words, options)))
    return failure(ErrorCode::Internal, "serializing SPIR-V failed: {}",
                   errors);
  std::vector<uint32_t> binary(words.begin(), words.end());

  // The SPIRV-Tools of Debian 12 are older than cooperative matrices, and take
  // no module that declares them; the tests validate those with newer ones.
  if (declaresMatrices(binary))
    return binary;
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
  std::string complaint;
  tools.SetMessageConsumer([&](spv_message_level_t, const char *,
                               const spv_position_t &, const char *text) {
    complaint += (complaint.empty() ? "" : "; ") + std::string(text);
  });
  if (!tools.Validate(binary))
    return failure(ErrorCode::Internal, "the SPIR-V made is invalid: {}",
                   complaint);
  return binary;
}

std::string disassemble(const std::vector<uint32_t> &binary) {
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
  std::string text;
  if (!tools.Disassemble(binary, &text, SPV_BINARY_TO_TEXT_OPTION_INDENT))
    return "; the SPIRV-Tools in gptc do not know all of this module\n";
  return text;
}

} // namespace gptc::vulkan
