#include "gptc/runtime/training/CarriedRecipe.h"

#include "tests/support/Matchers.h"
#include "tests/support/SampleArtifact.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

const std::string good =
    R"({"name": "gpt3-13b", "source": "a paper", "schedule": "cosine",)"
    R"( "learning_rate": 1e-4, "last_rate": 0.1, "warm_up_steps": 0,)"
    R"( "warm_up_tokens": 375000000})";

/// Of an artifact that carries such a file.
Expected<std::optional<CarriedRecipe>> recipeOf(const std::string &text,
                                                const char *name = recipeFile) {
  TemporaryFolder folder;
  auto manifest = sampleManifest();
  manifest.files[0]->name = name;
  auto blobs = sampleBlobs(manifest);
  blobs[0] = PendingBlob::of(manifest.files[0]->blob.get(),
                             std::as_bytes(std::span(text)));
  GPTC_TRY(uint64_t size, writeArtifact(folder / "a.gptc", manifest, blobs));
  EXPECT_GT(size, 0U);
  GPTC_TRY(auto artifact, Artifact::open(folder / "a.gptc"));
  return carriedRecipe(*artifact);
}

TEST(CarriedRecipe, IsReadBack) {
  ASSERT_VALUE(auto recipe, recipeOf(good));
  ASSERT_TRUE(recipe.has_value());
  EXPECT_EQ(recipe->name, "gpt3-13b");
  EXPECT_EQ(recipe->learningRate, 1e-4);
  EXPECT_EQ(recipe->lastRate, 0.1);
  EXPECT_EQ(recipe->warmUpTokens, 375'000'000U);
  EXPECT_EQ(recipe->fall, Schedule::Fall::Cosine);
  ASSERT_VALUE(auto none, recipeOf(good, "config.json"));
  EXPECT_FALSE(none.has_value());
}

TEST(CarriedRecipe, ARunThatIsShortWarmsUpShortly) {
  ASSERT_VALUE(auto recipe, recipeOf(good));
  ASSERT_TRUE(recipe.has_value());
  // 2 million tokens a step: 187 steps, as published.
  Schedule whole = recipe->scheduleFor(130'000, {{}, 1, 2'000'000});
  EXPECT_EQ(whole.warmUp, 187U);
  EXPECT_EQ(whole.steps, 130'000U);
  EXPECT_EQ(whole.peak, 1e-4);
  EXPECT_NEAR(whole.at(130'000), 1e-5, 1e-12);
  EXPECT_EQ(recipe->scheduleFor(1000, {{}, 1, 256}).warmUp, 10U);
  EXPECT_EQ(recipe->scheduleFor(10, {{}, 1, 256}).warmUp, 0U);
  EXPECT_EQ(recipe->scheduleFor(0, {{}, 1, 0}).warmUp, 0U);
}

/// A warm-up that is counted in tokens takes more of the steps that are small.
TEST(CarriedRecipe, StepsThatGrowWarmUpInMore) {
  std::string text = good;
  text.insert(1,
              R"("growth_first_tokens": 32000, "growth_tokens": 10000000000,)"
              " ");
  ASSERT_VALUE(auto recipe, recipeOf(text));
  ASSERT_TRUE(recipe.has_value());
  EXPECT_EQ(recipe->growth, (BatchGrowth{32'000, 10'000'000'000}));
  StepSizes sizes(recipe->growth, 1000, 2000);
  Schedule schedule = recipe->scheduleFor(1'000'000, sizes);
  EXPECT_GT(schedule.warmUp, 187U);
  sizes.advance(schedule.warmUp);
  EXPECT_LE(sizes.tokensBefore(), 375'000'000U);
  sizes.advance();
  EXPECT_GT(sizes.tokensBefore(), 375'000'000U);
}

TEST(CarriedRecipe, MalformedOnesAreTold) {
  auto without = [](const std::string &part, const std::string &with) {
    std::string text = good;
    size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, part.size(), with);
  };
  for (const std::string &text :
       {std::string("{}"), std::string("[1]"), std::string("no JSON"),
        without("1e-4", "0"), without("1e-4", "-1"), without("1e-4", "\"x\""),
        without("0.1", "1.5"), without("375000000", "1e99"),
        without("375000000", "-1"), without("\"cosine\"", "\"up\""),
        without("\"a paper\"", "7"), without("}", ", \"growth_tokens\": 1}"),
        without("}", ", \"growth_first_tokens\": 1, \"growth_tokens\": -1}")})
    EXPECT_FALSE(recipeOf(text)) << text;
  EXPECT_THAT(recipeOf("{}"), FailsWith(ErrorCode::Corrupt, "is no recipe"));
}

} // namespace
} // namespace gptc
