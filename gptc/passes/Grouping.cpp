//===- Grouping.cpp -------------------------------------------------------===//

#include "gptc/passes/Grouping.h"

#include "gptc/ir/StridedView.h"
#include "llvm/Support/FormatVariadic.h"

namespace gptc::passes {

using ir::Family;
using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

namespace {

bool isArithmetic(Operation *op) {
  llvm::StringRef dialect = op->getName().getDialectNamespace();
  return dialect == "arith" || dialect == "math";
}

/// Index arithmetic: cheap enough to be computed wherever it is read.
bool isIndexArithmetic(Operation *op) {
  if (!isArithmetic(op) || op->getNumResults() != 1)
    return false;
  auto type = llvm::dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return type && type.getElementType().isInteger(32);
}

/// A widening that sums over rows alone read, which compute it on the way.
bool isWidenedForSums(Operation *op) {
  auto cast = llvm::dyn_cast<ir::CastOp>(op);
  return cast && !cast->use_empty() &&
         cast.getX().getType().getElementTypeBitWidth() <
             cast.getY().getType().getElementTypeBitWidth() &&
         llvm::all_of(
             cast->getUsers(),
             [](Operation *user) {
               auto reduce = llvm::dyn_cast<ir::ReduceOp>(user);
               return reduce && reduce.getDimensions().back() !=
                                    reduce.getX().getType().getRank() - 1;
             });
}

/// How a value of a row program over R rows and C columns lies in it.
enum class RowClass { Full, PerRow, Other };

RowClass classifyShape(RankedTensorType type, int64_t rows, int64_t columns) {
  int64_t last = type.getRank() == 0 ? 1 : type.getShape().back();
  if (type.getNumElements() == rows * columns && last == columns)
    return RowClass::Full;
  if (type.getNumElements() == rows)
    return RowClass::PerRow;
  return RowClass::Other;
}

/// The class of `value`, which views reach from a value of the row program.
RowClass classifyThroughViews(Value value, Value root, int64_t rows,
                              int64_t columns) {
  auto type = llvm::cast<RankedTensorType>(value.getType());
  if (value == root)
    return classifyShape(type, rows, columns);
  Operation *op = value.getDefiningOp();
  RowClass source =
      classifyThroughViews(op->getOperand(0), root, rows, columns);
  if (source == RowClass::Other)
    return RowClass::Other;
  if (llvm::isa<ir::ReshapeOp>(op)) {
    RowClass after = classifyShape(type, rows, columns);
    return after == source ? after : RowClass::Other;
  }
  auto broadcast = llvm::dyn_cast<ir::BroadcastOp>(op);
  if (!broadcast)
    return RowClass::Other;
  // A broadcast may only repeat one value a row along the row.
  auto from = broadcast.getX().getType();
  llvm::SmallVector<int64_t> covered(type.getRank(), 1);
  for (auto [i, dimension] : llvm::enumerate(broadcast.getDimensions()))
    covered[dimension] = from.getDimSize(i);
  for (int64_t i = 0; i < type.getRank(); ++i) {
    bool last = i + 1 == type.getRank();
    if (!last && covered[i] != type.getDimSize(i))
      return RowClass::Other;
    if (last && covered[i] != 1 && covered[i] != type.getDimSize(i))
      return RowClass::Other;
  }
  if (source == RowClass::PerRow &&
      classifyShape(type, rows, columns) == RowClass::Full)
    return RowClass::Full;
  return from.getNumElements() == type.getNumElements() ? source
                                                        : RowClass::Other;
}

struct RowSpace {
  int64_t rows;
  int64_t columns;
};

RowSpace rowSpaceOf(RankedTensorType type) {
  int64_t columns = type.getRank() == 0 ? 1 : type.getShape().back();
  return {type.getNumElements() / std::max<int64_t>(columns, 1), columns};
}

/// The row space that an op of a row program asks for.
RowSpace rowSpaceOf(Operation *op) {
  if (llvm::isa<ir::ReduceOp, ir::LogLikelihoodOp>(op))
    return rowSpaceOf(
        llvm::cast<RankedTensorType>(op->getOperand(0).getType()));
  return rowSpaceOf(llvm::cast<RankedTensorType>(op->getResult(0).getType()));
}

/// Whether everything that reads `value`, through views, is `reader`.
bool isReadOnlyBy(Value value, Operation *reader) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    return user == reader ||
           (ir::isView(user) && isReadOnlyBy(user->getResult(0), reader));
  });
}

