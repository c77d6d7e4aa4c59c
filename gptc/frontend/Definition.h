//===- Definition.h - Models that can be compiled by name ------*- C++ -*-===//
//
// A user's own models are a shared library that exports
//
//   extern "C" void gptc_register_definitions(gptc::DefinitionRegistry &);
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_FRONTEND_DEFINITION_H
#define GPTC_FRONTEND_DEFINITION_H

#include "gptc/frontend/Graph.h"

#include <functional>
#include <map>

namespace gptc {

/// A model in numbers. The parameters are counted from the graph.
struct ModelInfo {
  std::string family;
  uint64_t layers = 0;
  uint64_t width = 0;
  uint64_t heads = 0;
  uint64_t headSize = 0;
  uint64_t context = 0;
  uint64_t vocabulary = 0;
  int64_t endOfText = -1;
};

/// The scalar argument `seed` (i32) of the present entry, which its dropouts
/// share; declared at the first call.
Scalar dropoutSeed(Graph &graph, Where where = Where::current());
/// dropout() with that seed; `x` itself where the rate is 0.
Tensor trainingDropout(const Tensor &x, double rate,
                       Where where = Where::current());

/// One entry point that is asked for: prefill and decode have `rows` tokens a
/// sequence and caches of `capacity`; the others have `rows` tokens.
struct EntryRequest {
  enum class Kind { Prefill, Decode, Logits, Score, Loss, States } kind;
  std::string name;
  int64_t batch = 1;
  int64_t rows = 1;
  int64_t capacity = 1;
  /// Of an entry of kind Loss: adds what becomes of the loss, [], its
  /// gradients as results or a step of training. Called once, last.
  std::function<void(Graph &, const Tensor &loss)> useLoss = {};
  /// Of an entry of kind States: adds what becomes of the states [B, T, C] that
  /// a head reads, after the last layer norm where there is one: a task.
  /// `table` [V, C] is what the model's own head multiplies them with. Called
  /// once, last.
  std::function<void(Graph &, const Tensor &states, const Tensor &table)>
      useStates = {};
  /// Tokens that a task adds to the model's vocabulary, as the ids after it.
  int64_t addedTokens = 0;
  /// Rate of dropout: not 0 in entries that train with it.
  double dropout = 0;

  /// The rows of a table [V, C] at the entry's tokens, [B, T, C], those of
  /// added tokens from a parameter `task.tokens.weight` of their own. For
  /// definitions whose models are trained for tasks, in the place of gather.
  Tensor embed(const Tensor &table, const Tensor &tokens,
               Where where = Where::current()) const;
  /// trainingDropout() at the entry's rate.
  Tensor drop(const Tensor &x, Where where = Where::current()) const {
    return trainingDropout(x, dropout, where);
  }
};

struct Definition {
  std::string name;
  ModelInfo info;
  /// Adds one entry point to a graph.
  std::function<void(Graph &, const EntryRequest &)> build;
};

class DefinitionRegistry {
public:
  /// Takes a definition with a name that no other one has, without a colon, and
  /// with `build`; a wrong one is recorded as an error in its place.
  void add(Definition definition, Where where = Where::current());
  const Definition *find(const std::string &name) const;
  const std::vector<Definition> &all() const { return definitions_; }
  /// What was added wrongly, each with its place: "FILE:LINE: what is wrong".
  const std::vector<std::string> &errors() const { return errors_; }

private:
  std::vector<Definition> definitions_;
  std::map<std::string, Where> places_; ///< Of what has each name.
  std::vector<std::string> errors_;
};

} // namespace gptc

#endif // GPTC_FRONTEND_DEFINITION_H
