// The page of documentation about Vulkan's variants is what the code says.

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace gptc {
namespace {

TEST(VulkanTargets, AreDocumented) {
  const std::string path = GPTC_SOURCE_DIR "/docs/vulkan-variants.md";
  std::string expected = vulkan::describeTargets();
  if (std::getenv("GPTC_UPDATE_DOCS"))
    std::ofstream(path) << expected;
  std::ifstream file(path);
  std::string found{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(found, expected)
      << "run GPTC_UPDATE_DOCS=1 build/release/bin/vulkan-target-tests, and "
         "commit docs/vulkan-variants.md";
}

} // namespace
} // namespace gptc
