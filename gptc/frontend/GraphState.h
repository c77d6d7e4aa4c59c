//===- GraphState.h - A graph's IR, inside of the compiler -----*- C++ -*-===//

#ifndef GPTC_FRONTEND_GRAPHSTATE_H
#define GPTC_FRONTEND_GRAPHSTATE_H

#include "gptc/frontend/Graph.h"
#include "gptc/ir/Dialect.h"
#include "llvm/ADT/StringSet.h"

namespace gptc {

struct GraphState {
  explicit GraphState(Graph &graph);

  Graph &graph;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder;
  mlir::func::FuncOp entry; ///< Being built, or null.
  Where entryBegin;
  llvm::SmallVector<mlir::Value> results;
  llvm::SmallVector<std::string> resultNames;
  std::vector<std::string> scopes;
  LowRank adapters;
  llvm::StringSet<> adapted; ///< Targets that stand for a weight, so far.
  std::vector<std::string> errors;
  /// The entry that reported an error, by its place and scope.
  llvm::StringMap<std::string> reporters;
  llvm::StringMap<ir::VariableOp> variables;
  llvm::StringMap<Where> declared; ///< Where each variable was, first.
  /// Reads of the present entry, so that a variable is read once.
  llvm::StringMap<mlir::Value> values;
  /// Dropouts of the present entry in each scope.
  llvm::StringMap<unsigned> dropouts;

  std::string scope() const;
  /// The errors so far, or success.
  Status reported() const;
  mlir::Location location();
  /// Whether all tensors are valid, of this graph, and an entry is open. What
  /// is not is reported, but for invalid tensors that follow from an error.
  bool usable(llvm::ArrayRef<Tensor> tensors, Where where);
  /// The state that all tensors are usable in, or null. Where no tensor knows
  /// its graph, the one that takes what is made of them reports it.
  static GraphState *of(llvm::ArrayRef<Tensor> tensors, Where where);
  Tensor wrap(mlir::Value value);
  static mlir::Value unwrap(const Tensor &tensor) {
    return mlir::Value::getFromOpaquePointer(tensor.handle_);
  }
  /// Whether there is a name; else reports that `what`, a sentence's beginning,
  /// has none.
  bool named(const std::string &what, const std::string &name, Where where);
  /// Whether graphs have tensors of this type; else reports that `what`, a
  /// sentence's beginning, does not.
  bool representable(const std::string &what, const TensorType &type,
                     Where where);
  /// Whether a usable tensor is of a floating point type, else reports that
  /// `name`, an operator, needs one.
  bool floating(const char *name, const Tensor &tensor, Where where);
  /// The number as a constant of `type`, or the argument as it is; null after
  /// an error, or where the argument is of another entry, which is reported.
  mlir::Value lower(const Scalar &scalar, mlir::Type type, Where where);
  /// The same for an operator `name` that needs a finite floating point number.
  mlir::Value lowerFloat(const char *name, const Scalar &scalar, Where where);
  static double numberOf(const Scalar &scalar) { return scalar.value_; }
  /// A new argument of the entry; null after an error.
  mlir::Value argument(const std::string &name, mlir::Type type, Where where);
  Scalar wrapScalar(mlir::Value value);
  mlir::RankedTensorType lower(const TensorType &type);
  static TensorType raise(mlir::Type type);
  /// What adapters add to the product of `x` with the parameter `weight`, or an
  /// invalid tensor.
  Tensor adaptation(const Tensor &x, const Tensor &weight, int64_t out,
                    Where where);
  /// Operands of a mask of dropout: its rate, seed, and the number of the
  /// place. Nulls after an error, which is reported for the operator `name`.
  struct Drop {
    mlir::Value rate, seed, site;
  };
  Drop drop(const char *name, double rate, const Scalar &seed, Where where);
  Tensor variable(const std::string &name, const TensorType &type,
                  ir::Role role, ir::InitializerAttr init,
                  mlir::ArrayAttr pieces, Where where);
};

/// "FILE:LINE" of a call.
std::string toString(Where where);

/// Operators under the name of another one that is made of them, which errors
/// then have.
Tensor fullAs(const char *name, const Tensor &like, Scalar value, Where where);
Tensor addAs(const char *name, const Tensor &a, const Tensor &b, Where where);
Tensor matmulAs(const char *name, const Tensor &a, const Tensor &b,
                bool transposeA, bool transposeB, Where where);
Tensor logLikelihoodAs(const char *name, const Tensor &logits,
                       const Tensor &targets, Where where);

/// Takes the module out of a finished graph; it needs the graph's context.
mlir::ModuleOp moduleOf(Graph &graph);

} // namespace gptc

#endif // GPTC_FRONTEND_GRAPHSTATE_H
