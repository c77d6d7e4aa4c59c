//===- CpuRun.h - A graph on the CPU backend, from end to end --*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_CPURUN_H
#define GPTC_TESTS_OPS_CPURUN_H

#include "OpTable.h"

#include "gptc/runtime/program/Program.h"

namespace gptc::tests {

/// An artifact that lives as long as this, in the tests' temporary folder.
class CompiledGraph {
public:
  /// Compiles all entries of a finished graph for all CPU targets; `type` is
  /// "f32" or "bf16". The graph ends in phase program.
  static Expected<std::unique_ptr<CompiledGraph>>
  compile(Graph &graph, const std::string &type = "f32");
  ~CompiledGraph();

  /// Runs an entry for one instruction set ("x86-64-v4", "x86-64-v3"), with
  /// variables as given (the others as they start), and puts those that are
  /// not packed back as the run left them.
  Expected<HostTensors> run(const std::string &entry,
                            const std::string &variant, unsigned threads,
                            const HostTensors &arguments,
                            HostVariables &variables);

  /// The instruction sets that it holds, of those that this machine has.
  std::vector<std::string> variants() const;

private:
  CompiledGraph() = default;
  std::string path_;
  std::shared_ptr<const Artifact> artifact_;
};

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_CPURUN_H
