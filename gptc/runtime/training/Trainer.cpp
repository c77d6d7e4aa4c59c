//===- Trainer.cpp --------------------------------------------------------===//

#include "gptc/runtime/training/Trainer.h"

#include "gptc/runtime/data/TokenizerDigest.h"
#include "gptc/runtime/session/TextGeneration.h"

#include <algorithm>
#include <cmath>

namespace gptc {

namespace {

using Parameters = std::vector<std::unique_ptr<artifact::ParameterT>>;

/// The index of a parameter of that name, or nothing.
std::optional<size_t> find(const Parameters &list, const std::string &name) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i]->name == name)
      return i;
  return std::nullopt;
}

} // namespace

Expected<std::unique_ptr<Trainer>>
Trainer::create(std::shared_ptr<const Artifact> artifact,
                const TrainerOptions &options) {
  std::unique_ptr<Trainer> trainer(new Trainer());
  trainer->options_ = options;
  if (artifact->findEntry("train_step") < 0)
    return failure(ErrorCode::NotFound,
                   "'{}' has no entry train_step, which training needs; "
                   "compile with --entry train_step,score",
                   artifact->path());
  LoadOptions load = options.load;
  if (options.resume) {
    GPTC_TRY(trainer->step_, newestState(options.output));
    if (trainer->step_ > 0)
      load.checkpoint = statePath(options.output, trainer->step_);
  }
  if (options.loader) {
    GPTC_TRY(trainer->program_, options.loader(std::move(artifact), load));
  } else {
    GPTC_TRY(trainer->program_, Program::load(std::move(artifact), load));
  }
  GPTC_CHECK(trainer->open(options));
  return trainer;
}

Status Trainer::open(const TrainerOptions &options) {
  const Artifact &artifact = program_->artifact();
  const artifact::ManifestT &manifest = artifact.manifest();
  GPTC_TRY(train_,
           openEntry(uint32_t(artifact.findEntry("train_step")), "loss"));
  const artifact::EntryT &entry = *manifest.entries[train_.index];
  auto rate = find(entry.arguments, "learning_rate");
  auto norm = find(entry.results, "gradient_norm");
  if (!rate || !entry.arguments[*rate]->scalar ||
      entry.arguments[*rate]->type != artifact::ElementType::F32 || !norm)
    return failure(ErrorCode::Unsupported,
                   "the entry train_step of '{}' does not take learning_rate, "
                   "a scalar of f32, and give gradient_norm",
                   artifact.path());
  learningRate_ = program_->argumentAs<float>(train_.index, *rate);
  norm_ = program_->resultAs<float>(train_.index, *norm);
  if (auto scale = find(entry.arguments, "gradient_scale"))
    scale_ = program_->argumentAs<float>(train_.index, *scale);
  if (int sum = artifact.findEntry("accumulate_gradients");
      sum >= 0 && program_->has(uint32_t(sum))) {
    GPTC_TRY(sum_, openEntry(uint32_t(sum), "loss"));
  }
  if (options.accumulate > 1 &&
      (scale_.empty() || train_.weight.empty() || sum_.weight.empty() ||
       sum_.tokens.size() != train_.tokens.size()))
    return failure(ErrorCode::NotFound,
                   "'{}' has no entry accumulate_gradients of train_step's "
                   "shape, which steps of {} batches need; compile with "
                   "--entry train_step,accumulate_gradients,score",
                   artifact.path(), options.accumulate);
  if (int score = artifact.findEntry("score");
      score >= 0 && program_->has(uint32_t(score))) {
    GPTC_TRY(score_, openEntry(uint32_t(score), "log_likelihood"));
    if (score_.tokens.size() != train_.tokens.size() ||
        score_.output.size() != score_.tokens.size())
      return failure(ErrorCode::Unsupported,
                     "the entries train_step and score of '{}' are of "
                     "different shapes",
                     artifact.path());
  }

  GPTC_TRY(TokenData data, TokenData::open(options.data));
  data_ = std::make_unique<TokenData>(std::move(data));
  GPTC_CHECK(checkData());
  uint64_t batch = manifest.model->batch;
  uint64_t context = train_.tokens.size() / batch;
  auto batchesOf = [&](DataPart part) -> Expected<std::unique_ptr<Batches>> {
    GPTC_TRY(Batches batches,
             Batches::create(*data_, part, batch, context, options.seed));
    return std::make_unique<Batches>(batches);
  };
  GPTC_TRY(batches_, batchesOf(DataPart::Training));
  if (!score_.tokens.empty() && data_->tokens(DataPart::Validation) > 1) {
    GPTC_TRY(validation_, batchesOf(DataPart::Validation));
  }
  identity_ = {options.seed,
               batch,
               context,
               data_->tokens(DataPart::Training),
               options.accumulate,
               manifest.source_hash};
  if (step_ > 0)
    GPTC_CHECK(loadState(options.output, step_, identity_, *program_));
  return {};
}