void remarkRefused(Operation *op, llvm::StringRef into, llvm::StringRef why) {
  // Not the op's own, which would print and verify all of the function for
  // each.
  mlir::emitRemark(op->getLoc()) << "not fused into " << into << ": " << why;
}

} // namespace

Grouping::Grouping(mlir::Block &block, const FusionCapabilities &capabilities)
    : block_(block), capabilities_(capabilities) {
  for (Operation &op : block)
    place(&op);
  takePrologues();
  takeFactors();
  takeStoredViews();
  cutViews();
}

bool Grouping::isElementwise(Operation *op) {
  return (isArithmetic(op) && !llvm::isa<mlir::arith::ConstantOp>(op)) ||
         llvm::isa<ir::GeluOp, ir::SiluOp, ir::ReluOp, ir::CastOp>(op);
}

bool Grouping::isCloneable(Operation *op) {
  return (ir::isView(op) && !isCopy(op)) || isIndexArithmetic(op) ||
         isWidenedForSums(op) ||
         llvm::isa<ir::IotaOp, ir::KeepMaskOp, mlir::tensor::SplatOp>(op) ||
         llvm::isa<mlir::arith::ConstantOp>(op);
}

bool Grouping::isCopy(Operation *op) {
  return llvm::isa<ir::ReshapeOp>(op) &&
         op->getOperand(0).getType() == op->getResult(0).getType();
}

int Grouping::groupOf(Value value) const {
  Operation *op = value.getDefiningOp();
  auto found = op ? owner_.find(op) : owner_.end();
  return found == owner_.end() ? -1 : found->second;
}

bool Grouping::isCloned(Operation *op) const {
  return op && isCloneable(op) && !owner_.count(op);
}

/// Groups whose values an op reads, through what is cloned.
llvm::SmallVector<int> Grouping::producers(Operation *op) const {
  llvm::SmallVector<int> found;
  llvm::SmallVector<Value> work(op->getOperands());
  while (!work.empty()) {
    Value value = work.pop_back_val();
    int group = groupOf(value);
    if (group >= 0) {
      if (!llvm::is_contained(found, group))
        found.push_back(group);
    } else if (Operation *definition = value.getDefiningOp()) {
      llvm::append_range(work, definition->getOperands());
    }
  }
  llvm::sort(found, std::greater<int>());
  return found;
}

int Grouping::create(Family family, Operation *op, int64_t rows,
                     int64_t columns) {
  int index = groups_.size();
  groups_.push_back(
      {family, {}, op, rows, columns, true, op->hasAttr(ir::backwardAttr)});
  for (llvm::BitVector &bits : ancestors_)
    bits.resize(index + 1);
  ancestors_.emplace_back(index + 1);
  add(index, op);
  return index;
}

void Grouping::add(int group, Operation *op) {
  owner_[op] = group;
  groups_[group].ops.push_back(op);
  for (int producer : producers(op))
    if (producer != group) {
      ancestors_[group].set(producer);
      ancestors_[group] |= ancestors_[producer];
    }
  closeOver(group);
}

/// Passes a group's ancestors on to the groups that come after it.
void Grouping::closeOver(int group) {
  for (size_t i = 0; i < groups_.size(); ++i)
    if (ancestors_[i].test(group))
      ancestors_[i] |= ancestors_[group];
}

void Grouping::order(int a, int b) {
  assert(!precedes(b, a));
  ordered_[b].push_back(a);
  ancestors_[b].set(a);
  ancestors_[b] |= ancestors_[a];
  closeOver(b);
}

llvm::ArrayRef<int> Grouping::orderedBefore(int group) const {
  auto found = ordered_.find(group);
  return found == ordered_.end() ? llvm::ArrayRef<int>() : found->second;
}

