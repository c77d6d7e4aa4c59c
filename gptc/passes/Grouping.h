//===- Grouping.h - Which ops become one kernel ----------------*- C++ -*-===//
//
// The analysis behind FormKernels. It knows no model: it sees one block of
// pure ops between reads of variables at its start and assignments at its
// end, and partitions it so that the graph of groups stays acyclic. It adds
// copies to the block where a view must be materialized for one reader alone.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_PASSES_GROUPING_H
#define GPTC_PASSES_GROUPING_H

#include "gptc/ir/Dialect.h"
#include "gptc/passes/Passes.h"
#include "llvm/ADT/BitVector.h"

namespace gptc::passes {

/// Ops that will be one kernel.
struct KernelGroup {
  ir::Family family;
  llvm::SmallVector<mlir::Operation *> ops; ///< In program order.
  mlir::Operation *anchor = nullptr;        ///< The product, attention or copy.
  /// Row space of a row program.
  int64_t rows = 0;
  int64_t columns = 0;
  bool alive = true;
  /// Whether its ops are of a backward pass; see gptc-differentiate.
  bool backward = false;
};

class Grouping {
public:
  Grouping(mlir::Block &block, const FusionCapabilities &capabilities);

  /// All groups; those that are not alive were merged into others.
  llvm::ArrayRef<KernelGroup> groups() const { return groups_; }
  /// Index of the group that computes a value, or -1.
  int groupOf(mlir::Value value) const;
  /// Whether an op is computed again in each group that uses it: what may be
  /// cloned, unless it was given to a group.
  bool isCloned(mlir::Operation *op) const;
  /// Whether an op may be cloned: a view, a constant, index arithmetic, or what
  /// sums over rows alone read and is stored narrower.
  static bool isCloneable(mlir::Operation *op);
  /// Whether an op is an explicit copy, a reshape to the same type; it is a
  /// group of its own.
  static bool isCopy(mlir::Operation *op);
  /// Whether each element of an op's result is computed from the same elements
  /// of its operands.
  static bool isElementwise(mlir::Operation *op);
  /// Whether group `a` must run before group `b`.
  bool precedes(int a, int b) const { return ancestors_[b].test(a); }
  /// Has group `a` run before group `b`, which must not precede it.
  void order(int a, int b);
  /// The groups that a group was put after by order().
  llvm::ArrayRef<int> orderedBefore(int group) const;
  /// Takes out the group of a copy, which the block is to lose.
  void drop(mlir::Operation *copy);

private:
  int create(ir::Family family, mlir::Operation *op, int64_t rows,
             int64_t columns);
  void add(int group, mlir::Operation *op);
  /// Whether an op of a backward pass would be computed with a forward one.
  bool isTooEarly(mlir::Operation *op, int group) const;
  bool canMerge(int from, int into) const;
  void merge(int from, int into);
  void closeOver(int group);
  llvm::SmallVector<int> producers(mlir::Operation *op) const;

  void place(mlir::Operation *op);
  bool placeInEpilogue(mlir::Operation *op);
  bool readsByRow(mlir::Operation *op, int group, int64_t rows,
                  int64_t columns) const;
  bool sharesScalarsAlone(mlir::Operation *op, int group) const;
  void placeInRows(mlir::Operation *op);
  void placeAttention(ir::AttentionOp op);
  bool placeAmongGradients(ir::ConcatOp concat);
  bool hasRoom(llvm::ArrayRef<int> groups, mlir::Operation *op) const;
  void takePrologues();
  void takeFactors();
  int soleReader(int index) const;
  void takeStoredViews();
  void cutViews();
  void cut(mlir::Operation *op);
  void cutOperand(mlir::OpOperand &operand);
  void cutChain(mlir::OpOperand &operand);

  mlir::Block &block_;
  FusionCapabilities capabilities_;
  llvm::SmallVector<KernelGroup> groups_;
  llvm::DenseMap<mlir::Operation *, int> owner_;
  llvm::DenseSet<mlir::Operation *> appended_; ///< Wait for their attention.
  llvm::SmallVector<llvm::BitVector> ancestors_;
  llvm::DenseMap<int, llvm::SmallVector<int>> ordered_;
};

} // namespace gptc::passes

#endif // GPTC_PASSES_GROUPING_H
