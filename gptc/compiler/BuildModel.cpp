//===- BuildModel.cpp -----------------------------------------------------===//

#include "gptc/compiler/BuildModel.h"

#include "gptc/compiler/EntryContract.h"
#include "gptc/compiler/FitMemory.h"
#include "gptc/compiler/Phases.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"
#include "gptc/models/Recipes.h"
#include "gptc/models/TaskHead.h"
#include "gptc/models/Transformer.h"
#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/training/Adapters.h"

#include <fmt/ranges.h>
#include <set>

namespace gptc {

namespace {

using Kind = EntryRequest::Kind;

/// Rows of the compiled prefills: a prompt runs as chunks of them, the last
/// one padded. Few rows cost little more than one, many fill the machine.
constexpr int64_t chunkRows[] = {16, 64, 512};

/// How `train_step` and `accumulate_gradients` are asked for.
struct Training {
  Recipe recipe;
  bool accumulates = false;
};

/// An entry point of a task: its loss, for what becomes of losses, or its
/// logits.
Status addTaskEntry(std::vector<EntryRequest> &entries, const std::string &name,
                    int64_t batch, int64_t capacity, const Training &training,
                    const Task &task) {
  EntryRequest entry{EntryRequest::Kind::States, name, batch * task.sequences(),
                     capacity, capacity};
  entry.addedTokens = Task::marks;
  using Use = std::function<void(Graph &, const Tensor &)>;
  Use use;
  if (name == "loss_and_gradients") {
    use = [](Graph &graph, const Tensor &loss) {
      gradientResults(graph, loss);
    };
  } else if (name == "train_step") {
    use = [training](Graph &graph, const Tensor &loss) {
      trainingStep(graph, loss, training.recipe, training.accumulates);
    };
  } else if (name == "accumulate_gradients") {
    use = accumulateGradients;
  } else if (name != "predict") {
    return failure(ErrorCode::InvalidArgument,
                   "--entry: '{}' is no entry point of a task; choose from "
                   "predict, loss_and_gradients, train_step and "
                   "accumulate_gradients",
                   name);
  }
  if (name == "train_step" || name == "accumulate_gradients")
    entry.dropout = training.recipe.dropout;
  entry.useStates = [use, task, rate = entry.dropout](Graph &graph,
                                                      const Tensor &states,
                                                      const Tensor &table) {
    if (use)
      use(graph, taskLoss(graph, task, states, table, rate));
    else
      graph.result("logits", taskLogits(graph, task, states));
  };
  entries.push_back(std::move(entry));
  return {};
}

Status addEntry(std::vector<EntryRequest> &entries, const std::string &name,
                int64_t batch, int64_t capacity, const Training &training) {
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
    entries.back().useLoss = [training](Graph &graph, const Tensor &loss) {
      trainingStep(graph, loss, training.recipe, training.accumulates);
    };
    entries.back().dropout = training.recipe.dropout;
  } else if (name == "accumulate_gradients") {
    add(Kind::Loss, name, capacity);
    entries.back().useLoss = accumulateGradients;
    entries.back().dropout = training.recipe.dropout;
  } else {
    return failure(ErrorCode::InvalidArgument,
                   "--entry: '{}' is no entry point; choose from prefill, "
                   "decode, logits, score, loss_and_gradients, train_step and "
                   "accumulate_gradients{}",
                   name,
                   name == "predict" ? ", or name what is to be predicted with "
                                       "--task"
                                     : "");
  }
  return {};
}

/// The task that a request names, if it names one.
Expected<std::optional<Task>> taskOf(const CompileRequest &request) {
  if (request.task.empty()) {
    if (request.outputs)
      return failure(ErrorCode::InvalidArgument,
                     "--outputs: {} are those of a task; name it with --task",
                     request.outputs);
    if (request.auxiliary)
      return failure(ErrorCode::InvalidArgument,
                     "--auxiliary: {} weighs a loss beside that of a task; "
                     "name it with --task",
                     *request.auxiliary);
    return std::optional<Task>();
  }
  Task task;
  GPTC_TRY(task.kind, parseTaskKind(request.task, "--task"));
  constexpr uint64_t most = 65536;
  uint64_t least = task.kind == Task::Kind::MultipleChoice ? 2 : 1;
  if (request.outputs < least || request.outputs > most)
    return failure(ErrorCode::InvalidArgument,
                   "--outputs: {} has {} outputs, expected {} to {}: its "
                   "classes or answers, or 1 for a number",
                   request.task, request.outputs, least, most);
  task.outputs = int64_t(request.outputs);
  task.auxiliary = request.auxiliary.value_or(task.auxiliary);
  return std::optional<Task>(task);
}

/// Gives the graph the adapters that a request asks for.
Expected<std::optional<Adapters>> adapt(Graph &graph,
                                        const CompileRequest &request) {
  constexpr uint64_t most = 4096;
  if (request.loraRank == 0) {
    if (!request.loraTargets.empty() || request.loraAlpha != 0)
      return failure(ErrorCode::InvalidArgument,
                     "--lora-targets and --lora-alpha say how adapters are; "
                     "ask for them with --lora RANK");
    return std::optional<Adapters>();
  }
  if (request.loraRank > most)
    return failure(ErrorCode::InvalidArgument, "--lora: {} is more than {}",
                   request.loraRank, most);
  Adapters adapters{int64_t(request.loraRank),
                    request.loraAlpha > 0 ? request.loraAlpha
                                          : 2 * double(request.loraRank)};
  graph.adapt({adapters.rank, adapters.alpha, request.loraTargets});
  return std::optional(adapters);
}

/// Whether each target that a request names stands for a weight.
Status checkAdapted(Graph &graph, const CompileRequest &request) {
  if (request.loraRank == 0)
    return {};
  const auto &adapted = graph.state().adapted;
  for (const std::string &target : request.loraTargets)
    if (!adapted.contains(target)) {
      std::set<std::string> names;
      for (auto variable : moduleOf(graph).getOps<ir::VariableOp>()) {
        llvm::StringRef name = variable.getSymName();
        if (name.consume_back(".weight") && name.contains('.') &&
            variable.getTensorType().getRank() == 2 &&
            !name.starts_with("task."))
          names.insert(name.substr(name.rfind('.') + 1).str());
      }
      return failure(ErrorCode::InvalidArgument,
                     "--lora-targets: no product has a weight '{}'; choose "
                     "from {}",
                     target, fmt::join(names, ", "));
    }
  if (adapted.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--lora: no product of the model has a weight to adapt");
  return {};
}

/// bf16 if every matrix of the checkpoint is, else f32, which holds f16 as it
/// is and does not end at 65504. Vectors are computed with in f32 either way.
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

/// Whether a model trains within a budget as a request has it.
Expected<bool> trainsWithin(uint64_t budget, const ModelSource &source,
                            const CompileRequest &request) {
  Graph graph;
  GPTC_TRY(ModuleInfo info, buildModel(graph, source, request));
  GPTC_TRY(uint64_t least,
           leastPeak(moduleOf(graph), info, budget, request.progress));
  return least <= budget;
}

/// What would train within the budget of a request that does not: gradients
/// that are not clipped, or the largest batch, or context, of half as many and
/// so on, clipped if any of them is.
Expected<std::string> whatWouldFit(const ModelSource &source,
                                   CompileRequest request) {
  uint64_t budget = std::exchange(request.memory, 0);
  uint64_t context = source.definition.info.context;
  request.batch = std::max<uint64_t>(request.batch, 1);
  request.context = request.context ? request.context : context;
  std::string option;
  auto clipNone = [&]() -> Expected<bool> {
    request.clip = 0;
    option = "--clip 0 ";
    return trainsWithin(budget, source, request);
  };
  const auto given = request.clip;
  if (given != 0.0) {
    GPTC_TRY(bool enough, clipNone());
    if (enough)
      return std::string("--clip 0 would fit, without which all gradients are "
                         "there at once");
    request.clip = given;
    option.clear();
  }
  std::vector<std::pair<uint64_t, uint64_t>> smaller;
  for (uint64_t batch = request.batch, tokens = request.context;
       batch > 1 || tokens > 16; smaller.emplace_back(batch, tokens))
    (batch > 1 ? batch : tokens) /= 2;
  auto fits = [&](size_t i) -> Expected<bool> {
    std::tie(request.batch, request.context) = smaller[i];
    return trainsWithin(budget, source, request);
  };
  bool any = false;
  if (!smaller.empty()) {
    GPTC_TRY(any, fits(smaller.size() - 1));
    if (!any && given != 0.0) {
      GPTC_TRY(any, clipNone());
    }
  }
  if (!any)
    return std::string("no batch and context of this model fits");
  size_t from = 0, least = smaller.size() - 1;
  while (from < least) {
    size_t middle = (from + least) / 2;
    GPTC_TRY(bool enough, fits(middle));
    if (enough)
      least = middle;
    else
      from = middle + 1;
  }
  return fmt::format("{}--batch {} --context {} would fit", option,
                     smaller[least].first, smaller[least].second);
}

/// The fewest bytes that variables may take: of parameters that are not trained
/// 16 bits a number where products are narrow.
uint64_t leastOfVariables(mlir::ModuleOp module, const ModuleInfo &info) {
  uint64_t bytes = 0;
  for (auto variable : module.getOps<ir::VariableOp>()) {
    uint64_t own = ir::bytesOf(variable.getTensorType());
    bool narrowed =
        info.type != "f32" && variable.getRole() == ir::Role::Parameter;
    bytes += narrowed ? own / 2 : own;
  }
  return bytes;
}

/// The first entry that computes gradients, or null.
mlir::func::FuncOp entryWithGradients(mlir::ModuleOp module) {
  for (auto entry : module.getOps<mlir::func::FuncOp>())
    if (entry.walk([](ir::GradientOp) { return mlir::WalkResult::interrupt(); })
            .wasInterrupted())
      return entry;
  return {};
}

/// Whether a module can be computed in its type: gradients are small, and most
/// of a loss that is not scaled would vanish in f16.
Status checkGradientType(mlir::ModuleOp module, const std::string &type) {
  auto entry =
      type == "f16" ? entryWithGradients(module) : mlir::func::FuncOp();
  if (!entry)
    return {};
  return failure(ErrorCode::Unsupported,
                 "--dtype: f16 is for inference, and the entry '{}' computes "
                 "gradients, which are often too small for f16 unless the "
                 "loss is scaled; give bf16, which needs no scaling",
                 entry.getSymName().str());
}

/// Fits a built model into the memory that a request names, if it names any.
Expected<Recomputation> fitRequest(mlir::ModuleOp module,
                                   const ModuleInfo &info,
                                   const ModelSource &source,
                                   const CompileRequest &request) {
  if (request.memory == 0)
    return Recomputation();
  if (!entryWithGradients(module))
    return failure(ErrorCode::InvalidArgument,
                   "--memory: what is computed again for want of memory are "
                   "parts of training; add an entry that trains, train_step");
  constexpr double mebibyte = 1024 * 1024;
  // Told without a plan, of which that of a large model takes seconds.
  if (uint64_t least = leastOfVariables(module, info); least > request.memory)
    return failure(ErrorCode::InvalidArgument,
                   "--memory: {:.1f} MiB are not enough: weights and what is "
                   "kept beside them take {:.1f} MiB of '{}' alone, so that "
                   "no batch and context of this model fits",
                   double(request.memory) / mebibyte, double(least) / mebibyte,
                   info.name);
  GPTC_TRY(Fit fit, fitMemory(module, info, request.memory, request.progress));
  if (fit.peak <= request.memory)
    return std::move(fit.recomputed);
  GPTC_TRY(std::string remedy, whatWouldFit(source, request));
  return failure(ErrorCode::InvalidArgument,
                 "--memory: {:.1f} MiB are not enough: with layers computed "
                 "again in the backward pass '{}' takes at least {:.1f} MiB; "
                 "{}",
                 double(request.memory) / mebibyte, info.name,
                 double(fit.peak) / mebibyte, remedy);
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
  auto type = parseDataType(request.dtype);
  if (!request.dtype.empty() && (!type || !isWeightType(*type)))
    return failure(ErrorCode::Unsupported,
                   "--dtype: '{}' is not supported; choose f32, bf16 or f16",
                   request.dtype);
  return {};
}

/// Whether graphs hold the entries of a definition of gptc's own in the sizes
/// that a request asks for.
Status checkEntrySizes(const ModelSource &source, const ModuleInfo &info,
                       const std::vector<EntryRequest> &entries) {
  if (!source.model)
    return {};
  for (const EntryRequest &entry : entries)
    if (std::string why = whyTooLarge(*source.model, entry); !why.empty())
      return failure(ErrorCode::InvalidArgument,
                     "--batch {} and --context {} are too large for '{}' of "
                     "'{}': {}; give smaller ones",
                     info.batch, info.capacity, entry.name, info.name, why);
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
  if (llvm::is_contained(request.targets, "cpu"))
    info.targets.push_back("cpu");
  for (llvm::StringRef target : request.targets)
    if (target == "vulkan" || target.starts_with(vulkanProfile)) {
      info.targets.push_back("vulkan");
      info.profile =
          target.drop_front(std::min(target.size(), vulkanProfile.size()));
    }
  if (info.targets.empty())
    info.targets.push_back("cpu");
  info.reference = llvm::is_contained(request.targets, "reference");
  info.cpu = request.cpu;
  info.initSeed = request.initSeed.value_or(0);
  info.embed = request.embedWeights;
  if (source.checkpoint) {
    info.checkpoint = source.folder;
    info.digest = source.checkpoint->digest();
  }
  info.folder = source.folder;
  info.config = source.config;

  std::vector<std::string> names = request.entries;
  GPTC_TRY(std::optional<Task> task, taskOf(request));
  if (names.empty() && task)
    names = {"predict"};
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
  std::string recipeName = request.recipe;
  if (recipeName.empty())
    recipeName = task ? "gpt1-finetune" : recipeOf(model.family, 0);
  Training training;
  GPTC_TRY(training.recipe, findRecipe(recipeName, 0));
  if (request.dropout) {
    if (!llvm::is_contained(names, "train_step"))
      return failure(ErrorCode::InvalidArgument,
                     "--dropout is for the entry train_step, which is not "
                     "among those asked for; add --entry train_step");
    if (!(*request.dropout >= 0) || *request.dropout >= 1)
      return failure(ErrorCode::InvalidArgument,
                     "--dropout: {} is no rate, expected at least 0 and less "
                     "than 1",
                     *request.dropout);
  }
  if (request.clip && !llvm::is_contained(names, "train_step"))
    return failure(ErrorCode::InvalidArgument,
                   "--clip is for the entry train_step, which is not among "
                   "those asked for; add --entry train_step");
  training.recipe = training.recipe.with(request.dropout, request.clip);
  training.accumulates = llvm::is_contained(names, "accumulate_gradients");
  std::vector<EntryRequest> entries;
  for (size_t i = 0; i < names.size(); ++i)
    if (std::find(names.begin(), names.begin() + i, names[i]) !=
        names.begin() + i)
      return failure(ErrorCode::InvalidArgument, "--entry: '{}' is given twice",
                     names[i]);
  auto batch = int64_t(info.batch), capacity = int64_t(info.capacity);
  for (const std::string &name : names)
    GPTC_CHECK(
        task ? addTaskEntry(entries, name, batch, capacity, training, *task)
             : addEntry(entries, name, batch, capacity, training));
  GPTC_CHECK(checkEntrySizes(source, info, entries));
  if (task)
    info.task = describe(*task);
  GPTC_TRY(std::optional<Adapters> adapters, adapt(graph, request));
  if (adapters)
    info.lora = describe(*adapters);
  for (EntryRequest &entry : entries) {
    bool used = !task;
    guardUses(entry);
    if (task)
      entry.useStates = [&used, use = entry.useStates](Graph &to,
                                                       const Tensor &states,
                                                       const Tensor &table) {
        used = true;
        use(to, states, table);
      };
    auto threw = [&](const char *what) {
      // Not those of an entry that it did not come to end.
      Status status = graph.state().reported();
      return failure(ErrorCode::InvalidArgument,
                     "the definition '{}' threw an exception while it built "
                     "the entry '{}': {}{}",
                     source.definition.name, entry.name, what,
                     status ? "" : "\n" + status.error().message());
    };
    try { // A definition is a user's code.
      source.definition.build(graph, entry);
    } catch (const std::exception &exception) {
      return threw(exception.what());
    } catch (...) {
      return threw("it is of no std::exception");
    }
    if (!used)
      return failure(ErrorCode::Unsupported,
                     "the definition '{}' does not give its states, which a "
                     "task needs; let it handle EntryRequest::Kind::States",
                     source.definition.name);
    GPTC_CHECK(checkEntry(graph, source.definition, entry));
  }
  if (auto status = graph.finish(); !status)
    return failure(status.error().code(), "the definition '{}' is wrong:\n{}",
                   source.definition.name, status.error().message());
  GPTC_CHECK(checkAdapted(graph, request));

  mlir::ModuleOp module = moduleOf(graph);
  GPTC_CHECK(checkGradientType(module, info.type));
  if (source.checkpoint)
    GPTC_CHECK(checkCheckpoint(module, *source.checkpoint));
  info.parameters = countParameters(module);
  if (llvm::is_contained(names, "train_step")) {
    if (request.recipe.empty() && !task)
      recipeName = recipeOf(model.family, info.parameters);
    GPTC_TRY(Recipe recipe, findRecipe(recipeName, info.parameters));
    info.recipe = describe(recipe.with(request.dropout, request.clip));
  }
  GPTC_CHECK(addCosts(module, info));
  GPTC_TRY(info.recomputed, fitRequest(module, info, source, request));
  attach(module, info);
  std::string text = printModule(module);
  info.sourceHash = Sha256::hex(Sha256::of(std::as_bytes(std::span(text))));
  attach(module, info);
  return info;
}

} // namespace gptc
