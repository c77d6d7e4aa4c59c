//===- Trainer.cpp --------------------------------------------------------===//

#include "gptc/runtime/training/Trainer.h"

#include "gptc/runtime/base/Philox.h"
#include "gptc/runtime/session/FiniteValues.h"
#include "gptc/runtime/training/Adapters.h"

#include <algorithm>
#include <cmath>

namespace gptc {

Expected<std::unique_ptr<Trainer>>
Trainer::create(std::shared_ptr<const Artifact> artifact,
                const TrainerOptions &options,
                std::unique_ptr<BatchSource> source) {
  std::unique_ptr<Trainer> trainer(new Trainer());
  trainer->options_ = options;
  trainer->source_ = std::move(source);
  if (artifact->findEntry("train_step") < 0)
    return failure(ErrorCode::NotFound,
                   "'{}' has no entry train_step, which training needs; "
                   "compile with --entry train_step,score",
                   artifact->path());
  LoadOptions load = options.load;
  if (options.resume) {
    GPTC_TRY(trainer->step_, newestState(options.output));
    // Before weights are read that may not be of its shapes.
    if (trainer->step_ > 0)
      GPTC_CHECK(checkProgram(options.output, trainer->step_, *artifact));
    if (trainer->step_ > 0 && !artifact->findFile(adaptersFile))
      load.checkpoint = statePath(options.output, trainer->step_);
  }
  if (options.loader) {
    GPTC_TRY(trainer->program_, options.loader(std::move(artifact), load));
  } else {
    GPTC_TRY(trainer->program_, Program::load(std::move(artifact), load));
  }
  GPTC_CHECK(trainer->open());
  return trainer;
}

Status Trainer::open() {
  const Artifact &artifact = program_->artifact();
  const artifact::ManifestT &manifest = artifact.manifest();
  GPTC_TRY(train_, openEntry(uint32_t(artifact.findEntry("train_step"))));
  const artifact::EntryT &entry = *manifest.entries[train_.index];
  auto rate = findParameter(entry.arguments, "learning_rate");
  auto norm = findParameter(entry.results, "gradient_norm");
  if (!rate || !entry.arguments[*rate]->scalar ||
      entry.arguments[*rate]->type != artifact::ElementType::F32 || !norm)
    return failure(ErrorCode::Unsupported,
                   "the entry train_step of '{}' does not take learning_rate, "
                   "a scalar of f32, and give gradient_norm",
                   artifact.path());
  learningRate_ = program_->argumentAs<float>(train_.index, *rate);
  norm_ = program_->resultAs<float>(train_.index, *norm);
  if (auto scale = findParameter(entry.arguments, "gradient_scale"))
    scale_ = program_->argumentAs<float>(train_.index, *scale);
  if (int sum = artifact.findEntry("accumulate_gradients");
      sum >= 0 && program_->has(uint32_t(sum))) {
    GPTC_TRY(sum_, openEntry(uint32_t(sum)));
  }
  if (options_.accumulate > 1 &&
      (scale_.empty() || train_.weight.empty() || sum_.weight.empty()))
    return failure(ErrorCode::NotFound,
                   "'{}' has no entry accumulate_gradients beside train_step, "
                   "which steps of {} batches need; compile with --entry "
                   "train_step,accumulate_gradients,score",
                   artifact.path(), options_.accumulate);
  GPTC_CHECK(source_->open(*program_));
  identity_ = {source_->seed(),     source_->batch(),
               source_->context(),  source_->trainingTokens(),
               options_.accumulate, options_.growth,
               source_->details()};
  sizes_ = StepSizes(options_.growth, options_.accumulate,
                     source_->batch() * source_->context());
  sizes_.advance(step_);
  if (step_ > 0)
    GPTC_CHECK(loadState(options_.output, step_, identity_, *program_));
  return {};
}

Expected<Trainer::Entry> Trainer::openEntry(uint32_t index) {
  const artifact::EntryT &entry =
      *program_->artifact().manifest().entries[index];
  auto loss = findParameter(entry.results, "loss");
  if (!loss || entry.results[*loss]->type != artifact::ElementType::F32)
    return failure(ErrorCode::Unsupported,
                   "the entry {} of '{}' does not give loss, a number of f32",
                   entry.name, program_->artifact().path());
  Entry opened{index, program_->resultAs<float>(index, *loss), {}, {}};
  if (auto weight = findParameter(entry.arguments, "gradient_weight"))
    opened.weight = program_->argumentAs<float>(index, *weight);
  if (auto seed = findParameter(entry.arguments, "seed");
      seed && entry.arguments[*seed]->scalar &&
      entry.arguments[*seed]->type == artifact::ElementType::I32)
    opened.seed = program_->argumentAs<int32_t>(index, *seed);
  return opened;
}

std::string Trainer::whatRemains() const {
  auto saved = newestState(options_.output);
  return saved && *saved > 0 ? fmt::format("the last good state is '{}'",
                                           statePath(options_.output, *saved))
                             : "no state was saved before";
}

Error Trainer::withRemains(const Error &error) const {
  auto saved = newestState(options_.output);
  return Error(
      error.code(),
      fmt::format("{}; {}{}", error.message(), whatRemains(),
                  saved && *saved > 0 ? ", from which --resume goes on" : ""));
}

Expected<std::string> Trainer::spoiltVariables(bool parametersAlone) {
  const auto &variables = program_->artifact().manifest().variables;
  std::string first;
  uint64_t others = 0;
  for (size_t i = 0; i < variables.size(); ++i) {
    artifact::Role role = variables[i]->role;
    if (role != artifact::Role::Parameter &&
        (parametersAlone || role != artifact::Role::Optimizer))
      continue;
    GPTC_TRY(auto bytes, program_->readVariable(i));
    if (areFinite(bytes, toDataType(variables[i]->type)))
      continue;
    if (first.empty())
      first = variables[i]->name;
    else
      ++others;
  }
  if (first.empty())
    return first;
  return others == 0 ? fmt::format("'{}'", first)
                     : fmt::format("'{}' and {} other{}", first, others,
                                   others == 1 ? "" : "s");
}

Error Trainer::notFinite(const std::string &what, double value) {
  auto spoilt = spoiltVariables(/*parametersAlone=*/false);
  return Error(
      ErrorCode::InvalidArgument,
      fmt::format(
          "step {} made a {} of {}{}; {}; try a lower --learning-rate "
          "or a longer --warm-up",
          step_, what, std::isnan(value) ? "NaN" : "infinity",
          spoilt && !spoilt->empty()
              ? fmt::format(", and left no finite numbers in {}", *spoilt)
              : "",
          whatRemains()));
}

/// The seed of a batch's dropout, of all batches that are read in a run.
static int32_t seedOf(uint64_t runSeed, uint64_t batch) {
  return int32_t(
      Philox::at({uint32_t(batch), uint32_t(batch >> 32 ^ runSeed >> 32)},
                 uint32_t(runSeed))[0]);
}

Expected<TrainedStep> Trainer::train() {
  TrainedStep done;
  done.learningRate = float(options_.schedule.at(step_));
  // Each batch counts by its targets, as in one that has them all.
  const auto &entries = program_->artifact().manifest().entries;
  uint64_t count = sizes_.batches(), first = sizes_.batchesBefore();
  double total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const Entry &entry = i + 1 < count ? sum_ : train_;
    GPTC_TRY(double targets, source_->read(first + i, entry.index));
    done.flops += entries[entry.index]->flops;
    total += targets;
    learningRate_[0] = float(done.learningRate);
    if (!entry.seed.empty())
      entry.seed[0] = seedOf(source_->seed(), first + i);
    if (!entry.weight.empty())
      entry.weight[0] = float(targets);
    if (!scale_.empty())
      scale_[0] = float(1 / std::max(total, 1.0));
    if (auto status = program_->run(entry.index); !status)
      return tl::unexpected(withRemains(status.error()));
    done.loss += double(entry.loss[0]) * targets;
  }
  done.loss =
      count == 1 ? double(train_.loss[0]) : done.loss / std::max(total, 1.0);
  done.tokens = count * sizes_.tokensPerBatch();
  done.step = ++step_;
  sizes_.advance();
  done.gradientNorm = double(norm_[0]);
  if (std::isfinite(done.loss) && std::isfinite(done.gradientNorm))
    return done;
  return tl::unexpected(std::isfinite(done.loss)
                            ? notFinite("gradient norm", done.gradientNorm)
                            : notFinite("loss", done.loss));
}

Expected<std::optional<Validation>> Trainer::validate(uint64_t most) {
  auto validation = source_->validate(most);
  if (!validation)
    return tl::unexpected(withRemains(validation.error()));
  if (const auto &found = *validation; found && !std::isfinite(found->loss))
    return tl::unexpected(notFinite("validation loss", found->loss));
  return validation;
}

Status Trainer::save(std::optional<double> validationLoss) {
  GPTC_TRY(std::string spoilt, spoiltVariables(/*parametersAlone=*/true));
  if (!spoilt.empty())
    return failure(ErrorCode::InvalidArgument,
                   "step {} left no finite numbers in {}; {}; try a lower "
                   "--learning-rate or a longer --warm-up",
                   step_, spoilt, whatRemains());
  if (auto status =
          saveState(options_.output, step_, {options_.keep, validationLoss},
                    identity_, *program_);
      !status)
    return tl::unexpected(withRemains(status.error()));
  return {};
}

} // namespace gptc
