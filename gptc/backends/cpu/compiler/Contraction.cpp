//===- Contraction.cpp - Matrix products with prologue and epilogue -------===//
//
// A tile is a block of rows times a group of 64-column panels. Products are
// accumulated in registers (MicroKernel) into a block of scratch, over blocks
// of k that keep a panel in the second-level cache; the epilogue then visits
// that block once.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/Families.h"
#include "gptc/backends/cpu/compiler/MicroKernel.h"
#include "gptc/ir/StridedView.h"

namespace gptc::cpu {

using mlir::RankedTensorType;
using mlir::Value;

namespace {

RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}

constexpr int64_t panelWidth = 64;
constexpr int64_t cacheLine = 64; ///< In bytes.

class ContractionEmitter {
public:
  ContractionEmitter(Emitter &emitter, ir::MatmulOp op)
      : e(emitter), op(op), evaluator(emitter) {}

  void emit(ContractionPart part);

private:
  Emitter &e;
  ir::MatmulOp op;
  Evaluator evaluator;

  int64_t products = 1; ///< Products with a right operand of their own.
  int64_t rows = 1;     ///< Of one product.
  int64_t columns = 1;
  int64_t depth = 1;
  int64_t paddedDepth = 1;
  int64_t blockRows = 1;
  int64_t tileRows = 1;
  bool direct = false;    ///< Whether tiles read the left operand in place.
  int64_t leftStride = 1; ///< In k.
  /// Whether steps of k, each far from the next in the left operand, are
  /// gathered in scratch: [k][rows of a block], or [k/2][rows of a block][2] in
  /// bf16.
  bool gathered = false;
  bool packed = false;
  /// Whether packed pairs and the left operand are widened to f32 in scratch,
  /// since many register tiles read them.
  bool widens = false;
  PanelForm form = PanelForm::Rows;
  int64_t panels = 1;
  int64_t rowBlocks = 1;
  int64_t perTile = 1; ///< Panels of a tile.
  int64_t groups = 1;  ///< Tiles of a block of rows.
  Value product, firstRow, endRow;
  Value left, panel, sums;

