//===- Finetune.cpp - gptc finetune ---------------------------------------===//

#include "TrainingRun.h"

#include "gptc/runtime/training/TaskPrediction.h"

#include <algorithm>

namespace gptc::tool {

namespace {

struct Options {
  TrainingRunOptions run;
  std::string task, training, validation, labels = "natural";
  std::vector<std::string> columns;
  uint64_t seed = 0, epochs = 3;
};

Expected<LabelKind> parseLabels(const std::string &name) {
  if (name == "natural")
    return LabelKind::Natural;
  if (name == "classes")
    return LabelKind::Classes;
  if (name == "numbers")
    return LabelKind::Numbers;
  return failure(ErrorCode::InvalidArgument,
                 "--labels: '{}' is not known; choose classes or numbers",
                 name);
}

/// What texts are read with.
struct Reading {
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelSizes model; ///< The context of a model that is compiled already is 0.
};

/// The tokenizer of an artifact, a checkpoint folder, or the folder that gives
/// a named model its weights.
Expected<Reading> readingFor(const CompileRequest &compile) {
  constexpr const char *remedy =
      "texts cannot be read without one; name a checkpoint folder with a "
      "tokenizer as MODEL or --checkpoint";
  if (compile.model.ends_with(".gptc")) {
    GPTC_TRY(auto artifact, Artifact::open(compile.model));
    Reading reading;
    GPTC_TRY(reading.tokenizer, requireTokenizer(*artifact, remedy));
    reading.model.vocabulary = artifact->manifest().model->vocabulary;
    return reading;
  }
  std::string folder =
      compile.checkpoint.empty() ? compile.model : compile.checkpoint;
  GPTC_TRY(TokenizerFiles files, readTokenizerFiles(folder));
  if (!files.contains("tokenizer.json") && !files.contains("vocab.json"))
    return failure(ErrorCode::NotFound, "'{}' has no tokenizer: {}", folder,
                   remedy);
  Reading reading;
  GPTC_TRY(reading.tokenizer, Tokenizer::create(files));
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  GPTC_TRY(reading.model, compiler->sizesOf(compile));
  return reading;
}

Expected<std::shared_ptr<const TaskExamples>>
readExamples(const std::string &path, const TaskFormat &format,
             const Reading &reading) {
  GPTC_TRY(Table table, readTable(path, format.columns(true)));
  GPTC_TRY(TaskExamples examples,
           TaskExamples::create(table, format, *reading.tokenizer,
                                reading.model.vocabulary, true));
  return std::make_shared<const TaskExamples>(std::move(examples));
}

/// The tokens of a sequence that all examples need, at most the model's
/// context `most`: a multiple of 8.
void chooseContext(CompileRequest &compile, uint64_t most,
                   const TaskExamples &training,
                   const TaskExamples *validation) {
  uint64_t longest = training.longest();
  if (validation)
    longest = std::max(longest, validation->longest());
  uint64_t needed = std::max(longest, training.shortestContext());
  if (!compile.context)
    compile.context = std::min(most, (needed + 7) / 8 * 8);
  for (const TaskExamples *examples : {&training, validation})
    if (uint64_t cut = examples ? examples->longerThan(compile.context) : 0)
      say(fmt::format("{} of {} {} examples are longer than {} tokens and are "
                      "cut\n",
                      cut, examples->size(),
                      examples == validation ? "validation" : "training",
                      compile.context));
}

Status run(Options &options) {
  TrainingRunOptions &run = options.run;
  CompileRequest &compile = run.compile;
  const std::string &output = run.trainer.output;
  GPTC_TRY(LabelKind labels, parseLabels(options.labels));
  GPTC_TRY(TaskFormat format,
           formatOf(options.training, options.task, options.columns, labels));
  GPTC_TRY(Reading reading, readingFor(compile));
  GPTC_TRY(auto training, readExamples(options.training, format, reading));
  std::shared_ptr<const TaskExamples> validation;
  if (!options.validation.empty()) {
    GPTC_TRY(validation, readExamples(options.validation, format, reading));
  }
  GPTC_TRY(auto folder, TrainingFolder::take(output, run.trainer.resume));

  std::vector<std::string> entries{"train_step"};
  if (format.task)
    entries.emplace_back("predict");
  else
    entries.insert(entries.end(), {"score", "prefill", "decode"});
  bool compiled = compile.model.ends_with(".gptc");
  if (!compiled) {
    chooseContext(compile, reading.model.context, *training, validation.get());
    if (format.task) {
      compile.task = toString(format.task->kind);
      compile.outputs = uint64_t(format.task->outputs);
      format.task->auxiliary =
          compile.auxiliary.value_or(format.task->auxiliary);
    } else if (compile.recipe.empty()) {
      compile.recipe = "gpt1-finetune";
    }
    if (!compile.batch)
      compile.batch = std::min<uint64_t>(32, training->size());
  }
  GPTC_TRY(auto artifact, openTrained(run, entries));
  run.files = {{formatFile, describe(format)}};
  uint64_t examples =
      run.trainer.accumulate * artifact->manifest().model->batch;
  uint64_t perEpoch = (training->size() + examples - 1) / examples;
  run.steps = options.epochs * perEpoch;
  run.validateEvery = run.saveEvery = perEpoch;
  run.validateWith = UINT64_MAX;
  run.batchGrowth = 0; // An epoch has steps of one size.
  auto source = taskBatches(training, validation, format, options.seed);
  GPTC_TRY(Json summary, runTraining(run, artifact, std::move(source), folder));
  return {};
}

} // namespace

void addFinetune(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "finetune", "Train a model for a task, on a table of examples");
  auto options = std::make_shared<Options>();
  TrainingRunOptions &run = options->run;
  CompileRequest &compile = run.compile;
  command
      ->add_option("MODEL", compile.model,
                   "An artifact with the entries train_step and predict, or "
                   "what 'gptc compile' takes")
      ->required();
  command
      ->add_option("--task", options->task,
                   "classification, entailment, similarity, multiple-choice "
                   "or text")
      ->required();
  command
      ->add_option("--train", options->training,
                   "Table of examples: .csv, .tsv or .jsonl")
      ->required();
  command->add_option("--valid", options->validation,
                      "Table of examples to measure the model with");
  command
      ->add_option("--out", run.trainer.output,
                   "Folder for states and the log; made if missing")
      ->required();
  command
      ->add_option("--column", options->columns,
                   "Other names of columns, as text=sentence,label=class")
      ->delimiter(',');
  command->add_option("--labels", options->labels,
                      "What labels are: classes or numbers (numbers for a "
                      "similarity whose labels all are, else classes)");
  command
      ->add_option("--epochs", options->epochs,
                   "How often each example is seen (3)")
      ->check(aboveZero());
  command
      ->add_option("--batch", compile.batch,
                   "Examples of a step (32, or all of fewer)")
      ->check(aboveZero());
  command
      ->add_option("--context", compile.context,
                   "Tokens of a sequence (what the longest example needs, at "
                   "most the model's)")
      ->check(aboveZero());
  command->add_option("--dtype", compile.dtype,
                      "Type of products, f32 or bf16 (the checkpoint's)");
  command->add_option("--recipe", compile.recipe,
                      "Training of a paper (gpt1-finetune)");
  command->add_option("--dropout", compile.dropout,
                      "Rate of dropout (the recipe's)");
  addClipOption(*command, compile.clip);
  addMemoryOption(*command, compile.memory);
  command
      ->add_option("--auxiliary", compile.auxiliary,
                   "Weight of the language model's own loss (0.5)")
      ->check(finiteNotNegative());
  command->add_option("--checkpoint", compile.checkpoint,
                      "Folder with the weights to begin with");
  command->add_option("--init-seed", compile.initSeed,
                      "Seed of weights that no checkpoint gives");
  command->add_option("--seed", options->seed, "Orders the examples (0)");
  addAdapterOptions(*command, compile);
  run.add(*command);
  command->footer("Example: gptc finetune gpt2/ --task classification --train "
                  "train.csv --valid dev.csv --out run/");
  command->callback([&action, options] {
    action = [options] { return tool::run(*options); };
  });
}

} // namespace gptc::tool
