//===- Checkpoint.cpp -----------------------------------------------------===//

#include "gptc/runtime/tensors/Checkpoint.h"

#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/base/Sha256.h"

#include <filesystem>

namespace gptc {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view prefix = "transformer.";

std::string withoutPrefix(const std::string &name) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

/// Whether something is there. What cannot be told (a loop of links, a folder
/// that may not be read) is an error and not an absence.
Expected<bool> exists(const std::string &path) {
  std::error_code code;
  fs::file_status status = fs::status(path, code);
  if (status.type() == fs::file_type::not_found)
    return false;
  if (code)
    return tl::unexpected(systemError(code.value(), "open", path));
  return true;
}

tl::unexpected<Error> noWeights(const std::string &folder) {
  for (const char *pickle :
       {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt",
        "model.ckpt"})
    if (std::error_code code; fs::exists(folder + "/" + pickle, code))
      return failure(
          ErrorCode::Unsupported,
          "'{}' has its weights in {}, a pickle file; reading one runs code "
          "from inside of it, so gptc does not. Convert it with "
          "transformers: "
          "AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(OUT, "
          "safe_serialization=True)",
          folder, pickle);
  return failure(ErrorCode::NotFound,
                 "'{}' has no model.safetensors and no "
                 "model.safetensors.index.json",
                 folder);
}

/// The tensors that each file of the folder should hold.
Expected<ShardIndex> weightFiles(const std::string &folder) {
  GPTC_TRY(bool found, exists(folder));
  if (!found)
    return failure(ErrorCode::NotFound,
                   "'{}' is no checkpoint folder: it does not exist", folder);
  if (std::error_code code; !fs::is_directory(folder, code))
    return failure(ErrorCode::NotFound,
                   "'{}' is no checkpoint folder: it is no folder", folder);
  std::string index = folder + "/model.safetensors.index.json";
  GPTC_TRY(bool single, exists(folder + "/model.safetensors"));
  if (single)
    return ShardIndex{{"model.safetensors", {}}};
  GPTC_TRY(bool sharded, exists(index));
  if (!sharded)
    return noWeights(folder);
  GPTC_TRY(std::string text, readTextFile(index));
  return parseShardIndex(text, index);
}

} // namespace

Expected<ShardIndex> parseShardIndex(std::string_view text,
                                     const std::string &name) {
  GPTC_TRY(nlohmann::json json, parseJson(text, name));
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object())
    return failure(ErrorCode::Corrupt, "'{}' has no object weight_map", name);
  ShardIndex files;
  for (const auto &[tensor, value] : json["weight_map"].items()) {
    std::string file = value.is_string() ? value.get<std::string>() : "";
    // A name with a folder in it could lead anywhere.
    if (file.empty() || file == "." || file == ".." ||
        file.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
      return failure(ErrorCode::Corrupt,
                     "'{}' names no file of the folder for tensor '{}'", name,
                     tensor);
    files[file].push_back(tensor);
  }
  if (files.empty())
    return failure(ErrorCode::Corrupt, "'{}' names no files", name);
  return files;
}

Expected<Checkpoint> Checkpoint::open(const std::string &folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  GPTC_TRY(ShardIndex files, weightFiles(folder));
  for (const auto &[path, expected] : files) {
    GPTC_TRY(SafetensorsFile file, SafetensorsFile::open(folder + "/" + path));
    for (const std::string &tensor : expected)
      if (!file.tensors().contains(tensor))
        return failure(ErrorCode::Corrupt,
                       "'{}' lacks tensor '{}', which the index expects in it",
                       file.path(), tensor);
    checkpoint.files_.push_back(std::move(file));
  }
  for (const SafetensorsFile &file : checkpoint.files_)
    for (const auto &[name, view] : file.tensors()) {
      if (!checkpoint.tensors_.emplace(withoutPrefix(name), view).second)
        return failure(ErrorCode::Corrupt,
                       "'{}' holds tensor '{}' a second time", file.path(),
                       name);
      checkpoint.storedNames_.emplace(withoutPrefix(name), name);
    }
  return checkpoint;
}

const TensorView *Checkpoint::find(const std::string &name) const {
  auto found = tensors_.find(withoutPrefix(name));
  return found == tensors_.end() ? nullptr : &found->second;
}

const std::string &Checkpoint::storedName(const std::string &name) const {
  return storedNames_.at(withoutPrefix(name));
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto &[name, view] : tensors_)
    names.push_back(name);
  return names;
}

std::string Checkpoint::digest() const {
  Sha256 hash;
  constexpr size_t every = size_t(1) << 20, sample = 4096;
  for (const SafetensorsFile &file : files_) {
    hash.update(file.header());
    for (const auto &[name, view] : file.tensors()) {
      for (size_t at = 0; at < view.bytes.size(); at += every)
        hash.update(
            view.bytes.subspan(at, std::min(sample, view.bytes.size() - at)));
      // The kernel reads more than is asked for.
      file.release(view.bytes);
    }
  }
  return Sha256::hex(hash.finish());
}

void Checkpoint::release(const TensorView &tensor) const {
  for (const SafetensorsFile &file : files_)
    file.release(tensor.bytes);
}

} // namespace gptc
