//===- Schedule.cpp -------------------------------------------------------===//

#include "gptc/runtime/training/Schedule.h"

#include <algorithm>
#include <cmath>

namespace gptc {

double Schedule::at(uint64_t step) const {
  if (step < warmUp)
    return peak * double(step + 1) / double(warmUp);
  if (fall == Fall::Constant || steps <= warmUp)
    return peak;
  double done = std::min(1.0, double(step - warmUp) / double(steps - warmUp));
  double height =
      fall == Fall::Linear ? 1 - done : 0.5 * (1 + std::cos(M_PI * done));
  return peak * (last + (1 - last) * height);
}

const char *toString(Schedule::Fall fall) {
  switch (fall) {
  case Schedule::Fall::Constant:
    return "constant";
  case Schedule::Fall::Linear:
    return "linear";
  case Schedule::Fall::Cosine:
    return "cosine";
  }
  return "";
}

Expected<Schedule::Fall> parseFall(const std::string &name) {
  if (name == "constant")
    return Schedule::Fall::Constant;
  if (name == "linear")
    return Schedule::Fall::Linear;
  if (name == "cosine")
    return Schedule::Fall::Cosine;
  return failure(ErrorCode::InvalidArgument,
                 "--schedule: '{}' is not known; choose constant, linear or "
                 "cosine",
                 name);
}

} // namespace gptc
