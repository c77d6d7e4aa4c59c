//===- ModuleInfo.h - What a module knows beyond its graph -----*- C++ -*-===//
//
// A module carries, as attributes, all that an artifact says besides the code:
// so that compiling on from any printed phase gives the same bytes.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_COMPILER_MODULEINFO_H
#define GPTC_COMPILER_MODULEINFO_H

#include "gptc/compiler/Service.h"
#include "gptc/frontend/Definition.h"
#include "gptc/ir/Dialect.h"

namespace gptc {

struct ModuleInfo {
  std::string name;
  ModelInfo model;
  uint64_t parameters = 0;
  uint64_t batch = 1;
  uint64_t capacity = 0;
  std::string type; ///< "f32", "bf16" or "f16".
  /// "cpu", "vulkan" or both; one alone from phase fused on.
  std::vector<std::string> targets;
  bool reference = false; ///< Whether the artifact holds the model itself.
  std::string cpu;        ///< As --cpu has it.
  std::string profile;    ///< Of Vulkan's variants; empty: all.
  std::string checkpoint;
  std::string digest; ///< Of the checkpoint.
  /// Where the files are that the artifact carries; empty without a folder.
  std::string folder;
  std::string config; ///< The config.json of a model without a folder.
  uint64_t initSeed = 0;
  bool embed = false;
  std::string recipe; ///< Of train_step, described; empty without it.
  std::string task;   ///< task.json of an artifact for one; else empty.
  std::string lora;   ///< lora.json of an artifact with adapters; else empty.
  std::string sourceHash;
  struct Cost {
    uint64_t flops = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Cost> entries; ///< Of each entry, from phase gradient.
  uint64_t flopsOfEntries() const {
    uint64_t flops = 0;
    for (const auto &[name, cost] : entries)
      flops += cost.flops;
    return flops;
  }
  /// The same by part, which is not attached.
  std::map<std::string, std::vector<WorkPart>> parts;
  Recomputation recomputed; ///< Not attached: the entries say it.
};

void attach(mlir::ModuleOp module, const ModuleInfo &info);
/// Errors say which attribute is missing or malformed.
Expected<ModuleInfo> infoOf(mlir::ModuleOp module);

/// Whether batch, capacity and vocabulary are those of the module's entry
/// points and caches, which a module that was edited may contradict: sessions
/// believe the numbers, and code the types.
Status checkInfo(mlir::ModuleOp module, const ModuleInfo &info);

/// Gives `info` the cost of each entry of a module in phase model, as a whole
/// and by part: useful operations, and each byte of arguments, results and
/// variables counted once (of a gathered table the gathered rows alone).
/// Gradients count as the ops that they are, bytes in the types that the module
/// will be lowered to.
Status addCosts(mlir::ModuleOp module, ModuleInfo &info);

/// Scalars of all parameters.
uint64_t countParameters(mlir::ModuleOp module);

} // namespace gptc

#endif // GPTC_COMPILER_MODULEINFO_H
