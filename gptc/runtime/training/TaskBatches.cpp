//===- TaskBatches.cpp - Batches of examples ------------------------------===//

#include "gptc/runtime/base/Counted.h"
#include "gptc/runtime/data/Permutation.h"
#include "gptc/runtime/training/TaskPrediction.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace gptc {

namespace {

class TaskBatches : public BatchSource {
public:
  TaskBatches(std::shared_ptr<const TaskExamples> training,
              std::shared_ptr<const TaskExamples> validation, TaskFormat format,
              uint64_t seed)
      : training_(std::move(training)), validation_(std::move(validation)),
        format_(std::move(format)), seed_(seed) {}

  Status open(Executable &program) override;
  uint64_t seed() const override { return seed_; }
  uint64_t batch() const override { return batch_ * sequences(); }
  uint64_t context() const override { return context_; }
  uint64_t trainingTokens() const override { return training_->tokens(); }
  std::map<std::string, std::string> details() const override {
    return {{"classes", fmt::format("{}", fmt::join(format_.classes, ", "))},
            {dataDigest, Sha256::hex(training_->digest())}};
  }
  std::string size() const override {
    return counted(training_->size(), "example");
  }
  uint64_t batchesPerEpoch() const override {
    return (training_->size() + batch_ - 1) / batch_;
  }
  Expected<double> read(uint64_t index, uint32_t entry) override;
  Expected<std::optional<Validation>> validate(uint64_t most) override;
  std::string whyNoValidation() const override {
    if (!validation_)
      return "there is nothing to validate with; name a table with --valid";
    return predictor_ || !likelihoods_.empty()
               ? ""
               : fmt::format(
                     "'{}' has no entry score to validate with; compile "
                     "with --entry train_step,score",
                     program_->artifact().path());
  }

private:
  struct Entry {
    uint32_t index = 0;
    std::span<int32_t> tokens, targets, ends;
    std::span<int32_t> classes; ///< labels, of one type or the other.
    std::span<float> numbers;
  };
  Expected<Entry> openEntry(int index) const;
  uint64_t sequences() const {
    return format_.task ? uint64_t(format_.task->sequences()) : 1;
  }
  /// Writes an example as the one of that number in an entry's batch.
  uint64_t write(const TaskExamples &examples, size_t example,
                 const Entry &entry, uint64_t place) const;
  Expected<std::optional<Validation>> validateTask(const Task &task,
                                                   size_t count);
  Expected<std::optional<Validation>> validateText(size_t count);

