// Takes the input for each file that a training run goes on from: a state's
// record, the log, the recipe and the adapters that an artifact carries, and
// what a fine-tuned model is asked.

#include "gptc/runtime/training/Adapters.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/TaskFormat.h"
#include "gptc/runtime/training/TrainingLog.h"
#include "gptc/runtime/training/TrainingState.h"
#include "tests/fuzz/Fuzz.h"
#include "tests/support/TemporaryFolder.h"

#include <cmath>
#include <fstream>

using namespace gptc;

namespace {

void readState(const TemporaryFolder &folder, std::string_view text) {
  std::string state = statePath(folder / "", 7);
  std::filesystem::create_directories(state);
  std::ofstream(state + "/training.json") << text;
  auto newest = newestState(folder / "");
  require(newest && *newest == 7);
  auto best = bestState(folder / "");
  if (best)
    require(*best == 0 || *best == 7);
  else
    requireSentence(best.error());
}

/// What is no step is dropped, and what is one is written as it was read.
void readLog(const TemporaryFolder &folder, std::string_view text) {
  std::ofstream(folder / "log.jsonl") << text;
  auto log = TrainingLog::open(folder / "", 1000);
  require(log.has_value());
  uint64_t count = log->steps().size();
  require(count <= 1000);
  auto again = TrainingLog::open(folder / "", 1000);
  require(again && again->steps().size() == count);
}

void readRecipe(std::string_view text) {
  auto recipe = parseRecipe(text, "recipe.json");
  if (!recipe) {
    require(!recipe.error().message().empty());
    return;
  }
  require(recipe->learningRate > 0 && recipe->lastRate >= 0 &&
          recipe->lastRate <= 1);
  for (uint64_t steps : {1, 7, 1000}) {
    Schedule schedule = recipe->scheduleFor(steps, {recipe->growth, 16, 256});
    for (uint64_t step : {uint64_t(0), steps / 2, steps - 1}) {
      double rate = schedule.at(step);
      require(std::isfinite(rate) && rate >= 0 && rate <= recipe->learningRate);
    }
  }
}

/// What is read is what is read of what it is written as.
void readFormat(std::string_view text) {
  auto format = parseTaskFormat(text, "finetune.json");
  if (!format) {
    require(!format.error().message().empty());
    return;
  }
  auto again = parseTaskFormat(describe(*format), "again");
  require(again && *again == *format);
}

void readAdapters(std::string_view text) {
  auto adapters = parseAdapters(text, "lora.json");
  if (!adapters) {
    require(!adapters.error().message().empty());
    return;
  }
  auto again = parseAdapters(describe(*adapters), "again");
  require(again && again->rank == adapters->rank &&
          again->alpha == adapters->alpha);
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static TemporaryFolder folder;
  std::string_view text(reinterpret_cast<const char *>(data), size);
  readState(folder, text);
  readLog(folder, text);
  readRecipe(text);
  readFormat(text);
  readAdapters(text);
  return 0;
}
