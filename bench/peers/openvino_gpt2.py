#!/usr/bin/env python3
"""Times OpenVINO on GPT-2 124M with random weights: prefill of 512 and 64 tokens.

    bench/peers/openvino_gpt2.py --threads 2

Needs torch, transformers and openvino; a development tool. Each line of the output is a JSON object; times are medians.
The model is transformers' own, converted; only the last position's logits are computed and no cache is stored. Types
are those of OpenVINO's execution (INFERENCE_PRECISION_HINT). Useful work is counted as in pytorch_gpt2.py.
"""

import argparse
import json

import openvino as ov
import torch
from pytorch_gpt2 import DTYPES, median_seconds, prefill_flops
from transformers import GPT2Config, GPT2LMHeadModel


class Prefill(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(ids, use_cache=False, logits_to_keep=1).logits


def compile_for(core, module, example, name, threads):
    converted = ov.convert_model(torch.export.export(module, example))
    options = {"INFERENCE_PRECISION_HINT": name, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    return core.compile_model(converted, "CPU", options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--types", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--prefill", nargs="+", type=int, default=[512, 64], help="lengths of prompts")
    parser.add_argument("--repetitions", type=int, default=9, help="of each, after one that does not count")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    core = ov.Core()
    print(json.dumps({"openvino": ov.get_version(), "threads": arguments.threads}), flush=True)
    config = GPT2Config()
    with torch.inference_mode():
        model = GPT2LMHeadModel._from_config(config, attn_implementation="sdpa")
        model.eval()
        for name in arguments.types:
            for tokens in arguments.prefill:
                ids = torch.randint(0, config.vocab_size, (1, tokens))
                compiled = compile_for(core, Prefill(model), (ids,), name, arguments.threads)
                request = compiled.create_infer_request()
                seconds = median_seconds(lambda: request.infer([ids.numpy()]), arguments.repetitions)
                print(json.dumps({"phase": "prefill", "type": name, "tokens": tokens, "seconds": round(seconds, 5),
                                  "tokens_per_second": round(tokens / seconds, 1),
                                  "gflops_per_second": round(prefill_flops(config, tokens) / seconds / 1e9, 1)}),
                      flush=True)


if __name__ == "__main__":
    main()
