//===- TokenizerDefinition.cpp --------------------------------------------===//

#include "gptc/runtime/text/TokenizerDefinition.h"

#include "gptc/runtime/base/Json.h"

#include <algorithm>

namespace gptc {

namespace {

using Json = nlohmann::json;
using Pair = std::pair<std::string_view, std::string_view>;

/// Whether the value of an option says that it is not used.
bool isOff(const Json &value) {
  static const Json none = "";
  return value.is_null() || value == false || value == 0 || value == none;
}

class DefinitionReader {
public:
  explicit DefinitionReader(const TokenizerFiles &files) : files(files) {}
  Expected<TokenizerDefinition> read();

private:
  Expected<Json> parseObject(
      std::string_view text, const std::string &name,
      std::optional<std::span<const std::string_view>> path = std::nullopt);
  Status parse(const std::string &name, Json &json);
  Status readModel();
  Status readVocabulary(const std::string &file);
  Status readMergesText(std::string_view text);
  Status readMergesJson(const Json &json);
  Status readKind();
  Status checkModel(const Json &model);
  Status checkPipeline();
  Status checkByteLevel(const Json &pipeline);
  Status addMerges();
  bool isReadByKind() const;
  Status readAddedTokens();
  Status addToken(const Json &flags, std::string content, int64_t id,
                  bool special);
  Status readNamedTokens(const Json &json, const std::string &file);
  Status nameToken(const std::string &role, const Json &value,
                   const std::string &file);
  std::optional<int32_t> idOf(std::string_view content) const;

