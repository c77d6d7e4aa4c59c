//===- Program.cpp --------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

namespace {
/// Whether a buffer, or a scalar, can stand for a kernel's input or output.
bool fits(mlir::Type buffer, mlir::Type tensor) {
  auto shaped = llvm::dyn_cast<mlir::ShapedType>(buffer);
  auto expected = llvm::dyn_cast<mlir::ShapedType>(tensor);
  if (!shaped || !expected)
    return buffer == tensor;
  return shaped.getShape() == expected.getShape() &&
         shaped.getElementType() == expected.getElementType();
}
} // namespace

mlir::LogicalResult ArenaOp::verify() {
  int64_t offset = getOffset();
  if (offset < 0 || offset > int64_t(1) << 48 || offset % 64 != 0)
    return emitOpError() << "(arena_c1) has the offset " << offset
                         << ", expected a multiple of 64 from 0 to 2^48";
  return mlir::success();
}

mlir::LogicalResult
StorageOp::verifySymbolUses(mlir::SymbolTableCollection &tables) {
  auto variable =
      tables.lookupNearestSymbolFrom<VariableOp>(*this, getVariableAttr());
  if (!variable)
    return emitOpError() << "(storage_c1) names the variable "
                         << getVariableAttr()
                         << ", which the module does not declare";
  if (!fits(getBuffer().getType(), variable.getType()))
    return emitOpError() << "(storage_c2) is " << getBuffer().getType()
                         << ", but the variable is " << variable.getType();
  return mlir::success();
}

mlir::LogicalResult
LaunchOp::verifySymbolUses(mlir::SymbolTableCollection &tables) {
  auto kernel =
      tables.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "(launch_c1) names the kernel " << getKernelAttr()
                         << ", which the module does not declare";
  mlir::FunctionType type = kernel.getSignature();
  auto fit = [](mlir::TypeRange buffers, mlir::TypeRange tensors) {
    return buffers.size() == tensors.size() &&
           llvm::all_of(llvm::zip(buffers, tensors), [](auto pair) {
             return fits(std::get<0>(pair), std::get<1>(pair));
           });
  };
  if (!fit(getInputs().getTypes(), type.getInputs()) ||
      !fit(getOutputs().getTypes(), type.getResults()))
    return emitOpError() << "(launch_c2) does not fit the kernel's type "
                         << type;
  return mlir::success();
}

} // namespace gptc::ir
