#!/usr/bin/env python3
"""Times a training step of GPT-2 124M in PyTorch, eager and compiled, and in gptc, in turn.

    bench/peers/pytorch_train.py --gptc build/release/bin/gptc --threads 2

Needs torch and transformers; a development tool. Both do the same: random weights, no dropout, the mean cross entropy of
B x T tokens, gradients clipped to a global norm of 1 (--clip 0: none), AdamW (fused in PyTorch); f32, or bf16 products
with weights and moments in f32 (autocast). Each measurement is a process of its own, PyTorch's with glibc told to keep big buffers,
without which a third of its step is page faults. Each line of the output is a JSON object: the median step of a round,
the peak of the process's resident memory, and for gptc the share of the roof that the same process measured. gptc's
memory is that of a process that runs the step alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

MALLOC = {"mmap_threshold": 4294967296, "trim_threshold": 8589934592, "top_pad": 268435456, "hugetlb": 1}


def own_peak():
    """MiB that this process had resident at most; getrusage's may be those of the process that started it."""
    with open("/proc/self/status") as status:
        return next(round(int(line.split()[1]) / 1024) for line in status if line.startswith("VmHWM:"))


def train(arguments):
    """One measurement of PyTorch, in this process."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    config = GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    model = GPT2LMHeadModel._from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    model.train()
    forward = torch.compile(model, dynamic=False) if arguments.worker == "compiled" else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids = torch.randint(0, config.vocab_size, (arguments.batch, arguments.context))
    targets = torch.randint(0, config.vocab_size, (arguments.batch * arguments.context,))
    seconds = []
    for _ in range(arguments.repetitions + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.type == "bf16"):
            logits = forward(ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.view(targets.numel(), -1), targets)
        loss.backward()
        if arguments.clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), arguments.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": round(statistics.median(seconds[2:]), 4), "peak_mib": own_peak()}))


def measure_torch(arguments, mode, name, context):
    tunables = ":".join(f"glibc.malloc.{key}={value}" for key, value in MALLOC.items())
    command = [sys.executable, __file__, "--worker", mode, "--type", name, "--batch", str(arguments.batch),
               "--context", str(context), "--threads", str(arguments.threads), "--clip", str(arguments.clip),
               "--repetitions", str(arguments.repetitions)]
    done = subprocess.run(command, env={**os.environ, "GLIBC_TUNABLES": tunables}, check=True, capture_output=True)
    return json.loads(done.stdout)


def compile_step(arguments, name, context, artifact):
    subprocess.run([arguments.gptc, "compile", "gpt2-124m", "--entry", "train_step", "--batch", str(arguments.batch),
                    "--context", str(context), "--dtype", name, "--clip", str(arguments.clip), "-o", artifact],
                   check=True, capture_output=True)


def measure_gptc(arguments, artifact):
    command = [arguments.gptc, "bench", artifact, "--entry", "train_step", "--json", "--threads",
               str(arguments.threads), "--repeat", str(arguments.repetitions)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    entry = report["entries"][0]
    return {"seconds": round(entry["seconds"], 4), "gflops_per_second": round(entry["gflop_s"], 1),
            "share_of_roof": round(entry["share_of_roof"], 3)}


def peak_of_gptc(arguments, artifact, context, folder):
    """The peak of a process that runs one step, on tokens that are all alike."""
    import numpy

    ids = os.path.join(folder, "ids.npy")
    numpy.save(ids, numpy.ones((arguments.batch, context), numpy.int32))
    command = [arguments.gptc, "run", artifact, "--entry", "train_step", "--threads", str(arguments.threads), "--input",
               f"tokens=@{ids}", "--input", f"targets=@{ids}", "--input", "learning_rate=1e-4"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"'{' '.join(command)}' failed")
    # At least what this process has resident, which a step exceeds.
    return round(usage.ru_maxrss / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gptc", default="build/release/bin/gptc", help="the command to measure")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--contexts", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--types", nargs="+", choices=("f32", "bf16"), default=["f32", "bf16"])
    parser.add_argument("--modes", nargs="*", choices=("eager", "compiled"), default=["eager", "compiled"])
    parser.add_argument("--clip", type=float, default=1, help="norm of all gradients at most; 0: any")
    parser.add_argument("--repetitions", type=int, default=5, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--type", help=argparse.SUPPRESS)
    parser.add_argument("--context", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return train(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.types:
            for context in arguments.contexts:
                artifact = os.path.join(folder, "step.gptc")
                compile_step(arguments, name, context, artifact)
                peak = peak_of_gptc(arguments, artifact, context, folder)
                for _ in range(arguments.rounds):
                    cell = {"type": name, "batch": arguments.batch, "context": context}
                    print(json.dumps({"who": "gptc", **cell, **measure_gptc(arguments, artifact), "peak_mib": peak}),
                          flush=True)
                    for mode in arguments.modes:
                        print(json.dumps({"who": f"pytorch {mode}", **cell,
                                          **measure_torch(arguments, mode, name, context)}), flush=True)


if __name__ == "__main__":
    main()
