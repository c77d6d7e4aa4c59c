//===- Recipes.h - How the papers trained their models ---------*- C++ -*-===//

#ifndef GPTC_MODELS_RECIPES_H
#define GPTC_MODELS_RECIPES_H

#include "gptc/frontend/Optimizers.h"
#include "gptc/runtime/training/Schedule.h"

#include <optional>

namespace gptc {

/// A published way of training: what is part of a step, and the learning rate,
/// which is an argument of each.
struct Recipe {
  std::string name;
  AdamOptions adam;
  double clip = 0;         ///< Norm of all gradients at most; 0: any.
  double dropout = 0;      ///< Rate, of everything that has dropout.
  double learningRate = 0; ///< At its peak.
  /// How long the rate rises, in steps or in tokens; one of them is 0.
  uint64_t warmUpSteps = 0, warmUpTokens = 0;
  double warmUpShare = 0; ///< The same as a share of the run.
  Schedule::Fall fall = Schedule::Fall::Cosine;
  double lastRate = 0; ///< Share of the peak at the end.
  /// How steps of several batches grow; see the trainer's BatchGrowth.
  uint64_t growthFirstTokens = 0, growthTokens = 0;
  std::string source;

  /// With another rate of dropout and another norm, if they are given.
  Recipe with(std::optional<double> rate, std::optional<double> norm) const {
    Recipe changed = *this;
    changed.dropout = rate.value_or(dropout);
    changed.clip = norm.value_or(clip);
    return changed;
  }
};

/// Finds a recipe by its name for a model of that many parameters; the error
/// lists those that there are.
Expected<Recipe> findRecipe(const std::string &name, uint64_t parameters);
/// Name of the recipe that suits a model.
std::string recipeOf(const std::string &family, uint64_t parameters);
/// What an artifact carries of a recipe, as JSON: name, learning_rate,
/// warm_up_steps, warm_up_tokens, warm_up_share, schedule, last_rate,
/// growth_first_tokens, growth_tokens, dropout, clip, source.
std::string describe(const Recipe &recipe);

/// Gives the present entry the rest of a training step after its loss: clipped
/// gradients, if the recipe clips, Adam with the scalar argument
/// `learning_rate` (f32), the results `loss` and `gradient_norm` (before
/// clipping), both [].
///
/// With `accumulates` the step's gradients are those of its own batch and of
/// all that accumulateGradients() has summed since the last step, each times
/// its scalar argument `gradient_weight`, and all times `gradient_scale` (f32):
/// the targets of a batch, and one over those of all.
void trainingStep(Graph &graph, const Tensor &loss, const Recipe &recipe,
                  bool accumulates);

/// Gives the present entry the rest after its loss: adds its gradients to
/// those that the next step uses. The result `loss` [].
void accumulateGradients(Graph &graph, const Tensor &loss);

} // namespace gptc

#endif // GPTC_MODELS_RECIPES_H
