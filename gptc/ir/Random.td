//===- Random.td - Random masks ----------------------------*- tablegen -*-===//

#ifndef GPTC_IR_RANDOM_TD
#define GPTC_IR_RANDOM_TD

include "gptc/ir/Dialect.td"

def Gptc_KeepMaskOp : Gptc_PureOp<"keep_mask"> {
  let summary = "A random mask, each element true with probability 1 - rate.";
  let description = [{
    Element i in row-major order is true if the upper 24 bits of its random
    word, as a fraction, are `rate` or more. The word is the first of
    Philox2x32-7 with the counter (i, `site`) and the key `seed`, i modulo
    2^32: a function of these numbers alone, the same bits on every backend,
    whoever computes it and how often. Hence nothing stores a mask. Source:
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.

    Example: `%m = gptc.keep_mask %rate seed %seed, %site : tensor<2x512x768xi1>`.
  }];
  let arguments = (ins F32:$rate, I32:$seed, I32:$site);
  let results = (outs StaticShapeTensorOf<[I1]>:$result);
  let assemblyFormat = "$rate `seed` $seed `,` $site attr-dict `:` type($result)";
}

#endif // GPTC_IR_RANDOM_TD
