//===- Driver.cpp - The Vulkan driver that a test runs on -----------------===//
//
// Linked into every test of devices. $GPTC_VULKAN_DRIVER names the driver:
// "lavapipe", "lavapipe-wide" (subgroups of 16 in place of 8) or "swiftshader"
// (of 4), with the validation layer watching; without it, whatever is there.
//
//===----------------------------------------------------------------------===//

#include <cstdlib>
#include <string>

namespace {

/// The loader and the drivers read the environment when they are loaded, which
/// no test does before main().
[[gnu::constructor]] void chooseDriver() {
  auto set = [](const char *variable, const std::string &value) {
    ::setenv(variable, value.c_str(), 1);
  };
  // What the user's own gptc found and compiled is none of a test's business.
  set("XDG_CACHE_HOME", GPTC_TEST_CACHE);
  const char *name = std::getenv("GPTC_VULKAN_DRIVER");
  if (!name)
    return;
  const std::string driver = name, own = GPTC_DEPS_DIR "/vulkan/";
  set("VK_DRIVER_FILES", driver == "swiftshader"
                             ? own + "icd/libvk_swiftshader.json"
                             : "/usr/share/vulkan/icd.d/lvp_icd.json");
  if (driver == "lavapipe-wide")
    set("LP_NATIVE_VECTOR_WIDTH", "512");
  set("VK_LAYER_PATH", own + "layers");
  set("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation");
  set("VK_KHRONOS_VALIDATION_VALIDATE_SYNC", "true");
}

} // namespace
