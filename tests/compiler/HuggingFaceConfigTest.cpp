//===- HuggingFaceConfigTest.cpp - Which fields count ---------------------===//
//
// The fields are those of transformers 5.24's PretrainedConfig,
// GenerationConfig and the three models' configurations, and what 4.x had
// besides.
//
//===----------------------------------------------------------------------===//

#include "gptc/models/checkpoint/HuggingFaceConfig.h"
#include "gptc/models/Catalogue.h"
#include "tests/support/Matchers.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

using Json = nlohmann::json;

Json small(const std::string &family) {
  if (family == "gpt_neo")
    return {{"model_type", family},
            {"num_layers", 2},
            {"hidden_size", 12},
            {"num_heads", 3},
            {"attention_types", {{{"global", "local"}, 1}}}};
  return {
      {"model_type", family}, {"n_layer", 2}, {"n_embd", 12}, {"n_head", 3}};
}

Expected<ModelConfig> parsed(Json json, const Json &fields) {
  json.update(fields);
  return parseHuggingFaceConfig(json.dump());
}

/// Whether the fields leave a small model of the family as it is.
void expectIgnored(const std::string &family, const Json &fields) {
  ASSERT_VALUE(ModelConfig plain, parsed(small(family), Json::object()));
  for (const auto &[name, value] : fields.items()) {
    auto with = parsed(small(family), {{name, value}});
    ASSERT_TRUE(with) << family << ": " << with.error().message();
    EXPECT_TRUE(*with == plain) << family << ": " << name;
  }
}

/// Every one with a value that is not its default, as far as it has another.
const char *everywhere = R"({
  "_attn_implementation": "eager", "_attn_implementation_autoset": true,
  "_attn_implementation_internal": "sdpa", "_commit_hash": "1f",
  "_experts_implementation": "eager",
  "_experts_implementation_internal": "eager", "_name_or_path": "gpt2",
  "_num_labels": 1, "_output_attentions": true, "_post_init_done": true,
  "architectures": ["GPT2LMHeadModel"], "assistant_confidence_threshold": 0.4,
  "assistant_early_exit": 4, "assistant_ensemble_weight": 0.5,
  "assistant_lookbehind": 10, "attention_dropout": 0.1, "attn_pdrop": 0.1,
  "attn_implementation": "sdpa", "bad_words_ids": [[5]],
  "begin_suppress_tokens": [7], "bos_token_id": 3, "cache_config": {"a": 1},
  "cache_implementation": "static", "chunk_size_feed_forward": 2,
  "classifier_dropout": 0.1, "compile_config": {"a": 1}, "constraints": [1],
  "continuous_batching_config": {"a": 1}, "cross_attention_hidden_size": 8,
  "decoder_start_token_id": 4, "disable_compile": true,
  "diversity_penalty": 0.5, "do_sample": true, "dola_layers": "low",
  "dtype": "bfloat16", "early_stopping": true, "embd_pdrop": 0.1,
  "embed_dropout": 0.1, "encoder_no_repeat_ngram_size": 2,
  "encoder_repetition_penalty": 1.5, "epsilon_cutoff": 0.1, "eta_cutoff": 0.1,
  "exponential_decay_length_penalty": [5, 1.5],
  "experts_implementation": "eager", "finetuning_task": "sst2",
  "force_words_ids": [[1]], "forced_bos_token_id": 1,
  "forced_decoder_ids": [[1, 2]], "forced_eos_token_id": 2,
  "generation_kwargs": {"a": 1}, "generator_seed": 1,
  "gradient_checkpointing": true, "guidance_scale": 1.5,
  "hidden_dropout": 0.1, "id2label": {"0": "A"}, "initializer_range": 0.02,
  "is_assistant": true, "is_decoder": true, "is_encoder_decoder": false,
  "keys_to_ignore_at_inference": ["past_key_values"], "label2id": {"A": 0},
  "length_penalty": 2.0, "low_memory": true, "mask_token_id": 5,
  "max_cache_len": 8, "max_length": 20, "max_matching_ngram_size": 2,
  "max_new_tokens": 8, "max_time": 1.5, "min_length": 2, "min_new_tokens": 2,
  "min_p": 0.1, "n_special": 40, "name_or_path": "gpt2",
  "no_repeat_ngram_size": 3, "num_assistant_tokens": 5,
  "num_assistant_tokens_schedule": "constant", "num_beam_groups": 2,
  "num_beams": 4, "num_choices": 4, "num_labels": 3,
  "num_return_sequences": 2, "output_attentions": true,
  "output_hidden_states": true, "output_logits": true, "output_past": true,
  "output_scores": true, "pad_token_id": 6, "penalty_alpha": 0.5,
  "predict_special_tokens": true, "prefill_chunk_size": 8, "prefix": "x",
  "problem_type": "regression", "prompt_lookup_num_tokens": 3,
  "pruned_heads": {}, "remove_invalid_values": true,
  "renormalize_logits": true, "reorder_and_upcast_attn": true,
  "repetition_penalty": 1.2, "resid_dropout": 0.1, "resid_pdrop": 0.1,
  "return_dict": false, "return_dict_in_generate": true, "sep_token_id": 7,
  "sequence_bias": [[[1], 0.5]], "speculation_type": "x",
  "stop_strings": ["a"], "summary_activation": "tanh",
  "summary_first_dropout": 0.1, "summary_last_dropout": 0.1,
  "summary_proj_to_labels": true, "summary_type": "cls_index",
  "summary_use_proj": true, "suppress_tokens": [1],
  "target_lookbehind": 10, "task_specific_params": {"a": {"top_k": 1}},
  "temperature": 0.7, "tf_legacy_loss": true, "tie_encoder_decoder": true,
  "tie_last_hidden_states": true, "token_healing": true,
  "tokenizer_class": "GPT2Tokenizer", "top_h": 0.5, "top_k": 50,
  "top_p": 0.9, "torch_dtype": "float32", "torchscript": true,
  "transformers_version": "4.29.1", "typical_p": 0.9, "unk_token_id": 8,
  "use_bfloat16": true, "use_cache": false, "use_mtp": true,
  "use_return_dict": true, "vocab_size_padded": 64,
  "watermarking_config": {"a": 1}, "xla_device": true,
  "add_cross_attention": false, "per_layer_config": null,
  "quantization_config": null
})";

