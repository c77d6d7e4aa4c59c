//===- LowerPrecision.cpp -------------------------------------------------===//

#include "gptc/ir/StridedView.h"
#include "gptc/passes/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace gptc::passes {

#define GEN_PASS_DEF_LOWERPRECISION
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::RankedTensorType;
using mlir::Value;

RankedTensorType withElement(mlir::Type type, mlir::Type element) {
  auto tensor = llvm::cast<RankedTensorType>(type);
  return RankedTensorType::get(tensor.getShape(), element,
                               tensor.getEncoding());
}

bool isView(mlir::Operation *op) {
  return llvm::isa_and_nonnull<ir::ReshapeOp, ir::TransposeOp, ir::SliceOp>(op);
}

/// cast(view(x)) to a narrower type -> view(cast(x)): buffers are written
/// narrow, and equal conversions of several views of one buffer become one.
struct CastAboveView : mlir::OpRewritePattern<ir::CastOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::CastOp cast,
                  mlir::PatternRewriter &rewriter) const override {
    mlir::Operation *view = cast.getX().getDefiningOp();
    if (!isView(view))
      return rewriter.notifyMatchFailure(cast, "converts no view");
    mlir::Type to = cast.getY().getType().getElementType();
    if (to.getIntOrFloatBitWidth() >=
        cast.getX().getType().getElementTypeBitWidth())
      return rewriter.notifyMatchFailure(cast, "does not narrow");
    Value source = view->getOperand(0);
    rewriter.setInsertionPointAfterValue(source);
    Value narrow = ir::CastOp::create(
        rewriter, cast.getLoc(), withElement(source.getType(), to), source);
    rewriter.setInsertionPoint(cast);
    mlir::Operation *clone = rewriter.clone(*view);
    clone->setOperand(0, narrow);
    clone->getResult(0).setType(cast.getY().getType());
    rewriter.replaceOp(cast, clone->getResults());
    return mlir::success();
  }
};

/// narrow(widen(x)) of one type -> x: every widening is exact.
struct NarrowOfWiden : mlir::OpRewritePattern<ir::CastOp> {
  using OpRewritePattern::OpRewritePattern;
  mlir::LogicalResult
  matchAndRewrite(ir::CastOp cast,
                  mlir::PatternRewriter &rewriter) const override {
    auto inner = cast.getX().getDefiningOp<ir::CastOp>();
    if (!inner || inner.getX().getType() != cast.getY().getType() ||
        inner.getX().getType().getElementTypeBitWidth() >=
            inner.getY().getType().getElementTypeBitWidth())
      return rewriter.notifyMatchFailure(cast, "undoes no widening");
    rewriter.replaceOp(cast, inner.getX());
    return mlir::success();
  }
};

/// The widening that views show a value of, or null.
ir::CastOp wideningOf(Value value) {
  auto cast = ir::viewRoot(value).getDefiningOp<ir::CastOp>();
  bool widens = cast && cast.getX().getType().getElementTypeBitWidth() <
                            cast.getY().getType().getElementTypeBitWidth();
  return widens ? cast : ir::CastOp();
}

/// Concatenates what was narrow before, so that it is widened once.
struct ConcatOfWiden : mlir::OpRewritePattern<ir::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(ir::ConcatOp concat,
                  mlir::PatternRewriter &rewriter) const override {
    mlir::Type element;
    for (Value input : concat.getInputs()) {
      ir::CastOp cast = wideningOf(input);
      mlir::Type from = cast ? cast.getX().getType().getElementType() : nullptr;
      if (!from || (element && from != element))
        return rewriter.notifyMatchFailure(concat, "not all inputs are widened "
                                                   "from one type");
      element = from;
    }
    llvm::SmallVector<Value> narrow;
    for (Value input : concat.getInputs())
      narrow.push_back(narrowed(rewriter, input, element));
    auto joined = ir::ConcatOp::create(rewriter, concat.getLoc(),
                                       withElement(concat.getType(), element),
                                       narrow, concat.getDimensionAttr());
    rewriter.replaceOpWithNewOp<ir::CastOp>(concat, concat.getType(), joined);
    return mlir::success();
  }

