//===- TrainingRun.cpp ----------------------------------------------------===//

#include "TrainingRun.h"

#include "gptc/runtime/base/Counted.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/program/Roof.h"
#include "gptc/runtime/session/Benchmark.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "gptc/runtime/training/Adapters.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/Plot.h"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

namespace gptc::tool {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Options = TrainingRunOptions;

volatile std::sig_atomic_t interrupted = 0;

/// Removes what a run that was killed had not finished to write.
void removePartial(const std::string &folder) {
  std::error_code code;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, code))
    if (entry.path().filename().string().starts_with(".gptc-partial-"))
      fs::remove_all(entry.path(), code);
}

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Continues a prompt with the present weights, and shows it.
Status writeSample(Trainer &trainer, const std::string &prompt) {
  GPTC_TRY(
      auto tokenizer,
      requireTokenizer(trainer.program().artifact(),
                       "leave --sample out, or compile a folder with one"));
  GPTC_TRY(auto session, Session::create(borrowingRunner(trainer.program())));
  GenerationOptions generation;
  generation.maxTokens = 40;
  std::vector<std::vector<int32_t>> prompts{tokenizer->encode(prompt)};
  GPTC_TRY(auto results,
           generate(*session, tokenizer.get(), prompts, generation));
  std::string text = prompt + results.front().text, lines = "  | ";
  for (char c : text)
    lines += c == '\n' ? std::string("\n  | ") : std::string(1, c);
  say(lines + "\n");
  return {};
}

uint64_t plannedBytes(const Executable &program) {
  return program.weightsBytes() + program.stateBytes() + program.arenaBytes();
}

/// What a run says of memory before its first step.
std::string describeMemory(const Executable &program) {
  if (program.isInDouble())
    return fmt::format("{} of weights and {} of state, in double on the "
                       "reference, which plans no arena",
                       formatBytes(program.weightsBytes()),
                       formatBytes(program.stateBytes()));
  return fmt::format(
      "{} of memory planned ({} of weights, {} of state, {} of arena)",
      formatBytes(plannedBytes(program)), formatBytes(program.weightsBytes()),
      formatBytes(program.stateBytes()), formatBytes(program.arenaBytes()));
}

using Metrics = std::vector<std::pair<std::string, double>>;

/// ", accuracy 0.9312, F1 0.9010".
std::string formatMetrics(const Metrics &metrics) {
  std::string text;
  for (const auto &[name, value] : metrics)
    text += fmt::format(", {} {:.4f}", name, value);
  return text;
}

Json toJson(const Metrics &metrics) {
  Json json = Json::object();
  for (const auto &[name, value] : metrics)
    json[name] = value;
  return json;
}

