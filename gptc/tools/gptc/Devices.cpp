//===- Devices.cpp - gptc devices -----------------------------------------===//

#include "DeviceAdvice.h"

#include "gptc/backends/vulkan/runtime/DeviceCheck.h"
#include "gptc/backends/vulkan/runtime/DeviceChoice.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/Memory.h"

#include <fmt/ranges.h>
#include <map>

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

using vulkan::CheckSuite;
using vulkan::DeviceRecord;
using vulkan::DeviceRecords;
using vulkan::DeviceSnapshot;
using vulkan::VariantCheck;

struct Options {
  bool json = false, check = false;
  std::string device;
  unsigned threads = 0;
};

/// A variant of which nothing could be found out.
struct Unchecked {
  std::string variant, type, reason;
};

/// What was found wrong in checking.
struct Findings {
  std::map<size_t, std::vector<Unchecked>> unchecked; ///< By devices' numbers.
  std::vector<std::string> sentences;                 ///< Of all that is wrong.
  /// Fails where what was found could not be kept for later runs.
  Status kept;
};

/// The types of products that devices are checked for.
constexpr const char *types[] = {"f32", "bf16", "f16"};

/// The suites that devices are checked with.
Expected<std::vector<CheckSuite>> openSuites() {
  std::vector<CheckSuite> suites;
  for (const char *type : types) {
    GPTC_TRY(auto suite, CheckSuite::open(checkFolder(), type));
    suites.push_back(std::move(suite));
  }
  return suites;
}

/// A variant that is off until a check proves it.
struct UnprovenVariant {
  std::string name, type;
};

/// The variant that is used with a type of products where none is named, by
/// what was found with a suite; empty where none is left.
struct UsedVariant {
  std::string suite, name;
};

/// What is known of a device.
struct Known {
  const DeviceRecord *record = nullptr;
  std::vector<Unchecked> unchecked;
  /// Those that it can run, and that nothing has proved there.
  std::vector<UnprovenVariant> unproven;
  std::map<std::string, UsedVariant> used; ///< By types.
};

Known knownOf(const DeviceSnapshot &device, const DeviceRecord *record,
              const std::vector<CheckSuite> &suites) {
  Known known;
  known.record = record;
  for (const CheckSuite &suite : suites) {
    for (const auto &variant : suite.target().variants) {
      const VariantCheck *check =
          record ? record->find(variant->name, suite.type(), suite.digest())
                 : nullptr;
      if (vulkan::isUnproven(*variant) && !(check && check->proves()) &&
          vulkan::missingOf(*variant, device.features).empty())
        known.unproven.push_back({variant->name, suite.type()});
    }
    std::vector<VariantCheck> checks;
    if (record)
      checks = record->checksOf(suite.type(), suite.digest());
    if (checks.empty())
      continue;
    auto variant = vulkan::chooseVariant(suite.target(), device.features, "",
                                         checks, device.name, "");
    known.used[suite.type()] = {suite.digest(),
                                variant ? (*variant)->name : std::string()};
  }
  return known;
}

Json unprovenJson(const std::vector<UnprovenVariant> &variants) {
  Json list = Json::array();
  for (const UnprovenVariant &one : variants)
    list.push_back({{"variant", one.name}, {"type", one.type}});
  return list;
}

std::string unprovenText(const std::vector<UnprovenVariant> &variants) {
  std::string text;
  for (const UnprovenVariant &one : variants)
    text += fmt::format("    variant '{}', {}: unproven, and not used by "
                        "itself until 'gptc devices --check' finds it right\n",
                        one.name, one.type);
  return text;
}

Json checksJson(const DeviceRecord *record) {
  Json list = Json::array();
  if (record)
    for (const VariantCheck &check : record->checks)
      list.push_back(jsonOf(check));
  return list;
}

