//===- Emitter.h - Building the code of a kernel ---------------*- C++ -*-===//
//
// A kernel is an llvm.func over pointers; its body is scf, arith, math and
// vector. Indices are i64. Arithmetic on indices is shared within a loop
// body, so that evaluators may ask for the same address again and again.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_EMITTER_H
#define GPTC_BACKENDS_CPU_COMPILER_EMITTER_H

#include "gptc/backends/cpu/compiler/CpuTarget.h"
#include "gptc/ir/Dialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <map>

namespace gptc::cpu {

/// A kernel's matrix product as oneDNN may compute it, with symbols for what
/// comes before and after it; see the artifact's schema.
struct LibraryProduct {
  uint64_t rows = 0;
  uint64_t depth = 0;
  int source = -1;
  uint64_t sourceOffset = 0;
  uint64_t sourceStride = 0;
  unsigned weights = 0;
  uint32_t panels = 0;
  uint32_t panelsPerTile = 0;
  std::string before, after;
};

/// What the runtime must know of an encoded kernel; see the artifact's schema.
struct EncodedKernel {
  std::string symbol;
  uint32_t tiles = 1;
  uint64_t scratchBytes = 0;
  uint32_t rowsPerBlock = 0;
  uint32_t innerTiles = 1;
  /// Of a bf16 product that oneDNN computes faster.
  std::optional<LibraryProduct> product;
};

class Emitter {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// `symbol` names the function.
  Emitter(mlir::ModuleOp module, ir::KernelOp kernel, const CpuTarget &target,
          int vectorWidth, std::string symbol);

  const CpuTarget &target;
  ir::KernelOp kernel;
  EncodedKernel encoded;
  mlir::OpBuilder builder;
  mlir::Location loc;

  /// Lanes of a vector: the target's, or 1 where a kernel cannot be
  /// vectorized along its last dimension.
  int width;
  /// Set when something cannot be expressed; the kernel is then given up.
  std::string failure;

  mlir::LLVM::LLVMFuncOp function() const { return function_; }
  /// The tile number as i64.
  Value tile() const { return tile_; }
  /// Reserves scratch memory; returns a pointer to it, 64-byte aligned.
  Value scratch(uint64_t bytes);
  /// What has been reserved so far, which is where the next part begins.
  uint64_t scratchBytes() const { return scratchBytes_; }
  /// Position of a tensor input among the buffers.
  unsigned bufferOf(mlir::BlockArgument argument);
  /// Pointer of a tensor input, of output `i`, or the value of a scalar input.
  Value input(mlir::BlockArgument argument) const;
  Value output(unsigned i) const { return outputs_[i]; }

  // Indices.
  Value constant(int64_t value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, int64_t b);
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  std::optional<int64_t> asConstant(Value value) const;
  /// Row-major index of coordinates, and back.
  Value linearize(llvm::ArrayRef<Value> index, llvm::ArrayRef<int64_t> shape);
  llvm::SmallVector<Value> delinearize(Value linear,
                                       llvm::ArrayRef<int64_t> shape);
  /// A comparison of indices as i1.
  Value compare(mlir::arith::CmpIPredicate predicate, Value a, Value b);

  // Values in registers: f32 for f32, bf16 and f16; f64; i32; i1.
  Type registerType(Type element);
  Type vectorOf(Type element) {
    return mlir::VectorType::get({width}, element);
  }
  Value floatConstant(double value, Type type);
  Value splat(Value scalar);
  /// The vector [0, 1, 2, …] of i64.
  Value lanes();
  /// A mask of the lanes below `count` (an index).
  Value maskBelow(Value count);
  /// Whether a random mask keeps the element `index` of the tensor, and where
  /// `stride` is not 0 those that the lanes reach with it; the rest are scalar
  /// inputs of the kernel.
  Value keep(Value index, int64_t stride, Value rate, Value seed, Value site);
  /// Rounds a register to what an element type can hold.
  Value round(Value value, Type element);
  /// An f32 register's value in a 16-bit type, nearest, ties to even; a bf16
  /// is its bits, an i16. And back.
  Value truncate(Value value, Type element);
  Value extend(Value value);

  // Memory.
  Value address(Value base, Value index, Type element);
  /// Asks for a line of memory ahead of its use; the address may be anywhere.
  /// `locality` 3 brings it into the first-level cache, 2 into the second.
  void prefetch(Value base, Value index, Type element, int locality);
  Value loadScalar(Value base, Value index, Type element);
  /// `width` consecutive elements; lanes outside of `mask` are not
  /// read, and zero.
  Value loadVector(Value base, Value index, Type element, Value mask = {});
  /// Elements `stride` apart, otherwise the same.
  Value loadStrided(Value base, Value index, Value stride, Type element,
                    Value mask = {});
  void storeScalar(Value value, Value base, Value index, Type element);
  void storeVector(Value value, Value base, Value index, Type element,
                   Value mask = {});
  void storeStrided(Value value, Value base, Value index, Value stride,
                    Type element, Value mask = {});

  // Control flow. What is shared inside of a body is forgotten after it.
  void loop(Value from, Value to, int64_t step,
            llvm::function_ref<void(Value)> body);
  /// A loop that carries values; the body returns the next ones.
  llvm::SmallVector<Value>
  loopWith(Value from, Value to, int64_t step, mlir::ValueRange initial,
           llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>
               body);
  void when(Value condition, llvm::function_ref<void()> body);
  /// Runs `body(index, mask)` for vectors over [0, count): without a mask for
  /// whole vectors, with one for the rest.
  void vectorLoop(int64_t count, llvm::function_ref<void(Value, Value)> body);

  /// `width` vectors of a square as its columns.
  llvm::SmallVector<Value> transposed(llvm::ArrayRef<Value> rows);

  /// Remembers results within the present loop body. Keys are built from
  /// pointers and numbers.
  using Key = llvm::SmallVector<intptr_t, 6>;
  Value *remembered(const Key &key);
  void remember(const Key &key, Value value);
  void enterScope() { scopes_.emplace_back(); }
  void leaveScope() { scopes_.pop_back(); }

  void finish();

private:
  Value binary(intptr_t tag, Value a, Value b,
               llvm::function_ref<Value()> make);

  mlir::LLVM::LLVMFuncOp function_;
  llvm::DenseMap<Value, Value> inputs_;
  llvm::SmallVector<Value> outputs_;
  Value tile_;
  Value scratch_;
  uint64_t scratchBytes_ = 0;
  mlir::Block *entry_ = nullptr;
  mlir::Operation *lastConstant_ = nullptr;
  std::map<int64_t, Value> constants_;
  llvm::DenseMap<Value, int64_t> constantValues_;
  std::vector<std::map<Key, Value>> scopes_;
};

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_EMITTER_H
