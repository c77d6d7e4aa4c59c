#include "gptc/runtime/base/File.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>

namespace gptc {
namespace {

std::span<const std::byte> bytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Status writeWhole(const std::string &path, std::string_view text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(bytesOf(text)));
  return file.commit();
}

TEST(File, MapsAndReadsRegularFiles) {
  TemporaryFolder folder;
  ASSERT_VALUE(MappedFile file, MappedFile::open(folder.write("a", "content")));
  EXPECT_EQ(std::memcmp(file.bytes().data(), "content", 7), 0);
  EXPECT_EQ(file.bytes().size(), 7U);
  MappedFile moved = std::move(file);
  EXPECT_EQ(moved.path(), folder / "a");
  EXPECT_EQ(moved.bytes().size(), 7U);
  ASSERT_VALUE(MappedFile empty, MappedFile::open(folder.write("empty", "")));
  EXPECT_TRUE(empty.bytes().empty());
  ASSERT_VALUE(std::string text, readTextFile(folder / "a"));
  EXPECT_EQ(text, "content");
  ASSERT_VALUE(text, readTextFile(folder / "empty"));
  EXPECT_EQ(text, "");
  EXPECT_THAT(readTextFile(folder / "a", 6),
              FailsWith(ErrorCode::InvalidArgument, "expected at most 6"));
}

TEST(MappedFile, ReleasesItsOwnPagesAlone) {
  TemporaryFolder folder;
  std::string content(100'000, 'f');
  ASSERT_VALUE(MappedFile file, MappedFile::open(folder.write("a", content)));
  auto text = [](std::span<const std::byte> bytes) {
    return std::string(reinterpret_cast<const char *>(bytes.data()),
                       bytes.size());
  };
  for (size_t begin : {size_t(0), size_t(1), size_t(4095), size_t(99'999)}) {
    file.release(file.bytes().subspan(begin));
    EXPECT_TRUE(text(file.bytes()) == content) << begin;
  }
  file.release({});
  // Pages of other memory would come back as zeros.
  std::string other(100'000, 'o');
  file.release(std::as_bytes(std::span(other)));
  EXPECT_TRUE(other == std::string(100'000, 'o'));
}

TEST(File, ReadingRefusesWhatIsNoFile) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("loop2", folder / "loop1");
  std::filesystem::create_symlink("loop1", folder / "loop2");
  folder.write("file", "");
  EXPECT_THAT(MappedFile::open(folder / "none"),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(MappedFile::open(folder.path()),
              FailsWith(ErrorCode::InvalidArgument, "a folder"));
  EXPECT_THAT(MappedFile::open(folder / "pipe"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  for (const char *device : {"/dev/zero", "/dev/null", "/dev/full"})
    EXPECT_THAT(MappedFile::open(device),
                FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  EXPECT_THAT(MappedFile::open(folder / "loop1"),
              FailsWith(ErrorCode::Io, "symbolic links"));
  EXPECT_THAT(MappedFile::open(folder / "file/inside"),
              FailsWith(ErrorCode::Io, "Not a directory"));
}

TEST(File, TextsAreReadFromPipesUpToALimit) {
  TemporaryFolder folder;
  std::string pipe = folder / "pipe", text(100'000, 'x');
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto *before = std::signal(SIGPIPE, SIG_IGN); // Of readers that stop early.
  auto throughPipe = [&](size_t limit) {
    std::thread writer([&] { std::ofstream(pipe) << text; });
    auto result = readTextInput(pipe, limit);
    writer.join();
    return result;
  };
  ASSERT_VALUE(std::string read, throughPipe(text.size()));
  EXPECT_EQ(read, text);
  EXPECT_THAT(throughPipe(text.size() - 1),
              FailsWith(ErrorCode::InvalidArgument, "more than 99999 bytes"));
  std::signal(SIGPIPE, before);
  ASSERT_VALUE(read, readTextInput(folder.write("file", text), text.size()));
  EXPECT_EQ(read, text);
  ASSERT_VALUE(read, readTextInput("/dev/null"));
  EXPECT_EQ(read, "");
  EXPECT_THAT(readTextInput("/dev/zero", 1000),
              FailsWith(ErrorCode::InvalidArgument, "'/dev/zero' has more"));
  EXPECT_THAT(readTextInput(folder / "none"),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(readTextInput(folder.path()),
              FailsWith(ErrorCode::Io, "Is a directory"));
}

TEST(File, WhatIsStagedLacksItsNameAlone) {
  TemporaryFolder folder;
  {
    ASSERT_VALUE(AtomicFile file, AtomicFile::create(folder / "a"));
    ASSERT_SUCCESS(file.write(bytesOf("text")));
    ASSERT_SUCCESS(file.stage());
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    EXPECT_EQ(folder.count(), 1U);
  }
  EXPECT_EQ(folder.count(), 0U);
  ASSERT_VALUE(AtomicFile file, AtomicFile::create(folder / "a"));
  ASSERT_SUCCESS(file.write(bytesOf("text")));
  ASSERT_SUCCESS(file.stage());
  ASSERT_SUCCESS(file.stage());
  ASSERT_SUCCESS(file.commit());
  EXPECT_EQ(folder.read("a"), "text");
  EXPECT_EQ(folder.count(), 1U);
}

/// Runs `body` in a child of its own and returns how the child ended.
template <typename F> int inChild(F body) {
  pid_t child = ::fork();
  if (child == 0)
    ::_exit(body() ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(File, WhatMayNotBeTouchedSaysSo) {
  TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0755);
  ::chmod(folder.write("secret", "x").c_str(), 0);
  int status = inChild([&] {
    // Nothing is unreadable for root.
    if (::geteuid() == 0 && ::seteuid(65534) != 0)
      return false;
    auto denied = FailsWith(ErrorCode::Io, "Permission denied");
    return testing::Value(MappedFile::open(folder / "secret"), denied) &&
           (::geteuid() != 65534 ||
            testing::Value(writeWhole(folder / "new", "x"), denied));
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.count(), 1U);
}

TEST(File, WritesAppearOnlyWhenCommitted) {
  TemporaryFolder folder;
  folder.write("a", "old");
  {
    ASSERT_VALUE(AtomicFile file, AtomicFile::create(folder / "a"));
    ASSERT_SUCCESS(file.write(bytesOf("abandoned")));
    EXPECT_EQ(folder.read("a"), "old");
  }
  EXPECT_EQ(folder.read("a"), "old");
  EXPECT_EQ(folder.count(), 1U);
  ASSERT_VALUE(AtomicFile file, AtomicFile::create(folder / "a"));
  ASSERT_SUCCESS(file.write(bytesOf("new!")));
  ASSERT_SUCCESS(file.writeAt(3, bytesOf("?")));
  ASSERT_SUCCESS(file.pad(8));
  EXPECT_EQ(file.position(), 8U);
  AtomicFile moved = std::move(file);
  ASSERT_SUCCESS(moved.commit());
  EXPECT_EQ(folder.read("a"), std::string("new?\0\0\0\0", 8));
  EXPECT_EQ(folder.count(), 1U);
}

TEST(File, WritesHonourTheUmask) {
  TemporaryFolder folder;
  mode_t before = ::umask(027);
  Status status = writeWhole(folder / "a", "x");
  ::umask(before);
  ASSERT_SUCCESS(status);
  struct stat info;
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST(File, WritingFollowsLinks) {
  TemporaryFolder folder;
  folder.write("file", "old");
  std::filesystem::create_symlink("file", folder / "link");
  ASSERT_SUCCESS(writeWhole(folder / "link", "new"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(folder.read("file"), "new");
  std::filesystem::create_symlink("nowhere", folder / "dangling");
  EXPECT_THAT(writeWhole(folder / "dangling", "x"),
              FailsWith(ErrorCode::InvalidArgument, "does not exist"));
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_THAT(writeWhole(folder / "loop", "x"),
              FailsWith(ErrorCode::Io, "symbolic links"));
}

TEST(File, WritingRefusesWhatIsNoFile) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  folder.write("file", "");
  EXPECT_THAT(writeWhole(folder / "pipe", "x"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  EXPECT_THAT(writeWhole(folder.path(), "x"),
              FailsWith(ErrorCode::InvalidArgument, "a folder"));
  EXPECT_THAT(writeWhole(folder / "none/file", "x"),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(writeWhole(folder / "file/inside", "x"),
              FailsWith(ErrorCode::Io, "Not a directory"));
  // Renaming over a device would replace it for everybody.
  EXPECT_THAT(writeWhole("/dev/full", "x"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  struct stat info;
  ASSERT_EQ(::stat("/dev/full", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
}

TEST(File, AFullDiskIsAnErrorAndLeavesNothing) {
  TemporaryFolder folder;
  folder.write("a", "old");
  int status = inChild([&] {
    // A limit on the size of files fails as a full disk does.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Status written = writeWhole(folder / "a", std::string(100'000, 'x'));
    return !written && written.error().code() == ErrorCode::Io &&
           written.error().message().find("File too large") !=
               std::string::npos;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.read("a"), "old");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(File, BeingKilledHalfWayLeavesTheOldFile) {
  TemporaryFolder folder;
  folder.write("a", "old");
  int status = inChild([&] {
    auto file = AtomicFile::create(folder / "a");
    if (file && file->write(bytesOf(std::string(100'000, 'x'))))
      ::raise(SIGKILL);
    return false;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(folder.read("a"), "old");
  // Where files without a name exist, the half of the new one is gone.
  int unnamed = ::open(folder.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
  EXPECT_EQ(folder.count(), unnamed >= 0 ? 1U : 2U);
  ::close(unnamed);
}

} // namespace
} // namespace gptc
