#!/usr/bin/env python3
"""Writes tests/golden/text/: tiny vocabularies of both kinds and what Hugging Face transformers makes of odd texts.

    tests/golden/make_text_goldens.py [DATA]

With DATA, a folder with gpt1/ and gpt2/ (vocab.json, merges.txt), the published vocabularies are asked too. Made with transformers 5.24.0 and
tokenizers 0.23.3, whose OpenAIGPTTokenizer is BertNormalizer(lowercase=True), BertPreTokenizer and BPE with `</w>`.
"""

import json
import os
import random
import sys
import tempfile
import unicodedata

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GPT2Tokenizer, OpenAIGPTTokenizer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text")

SAMPLE = """
Shall I compare thee to a summer's day? Thou art more lovely and more temperate: rough winds do shake the darling buds of May, and summer's lease
hath all too short a date; sometime too hot the eye of heaven shines, and often is his gold complexion dimm'd; and every fair from fair sometime
declines, by chance or nature's changing course untrimm'd; but thy eternal summer shall not fade, nor lose possession of that fair thou ow'st; nor
shall death brag thou wander'st in his shade, when in eternal lines to time thou grow'st: so long as men can breathe or eyes can see, so long lives
this, and this gives life to thee. I'll, we'll, they've, you're, don't, 1609, 2024, 10.5, the naïve café, Привет мир, 你好世界, 😀😀.
"""

SPACES = [9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xA0, 0x1680, 0x180E, 0x2000, 0x2003, 0x200B, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF]

TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "a",
    " a",
    "  a",
    "a ",
    "a  ",
    "a  b   c    d",
    "a\nb\n\nc\n\n\nd\n \n e \n",
    "a\r\nb\r\n\r\nc",
    "Hello, world!",
    "The quick brown fox's tail isn't what they'd've said; we'll see, I'm sure you're right 'tis.",
    "'s't're've'm'll'd 'S'T'RE'VE'M'LL'D '' 'x ' s",
    "DON'T don't DoN'T don\u2019t",
    "x'sy 's 'st 'res 'r 'l 'v",
    "12 1234 12,345.67 3.14e-10 0x1F 1st 2nd",
    "abc123def 123abc !abc abc! !!1 1!!",
    "...---___$$$+++ === <html attr=\"v\"> </html> #tag @you 50% C++ a_b",
    "na\u00efve caf\u00e9 re\u0301sume\u0301 \u00c5ngstr\u00f6m A\u030angstrom \u1ea4n \u1e9e \u00df \ufb01",
    "\u0130stanbul \u0131 I\u0307 \u01c5 \u01c4 \u1fbc \u03a3\u03a3 \u039f\u0394\u039f\u03a3 \u1f80",
    "a\u0315\u0300\u05ae\u0301b a\u0300\u0315\u0062 \u1b44\u302e\u302f\u1b44 \U0001d165\U0001d16d\u302e \u0302\u0302",
    "\u302e\u1b44 \u302f\u0301\u1b44a \u302e\u0e31\u1b44 q\u0307\u0323",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f \u30ab\u3099 \u30ac \uac00\ub098\ub2e4 \u1100\u1161 \uf900\U0002f800\U00020000\U0002b820\U0002b920",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u064b\u064c\u200f\u200e \u0661\u0662\u0663 \u06f1\u06f2",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0967\u0968\u0969 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e51\u0e52 \u1041\u1042 \u2160\u2171 \u00b2\u00b3\u00bd \u3007\u4e00",
    "\u05e9\u05dc\u05d5\u05dd \u05d0\u05b8\u05d1 \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u041f\u0440\u0438\u0432\u0435\u0442 \u0419 \u0439 \u0401",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea \u2764\ufe0f 1\ufe0f\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e007f",
    "nul\x00in\x01side\x7f\x80\x9f \ufffd \ufffe \uffff \U0010ffff \ue000 \u0378 \U000e0001",
    "zero\u200bwidth\u200cjoin\u200der\u2060word\ufeffmark soft\u00adhyphen",
    "a" * 300,
    "ab" * 200 + "!" * 100 + "1" * 70,
    "\u00e9" * 60 + "\u4f60" * 60 + " " * 60 + "\U0001f600" * 20,
    "<|endoftext|>",
    "a<|endoftext|>b <|endoftext|> <|endoftext|><|endoftext|>\n<|endoftext|",
    "<unk>",
    "a<unk>b <unk> <UNK> <unk><unk> <unk",
    "</w> a</w> b </w>c",
    "\U0001e900\U0001e943 \U00010400 \u10a0 \u1c90 \uab70 \u13a0 \u2c00",
    "\U00011938 \U00010d50 \ua7cb \U00016ea0 \u1c89 \U000105c9",
] + ["".join(f"a{chr(c)}b {chr(c)} {chr(c)}{chr(c)}c" for c in SPACES)] + [f"x{chr(c)}{chr(c)}y{chr(c)}" for c in SPACES]


