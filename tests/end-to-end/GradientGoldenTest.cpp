//===- GradientGoldenTest.cpp - Gradients of checkpoints against PyTorch --===//
//
// tests/golden/gradients holds the loss and every parameter's gradient that
// PyTorch derives in double precision for some of tests/golden/models.
//
//===----------------------------------------------------------------------===//

#include "GoldenTensors.h"

#include "gptc/runtime/program/Program.h"

#include <cstring>

namespace gptc {
namespace {

class GradientGolden : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    auto opened = SafetensorsFile::open(golden + "gradients/" + GetParam() +
                                        ".safetensors");
    ASSERT_TRUE(opened) << opened.error().message();
    file = std::make_unique<SafetensorsFile>(std::move(*opened));
    request.model = golden + "models/" + GetParam();
    request.dtype = "f32";
    request.entries = {"loss_and_gradients"};
    request.batch = expected("tokens").shape[0];
  }

  const TensorView &expected(const std::string &name) const {
    return file->tensors().at(name);
  }

  /// Compares results, in the order of their names, within a tolerance.
  template <typename T>
  void compare(const std::vector<std::string> &names,
               const std::vector<std::vector<uint64_t>> &shapes,
               const std::vector<std::span<const T>> &results,
               double tolerance) {
    // The tokens and the targets are no results.
    ASSERT_EQ(names.size() + 2, file->tensors().size());
    for (size_t i = 0; i < names.size(); ++i) {
      auto found = file->tensors().find(names[i]);
      ASSERT_NE(found, file->tensors().end()) << names[i];
      EXPECT_EQ(shapes[i], found->second.shape) << names[i];
      auto values = valuesOf<double>(found->second);
      ASSERT_EQ(results[i].size(), values.size()) << names[i];
      EXPECT_LT(relativeError(results[i], values), tolerance) << names[i];
    }
  }

  /// Interprets a module in phase gradient.
  void expectOnReference(mlir::ModuleOp module, HostVariables &variables);
  void expectOnCpu(const std::shared_ptr<const Artifact> &artifact);

  std::unique_ptr<SafetensorsFile> file;
  CompileRequest request;
};

void GradientGolden::expectOnReference(mlir::ModuleOp module,
                                       HostVariables &variables) {
  std::vector<HostTensor> arguments;
  for (const char *name : {"tokens", "targets"}) {
    auto ids = valuesOf<int32_t>(expected(name));
    const auto &shape = expected(name).shape;
    arguments.push_back({DataType::I32,
                         {shape.begin(), shape.end()},
                         {ids.begin(), ids.end()}});
  }
  auto entry = module.lookupSymbol<mlir::func::FuncOp>("loss_and_gradients");
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
  // Numbers inside of gelu's slope are held in f32.
  bool hasGelu = false;
  module.walk([&](ir::GeluOp) { hasGelu = true; });
  compare(names, shapes, values, hasGelu ? 1e-7 : 1e-9);
}

void GradientGolden::expectOnCpu(
    const std::shared_ptr<const Artifact> &artifact) {
  std::vector<std::vector<float>> first;
  for (unsigned threads : {1U, 3U}) {
    auto program = Program::load(artifact, {threads, "", ""});
    ASSERT_TRUE(program) << program.error().message();
    for (size_t i = 0; i < 2; ++i) {
      auto bytes = expected(i == 0 ? "tokens" : "targets").bytes;
      ASSERT_EQ((*program)->argument(0, i).size(), bytes.size());
      std::memcpy((*program)->argument(0, i).data(), bytes.data(),
                  bytes.size());
    }
    (*program)->run(0);
    const auto &results = artifact->manifest().entries[0]->results;
    std::vector<std::string> names;
    std::vector<std::vector<uint64_t>> shapes;
    std::vector<std::span<const float>> values;
    std::vector<std::vector<float>> copies;
    for (size_t i = 0; i < results.size(); ++i) {
      names.push_back(results[i]->name);
      shapes.push_back(results[i]->shape);
      values.push_back((*program)->resultAs<float>(0, i));
      copies.emplace_back(values.back().begin(), values.back().end());
    }
    compare(names, shapes, values, 1e-4);
    if (threads == 1)
      first = copies;
    else
      EXPECT_EQ(first, copies) << "other bits with three threads";
  }
}

TEST_P(GradientGolden, TheReferenceIsPyTorchInDouble) {
  auto model = differentiatedModel(request);
  ASSERT_TRUE(model) << model.error().message();
  expectOnReference((*model)->module, (*model)->variables);
}

TEST_P(GradientGolden, TheCpuIsWithinOneTenThousandth) {
  for (std::string variant : {"x86-64-v4", "x86-64-v3"}) {
    SCOPED_TRACE(variant);
    auto artifact = compiledFor(variant, request);
    ASSERT_TRUE(artifact) << artifact.error().message();
    if (*artifact)
      expectOnCpu(*artifact);
  }
}

TEST_P(GradientGolden, FromWhatIsComputedAgainTheyAreTheSame) {
  auto source = resolveModel(request.model, "");
  ASSERT_TRUE(source) << source.error().message();
  request.cpu = "x86-64-v3";
  Graph graph;
  auto info = buildModel(graph, *source, request);
  ASSERT_TRUE(info) << info.error().message();
  mlir::ModuleOp module = moduleOf(graph);
  auto count = [&](mlir::ModuleOp in) {
    size_t products = 0;
    in.walk([&](ir::MatmulOp) { ++products; });
    return products;
  };
  auto dump = Dump::create("");
  ASSERT_TRUE(dump);
  mlir::OwningOpRef<mlir::ModuleOp> plain = module.clone();
  ASSERT_TRUE(advance(*plain, Phase::Gradient, "f32", **dump));
  mlir::Builder builder(module.getContext());
  llvm::SmallVector<mlir::NamedAttribute> layers;
  for (uint64_t i = 0; i < info->model.layers; ++i)
    layers.push_back(builder.getNamedAttr("h." + std::to_string(i),
                                          builder.getStringAttr("whole")));
  for (auto entry : module.getOps<mlir::func::FuncOp>())
    entry->setAttr(ir::recomputeAttr, builder.getDictionaryAttr(layers));
  mlir::OwningOpRef<mlir::ModuleOp> again = module.clone();
  ASSERT_TRUE(advance(*again, Phase::Gradient, "f32", **dump));
  // The last product of a layer is not, where no norm asks for its result.
  size_t products = info->model.family == "gpt1" ? 4 : 3;
  EXPECT_EQ(count(*again), count(*plain) + products * info->model.layers);
  auto variables = readWeights(*again, *info, *source->checkpoint);
  ASSERT_TRUE(variables) << variables.error().message();
  expectOnReference(*again, *variables);

  std::string path = testing::TempDir() + std::to_string(::getpid()) + ".gptc";
  auto compiled = compileModule(module, {}, path, **dump);
  ASSERT_TRUE(compiled) << compiled.error().message();
  auto artifact = Artifact::open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(artifact) << artifact.error().message();
  expectOnCpu(*artifact);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientGolden,
                         testing::ValuesIn(goldenNames("gradients")),
                         [](const auto &info) { return testName(info.param); });

TEST(GradientGoldens, AreThere) {
  EXPECT_GE(goldenNames("gradients").size(), 6U);
}

} // namespace
} // namespace gptc
