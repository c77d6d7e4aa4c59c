#!/usr/bin/env python3
"""Makes the golden gradients: what PyTorch derives in double precision for some of the checkpoints of make_goldens.py.

    tests/golden/make_gradients.py                      all models, into tests/golden/gradients/
    tests/golden/make_gradients.py --out DIR [NAME...]  elsewhere, or only some of them

Needs torch 2.13, safetensors and numpy; a development tool, tests read only what it has written: for each model a
safetensors file with `tokens` and `targets` [B, T], of which some are -1, `loss` [] and `gradient:NAME` of every
parameter, in double precision. README.md says what the tests make of them.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file

from reference import Shape, logits

MODELS = ["gpt1-silu-heads-of-one", "gpt2-context-of-one", "gpt2-gelu-fast-heads-of-one", "gpt2-stored-masks",
          "gpt2-tanh-upcast", "gpt3-band-of-one", "neo-local-untied"]
BATCH = 3


def parameters(folder, shape):
    """The folder's parameters by their names without `transformer.`, in double precision."""
    weights = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        name = name.removeprefix("transformer.")
        is_mask = name.endswith((".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias"))
        if not is_mask and not (shape.tied and name == "lm_head.weight"):
            weights[name] = tensor.double().requires_grad_()
    return weights


def loss_of(shape, weights, tokens, targets):
    """The mean of -log p(target) over the targets [B, T] that are not negative."""
    total = 0
    for ids, wanted in zip(tokens, targets):
        likelihoods = logits(shape, weights, ids.tolist()).log_softmax(dim=-1)
        for row, target in enumerate(wanted):
            if target >= 0:
                total = total - likelihoods[row, target]
    return total / int((targets >= 0).sum())


def make(folder, out):
    shape = Shape(json.loads((folder / "config.json").read_text()))
    # Programs hold a score's scale and an epsilon in float32.
    shape.number = lambda value: float(numpy.float32(value))
    weights = parameters(folder, shape)
    generator = numpy.random.default_rng(7)
    size = (BATCH, shape.context)
    tokens = generator.integers(0, shape.vocabulary, size)
    targets = generator.integers(0, shape.vocabulary, size)
    if shape.context > 1:
        targets[generator.random(size) < 0.2] = -1
    loss = loss_of(shape, weights, tokens, targets)
    loss.backward()
    tensors = {"tokens": torch.tensor(tokens, dtype=torch.int32), "targets": torch.tensor(targets, dtype=torch.int32),
               "loss": loss.detach()}
    tensors.update({"gradient:" + name: tensor.grad for name, tensor in weights.items()})
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / f"{folder.name}.safetensors")
    print(f"{folder.name:28} {sum(t.numel() for t in weights.values()):6} parameters, loss {loss:.6f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here / "gradients", help="folder for the files")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.names or MODELS:
        make(here / "models" / name, arguments.out)


if __name__ == "__main__":
    main()
