//===- WriteDeviceCheck.cpp - The suite that devices are checked with -----===//
//
//   write-device-check TYPE STEM
//
// Compiles the op table, all of it for "f32" and what is of products for
// "bf16" and "f16", into STEM.gptc, for every Vulkan variant, and writes what
// the interpreter says into STEM.safetensors. See CheckSuite.h.
//
//===----------------------------------------------------------------------===//

#include "gptc/compiler/Driver.h"
#include "gptc/optable/OpTable.h"
#include "gptc/optable/StoredTensor.h"
#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

namespace gptc::optable {

namespace {

std::string topicOf(const OpCase &opCase) {
  return opCase.name.substr(0, opCase.name.find('/'));
}

/// What the names of a case's variables begin with.
std::string prefixOf(const OpCase &opCase) { return opCase.name + "/"; }

/// A case of the suite.
struct Chosen {
  const OpCase &opCase;
  double tolerance = 0;
  bool isBrief = false;
};

/// Bytes that inputs may have: a case of more is left to the tests.
constexpr int64_t largestInputs = 2 << 20;

int64_t bytesOf(const std::vector<OpInput> &inputs) {
  int64_t bytes = 0;
  for (const OpInput &input : inputs)
    bytes += input.type.elements() * int64_t(sizeOf(input.type.element));
  return bytes;
}

std::vector<Chosen> choose(const std::string &type) {
  const std::set<std::string> narrow(std::begin(narrowTopics),
                                     std::end(narrowTopics));
  // The families of kernels that every model has, each once.
  std::set<std::string> brief{"matmul",    "linear", "layerNorm",   "attention",
                              "gelu_tanh", "gather", "cacheAppend", "softmax"};
  std::vector<Chosen> chosen;
  for (const OpCase &opCase : opTable()) {
    // Vulkan's kernels have no f64.
    if (opCase.name.find("f64") != std::string::npos ||
        bytesOf(opCase.inputs) > largestInputs ||
        (type != "f32" && !narrow.contains(topicOf(opCase))))
      continue;
    chosen.push_back({opCase,
                      type == "f32" ? roundedTolerance(opCase, opCase.tolerance)
                                    : narrowTolerance(type),
                      brief.erase(topicOf(opCase)) > 0});
  }
  return chosen;
}

/// What a model's layer spends its time with, of many rows and of one.
void addTimed(Graph &graph, const std::string &name, int64_t rows) {
  constexpr int64_t width = 768, heads = 12, inner = 4 * width;
  auto weight = [&](const char *of, const Shape &shape) {
    return graph.parameter(of, {DataType::F32, shape},
                           Initializer::normal(0, 0.02));
  };
  graph.beginEntry(name);
  Tensor x = graph.argument("x", {DataType::F32, {rows, width}});
  Tensor joined = linear(x, weight("time/attention", {width, 3 * width}),
                         weight("time/attention_bias", {3 * width}));
  std::vector<Tensor> parts = split(joined, 3);
  for (Tensor &part : parts)
    part =
        transpose(reshape(part, {1, rows, heads, width / heads}), {0, 2, 1, 3});
  AttentionOptions options;
  options.scale = 0.125;
  Tensor mixed = attention(parts[0], parts[1], parts[2], options);
  mixed = reshape(transpose(mixed, {0, 2, 1, 3}), {rows, width});
  Tensor hidden = linear(mixed, weight("time/up", {width, inner}),
                         weight("time/up_bias", {inner}));
  hidden = gelu(hidden, GeluForm::Tanh);
  graph.result("y", linear(hidden, weight("time/down", {inner, width}),
                           weight("time/down_bias", {width})));
  graph.endEntry();
}

/// Collects what goes into the safetensors file.
class Tensors {
public:
  void add(const std::string &name, DataType type, Shape shape,
           std::vector<std::byte> bytes) {
    digest_.update(std::as_bytes(std::span(name)));
    digest_.update(bytes);
    auto held = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    pending_.push_back(
        {name,
         type,
         {shape.begin(), shape.end()},
         [held](const PendingTensor::Sink &sink) { return sink(*held); }});
  }
  void add(const std::string &name, const HostTensor &tensor) {
    add(name, tensor.type, tensor.shape, storeTensor(tensor));
  }
  /// What is right, without the rounding of narrow types.
  void addExpected(const std::string &name, HostTensor tensor) {
    if (tensor.type == DataType::BF16 || tensor.type == DataType::F16)
      tensor.type = DataType::F32;
    add(name, tensor);
  }
  /// With a digest of all tensors and of the artifact.
  Status write(const std::string &path, std::span<const std::byte> artifact) {
    digest_.update(artifact);
    Sha256::Digest digest = digest_.finish();
    auto bytes = std::as_bytes(std::span(digest));
    add("suite:digest", DataType::U8, {int64_t(bytes.size())},
        {bytes.begin(), bytes.end()});
    return writeSafetensors(path, std::move(pending_));
  }

private:
  std::vector<PendingTensor> pending_;
  Sha256 digest_;
};

/// A case with its inputs and what the interpreter makes of them.
struct Run {
  HostTensors inputs;
  RunInputs given;
  HostTensors results;
  HostVariables after;
};

Expected<Run> interpretCase(Graph &graph, const OpCase &opCase) {
  Run run;
  run.inputs = makeInputs(opCase.inputs, opCase.name);
  RunInputs parted = partInputs(opCase.inputs, run.inputs);
  run.given.arguments = std::move(parted.arguments);
  for (auto &[name, tensor] : parted.variables)
    run.given.variables[prefixOf(opCase) + name] = std::move(tensor);
  run.after = run.given.variables;
  GPTC_TRY(run.results, interpret(entryOf(graph, opCase.name),
                                  run.given.arguments, run.after));
  return run;
}

void addCase(Tensors &tensors, const Chosen &one, const Run &run,
             const Artifact &artifact) {
  const std::string name = one.opCase.name + ":";
  for (size_t i = 0; i < run.given.arguments.size(); ++i)
    tensors.add(fmt::format("{}argument:{}", name, i), run.given.arguments[i]);
  const artifact::ManifestT &manifest = artifact.manifest();
  const artifact::TargetT &target = *artifact.findTarget("vulkan");
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    const artifact::VariableT &variable = *manifest.variables[i];
    const artifact::StorageT &storage = *target.storages[i];
    auto before = run.given.variables.find(variable.name);
    if (before == run.given.variables.end())
      continue;
    auto bytes = storeVariable(before->second, variable, storage);
    auto size = int64_t(bytes.size());
    tensors.add(name + "variable:" + variable.name, DataType::U8, {size},
                std::move(bytes));
    // Packed ones are read by products alone: nothing assigns them.
    if (storage.layout != artifact::Layout::RowMajor)
      continue;
    tensors.addExpected(name + "after:" + variable.name,
                        run.after.at(variable.name));
  }
  for (size_t i = 0; i < run.results.size(); ++i)
    tensors.addExpected(fmt::format("{}result:{}", name, i), run.results[i]);
  if (one.opCase.matters) {
    std::vector<std::byte> matters;
    for (size_t i = 0; i < run.results[0].values.size(); ++i)
      matters.push_back(std::byte(one.opCase.matters(run.inputs, i)));
    auto size = int64_t(matters.size());
    tensors.add(name + "matters", DataType::Bool, {size}, std::move(matters));
  }
  tensors.add(name + "tolerance", {DataType::F64, {1}, {one.tolerance}});
  if (one.isBrief)
    tensors.add(name + "brief", {DataType::Bool, {1}, {1}});
}

Status writeSuite(const std::string &type, const std::string &stem) {
  std::vector<Chosen> cases = choose(type);
  Graph graph;
  for (const Chosen &one : cases) {
    CaseGraph part(graph, prefixOf(one.opCase));
    addEntry(part, one.opCase, one.opCase.name, topicOf(one.opCase));
  }
  addTimed(graph, "time/rows_256", 256);
  addTimed(graph, "time/rows_1", 1);
  GPTC_CHECK(graph.finish());
  std::vector<Run> runs;
  for (const Chosen &one : cases) {
    GPTC_TRY(Run run, interpretCase(graph, one.opCase));
    runs.push_back(std::move(run));
  }
  std::filesystem::create_directories(
      std::filesystem::path(stem).parent_path());
  GPTC_TRY(auto summary,
           compileGraph(graph, type, 0, stem + ".gptc", {"vulkan"}));
  GPTC_TRY(auto artifact, Artifact::open(stem + ".gptc"));
  Tensors tensors;
  for (size_t i = 0; i < cases.size(); ++i)
    addCase(tensors, cases[i], runs[i], *artifact);
  GPTC_TRY(MappedFile compiled, MappedFile::open(stem + ".gptc"));
  return tensors.write(stem + ".safetensors", compiled.bytes());
}

} // namespace
} // namespace gptc::optable

int main(int count, char **arguments) {
  if (count != 3) {
    std::fputs("usage: write-device-check TYPE STEM\n", stderr);
    return 1;
  }
  auto status = gptc::optable::writeSuite(arguments[1], arguments[2]);
  if (!status)
    std::fprintf(stderr, "write-device-check: %s\n",
                 status.error().message().c_str());
  return status ? 0 : 1;
}
