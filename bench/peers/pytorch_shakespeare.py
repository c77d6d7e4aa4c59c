#!/usr/bin/env python3
"""Trains the model of a config.json from scratch in PyTorch, by the recipe that examples/shakespeare was trained by.

    bench/peers/pytorch_shakespeare.py --model MODEL --text training.txt --out pytorch [--steps 1600]

MODEL is a folder with config.json, vocab.json and merges.txt. AdamW (0.9, 0.95, decay 0.1 of matrices), norm at most 1, a
rate of 2e-3 after 80 steps that falls by a cosine to a tenth, dropout 0.1, batches of 16 windows of 256 tokens, each of them
once in an epoch, as `gptc train` takes them, products in bf16 by autocast. Writes a folder that gptc compiles, so that both
models are measured by the same `gptc score`.
"""

import argparse
import json
import math
import shutil
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel

BATCH, WINDOW, PEAK, WARM_UP = 16, 256, 2e-3, 80


def rate_at(step, steps):
    if step < WARM_UP:
        return PEAK * (step + 1) / WARM_UP
    progress = (step - WARM_UP) / max(1, steps - WARM_UP)
    return PEAK * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    config = json.loads((arguments.model / "config.json").read_text())
    tokenizer = ByteLevelBPETokenizer(str(arguments.model / "vocab.json"), str(arguments.model / "merges.txt"))
    ids = torch.tensor(tokenizer.encode(arguments.text.read_text()).ids)
    model = GPT2LMHeadModel(GPT2Config(**config, resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1))
    model.train()
    groups = [{"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
              {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95))
    windows = (len(ids) - 1) // WINDOW
    order = []
    begin = time.time()
    for step in range(arguments.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, arguments.steps)
        if len(order) < BATCH:
            order += torch.randperm(windows).tolist()
        starts = [WINDOW * order.pop(0) for _ in range(BATCH)]
        tokens = torch.stack([ids[start: start + WINDOW] for start in starts])
        targets = torch.stack([ids[start + 1: start + WINDOW + 1] for start in starts])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(tokens).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            seconds = (time.time() - begin) / (step + 1)
            print(f"step {step + 1}: loss {loss.item():.4f}, {BATCH * WINDOW / seconds:.0f} tokens/s", flush=True)

    arguments.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()
               if not name.endswith((".attn.bias", ".attn.masked_bias")) and name != "lm_head.weight"}
    save_file(tensors, arguments.out / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "vocab.json", "merges.txt"):
        shutil.copy(arguments.model / name, arguments.out / name)


if __name__ == "__main__":
    main()
