#!/usr/bin/env python3
"""Times a training step of GPT-2 124M in llm.c's C program, and in gptc, in turn.

    bench/peers/llmc_train.py --llmc DIR --gptc build/release/bin/gptc --threads 2

DIR is a checkout of github.com/karpathy/llm.c, of which train_gpt2.c is built with gcc by its Makefile's flags, once for
each context. It takes random weights and tokens in its own formats, which this script writes (0.5 GB, into a temporary
folder); needs numpy. Both do the same in f32: AdamW, no clipping, no dropout. Each line of the output is a JSON object: the
median of some steps after the first, and for gptc the share of the roof that the same process measured.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile

WIDTH, LAYERS, HEADS, CONTEXT, VOCABULARY, PADDED = 768, 12, 12, 1024, 50257, 50304
FLAGS = ["-Ofast", "-march=native", "-fopenmp", "-DOMP", "-w"]


def write_header(file, numbers):
    import numpy

    header = numpy.zeros(256, numpy.int32)
    header[: len(numbers)] = numbers
    header.tofile(file)


def write_inputs(folder):
    """A checkpoint of version 3, and tokens of which both loaders take as many as they like."""
    import numpy

    random = numpy.random.default_rng(1)
    with open(os.path.join(folder, "gpt2_124M.bin"), "wb") as file:
        write_header(file, [20240326, 3, CONTEXT, VOCABULARY, LAYERS, HEADS, WIDTH, PADDED])
        C, L = WIDTH, LAYERS
        for count, gain in [(PADDED * C, 0), (CONTEXT * C, 0), (L * C, 1), (L * C, 0), (L * 3 * C * C, 0), (L * 3 * C, 0),
                            (L * C * C, 0), (L * C, 0), (L * C, 1), (L * C, 0), (L * 4 * C * C, 0), (L * 4 * C, 0),
                            (L * 4 * C * C, 0), (L * C, 0), (C, 1), (C, 0)]:
            (gain + 0.02 * random.standard_normal(count, numpy.float32)).astype(numpy.float32).tofile(file)
    data = os.path.join(folder, "dev/data/tinyshakespeare")
    os.makedirs(data)
    for part in ("train", "val"):
        with open(os.path.join(data, f"tiny_shakespeare_{part}.bin"), "wb") as file:
            tokens = random.integers(0, VOCABULARY, 100000).astype(numpy.uint16)
            write_header(file, [20240520, 1, len(tokens)])
            tokens.tofile(file)


def build(arguments, folder, context):
    with open(os.path.join(arguments.llmc, "train_gpt2.c")) as file:
        source = file.read()
    source, changes = re.subn(r"int B = 4;", f"int B = {arguments.batch};", source)
    source, more = re.subn(r"int T = 64;", f"int T = {context};", source)
    if (changes, more) != (1, 1):
        raise RuntimeError("train_gpt2.c sets B and T in another way than this script knows")
    path = os.path.join(folder, "step.c")
    with open(path, "w") as file:
        file.write(source)
    program = os.path.join(folder, f"step-{context}")
    subprocess.run(["gcc", *FLAGS, f"-I{arguments.llmc}", path, "-o", program, "-lm"], check=True)
    return program


def measure_llmc(arguments, folder, program):
    """Its first steps, of which it has 20 before it generates text; it is stopped after as many as are asked for."""
    process = subprocess.Popen(["stdbuf", "-oL", program], cwd=folder, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": str(arguments.threads)})
    seconds = []
    for line in process.stdout:
        if found := re.search(r"took ([\d.]+) ms", line):
            seconds.append(float(found[1]) / 1000)
        if len(seconds) > arguments.repetitions:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    if len(seconds) <= arguments.repetitions:
        raise RuntimeError(f"'{program}' ended after {len(seconds)} steps")
    return {"seconds": round(statistics.median(seconds[1:]), 4)}


def measure_gptc(arguments, artifact):
    command = [arguments.gptc, "bench", artifact, "--entry", "train_step", "--json", "--threads",
               str(arguments.threads), "--repeat", str(arguments.repetitions)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    entry = report["entries"][0]
    return {"seconds": round(entry["seconds"], 4), "share_of_roof": round(entry["share_of_roof"], 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llmc", required=True, help="a checkout of llm.c")
    parser.add_argument("--gptc", default="build/release/bin/gptc", help="the command to measure")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--contexts", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--types", nargs="+", choices=("f32", "bf16"), default=["f32", "bf16"],
                        help="what gptc computes in; llm.c has f32 alone")
    parser.add_argument("--repetitions", type=int, default=5, help="steps of a round, at most 19")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(folder)
        for context in arguments.contexts:
            program = build(arguments, folder, context)
            for name in arguments.types:
                subprocess.run([arguments.gptc, "compile", "gpt2-124m", "--entry", "train_step", "--batch",
                                str(arguments.batch), "--context", str(context), "--dtype", name, "--clip", "0", "-o",
                                os.path.join(folder, f"{name}.gptc")], check=True, capture_output=True)
            for _ in range(arguments.rounds):
                cell = {"batch": arguments.batch, "context": context}
                print(json.dumps({"who": "llm.c", "type": "f32", **cell, **measure_llmc(arguments, folder, program)}),
                      flush=True)
                for name in arguments.types:
                    measured = measure_gptc(arguments, os.path.join(folder, f"{name}.gptc"))
                    print(json.dumps({"who": "gptc", "type": name, **cell, **measured}), flush=True)


if __name__ == "__main__":
    main()
