//===- Inspect.cpp - gptc inspect -----------------------------------------===//

#include "CommandLine.h"

#include <fmt/ranges.h>

namespace gptc::tool {

namespace {

using namespace gptc::artifact;

std::string nameOf(ElementType type) {
  return std::string(toString(toDataType(type)));
}

std::string typeOf(const ParameterT &parameter) {
  return fmt::format("{}: {}[{}]", parameter.name, nameOf(parameter.type),
                     fmt::join(parameter.shape, ", "));
}

template <typename Enum> std::string lower(Enum value, const char *name) {
  std::string text = name;
  for (char &c : text)
    c = char(std::tolower(c));
  return text;
}

/// The entries that a target has programs for, in its order.
std::vector<std::string> entriesOf(const ManifestT &manifest,
                                   const TargetT &target) {
  std::vector<std::string> names;
  for (const auto &program : target.programs)
    names.push_back(manifest.entries[program->entry]->name);
  return names;
}

uint64_t arenaOf(const TargetT &target) {
  uint64_t bytes = 0;
  for (const auto &program : target.programs)
    bytes = std::max(bytes, program->arena_bytes);
  return bytes;
}

/// Bytes of machine code, or of SPIR-V.
uint64_t codeBytes(const VariantT &variant) {
  uint64_t bytes = variant.library ? variant.library->size : 0;
  for (const auto &implementation : variant.implementations)
    if (implementation->spirv)
      bytes += implementation->spirv->size;
  return bytes;
}

Json parametersJson(const std::vector<std::unique_ptr<ParameterT>> &list) {
  Json json = Json::array();
  for (const auto &parameter : list)
    json.push_back({{"name", parameter->name},
                    {"type", nameOf(parameter->type)},
                    {"shape", parameter->shape}});
  return json;
}

Json targetJson(const ManifestT &manifest, const TargetT &target) {
  Json kernels = Json::array();
  for (const auto &kernel : target.kernels)
    kernels.push_back(
        {{"name", kernel->name},
         {"family", lower(kernel->family, EnumNameFamily(kernel->family))}});
  uint64_t dispatches = 0;
  Json programs = Json::object();
  for (const auto &program : target.programs) {
    dispatches += program->dispatches.size();
    programs[manifest.entries[program->entry]->name] = {
        {"dispatches", program->dispatches.size()},
        {"arena_bytes", program->arena_bytes}};
  }
  Json variants = Json::array();
  for (const auto &variant : target.variants)
    variants.push_back({{"name", variant->name},
                        {"features", variant->features},
                        {"code_bytes", codeBytes(*variant)}});
  return {{"type", nameOf(target.type)},
          {"entries", entriesOf(manifest, target)},
          {"kernels", kernels},
          {"dispatches", dispatches},
          {"arena_bytes", arenaOf(target)},
          {"variables_bytes", target.variables_bytes},
          {"programs", programs},
          {"variants", variants}};
}

void printAsJson(const Artifact &artifact) {
  const ManifestT &manifest = artifact.manifest();
  Json variables = Json::array();
  for (const auto &variable : manifest.variables)
    variables.push_back(
        {{"name", variable->name},
         {"role", lower(variable->role, EnumNameRole(variable->role))},
         {"type", nameOf(variable->type)},
         {"shape", variable->shape}});
  Json entries = Json::array();
  for (const auto &entry : manifest.entries)
    entries.push_back({{"name", entry->name},
                       {"arguments", parametersJson(entry->arguments)},
                       {"results", parametersJson(entry->results)},
                       {"flops", entry->flops},
                       {"bytes", entry->bytes}});
  Json targets = Json::object();
  for (const auto &target : manifest.targets)
    targets[target->name] = targetJson(manifest, *target);
  Json files = Json::array();
  for (const auto &file : manifest.files)
    files.push_back(file->name);
  const ModelT &model = *manifest.model;
  printJson(
      {{"version", artifactVersion},
       {"compiler", manifest.compiler_version},
       {"model",
        {{"name", model.name},
         {"family", model.family},
         {"layers", model.layers},
         {"width", model.width},
         {"heads", model.heads},
         {"head_size", model.head_size},
         {"context", model.context},
         {"vocabulary", model.vocabulary},
         {"parameters", model.parameters},
         {"batch", model.batch},
         {"capacity", model.capacity}}},
       {"dtype",
        manifest.targets.empty() ? "" : nameOf(manifest.targets[0]->type)},
       {"source_hash", manifest.source_hash},
       {"checkpoint", manifest.source->checkpoint},
       {"init_seed", manifest.source->init_seed},
       {"embedded", manifest.source->embedded},
       {"files", files},
       {"variables", variables},
       {"entries", entries},
       {"targets", targets}});
}

std::string placeOf(const ManifestT &manifest, const ProgramT &program,
                    const BufferT &buffer) {
  const EntryT &entry = *manifest.entries[program.entry];
  switch (buffer.space) {
  case BufferSpace::Arena:
    return fmt::format("arena+{}", buffer.offset);
  case BufferSpace::Variable:
    return manifest.variables[buffer.index]->name;
  case BufferSpace::Argument:
    return "argument " + entry.arguments[buffer.index]->name;
  case BufferSpace::Result:
    return "result " +
           (buffer.index < entry.results.size()
                ? entry.results[buffer.index]
                : program.results[buffer.index - entry.results.size()])
               ->name;
  }
  return "";
}

void printTarget(const ManifestT &manifest, const TargetT &target) {
  print(fmt::format("\ntarget {} in {}: {} of variables, {} of arena\n",
                    target.name, nameOf(target.type),
                    formatBytes(target.variables_bytes),
                    formatBytes(arenaOf(target))));
  for (const auto &variant : target.variants)
    print(fmt::format("  variant {}: {} of code, needs {}\n", variant->name,
                      formatBytes(codeBytes(*variant)),
                      fmt::join(variant->features, " ")));
  print(fmt::format("\nkernels ({})\n", target.kernels.size()));
  for (const auto &kernel : target.kernels)
    print(fmt::format("  {:<12}{}\n",
                      lower(kernel->family, EnumNameFamily(kernel->family)),
                      kernel->name));
  for (const auto &program : target.programs) {
    print(fmt::format("\nprogram {}: {} dispatches, {} of arena\n",
                      manifest.entries[program->entry]->name,
                      program->dispatches.size(),
                      formatBytes(program->arena_bytes)));
    for (const auto &dispatch : program->dispatches) {
      std::vector<std::string> buffers;
      for (uint32_t buffer : dispatch->buffers)
        buffers.push_back(
            placeOf(manifest, *program, *program->buffers[buffer]));
      print(fmt::format("  {:<22} {} ({})\n", dispatch->scope,
                        target.kernels[dispatch->kernel]->name,
                        fmt::join(buffers, ", ")));
    }
  }
}

Status run(const std::string &path, bool json) {
  GPTC_TRY(auto artifact, Artifact::open(path));
  if (json) {
    printAsJson(*artifact);
    return {};
  }
  const ManifestT &manifest = artifact->manifest();
  const ModelT &model = *manifest.model;
  const SourceT &source = *manifest.source;
  print(fmt::format("{}: version {}, by gptc {}, {}\n", path, artifactVersion,
                    manifest.compiler_version, formatBytes(artifact->size())));
  print(fmt::format("model {} ({}): {} layers, width {}, {} heads of {}, "
                    "context {}, vocabulary {}, {} parameters\n",
                    model.name, model.family, model.layers, model.width,
                    model.heads, model.head_size, model.context,
                    model.vocabulary, model.parameters));
  print(fmt::format("compiled for batch {} and context {}; source {}\n",
                    model.batch, model.capacity, manifest.source_hash));
  print(fmt::format("weights: {}{}\n",
                    source.checkpoint.empty()
                        ? fmt::format("from seed {}", source.init_seed)
                        : "from " + source.checkpoint,
                    source.embedded ? ", embedded" : ""));
  std::vector<std::string> files;
  for (const auto &file : manifest.files)
    files.push_back(file->name);
  print(fmt::format("files: {}\n\nentry points\n",
                    files.empty() ? "none"
                                  : fmt::format("{}", fmt::join(files, ", "))));
  for (const auto &entry : manifest.entries) {
    std::vector<std::string> arguments, results;
    for (const auto &parameter : entry->arguments)
      arguments.push_back(typeOf(*parameter));
    for (const auto &parameter : entry->results)
      results.push_back(typeOf(*parameter));
    print(fmt::format("  {}({}) -> ({})\n", entry->name,
                      fmt::join(arguments, ", "), fmt::join(results, ", ")));
  }
  print(fmt::format("\nvariables ({})\n", manifest.variables.size()));
  for (const auto &variable : manifest.variables)
    print(fmt::format("  {:<10}{} {}[{}]\n",
                      lower(variable->role, EnumNameRole(variable->role)),
                      variable->name, nameOf(variable->type),
                      fmt::join(variable->shape, ", ")));
  for (const auto &target : manifest.targets)
    printTarget(manifest, *target);
  return {};
}

} // namespace

void addInspect(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "inspect", "Show what an artifact holds; runs nothing of it");
  auto file = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("FILE", *file, "The artifact")->required();
  command->add_flag("--json", *json, "Print JSON");
  command->footer("Example: gptc inspect gpt2.gptc");
  command->callback([&action, file, json] {
    action = [file, json] { return run(*file, *json); };
  });
}

} // namespace gptc::tool
