//===- Elementwise.cpp - Arithmetic, activations, conversions -------------===//

#include "gptc/backends/reference/compiler/Operations.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numbers>

namespace gptc::reference {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Operation;

double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

namespace {

double minimum(double a, double b) { return -maximum(-a, -b); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double gelu(ir::GeluForm form, double x) {
  switch (form) {
  case ir::GeluForm::Erf:
    return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
  case ir::GeluForm::Tanh:
    return 0.5 * x *
           (1 + std::tanh(std::sqrt(2 / std::numbers::pi) *
                          (x + 0.044715 * x * x * x)));
  case ir::GeluForm::Sigmoid:
    return x * sigmoid(1.702 * x);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// The nearest value of a floating point type, ties to even.
double roundTo(mlir::FloatType type, double x) {
  llvm::APFloat value(x);
  bool losesInfo = false;
  value.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

using UnaryFunction = std::function<double(double)>;
using BinaryFunction = std::function<double(double, double)>;

UnaryFunction unaryFunction(Operation *op) {
  using Result = UnaryFunction;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::NegFOp) -> Result { return [](double x) { return -x; }; })
      .Case([](math::AbsFOp) -> Result {
        return [](double x) { return std::fabs(x); };
      })
      .Case([](math::ExpOp) -> Result {
        return [](double x) { return std::exp(x); };
      })
      .Case([](math::LogOp) -> Result {
        return [](double x) { return std::log(x); };
      })
      .Case([](math::TanhOp) -> Result {
        return [](double x) { return std::tanh(x); };
      })
      .Case([](math::ErfOp) -> Result {
        return [](double x) { return std::erf(x); };
      })
      .Case([](math::SqrtOp) -> Result {
        return [](double x) { return std::sqrt(x); };
      })
      .Case([](math::RsqrtOp) -> Result {
        return [](double x) { return 1 / std::sqrt(x); };
      })
      .Case([](ir::GeluOp gelu_) -> Result {
        return [form = gelu_.getForm()](double x) { return gelu(form, x); };
      })
      .Case([](ir::SiluOp) -> Result {
        return [](double x) { return x * sigmoid(x); };
      })
      .Case([](ir::ReluOp) -> Result {
        return [](double x) { return maximum(x, 0); };
      })
      .Case([](ir::CastOp cast) -> Result {
        auto to = llvm::dyn_cast<mlir::FloatType>(
            cast.getY().getType().getElementType());
        // Between integers a cast only widens.
        return [to](double x) { return to ? roundTo(to, x) : x; };
      })
      .Default(Result());
}

BinaryFunction floatFunction(Operation *op) {
  using Result = BinaryFunction;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::AddFOp) -> Result { return std::plus<double>(); })
      .Case([](arith::SubFOp) -> Result { return std::minus<double>(); })
      .Case([](arith::MulFOp) -> Result { return std::multiplies<double>(); })
      .Case([](arith::DivFOp) -> Result { return std::divides<double>(); })
      .Case([](arith::MaximumFOp) -> Result { return maximum; })
      .Case([](arith::MinimumFOp) -> Result { return minimum; })
      .Case([](arith::CmpFOp compare) -> Result {
        return [predicate = compare.getPredicate()](double a, double b) {
          return double(arith::applyCmpPredicate(predicate, llvm::APFloat(a),
                                                 llvm::APFloat(b)));
        };
      })
      .Default(Result());
}

using IntegerFunction =
    std::function<llvm::APInt(const llvm::APInt &, const llvm::APInt &)>;

IntegerFunction integerFunction(Operation *op) {
  using llvm::APInt;
  using Result = IntegerFunction;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::AddIOp) -> Result { return std::plus<APInt>(); })
      .Case([](arith::SubIOp) -> Result { return std::minus<APInt>(); })
      .Case([](arith::MulIOp) -> Result { return std::multiplies<APInt>(); })
      .Case([](arith::AndIOp) -> Result { return std::bit_and<APInt>(); })
      .Case([](arith::OrIOp) -> Result { return std::bit_or<APInt>(); })
      .Case([](arith::XOrIOp) -> Result { return std::bit_xor<APInt>(); })
      .Case([](arith::MaxSIOp) -> Result {
        return [](const APInt &a, const APInt &b) { return a.sgt(b) ? a : b; };
      })
      .Case([](arith::MinSIOp) -> Result {
        return [](const APInt &a, const APInt &b) { return a.slt(b) ? a : b; };
      })
      .Case([](arith::CmpIOp compare) -> Result {
        return [predicate = compare.getPredicate()](const APInt &a,
                                                    const APInt &b) {
          return APInt(1, arith::applyCmpPredicate(predicate, a, b));
        };
      })
      .Default(Result());
}

/// A bool is 0 or 1; other integers are signed.
double toDouble(const llvm::APInt &value) {
  return value.getBitWidth() == 1 ? double(value.getZExtValue())
                                  : double(value.getSExtValue());
}

llvm::APInt toInteger(double value, unsigned width) {
  return llvm::APInt(64, uint64_t(int64_t(value)), true).trunc(width);
}

} // namespace

std::optional<HostTensor> evaluateElementwise(Operation *op,
                                              Operands operands) {
  if (op->getNumResults() != 1)
    return std::nullopt;
  HostTensor result = zerosOf(op->getResult(0).getType());
  size_t count = result.values.size();
  if (UnaryFunction function = unaryFunction(op)) {
    for (size_t i = 0; i < count; ++i)
      result.values[i] = function(operands[0]->values[i]);
    return result;
  }
  if (BinaryFunction function = floatFunction(op)) {
    for (size_t i = 0; i < count; ++i)
      result.values[i] =
          function(operands[0]->values[i], operands[1]->values[i]);
    return result;
  }
  if (IntegerFunction function = integerFunction(op)) {
    unsigned width = mlir::getElementTypeOrSelf(op->getOperand(0).getType())
                         .getIntOrFloatBitWidth();
    for (size_t i = 0; i < count; ++i)
      result.values[i] =
          toDouble(function(toInteger(operands[0]->values[i], width),
                            toInteger(operands[1]->values[i], width)));
    return result;
  }
  if (llvm::isa<arith::SelectOp>(op)) {
    // One condition for all, or one for each element.
    bool single =
        !llvm::isa<mlir::RankedTensorType>(op->getOperand(0).getType());
    for (size_t i = 0; i < count; ++i) {
      bool first = operands[0]->values[single ? 0 : i] != 0;
      result.values[i] = operands[first ? 1 : 2]->values[i];
    }
    return result;
  }
  return std::nullopt;
}

HostTensor evaluate(arith::ConstantOp op, Operands) {
  HostTensor result = zerosOf(op.getType());
  auto number = [](mlir::Attribute value) {
    if (auto real = llvm::dyn_cast<mlir::FloatAttr>(value))
      return real.getValueAsDouble();
    return toDouble(llvm::cast<mlir::IntegerAttr>(value).getValue());
  };
  auto elements = llvm::dyn_cast<mlir::DenseElementsAttr>(op.getValue());
  if (!elements) {
    result.values[0] = number(op.getValue());
    return result;
  }
  for (auto [value, element] :
       llvm::zip(result.values, elements.getValues<mlir::Attribute>()))
    value = number(element);
  return result;
}

} // namespace gptc::reference
