//===- TaskHead.h - A model's states put to a task -------------*- C++ -*-===//

#ifndef GPTC_MODELS_TASKHEAD_H
#define GPTC_MODELS_TASKHEAD_H

#include "gptc/frontend/Definition.h"
#include "gptc/runtime/training/Task.h"

namespace gptc {

/// The linear head of a task over the states [S, T, C] of the present entry's
/// sequences, S a multiple of those of an example, at the rows that its
/// argument `ends` [S] (i32) names, where the extract tokens are: [B, N] for
/// classes or a number (N = 1), [B, answers] for multiple choice. Its
/// parameters are `task.head.weight` [C, N] and `task.head.bias` [N]. Dropout,
/// where its rate is not 0, is of the states that the head reads. Source:
/// Radford et al., 2018, section 3.3, figure 1 and section 4.1.
Tensor taskLogits(Graph &graph, const Task &task, const Tensor &states,
                  double dropout = 0);

/// L3 = L2 + auxiliary * L1: the task's mean loss over the argument `labels`
/// [B] (i32 classes, or f32 numbers, whose squared difference counts), and the
/// language model's over the argument `targets` [S, T] (i32, -1 for none),
/// which is there if it counts at all. `table` [V, C] is the language model's
/// head.
Tensor taskLoss(Graph &graph, const Task &task, const Tensor &states,
                const Tensor &table, double dropout = 0);

} // namespace gptc

#endif // GPTC_MODELS_TASKHEAD_H
