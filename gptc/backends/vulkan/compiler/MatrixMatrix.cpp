//===- MatrixMatrix.cpp - Products of many rows ---------------------------===//
//
// A workgroup computes a tile of the result, each invocation a small tile in
// registers. On a device with fast workgroup memory, the workgroup copies
// pieces of both operands there: each invocation fetches blocks of 4x4
// elements, and those of the next piece while it multiplies the present one.
// Elsewhere every invocation reads what it needs from the buffers.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Vectors = MatrixOperand::Vectors;

namespace {

class MatrixEmitter {
public:
  MatrixEmitter(Emitter &emitter, ir::MatmulOp op)
      : e(emitter), evaluator(emitter), shape(shapeOf(op)),
        left(emitter, evaluator, op, true),
        right(emitter, evaluator, op, false), results(emitter, evaluator, op) {}

  void emit();

private:
  Emitter &e;
  Evaluator evaluator;
  ProductShape shape;
  MatrixOperand left, right;
  ProductResults results;
  MatrixTile tile;
  int64_t rowQuads = 1, columnQuads = 1; ///< Of an invocation.
  int64_t invocationsAcross = 1, invocationsDown = 1;
  Value product, firstRow, firstColumn, across, down;

  void chooseTile();
  /// Where the quads of an invocation stand within the tile, in units of four
  /// rows or columns.
  Value rowQuad(int64_t i) { return e.add(down, i * invocationsDown); }
  Value columnQuad(int64_t i) { return e.add(across, i * invocationsAcross); }
  /// Their first rows and columns.
  Value rowOf(int64_t i) { return e.add(firstRow, e.mul(rowQuad(i), 4)); }
  Value columnOf(int64_t i) {
    return e.add(firstColumn, e.mul(columnQuad(i), 4));
  }
  void multiply(llvm::ArrayRef<Value> rows, llvm::ArrayRef<Value> columns,
                Values &sums);
  Values sumFromBuffers();
  Values sumFromWorkgroupMemory();
  Values zeros(int64_t count) {
    auto type = mlir::VectorType::get({4}, e.f32());
    return Values(size_t(count), e.zero(type));
  }
  std::array<Value, 4> fetch(MatrixOperand &operand, Value outer, Value k);
  void finish(const Values &sums);
};

/// The first tile that gives the device enough workgroups and is not mostly
/// empty, or else the last.
void MatrixEmitter::chooseTile() {
  for (const MatrixTile &candidate : e.target.tiles) {
    tile = candidate;
    int64_t workgroups = shape.count * ceilDiv(shape.rows, tile.rows) *
                         ceilDiv(shape.columns, tile.columns);
    if (workgroups >= e.target.workgroups && shape.rows > tile.rows / 2)
      break;
  }
  rowQuads = tile.rowsEach / 4;
  columnQuads = tile.columnsEach / 4;
  invocationsDown = tile.rows / tile.rowsEach;
  invocationsAcross = tile.columns / tile.columnsEach;
}

/// A block of one operand, zero behind the contracted dimension's end.
std::array<Value, 4> MatrixEmitter::fetch(MatrixOperand &operand, Value outer,
                                          Value k) {
  bool isLeft = &operand == &left;
  std::array<Value, 4> block = operand.loadBlock(
      {product, outer, k}, isLeft ? shape.rows : shape.columns, shape.depth);
  if (shape.depth % tile.depth == 0)
    return block;
  Value zero = zeros(1)[0];
  for (int i = 0; i < 4; ++i)
    block[i] =
        e.select(e.less(e.add(k, i), e.constant(shape.depth)), block[i], zero);
  return block;
}

/// One step of k: adds rows (vectors of four) times columns.
void MatrixEmitter::multiply(llvm::ArrayRef<Value> rows,
                             llvm::ArrayRef<Value> columns, Values &sums) {
  size_t next = 0;
  for (Value four : rows)
    for (int i = 0; i < 4; ++i) {
      Value x = e.extract(four, i);
      Value wide = e.gather4({x, x, x, x});
      for (Value column : columns) {
        sums[next] = e.fma(wide, column, sums[next]);
        ++next;
      }
    }
}

Values MatrixEmitter::sumFromBuffers() {
  return e.loopWith(e.constant(0), e.constant(shape.depth), 4,
                    zeros(4 * rowQuads * columnQuads),
                    [&](Value k, mlir::ValueRange carried) {
                      Values sums(carried);
                      llvm::SmallVector<std::array<Value, 4>> rows, columns;
                      for (int64_t q = 0; q < rowQuads; ++q)
                        rows.push_back(fetch(left, rowOf(q), k));
                      for (int64_t q = 0; q < columnQuads; ++q)
                        columns.push_back(fetch(right, columnOf(q), k));
                      for (int step = 0; step < 4; ++step) {
                        Values r, c;
                        for (const auto &block : rows)
                          r.push_back(block[step]);
                        for (const auto &block : columns)
                          c.push_back(block[step]);
                        multiply(r, c, sums);
                      }
                      return sums;
                    });
}

Values MatrixEmitter::sumFromWorkgroupMemory() {
  // Vectors along rows, then those along columns: [k][outer / 4] each. One
  // more vector a row spreads neighbours in k over the memory's banks.
  int64_t rowVectors = tile.rows / 4 + 1, columnVectors = tile.columns / 4 + 1;
  int64_t columnsAt = tile.depth * rowVectors;
  WorkgroupArray shared =
      e.workgroupVectors(columnsAt + tile.depth * columnVectors);
  int64_t leftBlocks = tile.rows * tile.depth / 16;
  int64_t blocks = leftBlocks + tile.columns * tile.depth / 16;
  int64_t rounds = ceilDiv(blocks, e.invocations());

  // Where a block stands in its piece, along the outer dimension in units of
  // four: neighbours are neighbours in memory.
  struct Place {
    Value quad, k;
  };
  auto placeOf = [&](const MatrixOperand &operand, Value number,
                     int64_t extent) -> Place {
    int64_t deep = tile.depth / 4, wide = extent / 4;
    if (operand.vectors() == Vectors::Depth)
      return {e.div(number, deep), e.mul(e.rem(number, deep), 4)};
    return {e.rem(number, wide), e.mul(e.div(number, wide), 4)};
  };
  // Runs for the operand that an invocation's block of this round is of.
  auto ofRound = [&](int64_t round,
                     llvm::function_ref<Values(bool, Value)> make,
                     mlir::TypeRange types) {
    int64_t first = round * e.invocations();
    Value number = e.add(e.invocation(), first);
    auto ofLeft = [&] { return make(true, number); };
    auto ofRight = [&] {
      Value rest = e.add(number, -leftBlocks);
      if (first + e.invocations() > blocks)
        rest = e.min(rest, e.constant(blocks - leftBlocks - 1));
      return make(false, rest);
    };
    if (first + e.invocations() <= leftBlocks)
      return ofLeft();
    if (first >= leftBlocks)
      return ofRight();
    return e.choose(e.less(number, e.constant(leftBlocks)), types, ofLeft,
                    ofRight);
  };
  auto vector = mlir::VectorType::get({4}, e.f32());
  llvm::SmallVector<mlir::Type> four(4, vector);
  auto fetchPiece = [&](Value k0) {
    Values pieces;
    for (int64_t round = 0; round < rounds; ++round)
      llvm::append_range(
          pieces, ofRound(
                      round,
                      [&](bool isLeft, Value number) {
                        Place at = placeOf(isLeft ? left : right, number,
                                           isLeft ? tile.rows : tile.columns);
                        Value outer = e.add(isLeft ? firstRow : firstColumn,
                                            e.mul(at.quad, 4));
                        auto block = fetch(isLeft ? left : right, outer,
                                           e.add(k0, at.k));
                        return Values(block.begin(), block.end());
                      },
                      four));
    return pieces;
  };
  auto storePiece = [&](mlir::ValueRange pieces) {
    for (int64_t round = 0; round < rounds; ++round) {
      mlir::Type i32 = e.builder.getI32Type();
      Values to =
          ofRound(round,
                  [&](bool isLeft, Value number) {
                    Place at = placeOf(isLeft ? left : right, number,
                                       isLeft ? tile.rows : tile.columns);
                    int64_t stride = isLeft ? rowVectors : columnVectors;
                    Value first = e.add(e.mul(at.k, stride), at.quad);
                    return Values{e.add(first, isLeft ? 0 : columnsAt),
                                  e.constant(stride)};
                  },
                  {i32, i32});
      // Where there are more invocations than blocks, the last is stored
      // again and again: the same values.
      for (int step = 0; step < 4; ++step)
        e.store(pieces[size_t(round * 4 + step)], shared,
                e.add(to[0], e.mul(to[1], e.constant(step))));
    }
  };

  Values initial = zeros(4 * rowQuads * columnQuads);
  size_t sumCount = initial.size();
  llvm::append_range(initial, fetchPiece(e.constant(0)));
  Values result = e.loopWith(
      e.constant(0), e.constant(shape.depth), tile.depth, initial,
      [&](Value k0, mlir::ValueRange carried) {
        storePiece(carried.drop_front(sumCount));
        e.barrier();
        // Of the piece behind the last one nothing is used.
        Values pieces = fetchPiece(
            e.min(e.add(k0, tile.depth),
                  e.constant((shape.depth - 1) / tile.depth * tile.depth)));
        Values sums(carried.take_front(sumCount));
        for (int64_t k = 0; k < tile.depth; ++k) {
          Values rows, columns;
          for (int64_t q = 0; q < rowQuads; ++q)
            rows.push_back(e.load(shared, e.add(rowQuad(q), k * rowVectors)));
          for (int64_t q = 0; q < columnQuads; ++q)
            columns.push_back(e.load(
                shared, e.add(columnQuad(q), columnsAt + k * columnVectors)));
          multiply(rows, columns, sums);
        }
        e.barrier();
        llvm::append_range(sums, pieces);
        return sums;
      });
  result.truncate(sumCount);
  return result;
}

void MatrixEmitter::finish(const Values &sums) {
  bool wholeRows = shape.rows % tile.rows == 0;
  bool wholeColumns = shape.columns % tile.columns == 0;
  size_t next = 0;
  for (int64_t q = 0; q < rowQuads; ++q)
    for (int i = 0; i < 4; ++i) {
      Value row = e.add(rowOf(q), i);
      Value rowInside =
          wholeRows ? Value() : e.less(row, e.constant(shape.rows));
      Value safeRow = wholeRows ? row : e.min(row, e.constant(shape.rows - 1));
      for (int64_t p = 0; p < columnQuads; ++p) {
        Value four = sums[next++];
        ProductResults::Elements elements;
        elements.row = e.add(e.mul(product, shape.rows), safeRow);
        for (int j = 0; j < 4; ++j) {
          Value column = e.add(columnOf(p), j);
          Value inside = rowInside;
          if (!wholeColumns) {
            Value here = e.less(column, e.constant(shape.columns));
            inside = inside ? e.both(inside, here) : here;
            column = e.min(column, e.constant(shape.columns - 1));
          }
          elements.columns.push_back(column);
          elements.sums.push_back(e.extract(four, j));
          elements.stores.push_back(inside);
        }
        results.store(elements);
      }
    }
}

void MatrixEmitter::emit() {
  chooseTile();
  int64_t rowTiles = ceilDiv(shape.rows, tile.rows);
  int64_t columnTiles = ceilDiv(shape.columns, tile.columns);
  e.innerTiles = uint32_t(columnTiles);
  // Tiles of one product cover its rows evenly only if they divide them.
  if (shape.count == 1 || shape.rows % tile.rows == 0)
    e.rowsPerBlock = uint32_t(tile.rows);
  e.forEachTile(shape.count * rowTiles * columnTiles,
                invocationsDown * invocationsAcross, [&] {
                  Value block = e.div(e.tile(), columnTiles);
                  product = e.div(block, rowTiles);
                  firstRow = e.mul(e.rem(block, rowTiles), tile.rows);
                  firstColumn =
                      e.mul(e.rem(e.tile(), columnTiles), tile.columns);
                  across = e.rem(e.invocation(), invocationsAcross);
                  down = e.div(e.invocation(), invocationsAcross);
                  finish(e.target.usesWorkgroupMemory ? sumFromWorkgroupMemory()
                                                      : sumFromBuffers());
                });
}

} // namespace

void emitMatrixMatrix(Emitter &emitter, ir::MatmulOp op) {
  MatrixEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
