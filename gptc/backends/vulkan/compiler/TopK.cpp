//===- TopK.cpp - The largest elements of rows ----------------------------===//
//
// A workgroup takes a piece of a row, block by block. The greatest of what each
// invocation has bounds what can be among the k largest: at least k elements
// are not below the k-th of these, and few more are. Those are put side by side
// in workgroup memory, where each is told its place by counting who comes
// before it. All comparisons are of integers, and no two elements are equal in
// them, so that the result does not depend on who came first.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Families.h"
#include "gptc/ir/Order.h"

#include <limits>

namespace gptc::vulkan {

namespace arith = mlir::arith;
namespace spirv = mlir::spirv;
using mlir::Value;

namespace {

/// An element: its place in the order of numbers, and in the row.
struct Element {
  Value order, place;
};

/// Elements in workgroup memory.
struct ElementArray {
  WorkgroupArray orders, places;
};

class TopK {
public:
  TopK(Emitter &e, ir::TopKOp op)
      : e(e), op(op), i32(e.builder.getI32Type()), count(op.getCount()),
        length(op.getRowLength()), piece(op.getPieceLength()) {
    constexpr int64_t mostEach = 16, words = 32 * 1024 / 4;
    invocations = invocationsFor(std::max(2 * count, ceilDiv(piece, mostEach)),
                                 32, mostInvocations);
    // Found elements are at most k times those of an invocation.
    int64_t fits = (words - 3 - 2 * invocations) / (2 * count) - 2;
    each = std::min({mostEach, fits, ceilDiv(piece, invocations)});
    blocks = ceilDiv(piece, each * invocations);
  }

  void emit();

private:
  Emitter &e;
  ir::TopKOp op;
  mlir::Type i32;
  int64_t count, length, piece;
  int64_t invocations = 0, each = 0, blocks = 0;
  ElementArray greatest, found, kept;
  /// The bound, and how many elements are found.
  WorkgroupArray shared;

