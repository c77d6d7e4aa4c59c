//===- PlanParts.cpp ------------------------------------------------------===//

#include "gptc/compiler/PlanParts.h"

#include "llvm/ADT/MapVector.h"

namespace gptc {

namespace {

using mlir::Operation;
using mlir::Value;

/// A component of a scope without the number that it ends with; empty where it
/// has none.
llvm::StringRef stemOf(llvm::StringRef component) {
  llvm::StringRef stem = component.rtrim("0123456789");
  if (stem.size() == component.size())
    return {};
  if (stem.ends_with(".") || stem.ends_with("_"))
    stem = stem.drop_back();
  return stem;
}

/// The ops that the result "loss" is computed from; all of an entry without
/// one, which computes no gradients.
llvm::DenseSet<Operation *> forwardOf(mlir::func::FuncOp entry) {
  mlir::Block &block = entry.getBody().front();
  auto loss = mlir::StringAttr::get(entry.getContext(), "loss");
  llvm::DenseSet<Value> wanted;
  // Results are arguments from phase kernels on.
  for (mlir::BlockArgument argument : block.getArguments())
    if (entry.getArgAttr(argument.getArgNumber(), ir::resultAttr) == loss)
      wanted.insert(argument);
  for (mlir::OpOperand &operand : block.getTerminator()->getOpOperands())
    if (entry.getResultAttr(operand.getOperandNumber(), ir::nameAttr) == loss)
      wanted.insert(operand.get());
  bool all = wanted.empty();
  llvm::DenseSet<Operation *> forward;
  for (Operation &op : llvm::reverse(block)) {
    auto launch = llvm::dyn_cast<ir::LaunchOp>(op);
    mlir::ValueRange inputs = launch ? launch.getInputs() : op.getOperands();
    mlir::ValueRange outputs =
        launch ? mlir::ValueRange(launch.getOutputs()) : op.getResults();
    if (!all && llvm::none_of(outputs, [&](Value value) {
          return wanted.contains(value);
        }))
      continue;
    forward.insert(&op);
    wanted.insert(inputs.begin(), inputs.end());
  }
  return forward;
}

/// Names parts and passes of an entry's ops.
class PartFinder {
public:
  explicit PartFinder(mlir::func::FuncOp entry)
      : module(entry->getParentOfType<mlir::ModuleOp>()),
        forward(forwardOf(entry)) {
    for (auto variable : module.getOps<ir::VariableOp>())
      variables.try_emplace(variable.getSymName(), variable);
  }

  std::string part(mlir::Location location) const {
    return partOf(ir::scopeOf(location), [&](llvm::StringRef name) {
      return variables.contains(name);
    });
  }
  Pass pass(Operation *op) const {
    if (forward.contains(op))
      return Pass::Forward;
    llvm::StringRef scope = ir::scopeOf(op->getLoc());
    return scope.split('/').first == "optimizer" ? Pass::Update
                                                 : Pass::Backward;
  }
  /// The parameter that a variable is kept for, such as a moment, and what
  /// stands after the parameter's name.
  std::pair<ir::VariableOp, llvm::StringRef>
  keptFor(ir::VariableOp variable) const {
    llvm::StringRef name = variable.getSymName();
    auto [owner, suffix] = name.rsplit('.');
    ir::VariableOp parameter = variables.lookup(owner);
    if (variable.getRole() == ir::Role::Parameter || !parameter ||
        parameter.getRole() != ir::Role::Parameter)
      return {};
    return {parameter, suffix};
  }

