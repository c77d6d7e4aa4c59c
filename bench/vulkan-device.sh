#!/usr/bin/env bash
# Tells how gptc does on this machine's Vulkan device: bench/vulkan-device.sh GPTC ARTIFACT...
# Each artifact is compiled with --target cpu,vulkan (or vulkan alone) and, if the machine differs from the one that
# compiled it, with --embed-weights. Prints the devices, then for each artifact: greedy text on both backends, the largest
# errors between them, and the times of all entry points. A step that fails or takes too long does not end the others;
# the exit code is 1 if any did.
#   VULKAN_DEVICE   number or name of the device (default: the best one)
#   STEP_SECONDS    after which a step is given up (default: 120)
set -u

if [ $# -lt 2 ]; then
  echo "usage: $0 GPTC ARTIFACT..." >&2
  exit 1
fi
gptc=$1
shift
limit=${STEP_SECONDS:-120}
device=()
[ -z "${VULKAN_DEVICE:-}" ] || device=(--device "$VULKAN_DEVICE")
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs a command with how long it took, whether it failed and what it prints.
step() {
  local begin end code
  echo
  begin=$(date +%s.%N)
  timeout --kill-after=10 "$limit" "$@" >"$work/printed" 2>&1
  code=$?
  end=$(date +%s.%N)
  awk -v a="$begin" -v b="$end" -v c="${*/#$gptc/gptc}" 'BEGIN { printf "$ %s [%.2f s]\n", c, b - a }'
  cat "$work/printed"
  if [ $code -ne 0 ]; then
    echo "FAILED with exit code $code"
    failed=1
  fi
  return $code
}

# Whether an artifact has a target or an entry point of that name.
has_target() { "$gptc" inspect --json "$1" | grep "^    \"$2\": {" >/dev/null; }
has_entry() { "$gptc" inspect "$1" | grep "^  $2(" >/dev/null; }

# Greedy tokens after a fixed prompt, as ids.
tokens() {
  timeout --kill-after=10 "$limit" "$gptc" generate "$1" --backend "$2" ${3:+--device "$3"} --prompt-ids 20,7,11,5 \
    --max-tokens 64 --temperature 0 --ignore-end --print-ids 2>"$work/error"
}

step "$gptc" devices
for artifact; do
  echo
  echo "== $artifact"
  both=yes
  has_target "$artifact" cpu || both=no
  if has_entry "$artifact" decode; then
    # The first run compiles the kernels, the second finds them.
    for round in cold warm; do
      echo
      echo "$round:"
      step "$gptc" generate "$artifact" --backend vulkan "${device[@]}" --prompt-ids 20,7,11,5 --max-tokens 64 \
        --temperature 0 --ignore-end --print-ids
    done
    if [ $both = yes ]; then
      step "$gptc" generate "$artifact" --backend cpu --prompt-ids 20,7,11,5 --max-tokens 64 --temperature 0 \
        --ignore-end --print-ids
      echo
      if [ "$(tokens "$artifact" vulkan "${VULKAN_DEVICE:-}")" = "$(tokens "$artifact" cpu)" ]; then
        echo "greedy tokens: equal on both backends"
      else
        echo "greedy tokens: DIFFERENT"
        failed=1
      fi
    fi
  fi
  for entry in $("$gptc" inspect "$artifact" | sed -n 's/^  \([a-z0-9_]*\)(.*) -> (.*/\1/p'); do
    if [ $both = yes ]; then
      step "$gptc" compare "$artifact" --backends cpu,vulkan "${device[@]}" --entry "$entry" >"$work/compare"
      head -n 10 "$work/compare" # The rest is errors by scope.
    fi
    step "$gptc" bench "$artifact" --backend vulkan "${device[@]}" --entry "$entry"
  done
done
exit $failed
