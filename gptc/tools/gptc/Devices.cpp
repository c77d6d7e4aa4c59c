//===- Devices.cpp - gptc devices -----------------------------------------===//

#include "DeviceAdvice.h"

#include "gptc/backends/vulkan/runtime/DeviceCheck.h"
#include "gptc/backends/vulkan/runtime/DeviceChoice.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/Memory.h"

#include <fmt/ranges.h>

namespace gptc::tool {

namespace {

struct InstructionSet {
  const char *name;
  std::vector<std::string> features;
};

const std::vector<InstructionSet> &instructionSets() {
  static const std::vector<InstructionSet> sets{
      {"x86-64-v4",
       {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2",
        "bmi2", "fma", "f16c"}},
      {"x86-64-v4 with bf16", {"avx512f", "avx512bw", "avx512_bf16"}},
      {"x86-64-v3", {"avx2", "bmi2", "fma", "f16c"}}};
  return sets;
}

using vulkan::DeviceRecord;
using vulkan::DeviceRecords;
using vulkan::DeviceSnapshot;
using vulkan::VariantCheck;

struct Options {
  bool json = false, check = false;
  std::string device;
  unsigned threads = 0;
};

Json checksJson(const DeviceRecord *record) {
  Json list = Json::array();
  if (record)
    for (const VariantCheck &check : record->checks)
      list.push_back(jsonOf(check));
  return list;
}

/// A line for each variant, and one for each case that it gets wrong.
std::string checksText(const DeviceRecord *record) {
  std::string text;
  if (!record)
    return text;
  for (const VariantCheck &check : record->checks) {
    text +=
        fmt::format("    variant '{}', {}: {} of {} ops right{}", check.variant,
                    check.type, check.checked - check.wrong.size(),
                    check.checked, check.isBrief ? " (a brief check)" : "");
    for (const auto &[name, time] : check.milliseconds)
      text += fmt::format(", {} {:.2f} ms", name, time);
    text += "\n";
    for (const vulkan::WrongCase &wrong : check.wrong)
      text += fmt::format("      {}: {}\n", wrong.name, wrong.reason);
  }
  return text;
}

Json deviceJson(const DeviceSnapshot &device, const vulkan::Ranking &ranking,
                size_t index, const DeviceRecord *record) {
  return {{"index", index},
          {"name", device.name},
          {"kind", toString(device.kind)},
          {"driver", device.driverName},
          {"driver_info", device.driverInfo},
          {"vulkan", vulkan::versionText(device.apiVersion)},
          {"pci", device.pci.empty() ? Json(nullptr) : Json(device.pci)},
          {"uuid", vulkan::uuidText(device.deviceUuid)},
          {"memory_bytes", device.memoryBytes},
          {"free_bytes", device.freeBytes},
          {"largest_allocation_bytes", device.allocationBytes},
          {"subgroup_size", device.subgroupSize},
          {"workgroup_memory_bytes", device.workgroupMemory},
          {"features", device.features},
          {"usable", vulkan::lacking(device).empty()},
          {"chosen", ranking.best == index},
          {"reason", ranking.reasons[index]},
          {"checks", checksJson(record)}};
}

std::string deviceText(const DeviceSnapshot &device,
                       const vulkan::Ranking &ranking, size_t index,
                       const DeviceRecord *record) {
  std::string text = fmt::format(
      "  {} {}\n    {}, {}{}{}, Vulkan {}, {} of memory, {} free\n", index,
      device.name, toString(device.kind), device.driverName,
      device.driverInfo.empty() ? "" : " ", device.driverInfo,
      vulkan::versionText(device.apiVersion), formatBytes(device.memoryBytes),
      formatBytes(device.freeBytes));
  if (!device.pci.empty())
    text += fmt::format("    PCI {}\n", device.pci);
  text += fmt::format("    UUID {}, subgroups of {}{}{}\n",
                      vulkan::uuidText(device.deviceUuid), device.subgroupSize,
                      device.features.empty() ? "" : ", ",
                      fmt::join(device.features, ", "));
  text += checksText(record);
  if (ranking.best == index)
    return text + "    used where no --device is given\n";
  return text +
         fmt::format("    not used by itself: it {}\n", ranking.reasons[index]);
}

/// Whether --device, if given, means a device of that list.
Expected<bool> isMeant(const std::vector<DeviceSnapshot> &devices, size_t index,
                       const std::string &wanted) {
  if (wanted.empty())
    return vulkan::lacking(devices[index]).empty();
  GPTC_TRY(size_t chosen, vulkan::chooseDevice(devices, wanted));
  return chosen == index;
}

/// Checks what a device can run, in all types; results go into the records.
Status checkDevice(const DeviceSnapshot &device, size_t index,
                   const Options &options, DeviceRecords &records) {
  for (const char *type : {"f32", "bf16"}) {
    GPTC_TRY(auto suite, vulkan::CheckSuite::open(checkFolder(), type));
    for (const auto &variant : suite.target().variants) {
      if (!vulkan::missingOf(*variant, device.features).empty())
        continue;
      ProgressLine line;
      vulkan::CheckOptions check;
      check.device = std::to_string(index);
      check.threads = options.threads;
      check.onProgress = line.ofCounts(
          fmt::format("{}, variant '{}', {}", device.name, variant->name, type),
          "ops");
      GPTC_TRY(VariantCheck found,
               vulkan::checkVariant(suite, variant->name, check));
      records.put(device, std::move(found));
    }
  }
  return {};
}

/// Checks the devices that are meant, and keeps what was found.
Status checkDevices(const Options &options) {
  GPTC_TRY(auto devices, vulkan::listDevices());
  DeviceRecords records = DeviceRecords::load(checkRecords());
  bool any = false;
  for (size_t i = 0; i < devices.size(); ++i) {
    GPTC_TRY(bool meant, isMeant(devices, i, options.device));
    if (!meant)
      continue;
    any = true;
    GPTC_CHECK(checkDevice(devices[i], i, options, records));
  }
  if (!any)
    return failure(ErrorCode::NotFound,
                   "there is no Vulkan device to check; 'gptc devices' lists "
                   "what there is, and what each lacks");
  std::string path = checkRecords();
  if (path.empty())
    return failure(ErrorCode::NotFound,
                   "there is no folder to keep the check's results in; set "
                   "HOME or XDG_CACHE_HOME");
  return records.save(path);
}

/// The Vulkan devices, or why there are none.
Json listVulkan(std::string &text) {
  auto devices = vulkan::listDevices();
  if (!devices) {
    text += fmt::format("vulkan: {}\n", devices.error().message());
    return {{"devices", Json::array()}, {"reason", devices.error().message()}};
  }
  if (devices->empty()) {
    std::string reason = "the drivers offer no device";
    text += fmt::format("vulkan: {}\n", reason);
    return {{"devices", Json::array()}, {"reason", reason}};
  }
  vulkan::Ranking ranking = vulkan::rankDevices(*devices);
  DeviceRecords records = DeviceRecords::load(checkRecords());
  Json list = Json::array();
  text += fmt::format("vulkan: {} device{}\n", devices->size(),
                      devices->size() == 1 ? "" : "s");
  for (size_t i = 0; i < devices->size(); ++i) {
    const DeviceRecord *record = records.find((*devices)[i]);
    list.push_back(deviceJson((*devices)[i], ranking, i, record));
    text += deviceText((*devices)[i], ranking, i, record);
  }
  return {{"devices", list}, {"reason", nullptr}};
}

Status run(const Options &options) {
  if (!options.check && !options.device.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--device: '{}' says which device to check; add --check",
                   options.device);
  if (!options.check && options.threads > 0)
    return failure(ErrorCode::InvalidArgument,
                   "--threads: {} threads are for checking; add --check",
                   options.threads);
  if (options.check)
    GPTC_CHECK(checkDevices(options));
  Json sets = Json::array();
  std::string text;
  for (const InstructionSet &set : instructionSets()) {
    std::vector<std::string> missing = missingFeatures(set.features);
    sets.push_back({{"name", set.name},
                    {"usable", missing.empty()},
                    {"missing", missing}});
    text += fmt::format("  {:<22}{}\n", set.name,
                        missing.empty()
                            ? "usable"
                            : fmt::format("not usable: the CPU lacks {}",
                                          fmt::join(missing, ", ")));
  }
  GPTC_TRY(auto team, ThreadTeam::create(0));
  std::string name = cpuName();
  uint64_t memory = availableMemory();
  Json vulkan = listVulkan(text);
  if (options.json)
    printJson({{"cpu",
                {{"name", name},
                 {"threads", team->size()},
                 {"available_bytes", memory},
                 {"instruction_sets", sets}}},
               {"vulkan", vulkan}});
  else
    print(fmt::format("cpu: {}, {} threads, {} of memory free\n{}", name,
                      team->size(), formatBytes(memory), text));
  return {};
}

} // namespace

void addDevices(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "devices", "Show what each backend can use here, and why not the rest");
  auto options = std::make_shared<Options>();
  command->add_flag("--check", options->check,
                    "Run every op on the Vulkan devices, hold the results "
                    "against the reference's, time the variants, and keep for "
                    "later runs which are right and which are fastest");
  command->add_option("--device", options->device,
                      "With --check: the device alone, by its number, a part "
                      "of its name, its PCI address or UUID");
  command
      ->add_option("--threads", options->threads,
                   "Threads that compile kernels (default: one for each "
                   "CPU)")
      ->check(wholeUpTo(1024));
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc devices --check");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
