//===- Contraction.td - Matrix products --------------------*- tablegen -*-===//

#ifndef GPTC_IR_CONTRACTION_TD
#define GPTC_IR_CONTRACTION_TD

include "gptc/ir/Dialect.td"

def Gptc_MatmulOp : Gptc_DifferentiableOp<"matmul"> {
  let summary = "Matrix product over the last two dimensions.";
  let description = [{
    `lhs` is [..., M, K] ([..., K, M] with `transpose_lhs`), `rhs` is [K, N]
    ([N, K] with `transpose_rhs`) shared by all leading dimensions, or has the
    leading dimensions of `lhs` itself. Products are accumulated in f32 (f64
    if the operands are f64) and converted to the result's element type.

    Constraints:
    - (matmul_c1) Both operands have at least two dimensions; `rhs` has two, or
      the leading dimensions of `lhs`.
    - (matmul_c2) The contracted extents are equal.
    - (matmul_c3) The result is [..., M, N].
    - (matmul_c4) The operands have one element type; the result has it too, or
      is f32.

    Example:
    ```mlir
    %y = gptc.matmul %x, %w : tensor<1x512x768xf32>, tensor<768x2304xf32> -> tensor<1x512x2304xf32>
    %l = gptc.matmul %x, %e transpose_rhs : tensor<1x768xf32>, tensor<50257x768xf32> -> tensor<1x50257xf32>
    ```
  }];
  let arguments = (ins Gptc_FloatTensor:$lhs, Gptc_FloatTensor:$rhs,
                       UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`transpose_lhs` $transpose_lhs^)? (`transpose_rhs` $transpose_rhs^)? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// Rows of one product, its columns, its contracted extent, and the
    /// number of products (of the leading dimensions).
    int64_t getM(); int64_t getN(); int64_t getK(); int64_t getBatch();
    /// Whether all leading dimensions share `rhs`.
    bool sharesRhs();
  }];
  let hasVerifier = 1;
}

#endif // GPTC_IR_CONTRACTION_TD
