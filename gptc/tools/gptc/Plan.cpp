//===- Plan.cpp - gptc plan -----------------------------------------------===//

#include "CommandLine.h"

namespace gptc::tool {

namespace {

struct Options {
  CompileRequest request;
  bool train = false;
  bool json = false;
};

Status run(Options &options) {
  if (options.train)
    options.request.entries.emplace_back("train_step");
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  GPTC_TRY(PlanSummary plan, compiler->plan(options.request));
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
                   "A name of 'gptc models', a checkpoint folder or a library "
                   "with a definition")
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
                      "Its optimizer: gpt1, gpt2 or gpt3 (the model's)");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc plan gpt3-175b --dtype bf16");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
