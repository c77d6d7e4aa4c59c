//===- Interfaces.td - What ops can be asked ---------------*- tablegen -*-===//

#ifndef GPTC_IR_INTERFACES_TD
#define GPTC_IR_INTERFACES_TD

include "mlir/IR/OpBase.td"

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let description = [{
    The one definition of how much work an op is, which every report and
    benchmark uses. Useful work only: causal attention counts as causal.
  }];
  let cppNamespace = "::gptc::ir";
  let methods = [
    InterfaceMethod<[{
        Floating point operations of one execution; a multiply-add counts
        two, a transcendental function one. Data movement counts none.
      }],
      "uint64_t", "getFlops">,
  ];
}

def DifferentiableOp : OpInterface<"DifferentiableOp"> {
  let description = [{
    An op whose gradient is known, as ops. Differentiation asks for it where a
    gradient flows through the op; an op that lacks the interface is an error
    there, and nowhere else. Scalars get no gradients: no op makes a scalar of
    a tensor.
  }];
  let cppNamespace = "::gptc::ir";
  let methods = [
    InterfaceMethod<[{
        Builds the vector-Jacobian product: from the gradients of the results
        (null where none flows, one at least is there) those of the operands.
        `needed` says for each operand whether its gradient is wanted.
        Returns one value for each operand, of its type, and null where none
        is wanted or none flows.
      }],
      "::llvm::SmallVector<::mlir::Value>", "buildGradients",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$gradients,
           "::llvm::ArrayRef<bool>":$needed)>,
    InterfaceMethod<[{
        Has the op yield what its gradient reads as well: replaces it where it
        does not yet. Returns the op that is there then. To be called before
        `buildGradients`.
      }],
      "::mlir::Operation *", "keepForGradient", (ins), "",
      "return $_op.getOperation();">,
  ];
}

#endif // GPTC_IR_INTERFACES_TD
