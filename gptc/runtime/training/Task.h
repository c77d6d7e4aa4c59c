//===- Task.h - What a model is fine-tuned for -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TASK_H
#define GPTC_RUNTIME_TRAINING_TASK_H

#include "gptc/runtime/artifact/Artifact.h"

#include <optional>

namespace gptc {

/// The carried file with it.
inline constexpr const char *taskFile = "task.json";

/// A task with a head of its own, on the state of a last token. Source: Radford
/// et al., 2018, sections 3.2 and 3.3.
struct Task {
  enum class Kind { Classification, Entailment, Similarity, MultipleChoice };
  /// Tokens after the model's vocabulary that delimit texts, in this order.
  enum class Mark { Start, Delimiter, Extract };
  static constexpr int64_t marks = 3;

  Kind kind = Kind::Classification;
  /// Classes, answers of multiple choice, or 1: a number is learned.
  int64_t outputs = 2;
  /// Weight of the language model's own loss beside the task's.
  double auxiliary = 0.5;

  /// Sequences of an example: both orders of a similarity, all answers.
  int64_t sequences() const {
    return kind == Kind::Similarity       ? 2
           : kind == Kind::MultipleChoice ? outputs
                                          : 1;
  }
  bool isRegression() const {
    return outputs == 1 && kind != Kind::MultipleChoice;
  }
  bool operator==(const Task &) const = default;
};

/// "classification", "entailment", "similarity" or "multiple-choice".
const char *toString(Task::Kind kind);
/// `option` is what errors name.
Expected<Task::Kind> parseTaskKind(const std::string &name,
                                   const std::string &option);

/// As JSON: kind, outputs, auxiliary.
std::string describe(const Task &task);
/// Reads it; `where` names it in errors.
Expected<Task> parseTask(std::string_view text, const std::string &where);
/// What the artifact carries; nothing where it is of no task.
Expected<std::optional<Task>> carriedTask(const Artifact &artifact);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TASK_H
