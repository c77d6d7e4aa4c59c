//===- Emitter.h - Building the code of a kernel ---------------*- C++ -*-===//
//
// A kernel is one spirv.module with the entry point "main". Until it is
// lowered, its body mixes spirv ops (memory, barriers, built-in values) with
// scf, arith and math. Indices are i32: a device need not have 64-bit
// integers, and addresses stay pointers. One workgroup computes one tile.
// Index arithmetic is shared within a loop body, so that evaluators may ask
// for the same address again and again.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_EMITTER_H
#define GPTC_BACKENDS_VULKAN_COMPILER_EMITTER_H

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"
#include "gptc/ir/Dialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"

#include <map>

namespace gptc::vulkan {

/// An input or output: a pointer to an array. A pointer is never cast to one of
/// another type: not every driver can.
struct BufferPointer {
  enum class Form {
    Words,   ///< Elements of 32 bits, or words of two or four narrower ones.
    Vectors, ///< Vectors of four of those.
    Halves,  ///< The same as two words of 64 bits.
    Narrow   ///< Elements of 16 bits.
  };
  mlir::Value pointer;
  mlir::Type element;
  unsigned number = 0; ///< Among the dispatch's buffers.
  Form form = Form::Words;
};

/// Memory that the invocations of a workgroup share.
struct WorkgroupArray {
  mlir::Value pointer;
};

class Emitter {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// Numbers of buffers, each once.
  using Buffers = std::vector<unsigned>;
  /// How buffers are accessed, which decides what they are arrays of.
  struct Accesses {
    Buffers vectors;  ///< Of which vectors are, at once.
    Buffers elements; ///< Of which single elements or words are.
    Buffers words;    ///< Of narrower elements, of which words are.
    Buffers narrow;   ///< Of 16-bit elements, of which single ones are.
  };

  /// Begins a module inside of `parent`, whose buffers are accessed as `known`
  /// says, as far as that is known; see accesses().
  Emitter(mlir::ModuleOp parent, ir::KernelOp kernel,
          const VulkanTarget &target, const Accesses &known);

  const VulkanTarget &target;
  ir::KernelOp kernel;
  mlir::OpBuilder builder;
  mlir::Location loc;
  /// Set when something cannot be expressed; the kernel is then given up.
  std::string failure;

  // How the kernel is tiled; see the artifact's schema.
  uint32_t tiles = 1;
  uint32_t rowsPerBlock = 0;
  uint32_t innerTiles = 1;
  /// How buffers were accessed.
  const Accesses &accesses() const { return accesses_; }
  /// Whether that was known. Where vectors were of a buffer that was not known
  /// for it, what is emitted is of no use; where single elements of 16 bits
  /// were, it is not what the target can do. Then it is to be emitted anew.
  bool isSettled() const {
    return accesses_.vectors.size() == known_.vectors.size() &&
           (!target.storesNarrow ||
            accesses_.narrow.size() == known_.narrow.size());
  }

  /// Emits the work of one tile: `body` runs on `invocations` (a power of two)
  /// in each of `tiles` workgroups, unless nothing depends on the tile's rows.
  /// To be called once, after the other fields above are set.
  void forEachTile(int64_t tiles, int64_t invocations,
                   llvm::function_ref<void()> body);
  /// Valid within forEachTile.
  Value tile() const { return tile_; }
  Value invocation() const { return invocation_; }
  int64_t invocations() const { return invocations_; }

  const BufferPointer &input(mlir::BlockArgument argument) const;
  const BufferPointer &output(unsigned i) const { return outputs_[i]; }
  /// The value of a scalar input.
  Value scalar(mlir::BlockArgument argument);

