//===- Normalization.td - Reductions and norms -------------*- tablegen -*-===//

#ifndef GPTC_IR_NORMALIZATION_TD
#define GPTC_IR_NORMALIZATION_TD

include "gptc/ir/Dialect.td"

def Gptc_ReduceKind : I32EnumAttr<"ReduceKind", "How a reduction combines", [
    I32EnumAttrCase<"Sum", 0, "sum">,
    I32EnumAttrCase<"Max", 1, "max">]> {
  let cppNamespace = "::gptc::ir";
  let genSpecializedAttr = 0;
}
def Gptc_ReduceKindAttr : EnumAttr<Gptc_Dialect, Gptc_ReduceKind, "reduce_kind">;

def Gptc_ReduceOp : Gptc_DifferentiableOp<"reduce"> {
  let summary = "Sum or maximum over dimensions, which are removed.";
  let description = [{
    Constraints:
    - (reduce_c1) `dimensions` are strictly increasing dimensions of `x`.
    - (reduce_c2) The result has the remaining extents and the element type of `x`.

    Example: `%s = gptc.reduce sum %x [2] : tensor<1x512x768xf32> to tensor<1x512xf32>`.
  }];
  let arguments = (ins Gptc_ReduceKindAttr:$kind, Gptc_FloatTensor:$x,
                       DenseI64ArrayAttr:$dimensions);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = "$kind $x $dimensions attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
}

def Gptc_LayerNormOp : Gptc_DifferentiableOp<"layer_norm", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Normalizes the last dimension to mean 0 and variance 1, then scales and shifts.";
  let description = [{
    y = (x - mean) / sqrt(variance + epsilon) · gain + bias, with the biased
    variance. Statistics are f32 (f64 for f64). Source: Ba et al., 2016.

    Constraints:
    - (layer_norm_c1) `gain` and `bias` are vectors of the last extent of `x`.
    - (layer_norm_c2) The result has the type of `x`.

    Example:
    `%y = gptc.layer_norm %x, %g, %b epsilon %e : tensor<1x512x768xf32>, tensor<768xf32>, tensor<768xf32>, f32`.
  }];
  let arguments = (ins Gptc_FloatTensor:$x, Gptc_FloatTensor:$gain,
                       Gptc_FloatTensor:$bias, AnyTypeOf<[F32, F64]>:$epsilon);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = [{
    $x `,` $gain `,` $bias `epsilon` $epsilon attr-dict `:`
    type($x) `,` type($gain) `,` type($bias) `,` type($epsilon)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Builds the same computation from reductions and arithmetic.
    ::mlir::Value decompose(::mlir::OpBuilder &builder);
  }];
}

def Gptc_SoftmaxOp : Gptc_DifferentiableOp<"softmax", [SameOperandsAndResultType]> {
  let summary = "exp(x - max) / sum over the last dimension.";
  let description = "Example: `%p = gptc.softmax %x : tensor<1x12x512x512xf32>`.";
  let arguments = (ins Gptc_FloatTensor:$x);
  let results = (outs Gptc_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let extraClassDeclaration = [{
    /// Builds the same computation from reductions and arithmetic.
    ::mlir::Value decompose(::mlir::OpBuilder &builder);
  }];
}

#endif // GPTC_IR_NORMALIZATION_TD
