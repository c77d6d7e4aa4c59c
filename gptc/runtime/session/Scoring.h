//===- Scoring.h - How likely a text is ------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_SCORING_H
#define GPTC_RUNTIME_SESSION_SCORING_H

#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/session/Runner.h"

namespace gptc {

/// Natural logarithms of the probabilities of ids[1], ids[2], … each given
/// those before it: ids.size() - 1 numbers, from the entry `score`. A text
/// longer than its T runs in windows that begin `stride` tokens apart (0: half
/// of T); each prediction is made where it sees the most tokens. Progress is
/// told in windows.
Expected<std::vector<double>> score(Runner &runner,
                                    std::span<const int32_t> ids,
                                    uint64_t stride,
                                    const Progress &progress = {});
inline Expected<std::vector<double>>
score(Executable &program, std::span<const int32_t> ids, uint64_t stride) {
  return score(*borrowingRunner(program), ids, stride);
}

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_SCORING_H