Status writeText(const std::string &path, std::string_view text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

/// Where a model is compiled to while the folder's artifact is still that of
/// its states.
constexpr const char *newProgramFile = ".gptc-partial-program.gptc";

/// Puts the artifact that is trained into the folder, where export and predict
/// look for it.
Status keepArtifact(const std::string &path, const std::string &output) {
  std::string kept = output + "/" + programFile;
  std::error_code code;
  if (fs::equivalent(path, kept, code))
    return {};
  std::string made = output + "/" + newProgramFile;
  if (path != made) {
    fs::remove(made, code);
    fs::create_hard_link(path, made, code);
    if (code)
      fs::copy_file(path, made, code);
    if (code)
      return failure(ErrorCode::Io, "cannot copy '{}' to '{}': {}", path, kept,
                     code.message());
  }
  fs::rename(made, kept, code);
  if (code)
    return failure(ErrorCode::Io, "cannot rename '{}' to '{}': {}", made, kept,
                   code.message());
  return {};
}

/// The options of `request` that shape a program: what is compiled has them.
std::vector<std::string> shapingOptions(const CompileRequest &request) {
  std::vector<std::string> given;
  auto add = [&](const char *option, bool is) {
    if (is)
      given.emplace_back(option);
  };
  add("--batch", request.batch != 0);
  add("--context", request.context != 0);
  add("--dtype", !request.dtype.empty());
  add("--recipe", !request.recipe.empty());
  add("--dropout", request.dropout.has_value());
  add("--clip", request.clip.has_value());
  add("--memory", request.memory != 0);
  add("--init-seed", request.initSeed.has_value());
  add("--auxiliary", request.auxiliary.has_value());
  add("--lora", request.loraRank != 0);
  add("--lora-alpha", request.loraAlpha != 0);
  add("--lora-targets", !request.loraTargets.empty());
  return given;
}

/// Useful operations per second that are told shares of; nothing on the
/// reference, which has no peak.
Expected<std::optional<double>> measurePeak(Executable &program) {
  if (program.isInDouble())
    return std::optional<double>();
  GPTC_TRY(auto meter, program.createRoofMeter());
  GPTC_CHECK(meter->measureArithmetic());
  return std::optional(peakOfProducts(program, meter->roof()));
}

/// "25 s", "12 min", "3.5 h".
std::string formatSeconds(double seconds) {
  return seconds < 120    ? fmt::format("{:.0f} s", seconds)
         : seconds < 7200 ? fmt::format("{:.0f} min", seconds / 60)
                          : fmt::format("{:.1f} h", seconds / 3600);
}

/// The steps of a run that are left.
class Steps {
public:
  Steps(const Options &options, Trainer &trainer, TrainingLog &log,
        std::optional<double> peak, std::optional<double> best)
      : options_(options), trainer_(trainer), log_(log), peak_(peak),
        best_(best), first_(trainer.step()),
        tellEvery_(trainer.source().whyNoValidation().empty()
                       ? options.validateEvery
                       : options.saveEvery) {}

  /// Does them, and says on a terminal how it goes.
  Status run();
  Expected<Json> summarize() const;

private:
  Expected<LoggedStep> doStep();
  Status validate(LoggedStep &line);
  void tell(const LoggedStep &line) const;
  Status save(std::optional<double> loss);
  bool isLast(const LoggedStep &line) const {
    return line.step == options_.steps || interrupted;
  }

  const Options &options_;
  Trainer &trainer_;
  TrainingLog &log_;
  std::optional<double> peak_; ///< Operations per second.
  std::optional<double> best_; ///< Validation loss of a state.
  const uint64_t first_;       ///< Steps that were done before.
  const uint64_t tellEvery_;   ///< Steps from one line to the next.
  const bool terminal_ = ::isatty(STDERR_FILENO);
  const Clock::time_point begin_ = Clock::now();
  std::optional<double> loss_; ///< Of the last step.
  std::optional<Validation> validation_;
};

Expected<LoggedStep> Steps::doStep() {
  Clock::time_point start = Clock::now();
  GPTC_TRY(TrainedStep done, trainer_.train());
  double seconds = secondsSince(start);
  LoggedStep line;
  line.step = done.step;
  line.loss = done.loss;
  line.gradientNorm = done.gradientNorm;
  line.learningRate = done.learningRate;
  line.tokensPerSecond = double(done.tokens) / seconds;
  line.gflopPerSecond = double(done.flops) / seconds * 1e-9;
  if (peak_)
    line.shareOfPeak = double(done.flops) / seconds / *peak_;
  loss_ = done.loss;
  return line;
}

Status Steps::validate(LoggedStep &line) {
  GPTC_TRY(auto found, trainer_.validate(options_.validateWith));
  if (!found)
    return {};
  line.validationLoss = found->loss;
  line.metrics = found->metrics;
  validation_ = std::move(found);
  return {};
}

void Steps::tell(const LoggedStep &line) const {
  bool stays = isLast(line) || line.step % tellEvery_ == 0;
  if (!stays && !terminal_)
    return;
  std::string text = fmt::format(
      "step {}/{}: loss {:.4f}, norm {:.3f}, rate {:.2e}, {:.0f} tokens/s",
      line.step, options_.steps, line.loss, line.gradientNorm,
      line.learningRate, line.tokensPerSecond);
  if (line.shareOfPeak)
    text += fmt::format(", {:.0f}% of peak", 100 * *line.shareOfPeak);
  if (line.validationLoss)
    text += fmt::format(", validation {:.4f}{}", *line.validationLoss,
                        formatMetrics(line.metrics));
  if (!isLast(line))
    text += fmt::format(
        ", {} left",
        formatSeconds(secondsSince(begin_) / double(line.step - first_) *
                      double(options_.steps - line.step)));
  say(fmt::format("{}{}{}", terminal_ ? "\r\033[K" : "", text,
                  stays ? "\n" : ""));
}

Status Steps::save(std::optional<double> loss) {
  GPTC_CHECK(trainer_.save(loss));
  if (loss && !(best_ && *best_ <= *loss))
    best_ = loss;
  const Artifact &artifact = trainer_.program().artifact();
  return writePlots(options_.trainer.output, artifact.manifest().model->name,
                    log_.steps());
}

Status Steps::run() {
  bool saved = true;
  while (trainer_.step() < options_.steps && !interrupted) {
    GPTC_TRY(LoggedStep line, doStep());
    if (isLast(line) || line.step % options_.validateEvery == 0)
      GPTC_CHECK(validate(line));
    GPTC_CHECK(log_.write(line));
    tell(line);
    if (line.validationLoss && !options_.sample.empty())
      GPTC_CHECK(writeSample(trainer_, options_.sample));
    // What is better than all before shall be there when the run is over.
    bool better =
        line.validationLoss && !(best_ && *best_ <= *line.validationLoss);
    saved = isLast(line) || better || line.step % options_.saveEvery == 0;
    if (saved)
      GPTC_CHECK(save(line.validationLoss));
  }
  return saved ? Status() : save(std::nullopt);
}

Expected<Json> Steps::summarize() const {
  const std::string &output = options_.trainer.output;
  Json summary = {{"steps", trainer_.step()},
                  {"steps_done", trainer_.step() - first_},
                  {"tokens_per_step", trainer_.tokensPerStep()},
                  {"seconds", secondsSince(begin_)}};
  if (!trainer_.program().isInDouble())
    summary["planned_bytes"] = plannedBytes(trainer_.program());
  if (peak_)
    summary["peak_gflop_s"] = *peak_ * 1e-9;
  if (auto peak = peakResident())
    summary["peak_rss_bytes"] = *peak;
  if (loss_)
    summary["loss"] = *loss_;
  if (validation_)
    summary["validation_loss"] = validation_->loss;
  if (validation_ && !validation_->metrics.empty())
    summary["metrics"] = toJson(validation_->metrics);
  GPTC_TRY(uint64_t best, bestState(output));
  if (best > 0)
    summary["best_state"] = statePath(output, best);
  if (trainer_.step() > 0)
    summary["state"] = statePath(output, trainer_.step());
  return summary;
}

/// Refuses an option of validation where there is nothing to validate with.
Status checkValidation(const Options &options, const BatchSource &source) {
  std::string why = source.whyNoValidation();
  if (options.validationOption.empty() || why.empty())
    return {};
  return failure(ErrorCode::InvalidArgument, "{}: {}, or leave it out",
                 options.validationOption, why);
}

/// Tokens of an artifact's batch, or 0.
uint64_t tokensOfBatch(const Artifact &artifact) {
  int index = artifact.findEntry("train_step");
  if (index < 0)
    return 0;
  for (const auto &argument :
       artifact.manifest().entries[size_t(index)]->arguments)
    if (argument->name == "tokens")
      return elementCount(argument->shape);
  return 0;
}

/// Sets the learning rate's course and the sizes of steps: the recipe's, where
/// no option says otherwise. Returns what to tell of them.
Expected<std::string> chooseSchedule(const Options &options,
                                     const Artifact &artifact,
                                     TrainerOptions &how) {
  GPTC_TRY(auto recipe, carriedRecipe(artifact));
  if (recipe)
    how.growth = recipe->growth;
  if (options.batchGrowth)
    how.growth.overTokens = *options.batchGrowth;
  if (options.batchGrowth.value_or(0) > 0 && how.accumulate == 1)
    return failure(ErrorCode::InvalidArgument,
                   "--batch-growth: steps of one batch cannot grow; say with "
                   "--accumulate how many batches they grow to");
  StepSizes sizes(how.growth, how.accumulate, tokensOfBatch(artifact));
  Schedule &schedule = how.schedule;
  if (recipe)
    schedule = recipe->scheduleFor(options.steps, sizes);
  else if (!options.learningRate)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' carries no recipe with a learning rate; give one as "
                   "--learning-rate",
                   artifact.path());
  schedule.steps = options.steps;
  schedule.peak = options.learningRate.value_or(schedule.peak);
  schedule.last = options.lastRate.value_or(schedule.last);
  schedule.warmUp = options.warmUp.value_or(schedule.warmUp);
  if (!options.schedule.empty()) {
    GPTC_TRY(schedule.fall, parseFall(options.schedule));
  }
  if (options.lastRate && schedule.fall == Schedule::Fall::Constant)
    return failure(ErrorCode::InvalidArgument,
                   "--last-rate: {} is where a rate that falls ends, and a "
                   "constant one does not fall; leave it out, or choose "
                   "--schedule linear or cosine",
                   *options.lastRate);
  std::string told = fmt::format(
      "learning rate {:.3g} after {}, {} to {:.3g}{}", schedule.peak,
      counted(schedule.warmUp, "step"), toString(schedule.fall),
      schedule.fall == Schedule::Fall::Constant ? schedule.peak
                                                : schedule.peak * schedule.last,
      recipe ? fmt::format("; recipe {} ({})", recipe->name, recipe->source)
             : "");
  if (sizes.batches() < sizes.most())
    told += fmt::format("\nsteps grow from {} to {} batches of {} tokens over "
                        "the first {} tokens",
                        sizes.batches(), sizes.most(), sizes.tokensPerBatch(),
                        how.growth.overTokens);
  return told;
}

} // namespace

