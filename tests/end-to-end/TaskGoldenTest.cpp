//===- TaskGoldenTest.cpp - Losses of tasks against PyTorch ---------------===//
//
// tests/golden/tasks holds, for some of tests/golden/models, the loss of a task
// and the gradients of what is trained, some of them of low-rank adapters, as
// PyTorch computes them in double precision.
//
//===----------------------------------------------------------------------===//

#include "GoldenTensors.h"

#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

using nlohmann::json;

json readCases() {
  std::ifstream stream(golden + "tasks/cases.json");
  return json::parse(stream);
}

std::vector<std::string> caseNames() {
  std::vector<std::string> names;
  for (const json &one : readCases())
    names.push_back(one["name"]);
  return names;
}

class TaskGolden : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    for (const json &one : readCases())
      if (one["name"] == GetParam())
        details = one;
    auto opened =
        SafetensorsFile::open(golden + "tasks/" + GetParam() + ".safetensors");
    ASSERT_TRUE(opened) << opened.error().message();
    file = std::make_unique<SafetensorsFile>(std::move(*opened));
    folder = testing::TempDir() + "gptc-task-" + std::to_string(::getpid()) +
             "-" + GetParam();
    ASSERT_NO_FATAL_FAILURE(writeCheckpoint());
    request.model = folder;
    request.dtype = "f32";
    request.entries = {"loss_and_gradients"};
    request.batch = 3;
    request.task = details["task"];
    request.outputs = details["outputs"];
    if (!request.task.empty())
      request.auxiliary = details["auxiliary"].get<double>();
    if (details.contains("rank")) {
      request.loraRank = details["rank"];
      request.loraAlpha = details["alpha"];
      request.loraTargets = details["targets"].get<std::vector<std::string>>();
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// The model's folder, with a second shard of what the case adds to it.
  void writeCheckpoint() {
    std::string from = golden + "models/" + std::string(details["model"]);
    std::filesystem::create_directories(folder);
    std::filesystem::copy(from + "/config.json", folder + "/config.json");
    std::filesystem::copy(from + "/model.safetensors",
                          folder + "/first.safetensors");
    json names;
    auto model = SafetensorsFile::open(folder + "/first.safetensors");
    ASSERT_TRUE(model) << model.error().message();
    for (const auto &[name, tensor] : model->tensors())
      names[name] = "first.safetensors";
    std::vector<PendingTensor> added;
    for (const auto &[name, tensor] : file->tensors()) {
      if (!name.starts_with("value:"))
        continue;
      std::string own = name.substr(6);
      names[own] = "second.safetensors";
      added.push_back(
          {own, tensor.type, tensor.shape,
           [bytes = tensor.bytes](const auto &sink) { return sink(bytes); }});
    }
    ASSERT_FALSE(added.empty());
    auto written = writeSafetensors(folder + "/second.safetensors", added);
    ASSERT_TRUE(written) << written.error().message();
    std::ofstream(folder + "/model.safetensors.index.json")
        << json{{"metadata", json::object()}, {"weight_map", names}};
  }

  json details;
  std::string folder;
  std::unique_ptr<SafetensorsFile> file;
  CompileRequest request;
};

TEST_P(TaskGolden, TheReferenceIsPyTorchInDouble) {
  auto model = differentiatedModel(request);
  ASSERT_TRUE(model) << model.error().message();
  // One third, the factor of a mean over a batch, is held in f32.
  expectOnReference(*file, (*model)->module, (*model)->variables,
                    request.outputs == 1 ? 1e-7 : 1e-9);
}

TEST_P(TaskGolden, TheCpuIsWithinOneTenThousandth) {
  for (std::string variant : {"x86-64-v4", "x86-64-v3"}) {
    SCOPED_TRACE(variant);
    auto artifact = compiledFor(variant, request);
    ASSERT_TRUE(artifact) << artifact.error().message();
    if (*artifact)
      expectOnCpu(*file, *artifact);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TaskGolden, testing::ValuesIn(caseNames()),
                         [](const auto &info) { return testName(info.param); });

TEST(TaskGoldens, AreThere) { EXPECT_GE(caseNames().size(), 7U); }

} // namespace
} // namespace gptc
