//===- Phases.h - Bringing a module from phase to phase --------*- C++ -*-===//

#ifndef GPTC_COMPILER_PHASES_H
#define GPTC_COMPILER_PHASES_H

#include "gptc/ir/Dialect.h"
#include "gptc/passes/Passes.h"
#include "gptc/runtime/base/Error.h"

#include <functional>

namespace gptc {

/// The phases of a module, in order. `artifact` follows.
enum class Phase { Model, Gradient, Fused, Kernels, Program, Artifact };

llvm::StringRef toString(Phase phase);
/// Errors list the names.
Expected<Phase> parsePhase(const std::string &name);
/// The phase that a module says it is in.
Expected<Phase> phaseOf(mlir::ModuleOp module);

/// Is told what goes on, if it is not empty.
using TextProgress = std::function<void(const std::string &)>;

/// Writes what compilation shows into a folder: numbered files, one for each
/// pass that changed something.
class Dump {
public:
  /// Creates the folder, or replaces the dump that it holds; an error where it
  /// holds anything else. An empty path dumps nothing.
  static Expected<std::unique_ptr<Dump>> create(const std::string &folder);
  bool active() const { return !folder_.empty(); }
  /// "NNN-name": the next numbered file, in the format of its extension.
  void numbered(const std::string &name, const std::string &text);
  /// A file at a path inside of the folder.
  void file(const std::string &path, const std::string &text);
  /// The first failure to write, if any; it takes away what was written.
  const Status &status() const { return status_; }

private:
  /// Takes away what was written and made.
  void remove();

  std::string folder_;
  /// The folders that were made for it, from the innermost.
  std::vector<std::string> made_;
  int next_ = 0;
  Status status_;
};

/// Runs the passes that lead from the module's phase to `to` (at most
/// Program), verifying at each gate. `type` is "f32", "bf16" or "f16"; what
/// kernels may take in is the target's, whose name `label` precedes those of
/// dumps where there are several. Each pass is told before it runs.
Status advance(mlir::ModuleOp module, Phase to, const std::string &type,
               Dump &dump, const passes::FusionCapabilities &capabilities = {},
               const std::string &label = "",
               const TextProgress &progress = {});

/// The module as text that parses back, locations included.
std::string printModule(mlir::ModuleOp module);

} // namespace gptc

#endif // GPTC_COMPILER_PHASES_H
