//===- Schedule.h - The learning rate of each step -------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_SCHEDULE_H
#define GPTC_RUNTIME_TRAINING_SCHEDULE_H

#include "gptc/runtime/base/Error.h"

#include <string>

namespace gptc {

/// A learning rate that rises linearly over the first steps and then falls.
struct Schedule {
  enum class Fall { Constant, Linear, Cosine };

  double peak = 0;
  uint64_t warmUp = 0; ///< Steps until the peak is reached.
  Fall fall = Fall::Cosine;
  uint64_t steps = 0; ///< Steps in all: the rate is `last` after them.
  double last = 0;    ///< Share of the peak at the end.

  /// The rate of a step, counted from 0. Step 0 has 1/warmUp of the peak, and
  /// beyond the last step the rate stays.
  double at(uint64_t step) const;
};

/// "constant", "linear" or "cosine".
const char *toString(Schedule::Fall fall);
Expected<Schedule::Fall> parseFall(const std::string &name);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_SCHEDULE_H
