//===- Interpreter.cpp ----------------------------------------------------===//

#include "gptc/backends/reference/compiler/Interpreter.h"

#include "gptc/backends/reference/compiler/Operations.h"
#include "gptc/ir/ElementTypes.h"
#include "llvm/ADT/TypeSwitch.h"

#include <fmt/ranges.h>

namespace gptc {

using namespace reference;

namespace {

std::string describe(const HostTensor &tensor) {
  return fmt::format("{}[{}]", toString(tensor.type),
                     fmt::join(tensor.shape, ", "));
}

/// Whether a tensor from outside is what the IR says; `what` names it.
Status checkType(const std::string &what, const HostTensor &tensor,
                 mlir::Type type) {
  HostTensor expected = zerosOf(type);
  if (tensor.type != expected.type || tensor.shape != expected.shape)
    return failure(ErrorCode::InvalidArgument, "{} is {}, expected {}", what,
                   describe(tensor), describe(expected));
  if (tensor.values.size() != expected.values.size())
    return failure(
        ErrorCode::InvalidArgument, "{} is {} and has {} values, expected {}",
        what, describe(tensor), tensor.values.size(), expected.values.size());
  return {};
}

/// One run of an entry function.
class Run {
public:
  Run(const HostVariables &variables, const OnResult &onResult)
      : variables(variables), onResult(onResult) {}

  Expected<std::vector<HostTensor>>
  run(mlir::func::FuncOp entry, const std::vector<HostTensor> &arguments);

  /// What the run assigned.
  HostVariables assigned;

private:
  const HostVariables &variables;
  const OnResult &onResult;
  llvm::DenseMap<mlir::Value, HostTensor> values;

  Expected<HostTensor> read(ir::ReadOp op) const;
  Status execute(mlir::Operation *op);
};

Expected<HostTensor> Run::read(ir::ReadOp op) const {
  std::string name = op.getVariable().str();
  for (const HostVariables *source : {&std::as_const(assigned), &variables})
    if (auto found = source->find(name); found != source->end()) {
      GPTC_CHECK(checkType(fmt::format("the variable '{}'", name),
                           found->second, op.getResult().getType()));
      return found->second;
    }
  auto declaration = mlir::SymbolTable::lookupNearestSymbolFrom<ir::VariableOp>(
      op, op.getVariableAttr());
  if (declaration.getRole() != ir::Role::Parameter)
    return zerosOf(op.getResult().getType());
  return failure(ErrorCode::NotFound, "the {} '{}' has no value; give it one",
                 ir::stringifyRole(declaration.getRole()).str(), name);
}

Status Run::execute(mlir::Operation *op) {
  llvm::SmallVector<const HostTensor *> operands;
  for (mlir::Value operand : op->getOperands())
    operands.push_back(&values.find(operand)->second);

  std::optional<HostTensor> result = evaluateElementwise(op, operands);
  if (!result)
    result = llvm::TypeSwitch<mlir::Operation *, std::optional<HostTensor>>(op)
                 .Case<mlir::arith::ConstantOp, mlir::tensor::SplatOp,
                       ir::BroadcastOp, ir::ReshapeOp, ir::TransposeOp,
                       ir::SliceOp, ir::ConcatOp, ir::MatmulOp, ir::ReduceOp,
                       ir::LayerNormOp, ir::SoftmaxOp, ir::LogLikelihoodOp,
                       ir::GatherOp, ir::ScatterAddOp, ir::SelectRowOp,
                       ir::CacheAppendOp, ir::IotaOp, ir::KeepMaskOp>(
                     [&](auto known) { return evaluate(known, operands); })
                 .Default(std::nullopt);
  if (result) {
    if (onResult)
      onResult(op, *result);
    values[op->getResult(0)] = std::move(*result);
    return {};
  }
  std::vector<HostTensor> results;
  if (auto attention = llvm::dyn_cast<ir::AttentionOp>(op))
    results = evaluate(attention, operands);
  else if (auto backward = llvm::dyn_cast<ir::AttentionBackwardOp>(op))
    results = evaluate(backward, operands);
  else if (auto topK = llvm::dyn_cast<ir::TopKOp>(op))
    results = evaluate(topK, operands);
  if (!results.empty()) {
    if (onResult)
      onResult(op, results[0]);
    for (auto [value, tensor] : llvm::zip(op->getResults(), results))
      values[value] = std::move(tensor);
    return {};
  }
  if (auto stop = llvm::dyn_cast<ir::StopGradientOp>(op)) {
    HostTensor same = *operands[0];
    values[stop.getY()] = std::move(same);
    return {};
  }
  if (auto readOp = llvm::dyn_cast<ir::ReadOp>(op)) {
    GPTC_TRY(values[readOp.getResult()], read(readOp));
    return {};
  }
  if (auto assign = llvm::dyn_cast<ir::AssignOp>(op)) {
    assigned[assign.getVariable().str()] = *operands[0];
    return {};
  }
  return failure(ErrorCode::Unsupported,
                 "the reference interpreter does not know the op '{}' in scope "
                 "'{}'; it runs the gradient phase",
                 op->getName().getStringRef().str(),
                 ir::scopeOf(op->getLoc()).str());
}

Expected<std::vector<HostTensor>>
Run::run(mlir::func::FuncOp entry, const std::vector<HostTensor> &arguments) {
  std::string name = entry.getName().str();
  if (entry.isExternal() || !entry.getBody().hasOneBlock())
    return failure(ErrorCode::Unsupported,
                   "the entry '{}' is not a single block of ops", name);
  if (arguments.size() != entry.getNumArguments())
    return failure(ErrorCode::InvalidArgument,
                   "the entry '{}' takes {} arguments, found {}", name,
                   entry.getNumArguments(), arguments.size());
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    mlir::Value value = entry.getArgument(i);
    GPTC_CHECK(checkType(fmt::format("argument {} of the entry '{}'", i, name),
                         argument, value.getType()));
    values[value] = argument;
  }
  mlir::Block &block = entry.getBody().front();
  for (mlir::Operation &op : block.without_terminator())
    GPTC_CHECK(execute(&op));
  std::vector<HostTensor> results;
  for (mlir::Value value : block.getTerminator()->getOperands())
    results.push_back(values.find(value)->second);
  return results;
}

} // namespace

HostTensor zerosOf(mlir::Type type) {
  HostTensor tensor;
  tensor.type =
      ir::dataTypeOf(mlir::getElementTypeOrSelf(type)).value_or(DataType::F32);
  size_t count = 1;
  if (auto ranked = llvm::dyn_cast<mlir::RankedTensorType>(type)) {
    tensor.shape.assign(ranked.getShape().begin(), ranked.getShape().end());
    count = size_t(ranked.getNumElements());
  }
  tensor.values.assign(count, 0.0);
  return tensor;
}

Expected<std::vector<HostTensor>>
interpret(mlir::func::FuncOp entry, const std::vector<HostTensor> &arguments,
          HostVariables &variables, const OnResult &onResult) {
  Run run(variables, onResult);
  GPTC_TRY(std::vector<HostTensor> results, run.run(entry, arguments));
  for (auto &[name, value] : run.assigned)
    variables[name] = std::move(value);
  return results;
}

} // namespace gptc
