//===- Evaluator.h - Code for one element of a kernel's body ---*- C++ -*-===//
//
// Emits the computation of a value of a kernel's body at given coordinates,
// pulling what it needs from the kernel's inputs: views change coordinates,
// elementwise ops compute, reductions become loops. Every family uses it: row
// programs and copies wholly, contractions for prologues and epilogues.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_EVALUATOR_H
#define GPTC_BACKENDS_CPU_COMPILER_EVALUATOR_H

#include "gptc/backends/cpu/compiler/Emitter.h"
#include "gptc/ir/StridedView.h"

namespace gptc::cpu {

/// Where a value is evaluated: one index for each dimension, and the dimension
/// along which the lanes of a vector run (-1: one element alone).
struct Coordinates {
  llvm::SmallVector<mlir::Value> index;
  int lanes = -1;
};

class Evaluator {
public:
  explicit Evaluator(Emitter &emitter) : e(emitter) {}

  /// Emits `value` at `at`: a vector if its lanes matter, else a scalar. With
  /// a mask, lanes outside of it are unspecified, and nothing is read there.
  mlir::Value evaluate(mlir::Value value, const Coordinates &at,
                       mlir::Value mask = {});

  /// From now on `value` is `known`, wherever it is evaluated; for a value of
  /// the present row, or of the present element of a register tile.
  void bind(mlir::Value value, mlir::Value known) { bound[value] = known; }
  void unbind(mlir::Value value) { bound.erase(value); }

private:
  mlir::Value compute(mlir::Value value, const Coordinates &at,
                      mlir::Value mask);
  mlir::Value load(mlir::BlockArgument argument, const Coordinates &at,
                   mlir::Value mask);
  /// The element, or elements, of a dense input that a view shows.
  mlir::Value loadView(const ir::StridedView &view, const Coordinates &at,
                       mlir::Value mask);
  mlir::Value loadPacked(mlir::BlockArgument argument, ir::PackedAttr packed,
                         const Coordinates &at, mlir::Value mask);
  mlir::Value throughReshape(ir::ReshapeOp op, const Coordinates &at,
                             mlir::Value mask);
  mlir::Value elementwise(mlir::Operation *op, const Coordinates &at,
                          mlir::Value mask);
  mlir::Value gelu(ir::GeluOp op, mlir::Value x);
  mlir::Value sigmoid(mlir::Value x);
  mlir::Value keepMask(ir::KeepMaskOp op, const Coordinates &at);
  mlir::Value reduce(ir::ReduceOp op, const Coordinates &at, mlir::Value mask);
  mlir::Value logLikelihood(ir::LogLikelihoodOp op, const Coordinates &at);
  /// The index held by an i32 value, clamped to [0, extent).
  mlir::Value clampedIndex(mlir::Value index, int64_t extent);
  mlir::Value giveUp(mlir::Operation *op, const std::string &why);

  Emitter &e;
  llvm::DenseMap<mlir::Value, mlir::Value> bound;
};

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_EVALUATOR_H
