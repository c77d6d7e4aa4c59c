//===- FitMemoryTest.cpp - Training within a budget of memory -------------===//

#include "gptc/compiler/BuildManifest.h"
#include "gptc/compiler/BuildModel.h"
#include "gptc/compiler/Driver.h"
#include "gptc/compiler/Variants.h"
#include "gptc/frontend/GraphState.h"

#include <gmock/gmock.h>

namespace gptc {
namespace {

CompileRequest training(uint64_t memory = 0) {
  CompileRequest request;
  request.model = GPTC_SOURCE_DIR "/examples/shakespeare";
  request.dtype = "f32";
  request.entries = {"train_step"};
  request.batch = 16;
  request.context = 256;
  request.memory = memory;
  return request;
}

TEST(FitMemory, ComputesAgainAsLittleAsIsEnough) {
  auto all = planModel(training());
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_TRUE(all->recomputed.whole.empty() && all->recomputed.light.empty());
  uint64_t most = all->peakBytes(), flops = all->entries[0].flops;
  // As much as it takes changes nothing.
  auto same = planModel(training(most));
  ASSERT_TRUE(same) << same.error().message();
  EXPECT_EQ(same->peakBytes(), most);
  EXPECT_EQ(same->recomputed.flops, 0U);
  uint64_t before = 0;
  for (double share : {0.9, 0.7, 0.6, 0.5, 0.4}) {
    SCOPED_TRACE(share);
    auto budget = uint64_t(double(most) * share);
    auto plan = planModel(training(budget));
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_LE(plan->peakBytes(), budget);
    size_t layers =
        plan->recomputed.whole.size() + plan->recomputed.light.size();
    EXPECT_GT(layers, 0U);
    EXPECT_LE(layers, 4U);
    // Tighter is dearer, and a forward pass is a third of a step.
    EXPECT_GE(plan->recomputed.flops, before);
    EXPECT_LT(plan->recomputed.flops, flops / 3);
    before = plan->recomputed.flops;
    // Useful work is what it was.
    EXPECT_EQ(plan->entries[0].flops, flops);
  }
  EXPECT_GT(before, 0U);
}

TEST(FitMemory, SaysWhatWouldFit) {
  auto least = planModel(training(uint64_t(50) << 20));
  ASSERT_FALSE(least);
  EXPECT_THAT(
      least.error().message(),
      testing::MatchesRegex(
          "--memory: 50.0 MiB are not enough: with layers computed again "
          "in the backward pass 'shakespeare' takes at least [0-9.]+ "
          "MiB; --batch [0-9]+ --context 256 would fit"));
  // And that does.
  std::string message = least.error().message();
  CompileRequest smaller = training(uint64_t(50) << 20);
  smaller.batch = std::stoull(message.substr(message.find("--batch") + 8));
  auto fits = planModel(smaller);
  ASSERT_TRUE(fits) << fits.error().message();
  EXPECT_LE(fits->peakBytes(), smaller.memory);
  auto never = planModel(training(1000));
  ASSERT_FALSE(never);
  EXPECT_THAT(never.error().message(),
              testing::HasSubstr("no batch and context of this model fits"));
}

TEST(FitMemory, SaysThatGradientsWouldFitIfTheyWereNotClipped) {
  // Of so few tokens gradients are most of what is in the arena.
  auto request = [](uint64_t memory, std::optional<double> clip) {
    CompileRequest request = training(memory);
    request.batch = 1;
    request.context = 16;
    request.clip = clip;
    return request;
  };
  auto clipped = planModel(request(0, {})), free = planModel(request(0, 0.0));
  ASSERT_TRUE(clipped) << clipped.error().message();
  ASSERT_TRUE(free) << free.error().message();
  uint64_t budget = free->peakBytes();
  ASSERT_LT(budget + (1 << 20), clipped->peakBytes());
  auto refused = planModel(request(budget, {}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              testing::HasSubstr("MiB; --clip 0 would fit, without which"));
  auto fits = planModel(request(budget, 0.0));
  EXPECT_TRUE(fits) << fits.error().message();
  // Less is enough for fewer tokens alone.
  CompileRequest both = request(budget, {});
  both.batch = 4;
  both.context = 128;
  auto smaller = planModel(both);
  ASSERT_FALSE(smaller);
  EXPECT_THAT(
      smaller.error().message(),
      testing::ContainsRegex("MiB; --clip 0 --batch 1 --context [0-9]+ "));
}

TEST(FitMemory, OfWeightsThatAreMoreThanAllNothingIsPlanned) {
  CompileRequest request;
  request.model = "gpt3-175b";
  request.entries = {"train_step"};
  request.memory = uint64_t(80) << 30;
  size_t plans = 0;
  request.progress = [&](const std::string &text) {
    plans += text.starts_with("planning: ");
  };
  auto plan = planModel(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plans, 0U);
  // Three times 4 bytes of each parameter.
  EXPECT_THAT(plan.error().message(),
              testing::HasSubstr("--memory: 81920.0 MiB are not enough: "
                                 "weights and what is kept beside them take "
                                 "1998187.2 MiB of 'gpt3-175b' alone"));
  EXPECT_THAT(plan.error().message(),
              testing::HasSubstr("no batch and context of this model fits"));
}

TEST(FitMemory, HoldsForEachTarget) {
  CompileRequest request = training();
  request.targets = {"cpu", "vulkan"};
  auto peakOf = [&](const char *name, uint64_t memory) -> Expected<uint64_t> {
    request.memory = memory;
    GPTC_TRY(ModelSource source, resolveModel(request.model, ""));
    Graph graph;
    GPTC_TRY(ModuleInfo info, buildModel(graph, source, request));
    mlir::ModuleOp module = moduleOf(graph);
    GPTC_TRY(auto dump, Dump::create(""));
    GPTC_CHECK(advance(module, Phase::Program, "f32", *dump,
                       fusionCapabilities(name)));
    GPTC_TRY(auto target, describeTarget(name, module, info));
    uint64_t peak = 0;
    for (auto variable : module.getOps<ir::VariableOp>())
      peak += ir::bytesOf(variable.getTensorType());
    return peak + target->programs[0]->arena_bytes;
  };
  auto cpu = peakOf("cpu", 0), vulkan = peakOf("vulkan", 0);
  ASSERT_TRUE(cpu) << cpu.error().message();
  ASSERT_TRUE(vulkan) << vulkan.error().message();
  for (const char *name : {"cpu", "vulkan"}) {
    uint64_t budget = std::min(*cpu, *vulkan) * 3 / 4;
    auto peak = peakOf(name, budget);
    ASSERT_TRUE(peak) << peak.error().message();
    EXPECT_LE(*peak, budget) << name;
  }
}

TEST(FitMemory, IsForTraining) {
  CompileRequest request = training(1000);
  request.entries = {"decode"};
  auto plan = planModel(request);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message(),
              testing::HasSubstr("add an entry that trains, train_step"));
}

TEST(FitMemory, IsOfTheGraphThatACompilationGoesOnFrom) {
  CompileRequest request = training();
  request.toPhase = "model";
  auto plain = compileModel(request);
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->text.find("gptc.recompute"), std::string::npos);
  auto plan = planModel(training());
  ASSERT_TRUE(plan);
  request.memory = plan->peakBytes() - 1;
  auto fitted = compileModel(request);
  ASSERT_TRUE(fitted) << fitted.error().message();
  EXPECT_THAT(fitted->text,
              testing::HasSubstr("gptc.recompute = {h.0 = \"light\"}"));
  EXPECT_EQ(fitted->recomputed.light, std::vector<std::string>{"h.0"});
}

} // namespace
} // namespace gptc
