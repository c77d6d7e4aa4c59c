//===- Random.cpp ---------------------------------------------------------===//

#include "gptc/ir/Random.h"

#include "gptc/runtime/base/Philox.h"

namespace gptc::ir {

namespace arith = mlir::arith;
using mlir::Value;

uint64_t KeepMaskOp::getFlops() { return 0; }

Value buildKeep(mlir::OpBuilder &builder, mlir::Location loc, Value index,
                Value rate, Value seed, Value site) {
  auto constant = [&](mlir::Type type, mlir::TypedAttr number) -> Value {
    mlir::TypedAttr value = number;
    if (auto vector = llvm::dyn_cast<mlir::VectorType>(type))
      value = mlir::DenseElementsAttr::get(vector, mlir::Attribute(number));
    return arith::ConstantOp::create(builder, loc, value);
  };
  auto word = [&](uint32_t number) {
    return constant(index.getType(),
                    builder.getI32IntegerAttr(int32_t(number)));
  };
  Value multiplier = word(Philox::multiplier), increment = word(Philox::weyl);
  Value first = index, second = site, key = seed;
  for (int round = 0; round < Philox::rounds; ++round) {
    if (round > 0)
      key = arith::AddIOp::create(builder, loc, key, increment);
    auto product =
        arith::MulUIExtendedOp::create(builder, loc, first, multiplier);
    first = arith::XOrIOp::create(
        builder, loc,
        arith::XOrIOp::create(builder, loc, product.getHigh(), key), second);
    second = product.getLow();
  }
  // 24 bits are exact in f32, and so is their product with a power of two.
  Value bits = arith::ShRUIOp::create(builder, loc, first, word(8));
  Value fraction = arith::MulFOp::create(
      builder, loc, arith::SIToFPOp::create(builder, loc, rate.getType(), bits),
      constant(rate.getType(), builder.getF32FloatAttr(0x1p-24F)));
  return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGE,
                               fraction, rate);
}

} // namespace gptc::ir
