#!/usr/bin/env bash
# The package and the examples as a user has them: installed, moved, built against the prefix, run.
# ExamplesTest.sh CASE, with BUILD, SOURCE, WORK (a folder of its own) and CXX in the environment; the case
# `install` comes first.
set -euo pipefail
prefix=$WORK/prefix
gptc=$prefix/bin/gptc

fail() {
  echo "$*" >&2
  exit 1
}

expect_equal() { # WHAT FOUND EXPECTED
  [ "$2" = "$3" ] || fail "$1:"$'\n'"$2"$'\n'"expected:"$'\n'"$3"
}

links_no_llvm() {
  local needed
  for file in "$@"; do
    needed=$(readelf -d "$file" | grep NEEDED) || fail "$file links nothing"
    ! grep -E 'LLVM|MLIR|lld' <<<"$needed" || fail "$file links what is above"
  done
}

build() { # FOLDER NAME
  rm -rf "$WORK/$2"
  cmake -S "$SOURCE/$1" -B "$WORK/$2" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS='-Wall -Wextra -Werror' >"$WORK/$2.log" 2>&1 &&
    cmake --build "$WORK/$2" >>"$WORK/$2.log" 2>&1 || fail "$(cat "$WORK/$2.log")"
}

case $1 in
install)
  rm -rf "$WORK"
  mkdir -p "$WORK"
  # A prefix that is moved after its installation shows that nothing in it is absolute.
  cmake --install "$BUILD" --prefix "$WORK/first" >"$WORK/install.log"
  mv "$WORK/first" "$prefix"
  links_no_llvm "$gptc" "$prefix/lib/libgptc-runtime.so"
  ! ldd "$gptc" "$prefix/lib/libgptc-compiler.so" | grep 'not found' || fail "libraries are missing"
  [[ $(ldd "$gptc") == *"=> $prefix/bin/../lib/libgptc-runtime.so"* ]] || fail "gptc uses another runtime library"
  # All that public headers include is there.
  (cd "$prefix/include" && find gptc -name '*.h' -printf '%p\n' | sort) >"$WORK/headers"
  [ "$(wc -l <"$WORK/headers")" -ge 18 ] || fail "headers are missing: $(cat "$WORK/headers")"
  ! grep GraphState "$WORK/headers" || fail "a private header is installed"
  sed 's/.*/#include "&"/' "$WORK/headers" |
    "$CXX" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" -x c++ -
  ;;
