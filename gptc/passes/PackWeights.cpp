//===- PackWeights.cpp ----------------------------------------------------===//

#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_PACKWEIGHTS
#include "gptc/passes/Passes.h.inc"

namespace {

/// How all uses of a variable's value read it.
struct Uses {
  bool products = false;
  bool transposedProducts = false;
  bool gathers = false;
  bool others = false;
};

void classify(mlir::Value value, Uses &uses) {
  for (mlir::OpOperand &use : value.getUses()) {
    mlir::Operation *user = use.getOwner();
    if (auto matmul = llvm::dyn_cast<ir::MatmulOp>(user);
        matmul && matmul.getLhs() != value)
      (matmul.getTransposeRhs() ? uses.transposedProducts : uses.products) =
          true;
    else if (llvm::isa<ir::GatherOp>(user))
      uses.gathers = true;
    else
      uses.others = true;
  }
}

struct PackWeights : impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    llvm::DenseMap<mlir::StringAttr, Uses> uses;
    llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<ir::ReadOp>> reads;
    module.walk([&](mlir::Operation *op) {
      if (auto read = llvm::dyn_cast<ir::ReadOp>(op)) {
        classify(read.getResult(), uses[read.getVariableAttr().getAttr()]);
        reads[read.getVariableAttr().getAttr()].push_back(read);
      } else if (auto assign = llvm::dyn_cast<ir::AssignOp>(op)) {
        uses[assign.getVariableAttr().getAttr()].others = true;
      }
    });
    for (auto variable : module.getOps<ir::VariableOp>()) {
      mlir::RankedTensorType type = variable.getTensorType();
      Uses found = uses.lookup(variable.getSymNameAttr());
      bool products = found.products && !found.gathers;
      if (variable.getRole() != ir::Role::Parameter || type.getRank() != 2 ||
          found.others || products == found.transposedProducts ||
          (found.products && found.transposedProducts))
        continue;
      auto packed = mlir::RankedTensorType::get(
          type.getShape(), type.getElementType(),
          ir::PackedAttr::get(&getContext(), found.transposedProducts));
      variable.setType(packed);
      for (ir::ReadOp read : reads[variable.getSymNameAttr()])
        read.getResult().setType(packed);
    }
  }
};

} // namespace
} // namespace gptc::passes
