//===- Matrix.cpp - Operands and results of a product ---------------------===//

#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
using mlir::RankedTensorType;
using mlir::Value;

namespace {

RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}

bool dependsOn(Value value, Value on) {
  if (value == on)
    return true;
  mlir::Operation *definition = value.getDefiningOp();
  return definition && llvm::any_of(definition->getOperands(),
                                    [&](Value v) { return dependsOn(v, on); });
}

/// Whether vectors along dimension `along` begin at multiples of their length:
/// the other strides are such, and so is where the view begins.
bool isAligned(const ir::StridedView &view, size_t along, int64_t length = 4) {
  if (view.offset % length != 0 || view.strides[along] != 1 ||
      view.sizes[along] % length != 0)
    return false;
  for (size_t i = 0; i < view.strides.size(); ++i)
    if (i != along && view.sizes[i] != 1 && view.strides[i] % length != 0)
      return false;
  return true;
}

} // namespace

ProductShape shapeOf(ir::MatmulOp op) {
  bool shared = op.sharesRhs();
  ProductShape shape{1, op.getM(), op.getN(), op.getK()};
  // Rows of several products are rows of one where they share the right
  // operand, unless a transposed left operand parts them.
  if (!shared || (op.getTransposeLhs() && op.getBatch() > 1))
    shape.count = op.getBatch();
  else
    shape.rows *= op.getBatch();
  return shape;
}

MatrixOperand::MatrixOperand(Emitter &emitter, Evaluator &evaluator,
                             ir::MatmulOp op, bool isLeft)
    : e(emitter), evaluator(evaluator), op(op), isLeft_(isLeft),
      operand_(isLeft ? op.getLhs() : op.getRhs()) {
  RankedTensorType type = typeOf(operand_);
  packed_ = llvm::isa_and_nonnull<ir::PackedAttr>(type.getEncoding());
  if (packed_) {
    pairs_ = type.getElementTypeBitWidth() == 16;
    vectors_ = pairs_ ? Vectors::None : Vectors::Outer;
    return;
  }
  auto view = ir::resolveView(operand_);
  if (!view || !llvm::isa<mlir::BlockArgument>(view->base) ||
      typeOf(view->base).getEncoding())
    return;
  view_ = std::move(*view);
  size_t rank = view_.strides.size();
  bool transposed = isLeft ? op.getTransposeLhs() : op.getTransposeRhs();
  // The left operand is [rows, k], the right one [k, columns].
  size_t k = transposed == isLeft ? rank - 2 : rank - 1;
  size_t outer = 2 * rank - 3 - k;
  runsAlongDepth_ = view_.strides[k] == 1;
  outerBytes_ = view_.strides[outer] * type.getElementTypeBitWidth() / 8;
  eights_ = type.getElementTypeBitWidth() == 16 && isAligned(view_, k, 8);
  if (!type.getElementType().isF32())
    return;
  if (isAligned(view_, k))
    vectors_ = Vectors::Depth;
  else if (isAligned(view_, outer))
    vectors_ = Vectors::Outer;
}

Coordinates MatrixOperand::coordinatesOf(const MatrixPlace &at) {
  auto shape = typeOf(operand_).getShape();
  Coordinates index;
  Value outer = at.outer;
  if (isLeft_) {
    // Flat rows run over the leading dimensions and the rows of each product.
    llvm::SmallVector<int64_t> leading(shape.drop_back(2));
    leading.push_back(op.getM());
    ProductShape product = shapeOf(op);
    index =
        e.delinearize(e.add(e.mul(at.product, product.rows), outer), leading);
    outer = index.pop_back_val();
  } else if (!op.sharesRhs()) {
    index = e.delinearize(at.product, shape.drop_back(2));
  }
  bool outerFirst = isLeft_ ? !op.getTransposeLhs() : op.getTransposeRhs();
  index.push_back(outerFirst ? outer : at.k);
  index.push_back(outerFirst ? at.k : outer);
  return index;
}

Value MatrixOperand::load(const MatrixPlace &at) {
  return evaluator.evaluate(operand_, coordinatesOf(at));
}

Value MatrixOperand::load4(const MatrixPlace &at) {
  if (packed_) {
    auto argument = llvm::cast<mlir::BlockArgument>(operand_);
    return e.load4(e.input(argument), Evaluator::packedOffset(
                                          e, typeOf(operand_), at.k, at.outer));
  }
  return e.load4(e.input(llvm::cast<mlir::BlockArgument>(view_.base)),
                 offsetInView(at));
}

mlir::Type MatrixOperand::element() const {
  return typeOf(operand_).getElementType();
}

