//===- Plan.cpp - gptc plan -----------------------------------------------===//

#include "CommandLine.h"

#include "gptc/backends/vulkan/runtime/DeviceChoice.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/runtime/program/MemoryAdvice.h"

namespace gptc::tool {

namespace {

struct Options {
  CompileRequest request;
  std::string target;
  bool train = false;
  bool parts = false;
  bool json = false;
};

/// What an artifact says of a target, the first that runs programs where none
/// is named.
Expected<PlanSummary> planOf(const Artifact &artifact,
                             const std::string &name) {
  const artifact::ManifestT &manifest = artifact.manifest();
  PlanSummary plan;
  plan.parameters = manifest.model->parameters;
  plan.batch = std::max<uint64_t>(1, manifest.model->batch);
  plan.context = std::max<uint64_t>(1, manifest.model->capacity);
  for (const auto &target : manifest.targets) {
    if (target->programs.empty() || (!name.empty() && target->name != name))
      continue;
    plan.isNarrow = target->type != artifact::ElementType::F32;
    for (size_t i = 0; i < manifest.variables.size(); ++i) {
      artifact::Role role = manifest.variables[i]->role;
      (role == artifact::Role::Parameter   ? plan.weightsBytes
       : role == artifact::Role::Optimizer ? plan.optimizerBytes
                                           : plan.cacheBytes) +=
          target->storages[i]->bytes;
    }
    for (const auto &program : target->programs) {
      const artifact::EntryT &entry = *manifest.entries[program->entry];
      plan.arenaBytes = std::max(plan.arenaBytes, program->arena_bytes);
      plan.entries.push_back({entry.name, entry.flops, entry.bytes, 0, {}});
    }
    return plan;
  }
  return failure(ErrorCode::NotFound, "'{}' has no programs to plan for{}{}",
                 artifact.path(), name.empty() ? "" : " on ", name);
}

Expected<PlanSummary> makePlan(Options &options) {
  const CompileRequest &request = options.request;
  if (request.model.ends_with(".gptc")) {
    if (options.train || options.parts || request.batch || request.context ||
        !request.dtype.empty() || !request.entries.empty() ||
        !request.recipe.empty() || request.memory)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' is compiled already: sizes, types, entry points and "
                     "parts are for models",
                     request.model);
    GPTC_TRY(auto artifact, Artifact::open(request.model));
    return planOf(*artifact, options.target);
  }
  if (!options.target.empty())
    options.request.targets = {options.target};
  if (options.train)
    options.request.entries.emplace_back("train_step");
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  ProgressLine line;
  CompileRequest told = request;
  told.progress = [&](const std::string &text) { line.show(text); };
  return compiler->plan(told);
}

const char *toString(Pass pass) {
  switch (pass) {
  case Pass::Forward:
    return "forward";
  case Pass::Backward:
    return "backward";
  case Pass::Update:
    return "update";
  }
  return "";
}

Json toJson(const PlanEntry &entry) {
  Json json = {
      {"name", entry.name}, {"flops", entry.flops}, {"bytes", entry.bytes}};
  if (entry.parts.empty())
    return json;
  json["traffic_bytes"] = entry.traffic;
  for (const WorkPart &part : entry.parts)
    json["parts"].push_back({{"name", part.name},
                             {"pass", toString(part.pass)},
                             {"flops", part.flops},
                             {"bytes", part.bytes},
                             {"traffic_bytes", part.traffic}});
  return json;
}

Json toJson(const MemoryPart &part) {
  Json json = {{"name", part.name}, {"bytes", part.bytes}};
  for (const MemoryPart::Inner &inner : part.parts)
    json["parts"].push_back({{"name", inner.name}, {"bytes", inner.bytes}});
  return json;
}

Json toJson(const PlanSummary &plan) {
  Json json = {{"parameters", plan.parameters},
               {"weights_bytes", plan.weightsBytes},
               {"arena_bytes", plan.arenaBytes},
               {"cache_bytes", plan.cacheBytes},
               {"optimizer_bytes", plan.optimizerBytes},
               {"peak_bytes", plan.peakBytes()},
               {"recomputed",
                {{"whole", plan.recomputed.whole},
                 {"light", plan.recomputed.light},
                 {"flops", plan.recomputed.flops}}},
               {"entries", Json::array()}};
  for (const PlanEntry &entry : plan.entries)
    json["entries"].push_back(toJson(entry));
  if (plan.parts.empty())
    return json;
  json["peak_entry"] = plan.peakEntry;
  for (const MemoryPart &part : plan.parts)
    json["parts"].push_back(toJson(part));
  return json;
}

/// What a plan means for the Vulkan devices of this machine.
struct DeviceFit {
  std::string name;
  uint64_t freeBytes = 0;
  std::string advice; ///< Empty where it fits.
};

/// Fails where there is no device to say it of.
Expected<std::vector<DeviceFit>> fitOnDevices(const PlanSummary &plan) {
  std::vector<DeviceFit> fits;
  GPTC_TRY(auto devices, vulkan::listDevices());
  MemoryNeed need{plan.weightsBytes, plan.optimizerBytes, plan.cacheBytes,
                  plan.arenaBytes,   plan.batch,          plan.context,
                  plan.isNarrow};
  for (const vulkan::DeviceSnapshot &device : devices)
    if (vulkan::lacking(device).empty())
      fits.push_back({device.name, device.freeBytes,
                      need.bytes() <= device.freeBytes
                          ? ""
                          : whatWouldFit(need, device.freeBytes)});
  return fits;
}

Json toJson(const std::vector<DeviceFit> &fits) {
  Json list = Json::array();
  for (const DeviceFit &fit : fits)
    list.push_back({{"name", fit.name},
                    {"free_bytes", fit.freeBytes},
                    {"fits", fit.advice.empty()},
                    {"advice", fit.advice}});
  return list;
}

std::string share(uint64_t part, uint64_t whole) {
  return fmt::format("{:.1f}%",
                     whole ? 100 * double(part) / double(whole) : 0.0);
}

/// What lies in memory at the peak, by kind, and each kind by part.
void printMemory(const PlanSummary &plan) {
  print(fmt::format("\n{:<24}{:>16}{:>12}{:>8}\n",
                    "at the peak, " + plan.peakEntry, "bytes", "", "share"));
  auto line = [&](const std::string &name, uint64_t bytes) {
    print(fmt::format("{:<24}{:>16}{:>12}{:>8}\n", name, bytes,
                      formatBytes(bytes), share(bytes, plan.peakBytes())));
  };
  for (const MemoryPart &part : plan.parts) {
    line(part.name, part.bytes);
    // Moments are divided as the weights are.
    bool repeats = &part != &plan.parts[0] && part.parts == plan.parts[0].parts;
    if (repeats || (part.parts.size() == 1 && part.parts[0].name == part.name))
      continue;
    for (const MemoryPart::Inner &inner : part.parts)
      line("  " + inner.name, inner.bytes);
  }
  line("total", plan.peakBytes());
}

/// The work of an entry by pass, and of each pass by part.
void printWork(const PlanEntry &entry) {
  print(fmt::format("\n{:<24}{:>20}{:>8}{:>18}{:>8}\n", entry.name, "flops",
                    "share", "traffic", "share"));
  auto line = [&](const std::string &name, uint64_t flops, uint64_t traffic) {
    print(fmt::format("{:<24}{:>20}{:>8}{:>18}{:>8}\n", name, flops,
                      share(flops, entry.flops), traffic,
                      share(traffic, entry.traffic)));
  };
  for (Pass pass : {Pass::Forward, Pass::Backward, Pass::Update}) {
    std::vector<WorkPart> parts;
    WorkPart sum;
    for (const WorkPart &part : entry.parts)
      if (part.pass == pass) {
        parts.push_back(part);
        sum.flops += part.flops;
        sum.traffic += part.traffic;
      }
    if (!parts.empty())
      line(toString(pass), sum.flops, sum.traffic);
    for (const WorkPart &part : parts)
      line("  " + part.name, part.flops, part.traffic);
  }
  line("total", entry.flops, entry.traffic);
}

Status run(Options &options) {
  GPTC_TRY(PlanSummary plan, makePlan(options));
  Expected<std::vector<DeviceFit>> fits = std::vector<DeviceFit>();
  if (options.target == "vulkan")
    fits = fitOnDevices(plan);
  if (options.json) {
    Json json = toJson(plan);
    if (options.target == "vulkan")
      json["devices"] = toJson(fits.value_or(std::vector<DeviceFit>()));
    if (!fits)
      json["no_devices"] = fits.error().message();
    printJson(json);
    return {};
  }
  auto line = [](const char *name, uint64_t bytes) {
    print(fmt::format("{:<12}{:>20}  {}\n", name, bytes, formatBytes(bytes)));
  };
  print(fmt::format("{:<12}{:>20}\n", "parameters", plan.parameters));
  line("weights", plan.weightsBytes);
  line("arena", plan.arenaBytes);
  line("cache", plan.cacheBytes);
  if (plan.optimizerBytes > 0)
    line("optimizer", plan.optimizerBytes);
  line("peak", plan.peakBytes());
  if (!fits)
    print(fmt::format("on no device of this machine: {}\n",
                      fits.error().message()));
  for (const DeviceFit &fit : fits.value_or(std::vector<DeviceFit>()))
    print(fmt::format(
        "on '{}' with {} free: {}\n", fit.name, formatBytes(fit.freeBytes),
        fit.advice.empty() ? "fits" : "too large; " + fit.advice));
  print(describe(plan.recomputed));
  print(fmt::format("\n{:<14}{:>18}{:>18}\n", "entry", "flops", "bytes"));
  for (const PlanEntry &entry : plan.entries)
    print(fmt::format("{:<14}{:>18}{:>18}\n", entry.name, entry.flops,
                      entry.bytes));
  if (options.parts || options.train) {
    printMemory(plan);
    for (const PlanEntry &entry : plan.entries)
      printWork(entry);
  }
  return {};
}

} // namespace