  mlir::ModuleOp module;

private:
  llvm::DenseSet<Operation *> forward;
  llvm::StringMap<ir::VariableOp> variables;
};

/// Where only rows of a variable are gathered, those alone.
uint64_t bytesRead(ir::ReadOp read) {
  uint64_t gathered = 0;
  for (Operation *user : read->getUsers()) {
    if (!llvm::isa<ir::GatherOp>(user))
      return ir::bytesOf(read.getType());
    gathered += ir::bytesOf(user->getResult(0).getType());
  }
  return std::min(gathered, ir::bytesOf(read.getType()));
}

WorkPart &find(std::vector<WorkPart> &work, const std::string &name,
               Pass pass) {
  for (WorkPart &part : work)
    if (part.name == name && part.pass == pass)
      return part;
  work.push_back({name, pass});
  return work.back();
}

/// A value in the arena.
struct Stored {
  Value value;
  Operation *writer = nullptr;
  size_t first = 0; ///< Launch that writes it.
  size_t last = 0;  ///< Launch that uses it last.
  llvm::SmallVector<Operation *> readers;
  bool gradient = false; ///< By a parameter.

  uint64_t bytes() const { return ir::bytesOf(value.getType()); }
  uint64_t offset() const {
    return uint64_t(value.getDefiningOp<ir::ArenaOp>().getOffset());
  }
};

class ArenaReader {
public:
  explicit ArenaReader(mlir::func::FuncOp entry, const PartFinder &finder)
      : finder(finder), symbols(finder.module) {
    for (auto launch : entry.getBody().front().getOps<ir::LaunchOp>()) {
      for (Value output : launch.getOutputs())
        if (output.getDefiningOp<ir::ArenaOp>() &&
            index.try_emplace(output, values.size()).second)
          values.push_back({output, launch, launches, launches, {}, false});
      for (Value input : launch.getInputs())
        if (auto found = index.find(input); found != index.end()) {
          values[found->second].last = launches;
          values[found->second].readers.push_back(launch);
        }
      if (finder.pass(launch) == Pass::Forward)
        loss = {launches, finder.part(launch.getLoc())};
      ++launches;
    }
    findGradients();
  }

  /// What lies in the arena at the launch where it holds most, the first of
  /// several. Of a value and what is computed in its place, the latter.
  llvm::SmallVector<const Stored *> atPeak() const {
    std::vector<llvm::SmallVector<const Stored *>> begins(launches),
        ends(launches);
    for (const Stored &one : values) {
      begins[one.first].push_back(&one);
      ends[one.last].push_back(&one);
    }
    llvm::DenseMap<uint64_t, const Stored *> places;
    uint64_t used = 0, most = 0;
    size_t peak = 0;
    for (size_t i = 0; i < launches; ++i) {
      for (const Stored *one : begins[i]) {
        const Stored *&place = places[one->offset()];
        used += one->bytes() - (place ? place->bytes() : 0);
        place = one;
      }
      if (used > most) {
        most = used;
        peak = i;
      }
      for (const Stored *one : ends[i])
        if (const Stored *&place = places[one->offset()]; place == one) {
          used -= one->bytes();
          place = nullptr;
        }
    }
    llvm::MapVector<uint64_t, const Stored *> alive;
    for (const Stored &one : values)
      if (one.first <= peak && peak <= one.last)
        alive[one.offset()] = &one;
    return llvm::to_vector(llvm::make_second_range(alive));
  }

  /// "gradients" by parameters, "weight_copies" in another type or order,
  /// "logits" and their gradients, "activations" that gradients are computed
  /// with, or "scratch". A factor of a gradient, such as a slope, is an
  /// activation where it is computed before the loss is and not a gradient of
  /// what the loss itself is made of.
  const char *kindOf(const Stored &one, uint64_t vocabulary) const {
    if (one.gradient)
      return "gradients";
    Pass pass = finder.pass(one.writer);
    if (pass != Pass::Update && isOfVariables(one.writer))
      return "weight_copies";
    auto shape = llvm::cast<mlir::ShapedType>(one.value.getType()).getShape();
    if (!shape.empty() && uint64_t(shape.back()) == vocabulary)
      return "logits";
    bool factor = pass == Pass::Backward && one.first < loss.first &&
                  finder.part(one.writer->getLoc()) != loss.second;
    bool kept = (pass == Pass::Forward || factor) &&
                llvm::any_of(one.readers, [&](Operation *reader) {
                  return finder.pass(reader) != Pass::Forward;
                });
    return kept ? "activations" : "scratch";
  }

private:
  const PartFinder &finder;
  mlir::SymbolTable symbols;
  std::vector<Stored> values;
  llvm::DenseMap<Value, size_t> index;
  size_t launches = 0;
  /// The last launch on the way to the loss, and its part.
  std::pair<size_t, std::string> loss;

