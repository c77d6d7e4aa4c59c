//===- TaskPrediction.h - What a fine-tuned model answers ------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TASKPREDICTION_H
#define GPTC_RUNTIME_TRAINING_TASKPREDICTION_H

#include "gptc/runtime/program/Executable.h"
#include "gptc/runtime/training/BatchSource.h"
#include "gptc/runtime/training/TaskExamples.h"

namespace gptc {

/// The entry `predict` of a program. The program must outlive it; not thread
/// safe.
class TaskPredictor {
public:
  /// InvalidArgument where the entry is missing or another task's.
  static Expected<TaskPredictor> create(Executable &program, const Task &task);

  uint64_t batch() const { return batch_; } ///< Examples at once.
  uint64_t context() const { return context_; }
  /// Outputs of examples [first, first + count), count at most batch(): [B, N],
  /// valid until the next call.
  Expected<std::span<const float>> predict(const TaskExamples &examples,
                                           size_t first, size_t count);

private:
  Executable *program_ = nullptr;
  Task task_;
  uint32_t entry_ = 0;
  uint64_t batch_ = 0, context_ = 0;
  std::span<int32_t> tokens_, ends_;
  std::span<const float> logits_;
};

/// The class or answer of the largest of N outputs, the first of equal ones; of
/// a regression the number itself.
double predictionOf(const Task &task, std::span<const float> outputs);
/// The loss of N outputs: cross entropy, or the squared difference.
double lossOf(const Task &task, std::span<const float> outputs, double label);

/// Mean loss and the measures of a task, of predictions and their labels:
/// accuracy, F1 and Matthews' correlation of classes, accuracy of answers,
/// Pearson's and Spearman's correlation of numbers. Labels must be those of the
/// task.
Expected<Validation> measure(const Task &task,
                             std::span<const double> predictions,
                             std::span<const double> labels, double loss);

/// Batches of examples for a task's or a text's training. `validation` may be
/// empty. What a task is asked is measured by the entry `predict`; a text by
/// `score`, of its answers alone.
std::unique_ptr<BatchSource>
taskBatches(std::shared_ptr<const TaskExamples> training,
            std::shared_ptr<const TaskExamples> validation,
            const TaskFormat &format, uint64_t seed);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TASKPREDICTION_H