void Grouping::drop(Operation *copy) {
  KernelGroup &group = groups_[size_t(owner_.lookup(copy))];
  group.ops.clear();
  group.alive = false;
  owner_.erase(copy);
}

bool Grouping::isTooEarly(Operation *op, int group) const {
  return op->hasAttr(ir::backwardAttr) && !groups_[size_t(group)].backward;
}

/// Whether making one group of two leaves the graph of groups acyclic.
bool Grouping::canMerge(int from, int into) const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (!groups_[i].alive || int(i) == from || int(i) == into)
      continue;
    if ((precedes(from, i) && precedes(i, into)) ||
        (precedes(into, i) && precedes(i, from)))
      return false;
  }
  return true;
}

void Grouping::merge(int from, int into) {
  KernelGroup &source = groups_[from];
  KernelGroup &target = groups_[into];
  for (Operation *op : source.ops)
    owner_[op] = into;
  target.ops.append(source.ops.begin(), source.ops.end());
  llvm::sort(target.ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  source.ops.clear();
  source.alive = false;
  ancestors_[into] |= ancestors_[from];
  for (size_t i = 0; i < groups_.size(); ++i)
    if (ancestors_[i].test(from)) {
      ancestors_[i].reset(from);
      if (int(i) != into)
        ancestors_[i].set(into);
    }
  ancestors_[into].reset(into);
  closeOver(into);
}

void Grouping::place(Operation *op) {
  if (isCloneable(op) || appended_.count(op) ||
      llvm::isa<ir::ReadOp, ir::AssignOp>(op) ||
      op->hasTrait<mlir::OpTrait::IsTerminator>())
    return;
  if (isCopy(op)) {
    cut(op);
  } else if (llvm::isa<ir::MatmulOp>(op)) {
    create(Family::Contraction, op, 0, 0);
  } else if (auto attention = llvm::dyn_cast<ir::AttentionOp>(op)) {
    placeAttention(attention);
  } else if (llvm::isa<ir::CacheAppendOp>(op)) {
    // Attention takes an append that nothing else reads.
    llvm::SmallVector<Operation *> readers;
    for (Operation *user : op->getUsers())
      if (!llvm::isa<ir::AssignOp>(user))
        readers.push_back(user);
    auto reader = readers.size() == 1
                      ? llvm::dyn_cast<ir::AttentionOp>(readers[0])
                      : ir::AttentionOp();
    bool owned = !reader || reader.getQuery().getType().getDimSize(2) <=
                                capabilities_.appendQueries;
    if (reader && owned &&
        (reader.getKey() == op->getResult(0)) !=
            (reader.getValue() == op->getResult(0)) &&
        reader.getPositions() == op->getOperand(2) &&
        reader.getLengths() == op->getOperand(3)) {
      appended_.insert(op);
      return;
    }
    if (!readers.empty())
      remarkRefused(op, "attention",
                    owned ? "something else reads the new cache"
                          : "of so many queries a tile of the target owns no "
                            "whole head");
    create(Family::Gather, op, 0, 0);
  } else if (llvm::isa<ir::AttentionBackwardOp>(op)) {
    create(Family::Attention, op, 0, 0);
  } else if (auto concat = llvm::dyn_cast<ir::ConcatOp>(op);
             concat && placeAmongGradients(concat)) {
    return;
  } else if (llvm::isa<ir::ScatterAddOp, ir::ConcatOp>(op)) {
    create(Family::Gather, op, 0, 0);
  } else if (llvm::isa<ir::TopKOp>(op)) {
    create(Family::Rowwise, op, 0, 0);
  } else if (llvm::isa<ir::GatherOp, ir::SelectRowOp>(op)) {
    RowSpace space = rowSpaceOf(op);
    create(Family::Gather, op, space.rows, space.columns);
  } else if (auto reduce = llvm::dyn_cast<ir::ReduceOp>(op);
             reduce && reduce.getDimensions().back() !=
                           reduce.getX().getType().getRank() - 1) {
    create(Family::Columnwise, op, 0, 0);
  } else if (!isElementwise(op) || !placeInEpilogue(op)) {
    placeInRows(op);
  }
}

void Grouping::placeAttention(ir::AttentionOp op) {
  int group = create(Family::Attention, op, 0, 0);
  for (Value cache : {op.getKey(), op.getValue()})
    if (Operation *append = cache.getDefiningOp(); appended_.count(append))
      add(group, append);
  llvm::sort(groups_[group].ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
}

/// Gradients of attention are stored side by side where that is all that is
/// done with them.
bool Grouping::placeAmongGradients(ir::ConcatOp concat) {
  int group = -1;
  llvm::DenseSet<Value> roots;
  for (Value input : concat.getInputs()) {
    Value root = ir::viewRoot(input);
    if (!root.getDefiningOp<ir::AttentionBackwardOp>() ||
        !isReadOnlyBy(root, concat) || !roots.insert(root).second)
      return false;
    int owner = groupOf(root);
    bool stores = bool(ir::resolveStore(root, concat.getResult()));
    if (!stores || isTooEarly(concat, owner) ||
        (group >= 0 && group != owner)) {
      remarkRefused(concat, "the gradient of attention",
                    "it puts together what strides cannot store");
      return false;
    }
    group = owner;
  }
  add(group, concat);
  return true;
}

bool Grouping::placeInEpilogue(Operation *op) {
  auto type = llvm::cast<RankedTensorType>(op->getResult(0).getType());
  llvm::SmallVector<int> from = producers(op);
  llvm::StringRef refusedBy, reason;
  // The product that is computed last need not wait for the other operands.
  auto rootOf = [](Value operand) {
    return ir::viewRoot(operand).getDefiningOp();
  };
  llvm::SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    auto *at = llvm::find_if(operands, [&](Value other) {
      return rootOf(operand) &&
             (!rootOf(other) ||
              rootOf(other)->isBeforeInBlock(rootOf(operand)));
    });
    operands.insert(at, operand);
  }
  for (Value operand : operands) {
    Value root = ir::viewRoot(operand);
    int group = groupOf(root);
    if (group < 0)
      continue;
    Family family = groups_[group].family;
    bool attention = llvm::isa<ir::AttentionOp>(groups_[group].anchor);
    if (family != Family::Contraction &&
        !(attention && llvm::isa<ir::CastOp>(op) && operand == root))
      continue;
    llvm::StringRef into = attention ? "attention" : "the product before it";
    if (isTooEarly(op, group)) {
      refusedBy = into;
      reason = "it is of the backward pass, the product is not";
      continue;
    }
    RowSpace space = rowSpaceOf(llvm::cast<RankedTensorType>(root.getType()));
    if (!attention && (classifyThroughViews(operand, root, space.rows,
                                            space.columns) != RowClass::Full ||
                       type.getNumElements() != space.rows * space.columns)) {
      refusedBy = into;
      reason = "it reads the product through another view";
      continue;
    }
    // An activation's slope is computed of the product, which is then stored
    // as well as the activation.
    bool activates = !attention && operand == root &&
                     llvm::isa<ir::GeluOp, ir::SiluOp, ir::ReluOp>(op);
    if (!activates && !isReadOnlyBy(root, op)) {
      refusedBy = into;
      reason = "something else reads the product as well";
      continue;
    }
    if (llvm::any_of(from, [&](int other) { return precedes(group, other); })) {
      refusedBy = into;
      reason = "another operand depends on the product";
      continue;
    }
    add(group, op);
    return true;
  }
  if (!reason.empty())
    remarkRefused(op, refusedBy, reason);
  return false;
}

/// Whether an op of a row program reads the values of `group`, which is part
/// of it or would be, as they lie in its rows.
bool Grouping::readsByRow(Operation *op, int group, int64_t rows,
                          int64_t columns) const {
  auto result = llvm::cast<RankedTensorType>(op->getResult(0).getType());
  RowSpace space = rowSpaceOf(op);
  bool full = space.rows == rows && space.columns == columns;
  bool perRow = !full && isElementwise(op) &&
                classifyShape(result, rows, columns) == RowClass::PerRow;
  bool fits = full || perRow;
  for (Value operand : op->getOperands()) {
    if (!llvm::isa<RankedTensorType>(operand.getType()))
      continue;
    Value root = ir::viewRoot(operand);
    if (groupOf(root) != group) {
      // Index arithmetic on the group's values stays outside.
      fits &= groupOf(root) >= 0 || !root.getDefiningOp() ||
              !llvm::is_contained(producers(root.getDefiningOp()), group);
      continue;
    }
    RowClass found = classifyThroughViews(operand, root, rows, columns);
    bool isTarget =
        llvm::isa<ir::LogLikelihoodOp>(op) && operand == op->getOperand(1);
    fits &= found == (full && !isTarget ? RowClass::Full : RowClass::PerRow);
  }
  return fits;
}

/// Whether an op over the only row of a program has but scalars in common with
/// it.
bool Grouping::sharesScalarsAlone(Operation *op, int group) const {
  const KernelGroup &program = groups_[group];
  if (program.rows != 1 || rowSpaceOf(op).columns != program.columns)
    return false;
  for (Value operand : op->getOperands()) {
    Value root = ir::viewRoot(operand);
    auto type = llvm::dyn_cast<RankedTensorType>(root.getType());
    if (!type || type.getNumElements() < program.columns)
      continue;
    if (groupOf(root) == group)
      return false;
    for (Operation *reader : program.ops)
      for (Value read : reader->getOperands())
        if (ir::viewRoot(read) == root)
          return false;
  }
  return true;
}

/// Whether a row program of some groups and an op has few enough buffers: what
/// it reads from outside, and what others read of it. Others are also ops that
/// have no group yet.
bool Grouping::hasRoom(llvm::ArrayRef<int> groups, Operation *op) const {
  if (capabilities_.mostBuffers == 0)
    return true;
  auto isInside = [&](Operation *other) {
    auto found = owner_.find(other);
    return other == op ||
           (found != owner_.end() && llvm::is_contained(groups, found->second));
  };
  llvm::DenseSet<Value> buffers;
  auto visit = [&](Operation *member) {
    llvm::SmallVector<Value> work(member->getOperands());
    while (!work.empty()) {
      Value value = work.pop_back_val();
      Operation *definition = value.getDefiningOp();
      if (isCloned(definition))
        llvm::append_range(work, definition->getOperands());
      else if (llvm::isa<RankedTensorType>(value.getType()) &&
               !(definition && isInside(definition)))
        buffers.insert(value);
    }
    for (Value result : member->getResults()) {
      llvm::SmallVector<Operation *> users(result.getUsers());
      while (!users.empty()) {
        Operation *user = users.pop_back_val();
        if (isCloned(user))
          llvm::append_range(users, user->getUsers());
        else if (!isInside(user))
          buffers.insert(result);
      }
    }
  };
  for (int group : groups)
    for (Operation *member : groups_[group].ops)
      visit(member);
  visit(op);
  return int64_t(buffers.size()) <= capabilities_.mostBuffers;
}

void Grouping::placeInRows(Operation *op) {
  int home = -1;
  for (int group : producers(op)) {
    KernelGroup &candidate = groups_[group];
    bool takes = candidate.family == Family::Rowwise ||
                 (candidate.family == Family::Gather &&
                  llvm::isa<ir::GatherOp, ir::SelectRowOp>(candidate.anchor));
    bool fits =
        takes && readsByRow(op, group, candidate.rows, candidate.columns);
    if (!fits)
      continue;
    if (isTooEarly(op, group)) {
      remarkRefused(op, "the row program before it",
                    "it is of the backward pass, the program is not");
      continue;
    }
    // One tile computes a single row: long ones go better side by side.
    if (sharesScalarsAlone(op, group)) {
      remarkRefused(op, "the row program before it",
                    "they have but scalars in common");
      continue;
    }
    // The op's other operands must not depend on a group it joins.
    if (llvm::any_of(producers(op), [&](int other) {
          return other != home && precedes(group, other);
        })) {
      remarkRefused(op, "the row program before it",
                    "another operand depends on that program");
      continue;
    }
    llvm::SmallVector<int> joined{group};
    if (home >= 0)
      joined.push_back(home);
    if (!hasRoom(joined, op)) {
      remarkRefused(op, "the row program before it",
                    "the program would have too many buffers");
    } else if (home < 0) {
      home = group;
    } else if (candidate.rows == groups_[home].rows &&
               candidate.columns == groups_[home].columns &&
               llvm::all_of(groups_[home].ops,
                            [&](Operation *reader) {
                              return readsByRow(reader, group, candidate.rows,
                                                candidate.columns);
                            }) &&
               canMerge(group, home)) {
      merge(group, home);
    }
  }
  if (home < 0) {
    RowSpace space = rowSpaceOf(op);
    create(Family::Rowwise, op, space.rows, space.columns);
    return;
  }
  groups_[home].family = Family::Rowwise;
  groups_[home].anchor = op;
  add(home, op);
}

/// Gives the row program that makes the left operand of a product of few rows
/// to the product.
void Grouping::takePrologues() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    auto matmul = llvm::dyn_cast_or_null<ir::MatmulOp>(
        groups_[i].family == Family::Contraction ? groups_[i].anchor : nullptr);
    if (!matmul || !groups_[i].alive || !matmul.sharesRhs() ||
        matmul.getTransposeLhs())
      continue;
    int64_t count = matmul.getBatch() * matmul.getM();
    bool few = count <= capabilities_.prologueRows;
    Value root = ir::viewRoot(matmul.getLhs());
    int producer = groupOf(root);
    if (producer < 0 || (groups_[producer].family != Family::Rowwise &&
                         groups_[producer].family != Family::Gather))
      continue;
    const KernelGroup &rows = groups_[producer];
    if (groups_[i].backward && !rows.backward)
      continue; // Its rows would be kept until then.
    if (rows.columns != matmul.getK() || rows.rows != count ||
        classifyThroughViews(matmul.getLhs(), root, rows.rows, rows.columns) !=
            RowClass::Full) {
      if (few)
        remarkRefused(matmul, "a product with prologue",
                      "the product reads the rows through another view");
      continue;
    }
    bool readByRest = llvm::any_of(groups_[i].ops, [&](Operation *op) {
      return op != matmul && llvm::is_contained(producers(op), producer);
    });
    bool merges = !readByRest && canMerge(producer, i);
    if (!few) {
      if (merges)
        remarkRefused(matmul, "a product with prologue",
                      llvm::formatv("its {0} rows would be computed for each "
                                    "tile of columns, as up to {1} are",
                                    count, capabilities_.prologueRows)
                          .str());
      continue;
    }
    if (!merges) {
      remarkRefused(matmul, "a product with prologue",
                    "the rows are also read on the way to its result");
      continue;
    }
    if (!hasRoom({producer, int(i)}, matmul)) {
      remarkRefused(matmul, "a product with prologue",
                    "the program would have too many buffers");
      continue;
    }
    merge(producer, i);
    groups_[i].anchor = matmul;
  }
}

