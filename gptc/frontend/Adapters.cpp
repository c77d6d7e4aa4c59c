//===- Adapters.cpp - Low-rank adaptation of products ---------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

#include <cmath>

namespace gptc {

Tensor GraphState::adaptation(const Tensor &x, const Tensor &weight,
                              int64_t out, Where where) {
  auto read = unwrap(weight).getDefiningOp<ir::ReadOp>();
  if (adapters.rank == 0 || !read)
    return {};
  llvm::StringRef name = read.getVariable();
  if (!name.consume_back(".weight") || name.starts_with("task."))
    return {};
  llvm::StringRef last = name.substr(name.rfind('.') + 1);
  if (!adapters.targets.empty() &&
      !llvm::is_contained(adapters.targets, last.str()))
    return {};
  adapted.insert(last);
  Scope scope(graph, "lora");
  int64_t in = weight.dim(0);
  auto factor = [&](const char *suffix, const Shape &shape,
                    const Initializer &initializer) {
    std::string own = (name + suffix).str();
    return graph.parameter(own, {weight.type().element, shape}, initializer,
                           {{own, false, true}}, where);
  };
  // As PEFT begins: the variance of its uniform draws, and a product of zero.
  Tensor a = factor(".lora_a", {in, adapters.rank},
                    Initializer::normal(0, 1 / std::sqrt(3.0 * double(in))));
  Tensor b = factor(".lora_b", {adapters.rank, out}, Initializer::zeros());
  return scale(
      matmul(matmul(x, a, false, false, where), b, false, false, where),
      adapters.alpha / double(adapters.rank), where);
}

} // namespace gptc