  const TokenizerFiles &files;
  TokenizerDefinition definition;
  Json tokenizerFile, config, tokenizerConfig, specialTokens, addedTokens;
  std::vector<JsonMember> entries;
  std::vector<Pair> merges;
  /// Where the merges come from, for errors.
  std::string mergesFile;
  std::string unknownToken, endToken;
  std::map<std::string, int64_t, std::less<>> addedByText;
  std::map<int64_t, std::string> addedById;
};

/// Parses a file that is one object. With a path, the object at its end comes
/// into `entries`.
Expected<Json> DefinitionReader::parseObject(
    std::string_view text, const std::string &name,
    std::optional<std::span<const std::string_view>> path) {
  GPTC_TRY(Json json, path ? parseJson(text, name, *path, entries)
                           : parseJson(text, name));
  if (!json.is_object())
    return failure(ErrorCode::Corrupt, "{} holds {}, expected a JSON object",
                   name, json.type_name());
  return json;
}

Status DefinitionReader::parse(const std::string &name, Json &json) {
  json = Json::object();
  auto found = files.find(name);
  if (found == files.end())
    return {};
  GPTC_TRY(json, parseObject(found->second, name));
  return {};
}

Expected<TokenizerDefinition> DefinitionReader::read() {
  GPTC_CHECK(parse("config.json", config));
  GPTC_CHECK(parse("tokenizer_config.json", tokenizerConfig));
  GPTC_CHECK(parse("special_tokens_map.json", specialTokens));
  GPTC_CHECK(parse("added_tokens.json", addedTokens));
  GPTC_CHECK(readModel());
  GPTC_CHECK(readKind());
  GPTC_CHECK(checkPipeline());
  GPTC_CHECK(addMerges());
  GPTC_CHECK(readAddedTokens());
  return std::move(definition);
}

Status DefinitionReader::readModel() {
  if (auto file = files.find("tokenizer.json"); file != files.end()) {
    constexpr std::string_view path[] = {"model", "vocab"};
    GPTC_TRY(tokenizerFile, parseObject(file->second, file->first, path));
    auto model = tokenizerFile.find("model");
    if (model == tokenizerFile.end() || !model->is_object())
      return failure(ErrorCode::Corrupt, "tokenizer.json has no 'model'");
    GPTC_CHECK(checkModel(*model));
    auto vocabulary = model->find("vocab"), pairs = model->find("merges");
    if (vocabulary == model->end() || pairs == model->end())
      return failure(ErrorCode::Corrupt,
                     "the model of tokenizer.json has no 'vocab' or no "
                     "'merges'");
    if (!vocabulary->is_object())
      return failure(ErrorCode::Corrupt,
                     "tokenizer.json: 'vocab' is {}, expected an object of "
                     "tokens and ids",
                     vocabulary->type_name());
    GPTC_CHECK(readVocabulary(file->first));
    return readMergesJson(*pairs);
  }
  tokenizerFile = Json::object();
  auto vocabulary = files.find("vocab.json"), text = files.find("merges.txt");
  if (vocabulary == files.end() || text == files.end())
    return failure(ErrorCode::NotFound,
                   "a tokenizer needs tokenizer.json, or vocab.json and "
                   "merges.txt; {} missing",
                   vocabulary != files.end() ? "merges.txt is"
                   : text != files.end()     ? "vocab.json is"
                                             : "all three are");
  GPTC_CHECK(parseObject(vocabulary->second, vocabulary->first,
                         std::span<const std::string_view>()));
  GPTC_CHECK(readVocabulary(vocabulary->first));
  return readMergesText(text->second);
}

/// Makes the vocabulary of `entries`, which `file` has.
Status DefinitionReader::readVocabulary(const std::string &file) {
  std::vector<Vocabulary::Entry> tokens;
  tokens.reserve(entries.size());
  for (JsonMember &entry : entries) {
    if (!entry.value.is_number_integer())
      return failure(ErrorCode::Corrupt,
                     "{}: the id of token '{}' is not an integer", file,
                     entry.key);
    tokens.push_back({std::move(entry.key), entry.value.get<int64_t>()});
  }
  auto vocabulary = Vocabulary::create(tokens);
  if (!vocabulary)
    return tl::unexpected(vocabulary.error().in(file));
  definition.vocabulary = *std::move(vocabulary);
  return {};
}

Status DefinitionReader::readMergesText(std::string_view text) {
  mergesFile = "merges.txt";
  size_t number = 0;
  while (!text.empty()) {
    size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    ++number;
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version"))
      continue;
    size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0 ||
        space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string_view::npos)
      return failure(ErrorCode::Corrupt,
                     "merges.txt: line {} is not two tokens with a space "
                     "between them",
                     number);
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return {};
}

Status DefinitionReader::readMergesJson(const Json &json) {
  mergesFile = "tokenizer.json";
  auto bad = [&](size_t number) {
    return failure(ErrorCode::Corrupt,
                   "tokenizer.json: merge {} is not two tokens", number);
  };
  if (!json.is_array())
    return failure(ErrorCode::Corrupt,
                   "tokenizer.json: 'merges' is {}, expected an array",
                   json.type_name());
  for (const Json &merge : json) {
    if (merge.is_string()) {
      std::string_view text = merge.get_ref<const std::string &>();
      size_t space = text.find(' ');
      if (space == std::string_view::npos ||
          text.find(' ', space + 1) != std::string_view::npos)
        return bad(merges.size());
      merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.emplace_back(merge[0].get_ref<const std::string &>(),
                          merge[1].get_ref<const std::string &>());
    } else {
      return bad(merges.size());
    }
    if (merges.back().first.empty() || merges.back().second.empty())
      return bad(merges.size() - 1);
  }
  return {};
}

Status DefinitionReader::readKind() {
  auto type = config.find("model_type");
  if (type != config.end() && !type->is_string())
    return failure(ErrorCode::Corrupt,
                   "config.json: 'model_type' is {}, expected a string",
                   type->type_name());
  bool gpt1 = false;
  if (type != config.end()) {
    gpt1 = type->get_ref<const std::string &>() == "openai-gpt";
  } else {
    const Vocabulary &vocabulary = definition.vocabulary;
    for (size_t id = 0; id < vocabulary.size() && !gpt1; ++id)
      gpt1 = vocabulary.text(int64_t(id)).value_or("").ends_with(wordEnd);
  }
  definition.kind = gpt1 ? TokenizerKind::Gpt1 : TokenizerKind::Gpt2;
  return {};
}

/// Refuses what would change the ids and is not done.
Status DefinitionReader::checkModel(const Json &model) {
  auto refuse = [](const std::string &field, const Json &value) {
    return failure(ErrorCode::Unsupported,
                   "tokenizer.json: the model's '{}' is {}, which gptc's "
                   "tokenizers do not do",
                   field,
                   value.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  if (auto type = model.find("type"); type != model.end() && *type != "BPE")
    return refuse("type", *type);
  for (const char *field : {"dropout", "fuse_unk", "byte_fallback",
                            "ignore_merges", "continuing_subword_prefix"}) {
    auto value = model.find(field);
    if (value != model.end() && !isOff(*value))
      return refuse(field, *value);
  }
  auto suffix = model.find("end_of_word_suffix");
  if (suffix != model.end() && !isOff(*suffix) && *suffix != wordEnd)
    return refuse("end_of_word_suffix", *suffix);
  auto unknown = model.find("unk_token");
  if (unknown != model.end() && unknown->is_string())
    unknownToken = *unknown;
  return {};
}

/// Refuses a normalizer or pre-tokenizer that is not the kind's own.
Status DefinitionReader::checkPipeline() {
  bool gpt1 = definition.kind == TokenizerKind::Gpt1;
  if (auto prefix = tokenizerConfig.find("add_prefix_space");
      prefix != tokenizerConfig.end() && prefix->is_boolean())
    definition.addPrefixSpace = *prefix;
  auto refuse = [&](const char *what, const Json &value) {
    return failure(ErrorCode::Unsupported,
                   "tokenizer.json: the {} {} is not that of {}", what,
                   value.dump(-1, ' ', false, Json::error_handler_t::replace),
                   gpt1 ? "GPT-1" : "GPT-2");
  };
  if (!files.contains("tokenizer.json"))
    return {}; // The other files have no pipeline but the kind's.
  auto lacks = [&](const char *what, const char *own) {
    return failure(
        ErrorCode::Unsupported,
        "tokenizer.json has no {}, and {} has {}; save it with that, "
        "or give vocab.json and merges.txt in its place",
        what, gpt1 ? "GPT-1" : "GPT-2", own);
  };
  auto normalizer = tokenizerFile.find("normalizer");
  if (gpt1 && (normalizer == tokenizerFile.end() || normalizer->is_null()))
    return lacks("normalizer", "BertNormalizer");
  if (normalizer != tokenizerFile.end() && !normalizer->is_null()) {
    bool bert = gpt1 && normalizer->is_object() &&
                normalizer->value("type", Json()) == "BertNormalizer";
    for (const char *stage :
         {"clean_text", "handle_chinese_chars", "lowercase", "strip_accents"})
      bert = bert && normalizer->value(stage, Json()) != false;
    if (!bert)
      return refuse("normalizer", *normalizer);
  }
  auto split = tokenizerFile.find("pre_tokenizer");
  if (split == tokenizerFile.end() || split->is_null())
    return lacks("pre-tokenizer", gpt1 ? "BertPreTokenizer" : "ByteLevel");
  if (!split->is_object())
    return refuse("pre-tokenizer", *split);
  Json type = split->value("type", Json());
  if (gpt1 ? type != "BertPreTokenizer"
           : type != "ByteLevel" || split->value("use_regex", Json()) == false)
    return refuse("pre-tokenizer", *split);
  if (!gpt1 && split->value("add_prefix_space", Json()) == true)
    definition.addPrefixSpace = true;
  return {};
}

Status DefinitionReader::addMerges() {
  const Vocabulary &vocabulary = definition.vocabulary;
  definition.merges = BytePairMerges(merges.size());
  uint32_t rank = 0;
  std::string merged;
  for (const auto &[left, right] : merges) {
    merged.assign(left).append(right);
    auto leftId = vocabulary.find(left), rightId = vocabulary.find(right),
         mergedId = vocabulary.find(merged);
    if (!leftId || !rightId || !mergedId)
      return failure(ErrorCode::Corrupt,
                     "{}: merge {} ('{} {}') names token '{}', which the "
                     "vocabulary does not have",
                     mergesFile, rank, left, right,
                     !leftId    ? left
                     : !rightId ? right
                                : std::string_view(merged));
    definition.merges.add(*leftId, *rightId, rank++, *mergedId);
  }
  return {};
}

std::optional<int32_t> DefinitionReader::idOf(std::string_view content) const {
  if (auto added = addedByText.find(content); added != addedByText.end())
    return int32_t(added->second);
  return definition.vocabulary.find(content);
}

/// Adds a token with the flags that a JSON object has, if it is one.
Status DefinitionReader::addToken(const Json &flags, std::string content,
                                  int64_t id, bool special) {
  auto flag = [&](const char *name, bool fallback) {
    if (!flags.is_object())
      return fallback;
    auto found = flags.find(name);
    return found != flags.end() && found->is_boolean() ? found->get<bool>()
                                                       : fallback;
  };
  if (flag("single_word", false))
    return failure(ErrorCode::Unsupported,
                   "added token '{}' has 'single_word', which gptc's "
                   "tokenizers do not do",
                   content);
  auto limit = int64_t(definition.vocabulary.size()) + (1 << 16);
  if (id < 0 || id >= limit)
    return failure(ErrorCode::Corrupt,
                   "added token '{}' has the id {}, expected 0 to {}", content,
                   id, limit - 1);
  auto sameText = addedByText.find(content);
  auto sameId = addedById.find(id);
  if (sameText != addedByText.end() && sameText->second == id)
    return {};
  if (sameText != addedByText.end() || sameId != addedById.end())
    return failure(ErrorCode::Corrupt,
                   "added token '{}' has the id {}, but before {}", content, id,
                   sameText != addedByText.end()
                       ? fmt::format("it had the id {}", sameText->second)
                       : fmt::format("token '{}' had it", sameId->second));
  auto known = definition.vocabulary.find(content);
  auto text = definition.vocabulary.text(id);
  if ((known && *known != id) || (text && *text != content))
    return failure(ErrorCode::Corrupt,
                   "added token '{}' has the id {}, where the vocabulary has "
                   "{}",
                   content, id,
                   known ? fmt::format("the id {}", *known)
                         : fmt::format("the token '{}'", *text));
  addedByText.emplace(content, id);
  addedById.emplace(id, content);
  definition.added.push_back({std::move(content), id, flag("lstrip", false),
                              flag("rstrip", false),
                              flag("normalized", !flag("special", special))});
  return {};
}

Status DefinitionReader::nameToken(const std::string &role, const Json &value,
                                   const std::string &file) {
  if (value.is_null())
    return {};
  const Json *content = &value;
  if (value.is_object())
    content = value.contains("content") ? &value["content"] : nullptr;
  if (content == nullptr || !content->is_string())
    return failure(ErrorCode::Corrupt,
                   "{}: '{}' is neither a token nor an object with its "
                   "'content'",
                   file, role);
  const auto &text = content->get_ref<const std::string &>();
  if (role == "eos_token")
    endToken = text;
  if (role == "unk_token" && definition.kind == TokenizerKind::Gpt1)
    unknownToken = text;
  // A named token that nothing gives an id stands for nothing.
  if (auto id = idOf(text))
    return addToken(value, text, *id, true);
  return {};
}

Status DefinitionReader::readNamedTokens(const Json &json,
                                         const std::string &file) {
  for (const char *role : {"bos_token", "eos_token", "unk_token", "sep_token",
                           "pad_token", "cls_token", "mask_token"})
    if (auto found = json.find(role); found != json.end())
      GPTC_CHECK(nameToken(role, *found, file));
  for (const char *role : {"additional_special_tokens", "extra_special_tokens"})
    if (auto found = json.find(role); found != json.end() && found->is_array())
      for (const Json &value : *found)
        GPTC_CHECK(nameToken(role, value, file));
  return {};
}

/// Whether transformers reads the files by its class of the kind, which has a
/// special token of its own. Otherwise tokenizer.json says what is special.
bool DefinitionReader::isReadByKind() const {
  if (!files.contains("tokenizer.json"))
    return true;
  if (auto name = tokenizerConfig.find("tokenizer_class");
      name != tokenizerConfig.end() && name->is_string())
    return *name != "PreTrainedTokenizerFast" && *name != "TokenizersBackend";
  return config.contains("model_type");
}

Status DefinitionReader::readAddedTokens() {
  // Tokens with ids come before tokens with names only; of two sources of one
  // token the first has the flags, as in transformers.
  if (auto list = tokenizerConfig.find("added_tokens_decoder");
      list != tokenizerConfig.end() && list->is_object())
    for (const auto &[key, token] : list->items()) {
      auto content = token.is_object() ? token.find("content") : token.end();
      if (content == token.end() || !content->is_string() || key.empty() ||
          key.size() > 9 || !std::all_of(key.begin(), key.end(), [](char c) {
            return c >= '0' && c <= '9';
          }))
        return failure(ErrorCode::Corrupt,
                       "tokenizer_config.json: entry '{}' of "
                       "'added_tokens_decoder' is no id with a token",
                       key);
      GPTC_CHECK(addToken(token, *content, std::stoll(key), false));
    }
  if (auto list = tokenizerFile.find("added_tokens");
      list != tokenizerFile.end() && !list->is_null()) {
    if (!list->is_array())
      return failure(ErrorCode::Corrupt,
                     "tokenizer.json: 'added_tokens' is {}, expected an array",
                     list->type_name());
    for (const Json &token : *list) {
      if (!token.is_object() || !token.contains("content") ||
          !token["content"].is_string() || !token.contains("id") ||
          !token["id"].is_number_integer())
        return failure(ErrorCode::Corrupt,
                       "tokenizer.json: an entry of 'added_tokens' has no "
                       "'content' or no 'id'");
      GPTC_CHECK(addToken(token, token["content"], token["id"], false));
    }
  }
  for (const auto &[content, id] : addedTokens.items()) {
    if (!id.is_number_integer())
      return failure(ErrorCode::Corrupt,
                     "added_tokens.json: token '{}' has {} for an id, expected "
                     "an integer",
                     content, id.type_name());
    GPTC_CHECK(addToken(Json(), content, id.get<int64_t>(), true));
  }
  GPTC_CHECK(readNamedTokens(tokenizerConfig, "tokenizer_config.json"));
  GPTC_CHECK(readNamedTokens(specialTokens, "special_tokens_map.json"));

  if (isReadByKind()) {
    bool gpt1 = definition.kind == TokenizerKind::Gpt1;
    std::string own = gpt1 ? "<unk>" : "<|endoftext|>";
    if (auto id = idOf(own))
      GPTC_CHECK(addToken(Json(), own, *id, true));
    if (gpt1 && unknownToken.empty())
      unknownToken = own;
  }
  if (!unknownToken.empty())
    definition.unknown = idOf(unknownToken);
  if (!endToken.empty())
    definition.endOfText = idOf(endToken);
  if (!definition.endOfText)
    definition.endOfText = idOf("<|endoftext|>");
  auto end = config.find("eos_token_id");
  if (!definition.endOfText && end != config.end() &&
      end->is_number_unsigned() &&
      end->get<uint64_t>() < definition.vocabulary.size())
    definition.endOfText = int32_t(end->get<uint64_t>());
  return {};
}

} // namespace

Expected<TokenizerDefinition> readDefinition(const TokenizerFiles &files) {
  return DefinitionReader(files).read();
}

} // namespace gptc
