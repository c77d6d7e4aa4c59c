//===- Elementwise.td - Activations ------------------------*- tablegen -*-===//
//
// Plain arithmetic is arith's and math's. The functions here are whole because
// differentiation and post-ops want them whole.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_IR_ELEMENTWISE_TD
#define GPTC_IR_ELEMENTWISE_TD

include "gptc/ir/Dialect.td"

def Gptc_GeluForm : I32EnumAttr<"GeluForm", "Form of the Gaussian error linear unit", [
    I32EnumAttrCase<"Erf", 0, "erf">,
    I32EnumAttrCase<"Tanh", 1, "tanh">,
    I32EnumAttrCase<"Sigmoid", 2, "sigmoid">]> {
  let cppNamespace = "::gptc::ir";
  let genSpecializedAttr = 0;
}
def Gptc_GeluFormAttr : EnumAttr<Gptc_Dialect, Gptc_GeluForm, "gelu_form">;

class Gptc_UnaryOp<string mnemonic, list<Trait> traits = []>
    : Gptc_DifferentiableOp<mnemonic, !listconcat(traits, [
        Elementwise, SameOperandsAndResultType])>;

def Gptc_GeluOp : Gptc_UnaryOp<"gelu"> {
  let summary = "Gaussian error linear unit.";
  let description = [{
    `erf`: x·Φ(x). `tanh`: 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))).
    `sigmoid`: x·σ(1.702x). Source: Hendrycks and Gimpel, 2016.

    Example: `%y = gptc.gelu tanh %x : tensor<1x512x3072xf32>`.
  }];
  let arguments = (ins Gptc_GeluFormAttr:$form, Gptc_FloatTensor:$x);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = "$form $x attr-dict `:` type($x)";
}

def Gptc_SiluOp : Gptc_UnaryOp<"silu"> {
  let summary = "Sigmoid linear unit, x·σ(x).";
  let description = "Example: `%y = gptc.silu %x : tensor<4x8xf32>`.";
  let arguments = (ins Gptc_FloatTensor:$x);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Gptc_ReluOp : Gptc_UnaryOp<"relu"> {
  let summary = "Rectified linear unit, max(x, 0); NaN stays NaN.";
  let description = "Example: `%y = gptc.relu %x : tensor<4x8xf32>`.";
  let arguments = (ins Gptc_FloatTensor:$x);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Gptc_CastOp : Gptc_DifferentiableOp<"cast", [Elementwise, SameOperandsAndResultShape]> {
  let summary = "Converts the element type; floats round to nearest even.";
  let description = [{
    Between floating point types, from i32 to a floating point type, and from
    i1 to either (false is 0, true is 1).

    Constraints:
    - (cast_c1) The conversion is one of those above.

    Example: `%y = gptc.cast %x : tensor<4x8xf32> to tensor<4x8xbf16>`.
  }];
  let arguments = (ins Gptc_Tensor:$x);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // GPTC_IR_ELEMENTWISE_TD