/// Gives what is computed element by element for the epilogue of one product
/// alone to that product, as the slope of an activation is in a backward pass.
void Grouping::takeFactors() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const KernelGroup &factor = groups_[i];
    if (!factor.alive || factor.family != Family::Rowwise ||
        !llvm::all_of(factor.ops, isElementwise))
      continue;
    int product = soleReader(int(i));
    if (product < 0 || groups_[size_t(product)].backward != factor.backward ||
        !canMerge(int(i), product) ||
        !hasRoom({int(i), product}, factor.anchor))
      continue;
    Operation *matmul = groups_[size_t(product)].anchor;
    merge(int(i), product);
    groups_[size_t(product)].anchor = matmul;
  }
}

/// The product whose epilogue alone reads what a group of elementwise ops
/// makes, one value, as it lies in the product's rows; or -1.
int Grouping::soleReader(int index) const {
  Value made;
  int reader = -1;
  for (Operation *op : groups_[size_t(index)].ops)
    for (Operation *user : op->getUsers()) {
      int group = user->getNumResults() ? groupOf(user->getResult(0)) : -1;
      if (group == index)
        continue;
      // A view may move elements.
      bool takes = group >= 0 &&
                   groups_[size_t(group)].family == Family::Contraction &&
                   groups_[size_t(group)].anchor->isBeforeInBlock(user) &&
                   isElementwise(user);
      if (!takes || (made && made != op->getResult(0)) ||
          (reader >= 0 && reader != group))
        return -1;
      made = op->getResult(0);
      reader = group;
    }
  if (!made)
    return -1;
  auto matmul = llvm::cast<ir::MatmulOp>(groups_[size_t(reader)].anchor);
  auto type = llvm::cast<RankedTensorType>(made.getType());
  RowSpace space = rowSpaceOf(matmul.getResult().getType());
  return classifyShape(type, space.rows, space.columns) == RowClass::Full
             ? reader
             : -1;
}

