//===- Checkpoint.cpp -----------------------------------------------------===//

#include "gptc/runtime/tensors/Checkpoint.h"

#include "gptc/runtime/base/Sha256.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

namespace gptc {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view prefix = "transformer.";

std::string withoutPrefix(const std::string &name) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

/// Files with the weights, in the order of their names.
Expected<std::vector<std::string>> weightFiles(const std::string &folder) {
  std::error_code code;
  if (!fs::is_directory(folder, code))
    return failure(
        ErrorCode::NotFound, "'{}' is no checkpoint folder: {}", folder,
        fs::exists(folder, code) ? "it is no folder" : "it does not exist");
  std::string single = folder + "/model.safetensors";
  std::string index = single + ".index.json";
  if (fs::exists(single, code))
    return std::vector<std::string>{single};
  if (!fs::exists(index, code)) {
    for (const char *pickle :
         {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt",
          "model.ckpt"})
      if (fs::exists(folder + "/" + pickle, code))
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
  GPTC_TRY(std::string text, readTextFile(index));
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object() ||
      !json.contains("weight_map") || !json["weight_map"].is_object())
    return failure(ErrorCode::Corrupt, "'{}' has no object weight_map", index);
  std::set<std::string> names;
  for (const auto &[tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() ||
        file.get<std::string>().find('/') != std::string::npos ||
        file.get<std::string>().empty())
      return failure(ErrorCode::Corrupt,
                     "'{}' names no file of the folder for tensor '{}'", index,
                     tensor);
    names.insert(folder + "/" + file.get<std::string>());
  }
  if (names.empty())
    return failure(ErrorCode::Corrupt, "'{}' names no files", index);
  return std::vector<std::string>(names.begin(), names.end());
}

} // namespace

Expected<Checkpoint> Checkpoint::open(const std::string &folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  GPTC_TRY(std::vector<std::string> paths, weightFiles(folder));
  for (const std::string &path : paths) {
    GPTC_TRY(SafetensorsFile file, SafetensorsFile::open(path));
    checkpoint.files_.push_back(std::move(file));
  }
  for (const SafetensorsFile &file : checkpoint.files_)
    for (const auto &[name, view] : file.tensors())
      if (!checkpoint.tensors_.emplace(withoutPrefix(name), view).second)
        return failure(ErrorCode::Corrupt,
                       "'{}' holds tensor '{}' a second time", file.path(),
                       name);
  return checkpoint;
}

const TensorView *Checkpoint::find(const std::string &name) const {
  auto found = tensors_.find(withoutPrefix(name));
  return found == tensors_.end() ? nullptr : &found->second;
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
    for (const auto &[name, view] : file.tensors())
      for (size_t at = 0; at < view.bytes.size(); at += every)
        hash.update(
            view.bytes.subspan(at, std::min(sample, view.bytes.size() - at)));
  }
  return Sha256::hex(hash.finish());
}

} // namespace gptc
