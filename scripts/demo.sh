#!/usr/bin/env bash
# Installs what is missing, builds, compiles the bundled model ahead of time and lets it write text.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
scripts/build.sh release bin/gptc lib/libgptc-compiler.so
gptc=build/release/bin/gptc
artifact=build/shakespeare.gptc
echo "Compiling examples/shakespeare into $artifact"
"$gptc" compile examples/shakespeare -o "$artifact" --embed-weights
echo "Writing text after 'ROMEO:'"
"$gptc" generate "$artifact" --prompt "ROMEO:" --max-tokens 200 --temperature 0.8 --top-k 40 --seed 3
