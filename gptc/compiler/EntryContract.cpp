//===- EntryContract.cpp --------------------------------------------------===//

#include "gptc/compiler/EntryContract.h"

#include "gptc/frontend/GraphState.h"

#include <fmt/ranges.h>

namespace gptc {

namespace {

using Kind = EntryRequest::Kind;

struct Named {
  std::string name;
  TensorType type;
};

std::vector<Named> argumentsOf(const EntryRequest &request) {
  TensorType ids{DataType::I32, {request.batch, request.rows}};
  TensorType perSequence{DataType::I32, {request.batch}};
  switch (request.kind) {
  case Kind::Prefill:
  case Kind::Decode:
    return {
        {"tokens", ids}, {"positions", perSequence}, {"lengths", perSequence}};
  case Kind::Score:
  case Kind::Loss:
    return {{"tokens", ids}, {"targets", ids}};
  case Kind::Logits:
  case Kind::States:
    break;
  }
  return {{"tokens", ids}};
}

/// Results of the definition itself: uses of a loss or states add their own.
std::vector<Named> resultsOf(const EntryRequest &request,
                             const ModelInfo &model) {
  auto vocabulary = int64_t(model.vocabulary);
  switch (request.kind) {
  case Kind::Prefill:
  case Kind::Decode:
    return {{"logits", {DataType::F32, {request.batch, vocabulary}}}};
  case Kind::Logits:
    return {
        {"logits", {DataType::F32, {request.batch, request.rows, vocabulary}}}};
  case Kind::Score:
    return {{"log_likelihood", {DataType::F32, {request.batch, request.rows}}}};
  case Kind::Loss:
  case Kind::States:
    break;
  }
  return {};
}

std::vector<Named> argumentsIn(mlir::func::FuncOp entry) {
  std::vector<Named> found;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i)
    if (auto type =
            llvm::dyn_cast<mlir::RankedTensorType>(entry.getArgumentTypes()[i]))
      found.push_back(
          {entry.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str(),
           GraphState::raise(type)});
  return found;
}

std::vector<Named> resultsIn(mlir::func::FuncOp entry) {
  std::vector<Named> found;
  for (unsigned i = 0; i < entry.getNumResults(); ++i)
    found.push_back(
        {entry.getResultAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str(),
         GraphState::raise(entry.getResultTypes()[i])});
  return found;
}

std::string listOf(const std::vector<Named> &all) {
  std::vector<std::string> texts;
  for (const Named &one : all)
    texts.push_back(fmt::format("{} {}", one.name, one.type.toString()));
  return fmt::format("{}", fmt::join(texts, ", "));
}

void compare(Graph &graph, const char *what, const std::vector<Named> &expected,
             const std::vector<Named> &found, Where where) {
  auto has = [&](const Named &one) {
    return llvm::any_of(found, [&](const Named &other) {
      return one.name == other.name && one.type == other.type;
    });
  };
  if (!llvm::all_of(expected, has))
    graph.report(fmt::format("has {} {}{}{}; expected {}",
                             found.empty() ? "no" : "the", what,
                             found.empty() ? "" : " ", listOf(found),
                             listOf(expected)),
                 where);
}

bool isFloat(const Tensor &tensor) {
  DataType type = tensor.type().element;
  return type != DataType::I32 && type != DataType::Bool;
}

} // namespace

void guardUses(EntryRequest &request) {
  if (request.useLoss)
    request.useLoss = [use = request.useLoss](Graph &graph,
                                              const Tensor &loss) {
      GraphState &state = graph.state();
      if (!state.usable({loss}, state.entryBegin))
        return;
      if (!isFloat(loss) || !loss.shape().empty())
        return graph.report(fmt::format("gives useLoss {}; expected a loss, "
                                        "f32[]",
                                        loss.type().toString()),
                            state.entryBegin);
      if (graph.parameters().empty())
        return graph.report("gives useLoss a loss that no parameter is read "
                            "for, so that there is nothing to train",
                            state.entryBegin);
      use(graph, loss);
    };
  if (request.useStates)
    request.useStates = [use = request.useStates](Graph &graph,
                                                  const Tensor &states,
                                                  const Tensor &table) {
      GraphState &state = graph.state();
      if (!state.usable({states, table}, state.entryBegin))
        return;
      Shape shape = states.shape(), rows = table.shape();
      if (!isFloat(states) || !isFloat(table) || shape.size() != 3 ||
          rows.size() != 2 || shape[2] != rows[1])
        return graph.report(
            fmt::format("gives useStates {} and {}; expected states "
                        "f32[B, T, C] and a table f32[V, C]",
                        states.type().toString(), table.type().toString()),
            state.entryBegin);
      use(graph, states, table);
    };
}

Status checkEntry(Graph &graph, const Definition &definition,
                  const EntryRequest &request) {
  GraphState &state = graph.state();
  if (!state.errors.empty() || state.entry)
    return {};
  auto entry = state.module->lookupSymbol<mlir::func::FuncOp>(request.name);
  if (!entry) {
    std::vector<std::string> names;
    for (auto other : state.module->getOps<mlir::func::FuncOp>())
      names.push_back(other.getSymName().str());
    return failure(ErrorCode::InvalidArgument,
                   "the definition '{}' adds no entry '{}'; begin and end the "
                   "one that EntryRequest::name names, found {}",
                   definition.name, request.name,
                   names.empty() ? "none"
                                 : fmt::format("{}", fmt::join(names, ", ")));
  }
  // Reports name the entry that is being built.
  state.entry = entry;
  compare(graph, "arguments", argumentsOf(request), argumentsIn(entry),
          state.entryBegin);
  compare(graph, "results", resultsOf(request, definition.info),
          resultsIn(entry), state.entryBegin);
  if (state.errors.empty() && entry.getNumResults() == 0)
    graph.report(request.useLoss
                     ? "has no results; expected a call of useLoss"
                     : "has no results; expected a call of useStates",
                 state.entryBegin);
  state.entry = nullptr;
  return {};
}

} // namespace gptc
