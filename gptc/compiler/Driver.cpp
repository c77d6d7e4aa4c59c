//===- Driver.cpp ---------------------------------------------------------===//

#include "gptc/compiler/Driver.h"

#include "gptc/compiler/BuildManifest.h"
#include "gptc/compiler/BuildModel.h"
#include "gptc/compiler/ParseModule.h"
#include "gptc/compiler/PlanParts.h"
#include "gptc/compiler/ReferenceRunner.h"
#include "gptc/compiler/Variants.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/models/Catalogue.h"
#include "gptc/models/Recipes.h"
#include "gptc/models/Transformer.h"
#include "gptc/runtime/artifact/ArtifactWriter.h"
#include "gptc/runtime/program/VariableSource.h"
#include "gptc/runtime/text/Tokenizer.h"
#include "gptc/runtime/training/Adapters.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/Task.h"

#include <chrono>
#include <filesystem>
#include <fmt/ranges.h>

namespace gptc {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Writes a variable's stored bytes piece by piece, each made in parallel.
Status produceWeights(const VariableSource &source, ThreadTeam &team,
                      const PendingBlob::Sink &sink) {
  constexpr uint64_t pieceBytes = uint64_t(16) << 20;
  uint64_t units = std::max<uint64_t>(1, pieceBytes / source.unitBytes());
  units = std::min(units, source.units());
  std::vector<std::byte> piece(units * source.unitBytes());
  for (uint64_t from = 0; from < source.units(); from += units) {
    uint64_t count = std::min(units, source.units() - from);
    team.forEach(count, [&](uint64_t i) {
      source.fill(from + i, from + i + 1,
                  piece.data() + i * source.unitBytes());
    });
    GPTC_CHECK(sink(std::span(piece).first(count * source.unitBytes())));
  }
  return {};
}

/// Notes how wide each piece of a variable is and its type, which an export of
/// embedded weights needs to take them apart.
void notePieces(artifact::VariableT &variable, const Checkpoint &checkpoint) {
  for (const auto &piece : variable.pieces)
    if (const TensorView *tensor = checkpoint.find(piece->tensor);
        tensor && !tensor->shape.empty()) {
      piece->width =
          piece->transposed ? tensor->shape.front() : tensor->shape.back();
      piece->type = artifact::ElementType(tensor->type);
    }
}

/// Blobs with the packed weights of a target.
void embedWeights(artifact::ManifestT &manifest, artifact::TargetT &target,
                  const Checkpoint *checkpoint, ThreadTeam &team,
                  std::vector<PendingBlob> &blobs) {
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    artifact::VariableT &variable = *manifest.variables[i];
    if (variable.role != artifact::Role::Parameter)
      continue;
    if (checkpoint)
      notePieces(variable, *checkpoint);
    artifact::StorageT &storage = *target.storages[i];
    storage.embedded = std::make_unique<artifact::BlobT>();
    uint64_t seed = manifest.source->init_seed;
    blobs.push_back({storage.embedded.get(), storage.bytes,
                     [&variable, &storage, checkpoint, seed,
                      &team](const PendingBlob::Sink &sink) -> Status {
                       GPTC_TRY(auto source,
                                VariableSource::create(variable, storage.layout,
                                                       checkpoint, seed, team));
                       return produceWeights(source, team, sink);
                     },
                     BlobDigest::Of::Samples});
  }
}

Expected<CarriedFiles> readCarriedFiles(const std::string &folder) {
  CarriedFiles files;
  std::error_code code;
  for (const std::string &name : carriedFiles())
    if (!folder.empty() && std::filesystem::exists(folder + "/" + name, code)) {
      GPTC_TRY(files[name], readTextFile(folder + "/" + name));
    }
  // What is broken is told now and not when a text is to be generated.
  for (const char *name : {"vocab.json", "merges.txt", "tokenizer.json"})
    if (files.contains(name)) {
      auto tokenizer = Tokenizer::create(files);
      if (!tokenizer)
        return tl::unexpected(
            tokenizer.error().in(fmt::format("the tokenizer of '{}'", folder)));
      break;
    }
  return files;
}

