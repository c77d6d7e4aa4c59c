// Every constraint of an op has a label, which stands in the documentation, in
// the verifier, and in a test in tests/compiler/ir.

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace gptc {
namespace {

namespace fs = std::filesystem;

fs::path root() { return GPTC_SOURCE_DIR; }

/// Labels such as matmul_c2 in files of a folder with one extension.
std::set<std::string> labelsIn(const std::string &folder,
                               const std::string &extension,
                               const std::regex &pattern) {
  std::set<std::string> labels;
  for (const auto &entry : fs::directory_iterator(root() / folder)) {
    if (entry.path().extension() != extension)
      continue;
    std::ifstream file(entry.path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    for (std::sregex_iterator at(text.begin(), text.end(), pattern), end;
         at != end; ++at)
      labels.insert((*at)[1]);
  }
  return labels;
}

TEST(Labels, AreDocumentedAndTested) {
  auto documented =
      labelsIn("gptc/ir", ".td", std::regex(R"(- \((\w+_c\d+)\))"));
  auto verified = labelsIn("gptc/ir", ".cpp", std::regex(R"(\((\w+_c\d+)\))"));
  auto tested = labelsIn("tests/compiler/ir", ".mlir",
                         std::regex(R"(\b([a-z]\w*_c\d+)\b)"));
  EXPECT_GT(documented.size(), 30U);
  for (const std::string &label : documented)
    EXPECT_TRUE(tested.contains(label)) << label << " has no test";
  for (const std::string &label : verified)
    EXPECT_TRUE(documented.contains(label)) << label << " is not documented";
  for (const std::string &label : tested)
    EXPECT_TRUE(documented.contains(label)) << label << " does not exist";
}

} // namespace
} // namespace gptc
