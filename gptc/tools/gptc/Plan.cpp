//===- Plan.cpp - gptc plan -----------------------------------------------===//

#include "CommandLine.h"

namespace gptc::tool {

namespace {

struct Options {
  CompileRequest request;
  bool train = false;
  bool json = false;
};

/// What an artifact says of its first target that runs programs.
Expected<PlanSummary> planOf(const Artifact &artifact) {
  const artifact::ManifestT &manifest = artifact.manifest();
  PlanSummary plan;
  plan.parameters = manifest.model->parameters;
  for (const auto &target : manifest.targets) {
    if (target->programs.empty())
      continue;
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
      plan.entries.push_back({entry.name, entry.flops, entry.bytes});
    }
    return plan;
  }
  return failure(ErrorCode::NotFound, "'{}' has no programs to plan for",
                 artifact.path());
}

Expected<PlanSummary> makePlan(Options &options) {
  const CompileRequest &request = options.request;
  if (request.model.ends_with(".gptc")) {
    if (options.train || request.batch || request.context ||
        !request.dtype.empty() || !request.entries.empty() ||
        !request.recipe.empty())
      return failure(ErrorCode::InvalidArgument,
                     "'{}' is compiled already: sizes, types and entry points "
                     "are for models",
                     request.model);
    GPTC_TRY(auto artifact, Artifact::open(request.model));
    return planOf(*artifact);
  }
  if (options.train)
    options.request.entries.emplace_back("train_step");
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  return compiler->plan(request);
}

Status run(Options &options) {
  GPTC_TRY(PlanSummary plan, makePlan(options));
  uint64_t peak = plan.weightsBytes + plan.arenaBytes + plan.cacheBytes +
                  plan.optimizerBytes;
  if (options.json) {
    Json json = {{"parameters", plan.parameters},
                 {"weights_bytes", plan.weightsBytes},
                 {"arena_bytes", plan.arenaBytes},
                 {"cache_bytes", plan.cacheBytes},
                 {"optimizer_bytes", plan.optimizerBytes},
                 {"peak_bytes", peak},
                 {"entries", Json::array()}};
    for (const PlanEntry &entry : plan.entries)
      json["entries"].push_back({{"name", entry.name},
                                 {"flops", entry.flops},
                                 {"bytes", entry.bytes}});
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
  line("peak", peak);
  print(fmt::format("\n{:<14}{:>18}{:>18}\n", "entry", "flops", "bytes"));
  for (const PlanEntry &entry : plan.entries)
    print(fmt::format("{:<14}{:>18}{:>18}\n", entry.name, entry.flops,
                      entry.bytes));
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
  command->add_option("--dtype", request.dtype, "f32 or bf16");
  command
      ->add_option("--entry", request.entries,
                   "Entry points (default: prefill,decode)")
      ->delimiter(',');
  command->add_flag("--train", options->train,
                    "A step of training, the entry train_step");
  command->add_option("--recipe", request.recipe,
                      "Its optimizer: gpt1, gpt2 or gpt3-SIZE (the model's)");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc plan gpt3-175b --dtype bf16");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
