//===- PeftAdapters.h - Adapters in PEFT's format --------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_PEFTADAPTERS_H
#define GPTC_RUNTIME_TRAINING_PEFTADAPTERS_H

#include "gptc/runtime/training/Adapters.h"

namespace gptc {

/// What writePeftAdapters wrote.
struct PeftSummary {
  size_t modules = 0; ///< Layers that have an adapter.
  /// Variables that were trained beside the adapters and are none: a task's.
  std::vector<std::string> leftOut;
};

/// Writes adapter_config.json and adapter_model.safetensors, which PEFT loads
/// beside the checkpoint that the artifact was compiled from: for each layer
/// lora_A [rank, in] and lora_B [out, rank], in the bits that were trained. A
/// weight that is made of several tensors of the checkpoint gives each of them
/// the same lora_A and its part of lora_B. `weights` is the adapter.safetensors
/// of a saved state, `folder` is there already.
///
/// Corrupt if an adapter is missing there, or has another type or shape;
/// Unsupported where layers of both orders, [in, out] and [out, in], are
/// adapted, which PEFT has one setting for.
///
/// Source: PEFT 0.21, src/peft/tuners/lora/{config,layer}.py and
/// src/peft/utils/save_and_load.py.
Expected<PeftSummary> writePeftAdapters(const Artifact &artifact,
                                        const Adapters &adapters,
                                        const std::string &weights,
                                        const std::string &folder);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_PEFTADAPTERS_H
