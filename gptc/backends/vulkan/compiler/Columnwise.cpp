//===- Columnwise.cpp - Reductions over rows ------------------------------===//

#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

using mlir::Value;

/// A workgroup takes neighbouring elements of the result; its invocations
/// share out what is reduced, and the shares are combined in their order.
void emitColumnwise(Emitter &e) {
  auto reduce =
      e.kernel.getYield().getValues()[0].getDefiningOp<ir::ReduceOp>();
  if (!reduce || e.kernel.getYield().getValues().size() != 1) {
    e.failure = "no single reduction over rows";
    return;
  }
  auto from = reduce.getX().getType();
  auto to = reduce.getY().getType();
  if (from.getElementType().isF64()) {
    e.failure = "gptc.reduce in f64";
    return;
  }
  llvm::SmallVector<int64_t> reducedShape;
  for (int64_t dimension : reduce.getDimensions())
    reducedShape.push_back(from.getDimSize(dimension));
  int64_t count = from.getNumElements() / to.getNumElements();
  bool sum = reduce.getKind() == ir::ReduceKind::Sum;
  auto kind = sum ? Emitter::Combine::Sum : Emitter::Combine::Max;
  Value neutral =
      e.number(sum ? 0.0 : -std::numeric_limits<double>::infinity());

  // More elements side by side read longer pieces of memory at once, fewer
  // make more workgroups.
  constexpr int64_t manyElements = 8192;
  int64_t elements = to.getNumElements() < manyElements ? 16 : 64;
  int64_t shares = mostInvocations / elements;
  e.forEachTile(ceilDiv(to.getNumElements(), elements), mostInvocations, [&] {
    Evaluator evaluator(e);
    WorkgroupArray partials = e.workgroupArray(mostInvocations);
    Value element =
        e.add(e.mul(e.tile(), elements), e.rem(e.invocation(), elements));
    Value safe = e.min(element, e.constant(to.getNumElements() - 1));
    Coordinates kept = e.delinearize(safe, to.getShape());
    Value mine = e.loopWith(
        e.div(e.invocation(), elements), e.constant(count), shares, neutral,
        [&](Value i, mlir::ValueRange carried) {
          Coordinates reduced = e.delinearize(i, reducedShape);
          Coordinates at;
          size_t nextKept = 0, nextReduced = 0;
          for (int64_t d = 0; d < from.getRank(); ++d)
            at.push_back(llvm::is_contained(reduce.getDimensions(), d)
                             ? reduced[nextReduced++]
                             : kept[nextKept++]);
          Value x = evaluator.evaluate(reduce.getX(), at);
          return Emitter::Values{e.combine(kind, carried[0], x)};
        })[0];
    e.store(mine, partials, e.invocation());
    e.barrier();
    Value stores = e.both(e.less(e.invocation(), e.constant(elements)),
                          e.less(element, e.constant(to.getNumElements())));
    e.when(stores, [&] {
      Value total = e.load(partials, e.invocation());
      for (int64_t i = 1; i < shares; ++i)
        total = e.combine(
            kind, total, e.load(partials, e.add(e.invocation(), i * elements)));
      e.store(e.round(total, to.getElementType()), e.output(0), element);
    });
  });
}

} // namespace gptc::vulkan
