//===- Catalogue.h - The published models ----------------------*- C++ -*-===//

#ifndef GPTC_MODELS_CATALOGUE_H
#define GPTC_MODELS_CATALOGUE_H

#include "gptc/models/ModelConfig.h"

namespace gptc {

/// All published sizes of GPT-1, GPT-2 and GPT-3, smallest first in each.
const std::vector<ModelConfig> &publishedModels();

} // namespace gptc

#endif // GPTC_MODELS_CATALOGUE_H
