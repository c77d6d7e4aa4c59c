//===- Graph.h - Building a model's computation ----------------*- C++ -*-===//
//
// A Graph holds named entry points over named variables. Operators (see
// Operators.h) add to the entry that is being built. An error in a graph is
// recorded with the place of the call, the scope and what would fit; building
// goes on with values that are right in nothing but name, and finish() reports
// all errors at once.
//
//   Graph graph;
//   graph.beginEntry("double");
//   Tensor x = graph.argument("x", {DataType::F32, {2, 3}});
//   graph.result("y", x + x);
//   graph.endEntry();
//   Status status = graph.finish();
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_FRONTEND_GRAPH_H
#define GPTC_FRONTEND_GRAPH_H

#include "gptc/frontend/Types.h"
#include "gptc/runtime/base/Error.h"

#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

class Graph;
struct GraphState;
using Where = std::source_location;

/// A value of a graph. Cheap to copy; valid as long as its graph. Invalid
/// after an error; operators on it are invalid too, without another error.
class Tensor {
public:
  Tensor() = default;
  bool valid() const { return handle_ != nullptr; }
  /// Type of a valid tensor; empty for an invalid one.
  TensorType type() const;
  Shape shape() const { return type().shape; }
  /// Extent of a dimension; -1 is the last one. An error in the graph if there
  /// is none; then, and for an invalid tensor, 1.
  int64_t dim(int64_t i, Where where = Where::current()) const;
  Graph *graph() const { return graph_; }

private:
  friend struct GraphState;
  Graph *graph_ = nullptr;
  void *handle_ = nullptr;
};

/// A number known when the graph is built, or a scalar argument (see
/// Graph::scalarArgument), whose value is known at each run.
class Scalar {
public:
  Scalar(double value) : value_(value) {} // NOLINT: a number is a scalar.
  bool isNumber() const { return graph_ == nullptr; }

private:
  friend struct GraphState;
  double value_ = 0;
  Graph *graph_ = nullptr; ///< With the argument's handle, or null.
  void *handle_ = nullptr; ///< Null after an error.
};

/// A parameter that an entry reads.
struct Parameter {
  std::string name;
  Tensor value;
  std::vector<Piece> pieces;
  /// Whether training changes it: not where low-rank adapters stand for it.
  bool trained = true;
};

/// Low-rank adaptation: a product with a weight W [in, out] has alpha/rank
/// times x A B added, A [in, rank] and B [rank, out], and they are trained in
/// the place of all that a checkpoint gives. Source: Hu et al., 2021.
struct LowRank {
  int64_t rank = 0;
  double alpha = 0;
  /// Last parts of names, "c_attn" for h.0.attn.c_attn.weight; if empty, all
  /// weights that stand on the right of a product as they are.
  std::vector<std::string> targets;
};

/// A name scope: what is built while it lives is called "outer/name".
class [[nodiscard]] Scope {
public:
  Scope(Graph &graph, std::string name);
  ~Scope();
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;

private:
  Graph &graph_;
};

/// Not thread safe; different graphs are independent.
class Graph {
public:
  Graph();
  ~Graph();
  Graph(const Graph &) = delete;
  Graph &operator=(const Graph &) = delete;

  void beginEntry(const std::string &name, Where where = Where::current());
  Tensor argument(const std::string &name, const TensorType &type,
                  Where where = Where::current());
  /// A number of f32, f64, i32 or i64 that each run gives: a learning rate, a
  /// step, a seed. After an error a scalar that operators refuse in silence.
  Scalar scalarArgument(const std::string &name, DataType type,
                        Where where = Where::current());
  void result(const std::string &name, const Tensor &value,
              Where where = Where::current());
  void endEntry(Where where = Where::current());

  /// The present value of a parameter, which is declared at its first use; what
  /// is declared again must be declared the same. Without
  /// pieces the checkpoint's tensor of the same name is its source. It is of
  /// f32, bf16 or f16; what is computed with integers or in f64 is cast, or
  /// state: a counter or a cache.
  Tensor parameter(const std::string &name, const TensorType &type,
                   const Initializer &initializer,
                   std::vector<Piece> pieces = {},
                   Where where = Where::current());
  /// The parameters that the present entry has read so far, each once, in the
  /// order of their first use; none outside of an entry.
  std::vector<Parameter> parameters() const;
  /// Gives the products of all entries adapters, NAME.lora_a and NAME.lora_b
  /// for NAME.weight. To be called before the first entry.
  void adapt(LowRank adapters);
  /// The present value of a cache or counter: what the entry last assigned, or
  /// before that what it was at the entry's start; zero at first.
  Tensor cache(const std::string &name, const TensorType &type,
               Where where = Where::current());
  Tensor counter(const std::string &name, const TensorType &type,
                 Where where = Where::current());
  /// The same of an optimizer's state.
  Tensor optimizerState(const std::string &name, const TensorType &type,
                        Where where = Where::current());
  /// Gives a declared variable a new value.
  void assign(const std::string &name, const Tensor &value,
              Where where = Where::current());

  /// Records an error of the user at a place; for operators defined on top.
  /// What fails in one entry usually fails in the next, with other shapes:
  /// only the first entry's errors of a place and scope are kept.
  void report(const std::string &message, Where where);
  /// Everything reported, one error a line, as "FILE:LINE: in 'SCOPE' of
  /// 'ENTRY': OPERATOR: what is wrong and what would fit"; or success.
  Status finish();

  GraphState &state() { return *state_; }

private:
  friend class Scope;
  std::unique_ptr<GraphState> state_;
};

} // namespace gptc

#endif // GPTC_FRONTEND_GRAPH_H
