//===- TaskHead.cpp -------------------------------------------------------===//

#include "gptc/models/TaskHead.h"

#include "gptc/frontend/Operators.h"

namespace gptc {

namespace {

/// A parameter that checkpoints of language models lack.
Tensor added(Graph &graph, const std::string &name, const Shape &shape,
             const Initializer &initializer) {
  return graph.parameter(name, {DataType::F32, shape}, initializer,
                         {{name, false, true}});
}

} // namespace

Tensor taskLogits(Graph &graph, const Task &task, const Tensor &states,
                  double dropout) {
  if (!states.valid())
    return {};
  Scope scope(graph, "task");
  int64_t sequences = states.dim(0), width = states.dim(2);
  int64_t batch = sequences / task.sequences();
  Tensor ends = graph.argument("ends", {DataType::I32, {sequences}});
  Tensor last = trainingDropout(selectRow(states, ends), dropout);
  if (task.kind == Task::Kind::Similarity)
    last = reduceSum(reshape(last, {batch, 2, width}), 1);
  bool chooses = task.kind == Task::Kind::MultipleChoice;
  int64_t outputs = chooses ? 1 : task.outputs;
  Tensor logits =
      linear(last,
             added(graph, "task.head.weight", {width, outputs},
                   Initializer::normal(0, 0.02)),
             added(graph, "task.head.bias", {outputs}, Initializer::zeros()));
  return chooses ? reshape(logits, {batch, task.outputs}) : logits;
}

Tensor taskLoss(Graph &graph, const Task &task, const Tensor &states,
                const Tensor &table, double dropout) {
  Tensor logits = taskLogits(graph, task, states, dropout);
  if (!logits.valid())
    return {};
  Tensor loss;
  int64_t batch = logits.dim(0);
  {
    Scope scope(graph, "task");
    if (task.isRegression()) {
      Tensor labels = graph.argument("labels", {DataType::F32, {batch}});
      Tensor errors = reshape(logits, {batch}) - labels;
      loss = reduceMean(errors * errors, 0);
    } else {
      loss = crossEntropy(logits,
                          graph.argument("labels", {DataType::I32, {batch}}));
    }
  }
  if (task.auxiliary == 0)
    return loss;
  Scope scope(graph, "head");
  Tensor targets = graph.argument(
      "targets", {DataType::I32, {states.dim(0), states.dim(1)}});
  return loss +
         scale(linearCrossEntropy(states, table, targets), task.auxiliary);
}

} // namespace gptc
