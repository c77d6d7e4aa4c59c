//===- TopK.cpp - The largest elements of rows ----------------------------===//

#include "gptc/backends/cpu/compiler/Families.h"
#include "gptc/ir/Order.h"

#include <limits>

namespace gptc::cpu {

namespace arith = mlir::arith;
using arith::CmpIPredicate;
using mlir::Value;

namespace {

/// The list that a tile keeps of its piece: the largest elements so far in
/// order, values and indices where they are to be, and their places in the
/// order of numbers in scratch.
class TopList {
public:
  TopList(Emitter &e, ir::TopKOp op)
      : e(e), element(op.getX().getType().getElementType()),
        i32(e.builder.getI32Type()), count(op.getCount()),
        orders(e.scratch(uint64_t(count) * sizeof(int32_t))),
        first(e.mul(e.tile(), count)) {}

  void clear() {
    Value lowest = e.floatConstant(-std::numeric_limits<double>::infinity(),
                                   e.registerType(element));
    e.loop(e.constant(0), e.constant(count), 1,
           [&](Value i) { set(i, number(ir::noElement), lowest, number(-1)); });
  }

  /// Puts an element behind those that are not smaller, unless the list is full
  /// of them.
  void offer(Value order, Value value, Value index) {
    Value last = orderAt(e.constant(count - 1));
    e.when(compare(CmpIPredicate::sgt, order, last), [&] {
      Value place =
          e.loopWith(e.constant(0), e.constant(count), 1, e.constant(0),
                     [&](Value i, mlir::ValueRange carried) {
                       Value stays =
                           compare(CmpIPredicate::sge, orderAt(i), order);
                       return llvm::SmallVector<Value>{arith::SelectOp::create(
                           e.builder, e.loc, stays,
                           e.add(carried[0], e.constant(1)), carried[0])};
                     })[0];
      Value moved = e.sub(e.constant(count - 1), place);
      e.loop(e.constant(0), moved, 1, [&](Value i) {
        Value to = e.sub(e.constant(count - 1), i);
        Value from = e.sub(to, e.constant(1));
        set(to, orderAt(from),
            e.loadScalar(e.output(0), e.add(first, from), element),
            e.loadScalar(e.output(1), e.add(first, from), i32));
      });
      set(place, order, value, index);
    });
  }

  Value number(int32_t value) {
    return arith::ConstantOp::create(e.builder, e.loc,
                                     e.builder.getI32IntegerAttr(value));
  }
  Value compare(CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(e.builder, e.loc, predicate, a, b);
  }

private:
  Emitter &e;
  mlir::Type element, i32;
  int64_t count;
  Value orders, first;

  Value orderAt(Value i) { return e.loadScalar(orders, i, i32); }
  void set(Value i, Value order, Value value, Value index) {
    e.storeScalar(order, orders, i, i32);
    e.storeScalar(value, e.output(0), e.add(first, i), element);
    e.storeScalar(index, e.output(1), e.add(first, i), i32);
  }
};

} // namespace

/// A tile is a piece of a row. Few elements are among the largest so far: most
/// cost a comparison.
void emitTopK(Emitter &e, ir::TopKOp op) {
  auto type = op.getX().getType();
  if (type.getElementType().isF64()) {
    e.failure = "gptc.top_k in f64";
    return;
  }
  int64_t length = op.getRowLength(), pieces = op.getPieceCount();
  e.encoded.tiles = uint32_t(op.getRows() * pieces);
  Evaluator evaluator(e);
  Value row = e.div(e.tile(), pieces);
  Value begin = e.min(e.mul(e.rem(e.tile(), pieces), op.getPieceLength()),
                      e.constant(length));
  Value end =
      e.min(e.add(begin, e.constant(op.getPieceLength())), e.constant(length));
  TopList list(e, op);
  list.clear();
  e.loop(begin, end, 1, [&](Value place) {
    Coordinates at{e.delinearize(row, type.getShape().drop_back()), -1};
    at.index.push_back(place);
    Value value = evaluator.evaluate(op.getX(), at);
    Value order = ir::buildOrder(e.builder, e.loc, value, op.getFinite());
    Value index;
    if (op.getCarried()) {
      index = evaluator.evaluate(op.getCarried(), at);
      Value isNone = list.compare(CmpIPredicate::slt, index, list.number(0));
      order = arith::SelectOp::create(e.builder, e.loc, isNone,
                                      list.number(ir::noElement), order);
    } else {
      index = arith::TruncIOp::create(e.builder, e.loc, e.builder.getI32Type(),
                                      place);
    }
    list.offer(order, value, index);
  });
}

} // namespace gptc::cpu