Value MatrixOperand::offsetInView(const MatrixPlace &at) {
  Value offset = e.constant(view_.offset);
  Coordinates index = coordinatesOf(at);
  for (size_t i = 0; i < index.size(); ++i)
    if (view_.sizes[i] != 1)
      offset = e.add(offset, e.mul(index[i], view_.strides[i]));
  return offset;
}

Value MatrixOperand::loadPairWords(const MatrixPlace &at) {
  auto argument = llvm::cast<mlir::BlockArgument>(operand_);
  Value offset = Evaluator::packedOffset(e, typeOf(operand_), at.k, at.outer);
  return e.loadWord4(e.input(argument), e.div(offset, 2));
}

Value MatrixOperand::loadEight(const MatrixPlace &at) {
  return e.loadWord4(e.input(llvm::cast<mlir::BlockArgument>(view_.base)),
                     e.div(offsetInView(at), 2));
}

std::array<Value, 2> MatrixOperand::loadPairs(const MatrixPlace &at) {
  Value words = loadPairWords(at);
  if (typeOf(operand_).getElementType().isBF16()) {
    auto i32x4 = llvm::cast<mlir::VectorType>(words.getType());
    auto constant = [&](int32_t value) -> Value {
      return arith::ConstantOp::create(
          e.builder, e.loc,
          mlir::DenseElementsAttr::get(i32x4, llvm::ArrayRef<int32_t>(value)));
    };
    auto f32x4 = mlir::VectorType::get({4}, e.f32());
    Value low = arith::ShLIOp::create(e.builder, e.loc, words, constant(16));
    Value high = arith::AndIOp::create(e.builder, e.loc, words,
                                       constant(int32_t(0xffff0000)));
    return {arith::BitcastOp::create(e.builder, e.loc, f32x4, low),
            arith::BitcastOp::create(e.builder, e.loc, f32x4, high)};
  }
  std::array<llvm::SmallVector<Value>, 2> halves;
  for (int i = 0; i < 4; ++i) {
    Value both = mlir::spirv::GLUnpackHalf2x16Op::create(
        e.builder, e.loc, mlir::VectorType::get({2}, e.f32()),
        e.extract(words, i));
    halves[0].push_back(e.extract(both, 0));
    halves[1].push_back(e.extract(both, 1));
  }
  return {e.gather4(halves[0]), e.gather4(halves[1])};
}

std::array<Value, 4> MatrixOperand::loadBlock(const MatrixPlace &at,
                                              int64_t extent, int64_t depth) {
  std::array<Value, 4> block;
  auto quad = [&](llvm::function_ref<Value(int)> make) {
    return e.gather4({make(0), make(1), make(2), make(3)});
  };
  // Vectors are whole: what they run along has a multiple of four, or padding.
  Value outer = e.min(at.outer, e.constant((extent - 1) / 4 * 4));
  auto outerAt = [&](int i) {
    return e.min(e.add(at.outer, i), e.constant(extent - 1));
  };
  auto stepAt = [&](int i) {
    return e.min(e.add(at.k, i), e.constant(depth - 1));
  };
  if (pairs_) {
    for (int i : {0, 2}) {
      Value k = e.min(e.add(at.k, i), e.constant((depth - 1) / 2 * 2));
      auto two = loadPairs({at.product, outer, k});
      block[i] = two[0];
      block[i + 1] = two[1];
    }
    return block;
  }
  if (vectors_ == Vectors::Depth) {
    Value k = e.min(at.k, e.constant(depth - 4));
    llvm::SmallVector<Value> along;
    for (int i = 0; i < 4; ++i)
      along.push_back(load4({at.product, outerAt(i), k}));
    for (int step = 0; step < 4; ++step)
      block[step] = quad([&](int i) { return e.extract(along[i], step); });
  } else if (vectors_ == Vectors::Outer) {
    for (int step = 0; step < 4; ++step)
      block[step] = load4({at.product, outer, stepAt(step)});
  } else {
    for (int step = 0; step < 4; ++step)
      block[step] = quad(
          [&](int i) { return load({at.product, outerAt(i), stepAt(step)}); });
  }
  return block;
}

