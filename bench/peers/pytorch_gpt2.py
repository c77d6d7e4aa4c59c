#!/usr/bin/env python3
"""Times PyTorch on GPT-2 124M with random weights: prefill of 512 and 64 tokens, and decode with a key/value cache.

    M=glibc.malloc; GLIBC_TUNABLES=$M.mmap_threshold=4294967296:$M.trim_threshold=8589934592:$M.top_pad=268435456:$M.hugetlb=1 \\
        bench/peers/pytorch_gpt2.py --threads 2

Needs torch and transformers; a development tool. The tunables keep glibc from giving big buffers back to the system and
faulting them in again; without them prefill loses up to a fifth, so a comparison is fair only with them. Each line of
the output is a JSON object; times are medians. Prefill computes the last position's logits only and stores no cache;
decode is greedy steps after 8 tokens. --compile times torch.compile's forward pass in the place of the eager one (of
prefill; decode stays eager).

GFLOP/s count useful work: two operations for each weight of a matrix product and token, causal attention as causal, the
logits once. GB/s of decode count the weights that a step reads and the cache.
"""

import argparse
import json
import os
import statistics
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel

DECODE_PROMPT = 8
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def prefill_flops(config, tokens):
    width = config.n_embd
    matrices = 12 * width * width * config.n_layer  # weights of a layer's four products
    attention = 2 * width * tokens * (tokens + 1) // 2 * config.n_layer  # scores and mixing, each below the diagonal
    return 2 * (matrices * tokens + attention + width * config.vocab_size)


def decode_bytes(config, dtype, tokens):
    """What one step reads: all matrices, the tied table, and keys and values of the tokens before it."""
    width = config.n_embd
    weights = 12 * width * width * config.n_layer + width * config.vocab_size
    return (weights + 2 * width * tokens * config.n_layer) * dtype.itemsize


def median_seconds(function, repetitions):
    function()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def time_prefill(model, forward, name, tokens, repetitions):
    ids = torch.randint(0, model.config.vocab_size, (1, tokens))
    seconds = median_seconds(lambda: forward(ids, use_cache=False, logits_to_keep=1), repetitions)
    return {"phase": "prefill", "type": name, "tokens": tokens, "seconds": round(seconds, 5),
            "tokens_per_second": round(tokens / seconds, 1),
            "gflops_per_second": round(prefill_flops(model.config, tokens) / seconds / 1e9, 1)}


def time_decode(model, name, steps):
    ids = torch.randint(0, model.config.vocab_size, (1, DECODE_PROMPT))
    answer = model(ids, use_cache=True, logits_to_keep=1)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        token = answer.logits[:, -1].argmax(dim=-1, keepdim=True)
        answer = model(token, cache=answer.cache, use_cache=True)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    moved = decode_bytes(model.config, DTYPES[name], DECODE_PROMPT + steps // 2)
    flops = prefill_flops(model.config, 1)
    return {"phase": "decode", "type": name, "tokens": steps, "seconds": round(median, 5),
            "tokens_per_second": round(1 / median, 1), "gflops_per_second": round(flops / median / 1e9, 1),
            "gigabytes_per_second": round(moved / median / 1e9, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--types", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--prefill", nargs="+", type=int, default=[512, 64], help="lengths of prompts")
    parser.add_argument("--repetitions", type=int, default=9, help="of each prefill, after one that does not count")
    parser.add_argument("--steps", type=int, default=128, help="of decode")
    parser.add_argument("--attention", default="sdpa", choices=("sdpa", "eager"))
    parser.add_argument("--compile", action="store_true", help="time torch.compile's prefill")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    print(json.dumps({"torch": torch.__version__, "threads": arguments.threads, "attention": arguments.attention,
                      "compile": arguments.compile, "malloc_tuned": "GLIBC_TUNABLES" in os.environ}), flush=True)
    config = GPT2Config()
    with torch.inference_mode():
        for name in arguments.types:
            model = GPT2LMHeadModel._from_config(config, dtype=DTYPES[name], attn_implementation=arguments.attention)
            model.eval()
            forward = torch.compile(model, dynamic=False) if arguments.compile else model
            for tokens in arguments.prefill:
                print(json.dumps(time_prefill(model, forward, name, tokens, arguments.repetitions)), flush=True)
            if arguments.steps:
                print(json.dumps(time_decode(model, name, arguments.steps)), flush=True)


if __name__ == "__main__":
    main()
