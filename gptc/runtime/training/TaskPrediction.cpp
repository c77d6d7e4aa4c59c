//===- TaskPrediction.cpp -------------------------------------------------===//

#include "gptc/runtime/training/TaskPrediction.h"

#include "gptc/runtime/training/Metrics.h"

#include <algorithm>
#include <cmath>

namespace gptc {

Expected<TaskPredictor> TaskPredictor::create(Executable &program,
                                              const Task &task) {
  const Artifact &artifact = program.artifact();
  int index = artifact.findEntry("predict");
  GPTC_TRY(auto carried, carriedTask(artifact));
  if (index < 0 || !program.has(uint32_t(index)) || !carried ||
      carried->kind != task.kind || carried->outputs != task.outputs)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' has no entry predict of a {} with {} outputs; compile "
                   "with --task {} --outputs {} --entry train_step,predict",
                   artifact.path(), toString(task.kind), task.outputs,
                   toString(task.kind), task.outputs);
  TaskPredictor predictor;
  predictor.program_ = &program;
  predictor.task_ = task;
  predictor.entry_ = uint32_t(index);
  predictor.batch_ = artifact.manifest().model->batch;
  const artifact::EntryT &entry = *artifact.manifest().entries[size_t(index)];
  auto tokens = findParameter(entry.arguments, "tokens");
  auto ends = findParameter(entry.arguments, "ends");
  auto logits = findParameter(entry.results, "logits");
  auto isIds = [&](size_t i, size_t rank) {
    return entry.arguments[i]->type == artifact::ElementType::I32 &&
           entry.arguments[i]->shape.size() == rank;
  };
  uint64_t sequences = predictor.batch_ * uint64_t(task.sequences());
  if (!tokens || !ends || !logits || !isIds(*tokens, 2) || !isIds(*ends, 1) ||
      entry.results[*logits]->type != artifact::ElementType::F32 ||
      entry.arguments[*tokens]->shape[0] != sequences ||
      entry.arguments[*ends]->shape[0] != sequences ||
      elementCount(entry.results[*logits]->shape) !=
          predictor.batch_ * uint64_t(task.outputs))
    return failure(ErrorCode::Unsupported,
                   "the entry predict of '{}' does not take tokens [S, T] and "
                   "ends [S] and give logits [B, {}]",
                   artifact.path(), task.outputs);
  predictor.context_ = entry.arguments[*tokens]->shape[1];
  predictor.tokens_ = program.argumentAs<int32_t>(predictor.entry_, *tokens);
  predictor.ends_ = program.argumentAs<int32_t>(predictor.entry_, *ends);
  predictor.logits_ = program.resultAs<float>(predictor.entry_, *logits);
  return predictor;
}

Expected<std::span<const float>>
TaskPredictor::predict(const TaskExamples &examples, size_t first,
                       size_t count) {
  auto sequences = size_t(task_.sequences());
  size_t each = sequences * context_;
  uint64_t vocabulary = program_->artifact().manifest().model->vocabulary;
  std::fill(tokens_.begin(), tokens_.end(), 0);
  std::fill(ends_.begin(), ends_.end(), 0);
  for (size_t i = 0; i < count; ++i)
    examples.write(first + i, vocabulary,
                   {tokens_.subspan(i * each, each),
                    {},
                    ends_.subspan(i * sequences, sequences)});
  GPTC_CHECK(program_->run(entry_));
  return logits_.first(count * size_t(task_.outputs));
}

double predictionOf(const Task &task, std::span<const float> outputs) {
  if (task.isRegression())
    return double(outputs[0]);
  return double(std::max_element(outputs.begin(), outputs.end()) -
                outputs.begin());
}

double lossOf(const Task &task, std::span<const float> outputs, double label) {
  if (task.isRegression())
    return (double(outputs[0]) - label) * (double(outputs[0]) - label);
  auto largest = double(*std::max_element(outputs.begin(), outputs.end()));
  double sum = 0;
  for (float output : outputs)
    sum += std::exp(double(output) - largest);
  return largest + std::log(sum) - double(outputs[size_t(label)]);
}

Expected<Validation> measure(const Task &task,
                             std::span<const double> predictions,
                             std::span<const double> labels, double loss) {
  Validation result{loss, {}};
  if (task.isRegression()) {
    GPTC_TRY(double linear, pearson(labels, predictions));
    GPTC_TRY(double ranked, spearman(labels, predictions));
    result.metrics = {{"pearson", linear}, {"spearman", ranked}};
    return result;
  }
  std::vector<int32_t> found(predictions.begin(), predictions.end());
  std::vector<int32_t> right(labels.begin(), labels.end());
  ClassCounts counts(size_t(task.outputs));
  GPTC_CHECK(counts.add(right, found));
  result.metrics = {{"accuracy", counts.accuracy()}};
  if (task.kind != Task::Kind::MultipleChoice) {
    result.metrics.emplace_back("f1", task.outputs == 2 ? counts.f1()
                                                        : counts.macroF1());
    result.metrics.emplace_back("matthews", counts.matthews());
  }
  return result;
}

} // namespace gptc
