//===- TaskExamples.cpp ---------------------------------------------------===//

#include "gptc/runtime/training/TaskExamples.h"

#include "gptc/runtime/program/Threads.h"

#include <algorithm>
#include <charconv>
#include <fmt/ranges.h>
#include <map>
#include <numeric>

namespace gptc {

namespace {

/// The number that a label of a format stands for.
Expected<double> valueOf(const Table &table, size_t row, size_t column,
                         const TaskFormat &format, const Task &task,
                         const std::map<std::string, size_t> &classes) {
  std::string_view label = table.cell(row, column);
  auto wrong = [&](const std::string &expected) {
    return failure(ErrorCode::Corrupt, "'{}', line {}: the {} '{:.40}' is {}",
                   table.path(), table.line(row), table.columns()[column],
                   label, expected);
  };
  if (task.kind == Task::Kind::MultipleChoice) {
    int64_t answer = -1;
    auto [stop, error] = std::from_chars(label.begin(), label.end(), answer);
    if (error != std::errc() || stop != label.end() || answer < 0 ||
        answer >= task.outputs)
      return wrong(
          fmt::format("no answer; expected 0 to {}", task.outputs - 1));
    return double(answer);
  }
  if (task.isRegression()) {
    auto number = numberOf(label);
    if (!number)
      return wrong("no finite number, as labels are where numbers are learned");
    return *number;
  }
  auto found = classes.find(std::string(label));
  if (found == classes.end()) {
    constexpr size_t most = 10;
    return wrong(
        fmt::format("no class of the training data; expected one of {}{}",
                    fmt::join(std::span(format.classes)
                                  .first(std::min(most, format.classes.size())),
                              ", "),
                    format.classes.size() > most ? ", …" : ""));
  }
  return double(found->second);
}

/// The column of a name, which was asked for when the table was read.
Expected<size_t> columnOf(const Table &table, const std::string &name) {
  if (auto column = table.find(name))
    return *column;
  return failure(ErrorCode::NotFound, "'{}' was read without its column '{}'",
                 table.path(), name);
}

/// Cuts lengths until they are `room` together, the longest first.
void cut(std::vector<uint64_t> &lengths, uint64_t room) {
  uint64_t total = std::accumulate(lengths.begin(), lengths.end(), uint64_t(0));
  while (total > room) {
    auto longest = std::max_element(lengths.begin(), lengths.end());
    uint64_t second = 0;
    for (auto other = lengths.begin(); other != lengths.end(); ++other)
      if (other != longest)
        second = std::max(second, *other);
    uint64_t less =
        std::min(total - room, std::max<uint64_t>(1, *longest - second));
    *longest -= less;
    total -= less;
  }
}

} // namespace

Expected<TaskExamples> TaskExamples::create(const Table &table,
                                            const TaskFormat &format,
                                            const Tokenizer &tokenizer,
                                            uint64_t vocabulary,
                                            bool labelled) {
  TaskExamples examples;
  examples.format_ = format;
  std::vector<size_t> columns;
  bool answers = !format.task && labelled;
  for (const std::string &name : format.columns(answers)) {
    GPTC_TRY(size_t column, columnOf(table, name));
    columns.push_back(column);
  }
  examples.texts_ = columns.size();
  size_t count = table.rows() * columns.size();
  std::vector<std::vector<int32_t>> encoded(count);
  auto team = ThreadTeam::create(0);
  if (!team) // Where none can be started, this one does.
    team = ThreadTeam::create(1);
  (*team)->forEach(count, [&](uint64_t i) {
    encoded[i] = tokenizer.encode(
        table.cell(i / columns.size(), columns[i % columns.size()]));
  });
  for (size_t i = 0; i < count; ++i) {
    if (!format.task && i % columns.size() == 0 && encoded[i].empty())
      return failure(ErrorCode::InvalidArgument,
                     "'{}', line {}: the {} is empty; an answer needs "
                     "something to follow",
                     table.path(), table.line(i / columns.size()),
                     format.texts[0]);
    if (answers && i % columns.size() == 1)
      if (auto end = tokenizer.endOfText())
        encoded[i].push_back(*end);
    for (int32_t id : encoded[i])
      if (id < 0 || uint64_t(id) >= vocabulary)
        return failure(ErrorCode::InvalidArgument,
                       "'{}', line {}: the tokenizer makes token {} of it, and "
                       "the model knows {}; it is another model's tokenizer",
                       table.path(), table.line(i / columns.size()), id,
                       vocabulary);
    examples.ids_.insert(examples.ids_.end(), encoded[i].begin(),
                         encoded[i].end());
    examples.ends_.push_back(examples.ids_.size());
  }
  examples.labels_.resize(table.rows());
  if (!format.task || !labelled)
    return examples;
  std::map<std::string, size_t> classes;
  for (size_t i = 0; i < format.classes.size(); ++i)
    classes[format.classes[i]] = i;
  GPTC_TRY(size_t label, columnOf(table, format.label));
  for (size_t i = 0; i < table.rows(); ++i) {
    GPTC_TRY(examples.labels_[i],
             valueOf(table, i, label, format, *format.task, classes));
  }
  return examples;
}

std::span<const int32_t> TaskExamples::text(size_t example,
                                            size_t index) const {
  size_t at = example * texts_ + index;
  size_t begin = at == 0 ? 0 : ends_[at - 1];
  return std::span(ids_).subspan(begin, ends_[at] - begin);
}

std::vector<size_t> TaskExamples::textsOf(uint64_t index) const {
  if (!format_.task)
    return texts_ > 1 ? std::vector<size_t>{0, 1} : std::vector<size_t>{0};
  switch (format_.task->kind) {
  case Task::Kind::Classification:
    return {0};
  case Task::Kind::Entailment:
    return {0, 1};
  case Task::Kind::Similarity:
    return {index, 1 - index};
  case Task::Kind::MultipleChoice:
    return {0, index + 1};
  }
  return {};
}

uint64_t TaskExamples::lengthOf(size_t example, uint64_t index) const {
  std::vector<size_t> texts = textsOf(index);
  uint64_t length = format_.task ? texts.size() + 1 : 0;
  for (size_t i : texts)
    length += text(example, i).size();
  return length;
}

uint64_t TaskExamples::shortestContext() const {
  size_t texts = textsOf(0).size();
  return format_.task ? 2 * texts + 1 : texts;
}

uint64_t TaskExamples::longest() const {
  uint64_t longest = 0;
  for (size_t i = 0; i < size(); ++i)
    for (uint64_t k = 0; k < sequences(); ++k)
      longest = std::max(longest, lengthOf(i, k));
  return longest;
}

uint64_t TaskExamples::longerThan(uint64_t context) const {
  uint64_t count = 0;
  for (size_t i = 0; i < size(); ++i) {
    bool longer = false;
    for (uint64_t k = 0; k < sequences(); ++k)
      longer = longer || lengthOf(i, k) > context;
    count += longer;
  }
  return count;
}

uint64_t TaskExamples::tokens() const {
  uint64_t count = 0;
  for (size_t i = 0; i < size(); ++i)
    for (uint64_t k = 0; k < sequences(); ++k)
      count += lengthOf(i, k);
  return count;
}

Sha256::Digest TaskExamples::digest() const {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(ids_)));
  hash.update(std::as_bytes(std::span(ends_)));
  hash.update(std::as_bytes(std::span(labels_)));
  return hash.finish();
}

