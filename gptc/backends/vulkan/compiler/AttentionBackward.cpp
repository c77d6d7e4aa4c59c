#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

void emitAttentionBackward(Emitter &e, ir::AttentionBackwardOp) {
  e.failure = "not yet";
}
} // namespace gptc::vulkan