/// The value that a chain of transposes and reshapes was made of.
static Value undo(llvm::ArrayRef<Operation *> chain) {
  Value value = chain.back()->getResult(0);
  mlir::OpBuilder builder(chain.back()->getContext());
  builder.setInsertionPointAfter(chain.back());
  for (Operation *view : llvm::reverse(chain)) {
    Operation *inverse = builder.clone(*view);
    inverse->setOperand(0, value);
    inverse->getResult(0).setType(
        llvm::cast<RankedTensorType>(view->getOperand(0).getType()));
    if (auto transpose = llvm::dyn_cast<ir::TransposeOp>(inverse)) {
      llvm::ArrayRef<int64_t> permutation = transpose.getPermutation();
      llvm::SmallVector<int64_t> back(permutation.size());
      for (auto [i, j] : llvm::enumerate(permutation))
        back[size_t(j)] = int64_t(i);
      transpose.setPermutation(back);
    }
    value = inverse->getResult(0);
  }
  return value;
}

/// Products and attention store their result through the transposes and
/// reshapes that are all that reads it, but for a gradient of attention: that
/// one reads what is stored through the same views backwards.
void Grouping::takeStoredViews() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (!groups_[i].alive || (groups_[i].family != Family::Contraction &&
                              groups_[i].family != Family::Attention))
      continue;
    llvm::SmallVector<Value> made;
    for (Operation *op : groups_[i].ops)
      llvm::append_range(made, op->getResults());
    for (Value from : made) {
      Value to = from;
      llvm::SmallVector<Operation *> chain;
      llvm::SmallVector<mlir::OpOperand *> others;
      auto readersOf = [&](Value value) {
        llvm::SmallVector<Operation *> readers;
        for (mlir::OpOperand &use : value.getUses())
          if (value == from &&
              llvm::isa<ir::AttentionBackwardOp>(use.getOwner()))
            others.push_back(&use);
          else
            readers.push_back(use.getOwner());
        return readers;
      };
      while (true) {
        auto readers = readersOf(to);
        if (readers.size() != 1)
          break;
        Operation *user = readers[0];
        if (!llvm::isa<ir::ReshapeOp, ir::TransposeOp>(user) ||
            owner_.count(user) || !ir::resolveStore(from, user->getResult(0)))
          break;
        chain.push_back(user);
        to = user->getResult(0);
      }
      // A view that the group itself reads stays with its reader.
      bool inside = llvm::any_of(to.getUsers(), [&](Operation *user) {
        auto found = owner_.find(user);
        return found != owner_.end() && found->second == int(i);
      });
      bool transposes = llvm::any_of(chain, [](Operation *view) {
        return llvm::isa<ir::TransposeOp>(view);
      });
      if (inside || !transposes)
        continue;
      if (!others.empty()) {
        Value before = undo(chain);
        for (mlir::OpOperand *use : others)
          use->set(before);
      }
      for (Operation *view : chain)
        add(i, view);
    }
  }
}

