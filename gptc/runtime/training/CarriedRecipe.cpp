//===- CarriedRecipe.cpp --------------------------------------------------===//

#include "gptc/runtime/training/CarriedRecipe.h"

#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <cmath>

namespace gptc {

Schedule CarriedRecipe::scheduleFor(uint64_t steps,
                                    const StepSizes &sizes) const {
  uint64_t published = warmUpSteps + sizes.stepsWithin(warmUpTokens);
  Schedule schedule;
  schedule.peak = learningRate;
  schedule.last = lastRate;
  schedule.fall = fall;
  schedule.steps = steps;
  schedule.warmUp = std::min(published, steps / 100);
  if (warmUpShare > 0)
    schedule.warmUp = uint64_t(std::ceil(warmUpShare * double(steps)));
  return schedule;
}

Expected<CarriedRecipe> parseRecipe(std::string_view text,
                                    const std::string &where) {
  GPTC_TRY(nlohmann::json json, parseJson(text, where));
  CarriedRecipe recipe;
  auto number = [&](const char *key, double most) {
    auto found = json.find(key);
    if (found == json.end() || !found->is_number())
      return -1.0;
    auto value = found->get<double>();
    return value <= most ? value : -1.0;
  };
  constexpr double mostSteps = 1e15;
  recipe.learningRate = number("learning_rate", 1e6);
  recipe.lastRate = number("last_rate", 1);
  double steps = number("warm_up_steps", mostSteps);
  double tokens = number("warm_up_tokens", mostSteps);
  double growthFirst = 0, growth = 0;
  if (json.contains("growth_tokens")) {
    growthFirst = number("growth_first_tokens", mostSteps);
    growth = number("growth_tokens", mostSteps);
  }
  if (json.contains("warm_up_share"))
    recipe.warmUpShare = number("warm_up_share", 1);
  bool texts = json.is_object() && json.contains("name") &&
               json["name"].is_string() && json.contains("source") &&
               json["source"].is_string() && json.contains("schedule") &&
               json["schedule"].is_string();
  if (!texts || !(recipe.learningRate > 0) || !(recipe.lastRate >= 0) ||
      !(steps >= 0) || !(tokens >= 0) || !(recipe.warmUpShare >= 0) ||
      !(growthFirst >= 0) || !(growth >= 0))
    return failure(ErrorCode::Corrupt,
                   "{} is no recipe: expected name, source, schedule, "
                   "learning_rate, last_rate, warm_up_steps and "
                   "warm_up_tokens",
                   where);
  recipe.name = json["name"].get<std::string>();
  recipe.source = json["source"].get<std::string>();
  recipe.warmUpSteps = uint64_t(steps);
  recipe.warmUpTokens = uint64_t(tokens);
  recipe.growth = {uint64_t(growthFirst), uint64_t(growth)};
  GPTC_TRY(recipe.fall, parseFall(json["schedule"].get<std::string>()));
  return recipe;
}

Expected<std::optional<CarriedRecipe>> carriedRecipe(const Artifact &artifact) {
  const artifact::FileT *file = artifact.findFile(recipeFile);
  if (!file)
    return std::optional<CarriedRecipe>();
  GPTC_TRY(
      CarriedRecipe recipe,
      parseRecipe(artifact.text(*file),
                  fmt::format("'{}' in '{}'", recipeFile, artifact.path())));
  return std::optional(std::move(recipe));
}

} // namespace gptc
