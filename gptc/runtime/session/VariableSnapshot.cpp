//===- VariableSnapshot.cpp -----------------------------------------------===//

#include "gptc/runtime/session/VariableSnapshot.h"

#include <set>

namespace gptc {

Expected<VariableSnapshot> VariableSnapshot::take(Executable &program,
                                                  uint32_t entry) {
  const artifact::ProgramT &description = program.describe(entry);
  const auto &variables = program.artifact().manifest().variables;
  std::set<size_t> written;
  for (const auto &dispatch : description.dispatches)
    for (size_t i = dispatch->buffers.size() - dispatch->outputs;
         i < dispatch->buffers.size(); ++i) {
      const artifact::BufferT &buffer =
          *description.buffers[dispatch->buffers[i]];
      if (buffer.space == artifact::BufferSpace::Variable &&
          variables[buffer.index]->role != artifact::Role::Cache)
        written.insert(buffer.index);
    }
  VariableSnapshot snapshot;
  for (size_t index : written) {
    GPTC_TRY(auto bytes, program.readVariable(index));
    snapshot.variables_.emplace_back(
        index, std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  return snapshot;
}

Status VariableSnapshot::restore(Executable &program) const {
  for (const auto &[index, bytes] : variables_)
    GPTC_CHECK(program.writeVariable(index, bytes));
  return {};
}

} // namespace gptc
