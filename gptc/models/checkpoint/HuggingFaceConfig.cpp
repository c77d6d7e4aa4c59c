//===- HuggingFaceConfig.cpp ----------------------------------------------===//

#include "gptc/models/checkpoint/HuggingFaceConfig.h"

#include "gptc/runtime/base/Json.h"

#include <map>
#include <optional>
#include <set>

namespace gptc {

namespace {

using Json = nlohmann::json;

constexpr int64_t largest = int64_t(1) << 24;

/// Fields that say nothing of the computation of logits.
const std::set<std::string> &harmless() {
  static const std::set<std::string> names{"_name_or_path",
                                           "_attn_implementation",
                                           "architectures",
                                           "attention_dropout",
                                           "attn_pdrop",
                                           "bos_token_id",
                                           "classifier_dropout",
                                           "dtype",
                                           "embd_pdrop",
                                           "embed_dropout",
                                           "eos_token_id",
                                           "gradient_checkpointing",
                                           "id2label",
                                           "initializer_range",
                                           "keys_to_ignore_at_inference",
                                           "label2id",
                                           "model_type",
                                           "n_ctx",
                                           "n_special",
                                           "num_labels",
                                           "output_attentions",
                                           "output_hidden_states",
                                           "output_past",
                                           "pad_token_id",
                                           "predict_special_tokens",
                                           "problem_type",
                                           "reorder_and_upcast_attn",
                                           "resid_dropout",
                                           "resid_pdrop",
                                           "return_dict",
                                           "summary_activation",
                                           "summary_first_dropout",
                                           "summary_proj_to_labels",
                                           "summary_type",
                                           "summary_use_proj",
                                           "task_specific_params",
                                           "tokenizer_class",
                                           "torch_dtype",
                                           "transformers_version",
                                           "use_cache",
                                           "is_encoder_decoder",
                                           "chunk_size_feed_forward",
                                           "sep_token_id",
                                           "generator_seed",
                                           "vocab_size_padded"};
  return names;
}

class Reader {
public:
  explicit Reader(const Json &json) : json(json) {}

  Expected<int64_t> integer(const std::string &name,
                            std::optional<int64_t> fallback = {}) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end() || found->is_null()) {
      if (fallback)
        return *fallback;
      return failure(ErrorCode::Corrupt, "config.json has no '{}'", name);
    }
    if (!found->is_number_integer() || found->get<int64_t>() < 1 ||
        found->get<int64_t>() > largest)
      return failure(
          ErrorCode::Corrupt,
          "config.json: '{}' is {}, expected an integer from 1 to {}", name,
          found->dump(), largest);
    return found->get<int64_t>();
  }

  Expected<bool> boolean(const std::string &name, bool fallback) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end() || found->is_null())
      return fallback;
    if (!found->is_boolean())
      return failure(ErrorCode::Corrupt,
                     "config.json: '{}' is {}, expected true or false", name,
                     found->dump());
    return found->get<bool>();
  }

  Expected<double> number(const std::string &name, double fallback) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end())
      return fallback;
    if (!found->is_number() || !(found->get<double>() >= 0))
      return failure(ErrorCode::Corrupt,
                     "config.json: '{}' is {}, expected a number of at least 0",
                     name, found->dump());
    return found->get<double>();
  }

  Expected<std::string> text(const std::string &name,
                             const std::string &fallback) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end())
      return fallback;
    if (!found->is_string())
      return failure(ErrorCode::Corrupt,
                     "config.json: '{}' is {}, expected a string", name,
                     found->dump());
    return found->get<std::string>();
  }

  /// Refuses fields that nobody has read and that may mean something.
  Status finish() {
    for (const auto &[name, value] : json.items()) {
      bool empty = value.is_null() || value == false ||
                   value == Json::object() || value == Json::array();
      if (used.contains(name) || harmless().contains(name) || empty)
        continue;
      return failure(ErrorCode::Unsupported,
                     "config.json: the field '{}' ({}) is not known; it may "
                     "change what the model computes, so it is not ignored",
                     name, value.dump().substr(0, 80));
    }
    return {};
  }

  const Json &json;
  std::set<std::string> used;
};

Expected<Activation> activation(Reader &reader, const std::string &field,
                                const std::string &fallback, bool first) {
  GPTC_TRY(std::string name, reader.text(field, fallback));
  static const std::map<std::string, Activation> names{
      {"gelu", Activation::GeluErf},
      {"gelu_new", Activation::GeluTanh},
      {"gelu_pytorch_tanh", Activation::GeluTanh},
      {"gelu_fast", Activation::GeluTanh},
      {"quick_gelu", Activation::QuickGelu},
      {"relu", Activation::Relu},
      {"silu", Activation::Silu},
      {"swish", Activation::Silu},
      {"tanh", Activation::Tanh}};
  // GPT-1's code calls the tanh form gelu.
  if (first && name == "gelu")
    return Activation::GeluTanh;
  auto found = names.find(name);
  if (found == names.end())
    return failure(
        ErrorCode::Unsupported,
        "config.json: '{}' is '{}'; known are gelu, gelu_new, "
        "gelu_pytorch_tanh, gelu_fast, quick_gelu, relu, silu, swish "
        "and tanh",
        field, name);
  return found->second;
}

Status readHeads(ModelConfig &config) {
  if (config.width % config.heads != 0)
    return failure(ErrorCode::Corrupt,
                   "config.json: the width {} is no multiple of the {} heads",
                   config.width, config.heads);
  config.headSize = config.width / config.heads;
  return {};
}

