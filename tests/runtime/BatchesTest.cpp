#include "gptc/runtime/data/Batches.h"
#include "tests/support/Matchers.h"
#include "tests/support/SampleShards.h"

#include <map>
#include <thread>

namespace gptc {
namespace {

using testing::ElementsAre;

/// Training tokens 1, 2, ... `count`, in shards of `each`.
TokenData numbered(const TemporaryFolder &folder, int32_t count, int32_t each) {
  ShardHeader header = sampleHeader();
  header.vocabulary = 10'000;
  for (int32_t first = 1; first <= count; first += each) {
    std::vector<int32_t> document;
    for (int32_t id = first; id < first + each && id <= count; ++id)
      document.push_back(id);
    ShardHeader written = writeSampleShard(folder.path(), header,
                                           first + each > count, {document});
    header.previous = written.self;
    ++header.number;
  }
  auto data = TokenData::open(folder.path());
  EXPECT_TRUE(data) << data.error().message();
  return *std::move(data);
}

struct Batch {
  std::vector<int32_t> tokens, targets;
  bool operator==(const Batch &) const = default;
};

Batch batchOf(const Batches &batches, uint64_t step) {
  size_t size = batches.batch() * batches.context();
  Batch batch{std::vector<int32_t>(size, -7), std::vector<int32_t>(size, -7)};
  auto read = batches.read(step, batch.tokens, batch.targets);
  EXPECT_TRUE(read) << read.error().message();
  return batch;
}

TEST(Batches, EveryWindowComesOnceAnEpoch) {
  for (int32_t count : {2, 3, 5, 7, 11, 13, 64, 65, 66, 97}) {
    TemporaryFolder folder;
    TokenData data = numbered(folder, count, 31);
    for (uint64_t context : {1, 2, 5, 7, 13, 64})
      for (uint64_t batch : {1, 2, 3, 5}) {
        TemporaryFolder folder;
        TokenData data = numbered(folder, count, 31);
        ASSERT_VALUE(Batches batches, Batches::create(data, DataPart::Training,
                                                      batch, context, 42));
        uint64_t windows = batches.windows();
        EXPECT_EQ(windows, (uint64_t(count) - 2) / context + 1);
        EXPECT_EQ(batches.stepsPerEpoch(), (windows + batch - 1) / batch);
        // As many steps as make whole epochs: each token is a target once in
        // each, the first one never, and beside it stands the one before.
        std::map<int32_t, uint64_t> targets;
        for (uint64_t step = 0; step < windows; ++step) {
          Batch read = batchOf(batches, step);
          for (size_t i = 0; i < read.tokens.size(); ++i)
            if (read.targets[i] >= 0) {
              ++targets[read.targets[i]];
              EXPECT_EQ(read.tokens[i], read.targets[i] - 1);
            } else {
              EXPECT_TRUE(read.tokens[i] == count || read.tokens[i] == 0);
            }
          for (uint64_t b = 0; b < batch; ++b)
            EXPECT_GE(read.targets[b * context], 0) << "a window for nothing";
        }
        ASSERT_EQ(targets.size(), size_t(count) - 1);
        for (auto [target, times] : targets)
          EXPECT_EQ(times, batch) << target;
      }
  }
}

TEST(Batches, AnEpochIsAnOrderOfItsOwn) {
  TemporaryFolder folder;
  TokenData data = numbered(folder, 1001, 300);
  auto epoch = [&](uint64_t seed, uint64_t number) {
    auto batches = Batches::create(data, DataPart::Training, 1, 10, seed);
    std::vector<int32_t> firsts;
    for (uint64_t i = 0; i < 100; ++i)
      firsts.push_back(batchOf(*batches, number * 100 + i).tokens[0]);
    return firsts;
  };
  std::vector<int32_t> first = epoch(1, 0);
  EXPECT_NE(first, epoch(1, 1));
  EXPECT_NE(first, epoch(2, 0));
  EXPECT_EQ(first, epoch(1, 0));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  std::vector<int32_t> second = epoch(1, 1);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, second);
}

TEST(Batches, AStepIsAFunctionOfSeedAndStepAlone) {
  TemporaryFolder folder;
  TokenData data = numbered(folder, 500, 123);
  ASSERT_VALUE(Batches batches,
               Batches::create(data, DataPart::Training, 3, 7, 9));
  std::vector<Batch> inOrder;
  for (uint64_t step = 0; step < 60; ++step)
    inOrder.push_back(batchOf(batches, step));
  ASSERT_VALUE(Batches again,
               Batches::create(data, DataPart::Training, 3, 7, 9));
  for (uint64_t step = 60; step-- > 0;)
    EXPECT_EQ(batchOf(again, step), inOrder[step]);
  // Batches of another size take the windows in the same order.
  ASSERT_VALUE(Batches single,
               Batches::create(data, DataPart::Training, 1, 7, 9));
  for (uint64_t i = 0; i < 9; ++i) {
    Batch one = batchOf(single, i);
    EXPECT_TRUE(
        std::equal(one.tokens.begin(), one.tokens.end(),
                   inOrder[i / 3].tokens.begin() + std::ptrdiff_t(i % 3 * 7)));
  }
  EXPECT_EQ(batchOf(batches, ~uint64_t(0)).tokens.size(), 21U);
}

TEST(Batches, ThreadsReadAtTheSameTime) {
  TemporaryFolder folder;
  TokenData data = numbered(folder, 997, 100);
  ASSERT_VALUE(Batches batches,
               Batches::create(data, DataPart::Training, 4, 13, 5));
  std::vector<Batch> expected;
  for (uint64_t step = 0; step < 50; ++step)
    expected.push_back(batchOf(batches, step));
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      for (uint64_t step = 0; step < 50; ++step)
        EXPECT_EQ(batchOf(batches, step), expected[step]);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Batches, WindowsInTheirOwnOrder) {
  TemporaryFolder folder;
  TokenData data = numbered(folder, 7, 4);
  ASSERT_VALUE(Batches batches,
               Batches::create(data, DataPart::Training, 1, 4, 0));
  std::vector<int32_t> tokens(4), targets(4);
  ASSERT_SUCCESS(batches.readWindow(0, tokens, targets));
  EXPECT_THAT(tokens, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(targets, ElementsAre(2, 3, 4, 5));
  ASSERT_SUCCESS(batches.readWindow(1, tokens, targets));
  EXPECT_THAT(tokens, ElementsAre(5, 6, 7, 0));
  EXPECT_THAT(targets, ElementsAre(6, 7, -1, -1));
}

TEST(Batches, WhatCannotBeIsRefused) {
  TemporaryFolder folder;
  TokenData data = numbered(folder, 7, 7);
  auto create = [&](DataPart part, uint64_t batch, uint64_t context) {
    return Batches::create(data, part, batch, context, 0);
  };
  EXPECT_THAT(
      create(DataPart::Validation, 1, 1),
      FailsWith(ErrorCode::InvalidArgument,
                "the validation part of '" + folder.path() + "' has 0 tokens"));
  EXPECT_THAT(create(DataPart::Training, 0, 1),
              FailsWith(ErrorCode::InvalidArgument, "0 windows"));
  EXPECT_THAT(create(DataPart::Training, 1, 0),
              FailsWith(ErrorCode::InvalidArgument, "0 tokens"));
  EXPECT_THAT(create(DataPart::Training, 1, ~uint64_t(0)),
              FailsWith(ErrorCode::InvalidArgument, "2147483648"));
  ASSERT_VALUE(Batches batches, create(DataPart::Training, 2, 3));
  std::vector<int32_t> six(6), five(5);
  EXPECT_THAT(batches.read(0, six, five),
              FailsWith(ErrorCode::InvalidArgument, "into 6 and 5 values"));
}

TEST(Batches, ADamagedTokenIsAnErrorAndNoIndex) {
  TemporaryFolder folder;
  (void)numbered(folder, 20, 20);
  std::string file = folder.read("shard-00000.tokens");
  file[256 + 2 * 9 + 1] = char(0xff);
  folder.write("shard-00000.tokens", file);
  ASSERT_VALUE(TokenData data, TokenData::open(folder.path()));
  EXPECT_THAT(data.verify(), FailsWith(ErrorCode::Corrupt, "digest"));
  ASSERT_VALUE(Batches batches,
               Batches::create(data, DataPart::Training, 1, 20, 0));
  std::vector<int32_t> tokens(20), targets(20);
  EXPECT_THAT(batches.read(0, tokens, targets),
              FailsWith(ErrorCode::Corrupt, "token 9 of its training part"));
}

} // namespace
} // namespace gptc
