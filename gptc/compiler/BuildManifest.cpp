//===- BuildManifest.cpp --------------------------------------------------===//

#include "gptc/compiler/BuildManifest.h"

#include "gptc/ir/ElementTypes.h"
#include "mlir/IR/Matchers.h"

namespace gptc {

namespace {

using artifact::ElementType;

Expected<ElementType> elementOf(mlir::Type type) {
  if (auto data = ir::dataTypeOf(type))
    return ElementType(*data);
  return failure(ErrorCode::Internal, "an element type without a number");
}

std::vector<uint64_t> shapeOf(mlir::Type type) {
  auto shaped = llvm::dyn_cast<mlir::ShapedType>(type);
  if (!shaped)
    return {};
  auto shape = shaped.getShape();
  return {shape.begin(), shape.end()};
}

Expected<std::unique_ptr<artifact::ParameterT>>
describeParameter(llvm::StringRef name, mlir::Type type) {
  auto parameter = std::make_unique<artifact::ParameterT>();
  parameter->name = name.str();
  auto shaped = llvm::dyn_cast<mlir::ShapedType>(type);
  parameter->scalar = !shaped;
  GPTC_TRY(parameter->type, elementOf(shaped ? shaped.getElementType() : type));
  parameter->shape = shapeOf(type);
  return parameter;
}

/// Bytes that a kernel reads of an input of `all` bytes: where only rows of it
/// are looked up, those alone.
uint64_t bytesRead(mlir::BlockArgument input, uint64_t all) {
  uint64_t rows = 0;
  for (mlir::OpOperand &use : input.getUses()) {
    mlir::Operation *user = use.getOwner();
    if (use.getOperandNumber() != 0 ||
        !llvm::isa<ir::GatherOp, ir::SelectRowOp, ir::CacheAppendOp>(user))
      return all;
    bool appended = llvm::isa<ir::CacheAppendOp>(user);
    if (appended && !llvm::all_of(user->getUsers(), llvm::IsaPred<ir::YieldOp>))
      return all; // The kernel goes on to read what is in the cache.
    if (!appended)
      rows += ir::bytesOf(user->getResult(0).getType());
  }
  return std::min(rows, all);
}

/// How many of a function's results its target alone gives.
size_t addedResults(mlir::func::FuncOp function) {
  auto count = function->getAttrOfType<mlir::IntegerAttr>(ir::addedResultsAttr);
  return count ? size_t(count.getInt()) : 0;
}

/// The arguments of a function that its results are.
llvm::SmallVector<unsigned> resultsOf(mlir::func::FuncOp function) {
  llvm::SmallVector<unsigned> found;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (function.getArgAttr(i, ir::resultAttr))
      found.push_back(i);
  return found;
}

/// The position of an entry's argument among its arguments proper, or of a
/// result among the results, which follow them.
struct Place {
  bool result;
  uint32_t index;
};

class ProgramDescriber {
public:
  ProgramDescriber(mlir::ModuleOp module, mlir::func::FuncOp function)
      : symbols(module), function(function) {
    uint32_t index = 0;
    for (auto kernel : module.getOps<ir::KernelOp>())
      kernels[kernel.getSymNameAttr()] = index++;
    index = 0;
    for (auto variable : module.getOps<ir::VariableOp>())
      variables[variable.getSymNameAttr()] = index++;
    uint32_t arguments = 0, results = 0;
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      bool result = bool(function.getArgAttr(i, ir::resultAttr));
      places.push_back({result, result ? results++ : arguments++});
    }
  }

  Expected<std::unique_ptr<artifact::ProgramT>> describe(uint32_t entry);

private:
  Expected<uint32_t> bufferOf(mlir::Value value);
  Expected<std::unique_ptr<artifact::ScalarT>> scalarOf(mlir::Value value);
  Expected<std::unique_ptr<artifact::DispatchT>>
  describeLaunch(ir::LaunchOp launch);

  mlir::SymbolTable symbols;
  mlir::func::FuncOp function;
  llvm::DenseMap<mlir::Attribute, uint32_t> kernels, variables;
  std::vector<Place> places;
  llvm::DenseMap<mlir::Value, uint32_t> buffers;
  std::unique_ptr<artifact::ProgramT> program;
};

Expected<uint32_t> ProgramDescriber::bufferOf(mlir::Value value) {
  if (auto found = buffers.find(value); found != buffers.end())
    return found->second;
  auto buffer = std::make_unique<artifact::BufferT>();
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    Place place = places[argument.getArgNumber()];
    buffer->space = place.result ? artifact::BufferSpace::Result
                                 : artifact::BufferSpace::Argument;
    buffer->index = place.index;
    buffer->bytes = ir::bytesOf(value.getType());
  } else if (auto storage = value.getDefiningOp<ir::StorageOp>()) {
    auto name = storage.getVariableAttr().getAttr();
    buffer->space = artifact::BufferSpace::Variable;
    buffer->index = variables.lookup(name);
    buffer->bytes =
        ir::bytesOf(symbols.lookup<ir::VariableOp>(name).getTensorType());
  } else if (auto arena = value.getDefiningOp<ir::ArenaOp>()) {
    buffer->space = artifact::BufferSpace::Arena;
    buffer->offset = uint64_t(arena.getOffset());
    buffer->bytes = ir::bytesOf(value.getType());
  } else {
    return failure(ErrorCode::InvalidArgument,
                   "entry '{}' launches on a buffer that is neither planned "
                   "nor a variable; the module is not in phase program",
                   function.getSymName().str());
  }
  auto memory = llvm::cast<mlir::MemRefType>(value.getType());
  GPTC_TRY(buffer->type, elementOf(memory.getElementType()));
  auto index = uint32_t(program->buffers.size());
  program->buffers.push_back(std::move(buffer));
  buffers[value] = index;
  return index;
}

