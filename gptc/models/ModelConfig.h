//===- ModelConfig.h - A GPT in numbers and choices ------------*- C++ -*-===//

#ifndef GPTC_MODELS_MODELCONFIG_H
#define GPTC_MODELS_MODELCONFIG_H

#include <cstdint>
#include <string>
#include <vector>

namespace gptc {

enum class Family { Gpt1, Gpt2, Gpt3, GptNeo };

enum class Activation { GeluErf, GeluTanh, QuickGelu, Silu, Relu, Tanh };

/// Everything that decides what a model computes.
struct ModelConfig {
  Family family = Family::Gpt2;
  std::string name;
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t headSize = 0;
  int64_t context = 0;
  int64_t vocabulary = 0;
  int64_t inner = 0;
  Activation activation = Activation::GeluTanh;
  double epsilon = 1e-5;
  /// Scores are divided by the square root of the head size.
  bool scaleScores = true;
  /// And by the layer's number, from 1.
  bool scaleByInverseLayer = false;
  bool tieHead = true;
  /// Keys that a query of each layer sees; 0: all before it.
  std::vector<int64_t> windows;
  int64_t endOfText = -1;

  /// Layer norms after the residual sums (GPT-1) instead of before.
  bool postNorm() const { return family == Family::Gpt1; }

  bool operator==(const ModelConfig &) const = default;
};

} // namespace gptc

#endif // GPTC_MODELS_MODELCONFIG_H
