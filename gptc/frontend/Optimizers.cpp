//===- Optimizers.cpp -----------------------------------------------------===//

#include "gptc/frontend/Optimizers.h"

#include "gptc/frontend/Operators.h"

namespace gptc {

std::vector<Trained> gradientsOf(Graph &graph, const Tensor &loss,
                                 Where where) {
  std::vector<Parameter> parameters = graph.parameters();
  std::erase_if(parameters, [](const Parameter &one) { return !one.trained; });
  std::vector<Tensor> values;
  for (const Parameter &parameter : parameters)
    values.push_back(parameter.value);
  std::vector<Tensor> gradients = gradient(loss, values, where);
  std::vector<Trained> trained;
  for (size_t i = 0; i < parameters.size(); ++i)
    trained.push_back({std::move(parameters[i]), gradients[i]});
  return trained;
}

Tensor globalNorm(const std::vector<Trained> &trained, Where where) {
  Tensor sum;
  for (const Trained &one : trained) {
    Tensor squares = one.gradient;
    if (!squares.valid())
      return {};
    squares = multiply(squares, squares, where);
    while (squares.valid() && !squares.shape().empty())
      squares = reduceSum(squares, -1, where);
    sum = sum.valid() ? add(sum, squares, where) : squares;
  }
  return sum.valid() ? sqrt(sum, where) : Tensor();
}

Tensor clipByGlobalNorm(std::vector<Trained> &trained, double most,
                        Where where) {
  Tensor norm = globalNorm(trained, where);
  if (!norm.valid())
    return {};
  Tensor factor = divide(full(norm, most, where),
                         add(norm, full(norm, 1e-6, where), where), where);
  factor = minimum(factor, full(factor, 1, where), where);
  for (Trained &one : trained)
    one.gradient = multiply(one.gradient, factor, where);
  return norm;
}

bool isMatrix(const Parameter &parameter) {
  return parameter.value.shape().size() > 1;
}

void adam(Graph &graph, const std::vector<Trained> &trained,
          Scalar learningRate, const AdamOptions &options, Where where) {
  if (trained.empty())
    return;
  auto stateOf = [&](const std::string &name, const TensorType &type) {
    return graph.optimizerState(name, type, where);
  };
  /// The sum of the powers of beta below the present step's.
  auto powers = [&](const std::string &name, double beta) {
    Tensor sum = stateOf(name, {DataType::F32, {}});
    sum = add(scale(sum, beta, where), full(sum, 1, where), where);
    graph.assign(name, sum, where);
    return scale(sum, 1 - beta, where);
  };
  Tensor correction1 = powers("adam.beta1_sum", options.beta1);
  Tensor correction2 = powers("adam.beta2_sum", options.beta2);
  if (!correction1.valid() || !correction2.valid())
    return;
  Tensor rate = full(correction1, learningRate, where);
  Tensor step = divide(rate, correction1, where);
  Tensor root = rsqrt(correction2, where);
  Tensor kept =
      subtract(full(rate, 1, where), scale(rate, options.decay, where), where);
  for (const auto &[parameter, gradient] : trained) {
    Scope scope(graph, parameter.name);
    if (!gradient.valid())
      continue;
    TensorType type = parameter.value.type();
    Tensor value = parameter.value, slope = gradient;
    bool decays = options.decay != 0 && options.decays(parameter);
    if (decays && options.decoupled)
      value = multiply(value, kept, where);
    else if (decays)
      slope = add(slope, scale(value, options.decay, where), where);
    Tensor mean = stateOf(parameter.name + ".exp_avg", type);
    Tensor square = stateOf(parameter.name + ".exp_avg_sq", type);
    mean = add(scale(mean, options.beta1, where),
               scale(slope, 1 - options.beta1, where), where);
    square = add(scale(square, options.beta2, where),
                 scale(multiply(slope, slope, where), 1 - options.beta2, where),
                 where);
    Tensor divisor = multiply(sqrt(square, where), root, where);
    divisor = add(divisor, full(divisor, options.epsilon, where), where);
    graph.assign(parameter.name + ".exp_avg", mean, where);
    graph.assign(parameter.name + ".exp_avg_sq", square, where);
    graph.assign(parameter.name,
                 subtract(value,
                          divide(multiply(mean, step, where), divisor, where),
                          where),
                 where);
  }
}

void sgd(Graph &graph, const std::vector<Trained> &trained, Scalar learningRate,
         const SgdOptions &options, Where where) {
  for (const auto &[parameter, gradient] : trained) {
    Scope scope(graph, parameter.name);
    if (!gradient.valid())
      continue;
    Tensor slope = gradient;
    if (options.decay != 0 && options.decays(parameter))
      slope = add(slope, scale(parameter.value, options.decay, where), where);
    if (options.momentum != 0) {
      std::string name = parameter.name + ".momentum_buffer";
      Tensor velocity =
          graph.optimizerState(name, parameter.value.type(), where);
      velocity = add(scale(velocity, options.momentum, where), slope, where);
      graph.assign(name, velocity, where);
      slope = options.nesterov
                  ? add(slope, scale(velocity, options.momentum, where), where)
                  : velocity;
    }
    graph.assign(
        parameter.name,
        subtract(parameter.value, scale(slope, learningRate, where), where),
        where);
  }
}

} // namespace gptc
