//===- FormKernels.cpp ----------------------------------------------------===//

#include "gptc/passes/Grouping.h"
#include "gptc/passes/PaddedRows.h"
#include "gptc/passes/Passes.h"
#include "gptc/passes/StateInPlace.h"

namespace gptc::passes {

#define GEN_PASS_DEF_FORMKERNELS
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

/// An explicit copy: a reshape to the same type, which becomes a kernel.
Value copyOf(mlir::OpBuilder &builder, mlir::Location loc, Value value) {
  return ir::ReshapeOp::create(builder, loc, value.getType(), value);
}

/// Whether a value is read, through what is computed again wherever it is
/// read, from the storage of a variable in `variables`.
bool readsStorage(Value value,
                  const llvm::DenseSet<mlir::StringAttr> &variables) {
  Operation *definition = value.getDefiningOp();
  if (auto read = llvm::dyn_cast_or_null<ir::ReadOp>(definition))
    return variables.contains(read.getVariableAttr().getAttr());
  return definition && Grouping::isCloneable(definition) &&
         llvm::any_of(definition->getOperands(), [&](Value operand) {
           return readsStorage(operand, variables);
         });
}

/// Makes concatenations of more parts than a kernel has buffers for out of
/// shorter ones.
void shortenConcats(mlir::Block &block, int64_t mostBuffers) {
  if (mostBuffers < 3)
    return; // Any number.
  size_t most = size_t(mostBuffers - 1);
  for (auto concat : llvm::to_vector(block.getOps<ir::ConcatOp>())) {
    mlir::OpBuilder builder(concat);
    int64_t dimension = concat.getDimension();
    while (concat.getInputs().size() > most) {
      llvm::SmallVector<Value> parts(concat.getInputs()), joined;
      for (llvm::ArrayRef<Value> rest = parts; !rest.empty();) {
        llvm::ArrayRef<Value> some = rest.take_front(most);
        rest = rest.drop_front(some.size());
        auto type = llvm::cast<RankedTensorType>(some[0].getType());
        llvm::SmallVector<int64_t> shape(type.getShape());
        shape[dimension] = 0;
        for (Value part : some)
          shape[dimension] += llvm::cast<RankedTensorType>(part.getType())
                                  .getDimSize(dimension);
        joined.push_back(some.size() == 1
                             ? some[0]
                             : ir::ConcatOp::create(builder, concat.getLoc(),
                                                    type.clone(shape), some,
                                                    concat.getDimensionAttr()));
      }
      concat.getInputsMutable().assign(joined);
    }
  }
}

/// Brings a function into the form in which each result and each assigned
/// value is computed by an op, for it alone, and an appended cache is
/// overwritten only where nobody else reads the old one. Returns the copies
/// into variables of which somebody reads the old value: they must come after
/// everything else, and read no variable that another of them writes.
llvm::DenseSet<Operation *> separateDestinations(mlir::func::FuncOp function) {
  mlir::Block &block = function.getBody().front();
  mlir::OpBuilder builder(function.getContext());
  for (auto append : block.getOps<ir::CacheAppendOp>()) {
    auto read = append.getCache().getDefiningOp<ir::ReadOp>();
    bool inPlace =
        read && read->hasOneUse() &&
        llvm::any_of(append->getUsers(), [&](Operation *user) {
          auto assign = llvm::dyn_cast<ir::AssignOp>(user);
          return assign && assign.getVariable() == read.getVariable();
        });
    if (inPlace)
      continue;
    builder.setInsertionPoint(append);
    append.getCacheMutable().assign(
        copyOf(builder, append.getLoc(), append.getCache()));
  }

  llvm::DenseSet<Value> taken;
  auto needsCopy = [&](Value value) {
    Operation *definition = value.getDefiningOp();
    return !definition || llvm::isa<ir::ReadOp>(definition) ||
           !taken.insert(value).second;
  };
  llvm::DenseMap<mlir::StringAttr, ir::ReadOp> reads;
  for (auto read : block.getOps<ir::ReadOp>())
    reads[read.getVariableAttr().getAttr()] = read;
  llvm::DenseSet<mlir::StringAttr> assigned;
  for (auto assign : block.getOps<ir::AssignOp>())
    assigned.insert(assign.getVariableAttr().getAttr());
  llvm::DenseSet<Operation *> late;
  for (auto assign : llvm::make_early_inc_range(block.getOps<ir::AssignOp>())) {
    Value value = assign.getValue();
    ir::ReadOp read = reads.lookup(assign.getVariableAttr().getAttr());
    if (read && value == read.getResult()) {
      assign.erase();
      continue;
    }
    auto append = value.getDefiningOp<ir::CacheAppendOp>();
    bool appendsInPlace =
        read && append && append.getCache() == read.getResult();
    builder.setInsertionPoint(assign);
    // Somebody reads the old value: the new one arrives when all is done.
    bool isLate = read && !read->use_empty() && !appendsInPlace;
    if (isLate && readsStorage(value, assigned))
      value = copyOf(builder, assign.getLoc(), value);
    if (isLate || needsCopy(value))
      value = copyOf(builder, assign.getLoc(), value);
    if (isLate)
      late.insert(value.getDefiningOp());
    taken.insert(value);
    assign.getValueMutable().assign(value);
  }
  Operation *terminator = block.getTerminator();
  for (mlir::OpOperand &operand : terminator->getOpOperands()) {
    builder.setInsertionPoint(terminator);
    auto append = operand.get().getDefiningOp<ir::CacheAppendOp>();
    if (needsCopy(operand.get()) || append)
      operand.set(copyOf(builder, operand.get().getLoc(), operand.get()));
  }
  return late;
}

/// Builds the region of one group from the ops it owns.
class GroupBuilder {
public:
  GroupBuilder(const Grouping &grouping, int index, mlir::OpBuilder &outer,
               mlir::IRMapping &outside)
      : grouping(grouping), index(index), outer(outer), outside(outside) {}

