//===- Attention.cpp ------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

#include <algorithm>

namespace gptc::ir {

using mlir::RankedTensorType;

uint64_t AttentionOp::getFlops() {
  auto query = getQuery().getType().getShape();
  int64_t keys = getKey().getType().getDimSize(2);
  int64_t rows = query[2];
  // Pairs of query and key that see each other. With positions they depend on
  // the run: many rows count as the first of a sequence, a single row as the
  // last that fits.
  bool fromStart = getPositions() && rows > 1;
  uint64_t pairs = 0;
  for (int64_t i = 0; i < rows; ++i) {
    int64_t last = !getCausal() ? keys - 1 : fromStart ? i : keys - rows + i;
    int64_t visible = std::max<int64_t>(last + 1, 0);
    if (auto window = getWindow())
      visible = std::min<int64_t>(visible, *window);
    pairs += visible;
  }
  // Two products of D multiply-adds a pair, and the softmax's five.
  return uint64_t(query[0]) * query[1] * pairs * (4 * query[3] + 5);
}

mlir::LogicalResult AttentionOp::verify() {
  auto query = getQuery().getType(), key = getKey().getType();
  auto value = getValue().getType();
  if (query.getRank() != 4 || key.getRank() != 4 || key != value ||
      query.getDimSize(0) != key.getDimSize(0) ||
      query.getDimSize(1) != key.getDimSize(1) ||
      query.getDimSize(3) != key.getDimSize(3))
    return emitOpError()
           << "(attention_c1) has operands that do not fit: query " << query
           << ", key " << key << ", value " << value;
  auto isPerSequence = [&](mlir::Value v) {
    auto type = llvm::cast<RankedTensorType>(v.getType());
    return type.getRank() == 1 && type.getDimSize(0) == query.getDimSize(0);
  };
  if (bool(getPositions()) != bool(getLengths()) ||
      (getPositions() &&
       (!isPerSequence(getPositions()) || !isPerSequence(getLengths()))))
    return emitOpError("(attention_c2) needs positions and lengths together, "
                       "one for each sequence");
  if (!getPositions() && getCausal() &&
      query.getDimSize(2) != key.getDimSize(2))
    return emitOpError()
           << "(attention_c3) is causal without positions and has "
           << query.getDimSize(2) << " queries for " << key.getDimSize(2)
           << " keys";
  if (auto window = getWindow(); window && (*window <= 0 || !getCausal()))
    return emitOpError("(attention_c4) has a window that is not positive, or "
                       "is not causal");
  if (getResult().getType() != query)
    return emitOpError() << "(attention_c5) has the result "
                         << getResult().getType() << ", expected " << query;
  return mlir::success();
}

void AttentionOp::print(mlir::OpAsmPrinter &printer) {
  printer << " " << getQuery() << ", " << getKey() << ", " << getValue()
          << " scale " << getScale();
  if (getPositions())
    printer << " at " << getPositions() << ", " << getLengths();
  if (getCausal())
    printer << " causal";
  if (auto window = getWindow())
    printer << " window " << *window;
  printer.printOptionalAttrDict(
      (*this)->getAttrs(),
      {"causal", "window", getOperandSegmentSizesAttrName()});
  printer << " : " << getQuery().getType() << ", " << getKey().getType() << ", "
          << getScale().getType();
  if (getPositions())
    printer << ", " << getPositions().getType();
}

mlir::ParseResult AttentionOp::parse(mlir::OpAsmParser &parser,
                                     mlir::OperationState &state) {
  mlir::OpAsmParser::UnresolvedOperand query, key, value, scale;
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand, 2> at(2);
  mlir::Type queryType, keyType, scaleType, indexType;
  if (parser.parseOperand(query) || parser.parseComma() ||
      parser.parseOperand(key) || parser.parseComma() ||
      parser.parseOperand(value) || parser.parseKeyword("scale") ||
      parser.parseOperand(scale))
    return mlir::failure();
  bool hasPositions = mlir::succeeded(parser.parseOptionalKeyword("at"));
  if (hasPositions && (parser.parseOperand(at[0]) || parser.parseComma() ||
                       parser.parseOperand(at[1])))
    return mlir::failure();
  mlir::Builder &builder = parser.getBuilder();
  if (mlir::succeeded(parser.parseOptionalKeyword("causal")))
    state.addAttribute("causal", builder.getUnitAttr());
  if (mlir::succeeded(parser.parseOptionalKeyword("window"))) {
    int64_t window = 0;
    if (parser.parseInteger(window))
      return mlir::failure();
    state.addAttribute("window", builder.getI64IntegerAttr(window));
  }
  if (parser.parseOptionalAttrDict(state.attributes) ||
      parser.parseColonType(queryType) || parser.parseComma() ||
      parser.parseType(keyType) || parser.parseComma() ||
      parser.parseType(scaleType))
    return mlir::failure();
  if (hasPositions && (parser.parseComma() || parser.parseType(indexType)))
    return mlir::failure();
  if (parser.resolveOperand(query, queryType, state.operands) ||
      parser.resolveOperand(key, keyType, state.operands) ||
      parser.resolveOperand(value, keyType, state.operands) ||
      parser.resolveOperand(scale, scaleType, state.operands))
    return mlir::failure();
  if (hasPositions && parser.resolveOperands(at, indexType, state.operands))
    return mlir::failure();
  int32_t one = hasPositions ? 1 : 0;
  auto &segments =
      state.getOrAddProperties<AttentionOp::Properties>().operandSegmentSizes;
  segments = {1, 1, 1, 1, one, one};
  state.addTypes(queryType);
  return mlir::success();
}

} // namespace gptc::ir
