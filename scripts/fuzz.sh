#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS (60 by default): scripts/fuzz.sh [SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
scripts/build.sh fuzz
for target in "${@:-}"; do
  [ -n "$target" ] && targets+=("build/fuzz/bin/$target")
done
[ -n "${targets+x}" ] || targets=(build/fuzz/bin/*-fuzz)
for target in "${targets[@]}"; do
  name=$(basename "$target")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  seeds=()
  [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
  echo "Fuzzing $name for $seconds s"
  "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=10 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$corpus/../$name-" "$corpus" "${seeds[@]}"
done
