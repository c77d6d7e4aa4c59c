//===- Train.cpp - gptc train ---------------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/Plot.h"
#include "gptc/runtime/training/Trainer.h"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

namespace gptc::tool {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Options {
  CompileRequest compile; ///< With the model or the artifact.
  TrainerOptions trainer;
  RunOptions run; ///< Backend, device and threads.
  std::optional<double> learningRate, lastRate;
  std::optional<uint64_t> warmUp;
  std::string schedule; ///< Empty: the recipe's.
  std::string sample;   ///< Prompt; empty: none.
  uint64_t steps = 1000, saveEvery = 100, validateEvery = 100;
  uint64_t validationWindows = 64;
  bool json = false;
};

volatile std::sig_atomic_t interrupted = 0;

/// Keeps a second run out of a folder while it lives.
class FolderLock {
public:
  static Expected<FolderLock> take(const std::string &folder) {
    FolderLock lock;
    lock.file_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock.file_ < 0)
      return failure(ErrorCode::Io, "cannot open the folder '{}'", folder);
    if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0)
      return failure(ErrorCode::InvalidArgument,
                     "another run trains into '{}' now; wait for it, or train "
                     "into another folder",
                     folder);
    return lock;
  }
  FolderLock(FolderLock &&other) noexcept
      : file_(std::exchange(other.file_, -1)) {}
  ~FolderLock() {
    if (file_ >= 0)
      (void)::close(file_);
  }

private:
  FolderLock() = default;
  int file_ = -1;
};

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

/// The artifact to train: the one that was given, or the model compiled into
/// the folder.
Expected<std::shared_ptr<const Artifact>> openArtifact(const Options &options) {
  std::string path = options.compile.model;
  const CompileRequest &given = options.compile;
  if (path.ends_with(".gptc") &&
      (given.batch || given.context || !given.recipe.empty() || given.initSeed))
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is compiled already: --batch, --context, --recipe and "
                   "--init-seed are for models; compile it with them",
                   path);
  if (!path.ends_with(".gptc")) {
    path = options.trainer.output + "/program.gptc";
    CompileRequest request = options.compile;
    request.output = path;
    request.entries = {"train_step", "score"};
    if (options.trainer.accumulate > 1)
      request.entries.emplace_back("accumulate_gradients");
    if (!options.sample.empty())
      request.entries.insert(request.entries.end(), {"prefill", "decode"});
    if (options.run.backend.starts_with("vulkan"))
      request.targets = {"vulkan"};
    GPTC_TRY(CompilerService * compiler, loadCompiler());
    GPTC_CHECK(compiler->compile(request));
  }
  return Artifact::open(path);
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