private:
  /// The same views of what the value is widened from.
  static Value narrowed(mlir::PatternRewriter &rewriter, Value value,
                        mlir::Type element) {
    mlir::Operation *op = value.getDefiningOp();
    if (auto cast = llvm::dyn_cast<ir::CastOp>(op))
      return cast.getX();
    Value source = narrowed(rewriter, op->getOperand(0), element);
    mlir::Operation *view = rewriter.clone(*op);
    view->setOperand(0, source);
    view->getResult(0).setType(
        llvm::cast<RankedTensorType>(withElement(value.getType(), element)));
    return view->getResult(0);
  }
};

struct LowerPrecision : impl::LowerPrecisionBase<LowerPrecision> {
  using LowerPrecisionBase::LowerPrecisionBase;

  void runOnOperation() override {
    if (type == "f32")
      return;
    if (type == "bf16")
      narrow = mlir::BFloat16Type::get(&getContext());
    else if (type == "f16")
      narrow = mlir::Float16Type::get(&getContext());
    if (!narrow) {
      getOperation().emitError()
          << "has no arithmetic in '" << type << "', expected f32, bf16 or f16";
      return signalPassFailure();
    }
    llvm::SmallVector<mlir::Operation *> ops;
    getOperation().walk([&](mlir::Operation *op) {
      if (llvm::isa<ir::MatmulOp, ir::AttentionOp, ir::AttentionBackwardOp>(op))
        ops.push_back(op);
    });
    for (mlir::Operation *op : ops) {
      if (auto matmul = llvm::dyn_cast<ir::MatmulOp>(op))
        lower(matmul);
      else if (llvm::isa<ir::AttentionOp>(op))
        lowerAttention(op, /*tensors=*/3, /*results=*/1);
      else
        lowerAttention(op, /*tensors=*/5, /*results=*/3);
    }
    storeNarrow();
    mlir::RewritePatternSet patterns(&getContext());
    patterns.add<CastAboveView, NarrowOfWiden, ConcatOfWiden>(&getContext());
    if (mlir::failed(
            mlir::applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    mlir::OpPassManager manager(mlir::ModuleOp::getOperationName());
    manager.addPass(createSimplify());
    if (mlir::failed(runPipeline(manager, getOperation())))
      signalPassFailure();
  }

private:
  mlir::Type narrow;

  /// A conversion belongs to the scope that makes the value; to `loc` where the
  /// value comes from outside of the function.
  Value cast(mlir::OpBuilder &builder, mlir::Location loc, Value value,
             mlir::Type element) {
    if (llvm::cast<RankedTensorType>(value.getType()).getElementType() ==
        element)
      return value;
    if (mlir::Operation *definition = value.getDefiningOp())
      loc = definition->getLoc();
    return ir::CastOp::create(builder, loc,
                              withElement(value.getType(), element), value);
  }

  void lower(ir::MatmulOp op) {
    if (!op.getLhs().getType().getElementType().isF32())
      return;
    mlir::OpBuilder builder(op);
    op.getLhsMutable().assign(cast(builder, op.getLoc(), op.getLhs(), narrow));
    op.getRhsMutable().assign(cast(builder, op.getLoc(), op.getRhs(), narrow));
  }

  /// Narrows the first so many operands and results of an attention or of its
  /// gradient; statistics stay wide.
  void lowerAttention(mlir::Operation *op, unsigned tensors, unsigned results) {
    auto query = llvm::cast<RankedTensorType>(op->getOperand(0).getType());
    if (!query.getElementType().isF32())
      return;
    mlir::OpBuilder builder(op);
    for (unsigned i = 0; i < tensors; ++i)
      op->setOperand(i, cast(builder, op->getLoc(), op->getOperand(i), narrow));
    builder.setInsertionPointAfter(op);
    for (mlir::Value result : op->getResults().take_front(results)) {
      mlir::Type wide = result.getType();
      result.setType(withElement(wide, narrow));
      auto widened = ir::CastOp::create(builder, op->getLoc(), wide, result);
      result.replaceAllUsesExcept(widened.getY(), widened);
    }
  }

  /// Stores parameters that only narrowed products and gathers read, and
  /// caches that only narrowed attention reads, in the narrow type.
  void storeNarrow() {
    mlir::ModuleOp module = getOperation();
    llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<ir::ReadOp>> reads;
    llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<ir::AssignOp>> assigns;
    module.walk([&](mlir::Operation *op) {
      if (auto read = llvm::dyn_cast<ir::ReadOp>(op))
        reads[read.getVariableAttr().getAttr()].push_back(read);
      else if (auto assign = llvm::dyn_cast<ir::AssignOp>(op))
        assigns[assign.getVariableAttr().getAttr()].push_back(assign);
    });
    for (auto variable : module.getOps<ir::VariableOp>()) {
      auto name = variable.getSymNameAttr();
      if (!variable.getTensorType().getElementType().isF32())
        continue;
      bool narrows = variable.getRole() == ir::Role::Parameter
                         ? isNarrowParameter(reads[name])
                         : variable.getRole() == ir::Role::Cache &&
                               isNarrowCache(reads[name], assigns[name]);
      if (!narrows)
        continue;
      variable.setType(withElement(variable.getType(), narrow));
      for (ir::ReadOp read : reads[name])
        narrowRead(read);
      for (ir::AssignOp assign : assigns[name])
        narrowAssign(assign);
    }
  }

  static bool isNarrowParameter(llvm::ArrayRef<ir::ReadOp> reads) {
    bool narrowed = false;
    for (ir::ReadOp read : reads)
      for (mlir::Operation *user : read->getUsers()) {
        if (llvm::isa<ir::CastOp>(user))
          narrowed = true;
        else if (!llvm::isa<ir::GatherOp>(user))
          return false;
      }
    return narrowed;
  }

  static bool isNarrowCache(llvm::ArrayRef<ir::ReadOp> reads,
                            llvm::ArrayRef<ir::AssignOp> assigns) {
    for (ir::ReadOp read : reads)
      for (mlir::Operation *user : read->getUsers()) {
        auto append = llvm::dyn_cast<ir::CacheAppendOp>(user);
        if (!append || append.getCache() != read.getResult())
          return false;
        for (mlir::Operation *next : append->getUsers())
          if (!llvm::isa<ir::CastOp, ir::AssignOp>(next))
            return false;
      }
    for (ir::AssignOp assign : assigns)
      if (!assign.getValue().getDefiningOp<ir::CacheAppendOp>())
        return false;
    return !reads.empty();
  }

  void narrowRead(ir::ReadOp read) {
    mlir::Type wide = read.getResult().getType();
    read.getResult().setType(withElement(wide, narrow));
    mlir::OpBuilder builder(&getContext());
    for (mlir::Operation *user : llvm::make_early_inc_range(read->getUsers())) {
      builder.setInsertionPointAfter(user);
      if (auto gather = llvm::dyn_cast<ir::GatherOp>(user)) {
        mlir::Type result = gather.getResult().getType();
        gather.getResult().setType(withElement(result, narrow));
        auto widened = ir::CastOp::create(builder, gather.getLoc(), result,
                                          gather.getResult());
        gather.getResult().replaceAllUsesExcept(widened.getY(), widened);
      } else if (auto append = llvm::dyn_cast<ir::CacheAppendOp>(user)) {
        mlir::Type result = append.getResult().getType();
        append.getResult().setType(withElement(result, narrow));
        auto widened = ir::CastOp::create(builder, append.getLoc(), result,
                                          append.getResult());
        append.getResult().replaceAllUsesExcept(widened.getY(), widened);
        builder.setInsertionPoint(append);
        append.getRowsMutable().assign(
            cast(builder, append.getLoc(), append.getRows(), narrow));
      }
    }
  }

  void narrowAssign(ir::AssignOp assign) {
    mlir::OpBuilder builder(assign);
    assign.getValueMutable().assign(
        cast(builder, assign.getLoc(), assign.getValue(), narrow));
  }
};

} // namespace
} // namespace gptc::passes