void addPlan(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "plan", "Tell memory and work of a model; reads no weights");
  auto options = std::make_shared<Options>();
  CompileRequest &request = options->request;
  command
      ->add_option("MODEL", request.model,
                   "A name of 'gptc models', a checkpoint folder, a library "
                   "with a definition, or an artifact")
      ->required();
  command->add_option("--batch", request.batch, "Sequences side by side")
      ->check(aboveZero());
  command->add_option("--context", request.context, "Tokens of a sequence")
      ->check(aboveZero());
  command->add_option("--dtype", request.dtype, "f32, bf16 or f16");
  command->add_option("--target", options->target,
                      "cpu, or vulkan, which says what fits on the devices of "
                      "this machine as well (default: cpu, or an artifact's "
                      "first)");
  addNames(*command, "--entry", request.entries,
           "Entry points (default: prefill,decode)");
  command->add_flag("--train", options->train,
                    "A step of training, the entry train_step, by part");
  command->add_flag("--parts", options->parts,
                    "Name the share of each part in memory and work");
  command->add_option("--recipe", request.recipe,
                      "Its optimizer: gpt1, gpt2 or gpt3-SIZE (the model's)");
  addClipOption(*command, request.clip);
  addMemoryOption(*command, request.memory);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc plan gpt2-124m --train --batch 8");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
