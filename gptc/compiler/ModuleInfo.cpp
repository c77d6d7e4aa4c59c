//===- ModuleInfo.cpp -----------------------------------------------------===//

#include "gptc/compiler/ModuleInfo.h"

#include "gptc/compiler/PlanParts.h"
#include "gptc/passes/Passes.h"

namespace gptc {

namespace {

constexpr llvm::StringLiteral infoAttr = "gptc.info";

/// Reads members of a dictionary; the first failure is kept.
class Members {
public:
  explicit Members(mlir::DictionaryAttr dictionary) : dictionary(dictionary) {}

  void read(llvm::StringRef name, std::string &to) {
    if (auto text = find<mlir::StringAttr>(name))
      to = text.str();
  }
  void read(llvm::StringRef name, uint64_t &to) {
    if (auto number = find<mlir::IntegerAttr>(name))
      to = number.getValue().getZExtValue();
  }
  /// A size of the model, which artifacts bound so.
  void readSize(llvm::StringRef name, uint64_t &to) {
    constexpr int64_t most = (int64_t(1) << 31) - 1;
    int64_t value = 0;
    read(name, value);
    to = uint64_t(value);
    if (status && (value < 0 || value > most))
      status = failure(ErrorCode::InvalidArgument,
                       "the module's attribute {} has '{}' of {}, expected 0 "
                       "to {}",
                       infoAttr.str(), name.str(), value, most);
  }
  void read(llvm::StringRef name, int64_t &to) {
    if (auto number = find<mlir::IntegerAttr>(name))
      to = number.getValue().getSExtValue();
  }
  void read(llvm::StringRef name, bool &to) {
    if (auto flag = find<mlir::BoolAttr>(name))
      to = flag.getValue();
  }
  void read(llvm::StringRef name, std::vector<std::string> &to) {
    if (auto list = find<mlir::ArrayAttr>(name))
      for (auto text : list.getAsRange<mlir::StringAttr>())
        to.push_back(text.str());
  }
  template <typename T> T find(llvm::StringRef name) {
    T found = dictionary.getAs<T>(name);
    if (!found && status)
      status = failure(ErrorCode::InvalidArgument,
                       "the module's attribute {} has no '{}'", infoAttr.str(),
                       name.str());
    return found;
  }