Status writeText(const std::string &path, const std::string &text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

/// Compiles to the phase or artifact that the request asks for.
Expected<CompileSummary> finish(mlir::ModuleOp module,
                                const CompileRequest &request) {
  GPTC_TRY(auto dump, Dump::create(request.dumpDirectory));
  GPTC_TRY(Phase phase, phaseOf(module));
  if (!request.fromPhase.empty() && request.fromPhase != toString(phase))
    return failure(ErrorCode::InvalidArgument,
                   "--from: '{}' is in phase '{}', not '{}'", request.model,
                   toString(phase).str(), request.fromPhase);
  Phase to = Phase::Artifact;
  if (!request.toPhase.empty()) {
    GPTC_TRY(to, parsePhase(request.toPhase));
    if (to < phase)
      return failure(ErrorCode::InvalidArgument,
                     "--to: '{}' is in phase '{}' already, which is after '{}'",
                     request.model, toString(phase).str(), request.toPhase);
  }
  dump->numbered(toString(phase).str() + ".mlir",
                 dump->active() ? printModule(module) : "");
  GPTC_TRY(ModuleInfo info, infoOf(module));
  if (to == Phase::Artifact) {
    GPTC_TRY(CarriedFiles files, readCarriedFiles(info.folder));
    if (!info.config.empty())
      files["config.json"] = info.config;
    return compileModule(module, files, request.output, *dump,
                         request.progress);
  }
  if (to > Phase::Gradient && info.targets.size() > 1)
    return failure(ErrorCode::InvalidArgument,
                   "--to: the module of phase '{}' is that of one target; give "
                   "one with --target",
                   request.toPhase);
  GPTC_CHECK(advance(module, to, info.type, *dump,
                     fusionCapabilities(info.targets.front()), "",
                     request.progress));
  CompileSummary summary;
  summary.text = printModule(module);
  if (!request.output.empty()) {
    GPTC_CHECK(writeText(request.output, summary.text));
    summary.text.clear();
  }
  return summary;
}

/// Refuses to replace what is being compiled.
Status checkOutput(const CompileRequest &request) {
  namespace fs = std::filesystem;
  std::error_code code;
  fs::path output = request.output;
  if (output.empty() || !fs::exists(output, code))
    return {};
  for (const std::string &input : {request.model, request.checkpoint}) {
    bool same = fs::equivalent(input, output, code);
    bool inside =
        fs::is_directory(input, code) &&
        fs::equivalent(input, fs::absolute(output).parent_path(), code) &&
        output.extension() != ".gptc";
    if (same || inside)
      return failure(ErrorCode::InvalidArgument,
                     "-o: '{}' is a file of what is being compiled; write to "
                     "another one",
                     request.output);
  }
  return {};
}

Status checkProfile(const std::string &profile) {
  if (auto targets = vulkan::targetsOf(profile); !targets)
    return tl::unexpected(targets.error().in("--target"));
  return {};
}

Status checkTargets(const std::vector<std::string> &targets) {
  bool runs = targets.empty();
  for (const std::string &target : targets) {
    bool hasProfile = target.starts_with(vulkanProfile);
    if (hasProfile)
      GPTC_CHECK(checkProfile(target.substr(vulkanProfile.size())));
    else if (target != "cpu" && target != "vulkan" && target != "reference")
      return failure(ErrorCode::Unsupported,
                     "--target: '{}' is not supported; choose among cpu, "
                     "vulkan and reference",
                     target);
    runs = runs || target != "reference";
    std::string name = hasProfile ? "vulkan" : target;
    auto isSame = [&](const std::string &other) {
      return other == name ||
             (name == "vulkan" && other.starts_with(vulkanProfile));
    };
    if (llvm::count_if(targets, isSame) > 1)
      return failure(ErrorCode::InvalidArgument,
                     "--target: '{}' is given twice", name);
  }
  if (!runs)
    return failure(ErrorCode::Unsupported,
                   "--target: the reference comes beside another target; give "
                   "cpu,reference");
  return {};
}

/// Options that say what a module is, which a .mlir file does not leave open.
Status refuseModelOptions(const CompileRequest &request) {
  const std::pair<const char *, bool> options[] = {
      {"--dtype", !request.dtype.empty()},
      {"--batch", request.batch != 0},
      {"--context", request.context != 0},
      {"--entry", !request.entries.empty()},
      {"--checkpoint", !request.checkpoint.empty()},
      {"--init-seed", request.initSeed.has_value()},
      {"--target", !request.targets.empty()},
      {"--recipe", !request.recipe.empty()},
      {"--memory", request.memory != 0},
      {"--dropout", request.dropout.has_value()},
      {"--clip", request.clip.has_value()},
      {"--task", !request.task.empty()},
      {"--outputs", request.outputs != 0},
      {"--auxiliary", request.auxiliary.has_value()},
      {"--lora", request.loraRank != 0},
      {"--lora-alpha", request.loraAlpha != 0},
      {"--lora-targets", !request.loraTargets.empty()}};
  std::vector<std::string> given;
  for (const auto &[name, isGiven] : options)
    if (isGiven)
      given.emplace_back(name);
  if (given.empty())
    return {};
  return failure(ErrorCode::InvalidArgument,
                 "'{}' has its types, sizes, entry points, targets, task and "
                 "checkpoint already; {} {} for models",
                 request.model, fmt::join(given, " and "),
                 given.size() == 1 ? "is" : "are");
}

/// Gives a module that was read what is decided after all phases alone.
Status takeOptions(const CompileRequest &request, ModuleInfo &info) {
  info.embed = info.embed || request.embedWeights;
  if (request.cpu.empty())
    return {};
  if (!llvm::is_contained(info.targets, "cpu"))
    return failure(ErrorCode::InvalidArgument,
                   "--cpu: '{}' is an instruction set of the CPU, for which "
                   "'{}' is not; leave it out",
                   request.cpu, request.model);
  info.cpu = request.cpu;
  return {};
}

/// Makes a module of phase gradient or later that of one target alone.
void narrowTo(mlir::ModuleOp module, ModuleInfo info,
              const std::string &target) {
  if (info.targets.size() == 1)
    return;
  info.targets = {target};
  attach(module, info);
}

/// Whether a target's module has the variables that the manifest lists, which
/// are those of another target.
Status checkVariables(const artifact::ManifestT &manifest,
                      const artifact::ManifestT &other,
                      const std::string &target) {
  bool same = manifest.variables.size() == other.variables.size();
  for (size_t i = 0; same && i < manifest.variables.size(); ++i)
    same = manifest.variables[i]->name == other.variables[i]->name &&
           manifest.variables[i]->type == other.variables[i]->type;
  if (!same)
    return failure(ErrorCode::Internal,
                   "the target {} has other variables than the targets before "
                   "it",
                   target);
  return {};
}

} // namespace

