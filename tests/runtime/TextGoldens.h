//===- TextGoldens.h - What transformers makes of odd texts ----*- C++ -*-===//

#ifndef GPTC_TESTS_RUNTIME_TEXTGOLDENS_H
#define GPTC_TESTS_RUNTIME_TEXTGOLDENS_H

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/text/Tokenizer.h"
#include "gptc/runtime/text/Unicode.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc::test {

using Ids = std::vector<int32_t>;
using TokenizerPointer = std::shared_ptr<const Tokenizer>;

inline const std::string goldens = GPTC_SOURCE_DIR "/tests/golden/text/";
/// The published vocabularies are too large to commit.
inline const std::string published = GPTC_SOURCE_DIR "/../shared/data/";

inline nlohmann::json readGolden(const std::string &name) {
  return nlohmann::json::parse(readTextFile(goldens + name).value());
}

/// A committed folder without one of its files, say.
inline TokenizerFiles tinyFiles(const std::string &kind,
                                const std::string &without) {
  TokenizerFiles files = readTokenizerFiles(goldens + kind).value();
  for (const char *name : {"vocab.json", "merges.txt", "tokenizer.json"})
    if (std::string(name).find(without) != std::string::npos)
      files.erase(name);
  return files;
}

inline TokenizerPointer tiny(const std::string &kind) {
  return Tokenizer::create(tinyFiles(kind, "tokenizer.json")).value();
}

/// Null where the published files are not there.
inline TokenizerPointer publishedTokenizer(const std::string &kind) {
  if (!std::filesystem::exists(published + kind + "/vocab.json"))
    return nullptr;
  return Tokenizer::create(readTokenizerFiles(published + kind).value())
      .value();
}

inline std::string decode(const Tokenizer &tokenizer, const Ids &ids) {
  return tokenizer.decode(ids).value();
}

inline std::string errorOf(const TokenizerFiles &files) {
  auto tokenizer = Tokenizer::create(files);
  return tokenizer ? "no error" : tokenizer.error().message();
}

/// Compares ids, and decoded texts where the file has them.
inline void expectCases(const Tokenizer &tokenizer,
                        const nlohmann::json &golden) {
  ASSERT_GT(golden["cases"].size(), 100U);
  for (const nlohmann::json &item : golden["cases"]) {
    auto text = item["text"].get<std::string>();
    Ids ids = tokenizer.encode(text);
    EXPECT_EQ(ids, item["ids"].get<Ids>()) << item["text"];
    if (item.contains("decoded"))
      EXPECT_EQ(decode(tokenizer, ids), item["decoded"].get<std::string>());
    else
      EXPECT_EQ(decode(tokenizer, ids), text);
  }
}

/// Every code point in contexts that tell its class, 4096 a text.
inline std::vector<std::string> allCodePoints() {
  std::vector<std::string> texts;
  for (uint32_t first = 0; first < 0x110000; first += 4096) {
    std::string text;
    for (uint32_t code = first; code < first + 4096; ++code) {
      if (code >= 0xd800 && code < 0xe000)
        continue;
      std::string character;
      appendUtf8(character, code);
      text += "a" + character + "b 1" + character + "2 !" + character + "? " +
              character;
    }
    texts.push_back(text);
  }
  return texts;
}

/// FNV-1a of 64 bits over 32-bit words.
template <typename Range> std::string digest(const Range &values) {
  uint64_t result = 0xcbf29ce484222325;
  for (auto value : values)
    result = (result ^ uint32_t(value)) * 0x100000001b3;
  return fmt::format("{:016x}", result);
}

/// Compares a function of each of allCodePoints() with a golden file's digests.
template <typename Function>
void expectDigests(const std::string &golden, Function &&function) {
  auto digests = readGolden(golden)["digests"];
  auto texts = allCodePoints();
  ASSERT_EQ(digests.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(digest(function(texts[i])), digests[i].get<std::string>())
        << "code points from " << i * 4096;
}

} // namespace gptc::test

#endif // GPTC_TESTS_RUNTIME_TEXTGOLDENS_H