  std::shared_ptr<const TaskExamples> training_, validation_;
  TaskFormat format_;
  uint64_t seed_;
  Executable *program_ = nullptr;
  uint64_t batch_ = 1, context_ = 0, vocabulary_ = 0;
  std::vector<Entry> entries_; ///< Of training.
  std::unique_ptr<TaskPredictor> predictor_;
  Entry score_; ///< Of text; empty where there is none.
  std::span<const float> likelihoods_;
};

Expected<TaskBatches::Entry> TaskBatches::openEntry(int index) const {
  const Artifact &artifact = program_->artifact();
  const artifact::EntryT &entry = *artifact.manifest().entries[size_t(index)];
  Entry opened;
  opened.index = uint32_t(index);
  auto idsOf = [&](const char *name, size_t rank) -> std::span<int32_t> {
    auto found = findParameter(entry.arguments, name);
    if (!found || entry.arguments[*found]->type != artifact::ElementType::I32 ||
        entry.arguments[*found]->shape.size() != rank)
      return {};
    return program_->argumentAs<int32_t>(opened.index, *found);
  };
  opened.tokens = idsOf("tokens", 2);
  opened.targets = idsOf("targets", 2);
  uint64_t rows = batch_ * sequences();
  bool fits =
      !opened.tokens.empty() && opened.tokens.size() % rows == 0 &&
      (opened.targets.empty() || opened.targets.size() == opened.tokens.size());
  if (format_.task) {
    opened.ends = idsOf("ends", 1);
    if (!format_.task->isRegression())
      opened.classes = idsOf("labels", 1);
    else if (auto labels = findParameter(entry.arguments, "labels");
             labels &&
             entry.arguments[*labels]->type == artifact::ElementType::F32)
      opened.numbers = program_->argumentAs<float>(opened.index, *labels);
    fits = fits && opened.ends.size() == rows &&
           opened.classes.size() + opened.numbers.size() == batch_;
  } else {
    fits = fits && !opened.targets.empty();
  }
  if (!fits)
    return failure(ErrorCode::Unsupported,
                   "the entry {} of '{}' does not take the arguments of a "
                   "{}'s training",
                   entry.name, artifact.path(), format_.name());
  return opened;
}

Status TaskBatches::open(Executable &program) {
  program_ = &program;
  const Artifact &artifact = program.artifact();
  batch_ = artifact.manifest().model->batch;
  vocabulary_ = artifact.manifest().model->vocabulary;
  for (const char *name : {"train_step", "accumulate_gradients"})
    if (int index = artifact.findEntry(name);
        index >= 0 && program.has(uint32_t(index))) {
      GPTC_TRY(Entry entry, openEntry(index));
      entries_.push_back(entry);
    }
  size_t tokens = entries_.at(0).tokens.size();
  context_ = tokens / (batch_ * sequences());
  bool same = entries_.size() < 2 || entries_[1].tokens.size() == tokens;
  int score = artifact.findEntry("score");
  if (format_.task) {
    GPTC_TRY(TaskPredictor predictor,
             TaskPredictor::create(program, *format_.task));
    predictor_ = std::make_unique<TaskPredictor>(predictor);
    same = same && predictor_->context() == context_;
  } else if (score >= 0 && program.has(uint32_t(score))) {
    GPTC_TRY(score_, openEntry(score));
    const auto &results = artifact.manifest().entries[size_t(score)]->results;
    if (auto result = findParameter(results, "log_likelihood"))
      likelihoods_ = program.resultAs<float>(uint32_t(score), *result);
    same =
        same && score_.tokens.size() == tokens && likelihoods_.size() == tokens;
  }
  if (!same)
    return failure(ErrorCode::Unsupported,
                   "the entries of '{}' are of different shapes",
                   artifact.path());
  if (context_ < training_->shortestContext())
    return failure(ErrorCode::InvalidArgument,
                   "'{}' has a context of {} tokens, and a {} needs at least "
                   "{}; compile it with a larger --context",
                   artifact.path(), context_, format_.name(),
                   training_->shortestContext());
  return {};
}

uint64_t TaskBatches::write(const TaskExamples &examples, size_t example,
                            const Entry &entry, uint64_t place) const {
  uint64_t count = sequences(), each = count * context_;
  SequencePlaces places{entry.tokens.subspan(place * each, each), {}, {}};
  if (!entry.targets.empty())
    places.targets = entry.targets.subspan(place * each, each);
  if (!entry.ends.empty())
    places.ends = entry.ends.subspan(place * count, count);
  if (!entry.classes.empty())
    entry.classes[place] = int32_t(examples.label(example));
  if (!entry.numbers.empty())
    entry.numbers[place] = float(examples.label(example));
  return examples.write(example, vocabulary_, places);
}

Expected<double> TaskBatches::read(uint64_t index, uint32_t entry) {
  const Entry &places =
      *std::find_if(entries_.begin(), entries_.end(),
                    [&](const Entry &one) { return one.index == entry; });
  uint64_t targets = 0;
  // Batches may be any number; their examples are counted beyond 64 bits.
  auto first = static_cast<unsigned __int128>(index) * batch_;
  for (uint64_t b = 0; b < batch_; ++b) {
    auto epoch = uint64_t((first + b) / training_->size());
    auto place = uint64_t((first + b) % training_->size());
    Permutation order(training_->size(), mixBits(seed_) ^ epoch);
    targets += write(*training_, order(place), places, b);
  }
  return format_.task ? double(batch_) : double(targets);
}

Expected<std::optional<Validation>> TaskBatches::validate(uint64_t most) {
  if (!whyNoValidation().empty())
    return std::optional<Validation>();
  size_t count = std::min<uint64_t>(most, validation_->size());
  return format_.task ? validateTask(*format_.task, count)
                      : validateText(count);
}

Expected<std::optional<Validation>> TaskBatches::validateTask(const Task &task,
                                                              size_t count) {
  std::vector<double> predictions, labels;
  double loss = 0;
  for (size_t from = 0; from < count; from += batch_) {
    size_t now = std::min<size_t>(batch_, count - from);
    GPTC_TRY(auto outputs, predictor_->predict(*validation_, from, now));
    for (size_t i = 0; i < now; ++i) {
      auto own =
          outputs.subspan(i * size_t(task.outputs), size_t(task.outputs));
      labels.push_back(validation_->label(from + i));
      predictions.push_back(predictionOf(task, own));
      loss += lossOf(task, own, labels.back());
    }
  }
  loss /= double(std::max<size_t>(count, 1));
  GPTC_TRY(Validation result, measure(task, predictions, labels, loss));
  return std::optional(std::move(result));
}

Expected<std::optional<Validation>> TaskBatches::validateText(size_t count) {
  double sum = 0;
  uint64_t targets = 0;
  for (size_t from = 0; from < count; from += batch_) {
    std::fill(score_.tokens.begin(), score_.tokens.end(), 0);
    std::fill(score_.targets.begin(), score_.targets.end(), -1);
    for (size_t i = 0; i < std::min<size_t>(batch_, count - from); ++i)
      targets += write(*validation_, from + i, score_, i);
    GPTC_CHECK(program_->run(score_.index));
    for (size_t i = 0; i < score_.targets.size(); ++i)
      if (score_.targets[i] >= 0)
        sum -= double(likelihoods_[i]);
  }
  return std::optional<Validation>(
      {sum / double(std::max<uint64_t>(targets, 1)), {}});
}

} // namespace

std::unique_ptr<BatchSource>
taskBatches(std::shared_ptr<const TaskExamples> training,
            std::shared_ptr<const TaskExamples> validation,
            const TaskFormat &format, uint64_t seed) {
  return std::make_unique<TaskBatches>(std::move(training),
                                       std::move(validation), format, seed);
}

} // namespace gptc
