//===- Definition.cpp -----------------------------------------------------===//

#include "gptc/frontend/Definition.h"

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

namespace gptc {

Scalar dropoutSeed(Graph &graph, Where where) {
  constexpr const char *name = "seed";
  GraphState &state = graph.state();
  for (unsigned i = 0; state.entry && i < state.entry.getNumArguments(); ++i)
    if (state.entry.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr) == name)
      return state.wrapScalar(state.entry.getArgument(i));
  return graph.scalarArgument(name, DataType::I32, where);
}

Tensor trainingDropout(const Tensor &x, double rate, Where where) {
  if (!x.valid() || rate == 0)
    return x;
  return dropout(x, rate, dropoutSeed(*x.graph(), where), where);
}

Tensor EntryRequest::embed(const Tensor &table, const Tensor &tokens,
                           Where where) const {
  if (addedTokens == 0 || !table.valid() || !tokens.valid() ||
      table.shape().size() != 2 || tokens.shape().size() != 2)
    return gather(table, tokens, where);
  Graph &graph = *table.graph();
  int64_t vocabulary = table.dim(0), width = table.dim(1);
  constexpr const char *name = "task.tokens.weight";
  Tensor added = graph.parameter(
      name, {table.type().element, {addedTokens, width}},
      Initializer::normal(0, 0.02), {{name, false, true}}, where);
  Tensor first = full(tokens, double(vocabulary), where);
  Tensor last = full(tokens, double(vocabulary - 1), where);
  Tensor own = gather(table, minimum(tokens, last, where), where);
  Tensor others = gather(
      added, maximum(subtract(tokens, first, where), full(tokens, 0), where),
      where);
  Shape flags{tokens.dim(0), tokens.dim(1), 1};
  return choose(broadcast(reshape(less(tokens, first, where), flags, where),
                          own.shape(), where),
                own, others, where);
}

void DefinitionRegistry::add(Definition definition, Where where) {
  const std::string &name = definition.name;
  auto complain = [&](const std::string &why) {
    errors_.push_back(fmt::format("{}: registers {}", toString(where), why));
  };
  if (name.empty())
    return complain("a definition without a name; give it one");
  if (name.find(':') != std::string::npos)
    return complain(fmt::format("'{}', which has a colon; in "
                                "'LIBRARY.so:NAME' the name begins after one",
                                name));
  if (auto [known, fresh] = places_.try_emplace(name, where); !fresh)
    return complain(fmt::format("'{}' a second time, after {}; give one of "
                                "both another name",
                                name, toString(known->second)));
  if (!definition.build)
    return complain(fmt::format("'{}' without `build`, the function that adds "
                                "its entry points to a graph",
                                name));
  int64_t end = definition.info.endOfText;
  if (end < -1 || (end >= 0 && uint64_t(end) >= definition.info.vocabulary))
    return complain(fmt::format("'{}' with the end-of-text token {}; expected "
                                "one below its vocabulary of {}, or -1 for "
                                "none",
                                name, end, definition.info.vocabulary));
  definitions_.push_back(std::move(definition));
}

const Definition *DefinitionRegistry::find(const std::string &name) const {
  for (const Definition &definition : definitions_)
    if (definition.name == name)
      return &definition;
  return nullptr;
}

} // namespace gptc
