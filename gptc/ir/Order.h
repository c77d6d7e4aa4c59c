//===- Order.h - Numbers as integers of the same order ---------*- C++ -*-===//

#ifndef GPTC_IR_ORDER_H
#define GPTC_IR_ORDER_H

#include "mlir/IR/Builders.h"

#include <cstdint>
#include <limits>

namespace gptc::ir {

/// What counts as no element in gptc.top_k: below every element.
inline constexpr int32_t noElement = std::numeric_limits<int32_t>::min();

/// Builds the i32 that stands for an f32 in the order of gptc.top_k: greater
/// for a greater number, equal for both zeros, the greatest for what is no
/// number, and with `finite` for -inf as well.
mlir::Value buildOrder(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value number, bool finite);

} // namespace gptc::ir

#endif // GPTC_IR_ORDER_H