  /// Whether a launch reads buffers of variables and no other.
  static bool isOfVariables(Operation *writer) {
    auto inputs = llvm::make_filter_range(
        llvm::cast<ir::LaunchOp>(writer).getInputs(), [](Value input) {
          return llvm::isa<mlir::MemRefType>(input.getType());
        });
    return !inputs.empty() && llvm::all_of(inputs, [](Value input) {
      return bool(input.getDefiningOp<ir::StorageOp>());
    });
  }

  Stored *find(Value value) {
    auto found = index.find(value);
    return found == index.end() ? nullptr : &values[found->second];
  }

  /// Calls back with each pair of values of which a launch may compute the
  /// second over the first.
  template <typename Callback>
  void forEachPair(Operation *writer, Callback callback) {
    auto launch = llvm::cast<ir::LaunchOp>(writer);
    auto kernel = symbols.lookup<ir::KernelOp>(launch.getKernel());
    auto pairs = kernel.getInPlace().value_or(llvm::ArrayRef<int64_t>());
    for (size_t i = 0; i < pairs.size(); i += 2) {
      Stored *input = find(launch.getInputs()[size_t(pairs[i])]);
      Stored *output = find(launch.getOutputs()[size_t(pairs[i + 1])]);
      if (input && output)
        callback(*input, *output);
    }
  }

