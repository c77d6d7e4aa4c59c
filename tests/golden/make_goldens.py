#!/usr/bin/env python3
"""Makes the golden files: small checkpoints with random weights, and what PyTorch answers to them in double precision.

    tests/golden/make_goldens.py                      all models, into tests/golden/models/
    tests/golden/make_goldens.py --out DIR [NAME...]  elsewhere, or only some of them

Needs torch 2.13, transformers 5.24, safetensors and numpy; a development tool, tests read only what it has written.
On one machine the same bytes come out each time. README.md says what the files hold.

Weights come from the first seed that makes a good test: its greedy text moves about, is decided by more than 0.1 % of
the logits' range at each step (so that no correct float32 can differ), float32 is close to double precision, and
gelu's tanh form in the place of the other would be seen.
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config
from transformers.utils import logging

from grid import MODELS
from reference import ACTIVATIONS, Shape, logits, tanh_gelu, visible

SMALLEST_MARGIN = 1e-3  # of the logits' range, between the first and the second choice of each greedy step
LARGEST_FLOAT_ERROR = 1e-5  # of the logits' range, of transformers in float32
SMALLEST_GELU_DIFFERENCE = 1.5e-4  # of the logits' range, between gelu and its tanh form
GREEDY_TOKENS = 200
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "bool": torch.bool}


def parameters(shape):
    """Names, shapes as stored, and (mean, deviation) of all parameters."""
    width, inner = shape.width, shape.inner
    names = ("tokens_embed", "positions_embed") if shape.first else ("wte", "wpe")
    yield names[0] + ".weight", (shape.vocabulary, width), (0, 0.6)
    yield names[1] + ".weight", (shape.context, width), (0, 1.0)

    def norm(name):
        yield name + ".weight", (width,), (1, 0.3)
        yield name + ".bias", (width,), (0, 0.2)

    def linear(name, fan_in, fan_out, gain, bias=True):
        yield name + ".weight", (fan_out, fan_in) if shape.neo else (fan_in, fan_out), (0, gain / math.sqrt(fan_in))
        if bias:
            yield name + ".bias", (fan_out,), (0, 0.2)

    # Scores that are not divided by the root of the head's size must not grow with it.
    scores = 1.4 if shape.scaled else 1.4 * shape.head_size**-0.25
    for i in range(shape.layers):
        layer = f"h.{i}"
        attention = layer + (".attn.attention" if shape.neo else ".attn")
        yield from norm(layer + ".ln_1")
        if shape.neo:
            for part, gain in (("q", scores), ("k", scores), ("v", 1.4)):
                yield from linear(f"{attention}.{part}_proj", width, width, gain, bias=False)
        else:
            yield from linear(attention + ".c_attn", width, 3 * width, scores)
        yield from linear(attention + (".out_proj" if shape.neo else ".c_proj"), width, width, 2.0)
        yield from norm(layer + ".ln_2")
        yield from linear(layer + ".mlp.c_fc", width, inner, 1.4)
        yield from linear(layer + ".mlp.c_proj", inner, width, 2.0)
    if not shape.first:
        yield from norm("ln_f")
    if not shape.tied:
        yield "lm_head.weight", (shape.vocabulary, width), (0, 0.6)


def random_weights(shape, storage, seed):
    generator = numpy.random.default_rng(seed)
    weights = {}
    for name, size, (mean, deviation) in parameters(shape):
        dtype = DTYPES[storage.norms if storage.norms and ".ln_" in "." + name else storage.dtype]
        weights[name] = torch.from_numpy(mean + deviation * generator.standard_normal(size)).to(dtype)
    return weights


def stored_tensors(shape, storage, weights):
    """What the files hold: the weights, and what readers must pass over."""
    tensors = {}
    for name, tensor in weights.items():
        tensors[name if name.startswith("lm_head") or not storage.prefix else "transformer." + name] = tensor
    if storage.stored_head:
        tensors["lm_head.weight"] = weights["tokens_embed.weight" if shape.first else "wte.weight"].clone()
    for i in range(shape.layers if storage.masks else 0):
        name = ("transformer." if storage.prefix else "") + f"h.{i}.attn." + ("attention." if shape.neo else "")
        mask = visible(shape.context, shape.windows[i])[None, None]
        tensors[name + "bias"] = mask.to(DTYPES[storage.masks])
        if not shape.first:
            tensors[name + "masked_bias"] = torch.tensor(-1e4)
    return tensors


def write_checkpoint(folder, model, tensors):
    (folder / "config.json").write_text(json.dumps(model.config, indent=2) + "\n")
    shards, names = model.storage.shards, sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map = {}
    for i in range(shards):
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in part})
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def transformers_model(folder, config, dtype):
    """The folder as transformers reads it; GPT-3 is its GPT-2 with the bands added to the masks of odd layers."""
    shape = Shape(config)
    fields = {key: value for key, value in config.items() if key not in ("model_type", "n_ctx", "architectures")}
    if not shape.neo:
        fields["n_positions"] = shape.context
    if dtype == torch.float64:  # It refuses to upcast float64 to float32.
        fields.pop("reorder_and_upcast_attn", None)
    if shape.kind == "gpt3":
        settings = GPT2Config(**fields)
    else:
        settings = AutoConfig.for_model(shape.kind, **fields)
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, config=settings, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    assert all(name.endswith("bias") and ".attn." in name for name in info["unexpected_keys"]), info
    if shape.kind == "gpt3":
        for block, window in zip(model.transformer.h, shape.windows):

            def banded(module, arguments, keywords, window=window):
                hidden = arguments[0]
                mask = torch.zeros(hidden.shape[1], hidden.shape[1], dtype=hidden.dtype)
                mask.masked_fill_(~visible(hidden.shape[1], window), torch.finfo(hidden.dtype).min)
                return arguments, {**keywords, "attention_mask": mask[None, None]}

            block.attn.register_forward_pre_hook(banded, with_kwargs=True)
    return model.eval()


def transformers_logits(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0].double()


def span(values):
    return float(values.max() - values.min())


def relative_error(found, expected):
    """The largest error of a vector of logits, in parts of the expected ones' range."""
    return float((found - expected).abs().max()) / span(expected)