  mlir::DictionaryAttr dictionary;
  Status status;
};

} // namespace

void attach(mlir::ModuleOp module, const ModuleInfo &info) {
  mlir::Builder builder(module.getContext());
  llvm::SmallVector<mlir::NamedAttribute> members;
  auto add = [&](llvm::StringRef name, mlir::Attribute value) {
    members.push_back(builder.getNamedAttr(name, value));
  };
  auto number = [&](uint64_t value) {
    return builder.getI64IntegerAttr(int64_t(value));
  };
  add("name", builder.getStringAttr(info.name));
  add("family", builder.getStringAttr(info.model.family));
  add("layers", number(info.model.layers));
  add("width", number(info.model.width));
  add("heads", number(info.model.heads));
  add("head_size", number(info.model.headSize));
  add("context", number(info.model.context));
  add("vocabulary", number(info.model.vocabulary));
  add("end_of_text", number(uint64_t(info.model.endOfText)));
  add("parameters", number(info.parameters));
  add("batch", number(info.batch));
  add("capacity", number(info.capacity));
  add("type", builder.getStringAttr(info.type));
  llvm::SmallVector<llvm::StringRef> targets(info.targets.begin(),
                                             info.targets.end());
  add("targets", builder.getStrArrayAttr(targets));
  add("reference", builder.getBoolAttr(info.reference));
  add("cpu", builder.getStringAttr(info.cpu));
  if (!info.profile.empty())
    add("profile", builder.getStringAttr(info.profile));
  add("checkpoint", builder.getStringAttr(info.checkpoint));
  add("digest", builder.getStringAttr(info.digest));
  add("folder", builder.getStringAttr(info.folder));
  add("config", builder.getStringAttr(info.config));
  add("init_seed", number(info.initSeed));
  add("embed", builder.getBoolAttr(info.embed));
  add("recipe", builder.getStringAttr(info.recipe));
  add("task", builder.getStringAttr(info.task));
  add("lora", builder.getStringAttr(info.lora));
  add("source_hash", builder.getStringAttr(info.sourceHash));
  llvm::SmallVector<mlir::NamedAttribute> entries;
  for (const auto &[name, cost] : info.entries)
    entries.push_back(builder.getNamedAttr(
        name, builder.getDenseI64ArrayAttr(
                  {int64_t(cost.flops), int64_t(cost.bytes)})));
  add("entries", builder.getDictionaryAttr(entries));
  module->setAttr(infoAttr, builder.getDictionaryAttr(members));
}

Expected<ModuleInfo> infoOf(mlir::ModuleOp module) {
  auto dictionary = module->getAttrOfType<mlir::DictionaryAttr>(infoAttr);
  if (!dictionary)
    return failure(ErrorCode::InvalidArgument,
                   "the module has no attribute {}; compile what 'gptc "
                   "compile --to' or --dump-dir wrote",
                   infoAttr.str());
  ModuleInfo info;
  Members members(dictionary);
  members.read("name", info.name);
  members.read("family", info.model.family);
  members.readSize("layers", info.model.layers);
  members.readSize("width", info.model.width);
  members.readSize("heads", info.model.heads);
  members.readSize("head_size", info.model.headSize);
  members.readSize("context", info.model.context);
  members.readSize("vocabulary", info.model.vocabulary);
  members.read("end_of_text", info.model.endOfText);
  members.read("parameters", info.parameters);
  members.readSize("batch", info.batch);
  members.readSize("capacity", info.capacity);
  members.read("type", info.type);
  members.read("targets", info.targets);
  members.read("reference", info.reference);
  members.read("cpu", info.cpu);
  if (dictionary.contains("profile"))
    members.read("profile", info.profile);
  members.read("checkpoint", info.checkpoint);
  members.read("digest", info.digest);
  members.read("folder", info.folder);
  members.read("config", info.config);
  members.read("init_seed", info.initSeed);
  members.read("embed", info.embed);
  members.read("recipe", info.recipe);
  members.read("task", info.task);
  members.read("lora", info.lora);
  members.read("source_hash", info.sourceHash);
  if (auto entries = members.find<mlir::DictionaryAttr>("entries"))
    for (mlir::NamedAttribute entry : entries) {
      auto cost = llvm::dyn_cast<mlir::DenseI64ArrayAttr>(entry.getValue());
      if (cost && cost.size() == 2)
        info.entries[entry.getName().str()] = {uint64_t(cost[0]),
                                               uint64_t(cost[1])};
    }
  GPTC_CHECK(members.status);
  for (const std::string &target : info.targets)
    if (target != "cpu" && target != "vulkan")
      return failure(ErrorCode::InvalidArgument,
                     "the module's target is '{}', expected cpu or vulkan",
                     target);
  if (info.targets.empty())
    return failure(ErrorCode::InvalidArgument,
                   "the module's attribute {} lists no target", infoAttr.str());
  constexpr uint64_t most = uint64_t(1) << 24;
  if (info.batch == 0 || info.batch > most || info.capacity > most ||
      info.capacity > info.model.context)
    return failure(ErrorCode::InvalidArgument,
                   "the module's attribute {} has a batch of {} and a capacity "
                   "of {} for a context of {}, which no program can have",
                   infoAttr.str(), info.batch, info.capacity,
                   info.model.context);
  if (auto type = parseDataType(info.type); !type || !isWeightType(*type))
    return failure(ErrorCode::InvalidArgument,
                   "the module's type is '{}', expected f32, bf16 or f16",
                   info.type);
  return info;
}

namespace {

/// Compares dimensions of one module with its info.
class InfoCheck {
public:
  explicit InfoCheck(const ModuleInfo &info) : info(info) {}

  void dimension(const std::string &where, llvm::StringRef member,
                 uint64_t said, int64_t found) {
    if (status && said != uint64_t(found))
      status = failure(ErrorCode::InvalidArgument,
                       "the module's attribute {} has a {} of {}, and {} has "
                       "{}; they must be equal",
                       infoAttr.str(), member.str(), said, where, found);
  }
  void cache(ir::VariableOp variable) {
    auto shape = variable.getTensorType().getShape();
    if (variable.getRole() != ir::Role::Cache || shape.size() != 4)
      return;
    std::string where =
        fmt::format("the cache '{}'", variable.getSymName().str());
    dimension(where, "batch", info.batch, shape[0]);
    dimension(where, "capacity", info.capacity, shape[2]);
  }
  /// Sessions find arguments and results of these entries by their names.
  void names(mlir::func::FuncOp function) {
    using Names = llvm::SmallVector<llvm::StringRef>;
    llvm::StringRef entry = function.getSymName();
    if (entry == "decode" || entry == "prefill" ||
        entry.starts_with("prefill_"))
      names(function, Names{"tokens", "positions", "lengths"}, Names{"logits"});
    else if (entry == "logits")
      names(function, Names{"tokens"}, Names{"logits"});
    else if (entry == "score")
      names(function, Names{"tokens", "targets"}, Names{"log_likelihood"});
  }
  /// Manifests describe those results apart.
  void addedResults(mlir::func::FuncOp function) {
    mlir::Attribute added = function->getAttr(ir::addedResultsAttr);
    auto count = llvm::dyn_cast_or_null<mlir::IntegerAttr>(added);
    int64_t results = function.getNumResults();
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      results += function.getArgAttr(i, ir::resultAttr) ? 1 : 0;
    if (status && added &&
        (!count || count.getInt() < 0 || count.getInt() > results))
      status = failure(ErrorCode::InvalidArgument,
                       "the entry '{}' has {} results, and its attribute {} "
                       "must say how many of them its target adds",
                       function.getSymName().str(), results,
                       ir::addedResultsAttr.str());
  }
  void entry(mlir::func::FuncOp function) {
    names(function);
    addedResults(function);
    bool cached = false;
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      cached = cached || nameOf(function, i) == "positions";
    std::string entry = function.getSymName().str();
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto type =
          llvm::dyn_cast<mlir::ShapedType>(function.getArgument(i).getType());
      if (type && nameOf(function, i) == "tokens" && type.getRank() == 2) {
        std::string where = fmt::format("the tokens of entry '{}'", entry);
        dimension(where, "batch", info.batch, type.getDimSize(0));
        if (!cached)
          dimension(where, "capacity", info.capacity, type.getDimSize(1));
      }
      // Results are arguments from phase kernels on.
      if (function.getArgAttr(i, ir::resultAttr) ==
          mlir::StringAttr::get(function.getContext(), "logits"))
        logits(entry, type);
    }
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      if (function.getResultAttr(i, ir::nameAttr) ==
          mlir::StringAttr::get(function.getContext(), "logits"))
        logits(entry,
               llvm::dyn_cast<mlir::ShapedType>(function.getResultTypes()[i]));
  }

