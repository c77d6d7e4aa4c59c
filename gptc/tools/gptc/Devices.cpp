//===- Devices.cpp - gptc devices -----------------------------------------===//

#include "CommandLine.h"

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
  if (json)
    printJson({{"cpu",
                {{"name", name},
                 {"threads", team->size()},
                 {"available_bytes", memory},
                 {"instruction_sets", sets}}}});
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
