//===- TrainingState.cpp --------------------------------------------------===//

#include "gptc/runtime/training/TrainingState.h"

#include "gptc/runtime/base/AtomicFolder.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/program/WeightsWriter.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "gptc/runtime/training/Adapters.h"
#include "gptc/runtime/training/BatchSource.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/Task.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>

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

using Json = nlohmann::ordered_json;

/// In the order in which differences are told.
Json describe(const TrainingIdentity &identity) {
  Json json{{"seed", identity.seed},
            {"batch", identity.batch},
            {"context", identity.context},
            {"training_tokens", identity.trainingTokens},
            {"accumulate", identity.accumulate},
            {"growth_first_tokens", identity.growth.firstTokens},
            {"growth_tokens", identity.growth.overTokens}};
  for (const auto &[key, value] : identity.details)
    json[key] = value;
  return json;
}

/// What an artifact is, in the order in which differences are told.
Json describe(const Artifact &artifact) {
  const artifact::ManifestT &manifest = artifact.manifest();
  Json json{{"model", manifest.model->name},
            {"batch", manifest.model->batch},
            {"context", manifest.model->capacity}};
  for (auto [key, name] :
       {std::pair("task", taskFile), std::pair("lora", adaptersFile),
        std::pair("recipe", recipeFile)})
    if (const artifact::FileT *file = artifact.findFile(name)) {
      Json carried = Json::parse(artifact.text(*file), nullptr, false);
      if (!carried.is_discarded())
        json[key] = std::move(carried);
    }
  json["entries"] = Json::array();
  for (const auto &entry : manifest.entries)
    json["entries"].push_back(entry->name);
  json["targets"] = Json::array();
  uint64_t arena = 0;
  for (const auto &target : manifest.targets) {
    json["targets"].push_back(target->name);
    if (!target->storages.empty() && !json.contains("dtype"))
      json["dtype"] = toString(toDataType(target->type));
    for (const auto &program : target->programs)
      arena = std::max(arena, program->arena_bytes);
  }
  json["parameters"] = manifest.model->parameters;
  json["arena_bytes"] = arena;
  json["checkpoint"] = manifest.source->checkpoint;
  json["checkpoint_digest"] = manifest.source->digest;
  json["init_seed"] = manifest.source->init_seed;
  json["embedded_weights"] = manifest.source->embedded;
  json["compiler_version"] = manifest.compiler_version;
  return json;
}

/// What says so of an artifact, where it is not its name.
std::string optionOf(const std::string &what) {
  static const std::map<std::string, std::string> options{
      {"batch", "--batch"},
      {"context", "--context"},
      {"dtype", "--dtype"},
      {"targets", "--target or --backend"},
      {"entries", "--entry, --accumulate and --sample"},
      {"arena_bytes", "--memory"},
      {"task outputs", "--outputs, or the labels of the data"},
      {"task auxiliary", "--auxiliary"},
      {"lora rank", "--lora"},
      {"lora alpha", "--lora-alpha"},
      {"parameters", "--lora-targets, or the model"},
      {"recipe dropout", "--dropout"},
      {"recipe clip", "--clip"}};
  auto found = options.find(what);
  return found == options.end() ? "" : fmt::format(" ({})", found->second);
}

/// "task outputs 2, and this run has 3 (--outputs)": the first thing in which
/// two artifacts differ; empty where nothing that is told does.
std::string differenceOf(const Json &before, const Json &now,
                         const std::string &within = "") {
  auto textOf = [](const Json &in, const std::string &key) {
    return in.contains(key) ? in[key].dump() : std::string("none");
  };
  for (const Json *of : {&now, &before})
    for (const auto &[key, value] : of->items()) {
      if (before.contains(key) && now.contains(key) &&
          before[key].is_object() && now[key].is_object()) {
        std::string inner =
            differenceOf(before[key], now[key], within + key + " ");
        if (!inner.empty())
          return inner;
        continue;
      }
      std::string was = textOf(before, key), is = textOf(now, key);
      if (was != is)
        return fmt::format("{}{} {}, and this run has {}{}", within, key, was,
                           is, optionOf(within + key));
    }
  return "";
}

constexpr const char *optimizerFile = "optimizer.safetensors";
/// What rounding to the variables' types would lose.
constexpr const char *exactFile = "exact.safetensors";

/// The file of a state with weights.
const char *weightsFile(const Artifact &artifact) {
  return artifact.findFile(adaptersFile) ? adapterWeights : "model.safetensors";
}

/// The files of a state with numbers, that of double precision where it is
/// written.
std::vector<const char *> hashedFiles(const Executable &program) {
  std::vector<const char *> files{weightsFile(program.artifact()),
                                  optimizerFile};
  if (program.isInDouble())
    files.push_back(exactFile);
  return files;
}

/// Whether a variable's stored bytes are all that it has.
Expected<bool> isRounded(Executable &program, size_t index) {
  GPTC_TRY(auto bytes, program.readVariable(index));
  std::span<const double> values = program.doubles(index);
  DataType type =
      toDataType(program.artifact().manifest().variables[index]->type);
  for (size_t i = 0; i < values.size(); ++i)
    if (readElement(bytes.data(), type, i) != values[i])
      return false;
  return true;
}

