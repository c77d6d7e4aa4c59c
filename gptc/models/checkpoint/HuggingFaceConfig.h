//===- HuggingFaceConfig.h - config.json of checkpoints --------*- C++ -*-===//

#ifndef GPTC_MODELS_CHECKPOINT_HUGGINGFACECONFIG_H
#define GPTC_MODELS_CHECKPOINT_HUGGINGFACECONFIG_H

#include "gptc/models/ModelConfig.h"
#include "gptc/runtime/base/Error.h"

#include <string>
#include <string_view>

namespace gptc {

/// Reads a Hugging Face configuration of model_type gpt2, openai-gpt, gpt_neo
/// or gpt3 (gpt2's fields, `window_size`, odd layers banded, and `head_size`).
/// A field counts where transformers' model reads it; one that changes the
/// computation and is not honoured is an error.
Expected<ModelConfig> parseHuggingFaceConfig(std::string_view json);

/// The text of the configuration of a model of the catalogue, from which
/// parseHuggingFaceConfig makes it again but for its name.
std::string writeHuggingFaceConfig(const ModelConfig &config);

} // namespace gptc

#endif // GPTC_MODELS_CHECKPOINT_HUGGINGFACECONFIG_H
