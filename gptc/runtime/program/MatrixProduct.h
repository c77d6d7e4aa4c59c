//===- MatrixProduct.h - Products by oneDNN --------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_MATRIXPRODUCT_H
#define GPTC_RUNTIME_PROGRAM_MATRIXPRODUCT_H

#include "gptc/runtime/base/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gptc {

/// A product [rows, depth] x [depth, 64] of bf16 with f32 sums, by one oneDNN
/// primitive on the calling thread: the right operand is one packed panel
/// (oneDNN's BA16a64b2a), the sums are row-major.
class MatrixProduct {
public:
  /// `sourceStride` counts elements from row to row. `threads` may run it at
  /// once. Fails when oneDNN has no such primitive.
  static Expected<std::unique_ptr<MatrixProduct>> create(uint64_t rows,
                                                         uint64_t depth,
                                                         uint64_t sourceStride,
                                                         unsigned threads);
  ~MatrixProduct();

  /// oneDNN's name of what computes it: "brg:avx512_core_bf16".
  const std::string &implementation() const { return implementation_; }
  /// Whether that is oneDNN's reference, which is hundreds of times slower.
  bool isReference() const;
  /// Whether it uses the matrix registers of AMX.
  bool usesAmx() const;
  /// Bytes that a run needs at `scratch`.
  uint64_t scratchBytes() const { return scratchBytes_; }

  /// Runs on the calling thread, which is number `thread`. `sums` is
  /// overwritten; `scratch` is 64-byte aligned memory of this thread alone.
  /// oneDNN allocates its table of arguments, nothing else is allocated.
  void run(const std::byte *source, const std::byte *weights, std::byte *sums,
           std::byte *scratch, unsigned thread) const;

private:
  struct State;
  explicit MatrixProduct(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
  std::string implementation_;
  uint64_t scratchBytes_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_MATRIXPRODUCT_H