Expected<CompileSummary>
compileModule(mlir::ModuleOp module, const CarriedFiles &files,
              const std::string &output, Dump &dump,
              const TextProgress &progress,
              const std::vector<vulkan::VulkanTarget> &vulkanTargets) {
  Clock::time_point begin = Clock::now();
  GPTC_TRY(ModuleInfo info, infoOf(module));
  std::vector<vulkan::VulkanTarget> chosen = vulkanTargets;
  if (!info.profile.empty()) {
    GPTC_TRY(chosen, vulkan::targetsOf(info.profile));
  }
  std::vector<char> bytecode;
  if (info.reference) {
    GPTC_TRY(Phase phase, phaseOf(module));
    if (phase > Phase::Gradient)
      return failure(ErrorCode::Unsupported,
                     "the target reference needs the module of phase model or "
                     "gradient, and this one is in phase '{}'; compile without "
                     "it",
                     toString(phase).str());
    GPTC_CHECK(advance(module, Phase::Gradient, info.type, dump));
    GPTC_TRY(bytecode, toBytecode(module));
  }
  bool several = info.targets.size() > 1;
  if (several)
    GPTC_CHECK(advance(module, Phase::Gradient, info.type, dump));
  artifact::ManifestT manifest;
  std::vector<std::unique_ptr<artifact::TargetT>> targets;
  std::vector<PendingBlob> blobs;
  for (const std::string &name : info.targets) {
    // The last target may have the module itself.
    mlir::OwningOpRef<mlir::ModuleOp> copy;
    if (name != info.targets.back())
      copy = module.clone();
    mlir::ModuleOp own = copy ? *copy : module;
    narrowTo(own, info, name);
    GPTC_CHECK(advance(own, Phase::Program, info.type, dump,
                       fusionCapabilities(name), several ? name : "",
                       progress));
    GPTC_TRY(artifact::ManifestT described, describeModel(own, info));
    if (targets.empty())
      manifest = std::move(described);
    else
      GPTC_CHECK(checkVariables(manifest, described, name));
    GPTC_TRY(auto target, describeTarget(name, own, info));
    GPTC_CHECK(
        addVariants(name, own, info, *target, blobs, dump, progress, chosen));
    // Of a variant alone, whose matrices no product has the type for.
    if (!info.profile.empty() && name == "vulkan" && target->variants.empty())
      return failure(ErrorCode::InvalidArgument,
                     "--target: the variant '{}' has nothing for this model: "
                     "it is for products in {}; give --dtype {}, or another "
                     "profile",
                     info.profile, chosen.front().matrixType,
                     chosen.front().matrixType);
    targets.push_back(std::move(target));
  }
  CarriedFiles carried = files;
  if (!info.recipe.empty())
    carried[recipeFile] = info.recipe;
  if (!info.task.empty())
    carried[taskFile] = info.task;
  if (!info.lora.empty())
    carried[adaptersFile] = info.lora;
  for (const auto &[name, content] : carried) {
    auto file = std::make_unique<artifact::FileT>();
    file->name = name;
    file->blob = std::make_unique<artifact::BlobT>();
    blobs.push_back(
        PendingBlob::of(file->blob.get(), std::as_bytes(std::span(content))));
    manifest.files.push_back(std::move(file));
  }
  GPTC_CHECK(dump.status());

  std::optional<Checkpoint> checkpoint;
  std::unique_ptr<ThreadTeam> team;
  if (info.embed) {
    if (!info.checkpoint.empty()) {
      GPTC_TRY(checkpoint, Checkpoint::open(info.checkpoint));
      GPTC_CHECK(checkCheckpoint(module, *checkpoint));
      if (checkpoint->digest() != info.digest)
        return failure(ErrorCode::Corrupt,
                       "the checkpoint '{}' changed since the module was made",
                       info.checkpoint);
    }
    GPTC_TRY(team, ThreadTeam::create(0));
    for (const auto &target : targets)
      embedWeights(manifest, *target, checkpoint ? &*checkpoint : nullptr,
                   *team, blobs);
  }

  CompileSummary summary;
  if (info.checkpoint.empty())
    summary.seed = info.initSeed;
  for (auto &target : targets) {
    summary.kernels += target->kernels.size();
    for (const auto &program : target->programs)
      summary.dispatches += program->dispatches.size();
    manifest.targets.push_back(std::move(target));
  }
  if (info.reference) {
    auto reference = std::make_unique<artifact::TargetT>();
    reference->name = "reference";
    reference->module_ = std::make_unique<artifact::BlobT>();
    blobs.push_back(PendingBlob::of(reference->module_.get(),
                                    std::as_bytes(std::span(bytecode))));
    manifest.targets.push_back(std::move(reference));
  }
  uint64_t bytes = 0;
  for (const PendingBlob &blob : blobs)
    bytes += blob.size;
  if (progress)
    tellBytes(blobs, bytes, [&](uint64_t done, uint64_t all) {
      progress(fmt::format("writing: {} of {} MiB", done >> 20, all >> 20));
    });
  GPTC_TRY(summary.bytes, writeArtifact(output, manifest, blobs));
  summary.seconds = secondsSince(begin);
  return summary;
}