def prompts(shape, model, seed):
    generator = numpy.random.default_rng(1000 + seed)
    context = shape.context
    lengths = model.prompt_lengths or sorted({1, min(3, context), context // 3 | 1, 2 * context // 3 | 1, context})
    made = [generator.integers(0, shape.vocabulary, length).tolist() for length in lengths]
    made[0] = [shape.vocabulary - 1]
    return made


def greedy(shape, weights, prompt):
    """The continuation, or None where it is a bad test."""
    ids = list(prompt)
    for _ in range(min(GREEDY_TOKENS, shape.context - len(prompt))):
        last = logits(shape, weights, ids)[-1]
        best, second = last.topk(2).values.tolist()
        if best - second < SMALLEST_MARGIN * span(last):
            return None
        ids.append(int(last.argmax()))
        made = ids[len(prompt) :]
        if len(made) >= 16 and len(set(made)) < min(shape.vocabulary, len(made)) // 8:
            return None  # It goes round in circles.
    return ids[len(prompt) :]


def tells_gelu_forms(config, weights, texts, expected):
    """Whether a model with gelu answers differently enough with the tanh form."""
    shape = Shape(config)
    if shape.activation is not ACTIVATIONS["gelu"]:
        return True
    shape.activation = tanh_gelu
    found = [logits(shape, weights, text)[-1] for text in texts]
    return max(relative_error(f, rows[-1]) for f, rows in zip(found, expected)) > SMALLEST_GELU_DIFFERENCE


def check_against_transformers(folder, model, texts, expected):
    """Asserts that the reference is transformers' model, and returns transformers' error in float32."""
    upcast = model.config["model_type"] == "gpt_neo"  # Its scores are float32 in every model.
    double = transformers_model(folder, model.config, torch.float64)
    single = transformers_model(folder, model.config, torch.float32)
    errors = [0.0, 0.0]
    for text, rows in zip(texts, expected):
        for i, candidate in enumerate((double, single)):
            found = transformers_logits(candidate, text)
            errors[i] = max([errors[i]] + [relative_error(f, e) for f, e in zip(found, rows)])
    assert errors[0] < (1e-5 if upcast else 1e-8), f"{folder.name}: off by {errors[0]} in double precision"
    assert errors[1] < 1e-4, f"{folder.name}: off by {errors[1]} in float32"
    return errors[1]


def digits(values, count=7):
    return [float(f"{value:.{count}g}") for value in values]


def make(folder, model):
    shape = Shape(model.config)
    for seed in range(1, 1000):
        weights = random_weights(shape, model.storage, seed)
        double = {name: tensor.double() for name, tensor in weights.items()}
        texts = prompts(shape, model, seed)
        start = texts[1 if shape.context > 3 else 0]
        continuation = greedy(shape, double, start)
        if continuation is None:
            continue
        expected = [logits(shape, double, text) for text in texts]
        if not tells_gelu_forms(model.config, double, texts, expected):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_checkpoint(folder, model, stored_tensors(shape, model.storage, weights))
        error = check_against_transformers(folder, model, texts, expected)
        if error < LARGEST_FLOAT_ERROR:
            break
    else:
        raise SystemExit(f"{folder.name}: no seed makes a good test")
    errors = {}
    for name in ("bf16", "f16"):
        narrow = transformers_model(folder, model.config, DTYPES[name])
        errors[name] = [relative_error(transformers_logits(narrow, text)[-1], rows[-1])
                        for text, rows in zip(texts, expected)]
    text, rows = texts[-1], expected[-1]
    likelihoods = rows.log_softmax(dim=-1)[range(len(text) - 1), text[1:]]
    answers = {
        "seed": seed,
        "prompts": texts,
        "last_logits": [digits(rows[-1].tolist()) for rows in expected],
        "greedy": {"prompt": start, "tokens": continuation},
        "score": {"text": text, "log_likelihood": digits(likelihoods.tolist())},
        "bf16_error": digits(errors["bf16"], 3),
        "f16_error": digits(errors["f16"], 3),
    }
    lines = (f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in answers.items())
    (folder / "answers.json").write_text("{" + ",\n".join(lines) + "}\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder.name:28} seed {seed:3} {size:7} bytes, float32 error {error:.1e}, bf16 {max(errors['bf16']):.1e}, "
          f"f16 {max(errors['f16']):.1e}, {len(set(continuation))} of {len(continuation)} greedy tokens distinct, "
          f"range {span(rows[-1]):.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "models", help="folder for the models")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to make (all)")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    with torch.no_grad():
        for name in arguments.names or MODELS:
            make(arguments.out / name, MODELS[name])


if __name__ == "__main__":
    main()
