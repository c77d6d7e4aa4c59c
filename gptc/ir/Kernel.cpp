//===- Kernel.cpp ---------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

using mlir::Type;

namespace {

mlir::LogicalResult verifyBody(mlir::Operation *op, mlir::Region &body,
                               mlir::TypeRange inputs, mlir::TypeRange outputs,
                               llvm::StringRef arguments,
                               llvm::StringRef results) {
  if (body.getArgumentTypes() != inputs)
    return op->emitOpError() << "(" << arguments
                             << ") has region arguments of other types than "
                                "its inputs";
  auto yield = llvm::dyn_cast<YieldOp>(body.front().back());
  if (!yield || yield.getValues().getTypes() != outputs)
    return op->emitOpError()
           << "(" << results << ") must end by yielding its results' types";
  return mlir::success();
}

void printFamily(mlir::OpAsmPrinter &printer, Family family) {
  printer << " " << stringifyFamily(family);
}

mlir::ParseResult parseFamily(mlir::OpAsmParser &parser,
                              mlir::OperationState &state,
                              llvm::StringRef attributeName) {
  llvm::StringRef keyword;
  auto loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return mlir::failure();
  auto family = symbolizeFamily(keyword);
  if (!family)
    return parser.emitError(loc) << "'" << keyword << "' is no kernel family";
  state.addAttribute(attributeName,
                     FamilyAttr::get(parser.getContext(), *family));
  return mlir::success();
}

mlir::ParseResult parseResults(mlir::OpAsmParser &parser,
                               llvm::SmallVectorImpl<Type> &results) {
  if (mlir::failed(parser.parseOptionalArrow()))
    return mlir::success();
  if (mlir::succeeded(parser.parseOptionalLParen())) {
    return mlir::failure(parser.parseTypeList(results) || parser.parseRParen());
  }
  return parser.parseType(results.emplace_back());
}

void printResults(mlir::OpAsmPrinter &printer, mlir::TypeRange results) {
  if (results.empty())
    return;
  printer << " -> ";
  if (results.size() > 1)
    printer << "(";
  llvm::interleaveComma(results, printer);
  if (results.size() > 1)
    printer << ")";
}

} // namespace

mlir::LogicalResult GroupOp::verify() {
  return verifyBody(*this, getBody(), getInputs().getTypes(),
                    getOutputs().getTypes(), "group_c1", "group_c2");
}

void GroupOp::print(mlir::OpAsmPrinter &printer) {
  printFamily(printer, getFamily());
  printer << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()),
                        printer, [&](auto pair) {
                          printer << std::get<0>(pair) << " = "
                                  << std::get<1>(pair);
                        });
  if (!getInputs().empty()) {
    printer << " : ";
    llvm::interleaveComma(getInputs().getTypes(), printer);
  }
  printer << ")";
  printResults(printer, getOutputs().getTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"family"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

mlir::ParseResult GroupOp::parse(mlir::OpAsmParser &parser,
                                 mlir::OperationState &state) {
  llvm::SmallVector<mlir::OpAsmParser::Argument> arguments;
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand> operands;
  llvm::SmallVector<Type> types, results;
  if (parseFamily(parser, state, "family") || parser.parseLParen())
    return mlir::failure();
  auto loc = parser.getCurrentLocation();
  if (mlir::failed(parser.parseOptionalRParen())) {
    do {
      if (parser.parseArgument(arguments.emplace_back()) ||
          parser.parseEqual() || parser.parseOperand(operands.emplace_back()))
        return mlir::failure();
    } while (mlir::succeeded(parser.parseOptionalComma()));
    if (parser.parseColonTypeList(types) || parser.parseRParen())
      return mlir::failure();
  }
  if (types.size() != operands.size())
    return parser.emitError(loc) << "has " << operands.size() << " inputs, but "
                                 << types.size() << " types";
  for (auto [argument, type] : llvm::zip(arguments, types))
    argument.type = type;
  if (parseResults(parser, results) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.resolveOperands(operands, types, loc, state.operands) ||
      parser.parseRegion(*state.addRegion(), arguments))
    return mlir::failure();
  state.addTypes(results);
  return mlir::success();
}

YieldOp KernelOp::getYield() {
  return llvm::cast<YieldOp>(getBody().front().getTerminator());
}

mlir::LogicalResult KernelOp::verify() {
  mlir::FunctionType type = getSignature();
  if (mlir::failed(verifyBody(*this, getBody(), type.getInputs(),
                              type.getResults(), "kernel_c1", "kernel_c1")))
    return mlir::failure();
  for (auto pairs : {getTied(), getInPlace()}) {
    if (!pairs)
      continue;
    if (pairs->size() % 2 != 0)
      return emitOpError("(kernel_c2) has an odd list of pairs");
    for (size_t i = 0; i < pairs->size(); i += 2) {
      int64_t input = (*pairs)[i], output = (*pairs)[i + 1];
      if (input < 0 || input >= type.getNumInputs() || output < 0 ||
          output >= type.getNumResults() ||
          type.getInput(input) != type.getResult(output))
        return emitOpError() << "(kernel_c2) pairs input " << input
                             << " with output " << output;
    }
  }
  return mlir::success();
}

void KernelOp::print(mlir::OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printFamily(printer, getFamily());
  printer << " (";
  llvm::interleaveComma(getBody().getArguments(), printer,
                        [&](mlir::BlockArgument argument) {
                          printer.printRegionArgument(argument);
                        });
  printer << ")";
  printResults(printer, getSignature().getResults());
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {"sym_name", "family", "function_type"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

mlir::ParseResult KernelOp::parse(mlir::OpAsmParser &parser,
                                  mlir::OperationState &state) {
  mlir::StringAttr name;
  llvm::SmallVector<mlir::OpAsmParser::Argument> arguments;
  llvm::SmallVector<Type> types, results;
  if (parser.parseSymbolName(name, "sym_name", state.attributes) ||
      parseFamily(parser, state, "family") ||
      parser.parseArgumentList(arguments, mlir::AsmParser::Delimiter::Paren,
                               /*allowType=*/true, /*allowAttrs=*/false) ||
      parseResults(parser, results) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseRegion(*state.addRegion(), arguments))
    return mlir::failure();
  for (auto &argument : arguments)
    types.push_back(argument.type);
  state.addAttribute(
      "function_type",
      mlir::TypeAttr::get(parser.getBuilder().getFunctionType(types, results)));
  return mlir::success();
}

mlir::LogicalResult
DispatchOp::verifySymbolUses(mlir::SymbolTableCollection &tables) {
  auto kernel =
      tables.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "(dispatch_c1) names the kernel " << getKernelAttr()
                         << ", which the module does not declare";
  mlir::FunctionType type = kernel.getSignature();
  if (getInputs().getTypes() != mlir::TypeRange(type.getInputs()) ||
      getOutputs().getTypes() != mlir::TypeRange(type.getResults()))
    return emitOpError() << "(dispatch_c2) does not have the kernel's type "
                         << type;
  return mlir::success();
}

} // namespace gptc::ir
