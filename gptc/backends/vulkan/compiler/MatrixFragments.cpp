//===- MatrixFragments.cpp - Products in matrices of subgroups ------------===//
//
// A workgroup computes a tile of the result, each subgroup a part of it, in
// fragments. The workgroup copies pieces of both operands into its memory, in
// chunks of four words, and fetches those of the next piece while it multiplies
// the present one. There each row of the left operand, and each column of the
// right one, is a row of pairs of elements along k.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Fragments.h"
#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
using mlir::Value;
using Values = llvm::SmallVector<Value>;

namespace {

constexpr int64_t extent = matrixExtent;

class FragmentEmitter {
public:
  FragmentEmitter(Emitter &emitter, ir::MatmulOp op)
      : e(emitter), evaluator(emitter), shape(shapeOf(op)),
        left(emitter, evaluator, op, true),
        right(emitter, evaluator, op, false), results(emitter, evaluator, op),
        fragments(emitter, left.element()) {}

  void emit();

private:
  Emitter &e;
  Evaluator evaluator;
  ProductShape shape;
  MatrixOperand left, right;
  ProductResults results;
  Fragments fragments;
  MatrixTile tile;
  int64_t across = 1, down = 1;                   ///< Subgroups of a tile.
  int64_t fragmentsAcross = 1, fragmentsDown = 1; ///< Of a subgroup.
  int64_t stride = 0; ///< Of a row in workgroup memory, in words.
  Value product, firstRow, firstColumn, ownAcross, ownDown, share;
  WorkgroupArray staged;
  llvm::SmallVector<Fragments::Sums> sums;

  double timeOf(const MatrixTile &candidate) const;
  void chooseTile();
  int64_t invocations() const { return tile.invocations() * matrixInvocations; }
  int64_t stagedWords() const { return (tile.rows + tile.columns) * stride; }

