#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS (60 by default), two at a time: scripts/fuzz.sh [SECONDS] [TARGET...]
# What it finds is kept in build/fuzz/; a failing input is reproduced by giving its file to build/fuzz/bin/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
export seconds=${1:-60}
shift || true
scripts/build.sh fuzz "$@"
# Targets that read files write them to memory first: a disk would take most of the time.
if [ -w /dev/shm ]; then
  export TMPDIR=/dev/shm
fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for path in build/fuzz/bin/*-fuzz; do
    targets+=("$(basename "$path")")
  done
fi

fuzz() {
  local target=$1 log=build/fuzz/$1.log
  local folders=("build/fuzz/corpus/$target")
  mkdir -p "${folders[0]}"
  if [ -d "tests/fuzz/seeds/$target" ]; then
    folders+=("tests/fuzz/seeds/$target")
  fi
  echo "Fuzzing $target for $seconds s"
  "build/fuzz/bin/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=10 \
    -artifact_prefix="build/fuzz/$target-" "${folders[@]}" >"$log" 2>&1 || { tail -n 80 "$log" >&2; return 1; }
  echo "$target: $(grep '^Done' "$log")"
}
export -f fuzz
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P 2 bash -euo pipefail -c 'fuzz "$1"' fuzz
