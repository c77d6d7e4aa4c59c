//===- DeviceChoice.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/DeviceChoice.h"

#include <algorithm>
#include <charconv>
#include <fmt/ranges.h>
#include <vulkan/vulkan_core.h>

namespace gptc::vulkan {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return result;
}

/// Smaller is better.
int rankOf(DeviceKind kind) {
  switch (kind) {
  case DeviceKind::Discrete:
    return 0;
  case DeviceKind::Integrated:
    return 1;
  case DeviceKind::Virtual:
    return 2;
  case DeviceKind::Other:
    return 3;
  case DeviceKind::Software:
    return 4;
  }
  return 4;
}

/// Of drivers for the same GPU; smaller is better. Mesa's are preferred for AMD
/// and Intel, the vendor's own for NVIDIA.
int rankOfDriver(uint32_t driver) {
  switch (driver) {
  case VK_DRIVER_ID_MESA_RADV:
  case VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA:
  case VK_DRIVER_ID_NVIDIA_PROPRIETARY:
    return 0;
  default:
    return 1;
  }
}

/// Whether two drivers describe one device. Software has no place on a bus:
/// each of its drivers is a device of its own.
bool sameDevice(const DeviceSnapshot &a, const DeviceSnapshot &b) {
  if (a.kind == DeviceKind::Software || b.kind == DeviceKind::Software)
    return false;
  if (!a.pci.empty() && !b.pci.empty())
    return a.pci == b.pci;
  return a.deviceUuid == b.deviceUuid &&
         a.deviceUuid != std::array<uint8_t, 16>{};
}

/// Whether `a` is to be taken rather than `b`, which comes before it.
bool isBetter(const DeviceSnapshot &a, const DeviceSnapshot &b) {
  if (sameDevice(a, b))
    return rankOfDriver(a.driver) < rankOfDriver(b.driver);
  return rankOf(a.kind) < rankOf(b.kind);
}

std::string reasonAgainst(const DeviceSnapshot &device,
                          const DeviceSnapshot &best) {
  if (sameDevice(device, best))
    return fmt::format("is the same GPU by another driver, {}",
                       device.driverName);
  if (device.kind == DeviceKind::Software && best.kind != DeviceKind::Software)
    return "is software, which is used only when named or alone";
  if (device.kind == best.kind)
    return fmt::format("is a {} that comes later in the list",
                       toString(device.kind));
  return fmt::format("is of a kind, {}, that comes after a {}",
                     toString(device.kind), toString(best.kind));
}

std::string listOf(std::span<const DeviceSnapshot> devices) {
  std::vector<std::string> names;
  for (size_t i = 0; i < devices.size(); ++i)
    names.push_back(fmt::format("{} '{}'", i, devices[i].name));
  return fmt::format("{}", fmt::join(names, ", "));
}

Expected<size_t> requireUsable(std::span<const DeviceSnapshot> devices,
                               size_t index) {
  std::vector<std::string> lacks = lacking(devices[index]);
  if (lacks.empty())
    return index;
  return failure(
      ErrorCode::Unsupported,
      "the Vulkan device {} '{}' cannot be used: it lacks {}; update "
      "its driver, or choose another of 'gptc devices'",
      index, devices[index].name, fmt::join(lacks, ", "));
}

/// "0000:65:00.0" or, in the first domain, "65:00.0".
bool isPci(const DeviceSnapshot &device, const std::string &wanted) {
  return !device.pci.empty() &&
         (device.pci == wanted || device.pci == "0000:" + wanted);
}

bool isUuid(const DeviceSnapshot &device, std::string wanted) {
  std::erase(wanted, '-');
  return wanted == uuidText(device.deviceUuid);
}

} // namespace

const char *toString(DeviceKind kind) {
  switch (kind) {
  case DeviceKind::Discrete:
    return "discrete GPU";
  case DeviceKind::Integrated:
    return "integrated GPU";
  case DeviceKind::Virtual:
    return "virtual GPU";
  case DeviceKind::Software:
    return "software device";
  case DeviceKind::Other:
    return "device of another kind";
  }
  return "";
}

std::string versionText(uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version),
                     VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

std::string uuidText(const std::array<uint8_t, 16> &uuid) {
  return fmt::format("{:02x}", fmt::join(uuid, ""));
}