/// Writes variables in double that their own types do not hold.
Status writeExact(Executable &program, const std::string &path) {
  std::vector<PendingTensor> tensors;
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (variables[i]->role == artifact::Role::Cache)
      continue;
    GPTC_TRY(bool rounded, isRounded(program, i));
    if (!rounded)
      tensors.push_back({variables[i]->name, DataType::F64, variables[i]->shape,
                         [&program, i](const PendingTensor::Sink &sink) {
                           return sink(std::as_bytes(program.doubles(i)));
                         }});
  }
  return writeSafetensors(path, std::move(tensors));
}

/// Gives a program in double what rounding took from its variables.
Status loadExact(const std::string &path, Executable &program) {
  GPTC_TRY(SafetensorsFile file, SafetensorsFile::open(path));
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    auto found = file.tensors().find(variables[i]->name);
    if (found == file.tensors().end())
      continue;
    std::span<double> values = program.doubles(i);
    if (found->second.type != DataType::F64 ||
        found->second.bytes.size() != values.size_bytes())
      return failure(ErrorCode::Corrupt,
                     "'{}' has '{}' in another type or shape", path,
                     variables[i]->name);
    std::memcpy(values.data(), found->second.bytes.data(), values.size_bytes());
  }
  return {};
}

/// In parts that are given back when they were read: a state is as large as
/// what the run itself needs.
Expected<std::string> digestOf(const std::string &path) {
  constexpr size_t most = size_t(4) << 20;
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  Sha256 digest;
  for (auto rest = file.bytes(); !rest.empty();) {
    auto part = rest.first(std::min(most, rest.size()));
    digest.update(part);
    file.release(part);
    rest = rest.subspan(part.size());
  }
  return Sha256::hex(digest.finish());
}

/// What to do about a state that cannot be used.
std::string remedyFor(const std::string &folder) {
  return fmt::format("remove '{}' to go on from the state before it", folder);
}

/// A state's training.json.
Expected<Json> readRecord(const std::string &folder) {
  std::string path = folder + "/training.json";
  auto text = readTextFile(path);
  if (!text)
    return failure(text.error().code(), "{}; {}", text.error().message(),
                   remedyFor(folder));
  auto json = parseJson(*text, path);
  if (!json || !json->is_object())
    return failure(ErrorCode::Corrupt, "'{}' is no record of a state; {}", path,
                   remedyFor(folder));
  return Json(*json);
}

Status checkIdentity(const std::string &folder, const Json &record,
                     const TrainingIdentity &identity) {
  const Json wanted = describe(identity);
  for (const auto &[key, value] : wanted.items()) {
    auto found = record.find(key);
    // A state of before these were told has none.
    if (found != record.end() ? *found == value
                              : identity.details.contains(key))
      continue;
    if (key == dataDigest)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' was saved on other data, of as many tokens; go on "
                     "with the data that it began with, or train into another "
                     "folder",
                     folder);
    return failure(
        ErrorCode::InvalidArgument,
        "'{}' was saved with {} {}, and this run has {}; go on with what it "
        "began with, or train into another folder",
        folder, key, found == record.end() ? "unknown" : found->dump(),
        value.dump());
  }
  return {};
}

Status checkFiles(const std::string &folder, const Json &record,
                  const Executable &program) {
  auto digests = record.find("sha256");
  auto recorded = [&](const char *name) {
    return digests != record.end() && digests->is_object() &&
           digests->contains(name);
  };
  for (const char *name : hashedFiles(program)) {
    // A backend in f32 has left none.
    if (name == std::string_view(exactFile) && !recorded(name))
      continue;
    GPTC_TRY(std::string found, digestOf(folder + "/" + name));
    if (!recorded(name) || (*digests)[name] != found)
      return failure(ErrorCode::Corrupt, "'{}/{}' is not what was saved; {}",
                     folder, name, remedyFor(folder));
  }
  return {};
}

Status removeFolder(const std::string &folder) {
  std::error_code code;
  fs::remove_all(folder, code);
  if (code)
    return failure(ErrorCode::Io, "cannot remove '{}': {}", folder,
                   code.message());
  return {};
}

/// Removes all states but the newest and the best, each whole or not at all:
/// it first takes a name that no state has, under which the next save removes
/// what a killed run left of it.
Status prune(const std::string &output, uint64_t keep) {
  std::string removed = output + "/.removed";
  GPTC_CHECK(removeFolder(removed));
  GPTC_TRY(std::vector<uint64_t> states, statesOf(output));
  GPTC_TRY(uint64_t best, bestState(output));
  for (size_t i = 0; i + keep < states.size(); ++i) {
    if (states[i] == best)
      continue;
    std::string state = statePath(output, states[i]);
    std::error_code code;
    fs::rename(state, removed, code);
    if (code)
      return failure(ErrorCode::Io, "cannot remove '{}': {}", state,
                     code.message());
    GPTC_CHECK(removeFolder(removed));
  }
  return {};
}

} // namespace

