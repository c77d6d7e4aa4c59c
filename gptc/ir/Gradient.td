//===- Gradient.td - Asking for gradients ------------------*- tablegen -*-===//
//
// These stand in phase model alone; gptc-differentiate expands them.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_IR_GRADIENT_TD
#define GPTC_IR_GRADIENT_TD

include "gptc/ir/Dialect.td"

def Gptc_GradientOp : Gptc_Op<"gradient", [Pure]> {
  let summary = "Gradients of a loss with respect to values.";
  let description = [{
    One result for each of `values`: how the loss changes with each of its
    elements, through everything that was computed from it; zeros where
    nothing reaches the loss. Every op on the way must have the interface
    `DifferentiableOp`.

    Constraints:
    - (gradient_c1) The loss has no dimensions.
    - (gradient_c2) There is one result for each value, of its type.

    Example: `%dw, %db = gptc.gradient %loss wrt %w, %b : tensor<f32> wrt tensor<4x8xf32>, tensor<8xf32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$loss, Variadic<Gptc_FloatTensor>:$values);
  let results = (outs Variadic<Gptc_FloatTensor>:$gradients);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Gptc_StopGradientOp : Gptc_Op<"stop_gradient", [Pure, SameOperandsAndResultType]> {
  let summary = "The operand itself, through which no gradient flows.";
  let description = "Example: `%y = gptc.stop_gradient %x : tensor<4x8xf32>`.";
  let arguments = (ins Gptc_Tensor:$x);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

#endif // GPTC_IR_GRADIENT_TD
