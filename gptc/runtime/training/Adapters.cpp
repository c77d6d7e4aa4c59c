//===- Adapters.cpp -------------------------------------------------------===//

#include "gptc/runtime/training/Adapters.h"

#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gptc {

std::string describe(const Adapters &adapters) {
  return nlohmann::ordered_json{{"rank", adapters.rank},
                                {"alpha", adapters.alpha}}
             .dump(2) +
         "\n";
}

Expected<Adapters> parseAdapters(std::string_view text,
                                 const std::string &where) {
  GPTC_TRY(nlohmann::json json, parseJson(text, where));
  auto malformed = [&] {
    return failure(ErrorCode::Corrupt,
                   "{} tells of no adapters: expected rank and alpha, numbers "
                   "above 0",
                   where);
  };
  if (!json.is_object() || !json.contains("rank") || !json.contains("alpha") ||
      !json["rank"].is_number_integer() || !json["alpha"].is_number())
    return malformed();
  Adapters adapters{json["rank"].get<int64_t>(), json["alpha"].get<double>()};
  if (adapters.rank < 1 || !(adapters.alpha > 0) ||
      !std::isfinite(adapters.alpha))
    return malformed();
  return adapters;
}

Expected<std::optional<Adapters>> carriedAdapters(const Artifact &artifact) {
  const artifact::FileT *file = artifact.findFile(adaptersFile);
  if (!file)
    return std::optional<Adapters>();
  GPTC_TRY(Adapters adapters,
           parseAdapters(
               artifact.text(*file),
               fmt::format("'{}' in '{}'", adaptersFile, artifact.path())));
  return std::optional(adapters);
}

bool isAdapter(const artifact::VariableT &variable) {
  return variable.role == artifact::Role::Parameter &&
         std::any_of(variable.pieces.begin(), variable.pieces.end(),
                     [](const auto &piece) { return piece->optional; });
}

Status writeAdapters(Executable &program, const std::string &path) {
  const auto &variables = program.artifact().manifest().variables;
  std::vector<PendingTensor> tensors;
  for (size_t i = 0; i < variables.size(); ++i)
    if (isAdapter(*variables[i]))
      tensors.push_back(
          {variables[i]->name, toDataType(variables[i]->type),
           variables[i]->shape,
           [&program, i](const PendingTensor::Sink &sink) -> Status {
             GPTC_TRY(auto bytes, program.readVariable(i));
             return sink(bytes);
           }});
  return writeSafetensors(path, std::move(tensors));
}

Status loadAdapters(const std::string &path, Executable &program) {
  GPTC_TRY(SafetensorsFile file, SafetensorsFile::open(path));
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    const artifact::VariableT &variable = *variables[i];
    if (!isAdapter(variable))
      continue;
    auto found = file.tensors().find(variable.name);
    if (found == file.tensors().end() ||
        found->second.type != toDataType(variable.type) ||
        found->second.shape != variable.shape)
      return failure(ErrorCode::Corrupt,
                     "'{}' lacks '{}', or has it in another type or shape",
                     path, variable.name);
    GPTC_CHECK(program.writeVariable(i, found->second.bytes));
  }
  return {};
}

namespace {

/// A variable's values by its name, where they are f32 in plain layout.
Expected<std::vector<float>> valuesOf(Executable &program,
                                      const std::string &name) {
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i)
    if (variables[i]->name == name) {
      if (variables[i]->type != artifact::ElementType::F32 ||
          program.target().storages[i]->layout != artifact::Layout::RowMajor)
        break;
      GPTC_TRY(auto bytes, program.readVariable(i));
      std::vector<float> values(bytes.size() / sizeof(float));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      return values;
    }
  return failure(ErrorCode::Unsupported,
                 "'{}' holds no '{}' in f32, so adapters cannot be merged",
                 program.artifact().path(), name);
}

} // namespace

Expected<WrittenWeights> writeMergedWeights(Executable &program,
                                            const Adapters &adapters,
                                            const std::string &path,
                                            const Progress &progress) {
  const auto &variables = program.artifact().manifest().variables;
  auto has = [&](const std::string &name) {
    return std::any_of(variables.begin(), variables.end(),
                       [&](const auto &one) { return one->name == name; });
  };
  constexpr std::string_view suffix = ".weight";
  auto rank = uint64_t(adapters.rank);
  auto change = [&](const artifact::VariableT &variable)
      -> Expected<std::optional<RowChange>> {
    std::string name = variable.name;
    if (name.ends_with(".lora_a") || name.ends_with(".lora_b"))
      return std::optional<RowChange>([](uint64_t, std::span<float>) {
        return false; // Not written.
      });
    if (!name.ends_with(suffix))
      return std::optional<RowChange>();
    name.resize(name.size() - suffix.size());
    if (!has(name + ".lora_a"))
      return std::optional<RowChange>();
    GPTC_TRY(auto a, valuesOf(program, name + ".lora_a"));
    GPTC_TRY(auto b, valuesOf(program, name + ".lora_b"));
    double factor = adapters.alpha / double(adapters.rank);
    return std::optional<RowChange>([a = std::move(a), b = std::move(b), factor,
                                     rank](uint64_t row,
                                           std::span<float> values) {
      for (size_t c = 0; c < values.size(); ++c) {
        double sum = 0;
        for (uint64_t r = 0; r < rank; ++r)
          sum += double(a[row * rank + r]) * double(b[r * values.size() + c]);
        values[c] = float(double(values[c]) + factor * sum);
      }
      return true;
    });
  };
  return writeWeights(program, path, change, progress);
}

} // namespace gptc
