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

  /// Numbers inside of gelu's slope are held in f32.
  void expectOnReference(mlir::ModuleOp module, HostVariables &variables) {
    bool hasGelu = false;
    module.walk([&](ir::GeluOp) { hasGelu = true; });
    gptc::expectOnReference(*file, module, variables, hasGelu ? 1e-7 : 1e-9);
  }

  std::unique_ptr<SafetensorsFile> file;
  CompileRequest request;
};

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
      expectOnCpu(*file, *artifact);
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
  expectOnCpu(*file, *artifact);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientGolden,
                         testing::ValuesIn(goldenNames("gradients")),
                         [](const auto &info) { return testName(info.param); });

TEST(GradientGoldens, AreThere) {
  EXPECT_GE(goldenNames("gradients").size(), 6U);
}

} // namespace
} // namespace gptc