Json uncheckedJson(const std::vector<Unchecked> &unchecked) {
  Json list = Json::array();
  for (const Unchecked &one : unchecked)
    list.push_back(
        {{"variant", one.variant}, {"type", one.type}, {"reason", one.reason}});
  return list;
}

/// The variant that is used with each type of products, as far as checks tell;
/// null where none is left.
Json usedJson(const Known &known) {
  Json used = Json::object();
  for (const auto &[type, variant] : known.used)
    used[type] = variant.name.empty() ? Json(nullptr) : Json(variant.name);
  return used;
}

/// What is used in the place of a variant that is wrong; empty where the check
/// was another gptc's.
std::string insteadText(const Known &known, const VariantCheck &check) {
  auto used = known.used.find(check.type);
  if (used == known.used.end() || used->second.suite != check.suite)
    return "";
  if (used->second.name.empty())
    return "      nothing is used in its place: no other variant is right\n";
  return fmt::format("      '{}' is used in its place\n", used->second.name);
}

/// A line for each variant, and one for each case that it gets wrong.
std::string checksText(const Known &known) {
  std::string text;
  if (!known.record)
    return text;
  for (const VariantCheck &check : known.record->checks) {
    text +=
        fmt::format("    variant '{}', {}: {} of {} ops right{}", check.variant,
                    check.type, check.checked - check.wrong.size(),
                    check.checked, check.isBrief ? " (a brief check)" : "");
    for (const auto &[name, time] : check.milliseconds)
      text += fmt::format(", {} {:.2f} ms", name, time);
    text += "\n";
    for (const vulkan::WrongCase &wrong : check.wrong)
      text += fmt::format("      {}: {}\n", wrong.name, wrong.reason);
    if (!check.wrong.empty())
      text += insteadText(known, check);
  }
  return text;
}

std::string uncheckedText(const std::vector<Unchecked> &unchecked) {
  std::string text;
  for (const Unchecked &one : unchecked)
    text += fmt::format("    variant '{}', {}: not checked: {}\n", one.variant,
                        one.type, one.reason);
  return text;
}

Json deviceJson(const DeviceSnapshot &device, const vulkan::Ranking &ranking,
                size_t index, const Known &known) {
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
          {"checks", checksJson(known.record)},
          {"unchecked", uncheckedJson(known.unchecked)},
          {"unproven", unprovenJson(known.unproven)},
          {"used", usedJson(known)}};
}

/// Of the device that is taken where none is named.
std::string usedText(const Known &known) {
  std::vector<std::string> refused;
  for (const auto &[type, variant] : known.used)
    if (variant.name.empty())
      refused.push_back(type);
  if (refused.empty())
    return "    used where no --device is given\n";
  return fmt::format("    taken where no --device is given, and refused in {}: "
                     "nothing is right there\n",
                     fmt::join(refused, ", "));
}

