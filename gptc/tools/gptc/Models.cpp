//===- Models.cpp - gptc models -------------------------------------------===//

#include "CommandLine.h"

namespace gptc::tool {

namespace {

Status run(bool json) {
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  std::vector<ModelSummary> models = compiler->models();
  if (json) {
    Json list = Json::array();
    for (const ModelSummary &model : models)
      list.push_back({{"name", model.name},
                      {"layers", model.layers},
                      {"width", model.width},
                      {"heads", model.heads},
                      {"head_size", model.headSize},
                      {"context", model.context},
                      {"vocabulary", model.vocabulary},
                      {"parameters", model.parameters}});
    printJson(list);
    return {};
  }
  print(fmt::format("{:<12}{:>7}{:>7}{:>7}{:>6}{:>9}{:>12}{:>17}\n", "name",
                    "layers", "width", "heads", "size", "context", "vocabulary",
                    "parameters"));
  for (const ModelSummary &model : models)
    print(fmt::format("{:<12}{:>7}{:>7}{:>7}{:>6}{:>9}{:>12}{:>17}\n",
                      model.name, model.layers, model.width, model.heads,
                      model.headSize, model.context, model.vocabulary,
                      model.parameters));
  return {};
}

} // namespace

void addModels(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand("models", "List every definition");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->footer("Example: gptc models --json");
  command->callback(
      [&action, json] { action = [json] { return run(*json); }; });
}

} // namespace gptc::tool