void Grouping::cut(Operation *op) {
  if (owner_.count(op))
    return;
  auto type = llvm::cast<RankedTensorType>(op->getResult(0).getType());
  RowSpace space = rowSpaceOf(type);
  create(ir::isView(op) ? Family::Gather : Family::Rowwise, op, space.rows,
         space.columns);
}

/// Gives an operand that is cloned a kernel of its own. What else reads the
/// value keeps its clones: it may be part of what makes the value.
void Grouping::cutOperand(mlir::OpOperand &operand) {
  Operation *definition = operand.get().getDefiningOp();
  if (isReadOnlyBy(operand.get(), operand.getOwner()))
    return cut(definition);
  mlir::OpBuilder builder(definition->getContext());
  builder.setInsertionPointAfter(definition);
  auto copy = ir::ReshapeOp::create(builder, definition->getLoc(),
                                    operand.get().getType(), operand.get());
  cut(copy);
  operand.set(copy.getResult());
}

/// Cuts, in the chain of views that an operand is read through, each view that
/// strides cannot express from what was materialized before it.
void Grouping::cutChain(mlir::OpOperand &operand) {
  llvm::SmallVector<Operation *> chain;
  for (Value value = operand.get();
       isCloned(value.getDefiningOp()) && ir::isView(value.getDefiningOp());
       value = value.getDefiningOp()->getOperand(0))
    chain.push_back(value.getDefiningOp());
  Value start = chain.back()->getOperand(0), last = start;
  for (Operation *view : llvm::reverse(chain)) {
    bool isCut = !ir::resolveView(view->getResult(0), start);
    bool shared = !isReadOnlyBy(view->getResult(0), operand.getOwner());
    // Readers of a view that is cut get one of their own; see cutOperand.
    if (view->getOperand(0) != last || (isCut && shared)) {
      mlir::OpBuilder builder(view->getContext());
      builder.setInsertionPointAfter(view);
      Operation *clone = builder.clone(*view);
      clone->setOperand(0, last);
      isCut = !ir::resolveView(clone->getResult(0), start);
      view = clone;
    }
    if (isCut) {
      cut(view);
      start = view->getResult(0);
    }
    last = view->getResult(0);
  }
  operand.set(last);
}