std::string deviceText(const DeviceSnapshot &device,
                       const vulkan::Ranking &ranking, size_t index,
                       const Known &known) {
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
  text += checksText(known) + uncheckedText(known.unchecked) +
          unprovenText(known.unproven);
  if (ranking.best == index)
    return text + usedText(known);
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

/// Keeps what was found for later runs.
Status keep(const DeviceRecords &records) {
  std::string path = checkRecords();
  if (path.empty())
    return failure(ErrorCode::NotFound,
                   "there is no folder to keep the check's results in; set "
                   "HOME or XDG_CACHE_HOME");
  return records.save(path);
}

/// Checks a variant. The result goes into the records, and those to their file:
/// a driver that ends the process takes nothing with it that was found before.
/// What is wrong goes into the findings.
void checkOn(const DeviceSnapshot &device, size_t index,
             const CheckSuite &suite, const artifact::VariantT &variant,
             const Options &options, DeviceRecords &records,
             Findings &findings) {
  std::string which =
      fmt::format("variant '{}', {}", variant.name, suite.type());
  ProgressLine line;
  vulkan::CheckOptions check;
  check.device = std::to_string(index);
  check.threads = options.threads;
  check.onProgress =
      line.ofCounts(fmt::format("{}, {}", device.name, which), "ops");
  auto found = vulkan::checkVariant(suite, variant.name, check);
  if (!found) {
    findings.unchecked[index].push_back(
        {variant.name, suite.type(), found.error().message()});
    findings.sentences.push_back(
        fmt::format("{}, of '{}' cannot be checked", which, device.name));
    return;
  }
  if (!found->wrong.empty())
    findings.sentences.push_back(
        fmt::format("{}, computes {} of {} ops wrongly on '{}'", which,
                    found->wrong.size(), found->checked, device.name));
  records.put(device, std::move(*found));
  findings.kept = keep(records);
}

/// Checks what a device can run, last what is unproven: it may cost the device.
void checkDevice(const DeviceSnapshot &device, size_t index,
                 const std::vector<CheckSuite> &suites, const Options &options,
                 DeviceRecords &records, Findings &findings) {
  for (bool unproven : {false, true})
    for (const CheckSuite &suite : suites)
      for (const auto &variant : suite.target().variants)
        if (vulkan::isUnproven(*variant) == unproven &&
            vulkan::missingOf(*variant, device.features).empty())
          checkOn(device, index, suite, *variant, options, records, findings);
}

/// Checks the devices that are meant. Fails where there is nothing to check, or
/// nothing to check it with.
Status checkDevices(const Options &options,
                    const Expected<std::vector<CheckSuite>> &suites,
                    DeviceRecords &records, Findings &findings) {
  GPTC_TRY(auto devices, vulkan::listDevices());
  if (!suites)
    return tl::unexpected(suites.error());
  bool any = false;
  for (size_t i = 0; i < devices.size(); ++i) {
    GPTC_TRY(bool meant, isMeant(devices, i, options.device));
    if (!meant)
      continue;
    any = true;
    checkDevice(devices[i], i, *suites, options, records, findings);
  }
  if (!any)
    return failure(ErrorCode::NotFound,
                   "there is no Vulkan device to check; 'gptc devices' lists "
                   "what there is, and what each lacks");
  return {};
}

/// How a check ends whose report was printed.
Status verdict(const Findings &findings) {
  if (findings.sentences.empty())
    return {};
  return failure(ErrorCode::Unsupported,
                 "the check found something wrong, which its report tells: "
                 "{}; update the driver and check again",
                 fmt::join(findings.sentences, "; "));
}

/// The Vulkan devices, or why there are none.
Json listVulkan(const std::vector<CheckSuite> &suites,
                const DeviceRecords &records, const Findings &findings,
                std::string &text) {
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
    const DeviceRecord *record = records.find((*devices)[i]);
    Known known = knownOf((*devices)[i], record, suites);
    auto found = findings.unchecked.find(i);
    if (found != findings.unchecked.end())
      known.unchecked = found->second;
    list.push_back(deviceJson((*devices)[i], ranking, i, known));
    text += deviceText((*devices)[i], ranking, i, known);
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
  DeviceRecords records = DeviceRecords::load(checkRecords());
  auto suites = openSuites();
  Findings findings;
  if (options.check)
    GPTC_CHECK(checkDevices(options, suites, records, findings));
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
  // Without suites the rest is listed.
  Json vulkan = listVulkan(suites ? *suites : std::vector<CheckSuite>(),
                           records, findings, text);
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
  GPTC_CHECK(findings.kept);
  return verdict(findings);
}

} // namespace

void addDevices(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "devices", "Show what each backend can use here, and why not the rest");
  auto options = std::make_shared<Options>();
  command->add_flag("--check", options->check,
                    "Run every op on the Vulkan devices, hold the results "
                    "against the reference's, time the variants, and keep for "
                    "later runs which are right and which are fastest; ends "
                    "with exit code 1 where anything is wrong");
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
