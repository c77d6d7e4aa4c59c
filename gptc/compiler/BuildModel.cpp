//===- BuildModel.cpp -----------------------------------------------------===//

#include "gptc/compiler/BuildModel.h"

#include "gptc/compiler/Phases.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"
#include "gptc/models/Recipes.h"
#include "gptc/runtime/base/Sha256.h"

namespace gptc {

namespace {

using Kind = EntryRequest::Kind;

/// Rows of the compiled prefills: a prompt runs as chunks of them, the last
/// one padded. Few rows cost little more than one, many fill the machine.
constexpr int64_t chunkRows[] = {16, 64, 512};

Status addEntry(std::vector<EntryRequest> &entries, const std::string &name,
                int64_t batch, int64_t capacity, const Recipe &recipe,
                bool accumulates) {
  auto add = [&](Kind kind, const std::string &as, int64_t rows) {
    entries.push_back({kind, as, batch, rows, capacity});
  };
  if (name == "prefill") {
    std::vector<int64_t> rows;
    for (int64_t chunk : chunkRows)
      if (chunk < capacity)
        rows.push_back(chunk);
    if (rows.size() < std::size(chunkRows))
      rows.push_back(capacity);
    for (int64_t chunk : rows)
      add(Kind::Prefill,
          rows.size() == 1 ? name : fmt::format("prefill_{}", chunk), chunk);
  } else if (name == "decode") {
    add(Kind::Decode, name, 1);
  } else if (name == "logits") {
    add(Kind::Logits, name, capacity);
  } else if (name == "score") {
    add(Kind::Score, name, capacity);
  } else if (name == "loss_and_gradients") {
    add(Kind::Loss, name, capacity);
    entries.back().useLoss = [](Graph &graph, const Tensor &loss) {
      gradientResults(graph, loss);
    };
  } else if (name == "train_step") {
    add(Kind::Loss, name, capacity);
    entries.back().useLoss = [recipe, accumulates](Graph &graph,
                                                   const Tensor &loss) {
      trainingStep(graph, loss, recipe, accumulates);
    };
  } else if (name == "accumulate_gradients") {
    add(Kind::Loss, name, capacity);
    entries.back().useLoss = accumulateGradients;
  } else {
    return failure(ErrorCode::InvalidArgument,
                   "--entry: '{}' is no entry point; choose from prefill, "
                   "decode, logits, score, loss_and_gradients, train_step and "
                   "accumulate_gradients",
                   name);
  }
  return {};
}

/// bf16 if every matrix of the checkpoint is, else f32. Vectors are computed
/// with in f32 either way.
std::string typeOf(const Checkpoint &checkpoint) {
  bool any = false;
  for (const std::string &name : checkpoint.names()) {
    const TensorView &tensor = *checkpoint.find(name);
    DataType type = tensor.type;
    if (tensor.shape.size() < 2)
      continue;
    if (type == DataType::F32 || type == DataType::F16 || type == DataType::F64)
      return "f32";
    any = any || type == DataType::BF16;
  }
  return any ? "bf16" : "f32";
}

Status checkSizes(const CompileRequest &request, const ModelInfo &model) {
  constexpr uint64_t most = 65536;
  if (request.context > model.context)
    return failure(ErrorCode::InvalidArgument,
                   "--context: {} is more than the model's context of {}",
                   request.context, model.context);
  if (request.batch > most)
    return failure(ErrorCode::InvalidArgument, "--batch: {} is more than {}",
                   request.batch, most);
  if (!request.dtype.empty() && request.dtype != "f32" &&
      request.dtype != "bf16")
    return failure(ErrorCode::Unsupported,
                   "--dtype: '{}' is not supported; choose f32 or bf16",
                   request.dtype);
  return {};
}

} // namespace

Expected<ModuleInfo> buildModel(Graph &graph, const ModelSource &source,
                                const CompileRequest &request) {
  const ModelInfo &model = source.definition.info;
  GPTC_CHECK(checkSizes(request, model));
  if (source.checkpoint && request.initSeed)
    return failure(ErrorCode::InvalidArgument,
                   "--init-seed: '{}' has weights of its own; a seed is for "
                   "models without a checkpoint",
                   source.folder);
  ModuleInfo info;
  info.name = source.definition.name;
  info.model = model;
  info.batch = request.batch ? request.batch : 1;
  info.capacity = request.context ? request.context : model.context;
  info.type = request.dtype;
  if (info.type.empty())
    info.type = source.checkpoint ? typeOf(*source.checkpoint) : "f32";
  for (const char *target : {"cpu", "vulkan"})
    if (llvm::is_contained(request.targets, target))
      info.targets.push_back(target);
  if (info.targets.empty())
    info.targets.push_back("cpu");
  info.reference = llvm::is_contained(request.targets, "reference");
  info.cpu = request.cpu;
  info.initSeed = request.initSeed.value_or(0);
  info.embed = request.embedWeights;
  info.checkpoint = source.folder;
  if (source.checkpoint)
    info.digest = source.checkpoint->digest();

  std::vector<std::string> names = request.entries;
  if (names.empty())
    names = {"prefill", "decode"};
  if (!request.recipe.empty() && !llvm::is_contained(names, "train_step"))
    return failure(ErrorCode::InvalidArgument,
                   "--recipe: '{}' is for the entry train_step, which is not "
                   "among those asked for; add --entry train_step",
                   request.recipe);
  if (llvm::is_contained(names, "accumulate_gradients") &&
      !llvm::is_contained(names, "train_step"))
    return failure(ErrorCode::InvalidArgument,
                   "--entry: accumulate_gradients sums for train_step, which "
                   "is not among the entries asked for; add it");
  // The optimizer does not depend on the size, which is not known yet.
  GPTC_TRY(Recipe recipe,
           findRecipe(request.recipe.empty() ? recipeOf(model.family, 0)
                                             : request.recipe,
                      0));
  std::vector<EntryRequest> entries;
  for (size_t i = 0; i < names.size(); ++i)
    if (std::find(names.begin(), names.begin() + i, names[i]) !=
        names.begin() + i)
      return failure(ErrorCode::InvalidArgument, "--entry: '{}' is given twice",
                     names[i]);
  for (const std::string &name : names)
    GPTC_CHECK(addEntry(entries, name, int64_t(info.batch),
                        int64_t(info.capacity), recipe,
                        llvm::is_contained(names, "accumulate_gradients")));
  for (const EntryRequest &entry : entries)
    try { // A definition is a user's code.
      source.definition.build(graph, entry);
    } catch (const std::exception &exception) {
      auto status = graph.finish();
      return failure(ErrorCode::InvalidArgument,
                     "the definition '{}' threw an exception while it built "
                     "the entry '{}': {}{}",
                     source.definition.name, entry.name, exception.what(),
                     status ? "" : "\n" + status.error().message());
    }
  if (auto status = graph.finish(); !status)
    return failure(status.error().code(), "the definition '{}' is wrong:\n{}",
                   source.definition.name, status.error().message());

  mlir::ModuleOp module = moduleOf(graph);
  if (source.checkpoint)
    GPTC_CHECK(checkCheckpoint(module, *source.checkpoint));
  info.parameters = countParameters(module);
  if (llvm::is_contained(names, "train_step"))
    info.recipe = request.recipe.empty()
                      ? recipeOf(model.family, info.parameters)
                      : request.recipe;
  GPTC_CHECK(addCosts(module, info));
  attach(module, info);
  std::string text = printModule(module);
  info.sourceHash = Sha256::hex(Sha256::of(std::as_bytes(std::span(text))));
  attach(module, info);
  return info;
}

} // namespace gptc