class Fields : public testing::TestWithParam<const char *> {};

TEST_P(Fields, OfTransformersThatNoLogitDependsOnAreAccepted) {
  expectIgnored(GetParam(), Json::parse(everywhere));
  EXPECT_TRUE(parsed(small(GetParam()), Json::parse(everywhere)));
}

TEST_P(Fields, ThatChangeTheComputationAreErrors) {
  for (const Json &fields :
       std::vector<Json>{{{"add_cross_attention", true}},
                         {{"is_encoder_decoder", true}},
                         {{"auto_map", {{"AutoModel", "m.M"}}}},
                         {{"per_layer_config", {{"0", {{"n_head", 1}}}}}},
                         {{"pruned_heads", {{"0", {1}}}}},
                         {{"quantization_config", {{"bits", 8}}}}})
    EXPECT_THAT(parsed(small(GetParam()), fields),
                FailsWith(ErrorCode::Unsupported,
                          "the field '" + fields.begin().key() + "' (" +
                              fields.begin()->dump() +
                              ") changes what the model computes"))
        << GetParam();
  for (const Json &fields : std::vector<Json>{{{"rope_theta", 10000}},
                                              {{"rope_parameters", {{"a", 1}}}},
                                              {{"sliding_window", 5}},
                                              {{"rotary_dim", 64}}})
    EXPECT_THAT(parsed(small(GetParam()), fields),
                FailsWith(ErrorCode::Unsupported, "is not known"))
        << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    Families, Fields, testing::Values("gpt2", "openai-gpt", "gpt_neo", "gpt3"),
    [](const auto &info) {
      std::string name = info.param;
      std::erase_if(name, [](char c) { return !isalnum(c); });
      return name;
    });