Expected<CompileSummary>
compileGraph(Graph &graph, const std::string &type, uint64_t seed,
             const std::string &output, const std::vector<std::string> &targets,
             const std::vector<vulkan::VulkanTarget> &vulkanTargets) {
  GPTC_CHECK(graph.finish());
  mlir::ModuleOp module = moduleOf(graph);
  ModuleInfo info;
  info.type = type;
  for (const std::string &target : targets)
    if (target != "reference")
      info.targets.push_back(target);
  info.reference = info.targets.size() < targets.size();
  info.initSeed = seed;
  info.parameters = countParameters(module);
  GPTC_CHECK(addCosts(module, info));
  attach(module, info);
  GPTC_TRY(auto dump, Dump::create(""));
  return compileModule(module, {}, output, *dump, {}, vulkanTargets);
}

Expected<CompileSummary> compileModel(const CompileRequest &request) {
  Clock::time_point begin = Clock::now();
  GPTC_CHECK(checkTargets(request.targets));
  if (!request.cpu.empty() && !request.targets.empty() &&
      !llvm::is_contained(request.targets, "cpu"))
    return failure(ErrorCode::InvalidArgument,
                   "--cpu: '{}' is an instruction set of the CPU, which "
                   "--target leaves out; drop one of them",
                   request.cpu);
  if (request.output.empty() &&
      (request.toPhase.empty() || request.toPhase == "artifact"))
    return failure(ErrorCode::InvalidArgument,
                   "there is nowhere to write to: give -o FILE.gptc, or --to "
                   "PHASE to print a phase");
  GPTC_CHECK(checkOutput(request));
  Expected<CompileSummary> summary = CompileSummary{};
  if (request.model.ends_with(".mlir")) {
    GPTC_CHECK(refuseModelOptions(request));
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    ir::loadDialects(context);
    GPTC_TRY(auto module, parseModule(request.model, context));
    auto info = infoOf(*module);
    if (!info)
      return tl::unexpected(info.error().in("'" + request.model + "'"));
    if (auto status = checkInfo(*module, *info); !status)
      return tl::unexpected(status.error().in("'" + request.model + "'"));
    GPTC_CHECK(takeOptions(request, *info));
    attach(*module, *info);
    summary = finish(*module, request);
  } else {
    if (!request.fromPhase.empty() && request.fromPhase != "model")
      return failure(ErrorCode::InvalidArgument,
                     "--from: '{}' begins in phase 'model'; to begin in phase "
                     "'{}' give the .mlir file of that phase",
                     request.model, request.fromPhase);
    GPTC_TRY(ModelSource source,
             resolveModel(request.model, request.checkpoint,
                          /*withoutWeights=*/request.initSeed.has_value()));
    Graph graph;
    if (request.progress)
      request.progress("phase model");
    GPTC_TRY(ModuleInfo info, buildModel(graph, source, request));
    summary = finish(moduleOf(graph), request);
    if (summary)
      summary->recomputed = std::move(info.recomputed);
  }
  if (summary)
    summary->seconds = secondsSince(begin);
  return summary;
}

