//===- ElementTypes.cpp ---------------------------------------------------===//

#include "gptc/ir/ElementTypes.h"

#include "mlir/IR/BuiltinTypes.h"

namespace gptc::ir {

/// All element types of the dialect.
static constexpr DataType known[] = {
    DataType::F32, DataType::F16, DataType::BF16, DataType::F64,
    DataType::I32, DataType::I64, DataType::Bool};

mlir::Type elementTypeOf(DataType type, mlir::MLIRContext *context) {
  switch (type) {
  case DataType::F32:
    return mlir::Float32Type::get(context);
  case DataType::F16:
    return mlir::Float16Type::get(context);
  case DataType::BF16:
    return mlir::BFloat16Type::get(context);
  case DataType::F64:
    return mlir::Float64Type::get(context);
  case DataType::I32:
    return mlir::IntegerType::get(context, 32);
  case DataType::I64:
    return mlir::IntegerType::get(context, 64);
  case DataType::Bool:
    return mlir::IntegerType::get(context, 1);
  default:
    return {};
  }
}

std::optional<DataType> dataTypeOf(mlir::Type type) {
  for (DataType candidate : known)
    if (elementTypeOf(candidate, type.getContext()) == type)
      return candidate;
  return std::nullopt;
}

} // namespace gptc::ir
