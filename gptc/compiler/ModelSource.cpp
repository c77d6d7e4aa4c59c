//===- ModelSource.cpp ----------------------------------------------------===//

#include "gptc/compiler/ModelSource.h"

#include "gptc/ir/Dialect.h"
#include "gptc/models/Catalogue.h"
#include "gptc/models/Transformer.h"
#include "gptc/models/checkpoint/HuggingFaceConfig.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/tensors/Pack.h"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <filesystem>
#include <fmt/ranges.h>

namespace gptc {

namespace {

namespace fs = std::filesystem;

Expected<ModelConfig> readConfig(const std::string &folder) {
  GPTC_TRY(std::string text, readTextFile(folder + "/config.json"));
  auto config = parseHuggingFaceConfig(text);
  if (!config)
    return tl::unexpected(config.error().in("'" + folder + "'"));
  return config;
}

/// Whether two configurations compute the same of the same weights.
bool sameComputation(ModelConfig a, const ModelConfig &b) {
  a.name = b.name;
  a.endOfText = b.endOfText;
  return a == b;
}

Status openCheckpoint(ModelSource &source, const std::string &folder) {
  std::error_code code;
  fs::path absolute = fs::canonical(folder, code);
  if (code)
    return failure(ErrorCode::NotFound, "'{}' is no checkpoint folder: {}",
                   folder, code.message());
  source.folder = absolute.string();
  GPTC_TRY(source.checkpoint, Checkpoint::open(source.folder));
  return {};
}

/// Whether the checkpoint has as many layers as its configuration: told before
/// a graph of them is built.
Status checkLayers(const ModelConfig &config, const ModelSource &source) {
  if (!source.checkpoint)
    return {};
  for (int64_t i = 0; i < config.layers; ++i)
    if (std::string name = fmt::format("h.{}.ln_1.weight", i);
        !source.checkpoint->find(name))
      return failure(ErrorCode::NotFound,
                     "the checkpoint '{}' has no tensor '{}', and its "
                     "config.json names {} layers",
                     source.folder, name, config.layers);
  return {};
}

bool hasWeights(const std::string &folder) {
  std::error_code code;
  return fs::exists(folder + "/model.safetensors", code) ||
         fs::exists(folder + "/model.safetensors.index.json", code);
}

/// Whether all that the loader maps of a shared library lies in the file: it
/// does not check, and reading beyond the end is a bus error.
Status checkLibrary(const std::string &path) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  std::span<const std::byte> bytes = file.bytes();
  auto bad = [&](const char *what) {
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is no shared library for this machine, or truncated: "
                   "{}",
                   path, what);
  };
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header))
    return bad("it is too short");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN)
    return bad("its first bytes are not those of one");
  auto inside = [&](uint64_t offset, uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  };
  uint64_t tables = uint64_t(header.e_phnum) * sizeof(Elf64_Phdr);
  if (header.e_phentsize != sizeof(Elf64_Phdr) ||
      !inside(header.e_phoff, tables) ||
      !inside(header.e_shoff, uint64_t(header.e_shnum) * header.e_shentsize))
    return bad("its tables lie outside of it");
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof(segment),
                sizeof(segment));
    if (!inside(segment.p_offset, segment.p_filesz))
      return bad("a segment lies outside of it");
  }
  return {};
}

Expected<Definition> loadDefinition(const std::string &model) {
  size_t colon = model.rfind(':');
  std::string path = model.substr(0, colon), name;
  if (colon != std::string::npos)
    name = model.substr(colon + 1);
  std::error_code code;
  fs::path absolute = fs::canonical(path, code);
  if (code)
    return failure(ErrorCode::NotFound, "cannot open '{}': {}", path,
                   code.message());
  GPTC_CHECK(checkLibrary(absolute));
  void *library = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = ::dlerror();
    return failure(ErrorCode::InvalidArgument,
                   "'{}' cannot be loaded as a shared library: {}", path,
                   reason ? reason : "no reason is given");
  }
  auto *add = reinterpret_cast<void (*)(DefinitionRegistry &)>(
      ::dlsym(library, "gptc_register_definitions"));
  if (!add)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' exports no gptc_register_definitions; see "
                   "gptc/frontend/Definition.h",
                   path);
  DefinitionRegistry registry;
  auto threw = [&](const char *what) {
    return failure(ErrorCode::InvalidArgument,
                   "'{}' threw an exception in gptc_register_definitions: {}",
                   path, what);
  };
  try { // The library is a user's code.
    add(registry);
  } catch (const std::exception &exception) {
    return threw(exception.what());
  } catch (...) {
    return threw("it is of no std::exception");
  }
  if (!registry.errors().empty())
    return failure(ErrorCode::InvalidArgument, "'{}' is wrong:\n{}", path,
                   fmt::join(registry.errors(), "\n"));
  if (registry.all().empty())
    return failure(ErrorCode::NotFound,
                   "'{}' registers no definition; let its "
                   "gptc_register_definitions call registry.add(definition)",
                   path);
  std::vector<std::string> names;
  for (const Definition &definition : registry.all())
    names.push_back(definition.name);
  if (name.empty() && names.size() == 1)
    return registry.all().front();
  if (const Definition *found = registry.find(name))
    return *found;
  return failure(ErrorCode::NotFound,
                 "'{}' defines {}; choose one as '{}:NAME'", path,
                 fmt::join(names, ", "), path);
}

