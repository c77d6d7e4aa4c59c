//===- Pack.cpp -----------------------------------------------------------===//

#include "gptc/runtime/tensors/Pack.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

namespace gptc {

namespace {

constexpr uint64_t panelWidth = 64;

/// Reads element `i` of unaligned memory.
template <typename T> T at(const std::byte *bytes, uint64_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

/// Copies `count` elements, `stride` apart, as f32.
void gather(const TensorView &tensor, uint64_t first, uint64_t stride,
            uint64_t count, float *to) {
  const std::byte *bytes = tensor.bytes.data();
  switch (tensor.type) {
  case DataType::F32:
    if (stride == 1) {
      std::memcpy(to, bytes + first * 4, count * 4);
      return;
    }
    for (uint64_t i = 0; i < count; ++i)
      to[i] = at<float>(bytes, first + i * stride);
    return;
  case DataType::F64:
    for (uint64_t i = 0; i < count; ++i)
      to[i] = float(at<double>(bytes, first + i * stride));
    return;
  case DataType::F16:
    for (uint64_t i = 0; i < count; ++i)
      to[i] = fromF16(at<uint16_t>(bytes, first + i * stride));
    return;
  default:
    for (uint64_t i = 0; i < count; ++i)
      to[i] = fromBF16(at<uint16_t>(bytes, first + i * stride));
    return;
  }
}

void store(const float *from, DataType type, uint64_t count, std::byte *to) {
  assert(isWeightType(type));
  if (type == DataType::F32) {
    std::memcpy(to, from, count * 4);
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t bits = type == DataType::BF16 ? toBF16(from[i]) : toF16(from[i]);
    std::memcpy(to + i * 2, &bits, 2);
  }
}

} // namespace

Expected<SourceMatrix> SourceMatrix::create(const std::string &name,
                                            const std::vector<uint64_t> &shape,
                                            std::vector<SourcePiece> pieces) {
  SourceMatrix matrix;
  matrix.columns_ = shape.empty() ? 1 : shape.back();
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    matrix.rows_ *= shape[i];
  uint64_t column = 0;
  for (SourcePiece &piece : pieces) {
    std::vector<uint64_t> found = piece.tensor.shape;
    auto mismatch = [&] {
      return failure(ErrorCode::Corrupt,
                     "the checkpoint's tensor for '{}' has shape [{}]{}, "
                     "expected to fit [{}]",
                     name, fmt::join(found, ", "),
                     piece.transposed ? " (transposed)" : "",
                     fmt::join(shape, ", "));
    };
    switch (piece.tensor.type) {
    case DataType::F32:
    case DataType::F64:
    case DataType::F16:
    case DataType::BF16:
      break;
    default:
      return failure(ErrorCode::Unsupported,
                     "the checkpoint's tensor for '{}' has elements of type "
                     "{}, expected f64, f32, f16 or bf16",
                     name, toString(piece.tensor.type));
    }
    if (found.size() != shape.size() || (piece.transposed && found.size() != 2))
      return mismatch();
    if (piece.transposed)
      std::swap(found[0], found[1]);
    for (size_t i = 0; i + 1 < shape.size(); ++i)
      if (found[i] != shape[i])
        return mismatch();
    uint64_t width = found.empty() ? 1 : found.back();
    if (width > matrix.columns_ - column)
      return mismatch();
    matrix.parts_.push_back({std::move(piece), column, width});
    column += width;
  }
  if (column != matrix.columns_)
    return failure(ErrorCode::Corrupt,
                   "the checkpoint's tensors for '{}' have {} columns, "
                   "expected {}",
                   name, column, matrix.columns_);
  return matrix;
}

void SourceMatrix::readRow(uint64_t row, uint64_t begin, uint64_t end,
                           float *to) const {
  for (const Part &part : parts_) {
    uint64_t from = std::max(begin, part.first);
    uint64_t until = std::min(end, part.first + part.width);
    if (from >= until)
      continue;
    uint64_t column = from - part.first;
    if (part.piece.transposed)
      gather(part.piece.tensor, column * rows_ + row, rows_, until - from,
             to + (from - begin));
    else
      gather(part.piece.tensor, row * part.width + column, 1, until - from,
             to + (from - begin));
  }
}

void storeRows(const SourceMatrix &source, DataType type, uint64_t from,
               uint64_t to, std::byte *base) {
  std::vector<float> row(source.columns());
  for (uint64_t r = from; r < to; ++r) {
    source.readRow(r, 0, source.columns(), row.data());
    store(row.data(), type, row.size(), base + r * row.size() * sizeOf(type));
  }
}

void storePanels(const SourceMatrix &source, DataType type, bool transposed,
                 uint64_t from, uint64_t to, std::byte *base) {
  uint64_t depth = transposed ? source.columns() : source.rows();
  uint64_t columns = transposed ? source.rows() : source.columns();
  uint64_t padded = (depth + 15) / 16 * 16;
  uint64_t pairs = type == DataType::F32 ? 1 : 2;
  std::vector<float> line(transposed ? depth : panelWidth);
  std::vector<float> panel(padded * panelWidth);
  for (uint64_t p = from; p < to; ++p) {
    uint64_t first = p * panelWidth;
    uint64_t width = std::min(panelWidth, columns - first);
    std::fill(panel.begin(), panel.end(), 0.0F);
    auto place = [&](uint64_t k, uint64_t n) -> float & {
      return panel[(k / pairs * panelWidth + n) * pairs + k % pairs];
    };
    if (transposed) {
      for (uint64_t n = 0; n < width; ++n) {
        source.readRow(first + n, 0, depth, line.data());
        for (uint64_t k = 0; k < depth; ++k)
          place(k, n) = line[k];
      }
    } else {
      for (uint64_t k = 0; k < depth; ++k) {
        source.readRow(k, first, first + width, line.data());
        for (uint64_t n = 0; n < width; ++n)
          place(k, n) = line[n];
      }
    }
    store(panel.data(), type, panel.size(),
          base + p * panel.size() * sizeOf(type));
  }
}

void loadRow(const std::byte *base, DataType type, bool packed, bool transposed,
             uint64_t rows, uint64_t columns, uint64_t row, float *to) {
  TensorView view{type, {}, {base, SIZE_MAX / 2}};
  if (!packed) {
    gather(view, row * columns, 1, columns, to);
    return;
  }
  uint64_t depth = transposed ? columns : rows;
  uint64_t padded = (depth + 15) / 16 * 16;
  uint64_t pairs = type == DataType::F32 ? 1 : 2;
  for (uint64_t c = 0; c < columns; ++c) {
    uint64_t k = transposed ? c : row, n = transposed ? row : c;
    uint64_t offset = n / panelWidth * padded * panelWidth +
                      (k / pairs * panelWidth + n % panelWidth) * pairs +
                      k % pairs;
    gather(view, offset, 1, 1, to + c);
  }
}

} // namespace gptc
