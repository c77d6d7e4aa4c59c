#!/usr/bin/env bash
# Installs, builds and passes all tests: formatting, release, clang-tidy, sanitizers, a minute of every fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
scripts/check-format.sh
scripts/build.sh release
ctest --preset release -j 2
scripts/check-tidy.sh
for preset in asan tsan; do
  scripts/build.sh "$preset"
  GPTC_RELEASE_DIR=$PWD/build/release ctest --preset "$preset" -j 2
done
scripts/fuzz.sh
