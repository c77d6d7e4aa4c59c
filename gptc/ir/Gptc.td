//===- Gptc.td - The whole dialect, topic by topic ---------*- tablegen -*-===//

#ifndef GPTC_IR_GPTC_TD
#define GPTC_IR_GPTC_TD

include "gptc/ir/Variable.td"
include "gptc/ir/Elementwise.td"
include "gptc/ir/Shape.td"
include "gptc/ir/Contraction.td"
include "gptc/ir/Normalization.td"
include "gptc/ir/Attention.td"
include "gptc/ir/Indexing.td"
include "gptc/ir/Loss.td"
include "gptc/ir/Random.td"
include "gptc/ir/Gradient.td"
include "gptc/ir/Kernel.td"
include "gptc/ir/Program.td"

#endif // GPTC_IR_GPTC_TD
