//===- Task.cpp -----------------------------------------------------------===//

#include "gptc/runtime/training/Task.h"

#include "gptc/runtime/base/Json.h"

#include <cmath>

namespace gptc {

namespace {

constexpr Task::Kind kinds[] = {Task::Kind::Classification,
                                Task::Kind::Entailment, Task::Kind::Similarity,
                                Task::Kind::MultipleChoice};

/// More than any task has; what a file says is believed up to here.
constexpr int64_t mostOutputs = 65536;

} // namespace

const char *toString(Task::Kind kind) {
  switch (kind) {
  case Task::Kind::Classification:
    return "classification";
  case Task::Kind::Entailment:
    return "entailment";
  case Task::Kind::Similarity:
    return "similarity";
  case Task::Kind::MultipleChoice:
    return "multiple-choice";
  }
  return "";
}

Expected<Task::Kind> parseTaskKind(const std::string &name,
                                   const std::string &option) {
  for (Task::Kind kind : kinds)
    if (name == toString(kind))
      return kind;
  return failure(ErrorCode::InvalidArgument,
                 "{}: '{}' is no task; choose from classification, "
                 "entailment, similarity and multiple-choice",
                 option, name);
}

std::string describe(const Task &task) {
  return nlohmann::ordered_json{{"kind", toString(task.kind)},
                                {"outputs", task.outputs},
                                {"auxiliary", task.auxiliary}}
             .dump(2) +
         "\n";
}

Expected<Task> parseTask(std::string_view text, const std::string &where) {
  GPTC_TRY(nlohmann::json json, parseJson(text, where));
  auto has = [&](const char *key, auto is) {
    auto found = json.find(key);
    return found != json.end() && ((*found).*is)();
  };
  using Value = nlohmann::json;
  if (!json.is_object() || !has("kind", &Value::is_string) ||
      !has("outputs", &Value::is_number_integer) ||
      !has("auxiliary", &Value::is_number))
    return failure(ErrorCode::Corrupt,
                   "{} is no task: expected kind, outputs and auxiliary",
                   where);
  Task task;
  GPTC_TRY(task.kind, parseTaskKind(json["kind"].get<std::string>(), where));
  task.outputs = json["outputs"].get<int64_t>();
  task.auxiliary = json["auxiliary"].get<double>();
  int64_t least = task.kind == Task::Kind::MultipleChoice ? 2 : 1;
  if (task.outputs < least || task.outputs > mostOutputs)
    return failure(ErrorCode::Corrupt, "{} has {} outputs, expected {} to {}",
                   where, task.outputs, least, mostOutputs);
  if (!(task.auxiliary >= 0) || !std::isfinite(task.auxiliary))
    return failure(ErrorCode::Corrupt,
                   "{} weighs the language model's loss {} times, expected a "
                   "number from 0",
                   where, task.auxiliary);
  return task;
}

Expected<std::optional<Task>> carriedTask(const Artifact &artifact) {
  const artifact::FileT *file = artifact.findFile(taskFile);
  if (!file)
    return std::optional<Task>();
  GPTC_TRY(Task task,
           parseTask(artifact.text(*file),
                     fmt::format("'{}' in '{}'", taskFile, artifact.path())));
  return std::optional(task);
}

} // namespace gptc
