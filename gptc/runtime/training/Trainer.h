//===- Trainer.h - Steps of training over prepared data --------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TRAINER_H
#define GPTC_RUNTIME_TRAINING_TRAINER_H

#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/training/BatchSource.h"
#include "gptc/runtime/training/Schedule.h"
#include "gptc/runtime/training/StepSizes.h"
#include "gptc/runtime/training/TrainingState.h"

#include <functional>

namespace gptc {

struct TrainerOptions {
  std::string output; ///< The folder with the states; it must exist.
  /// Batches of a whole step: all but the last by the entry
  /// accumulate_gradients.
  uint64_t accumulate = 1;
  BatchGrowth growth; ///< Of the first steps.
  Schedule schedule;
  uint64_t keep = 2; ///< Newest states that stay, beside the best.
  bool resume = false;
  LoadOptions load;
  /// Loads the artifact on another backend than the CPU, with the weights of
  /// `load.checkpoint`; may be empty.
  std::function<Expected<std::unique_ptr<Executable>>(
      std::shared_ptr<const Artifact>, const LoadOptions &load)>
      loader;
};

/// One step that was done.
struct TrainedStep {
  uint64_t step = 0;       ///< Steps done, this one included.
  double loss = 0;         ///< Before the step, the mean over its targets.
  double gradientNorm = 0; ///< Before clipping.
  double learningRate = 0;
  uint64_t tokens = 0; ///< Of all its batches.
  uint64_t flops = 0;  ///< Useful operations.
};

/// A program's entry `train_step` over batches of data. What a run leaves is a
/// function of the artifact, the data, the seed and the schedule: a run that
/// was interrupted and goes on from a state has the same bits as one that was
/// not. Not thread safe.
class Trainer {
public:
  /// With `resume` it goes on after the newest state of the folder, from the
  /// beginning if there is none. Fails with a sentence where the artifact has
  /// no train_step, or the data is not for it.
  static Expected<std::unique_ptr<Trainer>>
  create(std::shared_ptr<const Artifact> artifact,
         const TrainerOptions &options, std::unique_ptr<BatchSource> source);

  /// Steps done so far.
  uint64_t step() const { return step_; }
  /// Of a whole step.
  uint64_t tokensPerStep() const {
    return sizes_.most() * sizes_.tokensPerBatch();
  }
  const BatchSource &source() const { return *source_; }
  const Executable &program() const { return *program_; }
  Executable &program() { return *program_; }

  /// Does the next step. An error where the loss or the gradients' norm is no
  /// finite number, or the device fails: the weights are then worthless, and
  /// the newest state, which the error names, is what remains.
  Expected<TrainedStep> train();
  /// As BatchSource::validate; an error, also of a loss that is no finite
  /// number, says what remains.
  Expected<std::optional<Validation>> validate(uint64_t most);
  /// Writes the present state, with the validation loss if it was measured.
  /// An error where a weight is no finite number, or it cannot be written,
  /// says what remains.
  Status save(std::optional<double> validationLoss = {});

private:
  Trainer() = default;
  Status open();

  struct Entry {
    uint32_t index = 0;
    std::span<const float> loss;
    std::span<float> weight; ///< gradient_weight; empty where it takes none.
    std::span<int32_t> seed; ///< Of dropout; empty where it has none.
  };
  Expected<Entry> openEntry(uint32_t index);
  /// The error of a number of the last step that is not finite: names the
  /// variables that are not, and what remains.
  Error notFinite(const std::string &what, double value);
  /// The variables that hold a value which is not finite, as "'wte.weight' and
  /// 3 others"; empty where there is none.
  Expected<std::string> spoiltVariables(bool parametersAlone);
  /// Adds to an error of the program what remains.
  Error withRemains(const Error &error) const;
  /// "the last good state is 'OUT/step-00000100'".
  std::string whatRemains() const;

  std::unique_ptr<Executable> program_;
  std::unique_ptr<BatchSource> source_;
  TrainerOptions options_;
  TrainingIdentity identity_;
  Entry train_;
  Entry sum_; ///< accumulate_gradients; empty where there is none.
  std::span<float> learningRate_;
  std::span<float> scale_; ///< Empty where the step takes none.
  std::span<const float> norm_;
  uint64_t step_ = 0;
  StepSizes sizes_; ///< At the next step.
};

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TRAINER_H
