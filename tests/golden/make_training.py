#!/usr/bin/env python3
"""Makes the golden training runs: what PyTorch's AdamW makes of some of the checkpoints of make_goldens.py, in double.

    tests/golden/make_training.py                      all models, into tests/golden/training/
    tests/golden/make_training.py --out DIR [NAME...]  elsewhere, or only some of them

Needs torch 2.13, safetensors and numpy; a development tool, tests read only what it has written: for each model a
safetensors file with `tokens` and `targets` [steps, B, T], `learning_rates`, `losses` and `norms` [steps] (of the
gradients before they are clipped), `final:NAME`, every parameter after the last step, and `bf16_losses`, those of the same
steps in float32 with products in bfloat16 (torch.autocast). README.md says what the tests make of them.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

from make_gradients import loss_of, parameters
from reference import Shape

STEPS = 200
BATCH = 2
PEAK = 3e-3
WARM_UP = 5
# The recipes that `gptc compile` takes for these families by default.
MODELS = {"gpt1-silu-heads-of-one": {"betas": (0.9, 0.999), "decay": 0.01},
          "gpt2-tanh-upcast": {"betas": (0.9, 0.95), "decay": 0.1},
          "gpt3-band-of-one": {"betas": (0.9, 0.95), "decay": 0.1},
          "neo-local-untied": {"betas": (0.9, 0.95), "decay": 0.1}}


def draw(shape):
    """Tokens and targets [steps, B, T]; the last of a row has no successor."""
    generator = numpy.random.default_rng(11)
    size = (STEPS, BATCH, shape.context)
    tokens = generator.integers(0, shape.vocabulary, size)
    targets = numpy.concatenate([tokens[:, :, 1:], numpy.full((STEPS, BATCH, 1), -1)], axis=2)
    return tokens, targets


def train(shape, recipe, weights, tokens, targets, rates, bf16=False):
    """Losses, and norms of the gradients before they are clipped, of all steps; the weights are trained."""
    groups = [{"params": [w for w in weights.values() if w.dim() > 1], "weight_decay": recipe["decay"]},
              {"params": [w for w in weights.values() if w.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=recipe["betas"], eps=1e-8)
    losses, norms = [], []
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = loss_of(shape, weights, tokens[step], targets[step])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)))
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def make(folder, out):
    recipe = MODELS[folder.name]
    shape = Shape(json.loads((folder / "config.json").read_text()))
    # Programs hold a score's scale and an epsilon in float32.
    shape.number = lambda value: float(numpy.float32(value))
    weights = parameters(folder, shape)
    single = {name: tensor.detach().float().requires_grad_() for name, tensor in weights.items()}
    tokens, targets = draw(shape)
    rates = [float(numpy.float32(PEAK * min(1, (step + 1) / WARM_UP))) for step in range(STEPS)]
    losses, norms = train(shape, recipe, weights, tokens, targets, rates)
    bf16, _ = train(shape, recipe, single, tokens, targets, rates, bf16=True)
    tensors = {"tokens": torch.tensor(tokens, dtype=torch.int32), "targets": torch.tensor(targets, dtype=torch.int32)}
    for name, values in {"learning_rates": rates, "losses": losses, "norms": norms, "bf16_losses": bf16}.items():
        tensors[name] = torch.tensor(values, dtype=torch.float64)
    tensors.update({"final:" + name: tensor.detach().float() for name, tensor in weights.items()})
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / f"{folder.name}.safetensors")
    away = numpy.sqrt(numpy.mean((numpy.array(bf16) / numpy.array(losses) - 1) ** 2))
    print(f"{folder.name:28} loss {losses[0]:.6f} to {losses[-1]:.6f}, norm {norms[0]:.3f}, bf16 {away:.1e} away",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here / "training", help="folder for the files")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.names or MODELS:
        make(here / "models" / name, arguments.out)


if __name__ == "__main__":
    main()
