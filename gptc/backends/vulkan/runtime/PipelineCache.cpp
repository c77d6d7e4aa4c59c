//===- PipelineCache.cpp --------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/PipelineCache.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Sha256.h"

#include <cstdlib>
#include <filesystem>

namespace gptc::vulkan {

namespace {

constexpr std::string_view magic = "GPTCPIP1";
constexpr size_t limit = size_t(1) << 30;

/// What a file is of: the content of a file that is not of it is not looked
/// at, and drivers check once more.
std::string nameOf(const DeviceSnapshot &device, const std::string &kernels) {
  Sha256 hash;
  auto add = [&](const auto &bytes) {
    hash.update(std::as_bytes(std::span(bytes)));
  };
  add(device.driverUuid);
  add(device.deviceUuid);
  add(device.cacheUuid);
  add(device.driverInfo);
  add(kernels);
  return fmt::format("vulkan-{}.pipelines",
                     Sha256::hex(hash.finish()).substr(0, 32));
}

/// The part of a file that is for the driver; nothing where any byte of it is
/// not what was written.
std::string_view contentOf(std::string_view text) {
  constexpr size_t head = magic.size() + sizeof(Sha256::Digest);
  if (text.size() < head || !text.starts_with(magic))
    return {};
  std::string_view content = text.substr(head);
  Sha256::Digest digest = Sha256::of(std::as_bytes(std::span(content)));
  std::string_view stored = text.substr(magic.size(), digest.size());
  bool equal = std::equal(stored.begin(), stored.end(), digest.begin(),
                          [](char a, unsigned char b) {
                            return static_cast<unsigned char>(a) == b;
                          });
  return equal ? content : std::string_view();
}

std::string textOf(const Sha256::Digest &digest) {
  return {digest.begin(), digest.end()};
}

} // namespace

std::string defaultCacheFolder() {
  namespace fs = std::filesystem;
  const char *cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/')
    return fs::path(cache) / "gptc";
  const char *home = std::getenv("HOME");
  if (home && *home == '/')
    return fs::path(home) / ".cache" / "gptc";
  return "";
}

Expected<PipelineCache> PipelineCache::open(const Device &device,
                                            const std::string &folder,
                                            const std::string &kernels) {
  PipelineCache cache;
  std::string text;
  if (!folder.empty()) {
    cache.path_ = folder + "/" + nameOf(device.snapshot(), kernels);
    // One that cannot be read is made anew.
    if (auto read = readTextFile(cache.path_, limit))
      text = std::move(*read);
  }
  std::string_view content = contentOf(text);
  const Api &api = device.api();
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = content.size();
  info.pInitialData = content.data();
  GPTC_VULKAN(
      api.vkCreatePipelineCache(device.handle(), &info, nullptr, &cache.cache_),
      "create a pipeline cache on '{}'", device.name());
  cache.device_ = &device;
  cache.found_ = !content.empty();
  cache.digest_ = textOf(Sha256::of(std::as_bytes(std::span(content))));
  return cache;
}

void PipelineCache::save() {
  if (path_.empty())
    return;
  const Api &api = device_->api();
  size_t size = 0;
  if (api.vkGetPipelineCacheData(device_->handle(), cache_, &size, nullptr) !=
          VK_SUCCESS ||
      size == 0 || size > limit)
    return;
  std::string content(size, '\0');
  if (api.vkGetPipelineCacheData(device_->handle(), cache_, &size,
                                 content.data()) != VK_SUCCESS)
    return;
  content.resize(size);
  auto bytes = std::as_bytes(std::span(content));
  Sha256::Digest digest = Sha256::of(bytes);
  if (found_ && textOf(digest) == digest_)
    return;
  auto write = [&]() -> Status {
    std::error_code code;
    std::filesystem::create_directories(
        std::filesystem::path(path_).parent_path(), code);
    GPTC_TRY(AtomicFile file, AtomicFile::create(path_));
    GPTC_CHECK(file.write(std::as_bytes(std::span(magic))));
    GPTC_CHECK(file.write(std::as_bytes(std::span(digest))));
    GPTC_CHECK(file.write(bytes));
    return file.commit();
  };
  // See the declaration.
  if (write()) {
    found_ = true;
    digest_ = textOf(digest);
  }
}

PipelineCache &PipelineCache::operator=(PipelineCache &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(cache_, other.cache_);
  std::swap(path_, other.path_);
  std::swap(found_, other.found_);
  std::swap(digest_, other.digest_);
  return *this;
}

PipelineCache::~PipelineCache() {
  if (device_)
    device_->api().vkDestroyPipelineCache(device_->handle(), cache_, nullptr);
}

} // namespace gptc::vulkan
