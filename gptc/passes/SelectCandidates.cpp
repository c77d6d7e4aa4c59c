//===- SelectCandidates.cpp -----------------------------------------------===//

#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_SELECTCANDIDATES
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::RankedTensorType;
using mlir::Value;

/// Elements of a row that one workgroup chooses from: few enough for it to have
/// them at once.
constexpr int64_t pieceLength = 2048;

constexpr llvm::StringLiteral logitsName = "top_logits", idsName = "top_ids";

/// Whether the entry is one that sequences grow by.
bool takesLengths(mlir::func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto name =
            function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr);
        name && name == "lengths")
      return true;
  return false;
}

/// What the function returns by a name, or null.
Value resultOf(mlir::func::FuncOp function, llvm::StringRef name) {
  mlir::Operation *terminator = function.getBody().front().getTerminator();
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (auto found =
            function.getResultAttrOfType<mlir::StringAttr>(i, ir::nameAttr);
        found && found == name)
      return terminator->getOperand(i);
  return {};
}

ir::TopKOp createTopK(mlir::OpBuilder &builder, mlir::Location loc, Value x,
                      Value carried, int64_t pieces, int64_t count) {
  auto type = llvm::cast<RankedTensorType>(x.getType());
  llvm::SmallVector<int64_t> shape(type.getShape());
  shape.back() = pieces * count;
  auto values = RankedTensorType::get(shape, type.getElementType());
  return ir::TopKOp::create(
      builder, loc, values, values.clone(builder.getI32Type()), x, carried,
      builder.getI64IntegerAttr(pieces), builder.getI64IntegerAttr(count),
      builder.getUnitAttr());
}

struct SelectCandidates : impl::SelectCandidatesBase<SelectCandidates> {
  using SelectCandidatesBase::SelectCandidatesBase;

  void runOnOperation() override {
    mlir::func::FuncOp function = getOperation();
    if (count <= 0 || function.isExternal() || !takesLengths(function) ||
        resultOf(function, logitsName) || resultOf(function, idsName))
      return;
    Value logits = resultOf(function, "logits");
    auto type = logits ? llvm::dyn_cast<RankedTensorType>(logits.getType())
                       : RankedTensorType();
    if (!type || type.getRank() != 2 || !type.getElementType().isF32() ||
        type.getDimSize(1) < std::max<int64_t>(leastVocabulary, count))
      return;
    mlir::OpBuilder builder(function.getBody().front().getTerminator());
    mlir::Location loc = logits.getLoc();
    int64_t pieces = (type.getDimSize(1) + pieceLength - 1) / pieceLength;
    ir::TopKOp found = createTopK(builder, loc, logits, {}, pieces, count);
    if (pieces > 1)
      found = createTopK(builder, loc, found.getValues(), found.getIndices(), 1,
                         count);
    addResult(function, logitsName, found.getValues());
    addResult(function, idsName, found.getIndices());
    function->setAttr(ir::addedResultsAttr, builder.getI64IntegerAttr(2));
  }

private:
  static void addResult(mlir::func::FuncOp function, llvm::StringRef name,
                        Value value) {
    mlir::Builder builder(function.getContext());
    mlir::Operation *terminator = function.getBody().front().getTerminator();
    terminator->insertOperands(terminator->getNumOperands(), value);
    mlir::DictionaryAttr attributes = builder.getDictionaryAttr(
        builder.getNamedAttr(ir::nameAttr, builder.getStringAttr(name)));
    if (mlir::failed(function.insertResult(function.getNumResults(),
                                           value.getType(), attributes)))
      llvm_unreachable("a result can be added behind the others");
  }
};

} // namespace
} // namespace gptc::passes
