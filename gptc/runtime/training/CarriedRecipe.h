//===- CarriedRecipe.h - The recipe that an artifact carries ---*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_CARRIEDRECIPE_H
#define GPTC_RUNTIME_TRAINING_CARRIEDRECIPE_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/training/Schedule.h"
#include "gptc/runtime/training/StepSizes.h"

#include <optional>

namespace gptc {

/// The carried file with it, which no checkpoint folder needs.
inline constexpr const char *recipeFile = "recipe.json";

/// The published learning rate of an artifact's train_step.
struct CarriedRecipe {
  std::string name;
  std::string source;
  double learningRate = 0; ///< At its peak.
  double lastRate = 0;     ///< Share of the peak at the end.
  uint64_t warmUpSteps = 0, warmUpTokens = 0;
  double warmUpShare = 0; ///< Of the run.
  Schedule::Fall fall = Schedule::Fall::Cosine;
  BatchGrowth growth;

  /// Its schedule for a run of `steps` steps of those sizes. The warm-up is the
  /// published one, but at most a hundredth of a run that is shorter than the
  /// published; a share of the run is taken as it is.
  Schedule scheduleFor(uint64_t steps, const StepSizes &sizes) const;
};

/// Reads a recipe.json; `where` names it in errors.
Expected<CarriedRecipe> parseRecipe(std::string_view text,
                                    const std::string &where);

/// What the artifact carries; nothing where it carries none. An error says how
/// it is malformed.
Expected<std::optional<CarriedRecipe>> carriedRecipe(const Artifact &artifact);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_CARRIEDRECIPE_H