custom-model)
  build examples/custom-model custom-model
  library=$WORK/custom-model/libbottleneck-gpt.so
  links_no_llvm "$library"
  file=$WORK/bottleneck.gptc
  "$gptc" compile "$library" --init-seed 3 --entry prefill,decode,logits,score -o "$file"
  "$gptc" compile "$library:bottleneck-gpt" --init-seed 3 --entry prefill,decode,logits,score -o "$file.again"
  cmp "$file" "$file.again"
  rm -rf "$WORK/exported"
  exported=$("$gptc" export "$file" "$WORK/exported" 2>"$WORK/told")
  grep -q "carries no config.json" "$WORK/told" || fail "export tells: $(cat "$WORK/told")"
  [[ $exported == "Wrote 1 file into "* ]] || fail "export says: $exported"
  generate() { "$gptc" generate "$file" --prompt-ids 5,9,2 --print-ids --max-tokens 12 "$@"; }
  ids=$(generate --temperature 1 --seed 7 --threads 1)
  [[ $ids =~ ^[0-9]+(,[0-9]+){11}$ ]] || fail "expected 12 ids, found $ids"
  expect_equal "with two threads" "$(generate --temperature 1 --seed 7 --threads 2)" "$ids"
  # Entry points agree: what generate finds most likely scores best.
  ids=$(generate)
  score() { "$gptc" score "$file" --ids "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["log_likelihood"])'; }
  first=${ids%%,*}
  python3 - "$(score "5,9,2,$first")" "$(score "5,9,2,$(((first + 1) % 512))")" <<'PYTHON' || fail "generate and score disagree"
import sys
best, other = map(float, sys.argv[1:])
# Three predictions over 512 tokens of a model that knows nothing.
assert other < best < 0 and abs(best / 3 + 6.238) < 1, (best, other)
PYTHON
  # Beside the loss there is a gradient of every parameter.
  "$gptc" compile "$library" --entry loss_and_gradients --context 16 --to gradient -o "$WORK/gradient.mlir"
  parameters=$(grep -c '^  gptc.variable' "$WORK/gradient.mlir")
  # It is fine-tuned, with dropout, like a model of the catalogue.
  "$gptc" compile "$library" --task classification --outputs 3 --entry train_step,predict --batch 2 --context 16 \
    --dropout 0.1 --to model -o "$WORK/task.mlir"
  expect_equal "masks" "$(grep -c 'gptc.keep_mask' "$WORK/task.mlir")" 6
  expect_equal "attentions that drop" "$(grep -c 'gptc.attention .* drop ' "$WORK/task.mlir")" 2
  grep -q 'gptc.name = "seed"' "$WORK/task.mlir" || fail "train_step takes no seed"
  expect_equal "gradients" "$(grep -o '"gradient:[^"]*"' "$WORK/gradient.mlir" | sort -u | wc -l)" "$parameters"
  ;;
embed)
  build examples/embed embed
  embed=$WORK/embed/embed
  links_no_llvm "$embed"
  for model in gpt2-wide gpt1-gelu gpt3-band; do
    golden=$SOURCE/tests/golden/models/$model
    prompt=$(python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["greedy"]["prompt"])' "$golden/answers.json")
    "$gptc" compile "$golden" -o "$WORK/$model.gptc"
    expected=$("$gptc" generate "$WORK/$model.gptc" --prompt-ids "${prompt// /,}" --print-ids --max-tokens 64)
    [ -n "$expected" ] || fail "gptc generate made nothing"
    found=$("$embed" "$WORK/$model.gptc" "$prompt")
    expect_equal "$model" "$(xargs <<<"$found")" "${expected//,/ }"
  done
  "$gptc" compile "$SOURCE/examples/shakespeare" -o "$WORK/shakespeare.gptc"
  expected=$("$gptc" generate "$WORK/shakespeare.gptc" --prompt ROMEO: --max-tokens 64)
  [ ${#expected} -gt 64 ] || fail "gptc generate wrote $expected"
  expect_equal "text" "$("$embed" "$WORK/shakespeare.gptc" ROMEO:)" "$expected"
  ! found=$("$embed" "$WORK/none.gptc" 1 2>&1) || fail "a file that is missing is no error"
  expect_equal "a missing file" "$found" "cannot open '$WORK/none.gptc': No such file or directory"
  ;;
errors)
  build tests/end-to-end/wrong-model wrong-model
  library=$WORK/wrong-model/libwrong-gpt.so
  ! found=$("$gptc" compile "$library:wrong-gpt" --init-seed 3 -o "$WORK/wrong.gptc" 2>&1) || fail "wrong-gpt compiles"
  expect_equal "errors of wrong-gpt" "$found" "$(cat "$SOURCE/tests/end-to-end/wrong-model/expected.txt")"
  [ ! -e "$WORK/wrong.gptc" ] || fail "an artifact is left behind"
  ! found=$("$gptc" compile "$library:throwing" --init-seed 3 -o "$WORK/wrong.gptc" 2>&1) || fail "throwing compiles"
  [[ $found == "gptc: the definition 'throwing' threw an exception while it built the entry 'prefill_16': no layers"* ]] ||
    fail "found $found"
  ! found=$("$gptc" compile "$library" --init-seed 3 -o "$WORK/wrong.gptc" 2>&1) || fail "no name is needed"
  expect_equal "two definitions" "$found" \
    "gptc: '$library' defines wrong-gpt, throwing; choose one as '$library:NAME'"
  library=$WORK/wrong-model/libwrong-registry.so
  ! found=$("$gptc" compile "$library:twin" --init-seed 3 -o "$WORK/wrong.gptc" 2>&1) || fail "twins compile"
  expect_equal "definitions that are wrong" "$found" "gptc: '$library' is wrong:
WrongRegistry.cpp:12: registers 'twin' a second time, after WrongRegistry.cpp:11; give one of both another name
WrongRegistry.cpp:15: registers 'bare' without \`build\`, the function that adds its entry points to a graph"
  library=$WORK/wrong-model/libno-definitions.so
  ! found=$("$gptc" compile "$library" --init-seed 3 -o "$WORK/wrong.gptc" 2>&1) || fail "nothing compiles"
  expect_equal "no definitions" "$found" \
    "gptc: '$library' registers no definition; let its gptc_register_definitions call registry.add(definition)"
  ;;
*)
  fail "there is no case $1"
  ;;
esac