  // A chunk of an operand's piece: four pairs of four neighbours, where it is
  // packed in pairs, or of one.
  struct Chunk {
    Value outer, k; ///< Within the piece.
  };
  int64_t extentOf(const MatrixOperand &operand) const {
    return &operand == &left ? tile.rows : tile.columns;
  }
  int64_t chunksOf(const MatrixOperand &operand) const {
    return extentOf(operand) * tile.depth / 8;
  }
  Chunk chunkAt(const MatrixOperand &operand, Value number);
  Value fetch(MatrixOperand &operand, const Chunk &chunk, Value k0);
  Value fetchElements(MatrixOperand &operand, Value outer, Value k);
  Value zeroBehind(Value words, Value k, bool alongOuter);
  void fetchPiece(MatrixOperand &operand, Value k0, Values &words);
  void storePiece(const MatrixOperand &operand, mlir::ValueRange words);
  void multiplyPiece();
  void sumUp();
  void finish();
};

/// The time that a tile promises, as MatrixEmitter has it.
double FragmentEmitter::timeOf(const MatrixTile &candidate) const {
  constexpr int64_t mostResident = 1024; // Invocations with many registers.
  // Against multiplying numbers, where fragments need not be loaded.
  constexpr double speed = 8;
  int64_t workgroups = shape.count * ceilDiv(shape.rows, candidate.rows) *
                       ceilDiv(shape.columns, candidate.columns);
  int64_t perProcessor = ceilDiv(workgroups, e.target.processors);
  int64_t room = mostResident / (candidate.invocations() * matrixInvocations);
  int64_t resident = std::min(perProcessor, std::max<int64_t>(1, room));
  auto each = double(candidate.rowsEach * candidate.columnsEach);
  auto reads = double(8 * (candidate.rowsEach + candidate.columnsEach));
  double computes =
      2.0 * double(candidate.rows * candidate.columns * candidate.depth) *
      (each + reads) / (each * speed);
  auto fetches = double(2 * (candidate.rows + candidate.columns) *
                        candidate.depth * e.target.operationsPerByte);
  double waits = double(e.target.operationsPerWait) / double(resident);
  return double(perProcessor * ceilDiv(shape.depth, candidate.depth)) *
         std::max({computes, fetches, waits});
}

void FragmentEmitter::chooseTile() {
  tile = *llvm::min_element(e.target.matrixTiles,
                            [&](const MatrixTile &a, const MatrixTile &b) {
                              return timeOf(a) < timeOf(b);
                            });
  across = tile.columns / tile.columnsEach;
  down = tile.rows / tile.rowsEach;
  fragmentsAcross = tile.columnsEach / extent;
  fragmentsDown = tile.rowsEach / extent;
  // Four words more spread neighbours over the memory's banks; matrices lie at
  // multiples of 16 bytes.
  stride = tile.depth / 2 + 4;
}

/// Neighbours take what lies together in the buffer. Of pairs they take steps
/// of k first, so that they store to different banks.
FragmentEmitter::Chunk FragmentEmitter::chunkAt(const MatrixOperand &operand,
                                                Value number) {
  if (operand.isPairs()) {
    int64_t deep = tile.depth / 2;
    return {e.mul(e.div(number, deep), 4), e.mul(e.rem(number, deep), 2)};
  }
  if (operand.runsAlongDepth()) {
    int64_t deep = tile.depth / 8;
    return {e.div(number, deep), e.mul(e.rem(number, deep), 8)};
  }
  int64_t wide = extentOf(operand);
  return {e.rem(number, wide), e.mul(e.div(number, wide), 8)};
}

/// Four words of pairs along k from `k` on, or of the pair there of four
/// neighbours: what is behind the end of k is zero.
Value FragmentEmitter::zeroBehind(Value words, Value k, bool alongOuter) {
  if (shape.depth % tile.depth == 0)
    return words;
  Value depth = e.constant(shape.depth);
  if (alongOuter && shape.depth % 2 != 0) {
    Value mask = e.select(e.less(e.add(k, 1), depth), e.constant(-1),
                          e.constant(0xffff));
    words = arith::AndIOp::create(e.builder, e.loc, words,
                                  e.gather4({mask, mask, mask, mask}));
  }
  return e.select(e.less(k, depth), words, e.zero(words.getType()));
}

/// Eight elements along k, one by one.
Value FragmentEmitter::fetchElements(MatrixOperand &operand, Value outer,
                                     Value k) {
  Values bits, words;
  bool ends = shape.depth % tile.depth != 0;
  for (int i = 0; i < 8; ++i) {
    Value step = e.add(k, i);
    Value at = ends ? e.min(step, e.constant(shape.depth - 1)) : step;
    Value one =
        e.narrowBits(operand.load({product, outer, at}), operand.element());
    if (ends)
      one = e.select(e.less(step, e.constant(shape.depth)), one, e.constant(0));
    bits.push_back(one);
  }
  for (int i = 0; i < 8; i += 2) {
    Value high = arith::ShLIOp::create(e.builder, e.loc, bits[size_t(i) + 1],
                                       e.constant(16));
    words.push_back(
        arith::OrIOp::create(e.builder, e.loc, bits[size_t(i)], high));
  }
  return e.gather4(words);
}

Value FragmentEmitter::fetch(MatrixOperand &operand, const Chunk &chunk,
                             Value k0) {
  bool isLeft = &operand == &left;
  int64_t outerExtent = isLeft ? shape.rows : shape.columns;
  Value outer = e.add(isLeft ? firstRow : firstColumn, chunk.outer);
  Value k = e.add(k0, chunk.k);
  // Beyond the operand's edge it is the last row or column again, of which
  // nothing is stored.
  if (operand.isPairs()) {
    outer = e.min(outer, e.constant((outerExtent - 1) / 4 * 4));
    Value inside = e.min(k, e.constant((shape.depth - 1) / 2 * 2));
    return zeroBehind(operand.loadPairWords({product, outer, inside}), k,
                      /*alongOuter=*/true);
  }
  outer = e.min(outer, e.constant(outerExtent - 1));
  if (!operand.isEights())
    return fetchElements(operand, outer, k);
  Value inside = e.min(k, e.constant(shape.depth - 8));
  return zeroBehind(operand.loadEight({product, outer, inside}), k,
                    /*alongOuter=*/false);
}

void FragmentEmitter::fetchPiece(MatrixOperand &operand, Value k0,
                                 Values &words) {
  int64_t chunks = chunksOf(operand);
  for (int64_t from = 0; from < chunks; from += e.invocations()) {
    Value number = e.add(e.invocation(), from);
    if (from + e.invocations() > chunks)
      number = e.min(number, e.constant(chunks - 1));
    words.push_back(fetch(operand, chunkAt(operand, number), k0));
  }
}

void FragmentEmitter::storePiece(const MatrixOperand &operand,
                                 mlir::ValueRange words) {
  int64_t chunks = chunksOf(operand);
  for (auto [round, four] : llvm::enumerate(words)) {
    int64_t from = int64_t(round) * e.invocations();
    Value number = e.add(e.invocation(), from), chunkWords = four;
    auto store = [&] {
      Chunk chunk = chunkAt(operand, number);
      Value at = e.add(e.mul(chunk.outer, stride), e.div(chunk.k, 2));
      if (&operand == &right)
        at = e.add(at, tile.rows * stride);
      for (int i = 0; i < 4; ++i)
        fragments.storePair(e.extract(chunkWords, i), staged,
                            e.add(at, operand.isPairs() ? i * stride : i));
    };
    if (from + e.invocations() > chunks)
      e.when(e.less(number, e.constant(chunks)), store);
    else
      store();
  }
}

/// A subgroup's share of the steps of a piece.
void FragmentEmitter::multiplyPiece() {
  int64_t words = tile.depth / tile.shares / 2;
  Value firstWord = e.mul(share, words);
  Value rows = e.add(e.mul(ownDown, tile.rowsEach * stride), firstWord);
  Value columns = e.add(e.mul(ownAcross, tile.columnsEach * stride), firstWord);
  e.loop(e.constant(0), e.constant(words), extent / 2, [&](Value word) {
    llvm::SmallVector<Fragments::Operand> lefts, rights;
    for (int64_t i = 0; i < fragmentsDown; ++i)
      lefts.push_back(fragments.left(
          staged, e.add(e.add(rows, word), i * extent * stride), stride));
    for (int64_t i = 0; i < fragmentsAcross; ++i)
      rights.push_back(fragments.right(
          staged,
          e.add(e.add(columns, word), (tile.rows + i * extent) * stride),
          stride));
    size_t next = 0;
    for (const Fragments::Operand &row : lefts)
      for (const Fragments::Operand &column : rights)
        fragments.multiplyAdd(row, column, sums[next++]);
  });
}

void FragmentEmitter::sumUp() {
  for (int64_t i = 0; i < fragmentsDown * fragmentsAcross; ++i)
    sums.push_back(fragments.zeros());
  auto fetchBoth = [&](Value k0) {
    Values words;
    fetchPiece(left, k0, words);
    fetchPiece(right, k0, words);
    return words;
  };
  size_t ofLeft = size_t(ceilDiv(chunksOf(left), e.invocations()));
  e.loopWith(e.constant(0), e.constant(shape.depth), tile.depth,
             fetchBoth(e.constant(0)), [&](Value k0, mlir::ValueRange carried) {
               storePiece(left, carried.take_front(ofLeft));
               storePiece(right, carried.drop_front(ofLeft));
               e.barrier();
               // Of the piece behind the last one nothing is used.
               int64_t last = (shape.depth - 1) / tile.depth * tile.depth;
               Values next =
                   fetchBoth(e.min(e.add(k0, tile.depth), e.constant(last)));
               multiplyPiece();
               e.barrier();
               return next;
             });
}

/// Brings the sums into workgroup memory, as many rows of fragments of each
/// subgroup at a time as there is room for; there an invocation takes four
/// neighbouring columns of any row.
void FragmentEmitter::finish() {
  auto floats = [&](int64_t fragmentRows) {
    return tile.shares * down * fragmentRows * extent * tile.columns;
  };
  int64_t atOnce = fragmentsDown;
  while (atOnce > 1 &&
         4 * (floats(atOnce) + stagedWords()) > workgroupMemoryBytes)
    atOnce /= 2;
  WorkgroupArray brought = e.workgroupArray(floats(atOnce));
  int64_t rowsEach = atOnce * extent;
  int64_t ofShare = down * rowsEach * tile.columns;
  Value first = e.add(
      e.add(e.mul(share, ofShare), e.mul(ownDown, rowsEach * tile.columns)),
      e.mul(ownAcross, tile.columnsEach));
  for (int64_t from = 0; from < fragmentsDown; from += atOnce) {
    if (from > 0)
      e.barrier();
    for (int64_t i = 0; i < atOnce; ++i)
      for (int64_t j = 0; j < fragmentsAcross; ++j)
        fragments.store(sums[size_t((from + i) * fragmentsAcross + j)], brought,
                        e.add(first, i * extent * tile.columns + j * extent),
                        tile.columns);
    e.barrier();
    e.share(ofShare / 4, [&](Value number) {
      Value at = e.mul(number, 4), sum;
      for (int64_t s = 0; s < tile.shares; ++s) {
        Values four;
        for (int64_t i = 0; i < 4; ++i)
          four.push_back(e.load(brought, e.add(at, s * ofShare + i)));
        sum = sum ? e.fadd(sum, e.gather4(four)) : e.gather4(four);
      }
      Value placed = e.div(at, tile.columns);
      Value row = e.add(e.mul(e.div(placed, rowsEach), tile.rowsEach),
                        e.add(e.rem(placed, rowsEach), from * extent));
      results.storeQuad(shape, tile, product, e.add(firstRow, row),
                        e.add(firstColumn, e.rem(at, tile.columns)), sum);
    });
  }
}

void FragmentEmitter::emit() {
  chooseTile();
  auto body = [&](const TilePlace &place) {
    product = place.product;
    firstRow = place.firstRow;
    firstColumn = place.firstColumn;
    Value subgroup = fragments.subgroup();
    share = e.div(subgroup, across * down);
    Value position = e.rem(subgroup, across * down);
    ownAcross = e.rem(position, across);
    ownDown = e.div(position, across);
    staged = fragments.operands(stagedWords());
    sumUp();
    finish();
  };
  forEachMatrixTile(e, shape, tile, invocations(), results, body);
}

} // namespace

bool multipliesMatrices(const VulkanTarget &target, ir::MatmulOp op) {
  auto isOfType = [&](mlir::Value operand) {
    mlir::Type element =
        llvm::cast<mlir::RankedTensorType>(operand.getType()).getElementType();
    return target.matrixType == "bf16" ? element.isBF16() : element.isF16();
  };
  return !target.matrixType.empty() && shapeOf(op).rows > mostVectorRows &&
         isOfType(op.getLhs()) && isOfType(op.getRhs());
}

void emitMatrixFragments(Emitter &emitter, ir::MatmulOp op) {
  FragmentEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
