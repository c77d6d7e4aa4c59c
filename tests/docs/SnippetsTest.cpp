// Snippets in the documentation are what the files say. A fenced block below
//
//   <!-- from PATH -->
//
// stands in that file of the repository, indented as it may be there.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

fs::path root() { return GPTC_SOURCE_DIR; }

Lines linesOf(const fs::path &path) {
  Lines lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    lines.push_back(line);
  return lines;
}

struct Snippet {
  std::string document;
  size_t line = 0; ///< Of the marker, from 1.
  std::string file;
  Lines text;
};

/// Snippets of one document that name their file.
std::vector<Snippet> snippetsOf(const fs::path &document) {
  const std::string begin = "<!-- from ", end = " -->";
  std::vector<Snippet> result;
  Lines lines = linesOf(document);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with(begin) || !lines[i].ends_with(end))
      continue;
    Snippet snippet{
        fs::relative(document, root()),
        i + 1,
        lines[i].substr(begin.size(),
                        lines[i].size() - begin.size() - end.size()),
        {}};
    if (i + 1 < lines.size() && lines[i + 1].starts_with("```"))
      for (i += 2; i < lines.size() && lines[i] != "```"; ++i)
        snippet.text.push_back(lines[i]);
    result.push_back(std::move(snippet));
  }
  return result;
}

/// Whether `line` of a file is `expected`, `indent` columns further right.
bool matches(const std::string &line, const std::string &expected,
             size_t indent) {
  return expected.empty() ? line.empty()
                          : line == std::string(indent, ' ') + expected;
}

bool standsIn(const Lines &text, const Lines &file) {
  for (size_t at = 0; at + text.size() <= file.size(); ++at) {
    if (file[at].size() < text[0].size())
      continue;
    size_t indent = file[at].size() - text[0].size(), same = 0;
    while (same < text.size() && matches(file[at + same], text[same], indent))
      ++same;
    if (same == text.size())
      return true;
  }
  return false;
}

std::vector<fs::path> documents() {
  std::vector<fs::path> result;
  if (fs::exists(root() / "README.md"))
    result.push_back(root() / "README.md");
  for (const auto &entry : fs::recursive_directory_iterator(root() / "docs"))
    if (entry.path().extension() == ".md")
      result.push_back(entry.path());
  std::sort(result.begin(), result.end());
  return result;
}

TEST(Snippets, AreWhatTheFilesSay) {
  size_t count = 0;
  for (const fs::path &document : documents())
    for (const Snippet &snippet : snippetsOf(document)) {
      ++count;
      std::string where =
          snippet.document + ":" + std::to_string(snippet.line) + ": ";
      ASSERT_FALSE(snippet.text.empty()) << where << "no block follows";
      ASSERT_TRUE(fs::exists(root() / snippet.file))
          << where << "there is no " << snippet.file;
      EXPECT_TRUE(standsIn(snippet.text, linesOf(root() / snippet.file)))
          << where << "the block is not in " << snippet.file;
    }
  EXPECT_GE(count, 10U);
}

TEST(Snippets, AreFoundAtAnyIndentationAndNotWhereTheyDiffer) {
  Lines file = {"a {", "    b;", "", "      c;", "    b;", "  d;"};
  EXPECT_TRUE(standsIn({"b;", "", "  c;"}, file));
  EXPECT_TRUE(standsIn({"    b;", "  d;"}, file));
  EXPECT_FALSE(standsIn({"b;", "", "c;"}, file));
  EXPECT_FALSE(standsIn({"b;", "c;"}, file));
  EXPECT_FALSE(standsIn({"d;", "e;"}, file));
}

/// Relative links of a line, without what follows a #.
Lines linksOf(const std::string &line) {
  Lines result;
  for (size_t at = line.find("]("); at != std::string::npos;
       at = line.find("](", at + 2)) {
    std::string link = line.substr(at + 2, line.find(')', at) - at - 2);
    link = link.substr(0, link.find('#'));
    if (!link.empty() && link.find("://") == std::string::npos)
      result.push_back(link);
  }
  return result;
}

TEST(Documents, LinkToFilesThatExist) {
  for (const fs::path &document : documents()) {
    bool code = false;
    for (const std::string &line : linesOf(document)) {
      if (line.starts_with("```"))
        code = !code;
      if (!code)
        for (const std::string &link : linksOf(line))
          EXPECT_TRUE(fs::exists(document.parent_path() / link))
              << document << " links to " << link;
    }
  }
}

} // namespace
} // namespace gptc