Expected<TrainingFolder> TrainingFolder::take(const std::string &path,
                                              bool resume) {
  std::error_code code;
  TrainingFolder folder;
  folder.path_ = path;
  folder.isNew_ = fs::create_directories(path, code);
  if (code)
    return failure(ErrorCode::Io, "cannot create the folder '{}': {}", path,
                   code.message());
  folder.file_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder.file_ < 0)
    return failure(ErrorCode::Io, "cannot open the folder '{}'", path);
  if (::flock(folder.file_, LOCK_EX | LOCK_NB) != 0) {
    folder.use(); // By the other one.
    return failure(ErrorCode::InvalidArgument,
                   "another run trains into '{}' now; wait for it, or train "
                   "into another folder",
                   path);
  }
  removePartial(path);
  folder.hadProgram_ = fs::exists(path + "/" + programFile, code);
  GPTC_TRY(uint64_t newest, newestState(path));
  if (newest > 0 && !resume)
    return failure(
        ErrorCode::InvalidArgument,
        "'{}' holds a run of {}; go on with --resume, or train into another "
        "folder",
        path, counted(newest, "step"));
  return folder;
}

TrainingFolder::~TrainingFolder() {
  if (file_ < 0)
    return;
  if (!isUsed_) {
    std::error_code code;
    removePartial(path_);
    if (!hadProgram_)
      fs::remove(path_ + "/" + programFile, code);
    if (isNew_)
      fs::remove(path_, code); // Where it is empty.
  }
  (void)::close(file_);
}

