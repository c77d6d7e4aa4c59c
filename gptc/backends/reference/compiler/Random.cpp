//===- Random.cpp - Random masks ------------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"
#include "gptc/runtime/base/Philox.h"

namespace gptc::reference {

bool keeps(uint64_t index, double rate, double seed, double site) {
  auto words = Philox::at({uint32_t(index), uint32_t(int32_t(site))},
                          uint32_t(int32_t(seed)));
  return double(words[0] >> 8) * 0x1p-24 >= rate;
}

HostTensor evaluate(ir::KeepMaskOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = keeps(i, operands[0]->values[0], operands[1]->values[0],
                             operands[2]->values[0]);
  return result;
}

} // namespace gptc::reference
