#include "tests/support/Matchers.h"
#include "tests/support/SampleShards.h"

namespace gptc {
namespace {

using testing::ElementsAre;

Expected<std::vector<int32_t>> readAll(const Shard &shard, DataPart part) {
  std::vector<int32_t> tokens(shard.header().tokens[int(part)]);
  GPTC_CHECK(shard.read(part, 0, tokens));
  return tokens;
}

TEST(Shard, WhatIsWrittenIsReadBack) {
  for (uint32_t width : {2, 4}) {
    TemporaryFolder folder;
    ShardHeader start = sampleHeader(width);
    start.vocabulary = width == 2 ? 65536 : 70'000;
    int32_t most = int32_t(start.vocabulary) - 1;
    // Odd numbers of tokens, so that sections are filled up.
    writeSampleShard(folder.path(), start, true,
                     {{1, 2, 0}, {most, 0}, {5, 6, 7, 8, 9, 0}}, {{3}, {4, 0}},
                     {{1, 2}, {3, 4}, {5, 6}});
    ASSERT_VALUE(Shard shard, Shard::open(folder / "shard-00000.tokens"));
    ASSERT_SUCCESS(shard.verify());
    EXPECT_EQ(shard.header().tokenBytes, width);
    ASSERT_VALUE(auto training, readAll(shard, DataPart::Training));
    EXPECT_THAT(training, ElementsAre(1, 2, 0, most, 0, 5, 6, 7, 8, 9, 0));
    ASSERT_VALUE(auto validation, readAll(shard, DataPart::Validation));
    EXPECT_THAT(validation, ElementsAre(3, 4, 0));
    std::vector<int32_t> some(3);
    ASSERT_SUCCESS(shard.read(DataPart::Training, 4, some));
    EXPECT_THAT(some, ElementsAre(0, 5, 6));
    EXPECT_EQ(*shard.documentBegin(DataPart::Training, 1), 3U);
    EXPECT_EQ(*shard.documentBegin(DataPart::Training, 2), 5U);
    EXPECT_EQ(*shard.documentBegin(DataPart::Validation, 1), 1U);
    ASSERT_EQ(shard.digests().size(), 3U);
    EXPECT_EQ(shard.digests()[1], (ShortDigest{3, 4}));
  }
}

TEST(Shard, WithoutCommitThereIsNoFile) {
  TemporaryFolder folder;
  {
    auto writer = ShardWriter::create(folder / "shard", sampleHeader());
    ASSERT_TRUE(writer);
    ASSERT_SUCCESS(
        writer->append(DataPart::Training, std::vector<int32_t>{1, 2}));
  }
  EXPECT_EQ(folder.count(), 0U);
}

/// A small good file.
class DamagedShard : public testing::Test {
protected:
  void SetUp() override {
    writeSampleShard(folder.path(), sampleHeader(), true,
                     {{1, 2, 0}, {3, 4, 5, 0}}, {{6, 0}}, {{1, 2}});
    file = folder.read("shard-00000.tokens");
  }

  /// What is wrong with a file, or nothing.
  static Status check(const std::string &content) {
    auto bytes = bytesOf(content);
    GPTC_TRY(Shard shard, Shard::parse(bytes, "f"));
    return shard.verify();
  }

