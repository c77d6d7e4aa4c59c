//===- Optimizers.h - Training steps as graphs -----------------*- C++ -*-===//
//
// An optimizer is operators like all others: it takes gradients, keeps its
// state in variables of the role optimizer, and assigns the parameters. Those
// of here are no more than what a definition can write itself.
//
//   std::vector<Trained> trained = gradientsOf(graph, loss);
//   Tensor norm = clipByGlobalNorm(trained, 1);
//   adam(graph, trained, graph.scalarArgument("learning_rate", DataType::F32),
//        {.decay = 0.1});
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_FRONTEND_OPTIMIZERS_H
#define GPTC_FRONTEND_OPTIMIZERS_H

#include "gptc/frontend/Graph.h"

#include <functional>

namespace gptc {

/// A parameter that the present entry has read, with the gradient of its loss.
struct Trained {
  Parameter parameter;
  Tensor gradient;
};

/// The gradients of a loss, a floating point tensor [], for all parameters
/// that the present entry has read so far and that are trained.
std::vector<Trained> gradientsOf(Graph &graph, const Tensor &loss,
                                 Where where = Where::current());

/// The square root of the sum of the squares of all gradients, [] of f32.
Tensor globalNorm(const std::vector<Trained> &trained,
                  Where where = Where::current());

/// The global norm, after which it scales the gradients by min(1, most / (norm
/// + 1e-6)), as PyTorch's clip_grad_norm_ does. Source: Pascanu, Mikolov,
/// Bengio, 2013.
Tensor clipByGlobalNorm(std::vector<Trained> &trained, double most,
                        Where where = Where::current());

/// Whether a parameter decays: by default those with two dimensions or more,
/// which leaves out biases and gains.
using Decays = std::function<bool(const Parameter &)>;
bool isMatrix(const Parameter &parameter);

/// Adam with L2 regularization (Kingma and Ba, 2015), or with decoupled decay
/// (AdamW; Loshchilov and Hutter, 2019).
struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0;
  bool decoupled = true;
  Decays decays = isMatrix;
};

/// Assigns each parameter its next value. State: NAME.exp_avg and
/// NAME.exp_avg_sq of each parameter's type, and adam.beta1_sum and
/// adam.beta2_sum, [], the sums of powers that the corrections of bias are
/// made of: 1 - beta^t is (1 - beta) times the sum of beta^i for i < t, and
/// exact in f32 where the difference would have lost most digits.
void adam(Graph &graph, const std::vector<Trained> &trained,
          Scalar learningRate, const AdamOptions &options,
          Where where = Where::current());

/// Stochastic gradient descent with momentum as PyTorch has it: the first
/// velocity is the gradient (Sutskever et al., 2013, without dampening).
struct SgdOptions {
  double momentum = 0.9;
  double decay = 0; ///< Added to the gradient.
  bool nesterov = false;
  Decays decays = isMatrix;
};

/// Assigns each parameter its next value. State: NAME.momentum_buffer of each
/// parameter's type, if there is momentum.
void sgd(Graph &graph, const std::vector<Trained> &trained, Scalar learningRate,
         const SgdOptions &options, Where where = Where::current());

} // namespace gptc

#endif // GPTC_FRONTEND_OPTIMIZERS_H
