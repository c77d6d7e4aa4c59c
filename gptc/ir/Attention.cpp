//===- Attention.cpp ------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

#include <algorithm>
#include <optional>
#include <string>

namespace gptc::ir {

using mlir::RankedTensorType;

namespace {

/// Pairs of query and key that see each other. With positions they depend on
/// the run: many rows count as the first of a sequence, a single row as the
/// last that fits.
template <typename Op> uint64_t countPairs(Op op) {
  auto query = op.getQuery().getType().getShape();
  int64_t keys = op.getKey().getType().getDimSize(2);
  int64_t rows = query[2];
  bool fromStart = op.getPositions() && rows > 1;
  uint64_t pairs = 0;
  for (int64_t i = 0; i < rows; ++i) {
    int64_t last = !op.getCausal() ? keys - 1 : fromStart ? i : keys - rows + i;
    int64_t visible = std::max<int64_t>(last + 1, 0);
    if (auto window = op.getWindow())
      visible = std::min<int64_t>(visible, *window);
    pairs += visible;
  }
  return uint64_t(query[0]) * query[1] * pairs;
}

/// A constraint of attention that operands do not meet, and how.
struct Misfit {
  int constraint;
  std::string what;
};

template <typename Op> std::optional<Misfit> findMisfit(Op op) {
  auto query = op.getQuery().getType(), key = op.getKey().getType();
  auto value = op.getValue().getType();
  std::string what;
  llvm::raw_string_ostream out(what);
  if (query.getRank() != 4 || key.getRank() != 4 || key != value ||
      query.getDimSize(0) != key.getDimSize(0) ||
      query.getDimSize(1) != key.getDimSize(1) ||
      query.getDimSize(3) != key.getDimSize(3)) {
    out << "has operands that do not fit: query " << query << ", key " << key
        << ", value " << value;
    return Misfit{1, what};
  }
  auto isPerSequence = [&](mlir::Value v) {
    auto type = llvm::cast<RankedTensorType>(v.getType());
    return type.getRank() == 1 && type.getDimSize(0) == query.getDimSize(0);
  };
  if (bool(op.getPositions()) != bool(op.getLengths()) ||
      (op.getPositions() &&
       (!isPerSequence(op.getPositions()) || !isPerSequence(op.getLengths()))))
    return Misfit{2, "needs positions and lengths together, one for each "
                     "sequence"};
  if (!op.getPositions() && op.getCausal() &&
      query.getDimSize(2) != key.getDimSize(2)) {
    out << "is causal without positions and has " << query.getDimSize(2)
        << " queries for " << key.getDimSize(2) << " keys";
    return Misfit{3, what};
  }
  if (auto window = op.getWindow(); window && (*window <= 0 || !op.getCausal()))
    return Misfit{4, "has a window that is not positive, or is not causal"};
  if (bool(op.getDropRate()) != bool(op.getDropSeed()) ||
      bool(op.getDropRate()) != bool(op.getDropSite()))
    return Misfit{6, "needs a rate, a seed and a site of drop together"};
  return std::nullopt;
}

/// Of what the statistics of an attention's queries are.
RankedTensorType statisticsType(mlir::Type query) {
  auto type = llvm::cast<RankedTensorType>(query);
  mlir::Builder builder(type.getContext());
  return RankedTensorType::get(type.getShape().take_front(3),
                               type.getElementType().isF64()
                                   ? mlir::Type(builder.getF64Type())
                                   : mlir::Type(builder.getF32Type()));
}

/// `tensors` operands stand before the scale.
template <typename Op>
void printAttention(Op op, mlir::OpAsmPrinter &printer, unsigned tensors) {
  printer << " " << op->getOperands().take_front(tensors) << " scale "
          << op.getScale();
  if (op.getPositions())
    printer << " at " << op.getPositions() << ", " << op.getLengths();
  if (op.getDropRate())
    printer << " drop " << op.getDropRate() << ", " << op.getDropSeed() << ", "
            << op.getDropSite();
  if (op.getCausal())
    printer << " causal";
  if (auto window = op.getWindow())
    printer << " window " << *window;
  if (std::is_same_v<Op, AttentionOp> && op->getNumResults() > 1)
    printer << " log_sum_exp";
  printer.printOptionalAttrDict(
      op->getAttrs(),
      {"causal", "window", op.getOperandSegmentSizesAttrName()});
  printer << " : " << op.getQuery().getType() << ", " << op.getKey().getType()
          << ", " << op.getScale().getType();
  if (op.getPositions())
    printer << ", " << op.getPositions().getType();
}

/// Parses the operands, of which `tensors` stand before the scale, and the
/// types of query, key and, if it is asked for, the logarithm into `types`.
mlir::ParseResult parseAttention(mlir::OpAsmParser &parser,
                                 mlir::OperationState &state, unsigned tensors,
                                 llvm::SmallVectorImpl<mlir::Type> &types,
                                 llvm::SmallVectorImpl<int32_t> &segments) {
  using Operand = mlir::OpAsmParser::UnresolvedOperand;
  llvm::SmallVector<Operand, 4> operands(tensors);
  Operand scale;
  llvm::SmallVector<Operand, 2> at(2);
  llvm::SmallVector<Operand, 3> drop(3);
  mlir::Type queryType, keyType, scaleType, indexType;
  for (unsigned i = 0; i < tensors; ++i)
    if ((i > 0 && parser.parseComma()) || parser.parseOperand(operands[i]))
      return mlir::failure();
  if (parser.parseKeyword("scale") || parser.parseOperand(scale))
    return mlir::failure();
  bool hasPositions = mlir::succeeded(parser.parseOptionalKeyword("at"));
  if (hasPositions && (parser.parseOperand(at[0]) || parser.parseComma() ||
                       parser.parseOperand(at[1])))
    return mlir::failure();
  bool drops = mlir::succeeded(parser.parseOptionalKeyword("drop"));
  for (size_t i = 0; drops && i < drop.size(); ++i)
    if ((i > 0 && parser.parseComma()) || parser.parseOperand(drop[i]))
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
  bool keeps = tensors == 3 &&
               mlir::succeeded(parser.parseOptionalKeyword("log_sum_exp"));
  auto place = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDict(state.attributes) ||
      parser.parseColonType(queryType) || parser.parseComma() ||
      parser.parseType(keyType) || parser.parseComma() ||
      parser.parseType(scaleType))
    return mlir::failure();
  if (hasPositions && (parser.parseComma() || parser.parseType(indexType)))
    return mlir::failure();
  auto shaped = llvm::dyn_cast<RankedTensorType>(queryType);
  if ((keeps || tensors > 3) && (!shaped || shaped.getRank() != 4))
    return parser.emitError(place)
           << "expected a query of rank 4, found " << queryType;
  for (unsigned i = 0; i < tensors; ++i) {
    // The gradient and the result are like the query.
    mlir::Type type = i == 0 || i == 3 || i == 4 ? queryType
                      : i == 5                   ? statisticsType(queryType)
                                                 : keyType;
    if (parser.resolveOperand(operands[i], type, state.operands))
      return mlir::failure();
  }
  if (parser.resolveOperand(scale, scaleType, state.operands) ||
      (hasPositions && parser.resolveOperands(at, indexType, state.operands)))
    return mlir::failure();
  for (size_t i = 0; drops && i < drop.size(); ++i)
    if (parser.resolveOperand(drop[i],
                              i == 0 ? mlir::Type(builder.getF32Type())
                                     : mlir::Type(builder.getI32Type()),
                              state.operands))
      return mlir::failure();
  int32_t one = hasPositions ? 1 : 0;
  segments.assign(tensors + 1, 1);
  segments.append({one, one});
  segments.append(drop.size(), drops ? 1 : 0);
  types.assign({queryType, keyType});
  if (keeps)
    types.push_back(statisticsType(queryType));
  return mlir::success();
}

} // namespace

