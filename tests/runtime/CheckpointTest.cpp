#include "gptc/runtime/tensors/Checkpoint.h"
#include "tests/support/Matchers.h"
#include "tests/support/Safetensors.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace gptc {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

constexpr const char *indexName = "model.safetensors.index.json";

std::string oneTensor(const std::string &name, const std::string &data) {
  return safetensors(
      tensorEntry(name, "U8", std::to_string(data.size()), 0, data.size()),
      data);
}

TEST(Checkpoint, FindsNamesWithAndWithoutPrefix) {
  TemporaryFolder folder;
  folder.write("model.safetensors",
               safetensors(tensorEntry("transformer.a", "U8", "2", 0, 2) + "," +
                               tensorEntry("b", "U8", "2", 2, 4),
                           "1234"));
  ASSERT_VALUE(Checkpoint checkpoint, Checkpoint::open(folder.path()));
  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b"));
  for (const char *name : {"a", "transformer.a", "b", "transformer.b"}) {
    const TensorView *view = checkpoint.find(name);
    ASSERT_NE(view, nullptr) << name;
    EXPECT_EQ(view->bytes.size(), 2U);
  }
  EXPECT_EQ(checkpoint.find("c"), nullptr);
}

TEST(Checkpoint, ReadsShards) {
  TemporaryFolder folder;
  folder.write("1.safetensors", oneTensor("a", "1234"));
  folder.write("2.safetensors", oneTensor("b", "12"));
  folder.write(
      indexName,
      R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  ASSERT_VALUE(Checkpoint checkpoint, Checkpoint::open(folder.path()));
  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b"));
}

TEST(Checkpoint, DigestSeesHeadersAndData) {
  TemporaryFolder folder;
  auto digestOf = [&](const std::string &content) {
    folder.write("model.safetensors", content);
    auto checkpoint = Checkpoint::open(folder.path());
    return checkpoint ? checkpoint->digest() : checkpoint.error().message();
  };
  std::string digest = digestOf(oneTensor("a", "1234"));
  EXPECT_EQ(digest.size(), 64U);
  EXPECT_EQ(digestOf(oneTensor("a", "1234")), digest);
  EXPECT_NE(digestOf(oneTensor("a", "1235")), digest);
  EXPECT_NE(digestOf(oneTensor("b", "1234")), digest);
}

TEST(Checkpoint, WhatIsNoCheckpointSaysWhy) {
  TemporaryFolder folder;
  auto open = [&] { return Checkpoint::open(folder.path()); };
  EXPECT_THAT(Checkpoint::open(folder / "none"),
              FailsWith(ErrorCode::NotFound, "does not exist"));
  EXPECT_THAT(Checkpoint::open(folder.write("file", "")),
              FailsWith(ErrorCode::NotFound, "no folder"));
  EXPECT_THAT(open(), FailsWith(ErrorCode::NotFound, "no model.safetensors"));
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(open(), FailsWith(ErrorCode::Unsupported, "save_pretrained"));
  fs::create_symlink("model.safetensors", folder / "model.safetensors");
  EXPECT_THAT(open(), FailsWith(ErrorCode::Io, "symbolic links"));
  fs::remove(folder / "model.safetensors");
  ASSERT_EQ(::mkfifo((folder / "model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(open(), FailsWith(ErrorCode::InvalidArgument, "pipe"));
  fs::remove(folder / "model.safetensors");
  fs::create_directory(folder / "model.safetensors");
  EXPECT_THAT(open(), FailsWith(ErrorCode::InvalidArgument, "folder"));
}

TEST(Checkpoint, RefusesDamagedIndices) {
  TemporaryFolder folder;
  folder.write("1.safetensors", oneTensor("a", "1234"));
  for (const char *index :
       {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})",
        R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": ""}})",
        R"({"weight_map": {"a": ".."}})",
        R"({"weight_map": {"a": "../1.safetensors"}})",
        R"({"weight_map": {"a": "/etc/passwd"}})",
        R"({"weight_map": {"a": "1.safetensors\u0000"}})",
        R"({"weight_map": {"b": "1.safetensors"}})",
        R"({"weight_map": {"a": "1.safetensors", "a": "1.safetensors"}})"}) {
    folder.write(indexName, index);
    EXPECT_THAT(Checkpoint::open(folder.path()),
                FailsWith(ErrorCode::Corrupt, "'"))
        << index;
  }
  folder.write(indexName, R"({"weight_map": {"a": "2.safetensors"}})");
  EXPECT_THAT(Checkpoint::open(folder.path()),
              FailsWith(ErrorCode::NotFound, "2.safetensors"));
}

TEST(Checkpoint, RefusesATensorInTwoFiles) {
  TemporaryFolder folder;
  folder.write("1.safetensors", oneTensor("a", "1234"));
  folder.write("2.safetensors", oneTensor("transformer.a", "12"));
  folder.write(indexName, R"({"weight_map": {"a": "1.safetensors",
                              "transformer.a": "2.safetensors"}})");
  EXPECT_THAT(Checkpoint::open(folder.path()),
              FailsWith(ErrorCode::Corrupt, "a second time"));
}

} // namespace
} // namespace gptc
