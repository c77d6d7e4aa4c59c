//===- PreparedBatches.cpp - Batches of prepared text ---------------------===//

#include "gptc/runtime/base/Counted.h"
#include "gptc/runtime/data/Batches.h"
#include "gptc/runtime/data/TokenizerDigest.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "gptc/runtime/training/BatchSource.h"

#include <algorithm>

namespace gptc {

std::optional<size_t>
findParameter(const std::vector<std::unique_ptr<artifact::ParameterT>> &list,
              const std::string &name) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i]->name == name)
      return i;
  return std::nullopt;
}

namespace {

class PreparedBatches : public BatchSource {
public:
  PreparedBatches(std::string folder, uint64_t seed)
      : folder_(std::move(folder)), seed_(seed) {}

  Status open(Executable &program) override;
  uint64_t seed() const override { return seed_; }
  uint64_t batch() const override { return batches_->batch(); }
  uint64_t context() const override { return batches_->context(); }
  uint64_t trainingTokens() const override {
    return data_->tokens(DataPart::Training);
  }
  std::map<std::string, std::string> details() const override {
    // Each shard's header has the digests of its tokens and of the one before.
    return {{dataDigest, Sha256::hex(data_->shards().back().header().self)}};
  }
  std::string size() const override {
    return counted(batches_->windows(), "window");
  }
  uint64_t batchesPerEpoch() const override {
    return batches_->stepsPerEpoch();
  }
  Expected<double> read(uint64_t index, uint32_t entry) override;
  Expected<std::optional<Validation>> validate(uint64_t most) override;
  std::string whyNoValidation() const override;

private:
  struct Entry {
    uint32_t index = 0;
    std::span<int32_t> tokens, targets;
  };
  Expected<Entry> openEntry(int index, const std::string &result) const;
  Status checkData() const;