  ir::GroupOp build(llvm::ArrayRef<Value> outputs) {
    const KernelGroup &group = grouping.groups()[index];
    llvm::SmallVector<mlir::Type> types;
    for (Value output : outputs)
      types.push_back(output.getType());
    mlir::OperationState state(group.anchor->getLoc(),
                               ir::GroupOp::getOperationName());
    block = new mlir::Block();
    state.addRegion()->push_back(block);
    mlir::OpBuilder builder(outer.getContext());
    builder.setInsertionPointToEnd(block);
    for (Operation *op : group.ops)
      clone(builder, op);
    llvm::SmallVector<Value> yielded;
    for (Value output : outputs)
      yielded.push_back(inside.lookup(output));
    ir::YieldOp::create(builder, state.location, yielded);
    state.addOperands(inputs);
    state.addTypes(types);
    state.addAttribute("family",
                       ir::FamilyAttr::get(outer.getContext(), group.family));
    return llvm::cast<ir::GroupOp>(outer.create(state));
  }

private:
  const Grouping &grouping;
  int index;
  mlir::OpBuilder &outer;
  mlir::IRMapping &outside;
  mlir::IRMapping inside;
  mlir::Block *block = nullptr;
  llvm::SmallVector<Value> inputs;

  void clone(mlir::OpBuilder &builder, Operation *op) {
    for (Value operand : op->getOperands())
      require(builder, operand);
    // A copy is a group that yields its input.
    if (Grouping::isCopy(op)) {
      inside.map(op->getResult(0), inside.lookup(op->getOperand(0)));
      return;
    }
    builder.clone(*op, inside);
  }

  void require(mlir::OpBuilder &builder, Value value) {
    if (inside.contains(value))
      return;
    Operation *definition = value.getDefiningOp();
    bool tensor = llvm::isa<RankedTensorType>(value.getType());
    if (definition && tensor && grouping.isCloned(definition)) {
      clone(builder, definition);
      return;
    }
    inputs.push_back(outside.lookup(value));
    inside.map(value, block->addArgument(value.getType(), value.getLoc()));
  }
};

struct FormKernels : impl::FormKernelsBase<FormKernels> {
  using FormKernelsBase::FormKernelsBase;

  void runOnOperation() override {
    mlir::func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    mlir::Block &block = function.getBody().front();
    for (Operation &op : block)
      if (mlir::failed(checkSupported(&op)))
        return signalPassFailure();
    shortenConcats(block, mostBuffers);
    llvm::DenseSet<Operation *> late = separateDestinations(function);
    Grouping grouping(block, {prologueRows, appendQueries, mostBuffers});
    computeStateInPlace(block, grouping, late);
    PaddedRows padding(function);
    if (mlir::failed(rebuild(block, grouping, padding, late)))
      signalPassFailure();
  }

private:
  /// Scalars are arguments or constants; arithmetic on them would need a
  /// kernel of its own.
  mlir::LogicalResult checkSupported(Operation *op) {
    if (op->getNumResults() != 1 ||
        llvm::isa<RankedTensorType>(op->getResult(0).getType()) ||
        llvm::isa<mlir::arith::ConstantOp>(op))
      return mlir::success();
    return op->emitError() << "computes a scalar; make it a tensor without "
                              "dimensions";
  }

