#!/usr/bin/env bash
# Fails, with the difference, when a C++ file is not formatted as clang-format-22 would; --fix formats.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files '*.cpp' '*.h')
if [ "${1:-}" = --fix ]; then
  clang-format-22 -i "${files[@]}"
else
  echo "Checking the format of ${#files[@]} files"
  clang-format-22 --dry-run --Werror "${files[@]}"
fi
