// The whole way from files to data, through the library.

#include "gptc/runtime/data/Prepare.h"
#include "gptc/runtime/data/Batches.h"
#include "gptc/runtime/data/TokenizerDigest.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

std::shared_ptr<const Tokenizer> tokenizerIn(const std::string &folder) {
  auto files = readTokenizerFiles(GPTC_SOURCE_DIR + folder);
  auto tokenizer = Tokenizer::create(*files);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message();
  return *tokenizer;
}

const std::shared_ptr<const Tokenizer> &shakespeare() {
  static const auto tokenizer = tokenizerIn("/examples/shakespeare");
  return tokenizer;
}

/// Text like text, `bytes` long at least, from a seed.
std::string someText(uint64_t seed, size_t bytes) {
  const char *words[] = {"the",  "king",  "and",   "queen", "of",  "France",
                         "came", "slow",  "to",    "see",   "her", "brother's",
                         "old",  "house", "where", "no",    "man", "speaks"};
  std::string text;
  uint64_t state = seed * 2 + 1;
  while (text.size() < bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    text += words[(state >> 33) % std::size(words)];
    text += (state >> 50) % 9 == 0 ? ",\n" : " ";
  }
  return text + ".\n";
}

std::string jsonLine(const std::string &text, const char *key = "text") {
  return nlohmann::json({{"id", 1}, {key, text}}).dump() + "\n";
}

/// All files of a folder by name.
std::map<std::string, std::string> contentOf(const std::string &folder) {
  std::map<std::string, std::string> files;
  for (const auto &entry : fs::directory_iterator(folder))
    files[entry.path().filename().string()] =
        TemporaryFolder::readFile(entry.path());
  return files;
}

class Prepare : public testing::Test {
protected:
  PrepareOptions optionsFor(std::vector<std::string> inputs) const {
    PrepareOptions options;
    options.inputs = std::move(inputs);
    options.output = folder / "data";
    options.threads = 2;
    return options;
  }

  static Expected<PrepareSummary>
  prepare(const PrepareOptions &options, const PrepareObserver &observer = {}) {
    return prepareData(options, shakespeare(), observer);
  }

  static std::vector<int32_t> tokensOf(const TokenData &data, DataPart part) {
    std::vector<int32_t> tokens(data.tokens(part));
    auto read = data.read(part, 0, tokens);
    EXPECT_TRUE(read) << read.error().message();
    return tokens;
  }

  /// The texts of a part's documents. Each ends with end-of-text.
  static std::vector<std::string> documentsOf(const TokenData &data,
                                              DataPart part) {
    std::vector<int32_t> tokens = tokensOf(data, part);
    std::vector<std::string> documents;
    for (uint64_t i = 0; i < data.documents(part); ++i) {
      uint64_t begin = *data.documentBegin(part, i);
      uint64_t end = i + 1 < data.documents(part)
                         ? *data.documentBegin(part, i + 1)
                         : tokens.size();
      EXPECT_EQ(tokens[end - 1], 0);
      documents.push_back(*shakespeare()->decode(
          std::span(tokens).subspan(begin, end - 1 - begin)));
    }
    return documents;
  }

  std::vector<std::string> prepared(DataPart part = DataPart::Training) const {
    auto data = TokenData::open(folder / "data");
    EXPECT_TRUE(data) << data.error().message();
    EXPECT_TRUE(data->verify());
    return documentsOf(*data, part);
  }

