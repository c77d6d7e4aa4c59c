#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS (60 by default): scripts/fuzz.sh [SECONDS] [TARGET...]
# What it finds is kept in build/fuzz/; a failing input is reproduced by giving its file to build/fuzz/bin/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
scripts/build.sh fuzz "$@"
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for path in build/fuzz/bin/*-fuzz; do
    targets+=("$(basename "$path")")
  done
fi
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus"
  folders=("$corpus")
  if [ -d "tests/fuzz/seeds/$target" ]; then
    folders+=("tests/fuzz/seeds/$target")
  fi
  echo "Fuzzing $target for $seconds s"
  log=build/fuzz/$target.log
  "build/fuzz/bin/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=10 \
    -artifact_prefix="build/fuzz/$target-" "${folders[@]}" >"$log" 2>&1 || { tail -n 80 "$log" >&2; exit 1; }
  grep '^Done' "$log"
done
