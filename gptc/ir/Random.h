//===- Random.h - Code of random masks -------------------------*- C++ -*-===//

#ifndef GPTC_IR_RANDOM_H
#define GPTC_IR_RANDOM_H

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

/// What `gptc.keep_mask` says of the elements at `index`, in arith ops: i1, or
/// a vector of them where the operands are vectors. `index`, `seed` and `site`
/// are i32, `rate` is f32, all scalars or all vectors of one length.
mlir::Value buildKeep(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value index, mlir::Value rate, mlir::Value seed,
                      mlir::Value site);

} // namespace gptc::ir

#endif // GPTC_IR_RANDOM_H
