//===- Compile.cpp - gptc compile -----------------------------------------===//

#include "CommandLine.h"

namespace gptc::tool {

namespace {

struct Options {
  CompileRequest request;
  bool json = false;
};

Status run(const Options &options) {
  const std::string &phase = options.request.toPhase;
  if (options.json && !phase.empty() && phase != "artifact")
    return failure(ErrorCode::InvalidArgument,
                   "--json: a phase is printed as IR; drop --json or --to {}",
                   phase);
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  CompileSummary summary;
  {
    ProgressLine line;
    CompileRequest request = options.request;
    request.progress = [&](const std::string &text) { line.show(text); };
    GPTC_TRY(summary, compiler->compile(request));
  }
  print(summary.text);
  if (summary.bytes == 0)
    return {};
  if (options.json) {
    printJson({{"file", options.request.output},
               {"bytes", summary.bytes},
               {"kernels", summary.kernels},
               {"dispatches", summary.dispatches},
               {"seconds", summary.seconds}});
    return {};
  }
  say(fmt::format("Wrote {} ({}): {} kernels, {} dispatches, in {:.1f} s{}\n",
                  options.request.output, formatBytes(summary.bytes),
                  summary.kernels, summary.dispatches, summary.seconds,
                  summary.seed
                      ? fmt::format("; its weights are random, from seed "
                                    "{}, as there is no checkpoint",
                                    *summary.seed)
                      : ""));
  say(describe(summary.recomputed));
  return {};
}

} // namespace

void addCompile(CLI::App &app, Action &action) {
  CLI::App *command =
      app.add_subcommand("compile", "Compile a model into an artifact");
  auto options = std::make_shared<Options>();
  CompileRequest &request = options->request;
  command
      ->add_option("MODEL", request.model,
                   "A name of 'gptc models', a checkpoint folder, a library "
                   "with a definition (FILE.so or FILE.so:NAME), or a dumped "
                   ".mlir file")
      ->required();
  command->add_option("-o,--output", request.output, "The artifact to write");
  auto *checkpoint = command->add_option("--checkpoint", request.checkpoint,
                                         "Folder with the weights");
  command
      ->add_option("--init-seed", request.initSeed,
                   "Seed of random weights, where there is no checkpoint")
      ->excludes(checkpoint);
  command->add_flag("--embed-weights", request.embedWeights,
                    "Put the packed weights into the artifact");
  addNames(*command, "--target", request.targets,
           "Targets: cpu (default), vulkan or both, and reference beside them; "
           "vulkan:PROFILE with some variants of its kernels, as vulkan:gpu, "
           "vulkan:software or vulkan:hardware");
  command->add_option(
      "--recipe", request.recipe,
      "Optimizer of train_step: gpt1, gpt2 or gpt3-SIZE (the model's)");
  command->add_option("--dropout", request.dropout,
                      "Rate of dropout of train_step (the recipe's)");
  addClipOption(*command, request.clip);
  addMemoryOption(*command, request.memory);
  addTaskOptions(*command, request);
  command->add_option("--dtype", request.dtype,
                      "Type of weights and products: f32, bf16, or f16 for "
                      "inference (default: bf16 for a checkpoint of it, else "
                      "f32)");
  addNames(*command, "--entry", request.entries,
           "Entry points: prefill, decode, logits, score, loss_and_gradients, "
           "train_step, accumulate_gradients (default: prefill,decode), and "
           "predict of a task");
  command->add_option("--batch", request.batch, "Sequences side by side")
      ->check(aboveZero());
  command
      ->add_option("--context", request.context,
                   "Tokens of a sequence (default: the model's context)")
      ->check(aboveZero());
  command->add_option("--cpu", request.cpu,
                      "host, x86-64-v3 or x86-64-v4 (default: both of the "
                      "latter)");
  command->add_option("--to", request.toPhase,
                      "Stop at a phase and print it: model, gradient, fused, "
                      "kernels, program");
  command->add_option("--from", request.fromPhase,
                      "The phase that a .mlir file must be in");
  command->add_option("--dump-dir", request.dumpDirectory,
                      "Folder for IR after each pass, kernels and remarks; an "
                      "earlier dump in it is replaced");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Example: gptc compile gpt2/ -o gpt2.gptc --dtype bf16 --embed-weights");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
