//===- TensorBuilder.cpp --------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"

#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Value;

Value TensorBuilder::add(Value a, Value b) {
  return arith::AddFOp::create(builder, loc, a, b);
}

Value TensorBuilder::sub(Value a, Value b) {
  return arith::SubFOp::create(builder, loc, a, b);
}

Value TensorBuilder::mul(Value a, Value b) {
  return arith::MulFOp::create(builder, loc, a, b);
}

Value TensorBuilder::div(Value a, Value b) {
  return arith::DivFOp::create(builder, loc, a, b);
}

Value TensorBuilder::neg(Value x) {
  return arith::NegFOp::create(builder, loc, x);
}

Value TensorBuilder::exp(Value x) {
  return math::ExpOp::create(builder, loc, x);
}

Value TensorBuilder::sigmoid(Value x) {
  return div(constant(1, typeOf(x)), add(exp(neg(x)), 1));
}

Value TensorBuilder::constant(double value, Type type) {
  mlir::Type element = type.getElementType();
  mlir::TypedAttr number =
      llvm::isa<mlir::FloatType>(element)
          ? mlir::TypedAttr(builder.getFloatAttr(element, value))
          : mlir::TypedAttr(builder.getIntegerAttr(element, int64_t(value)));
  return arith::ConstantOp::create(
      builder, loc,
      mlir::DenseElementsAttr::get(type, mlir::Attribute(number)));
}

Value TensorBuilder::greater(Value a, Value b) {
  return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, a, b);
}

Value TensorBuilder::equal(Value a, Value b) {
  if (typeOf(a).getElementType().isInteger())
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
  return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, a, b);
}

Value TensorBuilder::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(builder, loc, condition, a,
                                 b ? b : constant(0, typeOf(a)));
}

Value TensorBuilder::cast(Value x, mlir::Type element) {
  Type type = typeOf(x);
  if (type.getElementType() == element)
    return x;
  return CastOp::create(builder, loc, type.clone(element), x);
}

Value TensorBuilder::reshape(Value x, Dimensions shape) {
  return ReshapeOp::create(builder, loc,
                           Type::get(shape, typeOf(x).getElementType()), x);
}

Value TensorBuilder::transpose(Value x, Dimensions permutation) {
  llvm::SmallVector<int64_t> shape;
  for (int64_t dimension : permutation)
    shape.push_back(typeOf(x).getDimSize(dimension));
  return TransposeOp::create(builder, loc,
                             Type::get(shape, typeOf(x).getElementType()), x,
                             permutation);
}

Value TensorBuilder::transposeLast(Value x) {
  auto permutation =
      llvm::to_vector(llvm::seq<int64_t>(0, typeOf(x).getRank()));
  std::swap(permutation[permutation.size() - 1],
            permutation[permutation.size() - 2]);
  return transpose(x, permutation);
}

static Value reduce(mlir::OpBuilder &builder, mlir::Location loc,
                    ReduceKind kind, Value x,
                    llvm::ArrayRef<int64_t> dimensions) {
  auto from = TensorBuilder::typeOf(x);
  llvm::SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(from.getShape()))
    if (!llvm::is_contained(dimensions, int64_t(i)))
      shape.push_back(extent);
  auto type = TensorBuilder::Type::get(shape, from.getElementType());
  return ReduceOp::create(builder, loc, type, kind, x,
                          builder.getDenseI64ArrayAttr(dimensions));
}

Value TensorBuilder::sum(Value x, Dimensions dimensions) {
  return reduce(builder, loc, ReduceKind::Sum, x, dimensions);
}

Value TensorBuilder::max(Value x, Dimensions dimensions) {
  return reduce(builder, loc, ReduceKind::Max, x, dimensions);
}

Value TensorBuilder::broadcast(Value x, Type type, Dimensions dimensions) {
  return BroadcastOp::create(builder, loc, type, x, dimensions);
}

Value TensorBuilder::alongRow(Value x, Type type) {
  return broadcast(x, type,
                   llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1)));
}

Value TensorBuilder::everyRow(Value x, Type type) {
  return broadcast(x, type, {type.getRank() - 1});
}

Value TensorBuilder::sumOfRows(Value x) {
  int64_t rank = typeOf(x).getRank();
  if (rank == 1)
    return x;
  return sum(x, llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)));
}

Value TensorBuilder::iota(Dimensions shape, int64_t dimension) {
  return IotaOp::create(builder, loc, Type::get(shape, builder.getI32Type()),
                        builder.getI64IntegerAttr(dimension));
}

Value TensorBuilder::nearest(Value indices, int64_t extent) {
  Type type = typeOf(indices);
  Value least =
      arith::MaxSIOp::create(builder, loc, indices, constant(0, type));
  return arith::MinSIOp::create(builder, loc, least,
                                constant(double(extent - 1), type));
}

} // namespace gptc::ir