/// Does the steps that are left, and says on a terminal how it goes.
Status trainAll(const Options &options, Trainer &trainer, TrainingLog &log,
                Json &summary) {
  bool terminal = ::isatty(STDERR_FILENO);
  Clock::time_point begin = Clock::now();
  uint64_t first = trainer.step();
  auto save = [&](std::optional<double> loss) -> Status {
    GPTC_CHECK(trainer.save(loss));
    const Artifact &artifact = trainer.program().artifact();
    return writePlots(options.trainer.output, artifact.manifest().model->name,
                      log.steps());
  };
  TrainedStep last;
  std::optional<double> validation;
  bool saved = true;
  while (trainer.step() < options.steps && !interrupted) {
    Clock::time_point start = Clock::now();
    GPTC_TRY(last, trainer.train());
    double seconds = secondsSince(start);
    double tokensPerSecond = double(trainer.tokensPerStep()) / seconds;
    LoggedStep line{
        last.step,         last.loss,
        last.gradientNorm, last.learningRate,
        tokensPerSecond,   double(trainer.flopsPerStep()) / seconds * 1e-9,
        std::nullopt};
    bool end = last.step == options.steps || interrupted;
    if (end || last.step % options.validateEvery == 0) {
      GPTC_TRY(line.validationLoss,
               trainer.validate(options.validationWindows));
      if (line.validationLoss)
        validation = line.validationLoss;
    }
    GPTC_CHECK(log.write(line));
    double left = secondsSince(begin) / double(last.step - first) *
                  double(options.steps - last.step);
    std::string text = fmt::format(
        "step {}/{}: loss {:.4f}, norm {:.3f}, rate {:.2e}, {:.0f} tokens/s",
        last.step, options.steps, last.loss, last.gradientNorm,
        last.learningRate, tokensPerSecond);
    if (line.validationLoss)
      say(fmt::format("{}{}, validation {:.4f}\n", terminal ? "\r\033[K" : "",
                      text, *line.validationLoss));
    else if (terminal)
      say(fmt::format("\r\033[K{}, {:.0f} s left", text, left));
    if (line.validationLoss && !options.sample.empty())
      GPTC_CHECK(writeSample(trainer, options.sample));
    saved = end || last.step % options.saveEvery == 0;
    if (saved)
      GPTC_CHECK(save(line.validationLoss));
  }
  if (!saved)
    GPTC_CHECK(save(std::nullopt));
  summary = {{"steps", trainer.step()},
             {"steps_done", trainer.step() - first},
             {"tokens_per_step", trainer.tokensPerStep()},
             {"seconds", secondsSince(begin)}};
  if (trainer.step() > first)
    summary["loss"] = last.loss;
  if (validation)
    summary["validation_loss"] = *validation;
  GPTC_TRY(uint64_t best, bestState(options.trainer.output));
  if (best > 0)
    summary["best_state"] = statePath(options.trainer.output, best);
  if (trainer.step() > 0)
    summary["state"] = statePath(options.trainer.output, trainer.step());
  return {};
}

/// Tokens of an artifact's step, or 0.
uint64_t tokensOfStep(const Artifact &artifact) {
  int index = artifact.findEntry("train_step");
  if (index < 0)
    return 0;
  for (const auto &argument :
       artifact.manifest().entries[size_t(index)]->arguments)
    if (argument->name == "tokens")
      return elementCount(argument->shape);
  return 0;
}

/// Sets the learning rate's course: the recipe's, where no option says
/// otherwise. Returns what to tell of it.
Expected<std::string> chooseSchedule(Options &options,
                                     const Artifact &artifact) {
  Schedule &schedule = options.trainer.schedule;
  GPTC_TRY(auto recipe, carriedRecipe(artifact));
  if (recipe)
    schedule = recipe->scheduleFor(options.steps, options.trainer.accumulate *
                                                      tokensOfStep(artifact));
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
  return fmt::format(
      "learning rate {:.3g} after {} steps, {} to {:.3g}{}", schedule.peak,
      schedule.warmUp, toString(schedule.fall),
      schedule.fall == Schedule::Fall::Constant ? schedule.peak
                                                : schedule.peak * schedule.last,
      recipe ? fmt::format("; recipe {} ({})", recipe->name, recipe->source)
             : "");
}

Status run(Options &options) {
  const std::string &output = options.trainer.output;
  std::error_code code;
  fs::create_directories(output, code);
  if (code)
    return failure(ErrorCode::Io, "cannot create the folder '{}': {}", output,
                   code.message());
  GPTC_TRY(FolderLock lock, FolderLock::take(output));
  removePartial(output);
  GPTC_TRY(uint64_t newest, newestState(output));
  if (newest > 0 && !options.trainer.resume)
    return failure(
        ErrorCode::InvalidArgument,
        "'{}' holds a run of {} steps; go on with --resume, or train "
        "into another folder",
        output, newest);
  options.trainer.load.checkpoint = options.compile.checkpoint;
  options.trainer.loader =
      [run = options.run](std::shared_ptr<const Artifact> artifact,
                          const LoadOptions &load) {
        RunOptions where = run;
        where.checkpoint = load.checkpoint;
        return loadExecutable(std::move(artifact), where);
      };
  GPTC_TRY(auto artifact, openArtifact(options));
  GPTC_TRY(std::string recipe, chooseSchedule(options, *artifact));
  GPTC_TRY(auto trainer, Trainer::create(artifact, options.trainer));
  const Executable &program = trainer->program();
  uint64_t peak =
      program.weightsBytes() + program.stateBytes() + program.arenaBytes();
  say(fmt::format("{}: {} of memory planned ({} of weights, {} of state, {} of "
                  "arena); {} windows of data, {} tokens a step\n",
                  artifact->manifest().model->name, formatBytes(peak),
                  formatBytes(program.weightsBytes()),
                  formatBytes(program.stateBytes()),
                  formatBytes(program.arenaBytes()), trainer->windows(),
                  trainer->tokensPerStep()));
  say(recipe + "\n");
  // A sample that cannot be made is told before the first step.
  if (!options.sample.empty())
    GPTC_CHECK(writeSample(*trainer, options.sample));
  GPTC_TRY(TrainingLog log, TrainingLog::open(output, trainer->step()));
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  Json summary;
  GPTC_CHECK(trainAll(options, *trainer, log, summary));
  if (options.json)
    printJson(summary);
  else if (trainer->step() < options.steps)
    print(fmt::format("Stopped after {} of {} steps; the same command with "
                      "--resume goes on\n",
                      trainer->step(), options.steps));
  else
    print(fmt::format("Trained {} steps; the model is in {}\n", trainer->step(),
                      statePath(output, trainer->step())));
  return {};
}

} // namespace

