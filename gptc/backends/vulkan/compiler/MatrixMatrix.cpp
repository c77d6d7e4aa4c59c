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

/// Vectors of four in a row of a tile in workgroup memory. One more than needed
/// spreads neighbours in k over the memory's banks.
int64_t paddedQuads(int64_t extent) { return extent / 4 + 1; }

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
  Value product, firstRow, firstColumn, across, down, share;
  WorkgroupArray shared; ///< Of vectors.
  int64_t sharedVectors = 0;

  double timeOf(const MatrixTile &candidate) const;
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
  Values sumWithBroadcasts();
  Values sumFromWorkgroupMemory();
  Values zeros(int64_t count) {
    auto type = mlir::VectorType::get({4}, e.f32());
    return Values(size_t(count), e.zero(type));
  }
  std::array<Value, 4> fetch(MatrixOperand &operand, Value outer, Value k);
  void finish(const Values &sums);
};

/// The time that a tile promises, in operations of one processor: the pieces
/// of its workgroups, each of which computes, fetches its operands and waits
/// for them; workgroups side by side hide each other's waits.
double MatrixEmitter::timeOf(const MatrixTile &candidate) const {
  constexpr int64_t mostResident = 2048; // Invocations with few registers.
  int64_t workgroups = shape.count * ceilDiv(shape.rows, candidate.rows) *
                       ceilDiv(shape.columns, candidate.columns);
  int64_t perProcessor = ceilDiv(workgroups, e.target.processors);
  int64_t room =
      4 * mostResident / (candidate.invocations() * candidate.rowsEach);
  int64_t resident = std::min(perProcessor, std::max<int64_t>(1, room));
  // A vector read from workgroup memory takes the time of four
  // multiplications of vectors, and only part of the rest is of use.
  auto each = double(candidate.rowsEach * candidate.columnsEach);
  int64_t leftReads = candidate.rowsEach;
  if (e.target.broadcasts && candidate.rows == candidate.rowsEach)
    leftReads /= 4;
  auto reads = double(leftReads + candidate.columnsEach);
  double useful = 1.4 * each / (each + 4 * reads);
  double computes =
      2.0 * double(candidate.rows * candidate.columns * candidate.depth) /
      useful;
  auto fetches = double(4 * (candidate.rows + candidate.columns) *
                        candidate.depth * e.target.operationsPerByte);
  double waits = double(e.target.operationsPerWait) / double(resident);
  return double(perProcessor * ceilDiv(shape.depth, candidate.depth)) *
         std::max({computes, fetches, waits});
}

void MatrixEmitter::chooseTile() {
  // Where each row of a piece is on another page, what is read of it must be
  // long: of a product over 50257, an H200 made 2.4 TFLOP/s by pieces of 16
  // steps, 7 by 32 and 12 to 17 by 64.
  constexpr int64_t longDepth = 64;
  bool farApart =
      e.target.usesWorkgroupMemory && (left.isFarApart() || right.isFarApart());
  llvm::SmallVector<MatrixTile> candidates;
  for (const MatrixTile &candidate : e.target.tiles)
    if (!farApart || candidate.depth >= longDepth)
      candidates.push_back(candidate);
  tile = *llvm::min_element(candidates,
                            [&](const MatrixTile &a, const MatrixTile &b) {
                              return timeOf(a) < timeOf(b);
                            });
  // Where every element is loaded by itself, a large tile is long code that
  // gains nothing without workgroup memory to share it in.
  auto isScattered = [](const MatrixOperand &operand) {
    return operand.vectors() == Vectors::None && !operand.isPairs();
  };
  if (!e.target.usesWorkgroupMemory &&
      (isScattered(right) || (isScattered(left) && !e.target.broadcasts)))
    tile = e.target.tiles.back();
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

/// The same where all invocations have the same rows: each of four neighbours
/// loads one of four rows, and hands it to the others. Sums are taken row by
/// row, so that few of them are in registers at a time.
Values MatrixEmitter::sumWithBroadcasts() {
  Value mine = e.rem(e.lane(), 4);
  auto loadRow = [&](int64_t quad, Value k) {
    Value row = e.min(e.add(rowOf(quad), mine), e.constant(shape.rows - 1));
    if (left.vectors() == Vectors::Depth)
      return left.load4({product, row, e.min(k, e.constant(shape.depth - 4))});
    Values steps;
    for (int i = 0; i < 4; ++i) {
      Value at = e.add(k, i);
      Value x =
          left.load({product, row, e.min(at, e.constant(shape.depth - 1))});
      if (shape.depth % 4 != 0)
        x = e.select(e.less(at, e.constant(shape.depth)), x, e.number(0));
      steps.push_back(x);
    }
    return e.gather4(steps);
  };
  return e.loopWith(e.constant(0), e.constant(shape.depth), 4,
                    zeros(4 * rowQuads * columnQuads),
                    [&](Value k, mlir::ValueRange carried) {
                      Values sums(carried), rows;
                      llvm::SmallVector<std::array<Value, 4>> columns;
                      for (int64_t q = 0; q < rowQuads; ++q)
                        rows.push_back(loadRow(q, k));
                      for (int64_t q = 0; q < columnQuads; ++q)
                        columns.push_back(fetch(right, columnOf(q), k));
                      size_t next = 0;
                      for (Value four : rows)
                        for (int64_t i = 0; i < 4; ++i) {
                          Values steps;
                          for (int step = 0; step < 4; ++step) {
                            Value x = e.broadcast(e.extract(four, step), i);
                            steps.push_back(e.gather4({x, x, x, x}));
                          }
                          for (const auto &column : columns) {
                            for (int step = 0; step < 4; ++step)
                              sums[next] =
                                  e.fma(steps[size_t(step)],
                                        column[size_t(step)], sums[next]);
                            ++next;
                          }
                        }
                      return sums;
                    });
}

Values MatrixEmitter::sumFromWorkgroupMemory() {
  // Vectors along rows, then those along columns: [k][outer / 4] each.
  int64_t rowVectors = paddedQuads(tile.rows);
  int64_t columnVectors = paddedQuads(tile.columns);
  int64_t columnsAt = tile.depth * rowVectors;
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
    if (operand.runsAlongDepth())
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
        int64_t steps = tile.depth / tile.shares;
        constexpr int64_t unroll = 4;
        Value firstStep = e.mul(share, steps);
        sums = e.loopWith(
            e.constant(0), e.constant(steps), unroll, sums,
            [&](Value k0, mlir::ValueRange inner) {
              Values next(inner);
              for (int64_t i = 0; i < std::min(unroll, steps); ++i) {
                Value k = e.add(firstStep, k0);
                Values rows, columns;
                // What is constant comes last, and so into the instruction.
                for (int64_t q = 0; q < rowQuads; ++q)
                  rows.push_back(e.load(
                      shared, e.add(e.add(e.mul(k, rowVectors), rowQuad(0)),
                                    i * rowVectors + q * invocationsDown)));
                for (int64_t q = 0; q < columnQuads; ++q)
                  columns.push_back(e.load(
                      shared,
                      e.add(e.add(e.mul(k, columnVectors), columnQuad(0)),
                            columnsAt + i * columnVectors +
                                q * invocationsAcross)));
                multiply(rows, columns, next);
              }
              return next;
            });
        e.barrier();
        llvm::append_range(sums, pieces);
        return sums;
      });
  result.truncate(sumCount);
  return result;
}

