"""The checkpoints of the golden files: each a config.json, word for word, and the manner in which its tensors are stored.

Sizes are odd on purpose: no width, head, context or vocabulary here is a multiple of a vector or of a tile, except in
`gpt2-wide`, which is larger than the tiles.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Storage:
    """How a checkpoint lies in its folder."""

    dtype: str = "f32"  # of all tensors
    norms: str = ""  # of the layer norms, where it differs
    prefix: bool = False  # names begin with `transformer.`
    shards: int = 1  # more than one: files with an index
    masks: str = ""  # "f32" or "bool": stored causal masks, which readers must ignore
    stored_head: bool = False  # the tied head is stored all the same


@dataclass(frozen=True)
class Model:
    config: dict
    storage: Storage = Storage()
    prompt_lengths: tuple = ()  # by default chosen by the context


def gpt2(layers, heads, width, context, vocabulary, **fields):
    return {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": layers, "n_head": heads,
            "n_embd": width, "n_positions": context, "vocab_size": vocabulary, **fields}


def gpt3(layers, heads, width, context, vocabulary, window, **fields):
    return {"model_type": "gpt3", "n_layer": layers, "n_head": heads, "n_embd": width, "n_positions": context,
            "vocab_size": vocabulary, "window_size": window, **fields}


def gpt1(layers, heads, width, context, vocabulary, **fields):
    return {"model_type": "openai-gpt", "architectures": ["OpenAIGPTLMHeadModel"], "n_layer": layers, "n_head": heads,
            "n_embd": width, "n_positions": context, "vocab_size": vocabulary, **fields}


def neo(attention_types, heads, width, context, vocabulary, window, **fields):
    layers = sum(len(kinds) * times for kinds, times in attention_types)
    return {"model_type": "gpt_neo", "architectures": ["GPTNeoForCausalLM"], "num_layers": layers, "num_heads": heads,
            "hidden_size": width, "max_position_embeddings": context, "vocab_size": vocabulary,
            "attention_types": attention_types, "window_size": window, **fields}


def only_n_ctx(config):
    """Old configurations call the context n_ctx."""
    config = dict(config)
    config["n_ctx"] = config.pop("n_positions")
    return config


# What OpenAI's own GPT-2 folder has beside the sizes.
published = {"attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256,
             "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "n_ctx": 67, "n_inner": None, "resid_pdrop": 0.1,
             "summary_activation": None, "summary_first_dropout": 0.1, "summary_proj_to_labels": True,
             "summary_type": "cls_index", "summary_use_proj": True, "use_cache": True,
             "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}}

MODELS = {
    "gpt2-published-fields": Model(gpt2(2, 3, 15, 67, 97, **published)),
    "gpt2-gelu": Model(gpt2(1, 7, 35, 23, 101, n_inner=51, activation_function="gelu"), Storage("bf16")),
    "gpt2-relu-epsilon": Model(
        only_n_ctx(gpt2(3, 1, 11, 97, 53, n_inner=29, activation_function="relu", layer_norm_epsilon=0.05))),
    "gpt2-silu-unscaled": Model(
        gpt2(2, 3, 21, 67, 61, n_inner=43, activation_function="silu", scale_attn_weights=False), Storage("f16")),
    "gpt2-swish-inverse-layer": Model(
        gpt2(2, 3, 39, 67, 79, n_inner=31, activation_function="swish", scale_attn_by_inverse_layer_idx=True),
        Storage("f16", norms="f32", prefix=True)),
    "gpt2-tanh-upcast": Model(
        gpt2(3, 3, 15, 7, 43, n_inner=17, activation_function="tanh", reorder_and_upcast_attn=True,
             scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True, layer_norm_epsilon=1e-3)),
    "gpt2-quick-gelu-untied": Model(
        gpt2(1, 5, 35, 29, 89, n_inner=33, activation_function="quick_gelu", tie_word_embeddings=False),
        Storage("bf16", prefix=True)),
    "gpt2-gelu-fast-heads-of-one": Model(gpt2(2, 5, 5, 23, 11, n_inner=9, activation_function="gelu_fast")),
    "gpt2-context-of-one": Model(gpt2(1, 3, 15, 1, 17, activation_function="gelu_pytorch_tanh"), Storage("f16")),
    "gpt2-stored-masks": Model(
        gpt2(2, 1, 7, 23, 31, activation_function="gelu_new"),
        Storage(prefix=True, masks="f32", stored_head=True)),
    "gpt2-sharded": Model(
        gpt2(3, 1, 13, 67, 113, n_inner=7, activation_function="gelu_new"), Storage("bf16", shards=3, masks="bool")),
    "gpt2-wide": Model(
        gpt2(2, 4, 64, 256, 211, n_inner=193, activation_function="gelu_new"), Storage("bf16"),
        prompt_lengths=(1, 5, 63, 64, 65, 255, 256)),
    "gpt1-gelu": Model(gpt1(2, 3, 15, 67, 71, afn="gelu")),
    "gpt1-silu-heads-of-one": Model(gpt1(1, 5, 5, 7, 13, afn="silu"), Storage("f16", masks="f32", stored_head=True)),
    "gpt1-relu": Model(
        gpt1(3, 1, 13, 97, 107, afn="relu", layer_norm_epsilon=1e-3),
        Storage("bf16", prefix=True)),
    "gpt1-swish-sharded": Model(only_n_ctx(gpt1(1, 3, 21, 67, 41, afn="swish")), Storage("f16", shards=2)),
    "neo-global-and-local": Model(
        neo([[["global", "local"], 1], [["local"], 1]], 3, 15, 67, 59, 5, intermediate_size=37,
            activation_function="gelu_new", attention_layers=["global", "local", "local"])),
    "neo-local-untied": Model(
        neo([[["local"], 2]], 1, 11, 23, 47, 3, intermediate_size=13, activation_function="silu",
            tie_word_embeddings=False, layer_norm_epsilon=1e-3),
        Storage("f16", prefix=True, masks="bool")),
    "neo-sharded": Model(
        neo([[["global", "local"], 1]], 5, 35, 67, 67, 256, intermediate_size=23, activation_function="gelu"),
        Storage("bf16", prefix=True, shards=2, stored_head=True)),
    "gpt3-band": Model(gpt3(3, 3, 15, 67, 83, 7, n_inner=31)),
    "gpt3-band-of-one": Model(gpt3(2, 1, 7, 23, 29, 1, activation_function="relu"), Storage("f16")),
    "gpt3-wide-band": Model(
        gpt3(2, 5, 35, 97, 109, 23, n_inner=51, activation_function="gelu_new", tie_word_embeddings=False),
        Storage("bf16", prefix=True, shards=2)),
}