  mlir::LogicalResult rebuild(mlir::Block &block, const Grouping &grouping,
                              const PaddedRows &padding,
                              const llvm::DenseSet<Operation *> &late) {
    size_t count = grouping.groups().size();
    // What each group must compute for others, and whom it waits for.
    llvm::SmallVector<llvm::SmallVector<Value>> outputs(count);
    llvm::SmallVector<llvm::SmallVector<int>> waits(count);
    llvm::SmallVector<bool> last(count, false);
    auto use = [&](Value value, int user) {
      int producer = grouping.groupOf(value);
      if (producer < 0 || producer == user)
        return;
      if (!llvm::is_contained(outputs[producer], value))
        outputs[producer].push_back(value);
      if (user >= 0 && !llvm::is_contained(waits[user], producer))
        waits[user].push_back(producer);
    };
    auto useThroughClones = [&](Operation *op, int user) {
      llvm::SmallVector<Value> work(op->getOperands());
      while (!work.empty()) {
        Value value = work.pop_back_val();
        use(value, user);
        if (Operation *definition = value.getDefiningOp();
            grouping.isCloned(definition))
          llvm::append_range(work, definition->getOperands());
      }
    };
    llvm::SmallVector<Operation *> old;
    for (Operation &op : block)
      old.push_back(&op);
    for (Operation *op : old) {
      if (op->getNumResults() > 0 && grouping.groupOf(op->getResult(0)) >= 0)
        useThroughClones(op, grouping.groupOf(op->getResult(0)));
      else if (llvm::isa<ir::AssignOp>(op) ||
               op->hasTrait<mlir::OpTrait::IsTerminator>())
        useThroughClones(op, -1);
    }
    for (size_t i = 0; i < count; ++i)
      for (int before : grouping.orderedBefore(int(i)))
        if (!llvm::is_contained(waits[i], before))
          waits[i].push_back(before);
    for (Operation *copy : late)
      last[grouping.groupOf(copy->getResult(0))] = true;
    // Outputs in program order, whoever asked first.
    for (auto &values : outputs)
      llvm::sort(values, [](Value a, Value b) {
        Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
        return x == y ? llvm::cast<mlir::OpResult>(a).getResultNumber() <
                            llvm::cast<mlir::OpResult>(b).getResultNumber()
                      : x->isBeforeInBlock(y);
      });

    mlir::OpBuilder builder(block.getTerminator());
    mlir::IRMapping outside;
    for (Value argument : block.getArguments())
      outside.map(argument, argument);
    for (Operation *op : old)
      if (op->getNumResults() == 1 &&
          (llvm::isa<ir::ReadOp>(op) ||
           !llvm::isa<RankedTensorType>(op->getResult(0).getType())))
        outside.map(op->getResult(0), op->getResult(0));

    llvm::SmallVector<bool> done(count, false);
    for (size_t built = 0, alive = llvm::count_if(
                               grouping.groups(),
                               [](const KernelGroup &g) { return g.alive; });
         built < alive; ++built) {
      int next = pickNext(grouping, waits, done, last);
      if (next < 0)
        return block.getParentOp()->emitError(
            "the groups of the entry depend on each other in a circle");
      GroupBuilder group(grouping, next, builder, outside);
      ir::GroupOp op = group.build(outputs[next]);
      padding.mark(op, outputs[next]);
      for (auto [value, result] : llvm::zip(outputs[next], op.getOutputs()))
        outside.map(value, result);
      done[next] = true;
    }
    for (Operation *op : old)
      if (llvm::isa<ir::AssignOp>(op)) {
        op->moveBefore(block.getTerminator());
        op->setOperand(0, outside.lookup(op->getOperand(0)));
      }
    for (mlir::OpOperand &operand : block.getTerminator()->getOpOperands())
      operand.set(outside.lookup(operand.get()));
    for (Operation *op : llvm::reverse(old))
      if (op->use_empty() && !llvm::isa<ir::AssignOp>(op) &&
          !op->hasTrait<mlir::OpTrait::IsTerminator>())
        op->erase();
    return mlir::success();
  }

  /// The first group in program order of which everything it waits for is
  /// done; copies into variables come when nothing else is left.
  static int pickNext(const Grouping &grouping,
                      llvm::ArrayRef<llvm::SmallVector<int>> waits,
                      llvm::ArrayRef<bool> done, llvm::ArrayRef<bool> last) {
    int best = -1;
    for (bool copies : {false, true}) {
      for (size_t i = 0; i < waits.size(); ++i) {
        if (done[i] || !grouping.groups()[i].alive || last[i] != copies ||
            !llvm::all_of(waits[i], [&](int other) { return done[other]; }))
          continue;
        auto position = [&](int group) {
          return grouping.groups()[group].ops.back();
        };
        if (best < 0 || position(i)->isBeforeInBlock(position(best)))
          best = i;
      }
      if (best >= 0)
        break;
    }
    return best;
  }
};

} // namespace
} // namespace gptc::passes
