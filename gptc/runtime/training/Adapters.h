//===- Adapters.h - Low-rank adapters of a trained model -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_ADAPTERS_H
#define GPTC_RUNTIME_TRAINING_ADAPTERS_H

#include "gptc/runtime/program/Executable.h"
#include "gptc/runtime/program/WeightsWriter.h"

#include <optional>

namespace gptc {

/// The carried file that says how they are.
inline constexpr const char *adaptersFile = "lora.json";
/// What a saved state has of them, in the place of all weights: every
/// parameter that is trained, by name.
inline constexpr const char *adapterWeights = "adapter.safetensors";

/// NAME.lora_a [in, rank] times NAME.lora_b [rank, out] times alpha over rank
/// is added to what NAME.weight [in, out] stands for. Source: Hu et al., 2021.
struct Adapters {
  int64_t rank = 0;
  double alpha = 0;
};

/// As JSON: rank, alpha.
std::string describe(const Adapters &adapters);
/// Reads it; `where` names it in errors.
Expected<Adapters> parseAdapters(std::string_view text,
                                 const std::string &where);
/// What the artifact carries; nothing where all weights are trained.
Expected<std::optional<Adapters>> carriedAdapters(const Artifact &artifact);

/// Whether a variable is a parameter that is trained beside adapters: one that
/// checkpoints may lack.
bool isAdapter(const artifact::VariableT &variable);

/// Writes all of a program's adapters into a file.
Status writeAdapters(Executable &program, const std::string &path);
/// Gives a program those of a file. Corrupt if one is missing or of another
/// size.
Status loadAdapters(const std::string &path, Executable &program);

/// As writeWeights(), with the adapters of a program added to the weights that
/// they stand beside, and gone.
Expected<WrittenWeights> writeMergedWeights(Executable &program,
                                            const Adapters &adapters,
                                            const std::string &path,
                                            const Progress &progress = {});

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_ADAPTERS_H
