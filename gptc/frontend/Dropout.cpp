//===- Dropout.cpp --------------------------------------------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

namespace gptc {

namespace {

/// FNV-1a of 32 bits.
uint32_t hashOf(std::string_view text) {
  uint32_t hash = 0x811C9DC5;
  for (char c : text)
    hash = (hash ^ uint8_t(c)) * 0x01000193;
  return hash;
}

} // namespace

GraphState::Drop GraphState::drop(const char *name, double rate,
                                  const Scalar &seed, Where where) {
  if (!(rate >= 0) || rate >= 1) {
    graph.report(fmt::format("{}: the rate of dropout is {}, expected at "
                             "least 0 and less than 1",
                             name, rate),
                 where);
    return {};
  }
  mlir::Type i32 = builder.getI32Type();
  mlir::Value key = lower(seed, i32, where);
  if (!key)
    return {};
  if (key.getType() != i32) {
    graph.report(
        fmt::format("{}: the seed of dropout is a scalar of i32", name), where);
    return {};
  }
  std::string place = scope();
  place += fmt::format("#{}", dropouts[place]++);
  auto number = [&](mlir::TypedAttr value) -> mlir::Value {
    return mlir::arith::ConstantOp::create(builder, location(), value);
  };
  return {number(builder.getF32FloatAttr(float(rate))), key,
          number(builder.getI32IntegerAttr(int32_t(hashOf(place))))};
}

Tensor dropout(const Tensor &x, double rate, Scalar seed, Where where) {
  if (!x.valid() || !x.graph()->state().usable({x}, where))
    return {};
  GraphState &state = x.graph()->state();
  if (!state.floating("dropout", x, where))
    return {};
  if (rate == 0)
    return x;
  GraphState::Drop drop = state.drop("dropout", rate, seed, where);
  if (!drop.rate)
    return {};
  Tensor keeps = state.wrap(ir::KeepMaskOp::create(
      state.builder, state.location(), state.lower({DataType::Bool, x.shape()}),
      drop.rate, drop.seed, drop.site));
  return scale(choose(keeps, x, full(x, 0, where), where), 1 / (1 - rate),
               where);
}

} // namespace gptc
