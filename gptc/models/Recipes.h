//===- Recipes.h - How the papers trained their models ---------*- C++ -*-===//

#ifndef GPTC_MODELS_RECIPES_H
#define GPTC_MODELS_RECIPES_H

#include "gptc/frontend/Optimizers.h"

namespace gptc {

/// A published way of training, as far as it is part of a step. The learning
/// rate is an argument of each step.
struct Recipe {
  std::string name;
  AdamOptions adam;
  double clip = 0; ///< Norm of all gradients at most.
};

/// Finds a recipe by its name; the error lists those that there are.
Expected<Recipe> findRecipe(const std::string &name);
/// Name of the recipe that suits a family of models.
std::string recipeOf(const std::string &family);

/// Gives the present entry the rest of a training step after its loss: clipped
/// gradients, Adam with the scalar argument `learning_rate` (f32), the results
/// `loss` and `gradient_norm` (before clipping), both [].
void trainingStep(Graph &graph, const Tensor &loss, const Recipe &recipe);

} // namespace gptc

#endif // GPTC_MODELS_RECIPES_H
