#include "gptc/runtime/tensors/Pack.h"
#include "tests/support/Matchers.h"

#include <cstring>
#include <gtest/gtest.h>

namespace gptc {
namespace {

constexpr uint64_t oddSizes[] = {1, 5, 7, 11, 13, 63, 64, 65, 127};

/// The element at [row, column]; bf16 holds it exactly.
float valueAt(uint64_t row, uint64_t column) {
  return float(int((row * 31 + column * 7) % 255) - 127);
}

/// A dense [rows, columns] tensor of valueAt(), shifted by `first` columns.
struct Source {
  Source(DataType type, uint64_t rows, uint64_t columns, uint64_t first,
         bool transposed) {
    bytes.resize(rows * columns * sizeOf(type));
    for (uint64_t r = 0; r < rows; ++r)
      for (uint64_t c = 0; c < columns; ++c) {
        float value = valueAt(r, first + c);
        double wide = value;
        uint16_t narrow = type == DataType::BF16 ? toBF16(value) : toF16(value);
        const void *from = type == DataType::F32   ? static_cast<void *>(&value)
                           : type == DataType::F64 ? static_cast<void *>(&wide)
                                                   : &narrow;
        uint64_t index = transposed ? c * rows + r : r * columns + c;
        std::memcpy(bytes.data() + index * sizeOf(type), from, sizeOf(type));
      }
    piece.tensor.type = type;
    piece.tensor.shape = {rows, columns};
    if (transposed)
      piece.tensor.shape = {columns, rows};
    piece.tensor.bytes = bytes;
    piece.transposed = transposed;
  }