namespace {

struct BestState {
  uint64_t step = 0;
  double loss = std::numeric_limits<double>::infinity();
};

Expected<BestState> findBest(const std::string &output) {
  GPTC_TRY(std::vector<uint64_t> states, statesOf(output));
  BestState best;
  for (uint64_t step : states) {
    GPTC_TRY(Json record, readRecord(statePath(output, step)));
    auto loss = record.find("validation_loss");
    if (loss != record.end() && loss->is_number() &&
        loss->get<double>() < best.loss)
      best = {step, loss->get<double>()};
  }
  return best;
}

} // namespace

Expected<uint64_t> bestState(const std::string &output) {
  GPTC_TRY(BestState best, findBest(output));
  return best.step;
}

Expected<std::optional<double>> bestLoss(const std::string &output) {
  GPTC_TRY(BestState best, findBest(output));
  return best.step == 0 ? std::nullopt : std::optional(best.loss);
}

Status checkProgram(const std::string &output, uint64_t step,
                    const Artifact &artifact) {
  std::string folder = statePath(output, step);
  GPTC_TRY(Json record, readRecord(folder));
  const std::string &now = artifact.manifest().source_hash;
  auto before = record.find("source_hash");
  if (before != record.end() && *before == now)
    return {};
  std::string difference;
  if (auto program = record.find("program");
      program != record.end() && program->is_object())
    difference = differenceOf(*program, describe(artifact));
  if (difference.empty())
    difference = fmt::format(
        "source_hash {}, and this run has \"{}\": it was compiled with other "
        "options",
        before == record.end() ? "unknown" : before->dump(), now);
  return failure(ErrorCode::InvalidArgument,
                 "'{}' was saved with {}; go on with what it began with, or "
                 "train into another folder",
                 folder, difference);
}

std::string statePath(const std::string &output, uint64_t step) {
  return fmt::format("{}/{}{:08}", output, prefix, step);
}

Expected<uint64_t> newestState(const std::string &output) {
  GPTC_TRY(std::vector<uint64_t> states, statesOf(output));
  return states.empty() ? 0 : states.back();
}

Status saveState(const std::string &output, uint64_t step,
                 const SaveOptions &options, const TrainingIdentity &identity,
                 Executable &program) {
  const Artifact &artifact = program.artifact();
  std::string path = statePath(output, step);
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(path));
  for (const auto &file : artifact.manifest().files)
    if (file->name != recipeFile && file->name != taskFile &&
        file->name != adaptersFile)
      GPTC_CHECK(writeText(folder / file->name, artifact.text(*file)));
  std::string weights = folder / weightsFile(artifact);
  if (artifact.findFile(adaptersFile)) {
    GPTC_CHECK(writeAdapters(program, weights));
  } else {
    GPTC_TRY(WrittenWeights written, writeWeights(program, weights));
  }
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
  GPTC_CHECK(writeSafetensors(folder / optimizerFile, std::move(tensors)));
  if (program.isInDouble())
    GPTC_CHECK(writeExact(program, folder / exactFile));
  Json json = describe(identity);
  json["source_hash"] = artifact.manifest().source_hash;
  json["program"] = describe(artifact);
  json["step"] = step;
  if (options.validationLoss)
    json["validation_loss"] = *options.validationLoss;
  for (const char *name : hashedFiles(program)) {
    GPTC_TRY(json["sha256"][name], digestOf(folder / name));
  }
  GPTC_CHECK(writeText(folder / "training.json", json.dump(2) + "\n"));
  GPTC_CHECK(folder.commit());
  return prune(output, options.keep);
}

Status loadState(const std::string &output, uint64_t step,
                 const TrainingIdentity &identity, Executable &program) {
  std::string folder = statePath(output, step);
  GPTC_TRY(Json json, readRecord(folder));
  GPTC_CHECK(checkIdentity(folder, json, identity));
  GPTC_CHECK(checkFiles(folder, json, program));
  if (program.artifact().findFile(adaptersFile))
    GPTC_CHECK(loadAdapters(folder + "/" + adapterWeights, program));
  GPTC_TRY(SafetensorsFile file,
           SafetensorsFile::open(folder + "/" + optimizerFile));
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (!isState(*variables[i]))
      continue;
    auto found = file.tensors().find(variables[i]->name);
    uint64_t bytes = program.target().storages[i]->bytes;
    if (found == file.tensors().end() ||
        found->second.type != toDataType(variables[i]->type) ||
        found->second.bytes.size() != bytes)
      return failure(ErrorCode::Corrupt, "'{}/{}' lacks '{}' of {} bytes",
                     folder, optimizerFile, variables[i]->name, bytes);
    GPTC_CHECK(program.writeVariable(i, found->second.bytes));
    file.release(found->second.bytes);
  }
  if (program.isInDouble() && json["sha256"].contains(exactFile))
    return loadExact(folder + "/" + exactFile, program);
  return {};
}

} // namespace gptc