/// Materializes, by a copy kernel, each view that strides cannot express
/// where it is read, and each that leaves the function.
void Grouping::cutViews() {
  llvm::SmallVector<Operation *> ops;
  for (Operation &op : block_)
    ops.push_back(&op);
  for (Operation *op : ops) {
    bool leaves = op->hasTrait<mlir::OpTrait::IsTerminator>() ||
                  llvm::isa<ir::AssignOp>(op);
    if (!leaves && !owner_.count(op))
      continue;
    if (owner_.count(op) && ir::isView(op))
      continue;
    // Gradients of attention are stored through the views that lead here.
    if (llvm::isa<ir::ConcatOp>(op) &&
        groups_[size_t(owner_.lookup(op))].family == Family::Attention)
      continue;
    for (mlir::OpOperand &operand : op->getOpOperands()) {
      unsigned i = operand.getOperandNumber();
      Operation *definition = operand.get().getDefiningOp();
      if (!definition || !isCloned(definition) ||
          !llvm::isa<RankedTensorType>(operand.get().getType()))
        continue;
      // Tables, caches and the inside of another group are read whole.
      bool whole =
          (i == 0 &&
           llvm::isa<ir::GatherOp, ir::SelectRowOp, ir::CacheAppendOp>(op)) ||
          (llvm::isa<ir::AttentionOp>(op) && i > 3) ||
          (llvm::isa<ir::AttentionBackwardOp>(op) && i > 4);
      // Heads are read from buffers: what is computed needs one.
      bool head = llvm::isa<ir::AttentionOp, ir::AttentionBackwardOp>(op) &&
                  !ir::isView(ir::viewRoot(operand.get()).getDefiningOp()) &&
                  isCloned(ir::viewRoot(operand.get()).getDefiningOp());
      if (leaves || whole || head)
        cutOperand(operand);
      else if (ir::isView(definition))
        cutChain(operand);
    }
  }
}

} // namespace gptc::passes
