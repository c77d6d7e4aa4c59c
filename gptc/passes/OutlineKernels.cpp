//===- OutlineKernels.cpp -------------------------------------------------===//

#include "gptc/ir/StridedView.h"
#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_OUTLINEKERNELS
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

/// The op that a kernel is named after: the heaviest, or the last.
Operation *mainOp(mlir::Block &body) {
  Operation *best = nullptr;
  uint64_t most = 0;
  for (Operation &op : body.without_terminator()) {
    if (ir::isView(&op) || llvm::isa<mlir::arith::ConstantOp>(op))
      continue;
    uint64_t flops = ir::flopsOf(&op);
    if (!best || flops >= most) {
      best = &op;
      most = flops;
    }
  }
  return best;
}

/// "matmul_512x768x2304_f32", "layer_norm_1x512x768_f32", "copy_4x8_f32".
std::string nameOf(mlir::Block &body) {
  Operation *op = mainOp(body);
  std::string name;
  llvm::raw_string_ostream out(name);
  auto printShape = [&](RankedTensorType type) {
    llvm::interleave(type.getShape(), out, "x");
    out << (type.getRank() ? "_" : "") << type.getElementType();
  };
  if (!op) {
    auto values = llvm::cast<ir::YieldOp>(body.getTerminator()).getValues();
    out << "copy_";
    if (!values.empty())
      printShape(llvm::cast<RankedTensorType>(values[0].getType()));
    return name;
  }
  out << op->getName().stripDialect() << "_";
  if (auto matmul = llvm::dyn_cast<ir::MatmulOp>(op))
    out << matmul.getBatch() * matmul.getM() << "x" << matmul.getK() << "x"
        << matmul.getN() << "_" << matmul.getLhs().getType().getElementType();
  else
    printShape(llvm::cast<RankedTensorType>(op->getNumResults()
                                                ? op->getResult(0).getType()
                                                : op->getOperand(0).getType()));
  return name;
}

/// Whether an input is read only at the element that is then written: through
/// elementwise ops and shape-preserving steps, on the way to the only result.
bool isReadInPlace(Value input, Value output) {
  auto type = llvm::cast<RankedTensorType>(output.getType());
  llvm::SmallVector<Value> work{input};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (llvm::isa<ir::YieldOp>(user))
        continue;
      llvm::StringRef dialect = user->getName().getDialectNamespace();
      bool elementwise =
          dialect == "arith" || dialect == "math" ||
          llvm::isa<ir::GeluOp, ir::SiluOp, ir::ReluOp, ir::CastOp>(user);
      if (!elementwise || user->getNumResults() != 1 ||
          llvm::cast<RankedTensorType>(user->getResult(0).getType())
                  .getShape() != type.getShape())
        return false;
      work.push_back(user->getResult(0));
    }
  }
  return true;
}

/// Lists the pairs of input and output that must, and that may, share memory.
void findSharing(ir::KernelOp kernel) {
  mlir::Block &body = kernel.getBody().front();
  auto values = kernel.getYield().getValues();
  llvm::SmallVector<int64_t> tied, inPlace;
  for (auto [i, output] : llvm::enumerate(values))
    if (auto append = output.getDefiningOp<ir::CacheAppendOp>())
      if (auto cache = llvm::dyn_cast<mlir::BlockArgument>(append.getCache()))
        tied.append({int64_t(cache.getArgNumber()), int64_t(i)});
  // Of several results all elements of one place are computed before any is
  // stored, where all is elementwise.
  bool together =
      values.size() == 1 ||
      (kernel.getFamily() == ir::Family::Rowwise &&
       llvm::all_of(values,
                    [&](Value value) {
                      return value.getType() == values[0].getType();
                    }) &&
       llvm::none_of(
           body, llvm::IsaPred<ir::ReduceOp, ir::LogLikelihoodOp, ir::TopKOp>));
  if (together && tied.empty())
    for (mlir::BlockArgument input : body.getArguments())
      if (input.getType() == values[0].getType() &&
          isReadInPlace(input, values[0]))
        for (size_t i = 0; i < values.size(); ++i)
          inPlace.append({int64_t(input.getArgNumber()), int64_t(i)});
  mlir::Builder builder(kernel.getContext());
  if (!tied.empty())
    kernel.setTiedAttr(builder.getDenseI64ArrayAttr(tied));
  if (!inPlace.empty())
    kernel.setInPlaceAttr(builder.getDenseI64ArrayAttr(inPlace));
}

struct OutlineKernels : impl::OutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    mlir::OpBuilder builder(&getContext());
    builder.setInsertionPointToStart(module.getBody());
    for (auto variable : module.getOps<ir::VariableOp>())
      builder.setInsertionPointAfter(variable);
    mlir::SymbolTable symbols(module);
    llvm::StringMap<ir::KernelOp> known;
    llvm::SmallVector<ir::GroupOp> groups;
    module.walk([&](ir::GroupOp group) { groups.push_back(group); });
    for (ir::GroupOp group : groups) {
      ir::KernelOp kernel = outline(group);
      std::string key;
      llvm::raw_string_ostream out(key);
      kernel->print(out, mlir::OpPrintingFlags().useLocalScope());
      auto [found, isNew] = known.try_emplace(key, kernel);
      if (isNew) {
        kernel.setSymName(nameOf(kernel.getBody().front()));
        symbols.insert(kernel, builder.getInsertionPoint());
        builder.setInsertionPointAfter(kernel);
      } else {
        kernel->erase();
      }
      mlir::OpBuilder at(group);
      auto dispatch = ir::DispatchOp::create(
          at, group.getLoc(), group.getOutputs().getTypes(),
          mlir::FlatSymbolRefAttr::get(found->second.getSymNameAttr()),
          group.getInputs());
      dispatch->setDiscardableAttrs(group->getDiscardableAttrDictionary());
      group.replaceAllUsesWith(dispatch.getOutputs());
      group.erase();
    }
  }

private:
  /// Makes a kernel, not yet in the module, of a group's body.
  ir::KernelOp outline(ir::GroupOp group) {
    mlir::OpBuilder builder(&getContext());
    auto loc = builder.getUnknownLoc();
    mlir::OperationState state(loc, ir::KernelOp::getOperationName());
    state.addAttribute("sym_name", builder.getStringAttr("kernel"));
    state.addAttribute("family", group.getFamilyAttr());
    state.addAttribute(
        "function_type",
        mlir::TypeAttr::get(builder.getFunctionType(
            group.getInputs().getTypes(), group.getOutputs().getTypes())));
    mlir::Region *region = state.addRegion();
    region->takeBody(group.getBody());
    // A kernel serves many scopes; the dispatches know theirs.
    for (mlir::BlockArgument argument : region->getArguments())
      argument.setLoc(loc);
    region->walk([&](Operation *op) {
      op->setLoc(loc);
      op->removeAttr(ir::backwardAttr);
    });
    auto kernel = llvm::cast<ir::KernelOp>(mlir::Operation::create(state));
    findSharing(kernel);
    return kernel;
  }
};

} // namespace
} // namespace gptc::passes
