//===- Dialect.cpp --------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "gptc/ir/Dialect.cpp.inc"
#include "gptc/ir/Enums.cpp.inc"
#include "gptc/ir/Interfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "gptc/ir/Attributes.cpp.inc"

namespace gptc::ir {

/// Types in parentheses, of which there may be none.
static mlir::ParseResult
parseTypeList(mlir::OpAsmParser &parser,
              llvm::SmallVectorImpl<mlir::Type> &types) {
  return parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::Paren, [&] {
    return parser.parseType(types.emplace_back());
  });
}

static void printTypeList(mlir::OpAsmPrinter &printer, mlir::Operation *,
                          mlir::TypeRange types) {
  printer << "(";
  llvm::interleaveComma(types, printer);
  printer << ")";
}

} // namespace gptc::ir

#define GET_OP_CLASSES
#include "gptc/ir/Ops.cpp.inc"

namespace gptc::ir {

void GptcDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "gptc/ir/Attributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "gptc/ir/Ops.cpp.inc"
      >();
}

void registerDialects(mlir::DialectRegistry &registry) {
  registry
      .insert<GptcDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
              mlir::math::MathDialect, mlir::memref::MemRefDialect,
              mlir::tensor::TensorDialect, mlir::scf::SCFDialect,
              mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect>();
  registerArithmeticGradients(registry);
}

void loadDialects(mlir::MLIRContext &context) {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

uint64_t flopsOf(mlir::Operation *op) {
  if (auto cost = llvm::dyn_cast<CostOpInterface>(op))
    return cost.getFlops();
  llvm::StringRef dialect = op->getName().getDialectNamespace();
  if ((dialect != "arith" && dialect != "math") || op->getNumResults() != 1 ||
      op->hasTrait<mlir::OpTrait::ConstantLike>())
    return 0;
  auto type =
      llvm::dyn_cast<mlir::RankedTensorType>(op->getResult(0).getType());
  return type ? uint64_t(type.getNumElements()) : 0;
}

uint64_t bytesOf(mlir::Type type) {
  auto shaped = llvm::cast<mlir::ShapedType>(type);
  unsigned bits = shaped.getElementTypeBitWidth();
  uint64_t elementBytes = bits < 8 ? 1 : bits / 8;
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  if (auto packed =
          tensor ? llvm::dyn_cast_or_null<PackedAttr>(tensor.getEncoding())
                 : PackedAttr()) {
    uint64_t k = tensor.getDimSize(packed.getTransposed() ? 1 : 0);
    uint64_t n = tensor.getDimSize(packed.getTransposed() ? 0 : 1);
    return (k + 15) / 16 * 16 * ((n + 63) / 64 * 64) * elementBytes;
  }
  return uint64_t(shaped.getNumElements()) * elementBytes;
}

llvm::StringRef scopeOf(mlir::Location location) {
  if (auto name = llvm::dyn_cast<mlir::NameLoc>(location))
    return name.getName();
  if (auto fused = llvm::dyn_cast<mlir::FusedLoc>(location))
    for (mlir::Location part : fused.getLocations())
      if (llvm::StringRef scope = scopeOf(part); !scope.empty())
        return scope;
  return {};
}

} // namespace gptc::ir