Expected<std::unique_ptr<artifact::ScalarT>>
ProgramDescriber::scalarOf(mlir::Value value) {
  auto scalar = std::make_unique<artifact::ScalarT>();
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    scalar->argument = int32_t(places[argument.getArgNumber()].index);
    return scalar;
  }
  mlir::Attribute constant;
  if (mlir::matchPattern(value, mlir::m_Constant(&constant))) {
    if (auto number = llvm::dyn_cast<mlir::FloatAttr>(constant)) {
      scalar->bits = number.getValue().bitcastToAPInt().getZExtValue();
      return scalar;
    }
    if (auto number = llvm::dyn_cast<mlir::IntegerAttr>(constant)) {
      scalar->bits = number.getValue().getZExtValue();
      return scalar;
    }
  }
  return failure(ErrorCode::InvalidArgument,
                 "entry '{}' launches with a scalar that is neither constant "
                 "nor an argument",
                 function.getSymName().str());
}

Expected<std::unique_ptr<artifact::DispatchT>>
ProgramDescriber::describeLaunch(ir::LaunchOp launch) {
  auto dispatch = std::make_unique<artifact::DispatchT>();
  auto kernel = symbols.lookup<ir::KernelOp>(launch.getKernel());
  dispatch->kernel = kernels.lookup(kernel.getSymNameAttr());
  dispatch->scope = ir::scopeOf(launch.getLoc()).str();
  for (mlir::Operation &op : kernel.getBody().front())
    dispatch->flops += ir::flopsOf(&op);
  llvm::DenseSet<uint32_t> counted;
  for (auto [input, argument] :
       llvm::zip(launch.getInputs(), kernel.getBody().getArguments())) {
    if (!llvm::isa<mlir::MemRefType>(input.getType())) {
      GPTC_TRY(auto scalar, scalarOf(input));
      dispatch->scalars.push_back(std::move(scalar));
      continue;
    }
    GPTC_TRY(uint32_t buffer, bufferOf(input));
    dispatch->buffers.push_back(buffer);
    if (counted.insert(buffer).second)
      dispatch->bytes += bytesRead(argument, program->buffers[buffer]->bytes);
  }
  for (auto [output, value] :
       llvm::zip(launch.getOutputs(), kernel.getYield().getValues())) {
    GPTC_TRY(uint32_t buffer, bufferOf(output));
    dispatch->buffers.push_back(buffer);
    auto append = value.getDefiningOp<ir::CacheAppendOp>();
    dispatch->bytes += append ? ir::bytesOf(append.getRows().getType())
                              : program->buffers[buffer]->bytes;
    ++dispatch->outputs;
  }
  if (auto lengths = launch->getAttrOfType<mlir::StringAttr>("gptc.lengths")) {
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (function.getArgAttr(i, ir::nameAttr) == lengths)
        dispatch->lengths = int32_t(places[i].index);
    if (auto rows =
            launch->getAttrOfType<mlir::IntegerAttr>("gptc.rows_per_sequence"))
      dispatch->rows_per_sequence = uint32_t(rows.getInt());
  }
  return dispatch;
}

Expected<std::unique_ptr<artifact::ProgramT>>
ProgramDescriber::describe(uint32_t entry) {
  program = std::make_unique<artifact::ProgramT>();
  program->entry = entry;
  if (auto bytes =
          function->getAttrOfType<mlir::IntegerAttr>("gptc.arena_bytes"))
    program->arena_bytes = uint64_t(bytes.getInt());
  llvm::SmallVector<unsigned> results = resultsOf(function);
  for (unsigned i : llvm::ArrayRef(results).take_back(addedResults(function))) {
    auto name = function.getArgAttrOfType<mlir::StringAttr>(i, ir::resultAttr);
    GPTC_TRY(auto parameter,
             describeParameter(name, function.getArgument(i).getType()));
    program->results.push_back(std::move(parameter));
  }
  for (auto launch : function.getBody().front().getOps<ir::LaunchOp>()) {
    GPTC_TRY(auto dispatch, describeLaunch(launch));
    program->dispatches.push_back(std::move(dispatch));
  }
  return std::move(program);
}

