//===- BpeTokenizer.cpp ---------------------------------------------------===//

#include "gptc/runtime/text/BpeTokenizer.h"

#include "gptc/runtime/base/File.h"

#include <algorithm>
#include <filesystem>

namespace gptc {

namespace {

/// Large vocabularies take a few megabytes; their parsed form several times
/// that.
constexpr size_t largestFile = size_t(64) << 20;

} // namespace

Tokenizer::~Tokenizer() = default;

Expected<std::shared_ptr<const Tokenizer>>
Tokenizer::create(const TokenizerFiles &files) {
  GPTC_TRY(TokenizerDefinition definition, readDefinition(files));
  return definition.kind == TokenizerKind::Gpt1
             ? makeGpt1Tokenizer(std::move(definition))
             : makeGpt2Tokenizer(std::move(definition));
}

Expected<TokenizerFiles> readTokenizerFiles(const std::string &folder) {
  TokenizerFiles files;
  for (const char *name : {"vocab.json", "merges.txt", "tokenizer.json",
                           "config.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json"}) {
    std::string path = (std::filesystem::path(folder) / name).string();
    auto content = readTextFile(path, largestFile);
    if (content)
      files.emplace(name, *std::move(content));
    else if (content.error().code() != ErrorCode::NotFound)
      return tl::unexpected(content.error());
  }
  return files;
}

BpeTokenizer::BpeTokenizer(TokenizerDefinition definition,
                           std::string (*normalize)(std::string_view))
    : definition_(std::move(definition)), normalize_(normalize) {
  size_t size = definition_.vocabulary.size();
  for (const AddedToken &token : definition_.added)
    size = std::max(size, size_t(token.id) + 1);
  texts_.resize(size);
  std::vector<AddedToken> raw, normalized;
  for (AddedToken token : definition_.added) {
    if (token.normalized && normalize_)
      token.content = normalize_(token.content);
    (token.normalized ? normalized : raw).push_back(std::move(token));
  }
  added_ = AddedTokens(std::move(raw));
  normalized_ = AddedTokens(std::move(normalized));
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3);
  WordCache cache(text.size());
  auto token = [&](int32_t id) { ids.push_back(id); };
  auto stretch = [&](std::string_view between) {
    encodeStretch(between, ids, cache);
  };
  added_.split(
      text,
      [&](std::string_view between) {
        if (normalize_)
          normalized_.split(normalize_(between), stretch, token);
        else
          normalized_.split(between, stretch, token);
      },
      token);
  return ids;
}

uint64_t BpeTokenizer::store(std::string_view text) {
  pool_ += text;
  return pool_.size() - text.size();
}

void BpeTokenizer::setText(int32_t id, std::string_view followed,
                           std::string_view last) {
  Text &text = texts_[size_t(id)];
  text.known = true;
  text.followed = text.last = store(followed);
  text.followedLength = uint32_t(followed.size());
  text.lastLength = uint32_t(last.size());
  if (!followed.starts_with(last))
    text.last = store(last);
}

Expected<TokenText> BpeTokenizer::textOf(int32_t id) const {
  if (id < 0 || size_t(id) >= texts_.size() || !texts_[size_t(id)].known)
    return failure(ErrorCode::InvalidArgument,
                   "id {} is not in the vocabulary of {} tokens", id,
                   texts_.size());
  const Text &text = texts_[size_t(id)];
  std::string_view pool = pool_;
  return TokenText{pool.substr(text.followed, text.followedLength),
                   pool.substr(text.last, text.lastLength)};
}

Expected<std::string> BpeTokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    GPTC_TRY(TokenText token, textOf(ids[i]));
    text += i + 1 < ids.size() ? token.followed : token.last;
  }
  return text;
}

} // namespace gptc
