//===- DeviceAdvice.cpp ---------------------------------------------------===//

#include "DeviceAdvice.h"

#include "gptc/backends/vulkan/runtime/DeviceCheck.h"
#include "gptc/backends/vulkan/runtime/PipelineCache.h"

#include <filesystem>

namespace gptc::tool {

namespace {

using vulkan::CheckSuite;
using vulkan::DeviceRecord;
using vulkan::DeviceRecords;
using vulkan::DeviceSnapshot;
using vulkan::VariantCheck;

/// Checks variants in turn until one is right, but for those that were checked
/// before. What is unproven waits for a full check.
Status checkNew(const CheckSuite &suite, const DeviceSnapshot &device,
                const RunOptions &options, DeviceRecords &records) {
  Status failed;
  for (const auto &variant : suite.target().variants) {
    if (vulkan::isUnproven(*variant) ||
        !vulkan::missingOf(*variant, device.features).empty())
      continue;
    const DeviceRecord *record = records.find(device);
    const VariantCheck *known =
        record ? record->find(variant->name, suite.type(), suite.digest())
               : nullptr;
    if (known) {
      if (known->wrong.empty())
        return {};
      continue;
    }
    ProgressLine line;
    vulkan::CheckOptions check;
    check.device = options.device;
    check.isBrief = true;
    check.threads = options.threads;
    check.onProgress = line.ofCounts(
        fmt::format("checking '{}', which is new here", device.name), "ops");
    auto found = vulkan::checkVariant(suite, variant->name, check);
    if (!found) { // The next one may do.
      if (failed)
        failed = tl::unexpected(found.error());
      continue;
    }
    bool right = found->wrong.empty();
    records.put(device, std::move(*found));
    if (std::string path = checkRecords(); !path.empty())
      // Where it cannot be kept, the next start checks again.
      (void)records.save(path);
    if (right)
      return {};
  }
  return failed;
}

} // namespace

std::string checkFolder() {
  std::error_code code;
  auto command = std::filesystem::read_symlink("/proc/self/exe", code);
  return command.parent_path().parent_path() / "share/gptc/device-check";
}

std::string checkRecords() {
  std::string folder = vulkan::defaultCacheFolder();
  return folder.empty() ? folder : vulkan::recordsPath(folder);
}

vulkan::VariantAdvice deviceAdvice(const RunOptions &options) {
  return [options](
             const DeviceSnapshot &device,
             const std::string &type) -> Expected<std::vector<VariantCheck>> {
    DeviceRecords records = DeviceRecords::load(checkRecords());
    auto suite = CheckSuite::open(checkFolder(), type);
    if (suite)
      GPTC_CHECK(checkNew(*suite, device, options, records));
    else if (!records.find(device))
      say(fmt::format("note: whether '{}' computes right was not checked: {}\n",
                      device.name, suite.error().message()));
    std::vector<VariantCheck> checks;
    if (const DeviceRecord *record = records.find(device))
      checks = record->checksOf(type, suite ? suite->digest() : "");
    // That of whichever suite proves nothing.
    for (VariantCheck &check : checks)
      check.isBrief = check.isBrief || !suite;
    // Where none is left, an error says so.
    bool left = suite && vulkan::chooseVariant(suite->target(), device.features,
                                               "", checks, "", "");
    for (const VariantCheck &check : checks)
      if (left && !check.wrong.empty())
        say(fmt::format("note: variant '{}' is not used on '{}', since {} is "
                        "wrong there ({}); 'gptc devices --check' tells more\n",
                        check.variant, device.name, check.wrong[0].name,
                        check.wrong[0].reason));
    return checks;
  };
}

} // namespace gptc::tool
