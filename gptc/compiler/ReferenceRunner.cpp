//===- ReferenceRunner.cpp ------------------------------------------------===//

#include "gptc/compiler/ReferenceRunner.h"

#include "gptc/backends/reference/compiler/Interpreter.h"
#include "gptc/runtime/program/SourceCheckpoint.h"
#include "gptc/runtime/program/VariableSource.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <cstring>

namespace gptc {

namespace {

/// 16-bit floating point numbers, widened and narrowed.
struct Half {
  uint16_t bits;
  Half() = default;
  explicit Half(double value) : bits(toF16(float(value))) {}
  explicit operator double() const { return fromF16(bits); }
};
struct BFloat {
  uint16_t bits;
  BFloat() = default;
  explicit BFloat(double value) : bits(toBF16(float(value))) {}
  explicit operator double() const { return fromBF16(bits); }
};

template <typename T>
void widen(const std::byte *from, std::vector<double> &to) {
  for (size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = double(value);
  }
}

template <typename T>
void narrow(const std::vector<double> &from, std::byte *to) {
  for (size_t i = 0; i < from.size(); ++i) {
    auto value = T(from[i]);
    std::memcpy(to + i * sizeof(T), &value, sizeof(T));
  }
}

Expected<HostTensor> toHost(const NpyArray &array) {
  HostTensor tensor;
  tensor.type = array.type;
  tensor.shape.assign(array.shape.begin(), array.shape.end());
  tensor.values.resize(array.bytes.size() / sizeOf(array.type));
  const std::byte *bytes = array.bytes.data();
  switch (array.type) {
  case DataType::F32:
    widen<float>(bytes, tensor.values);
    return tensor;
  case DataType::F16:
    widen<Half>(bytes, tensor.values);
    return tensor;
  case DataType::BF16:
    widen<BFloat>(bytes, tensor.values);
    return tensor;
  case DataType::F64:
    widen<double>(bytes, tensor.values);
    return tensor;
  case DataType::I32:
    widen<int32_t>(bytes, tensor.values);
    return tensor;
  case DataType::I64:
    widen<int64_t>(bytes, tensor.values);
    return tensor;
  case DataType::Bool:
    widen<uint8_t>(bytes, tensor.values);
    return tensor;
  default:
    return failure(ErrorCode::Unsupported,
                   "the reference takes no arguments of type {}",
                   toString(array.type));
  }
}

Expected<NpyArray> fromHost(const HostTensor &tensor) {
  NpyArray array;
  array.type = tensor.type;
  array.shape.assign(tensor.shape.begin(), tensor.shape.end());
  array.bytes.resize(tensor.values.size() * sizeOf(tensor.type));
  switch (tensor.type) {
  case DataType::F32:
    narrow<float>(tensor.values, array.bytes.data());
    return array;
  case DataType::F16:
    narrow<Half>(tensor.values, array.bytes.data());
    return array;
  case DataType::BF16:
    narrow<BFloat>(tensor.values, array.bytes.data());
    return array;
  case DataType::F64:
    narrow<double>(tensor.values, array.bytes.data());
    return array;
  case DataType::I32:
    narrow<int32_t>(tensor.values, array.bytes.data());
    return array;
  case DataType::I64:
    narrow<int64_t>(tensor.values, array.bytes.data());
    return array;
  case DataType::Bool:
    narrow<uint8_t>(tensor.values, array.bytes.data());
    return array;
  default:
    return failure(ErrorCode::Unsupported,
                   "the reference gives no results of type {}",
                   toString(tensor.type));
  }
}

/// A parameter's values from its stored bytes.
std::vector<float> unpack(const artifact::VariableT &variable,
                          artifact::Layout layout, const std::byte *bytes) {
  std::vector<float> values(elementCount(variable.shape));
  uint64_t columns = variable.shape.empty() ? 1 : variable.shape.back();
  uint64_t rows = values.size() / columns;
  bool packed = layout != artifact::Layout::RowMajor;
  bool transposed = layout == artifact::Layout::PackedTransposed;
  for (uint64_t row = 0; row < rows; ++row)
    loadRow(bytes, toDataType(variable.type), packed, transposed, rows, columns,
            row, values.data() + row * columns);
  return values;
}

class Runner : public ReferenceModel {
public:
  Runner() : context(mlir::MLIRContext::Threading::DISABLED) {
    ir::loadDialects(context);
  }

