//===- Interpreter.h - Reference semantics of models ------------*- C++ -*-===//
//
// Executes an entry function op by op, in double precision and with the
// plainest loops that its definition allows. It is slow; every backend, pass
// and test is compared with it.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_REFERENCE_COMPILER_INTERPRETER_H
#define GPTC_BACKENDS_REFERENCE_COMPILER_INTERPRETER_H

#include "gptc/ir/Dialect.h"
#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/Error.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gptc {

/// A tensor, or a scalar if `shape` is empty, as the interpreter sees it: dense
/// and row-major. Integers and bools are exact whole numbers; those of i64 are
/// exact to 2^53.
struct HostTensor {
  DataType type = DataType::F32;
  std::vector<int64_t> shape;
  std::vector<double> values;

  bool operator==(const HostTensor &) const = default;
};

/// Variables of a module by name.
using HostVariables = std::map<std::string, HostTensor>;

/// Receives an op and its result.
using OnResult = std::function<void(mlir::Operation *, const HostTensor &)>;

/// Runs an entry function of phase gradient, or of phase model if it asks for
/// no gradients, on `arguments`, which are in the
/// function's order, and returns its results in order.
///
/// Floating point arithmetic is double whatever the element type says, and
/// `gptc.cast` alone rounds, to nearest even, to the type that it converts to.
/// Integers wrap at their width.
///
/// Reads take from `variables`; what is absent there and no parameter starts
/// with zeros. Assignments reach `variables` when the whole run succeeds, and
/// not otherwise. `onResult`, if given, sees every op's result in order.
///
/// Errors: InvalidArgument for arguments or variables of another number, type
/// or shape; NotFound for a variable without a value; Unsupported for an op
/// that these phases do not have, with its name and scope.
/// Thread safe for different modules.
Expected<std::vector<HostTensor>>
interpret(mlir::func::FuncOp entry, const std::vector<HostTensor> &arguments,
          HostVariables &variables, const OnResult &onResult = {});

/// A tensor of zeros of an MLIR tensor or scalar type with an element type of
/// the dialect.
HostTensor zerosOf(mlir::Type type);

} // namespace gptc

#endif // GPTC_BACKENDS_REFERENCE_COMPILER_INTERPRETER_H
