//===- GoldenTensors.h - Golden files of tensors ---------------*- C++ -*-===//

#ifndef GPTC_TESTS_END_TO_END_GOLDENTENSORS_H
#define GPTC_TESTS_END_TO_END_GOLDENTENSORS_H

#include "gptc/backends/reference/compiler/Interpreter.h"
#include "gptc/compiler/BuildManifest.h"
#include "gptc/compiler/BuildModel.h"
#include "gptc/compiler/Driver.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/program/VariableSource.h"
#include "gptc/runtime/tensors/Safetensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

namespace gptc {

inline const std::string golden = GPTC_SOURCE_DIR "/tests/golden/";

/// Models that a folder of tests/golden has a file of.
inline std::vector<std::string> goldenNames(const std::string &folder) {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(golden + folder))
    names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

/// A model's name as the name of a test.
inline std::string testName(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

template <typename T> std::vector<T> valuesOf(const TensorView &view) {
  std::vector<T> values(view.bytes.size() / sizeof(T));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// The size of the difference in parts of the size of what is expected.
template <typename T>
double relativeError(std::span<const T> found,
                     const std::vector<double> &expected) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(double(found[i]) - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  // The gradient of a key's bias is zero: a softmax does not see it. So is that
  // of a bias which all answers of a multiple choice share.
  return std::sqrt(difference) / std::max(std::sqrt(size), 1e-3);
}

/// Compares results of an entry with what a golden file has of them, "loss" and
/// each "gradient:NAME", which must be all of them.
template <typename T>
void expectGradients(const SafetensorsFile &file,
                     const std::vector<std::string> &names,
                     const std::vector<std::vector<uint64_t>> &shapes,
                     const std::vector<std::span<const T>> &results,
                     double tolerance) {
  size_t wanted = 0;
  for (const auto &[name, tensor] : file.tensors())
    wanted += name == "loss" || name.starts_with("gradient:");
  ASSERT_EQ(names.size(), wanted);
  for (size_t i = 0; i < names.size(); ++i) {
    auto found = file.tensors().find(names[i]);
    ASSERT_NE(found, file.tensors().end()) << names[i];
    EXPECT_EQ(shapes[i], found->second.shape) << names[i];
    auto values = valuesOf<double>(found->second);
    ASSERT_EQ(results[i].size(), values.size()) << names[i];
    EXPECT_LT(relativeError(results[i], values), tolerance) << names[i];
  }
}

/// Interprets the entry loss_and_gradients of a module in phase gradient on the
/// golden file's tensors of its arguments' names.
inline void expectOnReference(const SafetensorsFile &file,
                              mlir::ModuleOp module, HostVariables &variables,
                              double tolerance) {
  auto entry = module.lookupSymbol<mlir::func::FuncOp>("loss_and_gradients");
  std::vector<HostTensor> arguments;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    const TensorView &given = file.tensors().at(
        entry.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str());
    HostTensor argument{
        given.type, {given.shape.begin(), given.shape.end()}, {}};
    if (given.type == DataType::F32)
      for (float value : valuesOf<float>(given))
        argument.values.push_back(value);
    else
      for (int32_t value : valuesOf<int32_t>(given))
        argument.values.push_back(value);
    arguments.push_back(std::move(argument));
  }
  auto results = interpret(entry, arguments, variables);
  ASSERT_TRUE(results) << results.error().message();
  std::vector<std::string> names;
  std::vector<std::vector<uint64_t>> shapes;
  std::vector<std::span<const double>> values;
  for (size_t i = 0; i < results->size(); ++i) {
    names.push_back(
        entry.getResultAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str());
    const HostTensor &result = (*results)[i];
    shapes.push_back({result.shape.begin(), result.shape.end()});
    values.push_back(result.values);
  }
  expectGradients(file, names, shapes, values, tolerance);
}

/// The same of an artifact's only entry on the CPU, within 1e-4, with the same
/// bits by one thread and by three.
inline void expectOnCpu(const SafetensorsFile &file,
                        const std::shared_ptr<const Artifact> &artifact) {
  const artifact::EntryT &entry = *artifact->manifest().entries[0];
  std::vector<std::vector<float>> first;
  for (unsigned threads : {1U, 3U}) {
    auto program = Program::load(artifact, {threads, "", ""});
    ASSERT_TRUE(program) << program.error().message();
    for (size_t i = 0; i < entry.arguments.size(); ++i) {
      auto bytes = file.tensors().at(entry.arguments[i]->name).bytes;
      auto to = (*program)->argument(0, i);
      ASSERT_EQ(to.size(), bytes.size());
      std::memcpy(to.data(), bytes.data(), bytes.size());
    }
    ASSERT_TRUE((*program)->run(0));
    std::vector<std::string> names;
    std::vector<std::vector<uint64_t>> shapes;
    std::vector<std::span<const float>> values;
    std::vector<std::vector<float>> copies;
    for (size_t i = 0; i < entry.results.size(); ++i) {
      names.push_back(entry.results[i]->name);
      shapes.push_back(entry.results[i]->shape);
      values.push_back((*program)->resultAs<float>(0, i));
      copies.emplace_back(values.back().begin(), values.back().end());
    }
    expectGradients(file, names, shapes, values, 1e-4);
    if (threads == 1)
      first = copies;
    else
      EXPECT_EQ(first, copies) << "other bits with three threads";
  }
}

/// The weights of a module's parameters, as a run starts with them.
inline Expected<HostVariables> readWeights(mlir::ModuleOp module,
                                           const ModuleInfo &info,
                                           const Checkpoint &checkpoint) {
  GPTC_TRY(artifact::ManifestT manifest, describeModel(module, info));
  GPTC_TRY(auto team, ThreadTeam::create(1));
  HostVariables variables;
  for (const auto &variable : manifest.variables) {
    if (variable->role != artifact::Role::Parameter)
      continue;
    std::vector<float> values(elementCount(variable->shape));
    GPTC_TRY(auto source,
             VariableSource::create(*variable, artifact::Layout::RowMajor,
                                    &checkpoint, 0, *team));
    source.fillAll(*team, reinterpret_cast<std::byte *>(values.data()));
    variables[variable->name] = {
        DataType::F32,
        {variable->shape.begin(), variable->shape.end()},
        {values.begin(), values.end()}};
  }
  return variables;
}

/// A model in phase gradient, with its weights.
struct DifferentiatedModel {
  Graph graph;
  mlir::ModuleOp module;
  HostVariables variables;
};

inline Expected<std::unique_ptr<DifferentiatedModel>>
differentiatedModel(const CompileRequest &request) {
  auto model = std::make_unique<DifferentiatedModel>();
  GPTC_TRY(ModelSource source, resolveModel(request.model, ""));
  GPTC_TRY(ModuleInfo info, buildModel(model->graph, source, request));
  model->module = moduleOf(model->graph);
  GPTC_TRY(auto dump, Dump::create(""));
  GPTC_CHECK(advance(model->module, Phase::Gradient, "f32", *dump));
  GPTC_TRY(model->variables,
           readWeights(model->module, info, *source.checkpoint));
  return model;
}

/// A model compiled for one instruction set; null where this machine lacks it.
inline Expected<std::shared_ptr<const Artifact>>
compiledFor(const std::string &variant, CompileRequest request) {
  request.cpu = variant;
  request.output = testing::TempDir() + std::to_string(::getpid()) + ".gptc";
  GPTC_CHECK(compileModel(request));
  auto artifact = Artifact::open(request.output);
  std::filesystem::remove(request.output);
  if (artifact &&
      !missingFeatures((*artifact)->findTarget("cpu")->variants[0]->features)
           .empty())
    return std::shared_ptr<const Artifact>();
  return artifact;
}

} // namespace gptc

#endif // GPTC_TESTS_END_TO_END_GOLDENTENSORS_H
