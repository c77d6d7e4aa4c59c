#!/usr/bin/env bash
# Runs clang-tidy-22 over the given source files, or over all of them: scripts/check-tidy.sh [FILE...]
# Needs build/release/compile_commands.json (scripts/build.sh release); GPTC_TIDY_BUILD names another build folder. What
# is built elsewhere, fuzz targets and what an installed gptc compiles, is checked with the flags of the runtime's tests.
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
mapfile -t flags < <(python3 -c '
import json, shlex, sys
for entry in json.load(open(sys.argv[1])):
    if entry["file"].endswith("/tests/runtime/ArtifactTest.cpp"):
        words = iter(shlex.split(entry["command"]))
        for word in words:
            if word in ("-o", "-c"):
                next(words)
            elif word.startswith(("-I", "-D", "-std", "-W")):
                print(word)
            elif word == "-isystem":
                print(word + next(words))' "$build/compile_commands.json")
files=()
others=()
skipped=()
if [ $# -gt 0 ]; then
  wanted=("$@")
else
  mapfile -t wanted < <(git ls-files '*.cpp')
fi
for file in "${wanted[@]}"; do
  if grep -qxF "$(realpath "$file")" <<<"$compiled"; then
    files+=("$file")
  elif [[ $(realpath --relative-to=. "$file") =~ ^(tests/fuzz|tests/end-to-end/wrong-model|examples)/ ]]; then
    others+=("$file")
  elif [ $# -gt 0 ]; then
    echo "$file is not compiled by $build" >&2
    exit 1
  else
    skipped+=("$file")
  fi
done
if [ ${#others[@]} -gt 0 ] && [ ${#flags[@]} -eq 0 ]; then
  echo "$build does not compile tests/runtime/ArtifactTest.cpp, whose flags ${others[0]} is checked with" >&2
  exit 1
fi
echo "Checking $((${#files[@]} + ${#others[@]})) files with clang-tidy-22"
if [ ${#skipped[@]} -gt 0 ]; then
  echo "Left out, as $build does not compile them: ${skipped[*]}"
fi
status=0
if [ ${#files[@]} -gt 0 ]; then
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P 2 clang-tidy-22 --quiet -p "$build" || status=1
fi
for file in "${others[@]}"; do
  clang-tidy-22 --quiet "$file" -- "${flags[@]}" || status=1
done
exit $status