const ModelConfig *findPublished(const std::string &name) {
  for (const ModelConfig &config : publishedModels())
    if (config.name == name)
      return &config;
  return nullptr;
}

bool isLibrary(const std::string &model) {
  return model.ends_with(".so") || model.find(".so:") != std::string::npos;
}

} // namespace

Expected<ModelSource> resolveModel(const std::string &model,
                                   const std::string &checkpoint,
                                   bool withoutWeights) {
  ModelSource source;
  std::error_code code;
  if (const ModelConfig *published = findPublished(model)) {
    source.definition = definitionOf(*published);
    source.model = *published;
    if (checkpoint.empty()) {
      source.config = writeHuggingFaceConfig(*published);
      return source;
    }
    GPTC_CHECK(openCheckpoint(source, checkpoint));
    GPTC_TRY(ModelConfig config, readConfig(source.folder));
    if (!sameComputation(*published, config))
      return failure(ErrorCode::InvalidArgument,
                     "the configuration of '{}' is not that of '{}'; compile "
                     "the folder itself: gptc compile {}",
                     checkpoint, model, checkpoint);
    GPTC_CHECK(checkLayers(config, source));
    return source;
  }
  if (isLibrary(model)) {
    GPTC_TRY(source.definition, loadDefinition(model));
    if (!checkpoint.empty())
      GPTC_CHECK(openCheckpoint(source, checkpoint));
    return source;
  }
  bool there = fs::exists(fs::status(model, code));
  // A loop of links, or a folder that may not be searched.
  if (!there && code && code != std::errc::no_such_file_or_directory &&
      code != std::errc::not_a_directory)
    return tl::unexpected(systemError(code.value(), "open", model));
  if (!there) {
    std::vector<std::string> names;
    for (const ModelConfig &config : publishedModels())
      names.push_back(config.name);
    return failure(ErrorCode::NotFound,
                   "'{}' is no model: neither one of {} nor a checkpoint "
                   "folder, a .so or a .mlir file that exists",
                   model, fmt::join(names, ", "));
  }
  if (!fs::is_directory(model, code))
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is no model: expected a folder with config.json, a "
                   ".so or a .mlir file",
                   model);
  GPTC_TRY(ModelConfig config, readConfig(model));
  config.name = fs::path(model).lexically_normal().filename().string();
  if (config.name.empty()) // The path ends with a slash.
    config.name = fs::path(model).lexically_normal().parent_path().filename();
  source.definition = definitionOf(config);
  source.model = config;
  bool bare = checkpoint.empty() && !hasWeights(model);
  if (bare && withoutWeights) {
    source.folder = fs::canonical(model, code).string();
    return source;
  }
  auto opened = openCheckpoint(source, checkpoint.empty() ? model : checkpoint);
  if (!opened && bare && opened.error().code() == ErrorCode::NotFound)
    return failure(ErrorCode::NotFound,
                   "{}; --init-seed gives a folder without weights random ones",
                   opened.error().message());
  GPTC_CHECK(std::move(opened));
  if (!checkpoint.empty()) {
    GPTC_TRY(ModelConfig other, readConfig(source.folder));
    if (!sameComputation(config, other))
      return failure(ErrorCode::InvalidArgument,
                     "the configuration of '{}' is not that of '{}'",
                     checkpoint, model);
  }
  GPTC_CHECK(checkLayers(config, source));
  return source;
}

Status checkCheckpoint(mlir::ModuleOp module, const Checkpoint &checkpoint) {
  std::set<std::string> used;
  for (auto variable : module.getOps<ir::VariableOp>()) {
    if (!variable.getPieces())
      continue;
    std::vector<SourcePiece> pieces;
    for (auto attribute :
         variable.getPiecesAttr().getAsRange<ir::PieceAttr>()) {
      std::string name = attribute.getTensor().str();
      const TensorView *tensor = checkpoint.find(name);
      if (!tensor && attribute.getOptional())
        continue;
      if (!tensor)
        return failure(ErrorCode::NotFound,
                       "the checkpoint '{}' has no tensor '{}'",
                       checkpoint.folder(), name);
      used.insert(name);
      pieces.push_back({*tensor, attribute.getTransposed()});
    }
    if (pieces.empty())
      continue;
    auto shape = variable.getTensorType().getShape();
    auto matrix = SourceMatrix::create(
        variable.getSymName().str(),
        std::vector<uint64_t>(shape.begin(), shape.end()), std::move(pieces));
    if (!matrix)
      return tl::unexpected(
          matrix.error().in(fmt::format("'{}'", checkpoint.folder())));
  }
  for (const std::string &name : checkpoint.names())
    if (name.starts_with("h.") && !used.contains(name) &&
        !name.ends_with(".attn.bias") && !name.ends_with(".masked_bias") &&
        !name.ends_with(".attention.bias"))
      return failure(
          ErrorCode::Unsupported,
          "the checkpoint '{}' has the tensor '{}', which a model of "
          "its config.json does not use",
          checkpoint.folder(), name);
  return {};
}

const std::vector<std::string> &carriedFiles() {
  static const std::vector<std::string> names{"config.json",
                                              "generation_config.json",
                                              "vocab.json",
                                              "merges.txt",
                                              "tokenizer.json",
                                              "tokenizer_config.json",
                                              "special_tokens_map.json",
                                              "added_tokens.json"};
  return names;
}

} // namespace gptc