  /// Many documents of different lengths; every tenth is a duplicate, some
  /// lines are bad.
  std::vector<std::string> variedInputs() const {
    std::string lines;
    for (uint64_t i = 0; i < 500; ++i)
      lines += i % 97 == 5   ? "{\"text\": \"broken\n"
               : i % 10 == 9 ? jsonLine(someText(3, 700))
                             : jsonLine(someText(i, 20 + i * 37 % 3000));
    return {folder.write("a.jsonl", lines),
            folder.write("b.txt", someText(1000, 700'000)),
            folder.write("c.ndjson", jsonLine("short") + jsonLine("last"))};
  }
  PrepareOptions variedOptions() const {
    PrepareOptions options = optionsFor(variedInputs());
    options.validation = 0.15;
    options.seed = 3;
    options.dropDuplicates = true;
    options.shardTokens = 50'000;
    return options;
  }

  TemporaryFolder folder;
};

TEST_F(Prepare, DocumentsComeBackAsTheyWere) {
  using namespace std::string_literals;
  const std::string longText = someText(1, 5000);
  const std::string odd = "Nul \0 and \xff\xfe stay.\n"s;
  auto options = optionsFor(
      {folder.write("a.jsonl", jsonLine("first") + jsonLine(longText)),
       folder.write("b.txt", "No newline at the end"),
       folder.write("c.md", odd)});
  ASSERT_VALUE(PrepareSummary summary, prepare(options));
  EXPECT_THAT(prepared(),
              ElementsAre("first", longText, "No newline at the end", odd));
  ASSERT_VALUE(TokenData data, TokenData::open(options.output));
  EXPECT_EQ(summary.documents[0], 4U);
  EXPECT_EQ(summary.tokens[0], data.tokens(DataPart::Training));
  EXPECT_EQ(summary.documents[1] + summary.tokens[1] + summary.badLines +
                summary.duplicates,
            0U);
  EXPECT_EQ(summary.shards, 1U);
  EXPECT_EQ(data.shards()[0].header().tokenBytes, 2U);
  EXPECT_EQ(data.vocabulary(), shakespeare()->vocabularySize());
  EXPECT_EQ(data.tokenizer(), tokenizerDigest(*shakespeare()));
}

TEST_F(Prepare, ALongTextIsOneDocumentWithTheTokensOfTheWhole) {
  std::string text = someText(1, 2'000'000);
  ASSERT_VALUE(PrepareSummary summary,
               prepare(optionsFor({folder.write("a.txt", text)})));
  EXPECT_EQ(summary.documents[0], 1U);
  ASSERT_VALUE(TokenData data, TokenData::open(folder / "data"));
  std::vector<int32_t> expected = shakespeare()->encode(text);
  expected.push_back(0);
  EXPECT_EQ(tokensOf(data, DataPart::Training), expected);
}

TEST_F(Prepare, FormatKeyAndSeparatorAreOptions) {
  auto options = optionsFor({folder.write(
      "a.data", jsonLine("one", "content") + jsonLine("two", "content"))});
  options.format = InputFormat::JsonLines;
  options.key = "content";
  ASSERT_TRUE(prepare(options));
  EXPECT_THAT(prepared(), ElementsAre("one", "two"));
  fs::remove_all(options.output);
  options = optionsFor({folder.write("a.json", "one\n\ntwo\n<end>\nthree\n")});
  options.format = InputFormat::Text;
  options.separator = "<end>";
  ASSERT_TRUE(prepare(options));
  EXPECT_THAT(prepared(), ElementsAre("one\n\ntwo", "three"));
}

TEST_F(Prepare, WideVocabulariesAndThoseWithoutEndOfText) {
  nlohmann::json vocabulary;
  for (int i = 0; i < 26; ++i)
    vocabulary[std::string(1, char('a' + i))] = i;
  for (int i = 26; i < 70'000; ++i)
    vocabulary["token" + std::to_string(i)] = i;
  vocabulary.erase("token69999");
  vocabulary["ab"] = 69'999;
  ASSERT_VALUE(auto tokenizer,
               Tokenizer::create({{"vocab.json", vocabulary.dump()},
                                  {"merges.txt", "a b\n"}}));
  ASSERT_FALSE(tokenizer->endOfText());
  auto options =
      optionsFor({folder.write("a.jsonl", jsonLine("cab") + jsonLine("xyz"))});
  ASSERT_VALUE(PrepareSummary summary, prepareData(options, tokenizer));
  EXPECT_EQ(summary.tokenBytes, 4U);
  ASSERT_VALUE(TokenData data, TokenData::open(options.output));
  ASSERT_SUCCESS(data.verify());
  EXPECT_FALSE(data.endOfText());
  EXPECT_THAT(tokensOf(data, DataPart::Training),
              ElementsAre(2, 69'999, 23, 24, 25));
  EXPECT_EQ(*data.documentBegin(DataPart::Training, 1), 2U);
}

TEST_F(Prepare, ValidationIsChosenByContentAndSeed) {
  std::string lines;
  for (uint64_t i = 0; i < 1000; ++i)
    lines += jsonLine(someText(i, 30) + std::to_string(i));
  auto options = optionsFor({folder.write("a.jsonl", lines + lines)});
  auto validation = [&](double share, uint64_t seed) {
    options.validation = share;
    options.seed = seed;
    fs::remove_all(options.output);
    auto summary = prepare(options);
    EXPECT_TRUE(summary) << summary.error().message();
    EXPECT_EQ(summary->documents[0] + summary->documents[1], 2000U);
    return prepared(DataPart::Validation);
  };
  std::vector<std::string> chosen = validation(0.1, 0);
  EXPECT_NEAR(double(chosen.size()), 200, 60);
  // Equal documents are on the same side, in the same order.
  ASSERT_EQ(chosen.size() % 2, 0U);
  EXPECT_TRUE(std::equal(chosen.begin(),
                         chosen.begin() + std::ptrdiff_t(chosen.size() / 2),
                         chosen.begin() + std::ptrdiff_t(chosen.size() / 2)));
  EXPECT_NE(validation(0.1, 1), chosen);
  EXPECT_EQ(validation(0, 0).size(), 0U);
  EXPECT_EQ(validation(1, 0).size(), 2000U);
}

TEST_F(Prepare, PassagesOfALongTextAreChosenForValidation) {
  std::string text = someText(1, 1'200'000);
  auto options = optionsFor({folder.write("a.txt", text)});
  options.validation = 0.1;
  ASSERT_VALUE(PrepareSummary summary, prepare(options));
  double share =
      double(summary.tokens[1]) / double(summary.tokens[0] + summary.tokens[1]);
  EXPECT_NEAR(share, 0.1, 0.08);
  // Both together are the text. Stretches end with a line but where one of
  // the three blocks does.
  size_t bytes = 0, withinLines = 0;
  for (DataPart part : {DataPart::Training, DataPart::Validation})
    for (const std::string &document : prepared(part)) {
      EXPECT_NE(text.find(document), std::string::npos);
      withinLines += !document.ends_with('\n');
      bytes += document.size();
    }
  EXPECT_EQ(bytes, text.size());
  EXPECT_LE(withinLines, 2U);
  EXPECT_GE(summary.documents[1], 2U);
}

TEST_F(Prepare, DuplicatesAreDroppedOnRequest) {
  std::string text = someText(1, 700'000);
  auto options = optionsFor(
      {folder.write("a.jsonl", jsonLine("one") + jsonLine("two") +
                                   jsonLine("one") + jsonLine("One")),
       folder.write("b.txt", text), folder.write("c.txt", text),
       folder.write("d.txt", "two"), folder.write("e.txt", text + "x")});
  ASSERT_VALUE(PrepareSummary kept, prepare(options));
  EXPECT_EQ(kept.documents[0], 8U);
  EXPECT_EQ(kept.duplicates, 0U);
  fs::remove_all(options.output);
  options.dropDuplicates = true;
  ASSERT_VALUE(PrepareSummary dropped, prepare(options));
  EXPECT_EQ(dropped.duplicates, 3U);
  EXPECT_THAT(prepared(), ElementsAre("one", "two", "One", text, text + "x"));
}

TEST_F(Prepare, BadLinesAreCountedAndNamed) {
  std::string path = folder.write(
      "a.jsonl", jsonLine("good") + "{\"text\": \"cut off\n\n{\"txt\": 1}\n" +
                     "{\"text\": \"\xff\"}\n" + jsonLine("") + "{\"text\": \"" +
                     std::string(20 << 20, 'x') + "\"}\n" + jsonLine("end"));
  std::string empty = folder.write("b.txt", "");
  auto options = optionsFor({path, empty});
  std::vector<std::string> bad;
  PrepareObserver observer;
  observer.onBadLine = [&](const BadLine &line) {
    bad.push_back(fmt::format("{}:{}: {}", line.file, line.line, line.reason));
  };
  ASSERT_VALUE(PrepareSummary summary, prepare(options, observer));
  EXPECT_EQ(summary.badLines, 6U);
  EXPECT_THAT(prepared(), ElementsAre("good", "end"));
  EXPECT_THAT(bad, ElementsAre(path + ":2: it is no JSON from byte 18 on",
                               path + ":4: it has no key 'text'",
                               path + ":5: it is no UTF-8 at byte 11",
                               path + ":6: its 'text' is empty",
                               path + ":7: it has more than 16 MiB",
                               empty + ":1: the file is empty"));
  options.output = folder / "strict";
  options.strict = true;
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::Corrupt, path + ":2: it is no JSON"));
  EXPECT_FALSE(fs::exists(options.output));
}

TEST_F(Prepare, InputsThatAreNoTextAreRefused) {
  std::string good = folder.write("good.txt", "text");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  auto with = [&](const std::string &input) {
    auto result = prepare(optionsFor({good, input}));
    EXPECT_FALSE(fs::exists(folder / "data"));
    return result;
  };
  EXPECT_THAT(with(folder / "none"),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(with(folder.path()),
              FailsWith(ErrorCode::InvalidArgument, "it is a folder"));
  EXPECT_THAT(with(folder / "pipe"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  EXPECT_THAT(with("/dev/zero"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  EXPECT_THAT(with(folder.write("a.jsonl.gz", "\x1f\x8b\x08 and more")),
              FailsWith(ErrorCode::Unsupported, "is a gzip file"));
  EXPECT_THAT(prepare(optionsFor({})),
              FailsWith(ErrorCode::InvalidArgument, "no inputs"));
  // Nothing of any kind in it.
  EXPECT_THAT(prepare(optionsFor({folder.write("empty.txt", "")})),
              FailsWith(ErrorCode::InvalidArgument, "empty.txt:1: the file"));
  EXPECT_THAT(prepare(optionsFor({folder.write("blank.jsonl", "\n\n")})),
              FailsWith(ErrorCode::InvalidArgument, "hold no documents"));
  EXPECT_THAT(prepare(optionsFor({folder.write("blank.txt", "\n \n")})),
              FailsWith(ErrorCode::InvalidArgument, "hold no documents"));
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST_F(Prepare, OptionsOutOfRangeAreRefused) {
  auto options = optionsFor({folder.write("a.txt", "text")});
  options.validation = -0.1;
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "validation is -0.1"));
  options.validation = std::nan("");
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "validation is nan"));
  options.validation = 0;
  options.shardTokens = 0;
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "shards of 0 tokens"));
  options.shardTokens = 1;
  options.separator = "a\nb";
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "a line break"));
  EXPECT_FALSE(fs::exists(options.output));
}

TEST_F(Prepare, FoldersThatHoldSomethingElseAreLeftAlone) {
  auto options = optionsFor({folder.write("a.txt", "text")});
  fs::create_directory(options.output);
  folder.write("data/notes", "mine");
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "holds 'notes'"));
  EXPECT_EQ(contentOf(options.output).size(), 1U);
  options.output = folder / "a.txt";
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "it is a file"));
  options.output = folder / "none/data";
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::NotFound, "cannot create"));
  options.output = "";
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "names no folder"));
  options.output = folder / "data";
  fs::remove(folder / "data/notes");
  ASSERT_TRUE(prepare(options)) << "an empty folder is fine";
}