  Status status;

private:
  static llvm::StringRef nameOf(mlir::func::FuncOp function, unsigned i) {
    auto name = function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr);
    return name ? name.getValue() : "";
  }
  void names(mlir::func::FuncOp function, llvm::ArrayRef<llvm::StringRef> takes,
             llvm::ArrayRef<llvm::StringRef> gives) {
    llvm::SmallVector<llvm::StringRef> arguments, results;
    auto note = [](mlir::StringAttr name, auto &to) {
      if (name)
        to.push_back(name.getValue());
    };
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      note(function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr),
           arguments);
      note(function.getArgAttrOfType<mlir::StringAttr>(i, ir::resultAttr),
           results);
    }
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      note(function.getResultAttrOfType<mlir::StringAttr>(i, ir::nameAttr),
           results);
    auto require = [&](const char *kind, llvm::StringRef name,
                       llvm::ArrayRef<llvm::StringRef> found) {
      if (status && !llvm::is_contained(found, name))
        status = failure(ErrorCode::InvalidArgument,
                         "the entry '{}' has no {} '{}', by which it is run; "
                         "found {}",
                         function.getSymName().str(), kind, name.str(),
                         found.empty() ? "none" : llvm::join(found, ", "));
    };
    for (llvm::StringRef name : takes)
      require("argument", name, arguments);
    for (llvm::StringRef name : gives)
      require("result", name, results);
  }
  void logits(const std::string &entry, mlir::ShapedType type) {
    if (type && type.getRank() > 0)
      dimension(fmt::format("the logits of entry '{}'", entry), "vocabulary",
                info.model.vocabulary, type.getShape().back());
  }

  const ModuleInfo &info;
};

} // namespace

Status checkInfo(mlir::ModuleOp module, const ModuleInfo &info) {
  InfoCheck check(info);
  for (auto variable : module.getOps<ir::VariableOp>())
    check.cache(variable);
  for (auto function : module.getOps<mlir::func::FuncOp>())
    check.entry(function);
  return check.status;
}

Status addCosts(mlir::ModuleOp module, ModuleInfo &info) {
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(module.getContext(),
                                        [&](mlir::Diagnostic &diagnostic) {
                                          errors += diagnostic.str();
                                          return mlir::success();
                                        });
  mlir::OwningOpRef<mlir::ModuleOp> lowered = module.clone();
  mlir::PassManager manager(module.getContext());
  passes::buildGradientPipeline(manager);
  if (info.type != "f32")
    manager.addPass(passes::createLowerPrecision({info.type}));
  if (mlir::failed(manager.run(*lowered)))
    return failure(ErrorCode::InvalidArgument,
                   "the model cannot be lowered to {}: {}", info.type, errors);
  for (auto function : lowered->getOps<mlir::func::FuncOp>()) {
    std::string name = function.getSymName().str();
    info.parts[name] = workOf(function);
    ModuleInfo::Cost &cost = info.entries[name] = {};
    for (const WorkPart &part : info.parts[name]) {
      cost.flops += part.flops;
      cost.bytes += part.bytes;
    }
  }
  return {};
}

uint64_t countParameters(mlir::ModuleOp module) {
  uint64_t count = 0;
  for (auto variable : module.getOps<ir::VariableOp>())
    if (variable.getRole() == ir::Role::Parameter)
      count += uint64_t(variable.getTensorType().getNumElements());
  return count;
}

} // namespace gptc