Expected<Trainer::Entry> Trainer::openEntry(uint32_t index,
                                            const std::string &result) {
  const artifact::EntryT &entry =
      *program_->artifact().manifest().entries[index];
  auto tokens = find(entry.arguments, "tokens");
  auto targets = find(entry.arguments, "targets");
  auto output = find(entry.results, result);
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
  Entry opened{index,
               program_->argumentAs<int32_t>(index, *tokens),
               program_->argumentAs<int32_t>(index, *targets),
               program_->resultAs<float>(index, *output),
               {}};
  if (auto weight = find(entry.arguments, "gradient_weight"))
    opened.weight = program_->argumentAs<float>(index, *weight);
  return opened;
}

Status Trainer::checkData() const {
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

uint64_t Trainer::flopsPerStep() const {
  const auto &entries = program_->artifact().manifest().entries;
  uint64_t flops = entries[train_.index]->flops;
  if (options_.accumulate > 1)
    flops += (options_.accumulate - 1) * entries[sum_.index]->flops;
  return flops;
}

std::string Trainer::whatRemains() const {
  auto saved = newestState(options_.output);
  return saved && *saved > 0 ? fmt::format("the last good state is '{}'",
                                           statePath(options_.output, *saved))
                             : "no state was saved before";
}

Status Trainer::runEntry(uint32_t index) {
  Status status = program_->run(index);
  if (status)
    return status;
  return failure(status.error().code(), "{}; {}, from which --resume goes on",
                 status.error().message(), whatRemains());
}

Expected<TrainedStep> Trainer::train() {
  TrainedStep done;
  done.learningRate = float(options_.schedule.at(step_));
  // Each batch counts by its targets, as in one that has them all.
  uint64_t count = options_.accumulate;
  double total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const Entry &entry = i + 1 < count ? sum_ : train_;
    GPTC_CHECK(batches_->read(step_ * count + i, entry.tokens, entry.targets));
    auto targets =
        double(std::count_if(entry.targets.begin(), entry.targets.end(),
                             [](int32_t target) { return target >= 0; }));
    total += targets;
    learningRate_[0] = float(done.learningRate);
    if (!entry.weight.empty())
      entry.weight[0] = float(targets);
    if (!scale_.empty())
      scale_[0] = float(1 / std::max(total, 1.0));
    GPTC_CHECK(runEntry(entry.index));
    done.loss += double(entry.output[0]) * targets;
  }
  done.loss =
      count == 1 ? double(train_.output[0]) : done.loss / std::max(total, 1.0);
  done.step = ++step_;
  done.gradientNorm = double(norm_[0]);
  if (std::isfinite(done.loss) && std::isfinite(done.gradientNorm))
    return done;
  return failure(
      ErrorCode::InvalidArgument,
      "step {} made {} of {}, no finite number; {}; try a lower "
      "--learning-rate or a longer --warm-up",
      done.step, std::isfinite(done.loss) ? "a gradient norm" : "a loss",
      std::isfinite(done.loss) ? done.gradientNorm : done.loss, whatRemains());
}

Expected<std::optional<double>> Trainer::validate(uint64_t windows) {
  if (!validation_)
    return std::optional<double>();
  uint64_t context = validation_->context(), batch = validation_->batch();
  windows = std::min(windows, validation_->windows());
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
    GPTC_CHECK(runEntry(score_.index));
    for (size_t i = 0; i < score_.targets.size(); ++i)
      if (score_.targets[i] >= 0) {
        sum -= double(score_.output[i]);
        ++count;
      }
  }
  return std::optional<double>(sum / double(std::max<uint64_t>(count, 1)));
}

Status Trainer::save(std::optional<double> validationLoss) {
  return saveState(options_.output, step_, {options_.keep, validationLoss},
                   identity_, *program_);
}

} // namespace gptc
