//===- PeftAdapters.cpp ---------------------------------------------------===//

#include "gptc/runtime/training/PeftAdapters.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

namespace gptc {

namespace {

using artifact::VariableT;

constexpr std::string_view weightSuffix = ".weight";

bool removeSuffix(std::string &name, std::string_view suffix) {
  if (!name.ends_with(suffix))
    return false;
  name.resize(name.size() - suffix.size());
  return true;
}

/// Columns [begin, end) of a matrix of f32, transposed.
std::vector<std::byte> transposed(const TensorView &matrix, uint64_t begin,
                                  uint64_t end) {
  constexpr size_t size = sizeof(float);
  uint64_t rows = matrix.shape[0], columns = matrix.shape[1];
  std::vector<std::byte> bytes((end - begin) * rows * size);
  std::byte *to = bytes.data();
  for (uint64_t c = begin; c < end; ++c)
    for (uint64_t r = 0; r < rows; ++r, to += size)
      std::memcpy(to, matrix.bytes.data() + (r * columns + c) * size, size);
  return bytes;
}

class Writer {
public:
  Writer(const Artifact &artifact, const Adapters &adapters,
         const SafetensorsFile &file)
      : artifact(artifact), adapters(adapters), file(file) {}

  Status add(const VariableT &variable) {
    std::string name = variable.name;
    if (!removeSuffix(name, ".lora_a")) {
      if (isAdapter(variable) && !name.ends_with(".lora_b"))
        summary.leftOut.push_back(name);
      return {};
    }
    const VariableT *weight = find(name + std::string(weightSuffix));
    const VariableT *other = find(name + ".lora_b");
    if (!weight || !other || weight->shape.size() != 2)
      return failure(ErrorCode::Corrupt,
                     "'{}' has adapters of '{}', and no matrix that they "
                     "belong to",
                     artifact.path(), name);
    auto rank = uint64_t(adapters.rank);
    GPTC_TRY(const TensorView *a, matrixOf(variable, {weight->shape[0], rank}));
    GPTC_TRY(const TensorView *b, matrixOf(*other, {rank, weight->shape[1]}));
    GPTC_TRY(std::vector<WeightPart> parts, partsOf(*weight));
    for (const WeightPart &part : parts) {
      std::string module = checkpointName(part.name);
      if (!removeSuffix(module, weightSuffix))
        return failure(ErrorCode::Unsupported,
                       "'{}' is no weight of a layer, which PEFT adapts",
                       part.name);
      GPTC_CHECK(checkOrder(module, part.transposed));
      targets.insert(module.substr(module.rfind('.') + 1));
      ++summary.modules;
      module.insert(0, "base_model.model.");
      addTensor(module + ".lora_A.weight", *a, 0, rank);
      addTensor(module + ".lora_B.weight", *b, part.begin, part.end);
    }
    return {};
  }

  Expected<PeftSummary> write(const std::string &folder) {
    GPTC_CHECK(writeSafetensors(folder + "/adapter_model.safetensors",
                                std::move(tensors)));
    GPTC_TRY(AtomicFile config,
             AtomicFile::create(folder + "/adapter_config.json"));
    std::string text = configuration();
    GPTC_CHECK(config.write(std::as_bytes(std::span(text))));
    GPTC_CHECK(config.commit());
    return std::move(summary);
  }

private:
  const VariableT *find(const std::string &name) const {
    for (const auto &variable : artifact.manifest().variables)
      if (variable->name == name)
        return variable.get();
    return nullptr;
  }

  Expected<const TensorView *>
  matrixOf(const VariableT &variable,
           const std::vector<uint64_t> &shape) const {
    auto found = file.tensors().find(variable.name);
    if (found == file.tensors().end() || found->second.type != DataType::F32 ||
        found->second.shape != shape)
      return failure(ErrorCode::Corrupt,
                     "'{}' lacks '{}', or has it in another type or shape",
                     file.path(), variable.name);
    return &found->second;
  }

  /// PEFT has one setting for all layers: whether they store [in, out].
  Status checkOrder(const std::string &module, bool outFirst) {
    if (outputsFirst.value_or(outFirst) == outFirst) {
      outputsFirst = outFirst;
      return {};
    }
    return failure(ErrorCode::Unsupported,
                   "'{}' is stored in another order than the layers before it, "
                   "which PEFT's format cannot say; export the merged weights, "
                   "without --adapters",
                   module);
  }

  void addTensor(const std::string &name, const TensorView &matrix,
                 uint64_t begin, uint64_t end) {
    tensors.push_back({name,
                       DataType::F32,
                       {end - begin, matrix.shape[0]},
                       [&matrix, begin, end](const PendingTensor::Sink &sink) {
                         return sink(transposed(matrix, begin, end));
                       }});
  }

  std::string configuration() const {
    using Json = nlohmann::ordered_json;
    const std::string &base = artifact.manifest().source->checkpoint;
    Json alpha = adapters.alpha;
    // PEFT declares a whole number, and divides by the rank as it is.
    if (adapters.alpha == std::floor(adapters.alpha) && adapters.alpha < 1e9)
      alpha = int64_t(adapters.alpha);
    return Json{{"peft_type", "LORA"},
                {"task_type", "CAUSAL_LM"},
                {"base_model_name_or_path", base.empty() ? Json() : Json(base)},
                {"r", adapters.rank},
                {"lora_alpha", alpha},
                {"target_modules", targets},
                {"fan_in_fan_out", !outputsFirst.value_or(false)},
                {"bias", "none"},
                {"lora_dropout", 0.0},
                {"use_rslora", false},
                {"use_dora", false},
                {"modules_to_save", Json()},
                {"inference_mode", true}}
               .dump(2) +
           "\n";
  }

  const Artifact &artifact;
  const Adapters &adapters;
  const SafetensorsFile &file;
  std::vector<PendingTensor> tensors;
  std::set<std::string> targets;
  std::optional<bool> outputsFirst;
  PeftSummary summary;
};

} // namespace

Expected<PeftSummary> writePeftAdapters(const Artifact &artifact,
                                        const Adapters &adapters,
                                        const std::string &weights,
                                        const std::string &folder) {
  GPTC_TRY(SafetensorsFile file, SafetensorsFile::open(weights));
  Writer writer(artifact, adapters, file);
  for (const auto &variable : artifact.manifest().variables)
    GPTC_CHECK(writer.add(*variable));
  return writer.write(folder);
}

} // namespace gptc
