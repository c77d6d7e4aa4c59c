//===- Train.cpp - gptc train ---------------------------------------------===//

#include "TrainingRun.h"

namespace gptc::tool {

namespace {

struct Options {
  TrainingRunOptions run;
  std::string data;
  uint64_t seed = 0;
  std::optional<uint64_t> validateEvery, validateWith;
};

Status run(Options &options) {
  const TrainerOptions &trainer = options.run.trainer;
  if (options.validateEvery) {
    options.run.validationOption = "--validate-every";
    options.run.validateEvery = *options.validateEvery;
  }
  if (options.validateWith) {
    options.run.validationOption = "--validation-windows";
    options.run.validateWith = *options.validateWith;
  }
  GPTC_TRY(auto folder, TrainingFolder::take(trainer.output, trainer.resume));
  GPTC_TRY(auto artifact, openTrained(options.run, {"train_step", "score"}));
  GPTC_TRY(Json summary,
           runTraining(options.run, artifact,
                       preparedBatches(options.data, options.seed), folder));
  return {};
}

} // namespace

void addTrain(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "train",
      "Train a model on data of 'gptc prepare', ahead of time compiled");
  auto options = std::make_shared<Options>();
  CompileRequest &compile = options->run.compile;
  command
      ->add_option("MODEL", compile.model,
                   "An artifact with the entry train_step, or what 'gptc "
                   "compile' takes")
      ->required();
  command->add_option("--data", options->data, "Folder of 'gptc prepare'")
      ->required();
  command
      ->add_option("--out", options->run.trainer.output,
                   "Folder for states and the log; made if missing")
      ->required();
  command->add_option("--steps", options->run.steps, "Steps in all (1000)")
      ->check(aboveZero());
  command->add_option("--batch", compile.batch, "Sequences of a step")
      ->check(aboveZero());
  command->add_option("--context", compile.context, "Tokens of a sequence")
      ->check(aboveZero());
  command->add_option("--dtype", compile.dtype,
                      "Type of products, f32 or bf16 (the checkpoint's)");
  command->add_option("--recipe", compile.recipe,
                      "Training of a paper: gpt1, gpt2 or gpt3-SIZE (the "
                      "model's)");
  command->add_option("--dropout", compile.dropout,
                      "Rate of dropout (the recipe's)");
  addClipOption(*command, compile.clip);
  addMemoryOption(*command, compile.memory);
  command->add_option("--checkpoint", compile.checkpoint,
                      "Folder with the weights to begin with");
  command->add_option("--init-seed", compile.initSeed,
                      "Seed of weights that no checkpoint gives");
  command->add_option("--seed", options->seed, "Orders the data (0)");
  options->run.add(*command);
  command->add_option("--batch-growth", options->run.batchGrowth,
                      "Tokens over which steps grow to all their batches, 0 "
                      "for steps of one size (the recipe's)");
  command
      ->add_option("--save-every", options->run.saveEvery,
                   "Steps from one saved state to the next (100)")
      ->check(aboveZero());
  command
      ->add_option("--validate-every", options->validateEvery,
                   "Steps from one validation to the next (100)")
      ->check(aboveZero());
  command
      ->add_option("--validation-windows", options->validateWith,
                   "Windows of the validation data, at most (64)")
      ->check(aboveZero());
  command->add_option("--sample", options->run.sample,
                      "Prompt to continue at the beginning and with each "
                      "validation; of an artifact with prefill and decode");
  command->footer("Example: gptc train gpt2-124m --data data/ --out run/ "
                  "--batch 4 --context 256 --steps 600");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
