//===- Recipes.cpp --------------------------------------------------------===//

#include "gptc/models/Recipes.h"

#include "gptc/frontend/Operators.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

/// The paper has Adam with decoupled decay of 0.01 on all weights that are
/// neither bias nor gain; betas, epsilon and the norm of 1 are those of the
/// code published with it (openai/finetune-transformer-lm, train.py). Dropout
/// is of embeddings, attention and residual branches; of a task's head, too.
Recipe gpt1() {
  Recipe recipe;
  recipe.name = "gpt1";
  recipe.adam = {.beta1 = 0.9, .beta2 = 0.999, .decay = 0.01};
  recipe.clip = 1;
  recipe.dropout = 0.1;
  recipe.learningRate = 2.5e-4;
  recipe.warmUpSteps = 2000;
  recipe.source = "Radford et al., 2018, section 4.1";
  return recipe;
}

/// For a task; betas, epsilon, decay and norm as in the published code.
Recipe gpt1FineTuning() {
  Recipe recipe = gpt1();
  recipe.name = "gpt1-finetune";
  recipe.learningRate = 6.25e-5;
  recipe.warmUpSteps = 0;
  recipe.warmUpShare = 0.002;
  recipe.fall = Schedule::Fall::Linear;
  recipe.source = "Radford et al., 2018, section 4.1, fine-tuning details";
  return recipe;
}

/// A row of Brown et al., 2020, table 2.1. Steps grow over 4 to 12 billion
/// tokens, "depending on the model size": those in between are ours.
struct Size {
  const char *name;
  uint64_t parameters; ///< Of models that are trained by it, at most.
  double learningRate;
  uint64_t growthTokens;
};

constexpr uint64_t billion = 1'000'000'000;
constexpr Size sizes[] = {{"125m", 126'000'000, 6e-4, 4 * billion},
                          {"350m", 356'000'000, 3e-4, 5 * billion},
                          {"760m", 775'000'000, 2.5e-4, 6 * billion},
                          {"1.3b", 1'560'000'000, 2e-4, 7 * billion},
                          {"2.7b", 2'700'000'000, 1.6e-4, 8 * billion},
                          {"6.7b", 6'700'000'000, 1.2e-4, 9 * billion},
                          {"13b", 13 * billion, 1e-4, 10 * billion},
                          {"175b", 175 * billion, 0.6e-4, 12 * billion}};

/// Brown et al., 2020, table 2.1 and appendix B: the rate falls to a tenth,
/// steps grow from 32k tokens on.
Recipe gpt3(const Size &size) {
  Recipe recipe;
  recipe.name = fmt::format("gpt3-{}", size.name);
  recipe.adam = {.beta1 = 0.9, .beta2 = 0.95, .decay = 0.1};
  recipe.clip = 1;
  recipe.learningRate = size.learningRate;
  recipe.warmUpTokens = 375'000'000;
  recipe.lastRate = 0.1;
  recipe.growthFirstTokens = 32'000;
  recipe.growthTokens = size.growthTokens;
  recipe.source = "Brown et al., 2020, table 2.1 and appendix B";
  return recipe;
}

/// The smallest row with as many parameters.
const Size &sizeOf(uint64_t parameters) {
  for (const Size &size : sizes)
    if (parameters <= size.parameters)
      return size;
  return std::end(sizes)[-1];
}

/// GPT-2's paper tells of none; those who reproduced it took GPT-3's, of the
/// row of its size, with steps of one size.
Recipe gpt2(uint64_t parameters) {
  Recipe recipe = gpt3(sizeOf(parameters));
  recipe.name = "gpt2";
  recipe.growthFirstTokens = recipe.growthTokens = 0;
  recipe.source += ", as GPT-2's own is not published";
  return recipe;
}

} // namespace

Expected<Recipe> findRecipe(const std::string &name, uint64_t parameters) {
  std::vector<Recipe> all{gpt1(), gpt1FineTuning(), gpt2(parameters)};
  for (const Size &size : sizes)
    all.push_back(gpt3(size));
  std::vector<std::string> names;
  for (Recipe &recipe : all) {
    if (recipe.name == name)
      return std::move(recipe);
    names.push_back(recipe.name);
  }
  return failure(ErrorCode::InvalidArgument,
                 "--recipe: '{}' is no recipe; choose from {}", name,
                 fmt::join(names, ", "));
}

std::string recipeOf(const std::string &family, uint64_t parameters) {
  if (family == "gpt1" || family == "gpt2")
    return family;
  return gpt3(sizeOf(parameters)).name; // GPT-Neo follows it.
}

std::string describe(const Recipe &recipe) {
  return nlohmann::ordered_json{
             {"name", recipe.name},
             {"learning_rate", recipe.learningRate},
             {"warm_up_steps", recipe.warmUpSteps},
             {"warm_up_tokens", recipe.warmUpTokens},
             {"warm_up_share", recipe.warmUpShare},
             {"schedule", toString(recipe.fall)},
             {"last_rate", recipe.lastRate},
             {"growth_first_tokens", recipe.growthFirstTokens},
             {"growth_tokens", recipe.growthTokens},
             {"dropout", recipe.dropout},
             {"clip", recipe.clip},
             {"source", recipe.source}}
             .dump(2) +
         "\n";
}

namespace {

/// A kept sum of gradients, whose values end with the run.
std::string sumOf(const Parameter &parameter) {
  return parameter.name + ".gradient_sum";
}

} // namespace

void trainingStep(Graph &graph, const Tensor &loss, const Recipe &recipe,
                  bool accumulates) {
  std::vector<Trained> trained = gradientsOf(graph, loss);
  Scope scope(graph, "optimizer");
  Scalar rate = graph.scalarArgument("learning_rate", DataType::F32);
  if (accumulates) {
    Scalar weight = graph.scalarArgument("gradient_weight", DataType::F32);
    Scalar factor = graph.scalarArgument("gradient_scale", DataType::F32);
    for (auto &[parameter, gradient] : trained) {
      Scope own(graph, parameter.name);
      if (!gradient.valid())
        continue;
      Tensor sum = graph.cache(sumOf(parameter), gradient.type());
      graph.assign(sumOf(parameter), full(gradient, 0));
      gradient = scale(add(sum, scale(gradient, weight)), factor);
    }
  }
  Tensor norm = recipe.clip > 0 ? clipByGlobalNorm(trained, recipe.clip)
                                : globalNorm(trained);
  adam(graph, trained, rate, recipe.adam);
  graph.result("loss", loss);
  if (norm.valid()) // There is none of no parameters.
    graph.result("gradient_norm", norm);
}

void accumulateGradients(Graph &graph, const Tensor &loss) {
  Scalar weight = graph.scalarArgument("gradient_weight", DataType::F32);
  std::vector<Trained> trained = gradientsOf(graph, loss);
  Scope scope(graph, "optimizer");
  for (const auto &[parameter, gradient] : trained) {
    Scope own(graph, parameter.name);
    if (!gradient.valid())
      continue;
    Tensor sum = graph.cache(sumOf(parameter), gradient.type());
    graph.assign(sumOf(parameter), add(sum, scale(gradient, weight)));
  }
  graph.result("loss", loss);
}

} // namespace gptc