  std::string folder_;
  uint64_t seed_;
  Executable *program_ = nullptr;
  std::unique_ptr<TokenData> data_;
  std::unique_ptr<Batches> batches_;
  std::unique_ptr<Batches> validation_; ///< Null: nothing to validate with.
  std::vector<Entry> entries_;          ///< Of training.
  Entry score_;
  std::span<const float> likelihoods_;
};

Expected<PreparedBatches::Entry>
PreparedBatches::openEntry(int index, const std::string &result) const {
  const artifact::EntryT &entry =
      *program_->artifact().manifest().entries[size_t(index)];
  auto tokens = findParameter(entry.arguments, "tokens");
  auto targets = findParameter(entry.arguments, "targets");
  auto output = findParameter(entry.results, result);
  auto isIds = [&](size_t i) {
    return entry.arguments[i]->type == artifact::ElementType::I32 &&
           entry.arguments[i]->shape.size() == 2;
  };
  if (!tokens || !targets || !output || !isIds(*tokens) || !isIds(*targets) ||
      entry.results[*output]->type != artifact::ElementType::F32 ||
      entry.arguments[*tokens]->shape != entry.arguments[*targets]->shape ||
      entry.arguments[*tokens]->shape[0] !=
          program_->artifact().manifest().model->batch)
    return failure(ErrorCode::Unsupported,
                   "the entry {} of '{}' does not take tokens and targets "
                   "[B, T] and give {}",
                   entry.name, program_->artifact().path(), result);
  return Entry{uint32_t(index),
               program_->argumentAs<int32_t>(uint32_t(index), *tokens),
               program_->argumentAs<int32_t>(uint32_t(index), *targets)};
}

Status PreparedBatches::open(Executable &program) {
  program_ = &program;
  const Artifact &artifact = program.artifact();
  for (const char *name : {"train_step", "accumulate_gradients"})
    if (int index = artifact.findEntry(name);
        index >= 0 && program.has(uint32_t(index))) {
      GPTC_TRY(Entry entry, openEntry(index, "loss"));
      entries_.push_back(entry);
    }
  if (entries_.size() > 1 &&
      entries_[0].tokens.size() != entries_[1].tokens.size())
    return failure(ErrorCode::Unsupported,
                   "the entries train_step and accumulate_gradients of '{}' "
                   "are of different shapes",
                   artifact.path());
  size_t tokens = entries_.at(0).tokens.size();
  if (int score = artifact.findEntry("score");
      score >= 0 && program.has(uint32_t(score))) {
    GPTC_TRY(score_, openEntry(score, "log_likelihood"));
    const auto &results = artifact.manifest().entries[score_.index]->results;
    if (auto result = findParameter(results, "log_likelihood"))
      likelihoods_ = program.resultAs<float>(score_.index, *result);
    if (score_.tokens.size() != tokens || likelihoods_.size() != tokens)
      return failure(ErrorCode::Unsupported,
                     "the entries train_step and score of '{}' are of "
                     "different shapes",
                     artifact.path());
  }
  GPTC_TRY(TokenData data, TokenData::open(folder_));
  data_ = std::make_unique<TokenData>(std::move(data));
  GPTC_CHECK(checkData());
  uint64_t batch = artifact.manifest().model->batch;
  auto batchesOf = [&](DataPart part) -> Expected<std::unique_ptr<Batches>> {
    GPTC_TRY(Batches batches,
             Batches::create(*data_, part, batch, tokens / batch, seed_));
    return std::make_unique<Batches>(batches);
  };
  GPTC_TRY(batches_, batchesOf(DataPart::Training));
  if (!score_.tokens.empty() && data_->tokens(DataPart::Validation) > 1) {
    GPTC_TRY(validation_, batchesOf(DataPart::Validation));
  }
  return {};
}

Status PreparedBatches::checkData() const {
  const Artifact &artifact = program_->artifact();
  uint64_t vocabulary = artifact.manifest().model->vocabulary;
  if (data_->vocabulary() > vocabulary)
    return failure(ErrorCode::InvalidArgument,
                   "the data in '{}' was made with a vocabulary of {}, the "
                   "model in '{}' has one of {}; prepare it with the model's "
                   "own tokenizer",
                   data_->folder(), data_->vocabulary(), artifact.path(),
                   vocabulary);
  GPTC_TRY(auto tokenizer, tokenizerOf(artifact));
  if (tokenizer && tokenizerDigest(*tokenizer) != data_->tokenizer())
    return failure(ErrorCode::InvalidArgument,
                   "the data in '{}' was made with another tokenizer than the "
                   "one that '{}' carries; prepare it with that of the model",
                   data_->folder(), artifact.path());
  return {};
}

Expected<double> PreparedBatches::read(uint64_t index, uint32_t entry) {
  const Entry &places =
      *std::find_if(entries_.begin(), entries_.end(),
                    [&](const Entry &one) { return one.index == entry; });
  GPTC_CHECK(batches_->read(index, places.tokens, places.targets));
  return double(std::count_if(places.targets.begin(), places.targets.end(),
                              [](int32_t target) { return target >= 0; }));
}

Expected<std::optional<Validation>> PreparedBatches::validate(uint64_t most) {
  if (!validation_)
    return std::optional<Validation>();
  uint64_t context = validation_->context(), batch = validation_->batch();
  uint64_t windows = std::min(most, validation_->windows());
  double sum = 0;
  uint64_t count = 0;
  for (uint64_t from = 0; from < windows; from += batch) {
    for (uint64_t b = 0; b < batch; ++b) {
      auto tokens = score_.tokens.subspan(b * context, context);
      auto targets = score_.targets.subspan(b * context, context);
      if (from + b < windows) {
        GPTC_CHECK(validation_->readWindow(from + b, tokens, targets));
        continue;
      }
      std::fill(tokens.begin(), tokens.end(), 0);
      std::fill(targets.begin(), targets.end(), -1);
    }
    GPTC_CHECK(program_->run(score_.index));
    for (size_t i = 0; i < score_.targets.size(); ++i)
      if (score_.targets[i] >= 0) {
        sum -= double(likelihoods_[i]);
        ++count;
      }
  }
  return std::optional<Validation>(
      {sum / double(std::max<uint64_t>(count, 1)), {}});
}

std::string PreparedBatches::whyNoValidation() const {
  if (score_.tokens.empty())
    return fmt::format("'{}' has no entry score to validate with; compile with "
                       "--entry train_step,score",
                       program_->artifact().path());
  if (!validation_)
    return fmt::format("'{}' keeps nothing apart to validate with; prepare it "
                       "with --validation 0.05",
                       data_->folder());
  return "";
}

} // namespace

std::unique_ptr<BatchSource> preparedBatches(std::string folder,
                                             uint64_t seed) {
  return std::make_unique<PreparedBatches>(std::move(folder), seed);
}

} // namespace gptc