Expected<std::unique_ptr<artifact::VariableT>>
describeVariable(ir::VariableOp op) {
  auto variable = std::make_unique<artifact::VariableT>();
  variable->name = op.getSymName().str();
  variable->role = artifact::Role(op.getRole());
  GPTC_TRY(variable->type, elementOf(op.getTensorType().getElementType()));
  variable->shape = shapeOf(op.getTensorType());
  if (op.getPieces())
    for (auto attribute : op.getPiecesAttr().getAsRange<ir::PieceAttr>()) {
      auto piece = std::make_unique<artifact::PieceT>();
      piece->tensor = attribute.getTensor().str();
      piece->transposed = attribute.getTransposed();
      piece->optional = attribute.getOptional();
      variable->pieces.push_back(std::move(piece));
    }
  if (auto init = op.getInitAttr()) {
    variable->initializer = std::make_unique<artifact::InitializerT>();
    variable->initializer->kind = init.getKind() == ir::InitializerKind::Normal
                                      ? artifact::InitializerKind::Normal
                                      : artifact::InitializerKind::Constant;
    variable->initializer->a = init.getA().getValueAsDouble();
    variable->initializer->b = init.getB().getValueAsDouble();
  }
  return variable;
}

artifact::Layout layoutOf(ir::VariableOp op) {
  auto packed =
      llvm::dyn_cast_or_null<ir::PackedAttr>(op.getTensorType().getEncoding());
  if (!packed)
    return artifact::Layout::RowMajor;
  return packed.getTransposed() ? artifact::Layout::PackedTransposed
                                : artifact::Layout::Packed;
}

} // namespace

Expected<artifact::ManifestT> describeModel(mlir::ModuleOp module,
                                            const ModuleInfo &info) {
  artifact::ManifestT manifest;
  manifest.compiler_version = GPTC_VERSION;
  manifest.source_hash = info.sourceHash;
  manifest.model = std::make_unique<artifact::ModelT>();
  artifact::ModelT &model = *manifest.model;
  model.name = info.name;
  model.family = info.model.family;
  model.layers = info.model.layers;
  model.width = info.model.width;
  model.heads = info.model.heads;
  model.head_size = info.model.headSize;
  model.context = info.model.context;
  model.vocabulary = info.model.vocabulary;
  model.parameters = info.parameters;
  model.batch = info.batch;
  model.capacity = info.capacity;
  model.end_of_text = info.model.endOfText;
  manifest.source = std::make_unique<artifact::SourceT>();
  manifest.source->checkpoint = info.checkpoint;
  manifest.source->digest = info.digest;
  manifest.source->init_seed = info.initSeed;
  manifest.source->embedded = info.embed;
  for (auto variable : module.getOps<ir::VariableOp>()) {
    GPTC_TRY(auto described, describeVariable(variable));
    manifest.variables.push_back(std::move(described));
  }
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    auto entry = std::make_unique<artifact::EntryT>();
    entry->name = function.getSymName().str();
    if (auto found = info.entries.find(entry->name);
        found != info.entries.end()) {
      entry->flops = found->second.flops;
      entry->bytes = found->second.bytes;
    }
    size_t ownResults = resultsOf(function).size() - addedResults(function);
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto result =
          function.getArgAttrOfType<mlir::StringAttr>(i, ir::resultAttr);
      auto name = function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr);
      if (!result && !name)
        return failure(ErrorCode::InvalidArgument,
                       "argument {} of entry '{}' has no name", i, entry->name);
      if (result && entry->results.size() == ownResults)
        continue; // The target's.
      GPTC_TRY(auto parameter,
               describeParameter(result ? result.getValue() : name.getValue(),
                                 function.getArgument(i).getType()));
      (result ? entry->results : entry->arguments)
          .push_back(std::move(parameter));
    }
    manifest.entries.push_back(std::move(entry));
  }
  return manifest;
}

Expected<std::unique_ptr<artifact::TargetT>>
describeTarget(const std::string &name, mlir::ModuleOp module,
               const ModuleInfo &info) {
  auto target = std::make_unique<artifact::TargetT>();
  target->name = name;
  target->type = ElementType(parseDataType(info.type).value_or(DataType::F32));
  for (auto variable : module.getOps<ir::VariableOp>()) {
    auto storage = std::make_unique<artifact::StorageT>();
    storage->layout = layoutOf(variable);
    storage->offset = target->variables_bytes;
    storage->bytes = ir::bytesOf(variable.getTensorType());
    target->variables_bytes +=
        (storage->bytes + blobAlignment - 1) / blobAlignment * blobAlignment;
    target->storages.push_back(std::move(storage));
  }
  for (auto op : module.getOps<ir::KernelOp>()) {
    auto kernel = std::make_unique<artifact::KernelT>();
    kernel->name = op.getSymName().str();
    kernel->family = artifact::Family(op.getFamily());
    target->kernels.push_back(std::move(kernel));
  }
  uint32_t entry = 0;
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    GPTC_TRY(auto program,
             ProgramDescriber(module, function).describe(entry++));
    target->programs.push_back(std::move(program));
  }
  return target;
}

} // namespace gptc