TEST_F(Prepare, TheBytesDoNotDependOnThreads) {
  PrepareOptions options = variedOptions();
  options.threads = 1;
  ASSERT_VALUE(PrepareSummary summary, prepare(options));
  EXPECT_GE(summary.shards, 8U);
  EXPECT_EQ(summary.badLines, 6U);
  EXPECT_GE(summary.duplicates, 40U);
  EXPECT_GT(summary.documents[1], 20U);
  auto expected = contentOf(options.output);
  for (unsigned threads : {2, 5}) {
    options.threads = threads;
    options.output = folder / std::to_string(threads);
    ASSERT_TRUE(prepare(options));
    EXPECT_EQ(contentOf(options.output), expected) << threads;
  }
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

TEST_F(Prepare, WhatIsKilledGoesOnToTheSameBytes) {
  PrepareOptions options = variedOptions();
  ASSERT_VALUE(PrepareSummary expected, prepare(options));
  auto content = contentOf(options.output);
  options.output = folder / "killed";
  // Killed at one of the first events of each run, until there are no more.
  int kills = 0;
  uint64_t resumed = 0;
  for (int moment = 0;; ++moment) {
    int events = 0;
    auto event = [&] {
      if (++events == 1 + moment % 4)
        ::raise(SIGKILL);
    };
    PrepareObserver observer;
    observer.onProgress = [&](uint64_t, uint64_t) { event(); };
    observer.onBadLine = [&](const BadLine &) { event(); };
    int status =
        inChild([&] { return prepare(options, observer).has_value(); });
    if (!WIFSIGNALED(status)) {
      EXPECT_EQ(status, 0);
      break;
    }
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    EXPECT_FALSE(TokenData::open(options.output));
    ASSERT_LT(++kills, 100) << "it does not get on";
  }
  EXPECT_GE(kills, 3);
  EXPECT_EQ(contentOf(options.output), content);
  // Once finished, nothing is done again, and the answer is the same.
  PrepareObserver observer;
  observer.onResume = [&](uint64_t shards) { resumed = shards; };
  ASSERT_VALUE(PrepareSummary summary, prepare(options, observer));
  EXPECT_EQ(contentOf(options.output), content);
  EXPECT_EQ(resumed, expected.shards);
  EXPECT_EQ(summary.shards, expected.shards);
  EXPECT_EQ(summary.badLines, expected.badLines);
  EXPECT_EQ(summary.duplicates, expected.duplicates);
  for (int part : {0, 1}) {
    EXPECT_EQ(summary.tokens[part], expected.tokens[part]);
    EXPECT_EQ(summary.documents[part], expected.documents[part]);
  }
}

TEST_F(Prepare, GoesOnAfterAnyNumberOfShards) {
  PrepareOptions options = variedOptions();
  ASSERT_VALUE(PrepareSummary expected, prepare(options));
  auto content = contentOf(options.output);
  for (uint64_t keep = 0; keep <= expected.shards; ++keep) {
    for (uint64_t shard = keep; shard < expected.shards; ++shard)
      fs::remove(fs::path(options.output) / shardName(shard));
    folder.write("data/.gptc-partial-1-1", "left by a killed process");
    uint64_t found = 0;
    PrepareObserver observer;
    observer.onResume = [&](uint64_t shards) { found = shards; };
    ASSERT_VALUE(PrepareSummary summary, prepare(options, observer));
    EXPECT_EQ(found, keep);
    EXPECT_EQ(summary.badLines, expected.badLines);
    EXPECT_EQ(summary.duplicates, expected.duplicates);
    EXPECT_EQ(summary.documents[0], expected.documents[0]);
    ASSERT_EQ(contentOf(options.output), content) << keep;
  }
}

TEST_F(Prepare, GoesOnOnlyWithWhatWasBegun) {
  PrepareOptions options = variedOptions();
  ASSERT_VALUE(PrepareSummary expected, prepare(options));
  fs::remove(fs::path(options.output) / shardName(expected.shards - 1));
  auto content = contentOf(options.output);
  auto refused = [&](auto change, const char *text) {
    PrepareOptions changed = options;
    change(changed);
    EXPECT_THAT(prepare(changed), FailsWith(ErrorCode::InvalidArgument, text));
    EXPECT_EQ(contentOf(options.output), content);
  };
  refused([](auto &changed) { changed.seed = 4; }, "with seed 3, now it is 4");
  refused([](auto &changed) { changed.validation = 0.2; },
          "with validation 0.15");
  refused([](auto &changed) { changed.key = "x"; }, "key \"text\"");
  refused([](auto &changed) { changed.dropDuplicates = false; },
          "drop_duplicates");
  refused([](auto &changed) { changed.shardTokens = 1; }, "shard_tokens");
  refused([](auto &changed) { changed.format = InputFormat::Text; },
          "a.jsonl' read as JSON lines");
  refused([](auto &changed) { changed.inputs.pop_back(); },
          "from 3 inputs, now there are 2");
  refused(
      [](auto &changed) { std::swap(changed.inputs[0], changed.inputs[1]); },
      "from other inputs than");
  EXPECT_THAT(prepareData(options, tokenizerIn("/tests/golden/text/gpt2")),
              FailsWith(ErrorCode::InvalidArgument, "another tokenizer"));
  // An input of the same size that was written again.
  std::string text = folder.read("b.txt");
  text[0] = 'X';
  auto time = fs::last_write_time(options.inputs[1]);
  folder.write("b.txt", text);
  fs::last_write_time(options.inputs[1], time + std::chrono::seconds(1));
  refused([](auto &) {}, "b.txt' before that file changed");
}

TEST_F(Prepare, DamagedShardsAreNotBuiltUpon) {
  PrepareOptions options = variedOptions();
  ASSERT_VALUE(PrepareSummary expected, prepare(options));
  fs::remove(fs::path(options.output) / shardName(expected.shards - 1));
  std::string third = folder.read("data/" + shardName(2));
  std::string damaged = third;
  damaged[300] = char(damaged[300] ^ 1);
  folder.write("data/" + shardName(2), damaged);
  EXPECT_THAT(prepare(options), FailsWith(ErrorCode::Corrupt, shardName(2)));
  folder.write("data/" + shardName(2), third.substr(0, third.size() - 8));
  EXPECT_THAT(prepare(options), FailsWith(ErrorCode::Corrupt, shardName(2)));
  fs::remove(fs::path(options.output) / shardName(2));
  EXPECT_THAT(prepare(options),
              FailsWith(ErrorCode::InvalidArgument, "the first 2 belong"));
}

TEST_F(Prepare, InputsThatChangeMeanwhileAreNoticed) {
  std::string path = folder.write("a.txt", someText(1, 8'000'000));
  auto options = optionsFor({path});
  options.shardTokens = 200'000;
  PrepareObserver observer;
  observer.onProgress = [&](uint64_t, uint64_t) {
    fs::resize_file(path, 4'500'000);
  };
  options.threads = 1;
  EXPECT_THAT(prepare(options, observer),
              FailsWith(ErrorCode::InvalidArgument, "changed while it was"));
  EXPECT_FALSE(TokenData::open(options.output));
}

TEST_F(Prepare, AFullDiskKeepsOnlyWholeShards) {
  PrepareOptions options = variedOptions();
  ASSERT_TRUE(prepare(options));
  auto content = contentOf(options.output);
  options.output = folder / "full";
  size_t largest = 0, fitting = 0;
  for (const auto &[name, shard] : content)
    largest = std::max(largest, shard.size());
  while (content.at(shardName(fitting)).size() < largest)
    ++fitting;
  ASSERT_GT(fitting, 0U);
  for (rlim_t most : {rlim_t(100), rlim_t(4000), rlim_t(largest - 1)}) {
    int status = inChild([&] {
      // A limit on the size of files fails as a full disk does.
      std::signal(SIGXFSZ, SIG_IGN);
      rlimit limit{most, most};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      auto result = prepare(options);
      return !result && result.error().code() == ErrorCode::Io &&
             result.error().message().find("File too large") !=
                 std::string::npos;
    });
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(TokenData::open(options.output));
    if (most < 10'000)
      EXPECT_FALSE(fs::exists(options.output));
    else
      EXPECT_EQ(contentOf(options.output).size(), fitting + 1);
  }
  ASSERT_TRUE(prepare(options));
  EXPECT_EQ(contentOf(options.output), content);
}

TEST_F(Prepare, OneProcessAtATimeWritesAFolder) {
  auto options = optionsFor({folder.write("a.txt", someText(1, 5000))});
  PrepareObserver observer;
  int status = -1;
  observer.onProgress = [&](uint64_t, uint64_t) {
    status = inChild([&] {
      auto second = prepare(options);
      return !second && second.error().message().find("another process") !=
                            std::string::npos;
    });
  };
  options.threads = 1;
  ASSERT_TRUE(prepare(options, observer));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(prepared().size(), 1U);
}

/// How many targets the batches of some epochs have. docs/prepare-data.md shows
/// this.
Expected<uint64_t> countTargets(const std::string &folder, DataPart part) {
  GPTC_TRY(TokenData data, TokenData::open(folder));
  const uint64_t B = 3, T = 64, seed = 1;
  GPTC_TRY(Batches batches, Batches::create(data, part, B, T, seed));
  std::vector<int32_t> tokens(B * T), targets(B * T);
  uint64_t count = 0;
  for (uint64_t step = 0; step < batches.windows(); ++step) {
    GPTC_CHECK(batches.read(step, tokens, targets));
    for (int32_t target : targets)
      count += target >= 0;
  }
  return count;
}

TEST_F(Prepare, BatchesReadWhatWasPrepared) {
  ASSERT_TRUE(prepare(variedOptions()));
  ASSERT_VALUE(TokenData data, TokenData::open(folder / "data"));
  // As many batches of three as there are windows are three epochs.
  for (DataPart part : {DataPart::Training, DataPart::Validation}) {
    ASSERT_VALUE(uint64_t count, countTargets(folder / "data", part));
    EXPECT_EQ(count, 3 * (data.tokens(part) - 1));
  }
}

TEST(TokenizerDigest, TellsTokenizersApartAndNotTheirFiles) {
  auto read = [](const std::string &folder) {
    return *readTokenizerFiles(GPTC_SOURCE_DIR + folder);
  };
  auto digest = [](const TokenizerFiles &files) {
    return tokenizerDigest(**Tokenizer::create(files));
  };
  TokenizerFiles files = read("/examples/shakespeare");
  Sha256::Digest expected = digest(files);
  EXPECT_EQ(digest(files), expected);
  EXPECT_NE(digest(read("/tests/golden/text/gpt2")), expected);
  // Written anew by another library: other spaces, another order.
  TokenizerFiles again = files;
  again["vocab.json"] = nlohmann::json::parse(files["vocab.json"]).dump(1);
  ASSERT_NE(again["vocab.json"], files["vocab.json"]);
  EXPECT_EQ(digest(again), expected);
  // The first merge comes last.
  std::string merges = files["merges.txt"];
  size_t first = merges.find('\n') + 1, second = merges.find('\n', first) + 1;
  again = files;
  again["merges.txt"] = merges.substr(0, first) + merges.substr(second) +
                        merges.substr(first, second - first);
  EXPECT_NE(digest(again), expected);
  again = files;
  size_t end = again["vocab.json"].find("<|endoftext|>");
  ASSERT_NE(end, std::string::npos);
  again["vocab.json"].replace(end, 13, "<|endOFtext|>");
  EXPECT_NE(digest(again), expected);
}

} // namespace
} // namespace gptc
