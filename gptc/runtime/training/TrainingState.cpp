//===- TrainingState.cpp --------------------------------------------------===//

#include "gptc/runtime/training/TrainingState.h"

#include "gptc/runtime/base/AtomicFolder.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/program/WeightsWriter.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "gptc/runtime/training/CarriedRecipe.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace gptc {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "step-";

/// Numbers of all states of a folder, in ascending order.
Expected<std::vector<uint64_t>> statesOf(const std::string &output) {
  std::vector<uint64_t> states;
  std::error_code code;
  fs::directory_iterator folder(output, code);
  if (code)
    return failure(ErrorCode::Io, "cannot read the folder '{}': {}", output,
                   code.message());
  for (const fs::directory_entry &entry : folder) {
    std::string name = entry.path().filename();
    uint64_t step = 0;
    if (!name.starts_with(prefix))
      continue;
    const char *end = name.data() + name.size();
    auto [stop, error] =
        std::from_chars(name.data() + prefix.size(), end, step);
    if (error == std::errc() && stop == end &&
        statePath(output, step) == entry.path())
      states.push_back(step);
  }
  std::sort(states.begin(), states.end());
  return states;
}

/// Whether a variable belongs to the state beside the parameters.
bool isState(const artifact::VariableT &variable) {
  return variable.role == artifact::Role::Optimizer ||
         variable.role == artifact::Role::Counter;
}

Status writeText(const std::string &path, std::string_view text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

nlohmann::json describe(const TrainingIdentity &identity) {
  return {{"seed", identity.seed},
          {"batch", identity.batch},
          {"context", identity.context},
          {"training_tokens", identity.trainingTokens},
          {"source_hash", identity.sourceHash}};
}

} // namespace

std::string statePath(const std::string &output, uint64_t step) {
  return fmt::format("{}/{}{:08}", output, prefix, step);
}

Expected<uint64_t> newestState(const std::string &output) {
  GPTC_TRY(std::vector<uint64_t> states, statesOf(output));
  return states.empty() ? 0 : states.back();
}

Status saveState(const std::string &output, uint64_t step, uint64_t keep,
                 const TrainingIdentity &identity, Executable &program) {
  const Artifact &artifact = program.artifact();
  std::string path = statePath(output, step);
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(path));
  for (const auto &file : artifact.manifest().files)
    if (file->name != recipeFile)
      GPTC_CHECK(writeText(folder / file->name, artifact.text(*file)));
  GPTC_TRY(WrittenWeights written,
           writeWeights(program, folder / "model.safetensors"));
  std::vector<PendingTensor> tensors;
  const auto &variables = artifact.manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i)
    if (isState(*variables[i]))
      tensors.push_back(
          {variables[i]->name, toDataType(variables[i]->type),
           variables[i]->shape,
           [&program, i](const PendingTensor::Sink &sink) -> Status {
             GPTC_TRY(auto bytes, program.readVariable(i));
             return sink(bytes);
           }});
  GPTC_CHECK(
      writeSafetensors(folder / "optimizer.safetensors", std::move(tensors)));
  nlohmann::json json = describe(identity);
  json["step"] = step;
  GPTC_CHECK(writeText(folder / "training.json", json.dump(2) + "\n"));
  GPTC_CHECK(folder.commit());

  GPTC_TRY(std::vector<uint64_t> states, statesOf(output));
  for (size_t i = 0; i + keep < states.size(); ++i) {
    std::error_code code;
    fs::remove_all(statePath(output, states[i]), code);
    if (code)
      return failure(ErrorCode::Io, "cannot remove '{}': {}",
                     statePath(output, states[i]), code.message());
  }
  return {};
}

Status loadState(const std::string &output, uint64_t step,
                 const TrainingIdentity &identity, Executable &program) {
  std::string folder = statePath(output, step);
  std::string path = folder + "/training.json";
  GPTC_TRY(std::string text, readTextFile(path));
  GPTC_TRY(nlohmann::json json, parseJson(text, path));
  nlohmann::json wanted = describe(identity);
  for (const auto &[key, value] : wanted.items())
    if (!json.contains(key) || json[key] != value)
      return failure(
          ErrorCode::InvalidArgument,
          "'{}' was saved with {} {}, and this run has {}; go on with what it "
          "began with, or train into another folder",
          folder, key, json.contains(key) ? json[key].dump() : "unknown",
          value.dump());
  GPTC_TRY(SafetensorsFile file,
           SafetensorsFile::open(folder + "/optimizer.safetensors"));
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (!isState(*variables[i]))
      continue;
    auto found = file.tensors().find(variables[i]->name);
    uint64_t bytes = program.target().storages[i]->bytes;
    if (found == file.tensors().end() ||
        found->second.type != toDataType(variables[i]->type) ||
        found->second.bytes.size() != bytes)
      return failure(ErrorCode::Corrupt,
                     "'{}/optimizer.safetensors' lacks '{}' of {} bytes",
                     folder, variables[i]->name, bytes);
    GPTC_CHECK(program.writeVariable(i, found->second.bytes));
  }
  return {};
}

} // namespace gptc
