//===- HuggingFaceConfig.cpp ----------------------------------------------===//

#include "gptc/models/checkpoint/HuggingFaceConfig.h"

#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <map>
#include <optional>
#include <ranges>
#include <set>

namespace gptc {

namespace {

using Json = nlohmann::json;

/// Sizes of models are far below. What has more layers would be a graph that
/// fills the memory, and so would the code of larger heads.
constexpr int64_t largest = int64_t(1) << 24, mostLayers = 1024,
                  largestHead = 1024;

using Names = std::set<std::string, std::less<>>;

/// Fields of transformers' PretrainedConfig and of the models' own
/// configurations, of all versions, from which no logit of these models
/// depends: names and notes, training, what a call returns, and heads for other
/// tasks.
const Names &harmless() {
  static const Names names{
      // What it is, and how it is stored and run.
      "_attn_implementation", "_attn_implementation_autoset",
      "_attn_implementation_internal", "_commit_hash",
      "_experts_implementation", "_experts_implementation_internal",
      "_name_or_path", "_output_attentions", "_post_init_done", "architectures",
      "attn_implementation", "dtype", "experts_implementation", "model_type",
      "name_or_path", "tokenizer_class", "torch_dtype", "torchscript",
      "transformers_version", "use_bfloat16", "use_cache", "vocab_size_padded",
      "xla_device",
      // Special tokens, which a tokenizer and a generation look at.
      "bos_token_id", "decoder_start_token_id", "eos_token_id", "mask_token_id",
      "n_special", "pad_token_id", "predict_special_tokens", "sep_token_id",
      "unk_token_id",
      // What a call returns beside the logits.
      "keys_to_ignore_at_inference", "output_attentions",
      "output_hidden_states", "output_past", "return_dict",
      "tie_last_hidden_states", "use_return_dict",
      // Training, and rounding in half precision.
      "attention_dropout", "attn_pdrop", "embd_pdrop", "embed_dropout",
      "gradient_checkpointing", "initializer_range", "reorder_and_upcast_attn",
      "resid_dropout", "resid_pdrop", "tf_legacy_loss",
      // Of how many rows a layer is computed at a time; and what only models
      // with an encoder look at.
      "chunk_size_feed_forward", "cross_attention_hidden_size", "is_decoder",
      "tie_encoder_decoder",
      // Heads for other tasks.
      "_num_labels", "classifier_dropout", "finetuning_task", "hidden_dropout",
      "id2label", "label2id", "num_choices", "num_labels", "problem_type",
      "summary_activation", "summary_first_dropout", "summary_last_dropout",
      "summary_proj_to_labels", "summary_type", "summary_use_proj",
      "task_specific_params",
      // The context in GPT-1's and GPT-2's first configurations.
      "n_ctx"};
  return names;
}

/// The fields of transformers' GenerationConfig, which was once a part of a
/// model's: what is made of the logits, for which gptc has options.
const Names &ofGeneration() {
  static const Names names{"assistant_confidence_threshold",
                           "assistant_early_exit",
                           "assistant_ensemble_weight",
                           "assistant_lookbehind",
                           "bad_words_ids",
                           "begin_suppress_tokens",
                           "cache_config",
                           "cache_implementation",
                           "compile_config",
                           "constraints",
                           "continuous_batching_config",
                           "disable_compile",
                           "diversity_penalty",
                           "do_sample",
                           "dola_layers",
                           "early_stopping",
                           "encoder_no_repeat_ngram_size",
                           "encoder_repetition_penalty",
                           "epsilon_cutoff",
                           "eta_cutoff",
                           "exponential_decay_length_penalty",
                           "force_words_ids",
                           "forced_bos_token_id",
                           "forced_decoder_ids",
                           "forced_eos_token_id",
                           "generation_kwargs",
                           "generator_seed",
                           "guidance_scale",
                           "is_assistant",
                           "length_penalty",
                           "low_memory",
                           "max_cache_len",
                           "max_length",
                           "max_matching_ngram_size",
                           "max_new_tokens",
                           "max_time",
                           "min_length",
                           "min_new_tokens",
                           "min_p",
                           "no_repeat_ngram_size",
                           "num_assistant_tokens",
                           "num_assistant_tokens_schedule",
                           "num_beam_groups",
                           "num_beams",
                           "num_return_sequences",
                           "output_logits",
                           "output_scores",
                           "penalty_alpha",
                           "prefill_chunk_size",
                           "prefix",
                           "prompt_lookup_num_tokens",
                           "remove_invalid_values",
                           "renormalize_logits",
                           "repetition_penalty",
                           "return_dict_in_generate",
                           "sequence_bias",
                           "speculation_type",
                           "stop_strings",
                           "suppress_tokens",
                           "target_lookbehind",
                           "temperature",
                           "token_healing",
                           "top_h",
                           "top_k",
                           "top_p",
                           "typical_p",
                           "use_mtp",
                           "watermarking_config"};
  return names;
}

/// Fields of another family that transformers' model of this one does not
/// read, so that they change nothing here either.
const Names &ofOthers(Family family) {
  static const std::map<Family, Names> names{
      {Family::Gpt1,
       {"activation_function", "n_inner", "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights"}},
      {Family::Gpt2, {"afn"}},
      {Family::Gpt3, {}},
      {Family::GptNeo,
       {"afn", "n_inner", "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights"}}};
  return names.at(family);
}

/// Fields that are known to change what is computed, and are not honoured.
const Names &unsupported() {
  static const Names names{"add_cross_attention", "auto_map",
                           "is_encoder_decoder",  "per_layer_config",
                           "pruned_heads",        "quantization_config"};
  return names;
}

/// An integer of at least 1.
struct Size {
  const char *name;
  int64_t fallback;
  /// Another name that transformers knows for it.
  const char *alias = nullptr;
  /// null stands for the fallback.
  bool nullable = false;
  int64_t most = largest;
};

class Reader {
public:
  explicit Reader(const Json &json) : json(json) {}

