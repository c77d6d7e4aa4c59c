#!/usr/bin/env bash
# Installs what building gptc needs: Debian packages (as root) and oneDNN from PyPI into .deps/.
# Quick when everything is there already; says what it does.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ clang-22 lld-22 llvm-22-dev libmlir-22-dev mlir-22-tools libclang-rt-22-dev liblld-22-dev
  clang-tidy-22 clang-format-22 llvm-22-tools zlib1g-dev libzstd-dev libexpected-dev libgtest-dev
  libgmock-dev libbenchmark-dev libflatbuffers-dev flatbuffers-compiler libcli11-dev
  nlohmann-json3-dev libspdlog-dev libfmt-dev libutf8proc-dev pkg-config ninja-build
  ccache cmake python3 python3-venv
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing; install them as root and run this again:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing ${#missing[@]} Debian packages (about 320 MB to download when none is there)"
  export DEBIAN_FRONTEND=noninteractive
  # A source that has nothing to do with these packages may fail to update; the installation itself decides.
  apt-get update -qq || true
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

onednn=onednn-devel-cpu-gomp==2023.2.0
if [ "$(cat .deps/installed 2>/dev/null)" != "$onednn" ]; then
  echo "Installing oneDNN 3.2.0 into .deps"
  rm -rf .deps
  /usr/bin/python3 -m venv .deps
  .deps/bin/pip install --quiet --disable-pip-version-check "$onednn"
  echo "$onednn" >.deps/installed
fi