  Status open(const Artifact &artifact, const std::string &folder);
  Expected<std::vector<NpyArray>> run(const std::string &entry,
                                      const std::vector<NpyArray> &arguments,
                                      Trace *trace) override;
  std::span<double> values(const std::string &variable) override;
  void reset() override;

private:
  Status loadWeights(const Artifact &artifact, const std::string &folder);

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  HostVariables variables;
};

Status Runner::open(const Artifact &artifact, const std::string &folder) {
  const artifact::TargetT *target = artifact.findTarget("reference");
  if (!target)
    return failure(ErrorCode::NotFound,
                   "'{}' holds nothing for the reference; compile with "
                   "--target cpu,reference",
                   artifact.path());
  auto bytes = artifact.blob(*target->module_);
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          errors += diagnostic.str() + "; ";
                                          return mlir::success();
                                        });
  module = mlir::parseSourceString<mlir::ModuleOp>(
      llvm::StringRef(reinterpret_cast<const char *>(bytes.data()),
                      bytes.size()),
      &context);
  if (!module)
    return failure(ErrorCode::Corrupt,
                   "the reference module of '{}' is damaged ({}); compile it "
                   "again",
                   artifact.path(), errors);
  return loadWeights(artifact, folder);
}

Status Runner::loadWeights(const Artifact &artifact,
                           const std::string &folder) {
  const artifact::ManifestT &manifest = artifact.manifest();
  const artifact::TargetT *cpu = artifact.findTarget("cpu");
  bool embedded = manifest.source->embedded && cpu && folder.empty();
  std::optional<Checkpoint> checkpoint;
  if (!embedded && (!folder.empty() || !manifest.source->checkpoint.empty())) {
    GPTC_TRY(checkpoint, openSource(artifact, folder));
  }
  GPTC_TRY(auto team, ThreadTeam::create(0));
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    artifact::VariableT variable = *manifest.variables[i];
    if (variable.role != artifact::Role::Parameter)
      continue;
    auto declared = module->lookupSymbol<ir::VariableOp>(variable.name);
    if (!declared)
      continue; // Nothing reads it.
    HostTensor &tensor = variables[variable.name];
    tensor = zerosOf(declared.getTensorType());
    std::vector<float> values;
    if (embedded && cpu->storages[i]->embedded) {
      values = unpack(variable, cpu->storages[i]->layout,
                      artifact.blob(*cpu->storages[i]->embedded).data());
    } else {
      // What the definition says, not narrower as the CPU may store it.
      variable.type = artifact::ElementType(tensor.type);
      constexpr auto layout = artifact::Layout::RowMajor;
      GPTC_TRY(auto source,
               VariableSource::create(variable, layout,
                                      checkpoint ? &*checkpoint : nullptr,
                                      manifest.source->init_seed, *team));
      std::vector<std::byte> bytes(source.units() * source.unitBytes());
      source.fillAll(*team, bytes.data());
      values = unpack(variable, layout, bytes.data());
    }
    tensor.values.assign(values.begin(), values.end());
  }
  return {};
}

std::span<double> Runner::values(const std::string &variable) {
  auto declared = module->lookupSymbol<ir::VariableOp>(variable);
  if (!declared)
    return {};
  auto [place, fresh] = variables.try_emplace(variable);
  if (fresh)
    place->second = zerosOf(declared.getTensorType());
  return place->second.values;
}

void Runner::reset() {
  // The interpreter starts absent caches and counters with zeros.
  for (auto variable : module->getOps<ir::VariableOp>())
    if (variable.getRole() != ir::Role::Parameter)
      variables.erase(variable.getSymName().str());
}

Expected<std::vector<NpyArray>>
Runner::run(const std::string &entry, const std::vector<NpyArray> &arguments,
            Trace *trace) {
  auto function = module->lookupSymbol<mlir::func::FuncOp>(entry);
  if (!function)
    return failure(ErrorCode::NotFound, "the reference has no entry '{}'",
                   entry);
  std::vector<HostTensor> inputs;
  for (const NpyArray &argument : arguments) {
    GPTC_TRY(HostTensor tensor, toHost(argument));
    inputs.push_back(std::move(tensor));
  }
  auto keep = [trace](mlir::Operation *op, const HostTensor &value) {
    std::string scope = ir::scopeOf(op->getLoc()).str();
    if (trace->counts.contains(value.values.size()))
      trace->values.push_back({std::move(scope), value.values});
  };
  GPTC_TRY(std::vector<HostTensor> outputs,
           interpret(function, inputs, variables,
                     trace ? OnResult(keep) : OnResult()));
  std::vector<NpyArray> results;
  for (const HostTensor &output : outputs) {
    GPTC_TRY(NpyArray array, fromHost(output));
    results.push_back(std::move(array));
  }
  return results;
}

} // namespace

Expected<std::vector<char>> toBytecode(mlir::ModuleOp module) {
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  if (mlir::failed(mlir::writeBytecodeToFile(module, stream)))
    return failure(ErrorCode::Internal, "the module has no bytecode");
  stream.flush();
  return std::vector<char>(bytes.begin(), bytes.end());
}

Expected<std::unique_ptr<ReferenceModel>>
openReference(const Artifact &artifact, const std::string &folder) {
  auto runner = std::make_unique<Runner>();
  GPTC_CHECK(runner->open(artifact, folder));
  return runner;
}

} // namespace gptc