  Expected<int64_t> integer(const Size &size) {
    GPTC_TRY(std::optional<int64_t> value, find(size, size.name));
    if (!size.alias)
      return value.value_or(size.fallback);
    GPTC_TRY(std::optional<int64_t> other, find(size, size.alias));
    if (value && other && *value != *other)
      return failure(ErrorCode::Corrupt,
                     "config.json: '{}' is {}, and '{}', another name for it, "
                     "is {}; keep the one that is right",
                     size.name, *value, size.alias, *other);
    return value.value_or(other.value_or(size.fallback));
  }

  Expected<bool> boolean(const std::string &name, bool fallback) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end())
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
  Status finish(Family family) {
    for (const auto &[name, value] : json.items()) {
      bool empty = value.is_null() || value == false ||
                   value == Json::object() || value == Json::array();
      if (empty || used.contains(name) || harmless().contains(name) ||
          ofGeneration().contains(name) || ofOthers(family).contains(name))
        continue;
      std::string content = value.dump().substr(0, 80);
      if (unsupported().contains(name))
        return failure(ErrorCode::Unsupported,
                       "config.json: the field '{}' ({}) changes what the "
                       "model computes, which is not supported",
                       name, content);
      return failure(ErrorCode::Unsupported,
                     "config.json: the field '{}' ({}) is not known; it may "
                     "change what the model computes, so it is not ignored",
                     name, content);
    }
    return {};
  }

