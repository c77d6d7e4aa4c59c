// The house's plan, checked: which room may include which, what the libraries
// link, how long files are.

#include "tests/support/TemporaryFolder.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <vector>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

fs::path root() { return GPTC_SOURCE_DIR; }

/// Every room with those it may include.
const std::map<std::string, std::set<std::string>> &rooms() {
  static const auto result = [] {
    std::map<std::string, std::set<std::string>> below;
    below["runtime/base"] = {};
    below["runtime/artifact"] = {"runtime/base"};
    below["runtime/tensors"] = {"runtime/base"};
    below["runtime/text"] = {"runtime/base"};
    below["runtime/program"] = {"runtime/base", "runtime/artifact",
                                "runtime/tensors"};
    std::set<std::string> runtime = {"runtime/base", "runtime/artifact",
                                     "runtime/tensors", "runtime/text",
                                     "runtime/program"};
    below["runtime/session"] = runtime;
    runtime.insert("runtime/session");
    below["runtime/data"] = {"runtime/base", "runtime/text", "runtime/program"};
    runtime.insert("runtime/data");
    below["runtime/training"] = runtime;
    runtime.insert("runtime/training");
    below["ir"] = {"runtime/base"};
    std::set<std::string> ground = runtime;
    ground.insert("ir");
    for (const char *room :
         {"passes", "frontend", "backends/cpu/compiler",
          "backends/reference/compiler", "backends/vulkan/compiler"})
      below[room] = ground;
    for (const char *room : {"backends/cpu/runtime", "backends/vulkan/runtime"})
      below[room] = runtime;
    // What both halves of the backend must agree on.
    below["backends/vulkan"] = {};
    for (const char *half :
         {"backends/vulkan/compiler", "backends/vulkan/runtime"})
      below[half].insert("backends/vulkan");
    below["models"] = ground;
    below["models"].insert("frontend");
    below["compiler"] = below["models"];
    below["compiler"].insert({"models", "passes", "backends/cpu/compiler",
                              "backends/reference/compiler",
                              "backends/vulkan/compiler"});
    // Small graphs, compiled and interpreted.
    below["optable"] = below["compiler"];
    below["optable"].insert("compiler");
    // The command loads the compiler when it needs it, through one header.
    below["tools/gptc"] = runtime;
    below["tools/gptc"].insert("backends/vulkan/runtime");
    below["tools/gptc"].insert("compiler/Service.h");
    below["tools/gptc-opt"] = {"ir", "passes", "compiler/Service.h"};
    return below;
  }();
  return result;
}

/// The room of a path below gptc/, or the path itself where it lies in none.
std::string roomOf(const std::string &path) {
  std::string found = path;
  // A room comes before the rooms inside of it.
  for (const auto &[room, below] : rooms())
    if (path.starts_with(room + "/"))
      found = room;
  return found;
}

bool isSource(const fs::path &path) {
  static const std::set<std::string> extensions = {
      ".h", ".cpp", ".td", ".fbs", ".py", ".sh", ".mlir", ".cmake", ".txt"};
  return extensions.contains(path.extension().string());
}

/// Source files below a folder of the repository, which may be missing.
std::vector<fs::path> sourcesIn(const std::string &folder) {
  std::vector<fs::path> result;
  if (fs::exists(root() / folder))
    for (const auto &entry : fs::recursive_directory_iterator(root() / folder))
      if (entry.is_regular_file() && isSource(entry.path()))
        result.push_back(entry.path());
  return result;
}

/// What a file includes, without quotes or brackets.
std::vector<std::string> includesOf(const fs::path &path) {
  std::vector<std::string> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    bool preprocessor = line.starts_with("#include ");
    if (!preprocessor && !line.starts_with("include \""))
      continue;
    size_t begin = line.find_first_of("\"<") + 1;
    result.push_back(
        line.substr(begin, line.find_first_of("\">", begin) - begin));
  }
  return result;
}

