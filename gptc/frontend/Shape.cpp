//===- Shape.cpp - Views in the DSL ---------------------------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

namespace gptc {

Tensor reshape(const Tensor &x, const Shape &shape, Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state)
    return {};
  TensorType to{x.type().element, shape};
  if (!state->representable(
          fmt::format("reshape: {} cannot become", x.type().toString()), to,
          where))
    return {};
  if (to.elements() != x.type().elements()) {
    x.graph()->report(fmt::format("reshape: {} has {} elements, {} takes {}",
                                  x.type().toString(), x.type().elements(),
                                  toString(shape), to.elements()),
                      where);
    return {};
  }
  return state->wrap(ir::ReshapeOp::create(state->builder, state->location(),
                                           state->lower(to),
                                           GraphState::unwrap(x)));
}

Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation,
                 Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state)
    return {};
  std::vector<int64_t> sorted = permutation;
  llvm::sort(sorted);
  Shape shape = x.shape();
  bool valid = sorted.size() == shape.size();
  for (size_t i = 0; valid && i < sorted.size(); ++i)
    valid = sorted[i] == int64_t(i);
  if (!valid) {
    x.graph()->report(fmt::format("transpose: {} is no permutation of the {} "
                                  "dimensions of {}",
                                  toString(permutation), shape.size(),
                                  x.type().toString()),
                      where);
    return {};
  }
  Shape to;
  for (int64_t dimension : permutation)
    to.push_back(shape[size_t(dimension)]);
  return state->wrap(ir::TransposeOp::create(
      state->builder, state->location(), state->lower({x.type().element, to}),
      GraphState::unwrap(x), permutation));
}

Tensor slice(const Tensor &x, const std::vector<int64_t> &offsets,
             const Shape &shape, Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state)
    return {};
  Shape from = x.shape();
  bool inside = offsets.size() == from.size() && shape.size() == from.size();
  for (size_t i = 0; inside && i < from.size(); ++i)
    inside =
        offsets[i] >= 0 && shape[i] > 0 && shape[i] <= from[i] - offsets[i];
  if (!inside) {
    x.graph()->report(fmt::format("slice: the box {} at {} is not inside of {}",
                                  toString(shape), toString(offsets),
                                  x.type().toString()),
                      where);
    return {};
  }
  return state->wrap(ir::SliceOp::create(
      state->builder, state->location(),
      state->lower({x.type().element, shape}), GraphState::unwrap(x), offsets));
}

std::vector<Tensor> split(const Tensor &x, int64_t parts, Where where) {
  // After an error as many invalid parts as were asked for, at least one.
  std::vector<Tensor> result{size_t(std::max<int64_t>(parts, 1))};
  if (!GraphState::of({x}, where))
    return result;
  Shape shape = x.shape();
  if (shape.empty() || parts <= 0 || shape.back() % parts != 0) {
    x.graph()->report(fmt::format("split: the last dimension of {} does not "
                                  "divide into {} equal parts",
                                  x.type().toString(), parts),
                      where);
    return result;
  }
  shape.back() /= parts;
  std::vector<int64_t> offsets(shape.size(), 0);
  for (Tensor &part : result) {
    part = slice(x, offsets, shape, where);
    offsets.back() += shape.back();
  }
  return result;
}

Tensor broadcast(const Tensor &x, const Shape &shape, Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state)
    return {};
  Shape from = x.shape();
  if (from == shape)
    return x;
  bool fits = from.size() <= shape.size();
  std::vector<int64_t> dimensions;
  for (size_t i = 0; fits && i < from.size(); ++i) {
    size_t to = shape.size() - from.size() + i;
    fits = from[i] == 1 || from[i] == shape[to];
    dimensions.push_back(int64_t(to));
  }
  if (!fits) {
    x.graph()->report(fmt::format("broadcast: {} does not fit {}; aligned at "
                                  "the last dimension, extents must be equal "
                                  "or 1",
                                  x.type().toString(), toString(shape)),
                      where);
    return {};
  }
  if (!state->representable(
          fmt::format("broadcast: {} cannot become", x.type().toString()),
          {x.type().element, shape}, where))
    return {};
  return state->wrap(
      ir::BroadcastOp::create(state->builder, state->location(),
                              state->lower({x.type().element, shape}),
                              GraphState::unwrap(x), dimensions));
}

Tensor concatenate(const std::vector<Tensor> &parts, int64_t dimension,
                   Where where) {
  GraphState *state = GraphState::of(parts, where);
  if (!state)
    return {};
  TensorType to = parts[0].type();
  int64_t rank = int64_t(to.shape.size());
  int64_t along = dimension < 0 ? dimension + rank : dimension;
  auto complain = [&](const std::string &why) {
    parts[0].graph()->report(fmt::format("concatenate: {}", why), where);
    return Tensor();
  };
  if (along < 0 || along >= rank)
    return complain(
        fmt::format("{} has no dimension {}", to.toString(), dimension));
  llvm::SmallVector<mlir::Value> values;
  int64_t extent = 0;
  for (const Tensor &part : parts) {
    TensorType type = part.type();
    Shape shape = type.shape;
    if (shape.size() == to.shape.size()) {
      extent += shape[size_t(along)];
      shape[size_t(along)] = to.shape[size_t(along)];
    }
    if (type.element != to.element || shape != to.shape)
      return complain(fmt::format("{} and {} differ in more than dimension {}",
                                  to.toString(), part.type().toString(),
                                  along));
    values.push_back(GraphState::unwrap(part));
  }
  to.shape[size_t(along)] = extent;
  if (!state->representable("concatenate: cannot make", to, where))
    return {};
  return state->wrap(
      ir::ConcatOp::create(state->builder, state->location(), state->lower(to),
                           values, state->builder.getI64IntegerAttr(along)));
}

Tensor iota(Graph &graph, const Shape &shape, int64_t dimension, Where where) {
  GraphState &state = graph.state();
  if (!state.usable({}, where))
    return {};
  if (!state.representable("iota: cannot make", {DataType::I32, shape}, where))
    return {};
  if (dimension < 0 || dimension >= int64_t(shape.size())) {
    graph.report(fmt::format("iota: {} is no dimension of {}", dimension,
                             toString(shape)),
                 where);
    return {};
  }
  return state.wrap(ir::IotaOp::create(
      state.builder, state.location(), state.lower({DataType::I32, shape}),
      state.builder.getI64IntegerAttr(dimension)));
}

} // namespace gptc
