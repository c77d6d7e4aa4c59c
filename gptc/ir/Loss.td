//===- Loss.td - Likelihoods -------------------------------*- tablegen -*-===//

#ifndef GPTC_IR_LOSS_TD
#define GPTC_IR_LOSS_TD

include "gptc/ir/Dialect.td"

def Gptc_LogLikelihoodOp : Gptc_DifferentiableOp<"log_likelihood"> {
  let summary = "Natural logarithm of the softmax probability of each target.";
  let description = [{
    `logits` is [..., V], `targets` is [...]; the result [...] is
    logits[target] - log(sum(exp(logits))), and 0 where the target is negative.
    A target of V or more counts as V - 1.

    Constraints:
    - (log_likelihood_c1) `targets` has the leading extents of `logits`.
    - (log_likelihood_c2) The result has the shape of `targets` and the element
      type of `logits`.

    Example:
    `%l = gptc.log_likelihood %logits, %targets : tensor<1x512x50257xf32>, tensor<1x512xi32> -> tensor<1x512xf32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$logits, Gptc_IndexTensor:$targets);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $logits `,` $targets attr-dict `:` type($logits) `,` type($targets) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // GPTC_IR_LOSS_TD