TEST(Structure, NoIncludeRunsUpward) {
  size_t files = 0, includes = 0;
  for (const fs::path &path : sourcesIn("gptc")) {
    std::string name = fs::relative(path, root() / "gptc").string();
    if (path.extension() == ".txt")
      continue;
    std::string room = roomOf(name);
    ASSERT_TRUE(rooms().contains(room)) << name << " lies in no known room";
    ++files;
    for (const std::string &include : includesOf(path)) {
      if (!include.starts_with("gptc/"))
        continue;
      ++includes;
      std::string included = include.substr(5), to = roomOf(included);
      const auto &allowed = rooms().at(room);
      EXPECT_TRUE(room == to || allowed.contains(to) ||
                  allowed.contains(included))
          << "gptc/" << name << " includes " << include << ", and " << room
          << " lies beside or below " << to;
    }
  }
  EXPECT_GT(files, 50U);
  EXPECT_GT(includes, 100U);
}

TEST(Structure, HeaderGuardsAreThePath) {
  for (const char *folder : {"gptc", "tests", "bench"})
    for (const fs::path &path : sourcesIn(folder)) {
      if (path.extension() != ".h")
        continue;
      std::string guard = fs::relative(path, root()).string();
      for (char &c : guard)
        c = std::isalnum(static_cast<unsigned char>(c)) ? char(std::toupper(c))
                                                        : '_';
      std::ostringstream text;
      text << std::ifstream(path).rdbuf();
      if (!guard.starts_with("GPTC_"))
        guard = "GPTC_" + guard;
      for (const char *line : {"#ifndef ", "#define ", "#endif // "})
        EXPECT_THAT(text.str(), HasSubstr(line + guard + "\n")) << path;
    }
}

TEST(Structure, RuntimeAndCommandKnowNoMlir) {
  for (const char *folder :
       {"gptc/runtime", "gptc/tools/gptc", "gptc/backends/cpu/runtime",
        "gptc/backends/vulkan/runtime"})
    for (const fs::path &path : sourcesIn(folder))
      for (const std::string &include : includesOf(path))
        EXPECT_FALSE(include.starts_with("mlir/") ||
                     include.starts_with("llvm/") ||
                     include.starts_with("lld/"))
            << path << " includes " << include;
}

/// The dynamic section of a library or program.
std::string dynamicSection(const std::string &path) {
  TemporaryFolder folder;
  std::string command =
      "readelf -d '" + path + "' > '" + (folder / "out") + "'";
  // NOLINTNEXTLINE(bugprone-command-processor): our own path.
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return folder.read("out");
}

TEST(Structure, RuntimeAndCommandLinkNoLlvm) {
  std::vector<std::string> files = {GPTC_RUNTIME_LIBRARY};
#ifdef GPTC_COMMAND
  files.push_back(GPTC_COMMAND);
#endif
  for (const std::string &file : files) {
    std::string section = dynamicSection(file);
    EXPECT_THAT(section, HasSubstr("NEEDED")) << file;
    for (const char *library : {"LLVM", "MLIR", "lld", "gptc-compiler"})
      EXPECT_THAT(section, Not(HasSubstr(library))) << file;
  }
}

TEST(Structure, FilesStaySmall) {
  std::vector<uintmax_t> sizes;
  for (const char *folder :
       {"gptc", "tests", "bench", "examples", "scripts", "cmake"})
    for (const fs::path &path : sourcesIn(folder)) {
      uintmax_t size = fs::file_size(path);
      EXPECT_LE(size, 40'000U) << path;
      if (std::string(folder) == "gptc" && path.extension() != ".txt")
        sizes.push_back(size);
    }
  ASSERT_FALSE(sizes.empty());
  auto middle = sizes.begin() + std::ptrdiff_t(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  std::printf("%zu source files in gptc/, the median has %ju bytes\n",
              sizes.size(), *middle);
  EXPECT_LE(*middle, 7'000U);
}

} // namespace
} // namespace gptc