  ElementArray arrayOf(int64_t size) {
    return {e.workgroupArrayOf(size, i32), e.workgroupArrayOf(size, i32)};
  }
  void store(const Element &element, const ElementArray &to, Value at) {
    e.store(element.order, to.orders, at);
    e.store(element.place, to.places, at);
  }
  Element load(const ElementArray &from, Value at) {
    return {e.load(from.orders, at), e.load(from.places, at)};
  }
  Value either(Value a, Value b) {
    return arith::OrIOp::create(e.builder, e.loc, a, b);
  }
  Value comesBefore(const Element &a, const Element &b) {
    return either(e.less(b.order, a.order),
                  e.both(e.equal(a.order, b.order), e.less(a.place, b.place)));
  }
  /// How many of the first `size` elements of an array come before one.
  Value countBefore(const ElementArray &array, Value size,
                    const Element &element) {
    return e.loopWith(
        e.constant(0), size, 1, e.constant(0),
        [&](Value i, mlir::ValueRange carried) {
          Value before = comesBefore(load(array, i), element);
          return Emitter::Values{e.add(
              carried[0], e.select(before, e.constant(1), e.constant(0)))};
        })[0];
  }
  Coordinates coordinates(Value row, Value place) {
    Coordinates at =
        e.delinearize(row, op.getX().getType().getShape().drop_back());
    at.push_back(e.min(place, e.constant(length - 1)));
    return at;
  }
  Element elementAt(Evaluator &evaluator, Value row, Value place, Value end);
  llvm::SmallVector<Element> ownElements(Value row, Value begin, Value end);
  void takeBlock(Value row, Value begin, Value end);
  void writeKept(Value row);
};

/// What lies behind the end is no element, and has a place all the same.
Element TopK::elementAt(Evaluator &evaluator, Value row, Value place,
                        Value end) {
  Coordinates at = coordinates(row, place);
  Value order = ir::buildOrder(
      e.builder, e.loc, evaluator.evaluate(op.getX(), at), op.getFinite());
  Value isThere = e.less(place, end);
  if (op.getCarried())
    isThere =
        e.both(isThere, e.lessEqual(e.constant(0),
                                    evaluator.evaluate(op.getCarried(), at)));
  return {e.select(isThere, order, e.constant(ir::noElement)), place};
}

/// What this invocation has of a block, and of those kept of earlier ones:
/// these come first.
llvm::SmallVector<Element> TopK::ownElements(Value row, Value begin,
                                             Value end) {
  Evaluator evaluator(e);
  llvm::SmallVector<Element> own;
  if (blocks > 1) {
    Element one = load(kept, e.min(e.invocation(), e.constant(count - 1)));
    Value isKept = e.less(e.invocation(), e.constant(count));
    // Places that no element has, and no invocation twice.
    Value none = e.sub(e.constant(INT32_MAX - count), e.invocation());
    own.push_back({e.select(isKept, one.order, e.constant(ir::noElement)),
                   e.select(isKept, one.place, none)});
  }
  // Turned on from step to step: rows put together of sorted parts, as what an
  // earlier top_k found is, would else leave the greatest to few invocations.
  int64_t turn = std::max<int64_t>(1, invocations / each);
  for (int64_t i = 0; i < each; ++i) {
    Value turned = e.rem(e.add(e.invocation(), i * turn), invocations);
    own.push_back(elementAt(evaluator, row,
                            e.add(begin, e.add(turned, i * invocations)), end));
  }
  return own;
}

void TopK::takeBlock(Value row, Value begin, Value end) {
  llvm::SmallVector<Element> own = ownElements(row, begin, end);
  Element first = own[0];
  for (const Element &element : llvm::drop_begin(own)) {
    Value greater = e.less(first.order, element.order);
    first = {e.select(greater, element.order, first.order),
             e.select(greater, element.place, first.place)};
  }
  store(first, greatest, e.invocation());
  Value counter = e.constant(2);
  e.when(e.equal(e.invocation(), e.constant(0)),
         [&] { e.store(e.constant(0), shared, counter); });
  e.barrier();
  Value rank = countBefore(greatest, e.constant(invocations), first);
  e.when(e.equal(rank, e.constant(count - 1)), [&] {
    e.store(first.order, shared, e.constant(0));
    e.store(first.place, shared, e.constant(1));
  });
  e.barrier();
  Element bound{e.load(shared, e.constant(0)), e.load(shared, e.constant(1))};
  for (const Element &element : own) {
    Value isFound = either(comesBefore(element, bound),
                           e.equal(element.place, bound.place));
    e.when(isFound, [&] {
      Value slot = spirv::AtomicIAddOp::create(
          e.builder, e.loc, e.pointerTo(shared, counter),
          spirv::Scope::Workgroup, spirv::MemorySemantics::None, e.constant(1));
      store(element, found, slot);
    });
  }
  e.barrier();
  Value size = e.load(shared, counter);
  e.loop(e.invocation(), size, invocations, [&](Value i) {
    Element element = load(found, i);
    Value to = countBefore(found, size, element);
    e.when(e.less(to, e.constant(count)), [&] { store(element, kept, to); });
  });
  e.barrier();
}

void TopK::writeKept(Value row) {
  e.share(count, [&](Value i) {
    Element element = load(kept, i);
    Value isThere = e.less(e.constant(ir::noElement), element.order);
    Evaluator evaluator(e);
    Coordinates at = coordinates(row, element.place);
    Value value = evaluator.evaluate(op.getX(), at);
    Value index = op.getCarried() ? evaluator.evaluate(op.getCarried(), at)
                                  : element.place;
    Value lowest = e.number(-std::numeric_limits<double>::infinity());
    Value to = e.add(e.mul(e.tile(), count), i);
    e.store(e.select(isThere, value, lowest), e.output(0), to);
    e.store(e.select(isThere, index, e.constant(-1)), e.output(1), to);
  });
}

void TopK::emit() {
  int64_t pieces = op.getPieceCount();
  e.forEachTile(op.getRows() * pieces, invocations, [&] {
    greatest = arrayOf(invocations);
    found = arrayOf(count * (each + (blocks > 1 ? 1 : 0)));
    kept = arrayOf(count);
    shared = e.workgroupArrayOf(3, i32);
    Value row = e.div(e.tile(), pieces);
    Value begin = e.mul(e.rem(e.tile(), pieces), piece);
    Value end = e.min(e.add(begin, piece), e.constant(length));
    if (blocks > 1) {
      e.share(count, [&](Value i) {
        Value none = e.sub(e.constant(INT32_MAX), i);
        store({e.constant(ir::noElement), none}, kept, i);
      });
      e.barrier();
    }
    e.loop(e.constant(0), e.constant(blocks), 1, [&](Value block) {
      takeBlock(row, e.add(begin, e.mul(block, each * invocations)), end);
    });
    writeKept(row);
  });
}

} // namespace

void emitTopK(Emitter &e, ir::TopKOp op) {
  if (op.getX().getType().getElementType().isF64()) {
    e.failure = "gptc.top_k in f64";
    return;
  }
  TopK(e, op).emit();
}

} // namespace gptc::vulkan