std::vector<std::string> lacking(const DeviceSnapshot &device) {
  std::vector<std::string> lacks;
  if (device.apiVersion < VK_API_VERSION_1_2)
    // An old driver does not even say what else there is.
    return {fmt::format("Vulkan 1.2 (its driver offers {})",
                        versionText(device.apiVersion))};
  if (!device.computes)
    lacks.emplace_back("a queue that computes");
  if (!device.bufferDeviceAddress)
    lacks.emplace_back("buffer device addresses");
  if (!device.timelineSemaphore)
    lacks.emplace_back("timeline semaphores");
  if (device.invocations < 256 || device.workgroupSize < 256)
    lacks.push_back(
        fmt::format("workgroups of 256 (it offers {})",
                    std::min(device.invocations, device.workgroupSize)));
  if (device.workgroupMemory < 32768)
    lacks.push_back(fmt::format("32 KiB of memory for a workgroup (it offers "
                                "{})",
                                device.workgroupMemory));
  return lacks;
}

Ranking rankDevices(std::span<const DeviceSnapshot> devices) {
  Ranking ranking;
  ranking.reasons.resize(devices.size());
  for (size_t i = 0; i < devices.size(); ++i) {
    std::vector<std::string> lacks = lacking(devices[i]);
    if (!lacks.empty())
      ranking.reasons[i] = fmt::format("lacks {}", fmt::join(lacks, ", "));
    else if (!ranking.best || isBetter(devices[i], devices[*ranking.best]))
      ranking.best = i;
  }
  for (size_t i = 0; i < devices.size() && ranking.best; ++i)
    if (i != *ranking.best && ranking.reasons[i].empty())
      ranking.reasons[i] = reasonAgainst(devices[i], devices[*ranking.best]);
  return ranking;
}

Expected<size_t> chooseDevice(std::span<const DeviceSnapshot> devices,
                              const std::string &wanted) {
  if (devices.empty())
    return failure(ErrorCode::NotFound,
                   "the Vulkan drivers of this machine offer no device; is the "
                   "GPU visible here ('gptc devices' lists what is)?");
  if (wanted.empty()) {
    Ranking ranking = rankDevices(devices);
    if (ranking.best)
      return *ranking.best;
    std::vector<std::string> all;
    for (size_t i = 0; i < devices.size(); ++i)
      all.push_back(
          fmt::format("'{}' {}", devices[i].name, ranking.reasons[i]));
    return failure(ErrorCode::Unsupported,
                   "no Vulkan device can be used: {}; update the driver",
                   fmt::join(all, "; "));
  }

  size_t index = 0;
  const char *end = wanted.data() + wanted.size();
  auto [stop, code] = std::from_chars(wanted.data(), end, index);
  bool isNumber = code == std::errc() && stop == end && wanted.size() < 4;
  if (isNumber && index < devices.size())
    return requireUsable(devices, index);

  std::string text = lower(wanted);
  std::vector<size_t> found;
  for (size_t i = 0; i < devices.size(); ++i)
    if (isPci(devices[i], text) || isUuid(devices[i], text))
      found.push_back(i);
  for (size_t i = 0; i < devices.size() && found.empty(); ++i)
    if (lower(devices[i].name) == text)
      found.push_back(i);
  if (found.empty())
    for (size_t i = 0; i < devices.size(); ++i)
      if (lower(devices[i].name).find(text) != std::string::npos)
        found.push_back(i);
  if (found.empty() && isNumber)
    return failure(ErrorCode::NotFound,
                   "--device: there is no Vulkan device {}, and none has that "
                   "in its name; there are {}",
                   index, listOf(devices));
  if (found.empty())
    return failure(ErrorCode::NotFound,
                   "--device: no Vulkan device is called '{}'; there are {}",
                   wanted, listOf(devices));
  // Several drivers for one GPU are one device.
  size_t best = found.front();
  for (size_t i : found) {
    if (!sameDevice(devices[i], devices[best]) && i != best)
      return failure(ErrorCode::InvalidArgument,
                     "--device: '{}' means several Vulkan devices: {}; give "
                     "the number",
                     wanted, listOf(devices));
    if (lacking(devices[best]).size() > lacking(devices[i]).size() ||
        (lacking(devices[i]).empty() && isBetter(devices[i], devices[best])))
      best = i;
  }
  return requireUsable(devices, best);
}

} // namespace gptc::vulkan