/// transformers' OpenAIGPTModel has 4 * n_embd and scaled scores, and takes
/// its activation from afn alone.
TEST(HuggingFaceConfig, Gpt1HasNothingOfGpt2) {
  expectIgnored("openai-gpt", {{"scale_attn_weights", false},
                               {"scale_attn_by_inverse_layer_idx", true},
                               {"n_inner", 5},
                               {"activation_function", "relu"}});
  expectIgnored("gpt2", {{"afn", "relu"}});
  expectIgnored("gpt_neo", {{"scale_attn_weights", true},
                            {"scale_attn_by_inverse_layer_idx", true},
                            {"n_inner", 5},
                            {"afn", "relu"}});
  ASSERT_VALUE(ModelConfig neo, parsed(small("gpt_neo"), Json::object()));
  EXPECT_FALSE(neo.scaleScores);
  ASSERT_VALUE(ModelConfig second,
               parsed(small("gpt2"), {{"scale_attn_weights", false},
                                      {"n_inner", 5},
                                      {"activation_function", "relu"}}));
  EXPECT_FALSE(second.scaleScores);
  EXPECT_EQ(second.inner, 5);
  EXPECT_EQ(second.activation, Activation::Relu);
}

TEST(HuggingFaceConfig, Gpt1KnowsFourActivations) {
  const std::pair<const char *, Activation> known[] = {
      {"gelu", Activation::GeluTanh},
      {"relu", Activation::Relu},
      {"silu", Activation::Silu},
      {"swish", Activation::Silu}};
  for (auto [name, expected] : known) {
    ASSERT_VALUE(ModelConfig config,
                 parsed(small("openai-gpt"), {{"afn", name}}));
    EXPECT_EQ(config.activation, expected) << name;
  }
  for (const char *name : {"gelu_new", "tanh", "quick_gelu"})
    EXPECT_THAT(parsed(small("openai-gpt"), {{"afn", name}}),
                FailsWith(ErrorCode::Unsupported,
                          std::string("'afn' is '") + name +
                              "'; known are gelu, relu, silu, swish"));
}

TEST(HuggingFaceConfig, AModelTypeThatIsMissingIsNotAnEmptyOne) {
  EXPECT_THAT(parseHuggingFaceConfig("{}"),
              FailsWith(ErrorCode::Corrupt, "config.json has no model_type"));
  EXPECT_THAT(parseHuggingFaceConfig(R"({"model_type": ""})"),
              FailsWith(ErrorCode::Unsupported, "model_type is ''"));
}

TEST(HuggingFaceConfig, TransformersOtherNamesCount) {
  Json json = {{"model_type", "gpt2"},
               {"num_hidden_layers", 3},
               {"hidden_size", 20},
               {"num_attention_heads", 5},
               {"max_position_embeddings", 9}};
  ASSERT_VALUE(ModelConfig config, parsed(json, Json::object()));
  EXPECT_EQ(config.layers, 3);
  EXPECT_EQ(config.width, 20);
  EXPECT_EQ(config.heads, 5);
  EXPECT_EQ(config.context, 9);
  EXPECT_TRUE(parsed(json, {{"n_embd", 20}}));
  EXPECT_THAT(parsed(json, {{"n_embd", 40}}),
              FailsWith(ErrorCode::Corrupt,
                        "'n_embd' is 40, and 'hidden_size', another name for "
                        "it, is 20"));
}

/// As transformers' GPTNeoConfig has them: what is listed by layer wins.
TEST(HuggingFaceConfig, GptNeosLayersAreOneByOneOrRepeated) {
  using Windows = std::vector<int64_t>;
  Json json = small("gpt_neo");
  ASSERT_VALUE(ModelConfig types, parsed(json, Json::object()));
  EXPECT_EQ(types.windows, (Windows{0, 256}));
  ASSERT_VALUE(ModelConfig layers,
               parsed(json, {{"attention_layers", {"local", "local"}},
                             {"window_size", 5}}));
  EXPECT_EQ(layers.windows, (Windows{5, 5}));
  EXPECT_THAT(parsed(json, {{"attention_layers", {"local"}}}),
              FailsWith(ErrorCode::Corrupt,
                        "attention_layers must list global and local for 2"));
  EXPECT_THAT(parsed(json, {{"attention_layers", {"local", "banded"}}}),
              FailsWith(ErrorCode::Corrupt, "attention_layers must list"));
  for (const char *wrong :
       {R"([[["global"], 3]])", R"([[["global"], 1]])", R"([[["both"], 2]])",
        R"([[["global"], 18446744073709551615]])",
        R"([[[], 18446744073709551615]])"})
    EXPECT_THAT(parsed(json, {{"attention_types", Json::parse(wrong)}}),
                FailsWith(ErrorCode::Corrupt, "attention_types must list"))
        << wrong;
  json["num_layers"] = 24;
  ASSERT_VALUE(ModelConfig defaults, parsed(json, {{"attention_types", {}}}));
  EXPECT_EQ(defaults.windows.size(), 24U);
}

