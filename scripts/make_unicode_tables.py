#!/usr/bin/env python3
"""Writes gptc/runtime/text/UnicodeClasses.inc: what Hugging Face's tokenizers library takes each code point for.

The library mixes tables of several Unicode versions (its regular expressions, its normalizer and its categories each have their own), so they are
asked for every code point instead of being copied from the standard. Needs the Python package `tokenizers`; made with 0.23.3.

    scripts/make_unicode_tables.py > gptc/runtime/text/UnicodeClasses.inc
"""

import tokenizers
from tokenizers import normalizers, pre_tokenizers

BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
BERT = pre_tokenizers.BertPreTokenizer()


def stage(**kwargs):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **kwargs})


CLEAN = stage(clean_text=True)
IDEOGRAPHS = stage(handle_chinese_chars=True)
STRIP = stage(strip_accents=True)
NFD = normalizers.NFD()

LETTER, NUMBER, SPACE = 1, 2, 3
PUNCTUATION, REMOVED, NONSPACING, IDEOGRAPH, NONSTARTER = 4, 8, 16, 32, 64


def properties(code):
    character = chr(code)
    alone = lambda before: len(BYTE_LEVEL.pre_tokenize_str(before + character)) == 1
    flags = LETTER if alone("A") else NUMBER if alone("1") else 0 if alone("!") else SPACE
    pieces = len(BERT.pre_tokenize_str("a" + character + "b"))
    assert (pieces == 2) == (flags == SPACE), hex(code)
    if pieces == 3:
        flags |= PUNCTUATION
    if CLEAN.normalize_str(character) == "":
        flags |= REMOVED
    if IDEOGRAPHS.normalize_str(character) != character:
        flags |= IDEOGRAPH
    if STRIP.normalize_str(character) == "":
        flags |= NONSPACING
    # U+0345 has the largest combining class, so every other non-starter moves before it.
    if code == 0x345 or NFD.normalize_str("\u0345" + character)[0] != "\u0345":
        flags |= NONSTARTER
    return flags


def main():
    rows, previous = [], None
    for code in range(0x110000):
        flags = 0 if 0xD800 <= code < 0xE000 else properties(code)
        if flags != previous:
            rows.append(f"{{{code:#x},{flags}}},")
            previous = flags
    print("//===- UnicodeClasses.inc -------------------------------------------------===//")
    print("// Written by scripts/make_unicode_tables.py with tokenizers " + tokenizers.__version__ + ".")
    print("// First code point and properties of each range.")
    line = ""
    for row in rows:
        if len(line) + len(row) > 120:
            print(line)
            line = ""
        line += row
    print(line)


if __name__ == "__main__":
    main()
