//===- VariableSnapshot.h - What a program's state was ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_VARIABLESNAPSHOT_H
#define GPTC_RUNTIME_SESSION_VARIABLESNAPSHOT_H

#include "gptc/runtime/program/Executable.h"

#include <vector>

namespace gptc {

/// A copy of the parameters, optimizer state and counters that an entry
/// writes: nothing for entries that only run over caches.
class VariableSnapshot {
public:
  static Expected<VariableSnapshot> take(Executable &program, uint32_t entry);
  /// Gives the variables of the same program the values back.
  Status restore(Executable &program) const;
  /// The variables with their stored bytes, by number.
  const std::vector<std::pair<size_t, std::vector<std::byte>>> &
  variables() const {
    return variables_;
  }

private:
  std::vector<std::pair<size_t, std::vector<std::byte>>> variables_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_VARIABLESNAPSHOT_H
