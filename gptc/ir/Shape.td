//===- Shape.td - Views of a tensor ------------------------*- tablegen -*-===//

#ifndef GPTC_IR_SHAPE_TD
#define GPTC_IR_SHAPE_TD

include "gptc/ir/Dialect.td"

def Gptc_BroadcastOp : Gptc_DifferentiableOp<"broadcast"> {
  let summary = "Repeats a tensor along new or unit dimensions.";
  let description = [{
    Dimension i of `x` becomes dimension `dimensions[i]` of the result; what
    is not named is repeated.

    Constraints:
    - (broadcast_c1) One strictly increasing dimension of the result for each
      dimension of `x`.
    - (broadcast_c2) Each extent of `x` is 1 or that of its dimension.
    - (broadcast_c3) Both have the same element type.

    Example: `%y = gptc.broadcast %b [2] : tensor<768xf32> to tensor<1x512x768xf32>`.
  }];
  let arguments = (ins Gptc_Tensor:$x, DenseI64ArrayAttr:$dimensions);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x $dimensions attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Gptc_ReshapeOp : Gptc_DifferentiableOp<"reshape"> {
  let summary = "The same elements in row-major order under another shape.";
  let description = [{
    Constraints:
    - (reshape_c1) Both have the same number of elements.
    - (reshape_c2) Both have the same element type.

    Example: `%y = gptc.reshape %x : tensor<1x512x768xf32> to tensor<1x512x12x64xf32>`.
  }];
  let arguments = (ins Gptc_Tensor:$x);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Gptc_TransposeOp : Gptc_DifferentiableOp<"transpose"> {
  let summary = "Permutes dimensions.";
  let description = [{
    Dimension i of the result is dimension `permutation[i]` of `x`.

    Constraints:
    - (transpose_c1) `permutation` is a permutation of the dimensions of `x`.
    - (transpose_c2) The result has the permuted shape and the element type of `x`.

    Example: `%y = gptc.transpose %x [0, 2, 1, 3] : tensor<1x512x12x64xf32> to tensor<1x12x512x64xf32>`.
  }];
  let arguments = (ins Gptc_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x $permutation attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Gptc_SliceOp : Gptc_DifferentiableOp<"slice"> {
  let summary = "A box cut out of a tensor.";
  let description = [{
    The box starts at `offsets` and has the result's shape.

    Constraints:
    - (slice_c1) One offset for each dimension, and equal ranks.
    - (slice_c2) The box lies within `x`.
    - (slice_c3) Both have the same element type.

    Example: `%q = gptc.slice %x [0, 0, 768] : tensor<1x512x2304xf32> to tensor<1x512x768xf32>`.
  }];
  let arguments = (ins Gptc_Tensor:$x, DenseI64ArrayAttr:$offsets);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = "$x $offsets attr-dict `:` type($x) `to` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Gptc_ConcatOp : Gptc_DifferentiableOp<"concat"> {
  let summary = "Tensors joined along one dimension.";
  let description = [{
    The operands follow each other in the order in which they stand.

    Constraints:
    - (concat_c1) There is an operand, and `dimension` is one of its dimensions.
    - (concat_c2) The result has the sum of the operands' extents in
      `dimension`, and otherwise the extents of each of them.
    - (concat_c3) All have the same element type.

    Example: `%y = gptc.concat %q, %k along 2 : tensor<1x512x768xf32>, tensor<1x512x5xf32> -> tensor<1x512x773xf32>`.
  }];
  let arguments = (ins Variadic<Gptc_Tensor>:$inputs, I64Attr:$dimension);
  let results = (outs Gptc_Tensor:$y);
  let assemblyFormat = [{
    $inputs `along` $dimension attr-dict `:` type($inputs) `->` type($y)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // GPTC_IR_SHAPE_TD