  /// Gradients are what the optimizer reads of what is computed backward, what
  /// they are summed of, and what it makes of them in their place.
  void findGradients() {
    for (Stored &one : llvm::reverse(values)) {
      if (finder.pass(one.writer) != Pass::Backward)
        continue;
      one.gradient |= llvm::any_of(one.readers, [&](Operation *reader) {
        return finder.pass(reader) == Pass::Update;
      });
      forEachPair(one.writer, [&](Stored &input, Stored &output) {
        input.gradient |=
            output.gradient && finder.pass(input.writer) == Pass::Backward;
      });
    }
    for (Stored &one : values)
      if (finder.pass(one.writer) == Pass::Update)
        forEachPair(one.writer, [](Stored &input, Stored &output) {
          output.gradient |= input.gradient;
        });
  }
};

/// Adds bytes to a kind of memory and to a part of it.
void add(std::vector<MemoryPart> &memory, llvm::StringRef kind,
         const std::string &part, uint64_t bytes) {
  auto named = [](llvm::StringRef name) {
    return [name](const auto &one) { return one.name == name; };
  };
  auto whole = llvm::find_if(memory, named(kind));
  if (whole == memory.end())
    whole = memory.insert(whole, {kind.str(), 0, {}});
  whole->bytes += bytes;
  if (part.empty())
    return;
  auto inner = llvm::find_if(whole->parts, named(part));
  if (inner == whole->parts.end())
    inner = whole->parts.insert(inner, {part, 0});
  inner->bytes += bytes;
}

} // namespace

std::string partOf(llvm::StringRef scope,
                   llvm::function_ref<bool(llvm::StringRef)> isVariable) {
  llvm::SmallVector<llvm::StringRef> components;
  scope.split(components, '/', -1, /*KeepEmpty=*/false);
  std::string part;
  for (auto [i, component] : llvm::enumerate(components)) {
    if (isVariable(component))
      break;
    llvm::StringRef stem = stemOf(component);
    // A layer goes where something of it follows.
    if (i == 0 && components.size() > 1 && !stem.empty())
      continue;
    part += (part.empty() ? "" : "/") + (stem.empty() ? component : stem).str();
  }
  return part.empty() ? "other" : part;
}

std::vector<WorkPart> workOf(mlir::func::FuncOp entry) {
  PartFinder finder(entry);
  mlir::Block &block = entry.getBody().front();
  std::vector<WorkPart> work;
  auto at = [&](Operation *op) -> WorkPart & {
    return find(work, finder.part(op->getLoc()), finder.pass(op));
  };
  auto isTensor = [](Value value) {
    return llvm::isa<mlir::RankedTensorType>(value.getType());
  };
  for (Operation &op : block) {
    uint64_t flops = ir::flopsOf(&op);
    auto read = llvm::dyn_cast<ir::ReadOp>(op);
    if (flops == 0 && !read)
      continue;
    WorkPart &part = at(&op);
    part.flops += flops;
    part.bytes += read ? bytesRead(read) : 0;
  }
  for (mlir::BlockArgument argument : block.getArguments()) {
    Operation *reader = nullptr;
    for (Operation *user : argument.getUsers())
      if (!reader || user->isBeforeInBlock(reader))
        reader = user;
    if (isTensor(argument))
      (reader ? at(reader) : find(work, "other", Pass::Forward)).bytes +=
          ir::bytesOf(argument.getType());
  }
  for (Value result : block.getTerminator()->getOperands()) {
    Operation *definition = result.getDefiningOp();
    if (isTensor(result))
      (definition ? at(definition) : find(work, "other", Pass::Forward))
          .bytes += ir::bytesOf(result.getType());
  }
  return work;
}

void addTraffic(mlir::func::FuncOp entry, const artifact::ProgramT &program,
                std::vector<WorkPart> &work) {
  PartFinder finder(entry);
  auto launches = entry.getBody().front().getOps<ir::LaunchOp>();
  for (auto [launch, dispatch] : llvm::zip(launches, program.dispatches))
    find(work, finder.part(launch.getLoc()), finder.pass(launch)).traffic +=
        dispatch->bytes;
}

std::vector<MemoryPart> memoryOf(mlir::func::FuncOp entry,
                                 uint64_t vocabulary) {
  PartFinder finder(entry);
  std::vector<MemoryPart> memory;
  auto addVariable = [&](ir::VariableOp variable, llvm::StringRef kind,
                         ir::VariableOp owner) {
    add(memory, kind, finder.part(owner.getLoc()),
        ir::bytesOf(variable.getTensorType()));
  };
  auto variables = finder.module.getOps<ir::VariableOp>();
  for (auto variable : variables)
    if (variable.getRole() == ir::Role::Parameter)
      addVariable(variable, "weights", variable);
  for (auto variable : variables)
    if (auto [parameter, suffix] = finder.keptFor(variable); parameter)
      addVariable(variable, suffix, parameter);
  for (auto variable : variables)
    if (variable.getRole() != ir::Role::Parameter &&
        !finder.keptFor(variable).first) // State of nothing in particular.
      addVariable(variable, ir::stringifyRole(variable.getRole()), variable);
  ArenaReader arena(entry, finder);
  uint64_t gaps = 0;
  if (auto bytes = entry->getAttrOfType<mlir::IntegerAttr>("gptc.arena_bytes"))
    gaps = uint64_t(bytes.getInt());
  llvm::SmallVector<const Stored *> alive = arena.atPeak();
  for (const char *kind :
       {"weight_copies", "activations", "logits", "gradients", "scratch"})
    for (const Stored *one : alive)
      if (llvm::StringRef(kind) == arena.kindOf(*one, vocabulary)) {
        add(memory, kind, finder.part(one->writer->getLoc()), one->bytes());
        gaps -= one->bytes();
      }
  if (gaps > 0)
    add(memory, "gaps", "", gaps);
  return memory;
}

} // namespace gptc
