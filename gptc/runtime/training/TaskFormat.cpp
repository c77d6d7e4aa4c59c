//===- TaskFormat.cpp -----------------------------------------------------===//

#include "gptc/runtime/training/TaskFormat.h"

#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/ranges.h>
#include <map>

namespace gptc {

namespace {

constexpr const char *textTask = "text";

/// The columns that a task's data has if nothing else is said; of multiple
/// choice the first alone.
std::vector<std::string> defaultTexts(const std::optional<Task::Kind> &kind) {
  if (!kind)
    return {"prompt"};
  switch (*kind) {
  case Task::Kind::Classification:
    return {"text"};
  case Task::Kind::Entailment:
    return {"premise", "hypothesis"};
  case Task::Kind::Similarity:
    return {"text_a", "text_b"};
  case Task::Kind::MultipleChoice:
    return {"context"};
  }
  return {};
}

/// Sorts classes by value where all are whole numbers, else by name.
void sortClasses(std::vector<std::string> &classes) {
  auto whole = [](const std::string &name) {
    int64_t value = 0;
    const char *end = name.data() + name.size();
    auto [stop, error] = std::from_chars(name.data(), end, value);
    return error == std::errc() && stop == end ? std::optional(value)
                                               : std::nullopt;
  };
  if (std::all_of(classes.begin(), classes.end(), whole))
    std::sort(classes.begin(), classes.end(),
              [&](const std::string &a, const std::string &b) {
                return std::pair(*whole(a), a) < std::pair(*whole(b), b);
              });
}

/// The labels of a table, each once, sorted.
Expected<std::vector<std::string>> classesOf(const Table &table,
                                             size_t column) {
  constexpr size_t most = 1000;
  std::map<std::string_view, size_t> found;
  for (size_t i = 0; i < table.rows(); ++i) {
    if (table.cell(i, column).empty())
      return failure(ErrorCode::Corrupt, "'{}', line {}: the label is empty",
                     table.path(), table.line(i));
    ++found[table.cell(i, column)];
    if (found.size() > most)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' has more than {} different labels in '{}'; for "
                     "numbers to be learned give --labels numbers",
                     table.path(), most, table.columns()[column]);
  }
  if (found.size() < 2)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' has the same label '{}' in every row, so there is "
                   "nothing to learn",
                   table.path(), found.begin()->first);
  std::vector<std::string> classes;
  for (const auto &[name, count] : found)
    classes.emplace_back(name);
  sortClasses(classes);
  return classes;
}

} // namespace