Expected<std::shared_ptr<const Artifact>>
openTrained(const Options &options, const std::vector<std::string> &entries) {
  std::string path = options.compile.model;
  auto shaping = shapingOptions(options.compile);
  if (path.ends_with(".gptc") && !shaping.empty())
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is compiled already, and {} {} for models; compile it "
                   "with {}",
                   path, fmt::join(shaping, ", "),
                   shaping.size() == 1 ? "is" : "are",
                   shaping.size() == 1 ? "it" : "them");
  if (!path.ends_with(".gptc")) {
    GPTC_TRY(uint64_t newest, newestState(options.trainer.output));
    path = options.trainer.output + "/" +
           (newest > 0 ? newProgramFile : programFile);
    CompileRequest request = options.compile;
    request.output = path;
    request.entries = entries;
    if (options.trainer.accumulate > 1)
      request.entries.emplace_back("accumulate_gradients");
    if (!options.sample.empty())
      request.entries.insert(request.entries.end(), {"prefill", "decode"});
    if (options.run.backend.starts_with("vulkan"))
      request.targets = {"vulkan"};
    else if (options.run.backend == "reference")
      request.targets = {"cpu", "reference"};
    GPTC_TRY(CompilerService * compiler, loadCompiler());
    Recomputation recomputed;
    {
      ProgressLine line;
      request.progress = [&](const std::string &text) { line.show(text); };
      GPTC_TRY(CompileSummary summary, compiler->compile(request));
      recomputed = std::move(summary.recomputed);
    }
    say(describe(recomputed));
  }
  return Artifact::open(path);
}

Expected<std::string> chooseState(const std::string &folder,
                                  std::optional<uint64_t> step) {
  GPTC_TRY(uint64_t newest, newestState(folder));
  if (newest == 0)
    return failure(ErrorCode::NotFound,
                   "'{}' cannot be used: it is a folder without a state of "
                   "train or finetune",
                   folder);
  GPTC_TRY(uint64_t best, bestState(folder));
  uint64_t chosen = step.value_or(best ? best : newest);
  std::string path = statePath(folder, chosen);
  if (::access(path.c_str(), F_OK) != 0)
    return failure(ErrorCode::NotFound,
                   "--step: '{}' holds no state of step {}; the newest is {}",
                   folder, chosen, newest);
  return path;
}

