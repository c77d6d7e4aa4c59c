//===- StateInPlace.cpp ---------------------------------------------------===//

#include "gptc/passes/StateInPlace.h"

#include "gptc/ir/StridedView.h"

namespace gptc::passes {

namespace {

using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

class StateInPlace {
public:
  StateInPlace(mlir::Block &block, Grouping &grouping)
      : block(block), grouping(grouping) {
    for (Operation &op : block)
      if (auto read = llvm::dyn_cast<ir::ReadOp>(op)) {
        auto &all = reads[read.getVariableAttr().getAttr()];
        all.push_back(read);
      } else if (op.getNumResults() > 0) {
        if (int group = grouping.groupOf(op.getResult(0)); group >= 0)
          for (Value operand : op.getOperands())
            findReads(operand, group);
      }
  }

  void run(llvm::DenseSet<Operation *> &late) {
    for (auto assign : llvm::to_vector(block.getOps<ir::AssignOp>())) {
      Operation *copy = assign.getValue().getDefiningOp();
      if (!copy || !late.contains(copy) || !spare(assign, copy->getOperand(0)))
        continue;
      late.erase(copy);
      assign.getValueMutable().assign(copy->getOperand(0));
      grouping.drop(copy);
      copy->erase();
    }
  }

private:
  /// Notes that a group reads what variables `value` is computed from.
  void findReads(Value value, int group) {
    Operation *definition = value.getDefiningOp();
    if (auto read = llvm::dyn_cast_or_null<ir::ReadOp>(definition)) {
      auto &all = readers[read.getVariableAttr().getAttr()];
      if (!llvm::is_contained(all, group))
        all.push_back(group);
    } else if (grouping.isCloned(definition)) {
      for (Value operand : definition->getOperands())
        findReads(operand, group);
    }
  }

  /// Whether the group of `value` can write it over the assigned variable;
  /// orders the groups so.
  bool spare(ir::AssignOp assign, Value value) {
    int group = grouping.groupOf(value);
    // An append lies where its cache does.
    if (group < 0 || llvm::isa<ir::CacheAppendOp>(value.getDefiningOp()) ||
        Grouping::isCopy(value.getDefiningOp()) ||
        !isForOneDestination(assign, value))
      return false;
    mlir::StringAttr variable = assign.getVariableAttr().getAttr();
    if (llvm::is_contained(readers[variable], group) &&
        !readsInPlace(group, variable, value.getType()))
      return false;
    for (int reader : readers[variable])
      if (reader != group && grouping.precedes(group, reader))
        return false;
    for (int reader : readers[variable])
      if (reader != group)
        grouping.order(reader, group);
    return true;
  }

  /// A value in a variable's storage has no other place to be in.
  bool isForOneDestination(ir::AssignOp assign, Value value) {
    return llvm::none_of(value.getUsers(), [&](Operation *user) {
      return user->hasTrait<mlir::OpTrait::IsTerminator>() ||
             (llvm::isa<ir::AssignOp>(user) && user != assign) ||
             llvm::isa<ir::CacheAppendOp>(user);
    });
  }

  /// Whether all that a group makes of the variable is computed element by
  /// element, each from the same one of the variable: kernels compute all
  /// results of an element before they store one, and sums of rows, which may
  /// be of other values, before them.
  bool readsInPlace(int index, mlir::StringAttr variable, mlir::Type type) {
    const KernelGroup &group = grouping.groups()[index];
    auto shape = llvm::cast<RankedTensorType>(type).getShape();
    if (group.family != ir::Family::Rowwise && countLeaving(group, index) != 1)
      return false;
    llvm::SmallVector<Value> work(reads[variable].begin(),
                                  reads[variable].end());
    llvm::DenseSet<Value> seen;
    while (!work.empty()) {
      Value read = work.pop_back_val();
      if (!seen.insert(read).second)
        continue;
      for (Operation *user : read.getUsers()) {
        if (user->getNumResults() == 0)
          continue;
        bool inside = grouping.groupOf(user->getResult(0)) == index;
        if (!inside && grouping.isCloned(user)) {
          // Views and index arithmetic may move elements.
          if (llvm::any_of(group.ops, [&](Operation *op) {
                return reachesThroughClones(op, user);
              }))
            return false;
          continue;
        }
        if (!inside)
          continue;
        if (!Grouping::isElementwise(user) ||
            llvm::cast<RankedTensorType>(user->getResult(0).getType())
                    .getShape() != shape)
          return false;
        work.push_back(user->getResult(0));
      }
    }
    return true;
  }

  /// Whether an op outside of the group uses the value.
  bool leaves(Value value, int group) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return user->getNumResults() == 0 ||
             grouping.groupOf(user->getResult(0)) != group;
    });
  }
  int64_t countLeaving(const KernelGroup &group, int index) {
    int64_t count = 0;
    for (Operation *op : group.ops)
      count += llvm::count_if(op->getResults(), [&](Value result) {
        return leaves(result, index);
      });
    return count;
  }

  /// Whether `op` reads the result of the cloned op `clone`.
  bool reachesThroughClones(Operation *op, Operation *clone) {
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      Operation *definition = operand.getDefiningOp();
      return definition == clone || (grouping.isCloned(definition) &&
                                     reachesThroughClones(definition, clone));
    });
  }

  mlir::Block &block;
  Grouping &grouping;
  llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<Value>> reads;
  /// The groups that read a variable.
  llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<int>> readers;
};

} // namespace

void computeStateInPlace(mlir::Block &block, Grouping &grouping,
                         llvm::DenseSet<Operation *> &late) {
  StateInPlace(block, grouping).run(late);
}

} // namespace gptc::passes