void addTrain(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "train",
      "Train a model on data of 'gptc prepare', ahead of time compiled");
  auto options = std::make_shared<Options>();
  CompileRequest &compile = options->compile;
  TrainerOptions &trainer = options->trainer;
  command
      ->add_option("MODEL", compile.model,
                   "An artifact with the entry train_step, or what 'gptc "
                   "compile' takes")
      ->required();
  command->add_option("--data", trainer.data, "Folder of 'gptc prepare'")
      ->required();
  command
      ->add_option("--out", trainer.output,
                   "Folder for states and the log; made if missing")
      ->required();
  command->add_option("--steps", options->steps, "Steps in all (1000)")
      ->check(aboveZero());
  command->add_option("--batch", compile.batch, "Sequences of a step")
      ->check(aboveZero());
  command->add_option("--context", compile.context, "Tokens of a sequence")
      ->check(aboveZero());
  command
      ->add_option("--accumulate", trainer.accumulate,
                   "Batches whose gradients make a step together (1)")
      ->check(aboveZero());
  command->add_option("--recipe", compile.recipe,
                      "Training of a paper: gpt1, gpt2 or gpt3-SIZE (the "
                      "model's)");
  command->add_option("--checkpoint", compile.checkpoint,
                      "Folder with the weights to begin with");
  command->add_option("--init-seed", compile.initSeed,
                      "Seed of weights that no checkpoint gives");
  command
      ->add_option("--learning-rate", options->learningRate,
                   "Learning rate at its peak (the recipe's)")
      ->check(finiteAboveZero());
  command->add_option("--warm-up", options->warmUp,
                      "Steps in which the learning rate rises (the recipe's, "
                      "at most a hundredth of the run)");
  command->add_option("--schedule", options->schedule,
                      "How it falls then: constant, linear or cosine (the "
                      "recipe's)");
  command
      ->add_option("--last-rate", options->lastRate,
                   "Share of the peak at the end (the recipe's)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--seed", trainer.seed, "Orders the data (0)");
  command
      ->add_option("--save-every", options->saveEvery,
                   "Steps from one saved state to the next (100)")
      ->check(aboveZero());
  command
      ->add_option("--keep", trainer.keep,
                   "Newest saved states that stay, beside the best of "
                   "validation (2)")
      ->check(aboveZero());
  command
      ->add_option("--validate-every", options->validateEvery,
                   "Steps from one validation to the next (100)")
      ->check(aboveZero());
  command
      ->add_option("--validation-windows", options->validationWindows,
                   "Windows of the validation data, at most (64)")
      ->check(aboveZero());
  command->add_option("--sample", options->sample,
                      "Prompt to continue at the beginning and with each "
                      "validation; of an artifact with prefill and decode");
  command->add_flag("--resume", trainer.resume,
                    "Go on after the newest saved state");
  command->add_option("--backend", options->run.backend,
                      "Backend to train on: cpu or vulkan (cpu)");
  options->run.addMachine(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc train gpt2-124m --data data/ --out run/ "
                  "--batch 4 --context 256 --steps 600");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
