"""GPT-1, GPT-2, GPT-3 and GPT-Neo in plain PyTorch, in whatever precision the weights have.

transformers computes parts of GPT-Neo and of `reorder_and_upcast_attn` in float32 whatever the model's type is, and has
no GPT-3; this does not, and has. make_goldens.py checks it against transformers on every model.
"""

import math

import torch
import torch.nn.functional as F


def tanh_gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_new": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "gelu_fast": tanh_gelu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": torch.tanh,
}


class Shape:
    """The sizes and choices of a config.json under one set of names."""

    def __init__(self, config):
        self.kind = config["model_type"]
        self.neo, self.first = self.kind == "gpt_neo", self.kind == "openai-gpt"
        get = config.get
        self.layers = get("num_layers" if self.neo else "n_layer")
        self.heads = get("num_heads" if self.neo else "n_head")
        self.width = get("hidden_size" if self.neo else "n_embd")
        self.head_size = self.width // self.heads
        self.context = get("max_position_embeddings") or get("n_positions") or get("n_ctx")
        self.vocabulary = get("vocab_size")
        self.inner = get("intermediate_size" if self.neo else "n_inner") or 4 * self.width
        name = get("afn", "gelu") if self.first else get("activation_function", "gelu_new")
        self.activation = tanh_gelu if self.first and name == "gelu" else ACTIVATIONS[name]
        self.epsilon = get("layer_norm_epsilon", 1e-5)
        self.tied = get("tie_word_embeddings", True)
        self.scaled = get("scale_attn_weights", True) and not self.neo
        self.by_layer = get("scale_attn_by_inverse_layer_idx", False)
        self.number = float  # how a scale or an epsilon is held
        self.adapter_scale = 1  # of low-rank adapters, alpha over rank
        self.windows = [None] * self.layers  # None: dense
        if self.neo:
            kinds = [kind for kinds, times in config["attention_types"] for kind in kinds * times]
            self.windows = [config["window_size"] if kind == "local" else None for kind in kinds]
        elif self.kind == "gpt3":
            self.windows = [config["window_size"] if i % 2 else None for i in range(self.layers)]


def visible(rows, window):
    """[rows, rows] of bool: which keys a query sees: itself and those before it, the `window` last ones."""
    distance = torch.arange(rows)[:, None] - torch.arange(rows)[None, :]
    return (distance >= 0) & (distance < (window or rows))


def head(shape, weights):
    """The table [V, C] whose products with the states are the logits."""
    return weights[("tokens_embed.weight" if shape.first else "wte.weight") if shape.tied else "lm_head.weight"]


def states(shape, weights, ids):
    """[T, C] for ids [T], what a head reads; weights by their names without `transformer.`, all of one type.

    Ids from V on are rows of `task.tokens.weight`. Products have adapters where `NAME.lora_a` and `NAME.lora_b` are.
    """

    def norm(name, x):
        return F.layer_norm(x, (shape.width,), weights[name + ".weight"], weights[name + ".bias"],
                            shape.number(shape.epsilon))

    def project(name, x):
        weight, bias = weights[name + ".weight"], weights.get(name + ".bias")
        y = x @ (weight.T if shape.neo else weight)
        if name + ".lora_a" in weights:
            y = y + x @ weights[name + ".lora_a"] @ weights[name + ".lora_b"] * shape.number(shape.adapter_scale)
        return y if bias is None else y + bias

    def attend(layer, index, x):
        name = layer + (".attn.attention" if shape.neo else ".attn")
        if shape.neo:
            parts = [project(f"{name}.{part}_proj", x) for part in "qkv"]
        else:
            parts = project(name + ".c_attn", x).split(shape.width, dim=-1)
        q, k, v = (part.reshape(len(ids), shape.heads, -1).transpose(0, 1) for part in parts)
        divisor = math.sqrt(shape.head_size) if shape.scaled else 1
        if shape.by_layer:
            divisor *= index + 1
        scores = q @ k.transpose(1, 2) * shape.number(1 / divisor)
        scores = scores.masked_fill(~visible(len(ids), shape.windows[index]), -math.inf)
        mixed = (scores.softmax(dim=-1) @ v).transpose(0, 1).reshape(len(ids), shape.width)
        return project(name + (".out_proj" if shape.neo else ".c_proj"), mixed)

    def feed_forward(layer, x):
        return project(layer + ".mlp.c_proj", shape.activation(project(layer + ".mlp.c_fc", x)))

    words = weights["tokens_embed.weight" if shape.first else "wte.weight"]
    if "task.tokens.weight" in weights:
        words = torch.cat([words, weights["task.tokens.weight"]])
    places = weights["positions_embed.weight" if shape.first else "wpe.weight"]
    x = words[torch.as_tensor(ids)] + places[: len(ids)]
    for index in range(shape.layers):
        layer = f"h.{index}"
        if shape.first:
            x = norm(layer + ".ln_1", x + attend(layer, index, x))
            x = norm(layer + ".ln_2", x + feed_forward(layer, x))
        else:
            x = x + attend(layer, index, norm(layer + ".ln_1", x))
            x = x + feed_forward(layer, norm(layer + ".ln_2", x))
    return x if shape.first else norm("ln_f", x)


def logits(shape, weights, ids):
    """[T, V] for ids [T]."""
    return states(shape, weights, ids) @ head(shape, weights).T
