//===- Attention.td - Scaled dot product attention ---------*- tablegen -*-===//

#ifndef GPTC_IR_ATTENTION_TD
#define GPTC_IR_ATTENTION_TD

include "gptc/ir/Dialect.td"

def Gptc_AttentionOp : Gptc_PureOp<"attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<DifferentiableOp, ["keepForGradient"]>]> {
  let summary = "softmax(scale · query · keyᵀ) · value, causal or not, dense or banded.";
  let description = [{
    `query` is [B, H, T, D], `key` and `value` are [B, H, S, D]. Query i of
    sequence b stands at position positions[b] + i (positions are 0 without
    the operand). It sees key j (at position j) if j is less than
    positions[b] + lengths[b] (S without the operands), if j is not after it
    (`causal`), and if it is less than `window` before it, itself included.
    With `drop` %rate, %seed, %site each probability whose element of
    `gptc.keep_mask` of [B, H, T, S] is false counts 0 where values are summed;
    the others are not scaled. A query that sees no key, and a query at or after lengths[b], yields
    zeros or any finite value: nothing may depend on it.
    `log_sum_exp` is, of each query, the logarithm of the sum of exp(score)
    over the keys that it sees: what the gradient makes probabilities of.
    Statistics are f32 (f64 for f64). Sources: Vaswani et al., 2017; the band
    is that of Child et al., 2019.

    Constraints:
    - (attention_c1) All operands are of rank 4 and agree in B, H and D; `key`
      and `value` have one type.
    - (attention_c2) `positions` and `lengths` come together and are [B].
    - (attention_c3) Without positions a causal attention has T = S.
    - (attention_c4) `window` is positive and needs `causal`.
    - (attention_c5) The result has the type of `query`.
    - (attention_c6) A rate, a seed and a site of `drop` come together.
    - (attention_c7) `log_sum_exp` is [B, H, T] of f32 (f64 for f64).

    Example:
    ```mlir
    %y = gptc.attention %q, %k, %v scale %s causal window 256
      : tensor<1x12x512x64xf32>, tensor<1x12x512x64xf32>, f32
    %z = gptc.attention %q, %k, %v scale %s at %positions, %lengths causal
      : tensor<1x12x1x64xf32>, tensor<1x12x1024x64xf32>, f32, tensor<1xi32>
    %r, %l = gptc.attention %q, %k, %v scale %s causal log_sum_exp
      : tensor<1x12x512x64xf32>, tensor<1x12x512x64xf32>, f32
    ```
  }];
  let arguments = (ins Gptc_FloatTensor:$query, Gptc_FloatTensor:$key,
                       Gptc_FloatTensor:$value, AnyTypeOf<[F32, F64]>:$scale,
                       Optional<Gptc_IndexTensor>:$positions,
                       Optional<Gptc_IndexTensor>:$lengths,
                       Optional<F32>:$drop_rate, Optional<I32>:$drop_seed,
                       Optional<I32>:$drop_site,
                       UnitAttr:$causal, OptionalAttr<I64Attr>:$window);
  let results = (outs Gptc_FloatTensor:$result,
                      Optional<Gptc_FloatTensor>:$log_sum_exp);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Gptc_AttentionBackwardOp : Gptc_PureOp<"attention_backward", [
    AttrSizedOperandSegments]> {
  let summary = "Gradients of an attention's query, key and value.";
  let description = [{
    `gradient` is that of `result`, the first result of a `gptc.attention` with
    the same other operands and attributes, and `log_sum_exp` its second. With
    the probabilities P = exp(scale·Q·Kᵀ - log_sum_exp), which are computed
    anew, and the mask M of `drop`, or ones: dV = (M∘P)ᵀ·gradient,
    dP = M∘(gradient·Vᵀ), dS = P∘(dP - Σ gradient∘result), dQ = scale·dS·K,
    dK = scale·dSᵀ·Q. Nothing flows into what no query sees,
    nor from a query at or after lengths[b]. Source: Dao, 2023.

    Constraints:
    - (attention_backward_c1) The operands are those of an attention: see its
      constraints.
    - (attention_backward_c2) `gradient`, `result` and the query's gradient
      have the type of `query`, the other results that of `key`.
    - (attention_backward_c3) `log_sum_exp` is [B, H, T] of f32 (f64 for f64).

    Example:
    ```mlir
    %dq, %dk, %dv = gptc.attention_backward %q, %k, %v, %g, %y, %l scale %s causal
      : tensor<1x12x512x64xf32>, tensor<1x12x512x64xf32>, f32
    ```
  }];
  let arguments = (ins Gptc_FloatTensor:$query, Gptc_FloatTensor:$key,
                       Gptc_FloatTensor:$value, Gptc_FloatTensor:$gradient,
                       Gptc_FloatTensor:$result, Gptc_FloatTensor:$log_sum_exp,
                       AnyTypeOf<[F32, F64]>:$scale,
                       Optional<Gptc_IndexTensor>:$positions,
                       Optional<Gptc_IndexTensor>:$lengths,
                       Optional<F32>:$drop_rate, Optional<I32>:$drop_seed,
                       Optional<I32>:$drop_site,
                       UnitAttr:$causal, OptionalAttr<I64Attr>:$window);
  let results = (outs Gptc_FloatTensor:$query_gradient,
                      Gptc_FloatTensor:$key_gradient,
                      Gptc_FloatTensor:$value_gradient);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

#endif // GPTC_IR_ATTENTION_TD