  // Indices.
  Value constant(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, constant(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, int64_t b);
  Value mul(Value a, Value b);
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  std::optional<int64_t> asConstant(Value value) const;
  /// Row-major index of coordinates, and back.
  Value linearize(llvm::ArrayRef<Value> index, llvm::ArrayRef<int64_t> shape);
  llvm::SmallVector<Value> delinearize(Value linear,
                                       llvm::ArrayRef<int64_t> shape);
  /// Signed comparisons as i1; `both` of two.
  Value less(Value a, Value b);
  Value lessEqual(Value a, Value b);
  Value equal(Value a, Value b);
  Value both(Value a, Value b);
  /// `i` in [0, extent), if it can be outside at all.
  Value clamp(Value i, int64_t extent);

  // Values in registers: f32 for f32, bf16 and f16; i32; i1. Vectors of four
  // f32 where they are asked for.
  Type f32() { return builder.getF32Type(); }
  Type registerType(Type element);
  Value number(double value);
  Value zero(Type type);
  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value fmax(Value a, Value b);
  Value exp(Value x);
  Value select(Value condition, Value a, Value b);
  Value toFloat(Value bits);
  Value toBits(Value number);
  /// Whether a random mask keeps the element `index` of the tensor; the rest
  /// are scalar inputs of the kernel.
  Value keep(Value index, Value rate, Value seed, Value site);
  /// Rounds a register to what an element type can hold.
  Value round(Value value, Type element);
  /// Element `i` of a vector, and a vector of four scalars.
  Value extract(Value vector, int i);
  Value gather4(llvm::ArrayRef<Value> scalars);
  /// Number of this invocation in its subgroup, and what invocation `from` of
  /// the subgroup has; for targets that broadcast.
  Value lane();
  Value broadcast(Value value, int64_t from);

  // Memory.
  Value load(const BufferPointer &buffer, Value index);
  /// Four consecutive f32, the first at a multiple of four.
  Value load4(const BufferPointer &buffer, Value index);
  /// Four consecutive 16-bit elements, the first at a multiple of four.
  Value loadNarrow4(const BufferPointer &buffer, Value index);
  /// One or four 32-bit words of a buffer of narrower elements.
  Value loadWord(const BufferPointer &buffer, Value wordIndex);
  Value loadWord4(const BufferPointer &buffer, Value wordIndex);
  /// Part of a word is exchanged by atomic operations, so that the other
  /// parts may be stored by others: a device need not store less than a word.
  void store(Value value, const BufferPointer &buffer, Value index);
  /// Four consecutive f32, or two words of 16-bit elements; the first at a
  /// multiple of four.
  void store4(llvm::ArrayRef<Value> values, const BufferPointer &buffer,
              Value index);
  /// Whether store4() can store the element type.
  static bool storesFour(Type element) {
    return element.isF32() || element.isBF16() || element.isF16();
  }

  WorkgroupArray workgroupArray(int64_t count);
  /// Of vectors of four.
  WorkgroupArray workgroupVectors(int64_t count);
  Value load(const WorkgroupArray &array, Value index);
  void store(Value value, const WorkgroupArray &array, Value index);
  Value pointerTo(const WorkgroupArray &array, Value index);
  /// Waits for all invocations of the workgroup and their workgroup memory.
  void barrier();
  enum class Combine { Sum, Max };
  Value combine(Combine kind, Value a, Value b);
  /// The combination of one value of each invocation, in all of them. All must
  /// come here together.
  Value combineAll(Combine kind, Value value);
  /// The sum of one value of each invocation of a subgroup, and how many
  /// subgroups a workgroup has; for targets that reduce in subgroups.
  Value sumOfSubgroup(Value value) {
    return reduceSubgroup(Combine::Sum, value);
  }
  Value subgroups();

  // Matrices of subgroups; see Fragments.h.
  /// Says that there are some, with operands of bf16 or f16, before anything in
  /// workgroup memory is accessed.
  void useMatrices(Type operands) { matrixOperands_ = operands; }
  /// How workgroup memory is accessed; null for no particular way.
  mlir::spirv::MemoryAccessAttr workgroupAccess();
  /// Of elements of 32 bits.
  WorkgroupArray workgroupArrayOf(int64_t count, Type element);
  /// Number of this invocation's subgroup in the workgroup.
  Value subgroup();
  /// A pointer to a variable of this invocation, and its value.
  Value variable(Type type);
  Value loadVariable(Value pointer);
  void storeVariable(Value value, Value pointer);
  /// The 16 bits of a narrow float, in the low half of an i32 whose other half
  /// is zero, from its f32 and back.
  Value narrowBits(Value number, Type element);
  Value widenBits(Value bits, Type element);

  // Control flow. What is shared inside of a body is forgotten after it.
  using Values = llvm::SmallVector<Value>;
  void loop(Value from, Value to, int64_t step,
            llvm::function_ref<void(Value)> body);
  /// A loop that carries values; the body returns the next ones.
  Values loopWith(Value from, Value to, int64_t step, mlir::ValueRange initial,
                  llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  /// Every invocation takes its share of [0, count).
  void share(int64_t count, llvm::function_ref<void(Value)> body);
  void when(Value condition, llvm::function_ref<void()> body);
  Values choose(Value condition, mlir::TypeRange types,
                llvm::function_ref<Values()> yes,
                llvm::function_ref<Values()> no);

  /// Remembers results within the present body. Keys are built from pointers
  /// and numbers.
  using Key = llvm::SmallVector<intptr_t, 6>;
  Value *remembered(const Key &key);
  void remember(const Key &key, Value value);

  /// Ends the module: entry point, size of a workgroup, interface.
  mlir::spirv::ModuleOp finish();

private:
  void declareInterface();
  WorkgroupArray workgroupArray(int64_t count, Type element);
  Value pushConstant(unsigned member);
  Value rowsMatter();
  Value binary(intptr_t tag, Value a, Value b,
               llvm::function_ref<Value()> make);
  mlir::spirv::GlobalVariableOp declare(llvm::StringRef name, Type type,
                                        mlir::spirv::StorageClass storage,
                                        llvm::StringRef builtIn = {});
  Type arrayPointer(Type element, unsigned stride);
  static void note(Buffers &among, const BufferPointer &buffer);
  Value elementPointer(const BufferPointer &buffer, Value index);
  Value vectorPointer(const BufferPointer &buffer, Value index);
  Value loadThrough(Value pointer, unsigned alignment);
  Value loadVector(const BufferPointer &buffer, Value index, Type element);
  void storeThrough(Value value, Value pointer, unsigned alignment);
  Value entryOp(llvm::function_ref<Value()> make);
  Value builtIn(llvm::StringRef name, llvm::StringRef builtIn);
  Value combineInMemory(Combine kind, Value value);
  Value combineInSubgroups(Combine kind, Value value);
  void findSubgroups();
  Value reduceSubgroup(Combine kind, Value value);
  void
  addMatrixNeeds(llvm::SmallVectorImpl<mlir::spirv::Capability> &capabilities,
                 llvm::SmallVectorImpl<mlir::spirv::Extension> &extensions);

  mlir::spirv::ModuleOp module_;
  mlir::spirv::FuncOp function_;
  llvm::SmallVector<mlir::Attribute> interface_;
  mlir::spirv::GlobalVariableOp constants_variable_;
  llvm::DenseMap<Value, BufferPointer> inputs_;
  llvm::DenseMap<Value, unsigned> scalars_;
  llvm::SmallVector<BufferPointer> outputs_;
  BufferPointer scalarsBuffer_;
  Accesses known_, accesses_;
  bool hasNarrow_ = false; ///< Whether a buffer has that form.
  Value tile_, invocation_;
  int64_t invocations_ = 1;
  int64_t workgroupBytes_ = 0;
  unsigned arrays_ = 0;
  WorkgroupArray partials_, totals_; ///< Made by the first to need them.
  Value lane_, subgroup_;            ///< The same.
  /// Number of subgroups in the workgroup, of the invocation in its subgroup
  /// and of all there. Which they are shows only on the device.
  struct {
    Value count, rank, size;
  } subgroups_;         ///< The same.
  Type matrixOperands_; ///< Null where there are no matrices.
  mlir::Operation *lastEntryOp_ = nullptr;
  std::map<int64_t, Value> constants_;
  llvm::DenseMap<Value, int64_t> constantValues_;
  std::vector<std::map<Key, Value>> scopes_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_EMITTER_H