  void chooseTiles();
  void divide();
  void selectBlock(Value block);
  bool takesPrologue();
  std::optional<LibraryProduct> libraryProduct();
  int64_t sumBytes() const;
  void multiplyPanel(Value number);
  int64_t tileVectors() const;
  void prefetchNext(Value number, Value toK, int64_t column, Value r);
  bool dependsOnProduct(Value value);
  Value leftOffset(Value row);
  mlir::Type leftElement();
  void fillLeft(bool storeResults);
  void gatherLeft(Value fromK, Value toK);
  Value stepAfter(Value k, llvm::function_ref<Value(Value)> step);
  int64_t paddedRows() const {
    return (blockRows + tileRows - 1) / tileRows * tileRows;
  }
  bool panelRunsAlongDepth();
  /// Whether tiles read the right operand from scratch.
  bool copiesPanel() const { return !packed || widens; }
  void fillPanel(Value number, Value fromK, Value toK);
  void widenPanel(Value number, Value fromK, Value toK);
  void storePairs(Value low, Value high, Value row, Value v);
  void fillPanelAlongDepth(Value number, Value fromK, Value toK);
  void storePrologueResults(Evaluator &rowEvaluator, Value row, Value column,
                            Value mask);
  TilePanel panelAt(Value number, int64_t column, Value fromK);
  /// Steps of k of a block.
  int64_t stepsOfBlock() const;
  void multiply(Value panelNumber, Value fromK, Value toK, bool first);
  void finish(Value panelNumber);
  /// Flat row of the result.
  Value flatRow(Value row) { return e.add(e.mul(product, rows), row); }
  llvm::SmallVector<Value> leftIndex(Value row, Value k);
};

void ContractionEmitter::chooseTiles() {
  bool shared = op.sharesRhs();
  products = shared ? 1 : op.getBatch();
  rows = shared ? op.getBatch() * op.getM() : op.getM();
  if (shared && op.getTransposeLhs() && op.getBatch() > 1) {
    products = op.getBatch();
    rows = op.getM();
  }
  columns = op.getN();
  depth = op.getK();
  paddedDepth = (depth + 15) / 16 * 16;
  packed = llvm::isa_and_nonnull<ir::PackedAttr>(
      op.getRhs().getType().getEncoding());
  auto element = op.getRhs().getType().getElementType();
  bool dots = e.target.bf16Dot && e.width == 16 && element.isBF16();
  bool pairs = packed && element.getIntOrFloatBitWidth() == 16;
  widens = pairs && !dots && rows > e.target.tileRows;
  if (pairs && !widens)
    form = dots ? PanelForm::Dots : PanelForm::Pairs;
  else if (dots && op.getLhs().getType().getElementType().isBF16())
    form = PanelForm::Dots;

  auto view = ir::resolveView(op.getLhs());
  // Of a transposed operand the rows of a tile lie together; each step of k is
  // elsewhere.
  int64_t stride =
      view
          ? view->strides[view->strides.size() - (op.getTransposeLhs() ? 2 : 1)]
          : 0;
  bool inBuffer = view && llvm::isa<mlir::BlockArgument>(view->base);
  bool runsAlongRows =
      inBuffer && op.getTransposeLhs() && view->strides.back() == 1;
  // Pairs of k must lie together.
  bool together = form == PanelForm::Rows || stride == 1 || depth == 1;
  if (packed && form != PanelForm::Rows)
    together = together && depth % 2 == 0;
  direct = !widens && inBuffer && together &&
           (stride == 1 || depth == 1 || op.getTransposeLhs());
  if (direct && depth > 1)
    leftStride = stride;
  // Steps of k that are many pages apart do not stay in the caches of
  // addresses; those of a hidden layer are read as quickly where they are.
  constexpr int64_t farApart = 16384;
  gathered = runsAlongRows && depth > 1 && e.width > 1 &&
             (form == PanelForm::Dots ||
              (direct && stride >= farApart && rows > e.target.tileRows));
  direct |= gathered;
  if (gathered)
    leftStride = stride;

  tileRows = std::min<int64_t>(rows, e.target.tileRows);
  // Few wasted rows, but a lower tile loads more for each product: some 4 %
  // for each row less.
  if (rows > e.target.tileRows) {
    auto cost = [&](int64_t height) {
      int64_t computed = (rows + height - 1) / height * height;
      return computed * (100 + 4 * (e.target.tileRows - height));
    };
    for (int64_t candidate : {int64_t(5), int64_t(4)})
      if (cost(candidate) < cost(tileRows))
        tileRows = candidate;
  }
  blockRows = std::min<int64_t>(rows, e.target.blockRows / tileRows * tileRows);
  // Each block packs its panels anew: fewer blocks, as long as there are tiles
  // for many threads.
  if (!packed && direct && rows > blockRows) {
    constexpr int64_t mostRows = 288, manyTiles = 24;
    int64_t tilesOfBlock = products * ((columns + panelWidth - 1) / panelWidth);
    int64_t blocks = std::max((rows + mostRows - 1) / mostRows,
                              (manyTiles + tilesOfBlock - 1) / tilesOfBlock);
    int64_t height = (rows + blocks - 1) / blocks;
    height = (height + tileRows - 1) / tileRows * tileRows;
    blockRows = std::max(blockRows, std::min(height, rows));
  }
}

bool ContractionEmitter::dependsOnProduct(Value value) {
  if (value == op.getResult())
    return true;
  mlir::Operation *definition = value.getDefiningOp();
  return definition && llvm::any_of(definition->getOperands(), [&](Value v) {
           return dependsOnProduct(v);
         });
}

llvm::SmallVector<Value> ContractionEmitter::leftIndex(Value row, Value k) {
  auto shape = op.getLhs().getType().getShape();
  llvm::SmallVector<int64_t> leading(shape.drop_back(2));
  leading.push_back(op.getM());
  llvm::SmallVector<Value> index = e.delinearize(flatRow(row), leading);
  index.push_back(k);
  if (op.getTransposeLhs())
    std::swap(index[index.size() - 1], index[index.size() - 2]);
  return index;
}

/// Where a row of the left operand begins, in elements.
Value ContractionEmitter::leftOffset(Value row) {
  auto view = ir::resolveView(op.getLhs());
  if (!direct || !view)
    return e.mul(e.sub(row, firstRow), paddedDepth);
  Value offset = e.constant(view->offset);
  llvm::SmallVector<Value> index = leftIndex(row, e.constant(0));
  for (auto [i, stride] : llvm::zip(index, view->strides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

void ContractionEmitter::storePrologueResults(Evaluator &rowEvaluator,
                                              Value row, Value column,
                                              Value mask) {
  RowSpace space{products * rows, depth};
  for (auto [i, value] : llvm::enumerate(e.kernel.getYield().getValues())) {
    if (dependsOnProduct(value))
      continue;
    Coordinates at = rowCoordinates(e, value, flatRow(row), column, space);
    Value x = rowEvaluator.evaluate(value, at, mask);
    auto type = typeOf(value);
    Value offset = e.linearize(at.index, type.getShape());
    if (at.lanes >= 0 || e.width == 1)
      e.storeVector(x, e.output(i), offset, type.getElementType(), mask);
    else
      e.storeScalar(x, e.output(i), offset, type.getElementType());
  }
}

/// Of what tiles read of the left operand.
mlir::Type ContractionEmitter::leftElement() {
  if (widens || (gathered && form == PanelForm::Rows))
    return e.builder.getF32Type();
  return op.getLhs().getType().getElementType();
}

/// Evaluates the block's rows of the left operand into scratch.
void ContractionEmitter::fillLeft(bool storeResults) {
  mlir::Type element = leftElement();
  mlir::Operation *matmul = op;
  llvm::SmallVector<mlir::Operation *> before;
  for (mlir::Operation &other : e.kernel.getBody().front())
    if (other.isBeforeInBlock(matmul))
      before.push_back(&other);
  RowSpace space{products * rows, depth};
  e.loop(firstRow, endRow, 1, [&](Value row) {
    Evaluator rowEvaluator(e);
    bindReductions(e, rowEvaluator, before, flatRow(row), space);
    Value start = leftOffset(row);
    auto along = [&](Value k, Value mask) {
      Coordinates at{leftIndex(row, k), -1};
      if (e.width > 1)
        at.lanes = int(at.index.size()) - (op.getTransposeLhs() ? 2 : 1);
      Value x = e.splat(rowEvaluator.evaluate(op.getLhs(), at, mask));
      if (mask) {
        // Padding meets the zeros of the panel and must be finite.
        Value zero = mlir::arith::ConstantOp::create(
            e.builder, e.loc, e.builder.getZeroAttr(x.getType()));
        x = mlir::arith::SelectOp::create(e.builder, e.loc, mask, x, zero);
      }
      e.storeVector(x, left, e.add(start, k), element);
      if (storeResults) {
        Value isFirst =
            e.compare(mlir::arith::CmpIPredicate::eq,
                      e.rem(e.tile(), e.encoded.innerTiles), e.constant(0));
        e.when(isFirst,
               [&] { storePrologueResults(rowEvaluator, row, k, mask); });
      }
    };
    e.vectorLoop(depth, along);
    if (form != PanelForm::Rows && e.width == 1 && depth % 2 != 0)
      e.storeScalar(e.floatConstant(0.0, e.builder.getF32Type()), left,
                    e.add(start, e.constant(depth)), element);
  });
}

/// What `step` gives for the step of k after `k`: zeros behind the last one.
Value ContractionEmitter::stepAfter(Value k,
                                    llvm::function_ref<Value(Value)> step) {
  Value after = e.add(k, e.constant(1));
  if (depth % 2 == 0)
    return step(after);
  Value last = e.constant(depth - 1);
  Value x = e.splat(step(e.min(after, last)));
  Value zero = e.splat(e.floatConstant(0.0, e.builder.getF32Type()));
  Value inside = e.compare(mlir::arith::CmpIPredicate::sle, after, last);
  return mlir::arith::SelectOp::create(e.builder, e.loc, inside, x, zero);
}

/// Copies a block of k of a transposed left operand into scratch.
void ContractionEmitter::gatherLeft(Value fromK, Value toK) {
  auto element = op.getLhs().getType().getElementType();
  auto f32 = e.builder.getF32Type();
  Value base =
      e.input(llvm::cast<mlir::BlockArgument>(ir::viewRoot(op.getLhs())));
  Value first = leftOffset(firstRow), count = e.sub(endRow, firstRow);
  Value whole = e.mul(e.div(count, e.width), e.width);
  bool pairs = form == PanelForm::Dots;
  e.loop(fromK, toK, pairs ? 2 : 1, [&](Value k) {
    Value from = e.add(first, e.mul(k, leftStride));
    Value to = e.mul(e.sub(k, fromK), paddedRows());
    auto copy = [&](Value r, Value mask) {
      Value x = e.loadVector(base, e.add(from, r), element, mask);
      if (!pairs)
        return e.storeVector(x, left, e.add(to, r), f32, mask);
      Value next = stepAfter(k, [&](Value after) {
        Value at = e.add(first, e.mul(after, leftStride));
        return e.loadVector(base, e.add(at, r), element, mask);
      });
      e.storeVector(packPairs(e, x, next), left, e.add(e.div(to, 2), r),
                    e.builder.getI32Type(), mask);
    };
    e.loop(e.constant(0), whole, e.width, [&](Value r) { copy(r, Value()); });
    if (rows % e.width != 0 || blockRows % e.width != 0) {
      Value rest = e.sub(count, whole);
      e.when(e.compare(mlir::arith::CmpIPredicate::sgt, rest, e.constant(0)),
             [&] { copy(whole, e.maskBelow(rest)); });
    }
  });
}

/// Whether neighbours of the right operand in k lie together, and those in its
/// columns do not.
bool ContractionEmitter::panelRunsAlongDepth() {
  if (e.width == 1)
    return false;
  auto view = ir::resolveView(op.getRhs());
  if (!view)
    return op.getTransposeRhs();
  int64_t ofColumns = view->strides.end()[op.getTransposeRhs() ? -2 : -1];
  int64_t ofDepth = view->strides.end()[op.getTransposeRhs() ? -1 : -2];
  return ofDepth == 1 && ofColumns != 1;
}

/// The same as fillPanel: reads vectors along k, and transposes them in
/// registers.
void ContractionEmitter::fillPanelAlongDepth(Value number, Value fromK,
                                             Value toK) {
  llvm::SmallVector<Value> leading;
  if (!op.sharesRhs())
    leading =
        e.delinearize(product, op.getRhs().getType().getShape().drop_back(2));
  Value firstColumn = e.mul(number, panelWidth);
  Value lastColumn = e.constant(columns - 1);
  Value end =
      e.min(e.constant(panelWidth), e.sub(e.constant(columns), firstColumn));
  e.loop(e.constant(0), end, e.width, [&](Value v) {
    auto block = [&](Value k, int64_t count, Value mask) {
      llvm::SmallVector<Value> rows;
      for (int i = 0; i < e.width; ++i) {
        // Columns behind the last one repeat it, and are stored nowhere.
        Value n =
            e.min(e.add(e.add(firstColumn, v), e.constant(i)), lastColumn);
        Coordinates at{leading, -1};
        at.index.push_back(op.getTransposeRhs() ? n : k);
        at.index.push_back(op.getTransposeRhs() ? k : n);
        at.lanes = int(at.index.size()) - (op.getTransposeRhs() ? 1 : 2);
        rows.push_back(e.splat(evaluator.evaluate(op.getRhs(), at, mask)));
      }
      auto steps = e.transposed(rows);
      Value zero = e.splat(e.floatConstant(0.0, e.builder.getF32Type()));
      for (int64_t i = 0; i < count; ++i) {
        if (form == PanelForm::Dots && i % 2 == 0)
          storePairs(steps[size_t(i)],
                     i + 1 < count ? steps[size_t(i + 1)] : zero,
                     e.add(e.sub(k, fromK), e.constant(i)), v);
        if (form == PanelForm::Dots)
          continue;
        e.storeVector(
            steps[size_t(i)], panel,
            e.add(e.mul(e.add(e.sub(k, fromK), e.constant(i)), panelWidth), v),
            e.builder.getF32Type());
      }
    };
    // Blocks but for the last are whole vectors.
    int64_t whole = depth / e.width * e.width;
    e.loop(fromK, e.min(toK, e.constant(whole)), e.width,
           [&](Value k) { block(k, e.width, Value()); });
    if (int64_t rest = depth - whole)
      e.when(e.compare(mlir::arith::CmpIPredicate::sge, toK, e.constant(depth)),
             [&] {
               block(e.constant(whole), rest, e.maskBelow(e.constant(rest)));
             });
  });
}

/// Stores a pair of rows of the packed block of k: the one of that number and
/// the next, from column `v` on.
void ContractionEmitter::storePairs(Value low, Value high, Value row, Value v) {
  e.storeVector(packPairs(e, low, high), panel,
                e.add(e.mul(e.div(row, 2), panelWidth), v),
                e.builder.getI32Type());
}

/// Widens a block of k of one packed panel, which begins with a whole pair.
void ContractionEmitter::widenPanel(Value number, Value fromK, Value toK) {
  auto f32 = e.builder.getF32Type();
  auto element = op.getRhs().getType().getElementType();
  Value base = e.input(llvm::cast<mlir::BlockArgument>(op.getRhs()));
  Value start = e.mul(number, paddedDepth * panelWidth);
  e.loop(fromK, toK, 2, [&](Value k) {
    Value from = e.add(start, e.mul(k, panelWidth));
    Value to = e.mul(e.sub(k, fromK), panelWidth);
    for (int64_t v = 0; v < panelWidth; v += e.width) {
      Value pairs = loadPairs(e, base, e.add(from, e.constant(2 * v)), element);
      auto rows = widenPairs(e, pairs, element);
      for (int64_t i : {0, 1})
        e.storeVector(rows[size_t(i)], panel,
                      e.add(to, e.constant(i * panelWidth + v)), f32);
    }
  });
}

/// Packs a block of k of one panel of a right operand that is not packed, as
/// f32 or as pairs of bf16.
void ContractionEmitter::fillPanel(Value number, Value fromK, Value toK) {
  if (widens)
    return widenPanel(number, fromK, toK);
  if (panelRunsAlongDepth())
    return fillPanelAlongDepth(number, fromK, toK);
  auto shape = op.getRhs().getType().getShape();
  llvm::SmallVector<Value> leading;
  if (!op.sharesRhs())
    leading = e.delinearize(product, shape.drop_back(2));
  Value firstColumn = e.mul(number, panelWidth);
  auto f32 = e.builder.getF32Type();
  bool pairs = form == PanelForm::Dots;
  e.loop(fromK, toK, pairs ? 2 : 1, [&](Value k) {
    for (int64_t v = 0; v < panelWidth; v += e.width) {
      Value n = e.add(firstColumn, e.constant(v));
      Value offset = e.add(e.mul(e.sub(k, fromK), panelWidth), e.constant(v));
      Value inside =
          e.compare(mlir::arith::CmpIPredicate::slt, n, e.constant(columns));
      e.when(inside, [&] {
        Value mask;
        if (columns % e.width != 0)
          mask = e.maskBelow(e.sub(e.constant(columns), n));
        auto step = [&](Value k) {
          Coordinates at{leading, -1};
          at.index.push_back(op.getTransposeRhs() ? n : k);
          at.index.push_back(op.getTransposeRhs() ? k : n);
          if (e.width > 1)
            at.lanes = int(at.index.size()) - (op.getTransposeRhs() ? 2 : 1);
          return e.splat(evaluator.evaluate(op.getRhs(), at, mask));
        };
        Value x = step(k);
        if (pairs)
          storePairs(x, stepAfter(k, step), e.sub(k, fromK), e.constant(v));
        else
          e.storeVector(x, panel, offset, f32);
      });
    }
  });
}

TilePanel ContractionEmitter::panelAt(Value number, int64_t column,
                                      Value fromK) {
  if (copiesPanel()) {
    // The scratch has the block alone.
    bool dots = form == PanelForm::Dots;
    Value start =
        e.sub(e.constant(dots ? 2 * column : column), e.mul(fromK, panelWidth));
    return {panel,
            start,
            dots ? mlir::Type(e.builder.getBF16Type()) : e.builder.getF32Type(),
            form,
            dots ? 2 * panelWidth : panelWidth,
            Value()};
  }
  Value start = e.mul(number, paddedDepth * panelWidth);
  bool pairs = form != PanelForm::Rows;
  return {e.input(llvm::cast<mlir::BlockArgument>(op.getRhs())),
          e.add(start, e.constant(pairs ? 2 * column : column)),
          op.getRhs().getType().getElementType(),
          form,
          pairs ? 2 * panelWidth : panelWidth,
          Value()};
}

/// Vectors of a register tile, which divide a panel.
int64_t ContractionEmitter::tileVectors() const {
  if (e.width == 1)
    return 4;
  // A single row leaves the registers to as much of a panel's width.
  return std::min<int64_t>(panelWidth / e.width,
                           rows == 1 ? 8 : e.target.tileVectors);
}

/// A part of what follows the block of the panel that ends at `toK`: the next
/// block, or the first one of the next panel. Tiles narrower than a panel
/// read it with gaps, which the hardware does not foresee.
void ContractionEmitter::prefetchNext(Value number, Value toK, int64_t column,
                                      Value r) {
  auto element = op.getRhs().getType().getElementType();
  int64_t width = tileVectors() * e.width;
  int64_t tilesDown = (blockRows + tileRows - 1) / tileRows;
  int64_t elements = e.target.blockOfK * panelWidth;
  int64_t perLine = cacheLine * 8 / element.getIntOrFloatBitWidth();
  int64_t tiles = tilesDown * (panelWidth / width);
  int64_t lines = (elements / perLine + tiles - 1) / tiles;
  Value from =
      e.add(e.mul(number, paddedDepth * panelWidth), e.mul(toK, panelWidth));
  Value tile =
      e.add(e.constant(column / width * tilesDown), e.div(r, tileRows));
  from = e.add(from, e.mul(tile, lines * perLine));
  Value base = e.input(llvm::cast<mlir::BlockArgument>(op.getRhs()));
  for (int64_t line = 0; line < lines; ++line)
    e.prefetch(base, e.add(from, e.constant(line * perLine)), element, 2);
}

/// Adds the products over one block of k to the block of sums.
void ContractionEmitter::multiply(Value number, Value fromK, Value toK,
                                  bool first) {
  auto vectors = int(tileVectors());
  auto f32 = e.builder.getF32Type();
  Value count = e.sub(endRow, firstRow);
  Value lastRow = e.sub(endRow, e.constant(1));
  bool foresee =
      !copiesPanel() && rows > tileRows && vectors * e.width < panelWidth;
  auto multiplyTile = [&](int64_t column, Value r) {
    if (foresee)
      prefetchNext(number, toK, column, r);
    TileRows tile{direct && !gathered ? e.input(llvm::cast<mlir::BlockArgument>(
                                            ir::viewRoot(op.getLhs())))
                                      : left,
                  leftElement(),
                  {},
                  gathered ? paddedRows() : leftStride,
                  {}};
    if (form == PanelForm::Dots && direct && !gathered && depth % 2 != 0)
      tile.single = depth - 1;
    llvm::SmallVector<Value> sumOffsets;
    for (int64_t i = 0; i < tileRows; ++i) {
      // Rows beyond the block compute the last one again, into padding.
      Value row = e.add(firstRow, e.add(r, e.constant(i)));
      row = i == 0 ? row : e.min(row, lastRow);
      Value place = e.sub(row, firstRow);
      if (gathered && form == PanelForm::Dots)
        place = e.mul(place, 2);
      tile.offsets.push_back(gathered ? e.sub(place, e.mul(fromK, paddedRows()))
                                      : leftOffset(row));
      sumOffsets.push_back(e.mul(e.add(r, e.constant(i)), panelWidth));
    }
    llvm::SmallVector<Value> initial;
    for (Value offset : sumOffsets)
      for (int v = 0; v < vectors; ++v)
        initial.push_back(
            first ? e.splat(e.floatConstant(0.0, f32))
                  : e.loadVector(
                        sums, e.add(offset, e.constant(column + v * e.width)),
                        f32));
    llvm::SmallVector<Value> result = emitRegisterTile(
        e, tile, panelAt(number, column, fromK), vectors, fromK, toK, initial);
    for (size_t i = 0; i < result.size(); ++i)
      e.storeVector(result[i], sums,
                    e.add(sumOffsets[i / vectors],
                          e.constant(column + int64_t(i % vectors) * e.width)),
                    f32);
  };
  for (int64_t column = 0; column < panelWidth; column += vectors * e.width)
    e.loop(e.constant(0), count, tileRows,
           [&](Value r) { multiplyTile(column, r); });
}

/// The epilogue: from the sums of one panel to the results.
void ContractionEmitter::finish(Value number) {
  auto f32 = e.builder.getF32Type();
  auto element = op.getResult().getType().getElementType();
  Value firstColumn = e.mul(number, panelWidth);
  auto along = [&](Value row, Value v, Value mask) {
    Value n = e.add(firstColumn, v);
    Value at = e.add(e.mul(e.sub(row, firstRow), panelWidth), v);
    evaluator.bind(op.getResult(),
                   e.round(e.loadVector(sums, at, f32), element));
    // Everything is computed before anything is stored: outputs may lie in
    // place of inputs.
    struct Stored {
      unsigned output;
      Value x, offset;
      int64_t stride;
      mlir::Type type;
    };
    llvm::SmallVector<Stored> stored;
    for (auto [i, value] : llvm::enumerate(e.kernel.getYield().getValues())) {
      if (!dependsOnProduct(value))
        continue;
      Value from = value;
      while (llvm::isa_and_nonnull<ir::ReshapeOp, ir::TransposeOp>(
          from.getDefiningOp()))
        from = from.getDefiningOp()->getOperand(0);
      auto type = typeOf(from);
      auto view = ir::resolveStore(from, value);
      if (!view) {
        e.failure = "a result behind a reshape that strides cannot express";
        return;
      }
      Coordinates coordinates{
          e.delinearize(flatRow(row), type.getShape().drop_back()), -1};
      coordinates.index.push_back(n);
      if (e.width > 1)
        coordinates.lanes = int(coordinates.index.size()) - 1;
      Value x = evaluator.evaluate(from, coordinates, mask);
      Value offset = e.constant(view->offset);
      for (auto [index, stride] : llvm::zip(coordinates.index, view->strides))
        offset = e.add(offset, e.mul(index, stride));
      stored.push_back({unsigned(i), x, offset, view->strides.back(),
                        type.getElementType()});
    }
    for (const Stored &s : stored) {
      if (s.stride == 1 || columns == 1)
        e.storeVector(s.x, e.output(s.output), s.offset, s.type, mask);
      else
        e.storeStrided(s.x, e.output(s.output), s.offset, e.constant(s.stride),
                       s.type, mask);
    }
  };
  e.loop(firstRow, endRow, 1, [&](Value row) {
    Value left =
        e.min(e.sub(e.constant(columns), firstColumn), e.constant(panelWidth));
    Value whole = e.mul(e.div(left, e.width), e.width);
    e.loop(e.constant(0), whole, e.width,
           [&](Value v) { along(row, v, Value()); });
    if (columns % e.width != 0) {
      Value rest = e.sub(left, whole);
      e.when(e.compare(mlir::arith::CmpIPredicate::sgt, rest, e.constant(0)),
             [&] { along(row, whole, e.maskBelow(rest)); });
    }
  });
  evaluator.unbind(op.getResult());
}

/// Divides the product into tiles.
void ContractionEmitter::divide() {
  panels = (columns + panelWidth - 1) / panelWidth;
  rowBlocks = (rows + blockRows - 1) / blockRows;
  // Enough tiles for many threads, but no more prologues than needed.
  perTile = std::max<int64_t>(1, panels * rowBlocks / 64);
  // What is gathered serves several panels.
  constexpr int64_t manyTiles = 24;
  if (gathered && stepsOfBlock() >= depth)
    perTile = std::max<int64_t>(1, panels * rowBlocks * products / manyTiles);
  else if (direct && rows > e.target.tileRows)
    perTile = 1;
  perTile = std::min(perTile, panels);
  groups = (panels + perTile - 1) / perTile;
  e.encoded.tiles = uint32_t(products * rowBlocks * groups);
  e.encoded.innerTiles = uint32_t(groups);
  // Blocks of one product cover its rows evenly only if they divide them.
  if (products == 1 || rows % blockRows == 0)
    e.encoded.rowsPerBlock = uint32_t(blockRows);
}

/// Block `block` of the rows of all products.
void ContractionEmitter::selectBlock(Value block) {
  product = e.div(block, rowBlocks);
  firstRow = e.mul(e.rem(block, rowBlocks), blockRows);
  endRow = e.min(e.add(firstRow, e.constant(blockRows)), e.constant(rows));
}

/// Whether results come from the left operand's prologue.
bool ContractionEmitter::takesPrologue() {
  return llvm::any_of(e.kernel.getYield().getValues(),
                      [&](Value value) { return !dependsOnProduct(value); });
}

/// The product as oneDNN may compute it: bf16 pairs with at least 16 rows,
/// where it reaches 94 % of the dot product's peak. In f32 it is no faster.
/// Called once scratch is laid out: sums, then the left operand.
std::optional<LibraryProduct> ContractionEmitter::libraryProduct() {
  constexpr int64_t fewRows = 16;
  if (!packed || form != PanelForm::Dots || products != 1 || rows < fewRows ||
      !op.getLhs().getType().getElementType().isBF16())
    return std::nullopt;
  LibraryProduct result;
  result.rows = uint64_t(rows);
  result.weights = e.bufferOf(llvm::cast<mlir::BlockArgument>(op.getRhs()));
  result.panels = uint32_t(panels);
  result.panelsPerTile = uint32_t(perTile);
  result.after = e.encoded.symbol + ".after";
  if (!direct) {
    result.depth = uint64_t(paddedDepth);
    result.sourceOffset = uint64_t(sumBytes());
    result.sourceStride = uint64_t(paddedDepth);
    result.before = e.encoded.symbol + ".before";
    return result;
  }
  // Rows at one distance, across the leading dimensions as well.
  auto view = ir::resolveView(op.getLhs());
  if (!view || op.getTransposeLhs())
    return std::nullopt;
  auto shape = op.getLhs().getType().getShape();
  int64_t stride = 0, span = 1;
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i) {
    if (shape[i] == 1)
      continue;
    if (stride == 0)
      stride = view->strides[i] / span;
    if (view->strides[i] != stride * span)
      return std::nullopt;
    span *= shape[i];
  }
  if (stride < depth)
    return std::nullopt;
  result.depth = uint64_t(depth);
  result.source = int(e.bufferOf(llvm::cast<mlir::BlockArgument>(view->base)));
  result.sourceOffset =
      uint64_t(view->offset) *
      (op.getLhs().getType().getElementType().getIntOrFloatBitWidth() / 8);
  result.sourceStride = uint64_t(stride);
  return result;
}

int64_t ContractionEmitter::sumBytes() const {
  return paddedRows() * panelWidth * 4;
}

int64_t ContractionEmitter::stepsOfBlock() const {
  int64_t steps = form == PanelForm::Rows ? depth : (depth + 1) / 2 * 2;
  // One tile that reads a packed panel once needs no blocks.
  bool once =
      packed && rows <= tileRows && tileVectors() * e.width == panelWidth;
  return once ? steps : std::min<int64_t>(steps, e.target.blockOfK);
}

/// Sums of the products of one panel, over blocks of k.
void ContractionEmitter::multiplyPanel(Value number) {
  int64_t steps = form == PanelForm::Rows ? depth : (depth + 1) / 2 * 2;
  int64_t block = stepsOfBlock();
  auto multiplyBlock = [&](Value from, Value to, bool first) {
    if (copiesPanel())
      fillPanel(number, from, to);
    if (gathered && block < steps)
      gatherLeft(from, to);
    multiply(number, from, to, first);
  };
  // The first block of k starts from zero, the others add to it.
  multiplyBlock(e.constant(0), e.constant(block), true);
  e.loop(e.constant(block), e.constant(steps), block, [&](Value k) {
    Value end = e.min(e.add(k, e.constant(block)), e.constant(steps));
    multiplyBlock(k, end, false);
  });
}

void ContractionEmitter::emit(ContractionPart part) {
  if (op.getLhs().getType().getElementType().isF64()) {
    e.failure = "products in f64";
    return;
  }
  chooseTiles();
  divide();
  bool prologueResults = takesPrologue();
  if (prologueResults && direct) {
    e.failure = "results that do not depend on the product";
    return;
  }
  // The parts agree on where the sums and the left operand lie.
  sums = e.scratch(uint64_t(sumBytes()));
  if (part == ContractionPart::After) {
    selectBlock(e.div(e.tile(), panels));
    finish(e.rem(e.tile(), panels));
    return;
  }
  selectBlock(e.div(e.tile(), groups));
  if (copiesPanel()) // The last pair may be half a one.
    panel = e.scratch(uint64_t((stepsOfBlock() + 1) * panelWidth * 4));
  if (gathered) {
    left = e.scratch(uint64_t(stepsOfBlock() * paddedRows() * 4));
    if (stepsOfBlock() >= depth)
      gatherLeft(e.constant(0), e.constant(stepsOfBlock()));
  }
  if (!direct) {
    left = e.scratch(uint64_t((blockRows * paddedDepth + 16) * 4));
    fillLeft(prologueResults);
  }
  if (part == ContractionPart::Before)
    return;
  e.encoded.product = libraryProduct();
  Value firstPanel = e.mul(e.rem(e.tile(), groups), perTile);
  Value endPanel =
      e.min(e.add(firstPanel, e.constant(perTile)), e.constant(panels));
  e.loop(firstPanel, endPanel, 1, [&](Value number) {
    multiplyPanel(number);
    finish(number);
  });
}

} // namespace

void emitContraction(Emitter &emitter, ContractionPart part) {
  for (mlir::Operation &op : emitter.kernel.getBody().front())
    if (auto matmul = llvm::dyn_cast<ir::MatmulOp>(op))
      return ContractionEmitter(emitter, matmul).emit(part);
  emitter.failure = "no matrix product";
}

} // namespace gptc::cpu
