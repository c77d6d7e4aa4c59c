//===- Pack.h - From checkpoint tensors to stored layouts ------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TENSORS_PACK_H
#define GPTC_RUNTIME_TENSORS_PACK_H

#include "gptc/runtime/tensors/Safetensors.h"

namespace gptc {

/// A tensor of a checkpoint as part of a variable.
struct SourcePiece {
  TensorView tensor;
  bool transposed = false;
};

/// A variable made of pieces, joined along its last dimension.
class SourceMatrix {
public:
  /// `shape` is the variable's; every piece must fit it. Errors name `name`.
  static Expected<SourceMatrix> create(const std::string &name,
                                       const std::vector<uint64_t> &shape,
                                       std::vector<SourcePiece> pieces);

  /// Writes elements [begin, end) of row `row` (the shape without its last
  /// dimension flattened) as f32.
  void readRow(uint64_t row, uint64_t begin, uint64_t end, float *to) const;
  uint64_t rows() const { return rows_; }
  uint64_t columns() const { return columns_; }

private:
  struct Part {
    SourcePiece piece;
    uint64_t first;
    uint64_t width;
  };
  std::vector<Part> parts_;
  uint64_t rows_ = 1;
  uint64_t columns_ = 1;
};

/// Stores in row-major order, rows [from, to). The type must be one of weights
/// (isWeightType), here and below.
void storeRows(const SourceMatrix &source, DataType type, uint64_t from,
               uint64_t to, std::byte *base);

/// Stores panels [from, to) of 64 columns; see Layout::Packed in Artifact.fbs.
/// With `transposed` the source is [N, K]. Only F32 and BF16.
void storePanels(const SourceMatrix &source, DataType type, bool transposed,
                 uint64_t from, uint64_t to, std::byte *base);

/// The inverse of storePanels and storeRows for one row of the variable.
void loadRow(const std::byte *base, DataType type, bool packed, bool transposed,
             uint64_t rows, uint64_t columns, uint64_t row, float *to);

} // namespace gptc

#endif // GPTC_RUNTIME_TENSORS_PACK_H
