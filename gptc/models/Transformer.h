//===- Transformer.h - The GPT family from one set of blocks ---*- C++ -*-===//

#ifndef GPTC_MODELS_TRANSFORMER_H
#define GPTC_MODELS_TRANSFORMER_H

#include "gptc/frontend/Definition.h"
#include "gptc/models/ModelConfig.h"

namespace gptc {

/// Adds one entry point of a model to a graph. Variables carry the names of
/// the checkpoint's tensors. Sources: Radford et al. 2018 (GPT-1), 2019
/// (GPT-2), Brown et al. 2020 (GPT-3).
void buildTransformer(Graph &graph, const ModelConfig &config,
                      const EntryRequest &request);

/// Why no graph holds an entry point of a model, as its largest tensor has too
/// many elements for the sizes that are asked for, or attention too many
/// scores; else an empty text. Told before all layers are built, each of which
/// would fail.
std::string whyTooLarge(const ModelConfig &config, const EntryRequest &request);

/// The definition of a configuration.
Definition definitionOf(const ModelConfig &config);

} // namespace gptc

#endif // GPTC_MODELS_TRANSFORMER_H