Status readGpt(Reader &reader, ModelConfig &config) {
  bool first = config.family == Family::Gpt1;
  GPTC_TRY(config.layers, reader.integer("n_layer", 12));
  GPTC_TRY(config.width, reader.integer("n_embd", 768));
  GPTC_TRY(config.heads, reader.integer("n_head", 12));
  GPTC_TRY(int64_t context, reader.integer("n_ctx", first ? 512 : 1024));
  GPTC_TRY(config.context, reader.integer("n_positions", context));
  GPTC_TRY(config.vocabulary,
           reader.integer("vocab_size", first ? 40478 : 50257));
  GPTC_TRY(config.inner, reader.integer("n_inner", 4 * config.width));
  GPTC_TRY(config.activation,
           activation(reader, first ? "afn" : "activation_function",
                      first ? "gelu" : "gelu_new", first));
  GPTC_TRY(config.epsilon, reader.number("layer_norm_epsilon", 1e-5));
  GPTC_TRY(config.scaleScores, reader.boolean("scale_attn_weights", true));
  GPTC_TRY(config.scaleByInverseLayer,
           reader.boolean("scale_attn_by_inverse_layer_idx", false));
  GPTC_TRY(bool cross, reader.boolean("add_cross_attention", false));
  if (cross)
    return failure(ErrorCode::Unsupported,
                   "config.json: add_cross_attention is true; only decoders "
                   "alone are supported");
  if (config.family == Family::Gpt3) {
    GPTC_TRY(int64_t window, reader.integer("window_size", 256));
    for (int64_t i = 0; i < config.layers; ++i)
      config.windows.push_back(i % 2 == 0 ? 0 : window);
  }
  return readHeads(config);
}

Status readNeo(Reader &reader, ModelConfig &config) {
  GPTC_TRY(config.layers, reader.integer("num_layers", 24));
  GPTC_TRY(config.width, reader.integer("hidden_size", 2048));
  GPTC_TRY(config.heads, reader.integer("num_heads", 16));
  GPTC_TRY(config.context, reader.integer("max_position_embeddings", 2048));
  GPTC_TRY(config.vocabulary, reader.integer("vocab_size", 50257));
  GPTC_TRY(config.inner, reader.integer("intermediate_size", 4 * config.width));
  GPTC_TRY(config.activation,
           activation(reader, "activation_function", "gelu_new", false));
  GPTC_TRY(config.epsilon, reader.number("layer_norm_epsilon", 1e-5));
  GPTC_TRY(int64_t window, reader.integer("window_size", 256));
  config.scaleScores = false;
  // [[["global", "local"], 12]]: the kinds, repeated.
  reader.used.insert({"attention_types", "attention_layers"});
  std::vector<std::string> kinds;
  auto malformed = [&] {
    return failure(ErrorCode::Corrupt,
                   "config.json: attention_types must list kinds and how often "
                   "they repeat, {} layers in all, as [[[\"global\", "
                   "\"local\"], 12]]",
                   config.layers);
  };
  Json types = reader.json.contains("attention_types")
                   ? reader.json["attention_types"]
                   : Json::parse(R"([[["global", "local"], 12]])");
  if (!types.is_array())
    return malformed();
  for (const Json &type : types) {
    if (!type.is_array() || type.size() != 2 || !type[0].is_array() ||
        !type[1].is_number_unsigned() || type[1].get<uint64_t>() > 4096)
      return malformed();
    for (uint64_t i = 0; i < type[1].get<uint64_t>(); ++i)
      for (const Json &kind : type[0]) {
        if (!kind.is_string() || kinds.size() > 4096)
          return malformed();
        kinds.push_back(kind.get<std::string>());
      }
  }
  if (int64_t(kinds.size()) != config.layers)
    return malformed();
  for (const std::string &kind : kinds) {
    if (kind != "global" && kind != "local")
      return malformed();
    config.windows.push_back(kind == "local" ? window : 0);
  }
  return readHeads(config);
}

} // namespace

Expected<ModelConfig> parseHuggingFaceConfig(std::string_view text) {
  GPTC_TRY(Json json, parseJson(text, "config.json"));
  if (!json.is_object())
    return failure(ErrorCode::Corrupt, "config.json is no JSON object");
  Reader reader(json);
  GPTC_TRY(std::string kind, reader.text("model_type", ""));
  static const std::map<std::string, Family> kinds{{"gpt2", Family::Gpt2},
                                                   {"openai-gpt", Family::Gpt1},
                                                   {"gpt_neo", Family::GptNeo},
                                                   {"gpt3", Family::Gpt3}};
  auto found = kinds.find(kind);
  if (found == kinds.end())
    return failure(ErrorCode::Unsupported,
                   "config.json: model_type is '{}'; supported are gpt2, "
                   "openai-gpt and gpt_neo",
                   kind);
  ModelConfig config;
  config.family = found->second;
  config.name = kind;
  if (config.family == Family::GptNeo)
    GPTC_CHECK(readNeo(reader, config));
  else
    GPTC_CHECK(readGpt(reader, config));
  GPTC_TRY(config.tieHead, reader.boolean("tie_word_embeddings", true));
  if (auto end = json.find("eos_token_id");
      end != json.end() && end->is_number_integer() &&
      end->get<int64_t>() >= 0 && end->get<int64_t>() < config.vocabulary)
    config.endOfText = end->get<int64_t>();
  GPTC_CHECK(reader.finish());
  return config;
}

} // namespace gptc
