//===- Graph.cpp ----------------------------------------------------------===//

#include "gptc/frontend/GraphState.h"

#include "gptc/ir/ElementTypes.h"
#include "mlir/IR/Verifier.h"

#include <cmath>
#include <filesystem>
#include <fmt/ranges.h>

namespace gptc {

GraphState::GraphState(Graph &graph)
    : graph(graph), context(mlir::MLIRContext::Threading::DISABLED),
      builder(&context) {
  ir::loadDialects(context);
  module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  (*module)->setAttr(ir::phaseAttr, builder.getStringAttr("model"));
}

std::string GraphState::scope() const {
  return fmt::format("{}", fmt::join(scopes, "/"));
}

mlir::Location GraphState::location() {
  return mlir::NameLoc::get(builder.getStringAttr(scope()));
}

bool GraphState::usable(llvm::ArrayRef<Tensor> tensors, Where where) {
  for (const Tensor &tensor : tensors)
    if (!tensor.valid()) {
      if (errors.empty())
        graph.report("uses a Tensor without a value, which was declared and "
                     "never made; give it what an operator or the graph makes",
                     where);
      return false;
    }
  if (!entry) {
    graph.report("is outside of an entry; call beginEntry first", where);
    return false;
  }
  for (const Tensor &tensor : tensors) {
    auto *block = unwrap(tensor).getParentBlock();
    if (tensor.graph() != &graph || block != &entry.getBody().front()) {
      graph.report("uses a tensor of another entry or graph; read it again",
                   where);
      return false;
    }
  }
  return true;
}

GraphState *GraphState::of(llvm::ArrayRef<Tensor> tensors, Where where) {
  for (const Tensor &tensor : tensors)
    if (tensor.graph_) {
      GraphState &state = tensor.graph_->state();
      return state.usable(tensors, where) ? &state : nullptr;
    }
  return nullptr;
}

Tensor GraphState::wrap(mlir::Value value) {
  Tensor tensor;
  tensor.graph_ = &graph;
  tensor.handle_ = value.getAsOpaquePointer();
  return tensor;
}

Scalar GraphState::wrapScalar(mlir::Value value) {
  Scalar scalar(0);
  scalar.graph_ = &graph;
  scalar.handle_ = value.getAsOpaquePointer();
  return scalar;
}

mlir::Value GraphState::lower(const Scalar &scalar, mlir::Type type,
                              Where where) {
  if (scalar.isNumber()) {
    mlir::TypedAttr number =
        llvm::isa<mlir::FloatType>(type)
            ? mlir::TypedAttr(builder.getFloatAttr(type, scalar.value_))
            : mlir::TypedAttr(
                  builder.getIntegerAttr(type, int64_t(scalar.value_)));
    return mlir::arith::ConstantOp::create(builder, location(), number);
  }
  if (!scalar.handle_)
    return {};
  auto value = mlir::Value::getFromOpaquePointer(scalar.handle_);
  if (scalar.graph_ == &graph && entry &&
      value.getParentBlock() == &entry.getBody().front())
    return value;
  graph.report("uses a scalar of another entry or graph", where);
  return {};
}

mlir::Value GraphState::lowerFloat(const char *name, const Scalar &scalar,
                                   Where where) {
  if (scalar.isNumber() && !std::isfinite(float(scalar.value_))) {
    graph.report(fmt::format("{}: cannot compute with {}, which is not finite "
                             "in f32",
                             name, scalar.value_),
                 where);
    return {};
  }
  mlir::Value value = lower(scalar, builder.getF32Type(), where);
  if (!value || llvm::isa<mlir::FloatType>(value.getType()))
    return value;
  graph.report(fmt::format("{}: needs a scalar of f32 or f64, found one of "
                           "i{}",
                           name, value.getType().getIntOrFloatBitWidth()),
               where);
  return {};
}

std::string toString(Where where) {
  return fmt::format(
      "{}:{}", std::filesystem::path(where.file_name()).filename().string(),
      where.line());
}

bool GraphState::named(const std::string &what, const std::string &name,
                       Where where) {
  if (name.empty())
    graph.report(what + " without a name; give it one", where);
  return !name.empty();
}

bool GraphState::representable(const std::string &what, const TensorType &type,
                               Where where) {
  switch (type.element) {
  case DataType::F32:
  case DataType::BF16:
  case DataType::F16:
  case DataType::F64:
  case DataType::I32:
  case DataType::Bool:
    break;
  default:
    graph.report(fmt::format("{} {}; tensors are of f32, bf16, f16, f64, i32 "
                             "or bool",
                             what, type.toString()),
                 where);
    return false;
  }
  bool positive =
      llvm::all_of(type.shape, [](int64_t extent) { return extent > 0; });
  if (positive && type.elements() <= mostElements)
    return true;
  graph.report(fmt::format("{} {}; {}", what, type.toString(),
                           positive
                               ? fmt::format("a tensor has at most {} elements",
                                             mostElements)
                               : "every extent must be at least 1"),
               where);
  return false;
}

bool GraphState::floating(const char *name, const Tensor &tensor, Where where) {
  TensorType type = tensor.type();
  if (type.element != DataType::I32 && type.element != DataType::Bool)
    return true;
  graph.report(fmt::format("{}: needs a floating point tensor, found {}; cast "
                           "it",
                           name, type.toString()),
               where);
  return false;
}

mlir::RankedTensorType GraphState::lower(const TensorType &type) {
  mlir::Type element = ir::elementTypeOf(type.element, builder.getContext());
  // representable() reports types that only files have.
  return mlir::RankedTensorType::get(type.shape,
                                     element ? element : builder.getF32Type());
}

TensorType GraphState::raise(mlir::Type type) {
  auto tensor = llvm::cast<mlir::RankedTensorType>(type);
  // Only lower() makes types of a graph's values.
  DataType element =
      ir::dataTypeOf(tensor.getElementType()).value_or(DataType::F32);
  return {element, Shape(tensor.getShape().begin(), tensor.getShape().end())};
}

/// How a parameter starts.
static std::string describe(ir::InitializerAttr init) {
  double a = init.getA().getValueAsDouble(), b = init.getB().getValueAsDouble();
  return init.getKind() == ir::InitializerKind::Constant
             ? fmt::format("the value {}", a)
             : fmt::format("a normal distribution of mean {} and deviation {}",
                           a, b);
}

Tensor GraphState::variable(const std::string &name, const TensorType &type,
                            ir::Role role, ir::InitializerAttr init,
                            mlir::ArrayAttr pieces, Where where) {
  if (!usable({}, where) ||
      !named(fmt::format("declares a variable ({})",
                         ir::stringifyRole(role).str()),
             name, where) ||
      !representable(fmt::format("declares '{}' as", name), type, where))
    return {};
  mlir::RankedTensorType lowered = lower(type);
  ir::VariableOp &known = variables[name];
  if (!known) {
    mlir::OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(entry);
    known = ir::VariableOp::create(builder, location(), name, role, lowered,
                                   pieces, init);
    declared[name] = where;
  } else if (known.getTensorType() != lowered || known.getRole() != role) {
    graph.report(
        fmt::format("uses '{}' as {} {}, but it was declared at {} as {} {}",
                    name, ir::stringifyRole(role).str(), type.toString(),
                    toString(declared[name]),
                    ir::stringifyRole(known.getRole()).str(),
                    raise(known.getTensorType()).toString()),
        where);
    return {};
  } else if (known.getInitAttr() != init) {
    graph.report(fmt::format("declares '{}' with {}, but it was declared at "
                             "{} with {}; give both the same, or one another "
                             "name",
                             name, describe(init), toString(declared[name]),
                             describe(known.getInitAttr())),
                 where);
    return {};
  } else if (known.getPiecesAttr() != pieces) {
    graph.report(fmt::format("declares '{}' as made of other tensors of a "
                             "checkpoint than at {}; give both the same, or "
                             "one another name",
                             name, toString(declared[name])),
                 where);
    return {};
  }
  mlir::Value &value = values[name];
  if (!value)
    value = ir::ReadOp::create(builder, location(), lowered, name);
  return wrap(value);
}

TensorType Tensor::type() const {
  return valid() ? GraphState::raise(GraphState::unwrap(*this).getType())
                 : TensorType{};
}

int64_t Tensor::dim(int64_t i, Where where) const {
  if (!valid())
    return 1;
  Shape extents = shape();
  int64_t index = i < 0 ? i + int64_t(extents.size()) : i;
  if (index >= 0 && index < int64_t(extents.size()))
    return extents[size_t(index)];
  graph_->report(
      fmt::format("dim: {} has no dimension {}", type().toString(), i), where);
  return 1;
}

Scope::Scope(Graph &graph, std::string name) : graph_(graph) {
  graph.state_->scopes.push_back(std::move(name));
}

Scope::~Scope() { graph_.state_->scopes.pop_back(); }

Graph::Graph() : state_(std::make_unique<GraphState>(*this)) {}

Graph::~Graph() = default;

void Graph::beginEntry(const std::string &name, Where where) {
  state_->named("begins an entry", name, where);
  if (state_->entry)
    return report(fmt::format("begins the entry '{}' inside of another", name),
                  where);
  if (state_->module->lookupSymbol(name))
    return report(fmt::format("begins the entry '{}' a second time", name),
                  where);
  mlir::OpBuilder &builder = state_->builder;
  builder.setInsertionPointToEnd(state_->module->getBody());
  state_->entry = mlir::func::FuncOp::create(builder, state_->location(), name,
                                             builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(state_->entry.addEntryBlock());
  state_->entryBegin = where;
}

mlir::Value GraphState::argument(const std::string &name, mlir::Type type,
                                 Where where) {
  unsigned index = entry.getNumArguments();
  for (unsigned i = 0; i < index; ++i)
    if (entry.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr) == name) {
      graph.report(fmt::format("has the argument '{}' a second time", name),
                   where);
      return {};
    }
  auto attributes = builder.getDictionaryAttr(
      builder.getNamedAttr(ir::nameAttr, builder.getStringAttr(name)));
  if (mlir::failed(entry.insertArgument(index, type, attributes, location())))
    return {};
  return entry.getArgument(index);
}

Tensor Graph::argument(const std::string &name, const TensorType &type,
                       Where where) {
  if (!state_->usable({}, where) ||
      !state_->named("has an argument", name, where) ||
      !state_->representable(fmt::format("has the argument '{}' as", name),
                             type, where))
    return {};
  mlir::Value value = state_->argument(name, state_->lower(type), where);
  return value ? state_->wrap(value) : Tensor();
}

Scalar Graph::scalarArgument(const std::string &name, DataType type,
                             Where where) {
  mlir::Builder &builder = state_->builder;
  mlir::Type lowered;
  switch (type) {
  case DataType::F32:
    lowered = builder.getF32Type();
    break;
  case DataType::F64:
    lowered = builder.getF64Type();
    break;
  case DataType::I32:
    lowered = builder.getI32Type();
    break;
  case DataType::I64:
    lowered = builder.getI64Type();
    break;
  default:
    report(fmt::format("has the scalar '{}' as {}; scalars are of f32, f64, "
                       "i32 or i64",
                       name, toString(type)),
           where);
    return state_->wrapScalar({});
  }
  if (!state_->usable({}, where) ||
      !state_->named("has a scalar argument", name, where))
    return state_->wrapScalar({});
  return state_->wrapScalar(state_->argument(name, lowered, where));
}

void Graph::result(const std::string &name, const Tensor &value, Where where) {
  if (!state_->usable({value}, where) ||
      !state_->named("has a result", name, where))
    return;
  if (llvm::is_contained(state_->resultNames, name))
    return report(fmt::format("has the result '{}' a second time", name),
                  where);
  state_->results.push_back(GraphState::unwrap(value));
  state_->resultNames.push_back(name);
}

void Graph::endEntry(Where where) {
  if (!state_->usable({}, where))
    return;
  mlir::func::FuncOp entry = state_->entry;
  mlir::OpBuilder &builder = state_->builder;
  mlir::func::ReturnOp::create(builder, state_->location(), state_->results);
  llvm::SmallVector<mlir::Type> types;
  for (mlir::Value result : state_->results)
    types.push_back(result.getType());
  entry.setFunctionType(
      builder.getFunctionType(entry.getBody().getArgumentTypes(), types));
  for (auto [i, name] : llvm::enumerate(state_->resultNames))
    entry.setResultAttr(i, ir::nameAttr, builder.getStringAttr(name));
  state_->entry = nullptr;
  state_->results.clear();
  state_->resultNames.clear();
  state_->values.clear();
  state_->dropouts.clear();
}

/// What a declaration of a parameter has wrong, or an empty text.
static std::string parameterMistake(const TensorType &type,
                                    const Initializer &initializer) {
  if (!isWeightType(type.element))
    return fmt::format("as {}; a parameter, which a checkpoint or an "
                       "initializer fills, is of f32, bf16 or f16: cast what "
                       "it gives, make a constant with full, or keep state in "
                       "a counter or a cache",
                       type.toString());
  // The largest numbers of f32, and of bf16 but for a little.
  double largest = type.element == DataType::F16 ? 65504 : 0x1.fep127;
  auto fits = [&](double value) { return std::abs(value) <= largest; };
  if (initializer.kind == Initializer::Kind::Constant)
    return fits(initializer.a)
               ? ""
               : fmt::format("with the value {}; it must be finite in {}",
                             initializer.a, toString(type.element));
  if (fits(initializer.a) && fits(initializer.b) && initializer.b >= 0)
    return "";
  return fmt::format("with a normal distribution of mean {} and deviation {}; "
                     "both must be finite in {}, and the deviation at least 0",
                     initializer.a, initializer.b, toString(type.element));
}

Tensor Graph::parameter(const std::string &name, const TensorType &type,
                        const Initializer &initializer,
                        std::vector<Piece> pieces, Where where) {
  if (auto mistake = parameterMistake(type, initializer); !mistake.empty()) {
    report(fmt::format("declares '{}' {}", name, mistake), where);
    return {};
  }
  if (pieces.empty())
    pieces.push_back({name});
  // An empty name of the parameter itself is told below.
  for (const Piece &piece : pieces)
    if (!name.empty() &&
        !state_->named(
            fmt::format("makes '{}' of a tensor of the checkpoint", name),
            piece.tensor, where))
      return {};
  mlir::MLIRContext *context = &state_->context;
  llvm::SmallVector<mlir::Attribute> sources;
  for (const Piece &piece : pieces)
    sources.push_back(
        ir::PieceAttr::get(context, state_->builder.getStringAttr(piece.tensor),
                           piece.transposed, piece.optional));
  bool normal = initializer.kind == Initializer::Kind::Normal;
  auto kind =
      normal ? ir::InitializerKind::Normal : ir::InitializerKind::Constant;
  auto init = ir::InitializerAttr::get(
      context, kind, state_->builder.getF64FloatAttr(initializer.a),
      state_->builder.getF64FloatAttr(initializer.b));
  return state_->variable(name, type, ir::Role::Parameter, init,
                          state_->builder.getArrayAttr(sources), where);
}

std::vector<Parameter> Graph::parameters() const {
  std::vector<Parameter> found;
  if (!state_->entry)
    return found;
  for (auto read : state_->entry.getBody().front().getOps<ir::ReadOp>()) {
    std::string name = read.getVariable().str();
    ir::VariableOp variable = state_->variables.lookup(name);
    if (variable.getRole() != ir::Role::Parameter)
      continue;
    Parameter parameter{name, state_->wrap(read.getResult()), {}};
    parameter.trained = state_->adapters.rank == 0;
    for (auto piece : variable.getPiecesAttr().getAsRange<ir::PieceAttr>())
      parameter.pieces.push_back({piece.getTensor().str(),
                                  piece.getTransposed(), piece.getOptional()});
    for (const Piece &piece : parameter.pieces)
      parameter.trained = parameter.trained || piece.optional;
    found.push_back(std::move(parameter));
  }
  return found;
}

void Graph::adapt(LowRank adapters) { state_->adapters = std::move(adapters); }

Tensor Graph::cache(const std::string &name, const TensorType &type,
                    Where where) {
  return state_->variable(name, type, ir::Role::Cache, nullptr, nullptr, where);
}

Tensor Graph::counter(const std::string &name, const TensorType &type,
                      Where where) {
  return state_->variable(name, type, ir::Role::Counter, nullptr, nullptr,
                          where);
}

Tensor Graph::optimizerState(const std::string &name, const TensorType &type,
                             Where where) {
  return state_->variable(name, type, ir::Role::Optimizer, nullptr, nullptr,
                          where);
}

void Graph::assign(const std::string &name, const Tensor &value, Where where) {
  if (!state_->usable({value}, where))
    return;
  auto found = state_->variables.find(name);
  if (found == state_->variables.end())
    return report(fmt::format("assigns '{}', which is not declared", name),
                  where);
  mlir::Value lowered = GraphState::unwrap(value);
  if (found->second.getTensorType() != lowered.getType())
    return report(
        fmt::format(
            "assigns {} to '{}' of type {}", value.type().toString(), name,
            GraphState::raise(found->second.getTensorType()).toString()),
        where);
  ir::AssignOp::create(state_->builder, state_->location(), name, lowered);
  state_->values[name] = lowered;
}

void Graph::report(const std::string &message, Where where) {
  std::string scope = state_->scope(), context;
  std::string entry = state_->entry ? state_->entry.getSymName().str() : "";
  auto [reporter, first] = state_->reporters.try_emplace(
      fmt::format("{}:{}:{}:{}", where.file_name(), where.line(),
                  where.column(), scope),
      entry);
  if (!first && reporter->second != entry)
    return;
  if (!scope.empty())
    context = "in '" + scope + "'";
  if (!entry.empty())
    context += (scope.empty() ? "in '" : " of '") + entry + "'";
  state_->errors.push_back(fmt::format("{}: {}{}{}", toString(where), context,
                                       context.empty() ? "" : ": ", message));
}

Status GraphState::reported() const {
  if (errors.empty())
    return {};
  return failure(ErrorCode::InvalidArgument, "{}", fmt::join(errors, "\n"));
}

Status Graph::finish() {
  if (state_->entry)
    report("begins an entry that nothing ends; call endEntry",
           state_->entryBegin);
  GPTC_CHECK(state_->reported());
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&state_->context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          message += diagnostic.str();
                                          return mlir::success();
                                        });
  if (mlir::failed(mlir::verify(*state_->module)))
    return failure(ErrorCode::Internal, "the graph is malformed: {}", message);
  return {};
}

mlir::ModuleOp moduleOf(Graph &graph) { return *graph.state().module; }

} // namespace gptc