  std::vector<std::byte> bytes;
  SourcePiece piece;
};

void expectRows(const std::byte *base, DataType type, bool packed,
                bool transposed, uint64_t rows, uint64_t columns) {
  std::vector<float> row(columns);
  for (uint64_t r = 0; r < rows; ++r) {
    loadRow(base, type, packed, transposed, rows, columns, r, row.data());
    for (uint64_t c = 0; c < columns; ++c)
      ASSERT_EQ(row[c], valueAt(r, c))
          << rows << "x" << columns << " at " << r << ", " << c;
  }
}

TEST(Pack, RowsRoundTrip) {
  for (DataType from :
       {DataType::F32, DataType::F64, DataType::F16, DataType::BF16})
    for (uint64_t rows : oddSizes)
      for (uint64_t columns : oddSizes)
        for (bool transposed : {false, true}) {
          Source source(from, rows, columns, 0, transposed);
          ASSERT_VALUE(
              SourceMatrix matrix,
              SourceMatrix::create("w", {rows, columns}, {source.piece}));
          for (DataType type : {DataType::F32, DataType::BF16, DataType::F16}) {
            std::vector<std::byte> stored(rows * columns * sizeOf(type));
            storeRows(matrix, type, 0, rows / 2, stored.data());
            storeRows(matrix, type, rows / 2, rows, stored.data());
            expectRows(stored.data(), type, false, false, rows, columns);
          }
        }
}

TEST(Pack, PanelsRoundTripAndPadWithZeros) {
  for (uint64_t rows : oddSizes)
    for (uint64_t columns : oddSizes)
      for (bool sourceTransposed : {false, true})
        for (bool transposed : {false, true})
          for (DataType type : {DataType::F32, DataType::BF16, DataType::F16}) {
            Source source(DataType::F32, rows, columns, 0, sourceTransposed);
            ASSERT_VALUE(
                SourceMatrix matrix,
                SourceMatrix::create("w", {rows, columns}, {source.piece}));
            uint64_t depth = transposed ? columns : rows;
            uint64_t width = transposed ? rows : columns;
            uint64_t panels = (width + 63) / 64;
            uint64_t elements = panels * 64 * ((depth + 15) / 16 * 16);
            std::vector<std::byte> stored(elements * sizeOf(type),
                                          std::byte{0xff});
            for (uint64_t p = 0; p < panels; ++p)
              storePanels(matrix, type, transposed, p, p + 1, stored.data());
            expectRows(stored.data(), type, true, transposed, rows, columns);
            // What is stored and no element of the matrix is zero.
            uint64_t nonzero = 0, expected = 0;
            for (uint64_t i = 0; i < elements; ++i) {
              uint32_t bits = 0;
              std::memcpy(&bits, stored.data() + i * sizeOf(type),
                          sizeOf(type));
              nonzero += bits != 0;
            }
            for (uint64_t r = 0; r < rows; ++r)
              for (uint64_t c = 0; c < columns; ++c)
                expected += valueAt(r, c) != 0;
            EXPECT_EQ(nonzero, expected);
          }
}

TEST(Pack, PlacesElementsAsTheSchemaSays) {
  // [K, N] = [3, 65]: element (2, 64) is in panel 1.
  Source source(DataType::F32, 3, 65, 0, false);
  ASSERT_VALUE(SourceMatrix matrix,
               SourceMatrix::create("w", {3, 65}, {source.piece}));
  std::vector<float> f32(size_t(2) * 16 * 64);
  storePanels(matrix, DataType::F32, false, 0, 2,
              reinterpret_cast<std::byte *>(f32.data()));
  EXPECT_EQ(f32[16 * 64 + 2 * 64], valueAt(2, 64));
  EXPECT_EQ(f32[64 + 9], valueAt(1, 9));
  // In bf16 rows lie in pairs: rows 0 and 1 of a column side by side.
  std::vector<uint16_t> bf16(size_t(2) * 16 * 64);
  storePanels(matrix, DataType::BF16, false, 0, 2,
              reinterpret_cast<std::byte *>(bf16.data()));
  EXPECT_EQ(fromBF16(bf16[2 * 9]), valueAt(0, 9));
  EXPECT_EQ(fromBF16(bf16[2 * 9 + 1]), valueAt(1, 9));
  EXPECT_EQ(fromBF16(bf16[128 + 2 * 9]), valueAt(2, 9));
}

TEST(Pack, PiecesJoinAlongTheLastDimension) {
  Source first(DataType::F32, 7, 5, 0, true);
  Source second(DataType::BF16, 7, 64, 5, false);
  Source third(DataType::F16, 7, 1, 69, true);
  ASSERT_VALUE(SourceMatrix matrix,
               SourceMatrix::create("w", {7, 70},
                                    {first.piece, second.piece, third.piece}));
  std::vector<std::byte> stored(size_t(7) * 70 * 4);
  storeRows(matrix, DataType::F32, 0, 7, stored.data());
  expectRows(stored.data(), DataType::F32, false, false, 7, 70);
  std::vector<std::byte> packed(size_t(2) * 64 * 16 * 4);
  storePanels(matrix, DataType::F32, false, 0, 2, packed.data());
  expectRows(packed.data(), DataType::F32, true, false, 7, 70);
}

TEST(Pack, OtherRanksAreRowsOfTheirLastDimension) {
  Source source(DataType::F32, 6, 5, 0, false);
  source.piece.tensor.shape = {2, 3, 5};
  ASSERT_VALUE(SourceMatrix matrix,
               SourceMatrix::create("w", {2, 3, 5}, {source.piece}));
  EXPECT_EQ(matrix.rows(), 6U);
  EXPECT_EQ(matrix.columns(), 5U);
  source.piece.tensor.shape = {30};
  ASSERT_VALUE(SourceMatrix vector,
               SourceMatrix::create("w", {30}, {source.piece}));
  EXPECT_EQ(vector.rows(), 1U);
}

TEST(Pack, PiecesThatDoNotFitAreErrors) {
  Source source(DataType::F32, 4, 6, 0, false);
  auto create = [&](const std::vector<uint64_t> &shape,
                    std::vector<SourcePiece> pieces) {
    return SourceMatrix::create("h.0.w", shape, std::move(pieces));
  };
  EXPECT_THAT(create({5, 6}, {source.piece}),
              FailsWith(ErrorCode::Corrupt, "'h.0.w' has shape [4, 6], "
                                            "expected to fit [5, 6]"));
  EXPECT_THAT(create({4, 5}, {source.piece}),
              FailsWith(ErrorCode::Corrupt, "expected to fit"));
  EXPECT_THAT(create({4, 7}, {source.piece}),
              FailsWith(ErrorCode::Corrupt, "6 columns, expected 7"));
  EXPECT_THAT(create({24}, {source.piece}),
              FailsWith(ErrorCode::Corrupt, "expected to fit"));
  EXPECT_THAT(create({4, 6}, {}), FailsWith(ErrorCode::Corrupt, "0 columns"));
  source.piece.transposed = true;
  EXPECT_THAT(create({4, 6}, {source.piece}),
              FailsWith(ErrorCode::Corrupt, "(transposed)"));
  source.piece.transposed = false;
  source.piece.tensor.type = DataType::I32;
  EXPECT_THAT(create({4, 6}, {source.piece}),
              FailsWith(ErrorCode::Unsupported, "i32"));
}

} // namespace
} // namespace gptc
