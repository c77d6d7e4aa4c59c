//===- CompiledGraph.cpp --------------------------------------------------===//

#include "CompiledGraph.h"

#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/compiler/Driver.h"
#include "gptc/runtime/program/Program.h"

#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

namespace gptc::tests {

namespace {

void store(DataType type, double value, std::byte *to) {
  auto put = [&](auto number) { std::memcpy(to, &number, sizeof number); };
  switch (type) {
  case DataType::F32:
    return put(float(value));
  case DataType::F64:
    return put(value);
  case DataType::BF16:
    return put(toBF16(float(value)));
  case DataType::F16:
    return put(toF16(float(value)));
  case DataType::I32:
    return put(int32_t(value));
  case DataType::I64:
    return put(int64_t(value));
  default:
    return put(uint8_t(value));
  }
}

double load(DataType type, const std::byte *from) {
  auto get = [&]<typename T>(T number) {
    std::memcpy(&number, from, sizeof number);
    return number;
  };
  switch (type) {
  case DataType::F32:
    return get(0.0f);
  case DataType::F64:
    return get(0.0);
  case DataType::BF16:
    return fromBF16(get(uint16_t(0)));
  case DataType::F16:
    return fromF16(get(uint16_t(0)));
  case DataType::I32:
    return get(int32_t(0));
  case DataType::I64:
    return double(get(int64_t(0)));
  default:
    return get(uint8_t(0));
  }
}

/// Where an element of a variable lies in its layout, in elements.
size_t placeOf(const HostTensor &tensor, artifact::Layout layout,
               size_t element) {
  if (layout == artifact::Layout::RowMajor)
    return element;
  size_t columns = size_t(tensor.shape[1]);
  size_t k = element / columns, n = element % columns;
  size_t extentK = size_t(tensor.shape[0]);
  if (layout == artifact::Layout::PackedTransposed) {
    std::swap(k, n);
    extentK = columns;
  }
  size_t panel = n / 64 * ((extentK + 15) / 16 * 16) * 64;
  if (sizeOf(tensor.type) == 2)
    return panel + k / 2 * 128 + n % 64 * 2 + k % 2;
  return panel + k * 64 + n % 64;
}

void storeVariable(HostTensor tensor, artifact::ElementType type,
                   artifact::Layout layout, std::span<std::byte> to) {
  // The compiler may store a variable in a narrower type than the graph's.
  tensor.type = toDataType(type);
  std::memset(to.data(), 0, to.size());
  for (size_t i = 0; i < tensor.values.size(); ++i)
    store(tensor.type, tensor.values[i],
          to.data() + placeOf(tensor, layout, i) * sizeOf(tensor.type));
}

HostTensor loadTensor(artifact::ElementType type,
                      const std::vector<uint64_t> &shape,
                      std::span<const std::byte> from) {
  HostTensor tensor{toDataType(type), {shape.begin(), shape.end()}, {}};
  size_t bytes = sizeOf(tensor.type);
  for (size_t i = 0; i < elementCount(shape); ++i)
    tensor.values.push_back(load(tensor.type, from.data() + i * bytes));
  return tensor;
}

} // namespace

Expected<std::unique_ptr<CompiledGraph>>
CompiledGraph::compile(Graph &graph, const std::string &type,
                       const std::string &target) {
  static int count = 0;
  std::unique_ptr<CompiledGraph> compiled(new CompiledGraph());
  compiled->path_ = fmt::format("{}gptc-ops-{}-{}.gptc", testing::TempDir(),
                                getpid(), count++);
  compiled->target_ = target;
  GPTC_CHECK(compileGraph(graph, type, 0, compiled->path_, {target}));
  GPTC_TRY(compiled->artifact_, Artifact::open(compiled->path_));
  return compiled;
}

CompiledGraph::~CompiledGraph() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Expected<std::unique_ptr<Executable>>
CompiledGraph::load(const std::string &variant, unsigned threads) {
  if (target_ == "vulkan") {
    vulkan::VulkanOptions options;
    options.variant = variant;
    options.threads = threads;
    options.cacheFolder = "";
    return vulkan::loadVulkanProgram(artifact_, options);
  }
  LoadOptions options;
  options.variant = variant;
  options.threads = threads;
  GPTC_TRY(std::unique_ptr<Executable> program,
           Program::load(artifact_, options));
  return program;
}

Expected<HostTensors> CompiledGraph::run(const std::string &entryName,
                                         const std::string &variant,
                                         unsigned threads,
                                         const HostTensors &arguments,
                                         HostVariables &variables) {
  GPTC_TRY(auto program, load(variant, threads));
  const artifact::ManifestT &manifest = artifact_->manifest();
  const artifact::TargetT &target = program->target();
  int found = artifact_->findEntry(entryName);
  if (found < 0)
    return failure(ErrorCode::NotFound, "no entry '{}'", entryName);
  auto index = uint32_t(found);
  const artifact::EntryT &entry = *manifest.entries[index];
  if (entry.arguments.size() != arguments.size())
    return failure(ErrorCode::Internal, "the entry has {} arguments, not {}",
                   entry.arguments.size(), arguments.size());
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    if (auto given = variables.find(manifest.variables[i]->name);
        given != variables.end()) {
      std::vector<std::byte> bytes(target.storages[i]->bytes);
      storeVariable(given->second, manifest.variables[i]->type,
                    target.storages[i]->layout, bytes);
      GPTC_CHECK(program->writeVariable(i, bytes));
    }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const HostTensor &argument = arguments[i];
    std::span<std::byte> to = program->argument(index, i);
    size_t bytes = sizeOf(argument.type);
    // A scalar has eight bytes, whatever its type.
    if (to.size() != argument.values.size() * bytes &&
        !entry.arguments[i]->scalar)
      return failure(ErrorCode::Internal, "argument {} has {} bytes, not {}", i,
                     to.size(), argument.values.size() * bytes);
    for (size_t j = 0; j < argument.values.size(); ++j)
      store(argument.type, argument.values[j], to.data() + j * bytes);
  }
  GPTC_CHECK(program->run(index));
  HostTensors results;
  for (size_t i = 0; i < entry.results.size(); ++i)
    results.push_back(loadTensor(entry.results[i]->type,
                                 entry.results[i]->shape,
                                 program->result(index, i)));
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    // Packed ones are read by products alone: nothing assigns them.
    if (target.storages[i]->layout == artifact::Layout::RowMajor) {
      GPTC_TRY(auto bytes, program->readVariable(i));
      variables[manifest.variables[i]->name] = loadTensor(
          manifest.variables[i]->type, manifest.variables[i]->shape, bytes);
    }
  return results;
}

std::vector<std::string> CompiledGraph::variants() const {
  std::vector<std::string> names;
  // Every Vulkan device that tests run on runs both of its variants.
  for (const auto &variant : artifact_->findTarget(target_)->variants)
    if (target_ == "vulkan" || missingFeatures(variant->features).empty())
      names.push_back(variant->name);
  return names;
}

} // namespace gptc::tests