// Two products of D multiply-adds a pair, and the softmax's five.
uint64_t AttentionOp::getFlops() {
  return countPairs(*this) * (4 * getQuery().getType().getDimSize(3) + 5);
}

// Four products, and a subtraction, two products and a sum; what forward
// computed as well is not counted again.
uint64_t AttentionBackwardOp::getFlops() {
  return countPairs(*this) * (8 * getQuery().getType().getDimSize(3) + 4);
}

mlir::LogicalResult AttentionOp::verify() {
  if (auto misfit = findMisfit(*this)) {
    constexpr const char *labels[] = {"(attention_c1)", "(attention_c2)",
                                      "(attention_c3)", "(attention_c4)",
                                      "(attention_c5)", "(attention_c6)"};
    return emitOpError() << labels[misfit->constraint - 1] << " "
                         << misfit->what;
  }
  if (getResult().getType() != getQuery().getType())
    return emitOpError() << "(attention_c5) has the result "
                         << getResult().getType() << ", expected "
                         << getQuery().getType();
  mlir::Type statistics = statisticsType(getQuery().getType());
  if (getLogSumExp() && getLogSumExp().getType() != statistics)
    return emitOpError() << "(attention_c7) has the log_sum_exp "
                         << getLogSumExp().getType() << ", expected "
                         << statistics;
  return mlir::success();
}

