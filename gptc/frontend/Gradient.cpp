//===- Gradient.cpp - Gradients of the DSL --------------------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

namespace gptc {

std::vector<Tensor> gradient(const Tensor &loss,
                             const std::vector<Tensor> &parameters,
                             Where where) {
  std::vector<Tensor> result(parameters.size());
  std::vector<Tensor> all = parameters;
  all.push_back(loss);
  GraphState *usable = GraphState::of(all, where);
  if (!usable)
    return result;
  GraphState &state = *usable;
  auto complain = [&](const std::string &why) {
    loss.graph()->report("gradient: " + why, where);
    return result;
  };
  auto isFloat = [](const Tensor &x) {
    return x.type().element != DataType::I32 &&
           x.type().element != DataType::Bool;
  };
  if (!loss.shape().empty() || !isFloat(loss))
    return complain(fmt::format("the loss must be a floating point tensor [], "
                                "found {}; reduce it to one number",
                                loss.type().toString()));
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<mlir::Type> types;
  for (const Tensor &parameter : parameters) {
    if (!isFloat(parameter))
      return complain(fmt::format("parameter {} is {}; only floating point "
                                  "tensors have gradients",
                                  values.size(), parameter.type().toString()));
    values.push_back(GraphState::unwrap(parameter));
    types.push_back(values.back().getType());
  }
  mlir::Value value = GraphState::unwrap(loss);
  if (auto obstacle = ir::findObstacle(value, values)) {
    std::string scope = ir::scopeOf(obstacle->op->getLoc()).str();
    return complain(
        fmt::format("{}{}{}{} stands between the loss and a parameter, and {}; "
                    "stopGradient makes what it gives a constant",
                    obstacle->op->getName().getStringRef().str(),
                    scope.empty() ? "" : " in '", scope,
                    scope.empty() ? "" : "'", obstacle->reason));
  }
  auto op = ir::GradientOp::create(state.builder, state.location(), types,
                                   value, values);
  for (auto [tensor, made] : llvm::zip(result, op.getGradients()))
    tensor = state.wrap(made);
  return result;
}

Tensor stopGradient(const Tensor &x, Where where) {
  if (!x.valid() || !x.graph()->state().usable({x}, where))
    return {};
  GraphState &state = x.graph()->state();
  return state.wrap(ir::StopGradientOp::create(state.builder, state.location(),
                                               GraphState::unwrap(x)));
}

void gradientResults(Graph &graph, const Tensor &loss, Where where) {
  std::vector<Parameter> parameters = graph.parameters();
  std::erase_if(parameters, [](const Parameter &one) { return !one.trained; });
  std::vector<Tensor> values;
  for (const Parameter &parameter : parameters)
    values.push_back(parameter.value);
  std::vector<Tensor> gradients = gradient(loss, values, where);
  graph.result("loss", loss, where);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::vector<Piece> &pieces = parameters[i].pieces;
    std::vector<Tensor> parts{gradients[i]};
    if (pieces.size() > 1)
      parts = split(gradients[i], int64_t(pieces.size()), where);
    for (size_t j = 0; j < pieces.size(); ++j)
      graph.result("gradient:" + pieces[j].tensor,
                   pieces[j].transposed ? transpose(parts[j], {1, 0}, where)
                                        : parts[j],
                   where);
  }
}

} // namespace gptc