ProductResults::ProductResults(Emitter &emitter, Evaluator &evaluator,
                               ir::MatmulOp op)
    : e(emitter), evaluator(evaluator), op(op) {
  for (auto [i, value] : llvm::enumerate(e.kernel.getYield().getValues())) {
    if (!dependsOn(value, op.getResult())) {
      others_.push_back(unsigned(i));
      continue;
    }
    Value from = value;
    while (llvm::isa_and_nonnull<ir::ReshapeOp, ir::TransposeOp>(
        from.getDefiningOp()))
      from = from.getDefiningOp()->getOperand(0);
    auto view = ir::resolveStore(from, value);
    if (!view) {
      e.failure = "a result behind a reshape that strides cannot express";
      return;
    }
    bool vectors = Emitter::storesFour(typeOf(value).getElementType()) &&
                   isAligned(*view, view->strides.size() - 1);
    results_.push_back({unsigned(i), from, *view, vectors});
  }
}

void ProductResults::storeQuad(const ProductShape &shape,
                               const MatrixTile &tile, Value product, Value row,
                               Value column, Value sums) {
  bool wholeRows = shape.rows % tile.rows == 0;
  bool wholeColumns = shape.columns % tile.columns == 0;
  auto storeThem = [&] {
    Elements elements;
    elements.row = e.add(e.mul(product, shape.rows), row);
    for (int j = 0; j < 4; ++j) {
      Value each = e.add(column, j), inside;
      if (!wholeColumns && shape.columns % 4 != 0) {
        inside = e.less(each, e.constant(shape.columns));
        each = e.min(each, e.constant(shape.columns - 1));
      }
      elements.columns.push_back(each);
      elements.sums.push_back(e.extract(sums, j));
      elements.stores.push_back(inside);
    }
    store(elements);
  };
  Value inside;
  if (!wholeRows)
    inside = e.less(row, e.constant(shape.rows));
  if (!wholeColumns) {
    Value here = e.less(column, e.constant(shape.columns));
    inside = inside ? e.both(inside, here) : here;
  }
  if (inside)
    e.when(inside, storeThem);
  else
    storeThem();
}

void ProductResults::store(const Elements &elements) {
  auto element = op.getResult().getType().getElementType();
  size_t count = elements.columns.size();
  struct Stored {
    llvm::SmallVector<Value> values, offsets;
  };
  // Everything is computed before anything is stored: outputs may lie in place
  // of inputs.
  llvm::SmallVector<Stored> stored(results_.size());
  for (size_t i = 0; i < count; ++i) {
    evaluator.bind(op.getResult(), e.round(elements.sums[i], element));
    for (auto [result, to] : llvm::zip(results_, stored)) {
      auto type = typeOf(result.from);
      Coordinates at = e.delinearize(elements.row, type.getShape().drop_back());
      at.push_back(elements.columns[i]);
      Value offset = e.constant(result.view.offset);
      for (size_t d = 0; d < at.size(); ++d)
        if (type.getDimSize(int64_t(d)) != 1)
          offset = e.add(offset, e.mul(at[d], result.view.strides[d]));
      to.values.push_back(evaluator.evaluate(result.from, at));
      to.offsets.push_back(offset);
    }
  }
  evaluator.unbind(op.getResult());
  auto guarded = [&](Value condition, llvm::function_ref<void()> body) {
    if (condition)
      e.when(condition, body);
    else
      body();
  };
  for (auto [result, from] : llvm::zip(results_, stored)) {
    const BufferPointer &buffer = e.output(result.output);
    if (result.vectors && count == 4) {
      guarded(elements.stores[0],
              [&] { e.store4(from.values, buffer, from.offsets[0]); });
      continue;
    }
    for (size_t i = 0; i < count; ++i)
      guarded(elements.stores[i],
              [&] { e.store(from.values[i], buffer, from.offsets[i]); });
  }
}

void forEachMatrixTile(Emitter &e, const ProductShape &shape,
                       const MatrixTile &tile, int64_t invocations,
                       const ProductResults &results,
                       llvm::function_ref<void(const TilePlace &)> body) {
  if (!results.others().empty()) {
    e.failure = "results that do not depend on the product";
    return;
  }
  int64_t rowTiles = ceilDiv(shape.rows, tile.rows);
  int64_t columnTiles = ceilDiv(shape.columns, tile.columns);
  e.innerTiles = uint32_t(columnTiles);
  // Tiles of one product cover its rows evenly only if they divide them.
  if (shape.count == 1 || shape.rows % tile.rows == 0)
    e.rowsPerBlock = uint32_t(tile.rows);
  e.forEachTile(shape.count * rowTiles * columnTiles, invocations, [&] {
    Value block = e.div(e.tile(), columnTiles);
    Value product = e.div(block, rowTiles);
    Value firstRow = e.mul(e.rem(block, rowTiles), tile.rows);
    body(
        {product, firstRow, e.mul(e.rem(e.tile(), columnTiles), tile.columns)});
  });
}

} // namespace gptc::vulkan
