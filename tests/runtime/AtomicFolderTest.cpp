#include "gptc/runtime/base/AtomicFolder.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

namespace fs = std::filesystem;

/// Makes a folder with one file; false before its commit.
Status make(const std::string &path, bool commit) {
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(path));
  std::ofstream(folder / "file") << "content";
  return commit ? folder.commit() : Status();
}

TEST(AtomicFolder, AppearsWhole) {
  TemporaryFolder folder;
  for (const char *name : {"new", "slash/"}) {
    ASSERT_SUCCESS(make(folder / name, true));
    EXPECT_EQ(folder.read(std::string(name) + "/file"), "content");
  }
  EXPECT_EQ(folder.count(), 2U);
  EXPECT_NE(fs::status(folder / "new").permissions() & fs::perms::owner_exec,
            fs::perms::none);
}

TEST(AtomicFolder, TakesThePlaceOfAnEmptyFolder) {
  TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  fs::create_directory_symlink(folder / "empty", folder / "link");
  ASSERT_SUCCESS(make(folder / "link", true));
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(folder.read("empty/file"), "content");
  EXPECT_EQ(folder.count(), 2U);
}

TEST(AtomicFolder, IsGoneWithoutACommit) {
  TemporaryFolder folder;
  ASSERT_SUCCESS(make(folder / "new", false));
  EXPECT_EQ(folder.count(), 0U);
}

TEST(AtomicFolder, RefusesWhatIsThere) {
  TemporaryFolder folder;
  folder.write("file", "");
  fs::create_directory(folder / "full");
  folder.write("full/file", "old");
  EXPECT_THAT(make(folder / "full", true),
              FailsWith(ErrorCode::InvalidArgument, "is not empty"));
  EXPECT_THAT(make(folder / "file", true),
              FailsWith(ErrorCode::InvalidArgument, "it is a file"));
  EXPECT_THAT(make(folder / "file/inside", true),
              FailsWith(ErrorCode::Io, "Not a directory"));
  EXPECT_THAT(make(folder / "none/new", true),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(make("", true),
              FailsWith(ErrorCode::InvalidArgument, "names no folder"));
  EXPECT_EQ(folder.read("full/file"), "old");
  EXPECT_EQ(folder.count(), 2U);
}

} // namespace
} // namespace gptc
