//===- FiniteValues.h - Whether values are numbers -------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_FINITEVALUES_H
#define GPTC_RUNTIME_SESSION_FINITEVALUES_H

#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/Error.h"

#include <span>

namespace gptc {

/// Fails where one of the values, `what` of the token at `position` of a
/// sequence, is infinite or no number.
Status checkFinite(std::span<const float> values, const char *what,
                   uint64_t position);

/// Whether all of a tensor's elements are finite numbers, as integers are.
bool areFinite(std::span<const std::byte> bytes, DataType type);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_FINITEVALUES_H