Expected<PlanSummary> planModel(const CompileRequest &request) {
  if (request.model.ends_with(".mlir"))
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is a phase of a model, and plan takes models and "
                   "artifacts: compile it with -o FILE.gptc, and plan that",
                   request.model);
  GPTC_CHECK(checkTargets(request.targets));
  GPTC_TRY(ModelSource source, resolveModel(request.model, request.checkpoint,
                                            /*withoutWeights=*/true));
  Graph graph;
  GPTC_TRY(ModuleInfo info, buildModel(graph, source, request));
  mlir::ModuleOp module = moduleOf(graph);
  PlanSummary plan;
  plan.recomputed = info.recomputed;
  GPTC_TRY(auto dump, Dump::create(""));
  const std::string &planned = info.targets.front();
  GPTC_CHECK(advance(module, Phase::Program, info.type, *dump,
                     fusionCapabilities(planned)));
  plan.parameters = info.parameters;
  plan.batch = uint64_t(info.batch);
  plan.context = uint64_t(info.capacity);
  plan.isNarrow = info.type != "f32";
  for (auto variable : module.getOps<ir::VariableOp>()) {
    ir::Role role = variable.getRole();
    (role == ir::Role::Parameter   ? plan.weightsBytes
     : role == ir::Role::Optimizer ? plan.optimizerBytes
                                   : plan.cacheBytes) +=
        ir::bytesOf(variable.getTensorType());
  }
  GPTC_TRY(auto target, describeTarget(planned, module, info));
  mlir::func::FuncOp largest;
  for (auto [function, program] :
       llvm::zip(module.getOps<mlir::func::FuncOp>(), target->programs)) {
    PlanEntry entry;
    entry.name = function.getSymName().str();
    entry.flops = info.entries[entry.name].flops;
    entry.bytes = info.entries[entry.name].bytes;
    entry.parts = info.parts[entry.name];
    addTraffic(function, *program, entry.parts);
    for (const WorkPart &part : entry.parts)
      entry.traffic += part.traffic;
    if (!largest || program->arena_bytes > plan.arenaBytes) {
      largest = function;
      plan.peakEntry = entry.name;
      plan.arenaBytes = program->arena_bytes;
    }
    plan.entries.push_back(std::move(entry));
  }
  plan.parts = memoryOf(largest, info.model.vocabulary);
  return plan;
}

std::vector<ModelSummary> listModels() {
  std::vector<ModelSummary> models;
  for (const ModelConfig &config : publishedModels()) {
    Definition definition = definitionOf(config);
    Graph graph;
    definition.build(graph, {EntryRequest::Kind::Logits, "logits", 1, 1, 1});
    const ModelInfo &info = definition.info;
    models.push_back({config.name, info.layers, info.width, info.heads,
                      info.headSize, info.context, info.vocabulary,
                      countParameters(moduleOf(graph))});
  }
  return models;
}

} // namespace gptc
