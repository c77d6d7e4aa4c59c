//===- ModelSource.h - What a model's name stands for ----------*- C++ -*-===//

#ifndef GPTC_COMPILER_MODELSOURCE_H
#define GPTC_COMPILER_MODELSOURCE_H

#include "gptc/compiler/Service.h"
#include "gptc/frontend/Definition.h"
#include "gptc/models/ModelConfig.h"
#include "gptc/runtime/tensors/Checkpoint.h"

#include <optional>

namespace gptc {

/// A definition together with the weights and files that come with it.
struct ModelSource {
  Definition definition;
  /// What a definition of gptc's own is made from; nothing of a library's.
  std::optional<ModelConfig> model;
  std::optional<Checkpoint> checkpoint;
  /// Absolute path of the folder with the checkpoint, or with config.json and
  /// a tokenizer alone; empty without one.
  std::string folder;
  /// The text of the config.json of a published model without a folder.
  std::string config;
};

/// Resolves `model`: a published name, a checkpoint folder, or a shared
/// library with definitions ("LIBRARY.so" if it has one, else
/// "LIBRARY.so:NAME"). `checkpoint`, if not empty, is the folder that gives
/// the weights; its configuration must be the model's. `withoutWeights`: a
/// folder need have none. A library stays loaded.
Expected<ModelSource> resolveModel(const std::string &model,
                                   const std::string &checkpoint,
                                   bool withoutWeights = false);

/// Checks that every parameter of `module` is in the checkpoint in the right
/// shape, and that the checkpoint has no tensor of a layer that the model does
/// not use. Reads headers alone.
Status checkCheckpoint(mlir::ModuleOp module, const Checkpoint &checkpoint);

/// Names of the configuration and tokenizer files that artifacts carry.
const std::vector<std::string> &carriedFiles();

} // namespace gptc

#endif // GPTC_COMPILER_MODELSOURCE_H
