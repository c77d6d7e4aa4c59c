//===- Contraction.cpp - Matrix products with epilogue --------------------===//

#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

void emitContraction(Emitter &e) {
  ir::MatmulOp op;
  for (auto matmul : e.kernel.getBody().front().getOps<ir::MatmulOp>())
    op = matmul;
  if (!op) {
    e.failure = "no matrix product";
    return;
  }
  if (op.getLhs().getType().getElementType().isF64()) {
    e.failure = "products in f64";
    return;
  }
  if (shapeOf(op).rows <= mostVectorRows) {
    if (!e.target.broadcasts || !emitMatrixLines(e, op))
      emitMatrixVector(e, op);
  } else if (multipliesMatrices(e.target, op))
    emitMatrixFragments(e, op);
  else
    emitMatrixMatrix(e, op);
}

} // namespace gptc::vulkan