  const Json &json;
  Names used;

private:
  Expected<std::optional<int64_t>> find(const Size &size, const char *name) {
    used.insert(name);
    auto found = json.find(name);
    if (found == json.end() || (size.nullable && found->is_null()))
      return std::optional<int64_t>();
    if (!found->is_number_integer() || found->get<int64_t>() < 1 ||
        found->get<int64_t>() > size.most)
      return failure(
          ErrorCode::Corrupt,
          "config.json: '{}' is {}, expected an integer from 1 to {}", name,
          found->dump(), size.most);
    return std::optional<int64_t>(found->get<int64_t>());
  }
};

using Activations = std::map<std::string, Activation>;

/// GPT-1's code calls the tanh form gelu.
const Activations &firstActivations() {
  static const Activations names{{"gelu", Activation::GeluTanh},
                                 {"relu", Activation::Relu},
                                 {"silu", Activation::Silu},
                                 {"swish", Activation::Silu}};
  return names;
}

const Activations &activations() {
  static const Activations names{{"gelu", Activation::GeluErf},
                                 {"gelu_new", Activation::GeluTanh},
                                 {"gelu_pytorch_tanh", Activation::GeluTanh},
                                 {"gelu_fast", Activation::GeluTanh},
                                 {"quick_gelu", Activation::QuickGelu},
                                 {"relu", Activation::Relu},
                                 {"silu", Activation::Silu},
                                 {"swish", Activation::Silu},
                                 {"tanh", Activation::Tanh}};
  return names;
}

Expected<Activation> activation(Reader &reader, const std::string &field,
                                const std::string &fallback,
                                const Activations &known) {
  GPTC_TRY(std::string name, reader.text(field, fallback));
  if (auto found = known.find(name); found != known.end())
    return found->second;
  return failure(ErrorCode::Unsupported,
                 "config.json: '{}' is '{}'; known are {}", field, name,
                 fmt::join(std::views::keys(known), ", "));
}

Status readHeads(ModelConfig &config) {
  if (config.width % config.heads != 0)
    return failure(ErrorCode::Corrupt,
                   "config.json: the width {} is no multiple of the {} heads",
                   config.width, config.heads);
  config.headSize = config.width / config.heads;
  if (config.headSize > largestHead)
    return failure(ErrorCode::Unsupported,
                   "config.json: the width {} makes {} heads of {}, expected "
                   "heads of at most {}",
                   config.width, config.heads, config.headSize, largestHead);
  return {};
}

/// What GPT-2's model reads, and GPT-1's does not.
Status readAfterFirst(Reader &reader, ModelConfig &config) {
  GPTC_TRY(config.inner, reader.integer({.name = "n_inner",
                                         .fallback = config.inner,
                                         .nullable = true}));
  GPTC_TRY(config.activation, activation(reader, "activation_function",
                                         "gelu_new", activations()));
  GPTC_TRY(config.scaleScores, reader.boolean("scale_attn_weights", true));
  GPTC_TRY(config.scaleByInverseLayer,
           reader.boolean("scale_attn_by_inverse_layer_idx", false));
  return {};
}

/// What is gptc's own.
Status readThird(Reader &reader, ModelConfig &config) {
  GPTC_TRY(int64_t window,
           reader.integer({.name = "window_size", .fallback = 256}));
  for (int64_t i = 0; i < config.layers; ++i)
    config.windows.push_back(i % 2 == 0 ? 0 : window);
  if (!reader.json.contains("head_size"))
    return readHeads(config);
  GPTC_TRY(config.headSize,
           reader.integer(
               {.name = "head_size", .fallback = 1, .most = largestHead}));
  return {};
}

Status readGpt(Reader &reader, ModelConfig &config) {
  bool first = config.family == Family::Gpt1;
  GPTC_TRY(config.layers, reader.integer({.name = "n_layer",
                                          .fallback = 12,
                                          .alias = "num_hidden_layers",
                                          .most = mostLayers}));
  GPTC_TRY(config.width,
           reader.integer(
               {.name = "n_embd", .fallback = 768, .alias = "hidden_size"}));
  GPTC_TRY(config.heads, reader.integer({.name = "n_head",
                                         .fallback = 12,
                                         .alias = "num_attention_heads"}));
  GPTC_TRY(int64_t context, reader.integer({.name = "n_ctx",
                                            .fallback = first ? 512 : 1024,
                                            .nullable = true}));
  GPTC_TRY(config.context,
           reader.integer({.name = "n_positions",
                           .fallback = context,
                           .alias = "max_position_embeddings"}));
  GPTC_TRY(config.vocabulary,
           reader.integer(
               {.name = "vocab_size", .fallback = first ? 40478 : 50257}));
  config.inner = 4 * config.width;
  GPTC_TRY(config.epsilon, reader.number("layer_norm_epsilon", 1e-5));
  if (first) {
    GPTC_TRY(config.activation,
             activation(reader, "afn", "gelu", firstActivations()));
  } else {
    GPTC_CHECK(readAfterFirst(reader, config));
  }
  if (config.family == Family::Gpt3)
    return readThird(reader, config);
  return readHeads(config);
}

/// The kind of each layer, "global" or "local". transformers writes them as
/// `attention_layers`, which it prefers, and as `attention_types`: [[["global",
/// "local"], 12]], the kinds, and how often they repeat.
Expected<std::vector<std::string>> readKinds(Reader &reader, int64_t layers) {
  reader.used.insert({"attention_types", "attention_layers"});
  auto malformed = [&](const char *field, const char *expected) {
    return failure(ErrorCode::Corrupt,
                   "config.json: {} must list {} for {} layers in all", field,
                   expected, layers);
  };
  std::vector<std::string> kinds;
  auto add = [&](const Json &kind) {
    if (int64_t(kinds.size()) == layers ||
        (kind != "global" && kind != "local"))
      return false;
    kinds.push_back(kind.get<std::string>());
    return true;
  };
  if (auto found = reader.json.find("attention_layers");
      found != reader.json.end() && !found->is_null()) {
    if (!found->is_array() || int64_t(found->size()) != layers ||
        !std::ranges::all_of(*found, add))
      return malformed("attention_layers", "global and local");
    return kinds;
  }
  auto wrong = [&] {
    return malformed(
        "attention_types",
        "kinds and how often they repeat, as [[[\"global\", \"local\"], 12]],");
  };
  Json types = Json::parse(R"([[["global", "local"], 12]])");
  if (auto found = reader.json.find("attention_types");
      found != reader.json.end() && !found->is_null())
    types = *found;
  if (!types.is_array())
    return wrong();
  for (const Json &type : types) {
    if (!type.is_array() || type.size() != 2 || !type[0].is_array() ||
        type[0].empty() || !type[1].is_number_unsigned())
      return wrong();
    for (uint64_t i = 0; i < type[1].get<uint64_t>(); ++i)
      if (!std::ranges::all_of(type[0], add))
        return wrong();
  }
  if (int64_t(kinds.size()) != layers)
    return wrong();
  return kinds;
}

Status readNeo(Reader &reader, ModelConfig &config) {
  GPTC_TRY(config.layers, reader.integer({.name = "num_layers",
                                          .fallback = 24,
                                          .alias = "num_hidden_layers",
                                          .most = mostLayers}));
  GPTC_TRY(config.width,
           reader.integer({.name = "hidden_size", .fallback = 2048}));
  GPTC_TRY(config.heads, reader.integer({.name = "num_heads",
                                         .fallback = 16,
                                         .alias = "num_attention_heads"}));
  GPTC_TRY(config.context, reader.integer({.name = "max_position_embeddings",
                                           .fallback = 2048}));
  GPTC_TRY(config.vocabulary,
           reader.integer({.name = "vocab_size", .fallback = 50257}));
  GPTC_TRY(config.inner, reader.integer({.name = "intermediate_size",
                                         .fallback = 4 * config.width,
                                         .nullable = true}));
  GPTC_TRY(config.activation, activation(reader, "activation_function",
                                         "gelu_new", activations()));
  GPTC_TRY(config.epsilon, reader.number("layer_norm_epsilon", 1e-5));
  GPTC_TRY(int64_t window,
           reader.integer({.name = "window_size", .fallback = 256}));
  config.scaleScores = false;
  GPTC_TRY(std::vector<std::string> kinds, readKinds(reader, config.layers));
  for (const std::string &kind : kinds)
    config.windows.push_back(kind == "local" ? window : 0);
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
  if (!json.contains("model_type"))
    return failure(ErrorCode::Corrupt,
                   "config.json has no model_type; expected one of gpt2, "
                   "openai-gpt and gpt_neo");
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
  GPTC_CHECK(reader.finish(config.family));
  return config;
}

std::string writeHuggingFaceConfig(const ModelConfig &config) {
  bool first = config.family == Family::Gpt1;
  Json json = {{"n_layer", config.layers},
               {"n_embd", config.width},
               {"n_head", config.heads},
               {"n_positions", config.context},
               {"vocab_size", config.vocabulary},
               {"layer_norm_epsilon", config.epsilon},
               {"tie_word_embeddings", config.tieHead}};
  if (first) {
    json["model_type"] = "openai-gpt";
    json["architectures"] = {"OpenAIGPTLMHeadModel"};
  } else {
    json["model_type"] = "gpt2";
    json["architectures"] = {"GPT2LMHeadModel"};
    json["n_inner"] = config.inner;
  }
  // The catalogue's activation is gelu's tanh form alone.
  json[first ? "afn" : "activation_function"] = first ? "gelu" : "gelu_new";
  if (config.endOfText >= 0)
    json["bos_token_id"] = json["eos_token_id"] = config.endOfText;
  if (config.family == Family::Gpt3) {
    json["model_type"] = "gpt3";
    json.erase("architectures");
    json["head_size"] = config.headSize;
    json["window_size"] = *std::ranges::max_element(config.windows);
  }
  return json.dump(2) + "\n";
}

} // namespace gptc
