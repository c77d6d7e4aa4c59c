//===- TaskFormat.h - How a table states a task ----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TASKFORMAT_H
#define GPTC_RUNTIME_TRAINING_TASKFORMAT_H

#include "gptc/runtime/data/Table.h"
#include "gptc/runtime/training/Task.h"

namespace gptc {

/// The file of a fine-tuned model's folder that says how to ask it.
inline constexpr const char *formatFile = "finetune.json";

/// Which columns of a table a task reads, and what its labels mean.
struct TaskFormat {
  /// Nothing where the task is stated as text: a prompt and its answer.
  std::optional<Task> task;
  /// Columns with texts: text; premise, hypothesis; text_a, text_b; context,
  /// answer_0, answer_1, …; prompt. Other names stand for these.
  std::vector<std::string> texts;
  /// The column that is to be predicted: label, or answer.
  std::string label;
  /// Names of the classes, by their outputs; empty for all other tasks.
  std::vector<std::string> classes;

  std::string name() const { return task ? toString(task->kind) : "text"; }
  /// Columns of the texts and, where they are labelled, of the label.
  std::vector<std::string> columns(bool labelled) const;
  bool operator==(const TaskFormat &) const = default;
};

/// How a table's labels are to be taken.
enum class LabelKind { Natural, Classes, Numbers };

/// The format of training data in a table for a task of that name,
/// "classification" for one or "text". `names` are columns in the place of the
/// default ones, in their order, as "text=sentence". Labels of a similarity
/// that are all numbers are numbers, and an error where some are; all others
/// are classes, sorted by name or by value where they are whole numbers, unless
/// `labels` says otherwise, which it may not of text and multiple choice.
/// Errors name the file, and the line where it is a line's.
Expected<TaskFormat> formatOf(const std::string &path, const std::string &task,
                              const std::vector<std::string> &names,
                              LabelKind labels);

std::string describe(const TaskFormat &format);
/// Reads a finetune.json; `where` names it in errors.
Expected<TaskFormat> parseTaskFormat(std::string_view text,
                                     const std::string &where);

/// The number that a label stands for, all of it; nothing if it is none.
std::optional<double> numberOf(std::string_view label);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TASKFORMAT_H