uint64_t TaskExamples::write(size_t example, uint64_t vocabulary,
                             const SequencePlaces &places) const {
  uint64_t count = 0;
  uint64_t context = places.tokens.size() / sequences();
  auto mark = [&](Task::Mark which) {
    return int32_t(vocabulary) + int32_t(which);
  };
  for (uint64_t k = 0; k < sequences(); ++k) {
    std::vector<size_t> texts = textsOf(k);
    std::vector<uint64_t> lengths;
    for (size_t i : texts)
      lengths.push_back(text(example, i).size());
    uint64_t room = context - (format_.task ? texts.size() + 1 : 0);
    if (format_.task || texts.size() < 2) {
      cut(lengths, room);
    } else { // The answer is what is learned.
      lengths[1] = std::min(lengths[1], room - 1);
      lengths[0] = std::min(lengths[0], room - lengths[1]);
    }
    auto tokens = places.tokens.subspan(k * context, context);
    std::fill(tokens.begin(), tokens.end(), 0);
    size_t at = 0, answer = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (format_.task)
        tokens[at++] = mark(i == 0 ? Task::Mark::Start : Task::Mark::Delimiter);
      auto ids = text(example, texts[i]);
      bool end = !format_.task && i == 0;
      ids = end ? ids.last(lengths[i]) : ids.first(lengths[i]);
      std::copy(ids.begin(), ids.end(), tokens.begin() + std::ptrdiff_t(at));
      at += ids.size();
      if (end)
        answer = at;
    }
    if (format_.task)
      tokens[at++] = mark(Task::Mark::Extract);
    if (!places.ends.empty())
      places.ends[k] = int32_t(at) - 1;
    if (places.targets.empty())
      continue;
    auto targets = places.targets.subspan(k * context, context);
    for (size_t i = 0; i < context; ++i) {
      bool known =
          i + 1 < at && i + 1 >= answer && tokens[i + 1] < int32_t(vocabulary);
      targets[i] = known ? tokens[i + 1] : -1;
      count += known;
    }
  }
  return count;
}

} // namespace gptc
