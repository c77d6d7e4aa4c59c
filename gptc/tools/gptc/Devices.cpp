//===- Devices.cpp - gptc devices -----------------------------------------===//

#include "CommandLine.h"

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

Json deviceJson(const vulkan::DeviceSnapshot &device,
                const vulkan::Ranking &ranking, size_t index) {
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
          {"reason", ranking.reasons[index]}};
}

std::string deviceText(const vulkan::DeviceSnapshot &device,
                       const vulkan::Ranking &ranking, size_t index) {
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
  if (ranking.best == index)
    return text + "    used where no --device is given\n";
  return text +
         fmt::format("    not used by itself: it {}\n", ranking.reasons[index]);
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
  Json list = Json::array();
  text += fmt::format("vulkan: {} device{}\n", devices->size(),
                      devices->size() == 1 ? "" : "s");
  for (size_t i = 0; i < devices->size(); ++i) {
    list.push_back(deviceJson((*devices)[i], ranking, i));
    text += deviceText((*devices)[i], ranking, i);
  }
  return {{"devices", list}, {"reason", nullptr}};
}

Status run(bool json) {
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
  if (json)
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
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->footer("Example: gptc devices");
  command->callback(
      [&action, json] { action = [json] { return run(*json); }; });
}

} // namespace gptc::tool