/// Brings the sums together in workgroup memory, where an invocation takes
/// four neighbouring columns of any row: one copy of the epilogue serves all.
void MatrixEmitter::finish(const Values &sums) {
  int64_t across4 = tile.columns / 4;
  int64_t perRow = tile.shares * invocationsDown * across4; // Of each.
  // As many rows of each invocation at a time as there is memory for.
  int64_t rowsAtOnce = tile.rowsEach;
  while (rowsAtOnce * perRow > sharedVectors)
    rowsAtOnce /= 2;
  int64_t rowsHere = rowsAtOnce * invocationsDown;
  for (int64_t from = 0; from < tile.rowsEach; from += rowsAtOnce) {
    if (from > 0)
      e.barrier();
    // [share][row of each][down][columns].
    Value at = e.mul(share, rowsHere * across4);
    for (int64_t i = 0; i < rowsAtOnce; ++i)
      for (int64_t p = 0; p < columnQuads; ++p) {
        Value place = e.add(e.mul(e.add(down, i * invocationsDown), across4),
                            columnQuad(p));
        e.store(sums[size_t((from + i) * columnQuads + p)], shared,
                e.add(at, place));
      }
    e.barrier();
    e.share(rowsHere * across4, [&](Value i) {
      Value sum = e.load(shared, i);
      for (int64_t s = 1; s < tile.shares; ++s)
        sum = e.fadd(sum, e.load(shared, e.add(i, s * rowsHere * across4)));
      Value placed = e.div(i, across4);
      // Rows of an invocation are quads, one after the other.
      Value each = e.add(e.div(placed, invocationsDown), from);
      Value quad = e.add(e.rem(placed, invocationsDown),
                         e.mul(e.div(each, 4), invocationsDown));
      Value row = e.add(firstRow, e.add(e.mul(quad, 4), e.rem(each, 4)));
      Value column = e.add(firstColumn, e.mul(e.rem(i, across4), 4));
      results.storeQuad(shape, tile, product, row, column, sum);
    });
  }
}

void MatrixEmitter::emit() {
  chooseTile();
  auto body = [&](const TilePlace &place) {
    product = place.product;
    firstRow = place.firstRow;
    firstColumn = place.firstColumn;
    int64_t positions = invocationsAcross * invocationsDown;
    share = e.div(e.invocation(), positions);
    Value position = e.rem(e.invocation(), positions);
    across = e.rem(position, invocationsAcross);
    down = e.div(position, invocationsAcross);
    // Operands first, then sums.
    sharedVectors = tile.rows * tile.columns / 4;
    if (e.target.usesWorkgroupMemory)
      sharedVectors =
          tile.depth * (paddedQuads(tile.rows) + paddedQuads(tile.columns));
    shared = e.workgroupVectors(sharedVectors);
    if (e.target.usesWorkgroupMemory)
      finish(sumFromWorkgroupMemory());
    else if (e.target.broadcasts && tile.rows == tile.rowsEach)
      finish(sumWithBroadcasts());
    else
      finish(sumFromBuffers());
  };
  forEachMatrixTile(e, shape, tile, tile.invocations(), results, body);
}

} // namespace

void emitMatrixMatrix(Emitter &emitter, ir::MatmulOp op) {
  MatrixEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
