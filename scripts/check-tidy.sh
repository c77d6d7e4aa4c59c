#!/usr/bin/env bash
# Runs clang-tidy-22 over the given source files, or over all that build/release compiles: scripts/check-tidy.sh [FILE...]
# Needs build/release/compile_commands.json (scripts/build.sh release); GPTC_TIDY_BUILD names another build folder.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${GPTC_TIDY_BUILD:-build/release}
if [ ! -f "$build/compile_commands.json" ]; then
  echo "$build/compile_commands.json does not exist; run scripts/build.sh release" >&2
  exit 1
fi
compiled=$(python3 -c '
import json, sys
for entry in json.load(open(sys.argv[1])):
    print(entry["file"])' "$build/compile_commands.json" | sort -u)
files=()
if [ $# -gt 0 ]; then
  wanted=("$@")
else
  mapfile -t wanted < <(git ls-files 'gptc/*.cpp' 'tests/*.cpp')
fi
for file in "${wanted[@]}"; do
  if grep -qxF "$(realpath "$file")" <<<"$compiled"; then
    files+=("$file")
  elif [ $# -gt 0 ]; then
    echo "$file is not compiled by $build" >&2
    exit 1
  fi
done
echo "Checking ${#files[@]} files with clang-tidy-22"
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P 2 clang-tidy-22 --quiet -p "$build"
