//===- Recipes.cpp --------------------------------------------------------===//

#include "gptc/models/Recipes.h"

#include <fmt/ranges.h>

namespace gptc {

namespace {

/// The paper has Adam with decoupled decay of 0.01 on all weights that are
/// neither bias nor gain; betas, epsilon and the norm of 1 are those of the
/// code published with it (openai/finetune-transformer-lm, train.py).
Recipe gpt1() {
  return {"gpt1", {.beta1 = 0.9, .beta2 = 0.999, .decay = 0.01}, 1};
}

/// Brown et al., 2020, appendix B.
Recipe gpt3() {
  return {"gpt3", {.beta1 = 0.9, .beta2 = 0.95, .decay = 0.1}, 1};
}

/// GPT-2's paper tells of none; those who reproduced it took GPT-3's.
Recipe gpt2() {
  Recipe recipe = gpt3();
  recipe.name = "gpt2";
  return recipe;
}

} // namespace

Expected<Recipe> findRecipe(const std::string &name) {
  std::vector<std::string> names;
  for (Recipe &recipe : std::vector{gpt1(), gpt2(), gpt3()}) {
    if (recipe.name == name)
      return std::move(recipe);
    names.push_back(recipe.name);
  }
  return failure(ErrorCode::InvalidArgument,
                 "--recipe: '{}' is no recipe; choose from {}", name,
                 fmt::join(names, ", "));
}

std::string recipeOf(const std::string &family) {
  if (family == "gpt1" || family == "gpt2")
    return family;
  return "gpt3"; // GPT-Neo follows it.
}

void trainingStep(Graph &graph, const Tensor &loss, const Recipe &recipe) {
  std::vector<Trained> trained = gradientsOf(graph, loss);
  Scope scope(graph, "optimizer");
  Scalar rate = graph.scalarArgument("learning_rate", DataType::F32);
  Tensor norm = clipByGlobalNorm(trained, recipe.clip);
  adam(graph, trained, rate, recipe.adam);
  graph.result("loss", loss);
  graph.result("gradient_norm", norm);
}

} // namespace gptc
