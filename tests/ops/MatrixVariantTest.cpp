//===- MatrixVariantTest.cpp - Products in matrices of subgroups ----------===//
//
// No driver here has cooperative matrices. All around them runs here with the
// matrices multiplied as they are defined, on every tile there is; the modules
// with the real operations are validated by SPIRV-Tools that know them.
//
//===----------------------------------------------------------------------===//

#include "BackendComparison.h"

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/compiler/Driver.h"
#include "gptc/runtime/artifact/Artifact.h"
#include "tests/support/TemporaryFolder.h"

#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gptc::tests {
namespace {

using vulkan::MatrixTile;
using vulkan::VulkanTarget;

/// gptc's variants with matrices.
std::vector<VulkanTarget> matrixTargets() {
  std::vector<VulkanTarget> targets;
  for (const VulkanTarget &target : vulkan::vulkanTargets())
    if (!target.matrixType.empty())
      targets.push_back(target);
  return targets;
}

/// The same with one tile alone, by definition, for any device.
std::vector<VulkanTarget> byDefinition(const MatrixTile &tile) {
  std::vector<VulkanTarget> targets = matrixTargets();
  for (VulkanTarget &target : targets) {
    target.required.clear();
    target.storesNarrow = false;
    target.matricesByDefinition = true;
    target.unrollsLoops = false;
    target.matrixTiles = {tile};
  }
  return targets;
}

class MatrixTiles : public testing::TestWithParam<MatrixTile> {};

TEST_P(MatrixTiles, ByDefinitionMatchTheInterpreter) {
  // Of both types, with edges on all sides, and with other ops around them.
  EXPECT_GT(expectOnVariants({"matmul", 1, 9}, byDefinition(GetParam())), 2u);
  EXPECT_GT(expectOnVariants({"linear", 0, 2}, byDefinition(GetParam())), 1u);
}

INSTANTIATE_TEST_SUITE_P(OpTable, MatrixTiles,
                         testing::ValuesIn(matrixTargets().front().matrixTiles),
                         [](const testing::TestParamInfo<MatrixTile> &info) {
                           return fmt::format("{}x{}by{}", info.param.rows,
                                              info.param.columns,
                                              info.param.depth);
                         });

class MatrixProducts : public testing::TestWithParam<size_t> {};

/// All products, on the tiles that compile fastest.
TEST_P(MatrixProducts, ByDefinitionMatchTheInterpreter) {
  constexpr size_t parts = 4;
  const std::vector<MatrixTile> tiles = matrixTargets().front().matrixTiles;
  EXPECT_GT(
      expectOnVariants({"matmul", GetParam(), parts},
                       byDefinition(tiles[tiles.size() - 1 - GetParam() % 2])),
      3u);
}

INSTANTIATE_TEST_SUITE_P(OpTable, MatrixProducts, testing::Values(0, 1, 2, 3));

/// Runs the SPIRV-Tools of PyPI on a module. Its complaint, or nothing.
std::string complaintOf(std::span<const std::byte> module) {
  TemporaryFolder folder;
  folder.write("module.spv",
               std::string(reinterpret_cast<const char *>(module.data()),
                           module.size()));
  std::string command = fmt::format(
      "'{}' --target-env vulkan1.2 '{}' >'{}' 2>&1", GPTC_SPIRV_VAL,
      std::string(folder / "module.spv"), std::string(folder / "said"));
  if (std::system(command.c_str()) == 0) // NOLINT(concurrency-mt-unsafe)
    return "";
  return "spirv-val: " + folder.read("said");
}

/// Validates what a case has of matrices or of single elements of 16 bits,
/// which the SPIRV-Tools in gptc do not know or take for more than they are.
/// Returns how many modules that is.
size_t validateCase(const OpCase &opCase, const std::string &type,
                    const std::vector<VulkanTarget> &targets) {
  Graph graph;
  Status built = buildGraph(graph, opCase);
  EXPECT_TRUE(built) << built.error().message();
  TemporaryFolder folder;
  std::string path = folder / "case.gptc";
  auto compiled = compileGraph(graph, type, 0, path, {"vulkan"}, targets);
  if (!compiled)
    return 0; // Of f64, as the backend's tests have it.
  auto artifact = Artifact::open(path);
  EXPECT_TRUE(artifact) << artifact.error().message();
  size_t count = 0;
  for (const auto &variant : (*artifact)->findTarget("vulkan")->variants)
    for (const auto &implementation : variant->implementations) {
      auto bytes = (*artifact)->blob(*implementation->spirv);
      std::span words(reinterpret_cast<const uint32_t *>(bytes.data()),
                      bytes.size() / sizeof(uint32_t));
      if (!vulkan::declaresMatrices(words) &&
          !vulkan::declaresNarrowStorage(words))
        continue;
      ++count;
      EXPECT_EQ(complaintOf(bytes), "") << variant->name;
    }
  return count;
}

TEST(NarrowModules, AreValid) {
  std::vector<VulkanTarget> targets;
  for (const VulkanTarget &target : vulkan::vulkanTargets())
    if (target.storesNarrow && target.matrixType.empty())
      targets.push_back(target);
  size_t count = 0;
  for (const OpCase &opCase : opTable()) {
    if (!opCase.name.starts_with("cacheAppend/") &&
        !opCase.name.starts_with("gather/"))
      continue;
    SCOPED_TRACE(opCase.name);
    count += validateCase(opCase, "bf16", targets);
  }
  EXPECT_GT(count, 8u);
}

TEST(MatrixModules, AreValid) {
  size_t count = 0;
  for (const OpCase &opCase : opTable()) {
    if (!opCase.name.starts_with("matmul/") &&
        !opCase.name.starts_with("linear/"))
      continue;
    SCOPED_TRACE(opCase.name);
    // Each tile in its turn.
    std::vector<VulkanTarget> targets = matrixTargets();
    for (VulkanTarget &target : targets)
      target.matrixTiles = {
          target.matrixTiles[count % target.matrixTiles.size()]};
    for (const char *type : {"f32", "bf16"})
      count += validateCase(opCase, type, targets);
  }
  EXPECT_GT(count, 40u);
}

/// Two products in a row, of many rows and of one, in an artifact.
Expected<std::shared_ptr<const Artifact>>
compileProducts(const std::string &type, const std::string &path) {
  Graph graph;
  graph.beginEntry("main");
  auto weight = [&](const char *name) {
    return graph.parameter(name, {DataType::F32, {64, 64}},
                           Initializer::normal(0, 1));
  };
  Tensor first = weight("first"), second = weight("second");
  Tensor many = graph.argument("many", {DataType::F32, {32, 64}});
  Tensor one = graph.argument("one", {DataType::F32, {1, 64}});
  graph.result("y", matmul(tanh(many), first));
  graph.result("z", matmul(tanh(one), second));
  graph.endEntry();
  GPTC_TRY(auto compiled, compileGraph(graph, type, 0, path, {"vulkan"}));
  return Artifact::open(path);
}

const artifact::VariantT *findVariant(const Artifact &artifact,
                                      const std::string &name) {
  for (const auto &variant : artifact.findTarget("vulkan")->variants)
    if (variant->name == name)
      return variant.get();
  return nullptr;
}

TEST(MatrixVariants, AreThereForProductsOfTheirTypeAlone) {
  TemporaryFolder folder;
  auto f32 = compileProducts("f32", folder / "f32.gptc");
  ASSERT_TRUE(f32) << f32.error().message();
  ASSERT_TRUE(findVariant(**f32, "hardware"));
  EXPECT_FALSE(findVariant(**f32, "matrix-bf16"));
  EXPECT_FALSE(findVariant(**f32, "matrix-f16"));
  auto bf16 = compileProducts("bf16", folder / "bf16.gptc");
  ASSERT_TRUE(bf16) << bf16.error().message();
  EXPECT_TRUE(findVariant(**bf16, "matrix-bf16"));
  EXPECT_FALSE(findVariant(**bf16, "matrix-f16"));
}

/// How many implementations of a variant are another's, and how many are not.
std::pair<size_t, size_t> countShared(const artifact::VariantT &one,
                                      const artifact::VariantT &other) {
  EXPECT_EQ(one.implementations.size(), other.implementations.size());
  size_t shared = 0, own = 0;
  for (size_t i = 0; i < one.implementations.size(); ++i)
    ++(one.implementations[i]->spirv->offset ==
               other.implementations[i]->spirv->offset
           ? shared
           : own);
  return {shared, own};
}

TEST(MatrixVariants, ShareKernelsWithoutMatrices) {
  TemporaryFolder folder;
  auto artifact = compileProducts("bf16", folder / "bf16.gptc");
  ASSERT_TRUE(artifact) << artifact.error().message();
  const auto *narrow = findVariant(**artifact, "hardware-16bit");
  const auto *matrix = findVariant(**artifact, "matrix-bf16");
  ASSERT_TRUE(narrow && matrix);
  auto [shared, own] = countShared(*matrix, *narrow);
  EXPECT_EQ(own, 1u);
  EXPECT_GE(shared, 1u);
}

TEST(NarrowVariants, AreThereForElementsOfTheirTypeAloneAndShareTheRest) {
  TemporaryFolder folder;
  auto f32 = compileProducts("f32", folder / "f32.gptc");
  ASSERT_TRUE(f32) << f32.error().message();
  EXPECT_FALSE(findVariant(**f32, "hardware-16bit"));
  Graph graph;
  graph.beginEntry("main");
  graph.result("y", exp(graph.argument("x", {DataType::F32, {3, 5}})));
  graph.result("z", exp(graph.argument("w", {DataType::BF16, {7}})));
  graph.endEntry();
  std::string path = folder / "both.gptc";
  auto compiled = compileGraph(graph, "f32", 0, path, {"vulkan"});
  ASSERT_TRUE(compiled) << compiled.error().message();
  auto artifact = Artifact::open(path);
  ASSERT_TRUE(artifact) << artifact.error().message();
  const auto *hardware = findVariant(**artifact, "hardware");
  const auto *narrow = findVariant(**artifact, "hardware-16bit");
  ASSERT_TRUE(hardware && narrow);
  EXPECT_EQ(countShared(*narrow, *hardware), std::pair(size_t(1), size_t(1)));
}

} // namespace
} // namespace gptc::tests
