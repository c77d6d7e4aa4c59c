//===- Variable.cpp -------------------------------------------------------===//

#include "gptc/ir/Dialect.h"
#include "gptc/ir/ElementTypes.h"

namespace gptc::ir {

mlir::Attribute InitializerAttr::parse(mlir::AsmParser &parser, mlir::Type) {
  llvm::StringRef keyword;
  double a = 0, b = 0;
  if (parser.parseLess() || parser.parseKeyword(&keyword) ||
      parser.parseComma() || parser.parseFloat(a) || parser.parseComma() ||
      parser.parseFloat(b) || parser.parseGreater())
    return {};
  auto kind = symbolizeInitializerKind(keyword);
  if (!kind) {
    parser.emitError(parser.getNameLoc())
        << "expected 'constant' or 'normal', found '" << keyword << "'";
    return {};
  }
  mlir::Builder builder(parser.getContext());
  return get(parser.getContext(), *kind, builder.getF64FloatAttr(a),
             builder.getF64FloatAttr(b));
}

void InitializerAttr::print(mlir::AsmPrinter &printer) const {
  printer << "<" << stringifyInitializerKind(getKind()) << ", ";
  printer.printFloat(getA().getValue());
  printer << ", ";
  printer.printFloat(getB().getValue());
  printer << ">";
}

mlir::Attribute PieceAttr::parse(mlir::AsmParser &parser, mlir::Type) {
  std::string tensor;
  if (parser.parseLess() || parser.parseString(&tensor))
    return {};
  bool transposed = false, optional = false;
  while (mlir::succeeded(parser.parseOptionalComma())) {
    if (!transposed && !optional &&
        mlir::succeeded(parser.parseOptionalKeyword("transposed")))
      transposed = true;
    else if (!optional && mlir::succeeded(parser.parseKeyword("optional")))
      optional = true;
    else
      return {};
  }
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(),
             mlir::StringAttr::get(parser.getContext(), tensor), transposed,
             optional);
}

void PieceAttr::print(mlir::AsmPrinter &printer) const {
  printer << "<";
  printer.printString(getTensor().getValue());
  if (getTransposed())
    printer << ", transposed";
  if (getOptional())
    printer << ", optional";
  printer << ">";
}

mlir::Attribute PackedAttr::parse(mlir::AsmParser &parser, mlir::Type) {
  bool transposed = false;
  if (mlir::succeeded(parser.parseOptionalLess())) {
    if (parser.parseKeyword("transposed") || parser.parseGreater())
      return {};
    transposed = true;
  }
  return get(parser.getContext(), transposed);
}

void PackedAttr::print(mlir::AsmPrinter &printer) const {
  if (getTransposed())
    printer << "<transposed>";
}

mlir::LogicalResult VariableOp::verify() {
  if (getRole() == Role::Parameter && !getPieces() && !getInit())
    return emitOpError("(variable_c1) is a parameter and needs pieces of a "
                       "checkpoint or an initializer");
  mlir::Type element = getTensorType().getElementType();
  std::optional<DataType> type = dataTypeOf(element);
  if (getRole() == Role::Parameter && !(type && isWeightType(*type)))
    return emitOpError() << "(variable_c2) is a parameter of " << element
                         << ", expected f32, f16 or bf16";
  return mlir::success();
}

static mlir::LogicalResult verifyVariable(mlir::Operation *op,
                                          mlir::FlatSymbolRefAttr name,
                                          mlir::RankedTensorType type,
                                          llvm::StringRef prefix,
                                          mlir::SymbolTableCollection &tables) {
  auto variable = tables.lookupNearestSymbolFrom<VariableOp>(op, name);
  if (!variable)
    return op->emitOpError() << "(" << prefix << "_c1) names the variable "
                             << name << ", which the module does not declare";
  if (variable.getTensorType() != type)
    return op->emitOpError()
           << "(" << prefix << "_c2) has type " << type << ", but the variable "
           << name << " has type " << variable.getTensorType();
  return mlir::success();
}

mlir::LogicalResult
ReadOp::verifySymbolUses(mlir::SymbolTableCollection &tables) {
  return verifyVariable(*this, getVariableAttr(), getResult().getType(), "read",
                        tables);
}

mlir::LogicalResult
AssignOp::verifySymbolUses(mlir::SymbolTableCollection &tables) {
  return verifyVariable(*this, getVariableAttr(), getValue().getType(),
                        "assign", tables);
}

} // namespace gptc::ir