  TemporaryFolder folder;
  std::string file;
};

TEST_F(DamagedShard, EveryBeginningAndEveryFlippedByteIsNoticed) {
  ASSERT_SUCCESS(check(file));
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THAT(check(file.substr(0, size)),
                FailsWith(ErrorCode::Corrupt, "'f'"))
        << size;
  EXPECT_THAT(check(file + "x"), FailsWith(ErrorCode::Corrupt, "header says"));
  for (size_t at = 0; at < file.size(); ++at) {
    std::string flipped = file;
    flipped[at] = char(flipped[at] ^ 0x10);
    EXPECT_FALSE(check(flipped)) << at;
  }
}

TEST_F(DamagedShard, AHeadersWordIsNotTaken) {
  auto with = [&](auto change) { return check(withHeader(file, change)); };
  using H = ShardHeader;
  EXPECT_THAT(with([](H &h) { h.version = 2; }),
              FailsWith(ErrorCode::Unsupported, "version 2"));
  EXPECT_THAT(with([](H &h) { h.headerBytes = 128; }),
              FailsWith(ErrorCode::Corrupt, "header"));
  EXPECT_THAT(with([](H &h) { h.tokenBytes = 3; }),
              FailsWith(ErrorCode::Corrupt, "3 bytes"));
  EXPECT_THAT(with([](H &h) { h.tokenBytes = 4; }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  EXPECT_THAT(with([](H &h) { h.vocabulary = 0; }),
              FailsWith(ErrorCode::Corrupt, "vocabulary of 0"));
  EXPECT_THAT(with([](H &h) { h.vocabulary = 65537; }),
              FailsWith(ErrorCode::Corrupt, "65537"));
  EXPECT_THAT(with([](H &h) { h.endOfText = 100; }),
              FailsWith(ErrorCode::Corrupt, "token 100"));
  EXPECT_THAT(with([](H &h) { h.tokens[0] = ~uint64_t(0); }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  EXPECT_THAT(with([](H &h) { h.tokens[0] = uint64_t(1) << 63; }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  EXPECT_THAT(with([](H &h) { h.tokens[1] = uint64_t(1) << 40; }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  EXPECT_THAT(with([](H &h) { h.digests = uint64_t(1) << 60; }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  EXPECT_THAT(with([](H &h) { h.fileBytes += 8; }),
              FailsWith(ErrorCode::Corrupt, "counts"));
  // Digests turned into document begins: the size is right.
  EXPECT_THAT(with([](H &h) { h.digests = 0, h.documents[1] = 3; }),
              FailsWith(ErrorCode::Corrupt, "3 documents in 2 tokens"));
}

TEST_F(DamagedShard, TokensAndDocumentsAreChecked) {
  // What a writer with a defect would write: the digests are right.
  auto with = [&](size_t at, char value) {
    std::string changed = file;
    changed[at] = value;
    return withHeader(changed, [&](ShardHeader &header) {
      header.body = Sha256::of(
          std::as_bytes(std::span(changed).subspan(sizeof(ShardHeader))));
    });
  };
  // Seven tokens fill 16 bytes, the two of validation 8.
  EXPECT_THAT(check(with(256 + 2 * 3, 100)),
              FailsWith(ErrorCode::Corrupt,
                        "token 3 of its training part is 100, the vocabulary"));
  EXPECT_THAT(check(with(256 + 16, 120)),
              FailsWith(ErrorCode::Corrupt, "validation part is 120"));
  EXPECT_THAT(check(with(256 + 24 + 8, 7)),
              FailsWith(ErrorCode::Corrupt, "begins at token 7 of 7"));
  EXPECT_THAT(check(with(256 + 24 + 8, 0)),
              FailsWith(ErrorCode::Corrupt, "document 1 of its training part"));
  ASSERT_SUCCESS(check(with(256 + 2 * 3, 99)));
}

TEST(TokenData, IsAllShardsOneAfterTheOther) {
  TemporaryFolder folder;
  ShardHeader header = sampleHeader();
  // The second document goes on in the second shard, which begins none.
  auto add = [&](bool last, const SampleDocuments &training,
                 const SampleDocuments &validation) {
    ShardHeader written =
        writeSampleShard(folder.path(), header, last, training, validation);
    header.previous = written.self;
    ++header.number;
  };
  add(false, {{1, 2, 0}, {3, 4}}, {});
  add(false, {}, {{60, 0}});
  add(true, {{5, 0}, {7, 8, 9, 0}}, {{61, 0}, {62, 63, 0}});
  ASSERT_VALUE(TokenData data, TokenData::open(folder.path()));
  ASSERT_SUCCESS(data.verify());
  EXPECT_EQ(data.shards().size(), 3U);
  EXPECT_EQ(data.vocabulary(), 100U);
  EXPECT_EQ(data.endOfText(), 0);
  EXPECT_EQ(data.tokens(DataPart::Training), 11U);
  EXPECT_EQ(data.documents(DataPart::Training), 4U);
  EXPECT_EQ(data.tokens(DataPart::Validation), 7U);
  EXPECT_EQ(data.documents(DataPart::Validation), 3U);
  const std::vector<int32_t> all = {1, 2, 0, 3, 4, 5, 0, 7, 8, 9, 0};
  for (size_t first = 0; first <= all.size(); ++first)
    for (size_t count = 0; first + count <= all.size(); ++count) {
      std::vector<int32_t> some(count);
      ASSERT_SUCCESS(data.read(DataPart::Training, first, some));
      EXPECT_TRUE(std::equal(some.begin(), some.end(),
                             all.begin() + std::ptrdiff_t(first)));
    }
  std::vector<int32_t> two(2);
  EXPECT_THAT(data.read(DataPart::Training, 10, two),
              FailsWith(ErrorCode::InvalidArgument, "tokens 10 to 12"));
  EXPECT_THAT(data.read(DataPart::Training, ~uint64_t(0), two),
              FailsWith(ErrorCode::InvalidArgument, "has 11"));
  std::vector<uint64_t> begins;
  for (uint64_t i = 0; i < 4; ++i)
    begins.push_back(*data.documentBegin(DataPart::Training, i));
  EXPECT_THAT(begins, ElementsAre(0, 3, 5, 7));
  EXPECT_EQ(*data.documentBegin(DataPart::Validation, 2), 4U);
  EXPECT_THAT(data.documentBegin(DataPart::Training, 4),
              FailsWith(ErrorCode::InvalidArgument, "document 4"));
}

TEST(TokenData, OpensOnlyWhatIsWholeAndBelongsTogether) {
  TemporaryFolder folder;
  EXPECT_THAT(TokenData::open(folder / "none"),
              FailsWith(ErrorCode::NotFound, "does not exist"));
  EXPECT_THAT(TokenData::open(folder.path()),
              FailsWith(ErrorCode::NotFound, "holds no data"));
  EXPECT_THAT(TokenData::open(folder.write("file", "x")),
              FailsWith(ErrorCode::InvalidArgument, "is no folder"));
  ShardHeader first =
      writeSampleShard(folder.path(), sampleHeader(), false, {{1, 0}});
  EXPECT_THAT(
      TokenData::open(folder.path()),
      FailsWith(ErrorCode::InvalidArgument, "it lacks shard-00001.tokens"));
  ShardHeader second = sampleHeader();
  second.number = 1;
  writeSampleShard(folder.path(), second, true, {{2, 0}});
  EXPECT_THAT(TokenData::open(folder.path()),
              FailsWith(ErrorCode::Corrupt, "does not belong"));
  second.previous = first.self;
  second.number = 2;
  writeSampleShard(folder.path(), second, true, {{2, 0}});
  std::filesystem::rename(folder / "shard-00002.tokens",
                          folder / "shard-00001.tokens");
  EXPECT_THAT(TokenData::open(folder.path()),
              FailsWith(ErrorCode::Corrupt, "does not belong"));
  second.number = 1;
  second.tokenizer.fill(8);
  writeSampleShard(folder.path(), second, true, {{2, 0}});
  EXPECT_THAT(TokenData::open(folder.path()),
              FailsWith(ErrorCode::Corrupt, "another tokenizer"));
  second.tokenizer = first.tokenizer;
  writeSampleShard(folder.path(), second, true, {{2, 0}});
  ASSERT_VALUE(TokenData data, TokenData::open(folder.path()));
  EXPECT_EQ(data.tokens(DataPart::Training), 4U);
}

} // namespace
} // namespace gptc