def assigned():
    by_category = {}
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            by_category.setdefault(unicodedata.category(chr(code)), []).append(code)
    return list(by_category.values())


def random_texts(count):
    source, categories, words = random.Random(4), assigned(), SAMPLE.split()
    pieces = [
        lambda: chr(source.choice(source.choice(categories))),
        lambda: source.choice(words) + " ",
        lambda: source.choice(words).upper(),
        lambda: chr(source.choice(SPACES)) * source.randrange(1, 3),
        lambda: chr(source.randrange(128)) + chr(source.randrange(0x80, 0x800)),
        lambda: source.choice(["'s", "'LL", "<|endoftext|>", "<unk>", "</w>", "'", "12"]),
    ]
    return ["".join(source.choice(pieces)() for _ in range(source.randrange(1, 9))) for _ in range(count)]


def train(kind):
    if kind == "gpt1":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([SAMPLE], trainer)
    folder = os.path.join(HERE, kind)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    model = json.loads(tokenizer.to_str())["model"]
    with open(os.path.join(folder, "vocab.json"), "w") as file:
        json.dump(model["vocab"], file, indent=0)
        file.write("\n")
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n")
        for left, right in (merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]):
            file.write(f"{left} {right}\n")
    return folder


def load(kind, folder):
    # From vocab.json and merges.txt alone, as published.
    with tempfile.TemporaryDirectory() as copy:
        for name in ("vocab.json", "merges.txt"):
            with open(os.path.join(folder, name), "rb") as source, open(os.path.join(copy, name), "wb") as target:
                target.write(source.read())
        return {"gpt1": OpenAIGPTTokenizer, "gpt2": GPT2Tokenizer}[kind].from_pretrained(copy)


def digest(values):
    """FNV-1a of 64 bits over 32-bit words."""
    result = 0xCBF29CE484222325
    for value in values:
        result = (result ^ value) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{result:016x}"


def blocks():
    """Every code point in contexts that tell its class, 4096 a text."""
    for first in range(0, 0x110000, 4096):
        yield "".join(f"a{chr(c)}b 1{chr(c)}2 !{chr(c)}? {chr(c)}" for c in range(first, first + 4096) if not 0xD800 <= c < 0xE000)


def ask(kind, folder, every_code_point):
    tokenizer = load(kind, folder)
    cases = []
    for text in TEXTS + random_texts(120):
        ids = tokenizer(text)["input_ids"]
        cases.append({"text": text, "ids": ids})
        if kind == "gpt1":
            cases[-1]["decoded"] = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    result = {"cases": cases}
    if every_code_point:
        result["digests"] = [digest(tokenizer(text)["input_ids"]) for text in blocks()]
    return result


def write(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        if "cases" in value:
            file.write('{"cases": [\n' + ",\n".join(json.dumps(case) for case in value.pop("cases")) + "\n]")
            for key, rest in value.items():
                file.write(f',\n{json.dumps(key)}: {json.dumps(rest, indent=0)}')
            file.write("}\n")
        else:
            json.dump(value, file, indent=0)
            file.write("\n")


def main():
    for kind in ("gpt1", "gpt2"):
        folder = train(kind)
        write(f"{kind}-tiny.json", ask(kind, folder, True))
        if len(sys.argv) > 1:
            write(f"{kind}-published.json", ask(kind, os.path.join(sys.argv[1], kind), False))
    bert = normalizers.BertNormalizer(lowercase=True)
    write("bert-cleanup.json", {"digests": [digest(bert.normalize_str(text).encode()) for text in blocks()]})


if __name__ == "__main__":
    main()