mlir::LogicalResult AttentionBackwardOp::verify() {
  if (auto misfit = findMisfit(*this))
    return emitOpError() << "(attention_backward_c1) " << misfit->what;
  auto query = getQuery().getType(), key = getKey().getType();
  if (getGradient().getType() != query || getResult().getType() != query ||
      getQueryGradient().getType() != query ||
      getKeyGradient().getType() != key || getValueGradient().getType() != key)
    return emitOpError() << "(attention_backward_c2) has gradients of other "
                            "types than the query "
                         << query << " and the key " << key;
  if (mlir::Type statistics = statisticsType(query);
      getLogSumExp().getType() != statistics)
    return emitOpError() << "(attention_backward_c3) has the log_sum_exp "
                         << getLogSumExp().getType() << ", expected "
                         << statistics;
  return mlir::success();
}

llvm::SmallVector<mlir::Value>
AttentionOp::buildGradients(mlir::OpBuilder &builder,
                            mlir::ValueRange gradients,
                            llvm::ArrayRef<bool> needed) {
  auto query = getQuery().getType(), key = getKey().getType();
  auto backward = AttentionBackwardOp::create(
      builder, getLoc(), query, key, key, getQuery(), getKey(), getValue(),
      gradients[0], getResult(), getLogSumExp(), getScale(), getPositions(),
      getLengths(), getDropRate(), getDropSeed(), getDropSite(),
      getCausalAttr(), getWindowAttr());
  llvm::SmallVector<mlir::Value> result(needed.size());
  for (unsigned i = 0; i < 3; ++i)
    if (needed[i])
      result[i] = backward->getResult(i);
  return result;
}

mlir::Operation *AttentionOp::keepForGradient() {
  if (getLogSumExp())
    return *this;
  mlir::OpBuilder builder(*this);
  auto keeping = AttentionOp::create(
      builder, getLoc(), getResult().getType(),
      statisticsType(getQuery().getType()), getQuery(), getKey(), getValue(),
      getScale(), getPositions(), getLengths(), getDropRate(), getDropSeed(),
      getDropSite(), getCausalAttr(), getWindowAttr());
  keeping->setDiscardableAttrs((*this)->getDiscardableAttrDictionary());
  getResult().replaceAllUsesWith(keeping.getResult());
  erase();
  return keeping;
}

void AttentionOp::print(mlir::OpAsmPrinter &printer) {
  printAttention(*this, printer, 3);
}

void AttentionBackwardOp::print(mlir::OpAsmPrinter &printer) {
  printAttention(*this, printer, 6);
}

mlir::ParseResult AttentionOp::parse(mlir::OpAsmParser &parser,
                                     mlir::OperationState &state) {
  llvm::SmallVector<mlir::Type> types;
  llvm::SmallVector<int32_t> segments;
  if (parseAttention(parser, state, 3, types, segments))
    return mlir::failure();
  llvm::copy(
      segments,
      state.getOrAddProperties<Properties>().operandSegmentSizes.begin());
  state.addTypes(types[0]);
  state.addTypes(llvm::ArrayRef(types).drop_front(2));
  return mlir::success();
}

mlir::ParseResult AttentionBackwardOp::parse(mlir::OpAsmParser &parser,
                                             mlir::OperationState &state) {
  llvm::SmallVector<mlir::Type> types;
  llvm::SmallVector<int32_t> segments;
  if (parseAttention(parser, state, 6, types, segments))
    return mlir::failure();
  llvm::copy(
      segments,
      state.getOrAddProperties<Properties>().operandSegmentSizes.begin());
  state.addTypes({types[0], types[1], types[1]});
  return mlir::success();
}

} // namespace gptc::ir
