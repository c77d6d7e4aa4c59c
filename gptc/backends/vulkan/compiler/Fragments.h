//===- Fragments.h - Matrices that a subgroup multiplies -------*- C++ -*-===//
//
// A fragment is a matrix of matrixExtent rows and columns that the invocations
// of a subgroup hold together, in a way that the driver alone knows: it comes
// from workgroup memory and goes there. A target that multiplies by definition
// has teams of neighbours in the place of subgroups, and reads and writes
// elements, so that all around it runs on a device without such matrices.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_FRAGMENTS_H
#define GPTC_BACKENDS_VULKAN_COMPILER_FRAGMENTS_H

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/compiler/Emitter.h"

namespace gptc::vulkan {

/// To be called where all invocations of the workgroup come along.
class Fragments {
public:
  using Value = mlir::Value;
  /// Of operands of bf16 or f16.
  Fragments(Emitter &emitter, mlir::Type element);

  /// Number of this invocation's subgroup in the workgroup.
  Value subgroup();

  /// Memory for operands: `count` pairs of elements that follow each other
  /// along k. A word has the first in its low half.
  WorkgroupArray operands(int64_t count);
  void storePair(Value word, const WorkgroupArray &array, Value index);

  /// An operand: of each row (of the left one) or column (of the right one) the
  /// steps of k lie together, from pair `first` on, those of the next `stride`
  /// pairs behind. Both are multiples of 16 bytes.
  struct Operand {
    Value matrix; ///< Null where matrices are multiplied by definition.
    WorkgroupArray array;
    Value first;
    int64_t stride = 0;
  };
  Operand left(const WorkgroupArray &array, Value first, int64_t stride);
  Operand right(const WorkgroupArray &array, Value first, int64_t stride);

  /// Sums in f32: variables, which a driver keeps in registers.
  struct Sums {
    llvm::SmallVector<Value, 2> variables;
  };
  Sums zeros();
  void multiplyAdd(const Operand &left, const Operand &right, const Sums &sums);
  /// Row by row into an array of f32, each `stride` behind the one before it.
  void store(const Sums &sums, const WorkgroupArray &array, Value first,
             int64_t stride);

private:
  Operand load(const WorkgroupArray &array, Value first, int64_t stride,
               mlir::spirv::CooperativeMatrixLayoutKHR layout,
               mlir::spirv::CooperativeMatrixUseKHR use);
  void multiplyElements(const Operand &left, const Operand &right,
                        const Sums &sums);
  /// By definition an invocation has half a row: its row and first column.
  Value ownRow();
  Value ownColumn();
  /// Both elements of a word, as f32.
  std::array<Value, 2> widen(Value word);

  Emitter &e;
  mlir::Type element_;
  bool byDefinition_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_FRAGMENTS_H