TEST(HuggingFaceConfig, SizesHaveBounds) {
  for (auto [family, field] : {std::pair("gpt2", "n_layer"),
                               {"openai-gpt", "n_layer"},
                               {"gpt3", "n_layer"},
                               {"gpt_neo", "num_layers"},
                               {"gpt2", "num_hidden_layers"}})
    for (int64_t value : {int64_t(0), int64_t(-1), int64_t(1025),
                          int64_t(1) << 24, int64_t(1) << 62})
      EXPECT_THAT(parsed(small(family), {{field, value}}),
                  FailsWith(ErrorCode::Corrupt,
                            fmt::format("'{}' is {}, expected an integer from "
                                        "1 to 1024",
                                        field, value)));
  EXPECT_TRUE(parsed(small("gpt2"), {{"n_layer", 1024}}));
  Json heads = {{"n_embd", 2048}, {"n_head", 2}};
  EXPECT_TRUE(parsed(small("gpt2"), heads));
  heads["n_head"] = 1;
  EXPECT_THAT(parsed(small("gpt2"), heads),
              FailsWith(ErrorCode::Unsupported,
                        "the width 2048 makes 1 heads of 2048, expected heads "
                        "of at most 1024"));
  EXPECT_THAT(parsed(small("gpt3"), {{"head_size", 1025}}),
              FailsWith(ErrorCode::Corrupt, "'head_size' is 1025"));
  EXPECT_THAT(parsed(small("gpt2"), {{"n_embd", nullptr}}),
              FailsWith(ErrorCode::Corrupt, "'n_embd' is null"));
  EXPECT_THAT(parsed(small("gpt2"), {{"scale_attn_weights", nullptr}}),
              FailsWith(ErrorCode::Corrupt, "expected true or false"));
}

TEST(HuggingFaceConfig, IsWrittenForEachPublishedModel) {
  for (const ModelConfig &published : publishedModels()) {
    std::string text = writeHuggingFaceConfig(published);
    auto again = parseHuggingFaceConfig(text);
    ASSERT_TRUE(again) << published.name << ": " << again.error().message();
    again->name = published.name;
    EXPECT_TRUE(*again == published) << text;
  }
}

/// What transformers needs to choose a class, and what it reads.
TEST(HuggingFaceConfig, IsWrittenWithTransformersFields) {
  auto written = [](const std::string &name) {
    for (const ModelConfig &config : publishedModels())
      if (config.name == name)
        return Json::parse(writeHuggingFaceConfig(config));
    return Json();
  };
  EXPECT_EQ(written("gpt1"), Json::parse(R"({
    "model_type": "openai-gpt", "architectures": ["OpenAIGPTLMHeadModel"],
    "n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 512,
    "vocab_size": 40478, "afn": "gelu", "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": true})"));
  EXPECT_EQ(written("gpt2-1558m"), Json::parse(R"({
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
    "n_layer": 48, "n_embd": 1600, "n_head": 25, "n_positions": 1024,
    "n_inner": 6400, "vocab_size": 50257, "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5, "bos_token_id": 50256, "eos_token_id": 50256,
    "tie_word_embeddings": true})"));
  EXPECT_EQ(written("gpt3-13b"), Json::parse(R"({
    "model_type": "gpt3", "n_layer": 40, "n_embd": 5140, "n_head": 40,
    "head_size": 128, "n_positions": 2048, "n_inner": 20560,
    "vocab_size": 50257, "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5, "bos_token_id": 50256, "eos_token_id": 50256,
    "window_size": 256, "tie_word_embeddings": true})"));
}

} // namespace
} // namespace gptc
