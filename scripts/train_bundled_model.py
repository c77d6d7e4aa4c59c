#!/usr/bin/env python3
"""Trains the bundled model: a small GPT-2 with its own byte-level BPE vocabulary.

    scripts/train_bundled_model.py --text tinyshakespeare.txt --out examples/shakespeare

The text is the public-domain collection of Shakespeare's plays known as tiny Shakespeare. Needs torch, transformers,
tokenizers and safetensors; a development tool, not needed to build or run gptc. The best model by validation loss is
written whenever it improves.
"""

import argparse
import json
import math
import os
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

VOCABULARY = 512
CONTEXT = 256
LAYERS, WIDTH, HEADS = 4, 192, 6
BATCH = 16


def train_tokenizer(text, out):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.model.save(out)
    return tokenizer


def write_model(model, config, out):
    tensors = {
        name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith((".attn.bias", ".attn.masked_bias")) and name != "lm_head.weight"
    }
    temporary = os.path.join(out, "model.safetensors.new")
    save_file(tensors, temporary, metadata={"format": "pt"})
    os.replace(temporary, os.path.join(out, "model.safetensors"))
    with open(os.path.join(out, "config.json"), "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    with open(arguments.text, encoding="utf-8") as file:
        text = file.read()
    tokenizer = train_tokenizer(text, arguments.out)
    ids = torch.tensor(tokenizer.encode(text).ids)
    cut = int(len(ids) * 0.95)
    training, validation = ids[:cut], ids[cut:]
    end = tokenizer.token_to_id("<|endoftext|>")

    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": tokenizer.get_vocab_size(),
        "n_positions": CONTEXT,
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "bos_token_id": end,
        "eos_token_id": end,
    }
    model = GPT2LMHeadModel(
        GPT2Config(**config, resid_pdrop=0.15, embd_pdrop=0.1, attn_pdrop=0.1, attn_implementation="eager")
    )
    decay = [p for p in model.parameters() if p.dim() >= 2]
    other = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}],
        lr=1.5e-3,
        betas=(0.9, 0.98),
    )

    def batch(source):
        starts = torch.randint(len(source) - CONTEXT - 1, (BATCH,))
        return torch.stack([source[s : s + CONTEXT] for s in starts.tolist()])

    def validate():
        model.eval()
        with torch.no_grad():
            windows = [validation[i : i + CONTEXT] for i in range(0, len(validation) - CONTEXT, CONTEXT)]
            x = torch.stack(windows[:24])
            loss = model(x, labels=x).loss.item()
        model.train()
        return loss

    # The schedule follows the clock: warm-up, then cosine to a tenth.
    begin = time.time()
    best, step = math.inf, 0
    while (progress := (time.time() - begin) / (60 * arguments.minutes)) < 1:
        rate = min(1, step / 60) * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * rate
        x = batch(training)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(x, labels=x).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            measured = validate()
            print(f"step {step} minutes {progress * arguments.minutes:.1f} loss {loss.item():.3f} validation {measured:.3f}", flush=True)
            if measured < best:
                best = measured
                write_model(model, config, arguments.out)


if __name__ == "__main__":
    main()
