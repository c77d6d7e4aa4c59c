//===- Predict.cpp - gptc predict -----------------------------------------===//

#include "TrainingRun.h"

#include "gptc/runtime/base/Counted.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/data/CsvWriter.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "gptc/runtime/training/TaskPrediction.h"

#include <algorithm>
#include <unistd.h>

namespace gptc::tool {

namespace {

struct Options {
  std::string folder, input, output;
  std::optional<uint64_t> step;
  uint64_t maxTokens = 64;
  RunOptions run;
  bool json = false;
};

struct Predictions {
  std::vector<std::string> cells;     ///< One for each row.
  std::optional<Validation> measured; ///< Where rows have labels.
};

/// Tells on a terminal how many rows are done.
void tellProgress(size_t done, size_t all) {
  if (::isatty(STDERR_FILENO))
    say(fmt::format("\r\033[K{} of {} rows{}", done, all,
                    done == all ? "\n" : ""));
}

Expected<Predictions> predictTask(Executable &program, const Task &task,
                                  const TaskFormat &format,
                                  const TaskExamples &examples, bool labelled) {
  GPTC_TRY(auto predictor, TaskPredictor::create(program, task));
  if (predictor.context() < examples.shortestContext())
    return failure(ErrorCode::InvalidArgument,
                   "the model was compiled for {} tokens, and a {} needs at "
                   "least {}",
                   predictor.context(), format.name(),
                   examples.shortestContext());
  if (uint64_t cut = examples.longerThan(predictor.context()))
    say(fmt::format("{} of {} rows are longer than {} tokens and are cut\n",
                    cut, examples.size(), predictor.context()));
  Predictions result;
  std::vector<double> predictions, labels;
  double loss = 0;
  auto outputs = size_t(task.outputs);
  for (size_t from = 0; from < examples.size(); from += predictor.batch()) {
    size_t count = std::min<size_t>(predictor.batch(), examples.size() - from);
    GPTC_TRY(auto logits, predictor.predict(examples, from, count));
    for (size_t i = 0; i < count; ++i) {
      auto own = logits.subspan(i * outputs, outputs);
      double prediction = predictionOf(task, own);
      predictions.push_back(prediction);
      labels.push_back(examples.label(from + i));
      if (labelled)
        loss += lossOf(task, own, labels.back());
      result.cells.push_back(
          !format.classes.empty() ? format.classes[size_t(prediction)]
          : task.isRegression()   ? fmt::format("{}", float(prediction))
                                  : fmt::format("{}", uint64_t(prediction)));
    }
    tellProgress(from + count, examples.size());
  }
  if (labelled) {
    GPTC_TRY(result.measured, measure(task, predictions, labels,
                                      loss / double(examples.size())));
  }
  return result;
}

Expected<Predictions> predictText(Executable &program,
                                  const TaskExamples &examples,
                                  const Tokenizer &tokenizer,
                                  uint64_t maxTokens) {
  GPTC_TRY(auto session, Session::create(borrowingRunner(program)));
  GenerationOptions how;
  how.maxTokens = maxTokens;
  Predictions result;
  for (size_t from = 0; from < examples.size(); from += session->batch()) {
    size_t count = std::min<size_t>(session->batch(), examples.size() - from);
    std::vector<std::vector<int32_t>> prompts;
    for (size_t i = 0; i < count; ++i) {
      auto ids = examples.text(from + i, 0);
      // What was trained was cut at its beginning too.
      ids = ids.last(std::min<size_t>(ids.size(), session->capacity()));
      prompts.emplace_back(ids.begin(), ids.end());
    }
    GPTC_TRY(auto answers, generate(*session, &tokenizer, prompts, how));
    for (Generated &answer : answers)
      result.cells.push_back(std::move(answer.text));
    tellProgress(from + count, examples.size());
  }
  return result;
}

/// Whether an entry point predicts: neither an optimizer's state nor what
/// training has of activations is then loaded.
bool predicts(std::string_view entry) {
  return entry == "predict" || entry == "decode" ||
         entry.starts_with("prefill");
}

Status run(const Options &options) {
  std::string path = options.folder + "/" + formatFile;
  GPTC_TRY(std::string text, readTextFile(path));
  GPTC_TRY(TaskFormat format, parseTaskFormat(text, "'" + path + "'"));
  GPTC_TRY(Table table,
           readTable(options.input, format.columns(false), OtherColumns::Keep));
  GPTC_TRY(std::string state, chooseState(options.folder, options.step));
  GPTC_TRY(auto artifact,
           Artifact::open(options.folder + "/" + std::string(programFile)));
  GPTC_TRY(auto tokenizer,
           requireTokenizer(*artifact, "fine-tune a model that has one"));
  bool labelled = format.task && table.find(format.label).has_value();
  GPTC_TRY(TaskExamples examples,
           TaskExamples::create(table, format, *tokenizer,
                                artifact->manifest().model->vocabulary,
                                labelled));
  RunOptions run = options.run;
  run.entries = predicts;
  GPTC_TRY(auto program, loadState(artifact, state, run));
  Predictions predictions;
  if (format.task) {
    GPTC_TRY(predictions,
             predictTask(*program, *format.task, format, examples, labelled));
  } else {
    GPTC_TRY(predictions,
             predictText(*program, examples, *tokenizer, options.maxTokens));
  }
  AddedColumn column{"prediction", predictions.cells};
  GPTC_CHECK(writeCsv(options.output, table, {&column, 1}));

  Json json{{"state", state},
            {"rows", table.rows()},
            {"output", options.output},
            {"weights_bytes", program->weightsBytes()},
            {"state_bytes", program->stateBytes()},
            {"arena_bytes", program->arenaBytes()}};
  std::string measures;
  if (predictions.measured) {
    json["loss"] = predictions.measured->loss;
    measures = fmt::format("; loss {:.4f}", predictions.measured->loss);
    for (const auto &[name, value] : predictions.measured->metrics) {
      json["metrics"][name] = value;
      measures += fmt::format(", {} {:.4f}", name, value);
    }
  }
  if (options.json)
    printJson(json);
  else
    print(fmt::format("Wrote {} of '{}' into {}{}\n",
                      counted(table.rows(), "prediction"), state,
                      options.output, measures));
  return {};
}

} // namespace

void addPredict(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "predict", "Write what a fine-tuned model predicts for a table");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->folder, "Folder of 'gptc finetune'")
      ->required();
  command
      ->add_option("--input", options->input,
                   "Table with the texts: .csv, .tsv or .jsonl; where it has "
                   "labels too, the predictions are measured")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "CSV to write: the table with a column prediction")
      ->required();
  command->add_option("--step", options->step,
                      "State to predict with (the best of validation)");
  command
      ->add_option("--max-tokens", options->maxTokens,
                   "Tokens of a text's answer, at most (64)")
      ->check(aboveZero());
  command->add_option("--backend", options->run.backend,
                      "Backend to run on: cpu, vulkan or reference (cpu)");
  options->run.addMachine(*command);
  options->run.addCheckpoint(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc predict run/ --input test.csv -o out.csv");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