std::optional<double> numberOf(std::string_view label) {
  double value = 0;
  auto [stop, error] = std::from_chars(label.begin(), label.end(), value);
  if (error != std::errc() || stop != label.end() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::vector<std::string> TaskFormat::columns(bool labelled) const {
  std::vector<std::string> all = texts;
  if (labelled)
    all.push_back(label);
  return all;
}

Expected<TaskFormat> formatOf(const std::string &path, const std::string &task,
                              const std::vector<std::string> &names,
                              LabelKind labels) {
  TaskFormat format;
  std::optional<Task::Kind> kind;
  if (task != textTask) {
    auto found = parseTaskKind(task, "--task");
    if (!found)
      return failure(ErrorCode::InvalidArgument,
                     "--task: '{}' is no task; choose from classification, "
                     "entailment, similarity, multiple-choice and text",
                     task);
    kind = *found;
  }
  if (labels != LabelKind::Natural &&
      (!kind || *kind == Task::Kind::MultipleChoice))
    return failure(ErrorCode::InvalidArgument,
                   "--labels says whether labels are classes or numbers, and "
                   "those of {} are {}; leave it out",
                   task, kind ? "the numbers of answers" : "texts");
  format.texts = defaultTexts(kind);
  format.label = kind ? "label" : "answer";
  bool chooses = kind && *kind == Task::Kind::MultipleChoice;
  std::string answers = "answer_";
  for (const std::string &name : names) {
    size_t at = name.find('=');
    std::string from = name.substr(0, at);
    std::string to = at == std::string::npos ? "" : name.substr(at + 1);
    auto text = std::find(format.texts.begin(), format.texts.end(), from);
    if (to.empty() || (text == format.texts.end() && from != format.label &&
                       !(chooses && from == "answer_")))
      return failure(ErrorCode::InvalidArgument,
                     "--column: '{}' names no column of {}; give NAME=OTHER "
                     "with one of {}, {}{}",
                     name, task, fmt::join(format.texts, ", "), format.label,
                     chooses ? ", answer_ (what the answers begin with)" : "");
    (text != format.texts.end() ? *text
     : from == format.label     ? format.label
                                : answers) = to;
  }
  if (kind && chooses) {
    GPTC_TRY(std::vector<std::string> columns, readColumnNames(path));
    for (size_t i = 0;; ++i) {
      std::string name = answers + std::to_string(i);
      if (std::find(columns.begin(), columns.end(), name) == columns.end())
        break;
      format.texts.push_back(name);
    }
    auto count = int64_t(format.texts.size()) - 1;
    if (count < 2)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' has {} answers to choose from; expected columns "
                     "{}0, {}1 and so on, found {}",
                     path, count, answers, answers, fmt::join(columns, ", "));
    format.task = Task{.kind = *kind, .outputs = count};
  }
  if (!kind || chooses)
    return format;
  GPTC_TRY(Table table, readTable(path, {{format.label}}));
  bool numbers = labels == LabelKind::Numbers;
  if (labels == LabelKind::Natural && *kind == Task::Kind::Similarity) {
    std::optional<size_t> number, other; // The first row of each.
    for (size_t i = 0; i < table.rows(); ++i) {
      auto &first = numberOf(table.cell(i, 0)) ? number : other;
      first = first.value_or(i);
    }
    // A slip among numbers would silently make classes of all of them.
    if (number && other)
      return failure(ErrorCode::Corrupt,
                     "'{}', line {}: the label '{}' is no finite number, and "
                     "that of line {} is one; correct it, or say --labels "
                     "classes where labels are names",
                     path, table.line(*other), table.cell(*other, 0),
                     table.line(*number));
    numbers = number.has_value();
  }
  if (!numbers) {
    GPTC_TRY(format.classes, classesOf(table, 0));
  }
  format.task = Task{.kind = *kind,
                     .outputs = numbers ? 1 : int64_t(format.classes.size())};
  return format;
}

std::string describe(const TaskFormat &format) {
  nlohmann::ordered_json json{{"task", format.name()},
                              {"texts", format.texts},
                              {"label", format.label}};
  if (format.task) {
    json["outputs"] = format.task->outputs;
    json["auxiliary"] = format.task->auxiliary;
    json["classes"] = format.classes;
  }
  return json.dump(2) + "\n";
}

Expected<TaskFormat> parseTaskFormat(std::string_view text,
                                     const std::string &where) {
  GPTC_TRY(nlohmann::json json, parseJson(text, where));
  auto texts = [&](const char *key) -> std::optional<std::vector<std::string>> {
    auto found = json.find(key);
    if (found == json.end() || !found->is_array())
      return std::nullopt;
    std::vector<std::string> values;
    for (const auto &value : *found) {
      if (!value.is_string())
        return std::nullopt;
      values.push_back(value.get<std::string>());
    }
    return values;
  };
  auto malformed = [&](const std::string &expected) {
    return failure(ErrorCode::Corrupt, "{} tells of no task: expected {}",
                   where, expected);
  };
  if (!json.is_object() || !json.contains("task") || !json["task"].is_string())
    return malformed("an object with task");
  TaskFormat format;
  auto columns = texts("texts");
  if (!columns || columns->empty() || !json.contains("label") ||
      !json["label"].is_string())
    return malformed("texts, a list of columns, and label");
  format.texts = std::move(*columns);
  format.label = json["label"].get<std::string>();
  auto name = json["task"].get<std::string>();
  size_t expected = 1;
  if (name != textTask) {
    json["kind"] = name;
    GPTC_TRY(Task task, parseTask(json.dump(-1, ' ', true), where));
    format.task = task;
    auto classes = texts("classes");
    bool named =
        !task.isRegression() && task.kind != Task::Kind::MultipleChoice;
    if (!classes || classes->size() != (named ? size_t(task.outputs) : 0))
      return malformed(
          fmt::format("the names of {} classes", named ? task.outputs : 0));
    format.classes = std::move(*classes);
    expected = task.kind == Task::Kind::Classification ? 1
               : task.kind == Task::Kind::MultipleChoice
                   ? size_t(task.outputs) + 1
                   : 2;
  }
  if (format.texts.size() != expected)
    return malformed(fmt::format("{} columns with texts", expected));
  return format;
}

} // namespace gptc
