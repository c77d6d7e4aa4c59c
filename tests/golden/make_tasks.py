#!/usr/bin/env python3
"""Makes the golden losses of tasks: what PyTorch computes and derives in double precision for tasks/cases.json.

    tests/golden/make_tasks.py                      all cases, into tests/golden/tasks/
    tests/golden/make_tasks.py --out DIR [NAME...]  elsewhere, or only some of them

Needs torch 2.13, safetensors and numpy; a development tool, tests read only what it has written: for each case a
safetensors file with the arguments, `value:NAME` of every parameter that the checkpoint lacks, `loss` [] and
`gradient:NAME` of every parameter that is trained, in double precision. README.md says what the tests make of them.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from make_gradients import BATCH, parameters
from reference import Shape, head, states

MARKS = 3  # start, delimiter, extract: the ids after the vocabulary


def added_parameters(case, shape, weights, generator):
    """What a task and its adapters add: values of f32, in double precision."""
    def drawn(*size):
        values = generator.normal(0, 0.3, size).astype(numpy.float32)
        return torch.tensor(values, dtype=torch.float64).requires_grad_()

    added = {}
    if case["task"]:
        outputs = 1 if case["task"] == "multiple-choice" else case["outputs"]
        added["task.tokens.weight"] = drawn(MARKS, shape.width)
        added["task.head.weight"] = drawn(shape.width, outputs)
        added["task.head.bias"] = drawn(outputs)
    if "rank" in case:
        for name, weight in weights.items():
            target = name.removesuffix(".weight").rsplit(".", 1)[-1]
            if target in ("c_attn", "c_proj", "c_fc") and name.endswith(".weight"):
                if not case["targets"] or target in case["targets"]:
                    name = name.removesuffix(".weight")
                    added[name + ".lora_a"] = drawn(weight.shape[0], case["rank"])
                    added[name + ".lora_b"] = drawn(case["rank"], weight.shape[1])
    return added


def sequences_of(case):
    """Sequences of one example."""
    return {"similarity": 2, "multiple-choice": case["outputs"]}.get(case["task"], 1)


def make_arguments(case, shape, generator):
    """Sequences that end before the context does, at the extract token, and labels."""
    count, length = BATCH * sequences_of(case), shape.context
    marks = MARKS if case["task"] else 0
    tokens = generator.integers(0, shape.vocabulary + marks, (count, length))
    targets = generator.integers(0, shape.vocabulary, (count, length))
    targets[generator.random((count, length)) < 0.2] = -1
    ends = generator.integers(length // 2, length, count)
    if not case["task"]:
        return {"tokens": tokens, "targets": targets}
    for row, end in enumerate(ends):
        tokens[row, 0], tokens[row, end], tokens[row, end + 1:] = shape.vocabulary, shape.vocabulary + 2, 0
        targets[row, end:] = -1
    if case["outputs"] == 1:
        labels = generator.normal(0, 1, BATCH).astype(numpy.float32)
    else:
        labels = generator.integers(0, case["outputs"], BATCH)
    arguments = {"tokens": tokens, "ends": ends, "labels": labels}
    if case["auxiliary"]:
        arguments["targets"] = targets
    return arguments


def loss_of(case, shape, weights, arguments):
    """L3 = L2 + auxiliary * L1; the language model's loss L1 alone where there is no task."""
    rows = torch.stack([states(shape, weights, ids) for ids in arguments["tokens"]])
    language = None
    if "targets" in arguments:
        scores = (rows @ head(shape, weights).T).flatten(0, 1)
        language = F.cross_entropy(scores, torch.as_tensor(arguments["targets"]).flatten(), ignore_index=-1)
    if not case["task"]:
        return language
    last = rows[torch.arange(len(rows)), torch.as_tensor(arguments["ends"])]
    if case["task"] == "similarity":
        last = last[0::2] + last[1::2]
    answers = last @ weights["task.head.weight"] + weights["task.head.bias"]
    if case["task"] == "multiple-choice":
        answers = answers.reshape(BATCH, case["outputs"])
    labels = torch.as_tensor(arguments["labels"])
    if case["outputs"] == 1:
        loss = F.mse_loss(answers[:, 0], labels.double())
    else:
        loss = F.cross_entropy(answers, labels)
    return loss if language is None else loss + case["auxiliary"] * language


def make(case, here, out):
    folder = here / "models" / case["model"]
    shape = Shape(json.loads((folder / "config.json").read_text()))
    # Programs hold a score's scale, an epsilon and an adapter's scale in float32.
    shape.number = lambda value: float(numpy.float32(value))
    weights = parameters(folder, shape)
    generator = numpy.random.default_rng(11)
    added = added_parameters(case, shape, weights, generator)
    arguments = make_arguments(case, shape, generator)
    if "rank" in case:
        shape.adapter_scale = case["alpha"] / case["rank"]
    loss = loss_of(case, shape, weights | added, arguments)
    loss.backward()
    trained = added if "rank" in case else weights | added
    tensors = {name: torch.tensor(values if values.dtype == numpy.float32 else values.astype(numpy.int32))
               for name, values in arguments.items()}
    tensors["loss"] = loss.detach()
    tensors.update({"value:" + name: tensor.detach().float() for name, tensor in added.items()})
    tensors.update({"gradient:" + name: tensor.grad for name, tensor in trained.items()})
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / f"{case['name']}.safetensors")
    print(f"{case['name']:28} {sum(t.numel() for t in trained.values()):6} trained, loss {loss:.6f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here / "tasks", help="folder for the files")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases (all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for case in json.loads((here / "tasks" / "cases.json").read_text()):
        if not arguments.names or case["name"] in arguments.names:
            make(case, here, arguments.out)


if __name__ == "__main__":
    main()
