//===- ElementTypes.h - MLIR's types and those of files --------*- C++ -*-===//

#ifndef GPTC_IR_ELEMENTTYPES_H
#define GPTC_IR_ELEMENTTYPES_H

#include "gptc/runtime/base/DataType.h"
#include "mlir/IR/Types.h"

#include <optional>

namespace gptc::ir {

/// The element type that files and artifacts call `type`; nothing for a type
/// that tensors of the dialect do not have.
std::optional<DataType> dataTypeOf(mlir::Type type);

/// The inverse; a null type for element types that only files have.
mlir::Type elementTypeOf(DataType type, mlir::MLIRContext *context);

} // namespace gptc::ir

#endif // GPTC_IR_ELEMENTTYPES_H