Expected<std::unique_ptr<Executable>>
loadState(std::shared_ptr<const Artifact> artifact, const std::string &state,
          RunOptions options) {
  bool adapters = artifact->findFile(adaptersFile) != nullptr;
  if (!adapters && !options.checkpoint.empty())
    return failure(
        ErrorCode::InvalidArgument,
        "--checkpoint: '{}' has all of its weights itself, and takes "
        "none from '{}'; leave it out",
        state, options.checkpoint);
  std::string given = options.checkpoint;
  if (!adapters)
    options.checkpoint = state;
  GPTC_TRY(auto program, loadExecutable(std::move(artifact), options));
  GPTC_CHECK(tellOtherWeights(program->artifact(), given));
  if (adapters)
    GPTC_CHECK(loadAdapters(state + "/" + adapterWeights, *program));
  return program;
}

Expected<Json> runTraining(const Options &options,
                           const std::shared_ptr<const Artifact> &artifact,
                           std::unique_ptr<BatchSource> source,
                           TrainingFolder &folder) {
  const std::string &output = options.trainer.output;
  TrainerOptions how = options.trainer;
  how.load.checkpoint = options.compile.checkpoint;
  how.loader = [run = options.run](std::shared_ptr<const Artifact> loaded,
                                   const LoadOptions &load) {
    RunOptions where = run;
    where.checkpoint = load.checkpoint;
    return loadExecutable(std::move(loaded), where);
  };
  GPTC_TRY(std::string recipe, chooseSchedule(options, *artifact, how));
  GPTC_TRY(auto trainer, Trainer::create(artifact, how, std::move(source)));
  GPTC_CHECK(checkValidation(options, trainer->source()));
  // A run that goes on has its state's, but for what adapters stand beside.
  if (trainer->step() == 0 || artifact->findFile(adaptersFile))
    GPTC_CHECK(tellOtherWeights(*artifact, options.compile.checkpoint));
  const Executable &program = trainer->program();
  say(fmt::format("{}: {}; {} of data, {} tokens a step\n",
                  artifact->manifest().model->name, describeMemory(program),
                  trainer->source().size(), trainer->tokensPerStep()));
  say(recipe + "\n");
  if (trainer->step() > 0)
    say(fmt::format("going on after step {}\n", trainer->step()));
  // A sample that cannot be made is told before the first step.
  if (!options.sample.empty())
    GPTC_CHECK(writeSample(*trainer, options.sample));
  folder.use();
  GPTC_CHECK(keepArtifact(artifact->path(), output));
  for (const auto &[name, text] : options.files)
    GPTC_CHECK(writeText(output + "/" + name, text));
  GPTC_TRY(TrainingLog log, TrainingLog::open(output, trainer->step()));
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  GPTC_TRY(std::optional<double> peak, measurePeak(trainer->program()));
  GPTC_TRY(std::optional<double> best, bestLoss(output));
  Steps steps(options, *trainer, log, peak, best);
  GPTC_CHECK(steps.run());
  GPTC_TRY(Json summary, steps.summarize());
  if (options.json)
    printJson(summary);
  else if (trainer->step() < options.steps)
    print(fmt::format("Stopped after {} of {}; the same command with "
                      "--resume goes on\n",
                      trainer->step(), counted(options.steps, "step")));
  else
    print(fmt::format("Trained {}; the model is in {}\n",
                      counted(trainer->step(), "step"),
                      statePath(output, trainer->step())));
  return summary;
}

void TrainingRunOptions::add(CLI::App &command) {
  command
      .add_option("--learning-rate", learningRate,
                  "Learning rate at its peak (the recipe's)")
      ->check(finiteAboveZero());
  command.add_option("--warm-up", warmUp,
                     "Steps in which the learning rate rises (the recipe's)");
  command.add_option("--schedule", schedule,
                     "How it falls then: constant, linear or cosine (the "
                     "recipe's)");
  command
      .add_option("--last-rate", lastRate,
                  "Share of the peak at the end (the recipe's)")
      ->check(share());
  command
      .add_option("--accumulate", trainer.accumulate,
                  "Batches whose gradients make a step together (1)")
      ->check(aboveZero());
  command
      .add_option("--keep", trainer.keep,
                  "Newest saved states that stay, beside the best of "
                  "validation (2)")
      ->check(aboveZero());
  command.add_flag("--resume", trainer.resume,
                   "Go on after the newest saved state");
  command.add_option("--backend", run.backend,
                     "Backend to train on: cpu, vulkan, or reference, which "
                     "is slow and in double (cpu)");
  run.addMachine(command);
  command.add_flag("--json", json, "Print JSON");
}

} // namespace gptc::tool
