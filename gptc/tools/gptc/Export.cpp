//===- Export.cpp - gptc export -------------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/training/CarriedRecipe.h"

#include "gptc/runtime/base/AtomicFolder.h"
#include "gptc/runtime/program/WeightsWriter.h"

namespace gptc::tool {

namespace {

struct Options {
  std::string file, folder;
  bool json = false;
};

Status writeFile(const std::string &path, std::string_view text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status run(const Options &options) {
  GPTC_TRY(auto artifact, Artifact::open(options.file));
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(options.folder));
  Json files = Json::array();
  for (const auto &file : artifact->manifest().files) {
    if (file->name == recipeFile) // Of training, not of the model.
      continue;
    GPTC_CHECK(writeFile(folder / file->name, artifact->text(*file)));
    files.push_back(file->name);
  }
  GPTC_TRY(WrittenWeights written,
           writeWeights(*artifact, folder / "model.safetensors"));
  files.push_back("model.safetensors");
  GPTC_CHECK(folder.commit());

  if (!artifact->findFile("config.json"))
    say(fmt::format("'{}' carries no config.json, so there is none in '{}': "
                    "transformers needs one to load it.\n",
                    options.file, options.folder));
  size_t total = 0, narrow = 0;
  Json tensors = Json::object();
  std::string types;
  for (auto [type, count] : written.tensors) {
    total += count;
    narrow += type == DataType::F32 || written.original ? 0 : count;
    tensors[std::string(toString(type))] = count;
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count,
                         toString(type));
  }
  if (narrow > 0)
    say(fmt::format(
        "The artifact holds {} of {} tensors in less than f32; they "
        "are written as it holds them.\n",
        narrow, total));
  if (options.json)
    printJson({{"folder", options.folder},
               {"files", files},
               {"original", written.original},
               {"tensors", tensors}});
  else
    print(fmt::format(
        "Wrote {} files into {}: tensors {}{}\n", files.size(), options.folder,
        types, written.original ? ", word for word the checkpoint's" : ""));
  return {};
}

} // namespace

void addExport(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "export", "Write a checkpoint folder that transformers loads");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "The artifact")->required();
  command
      ->add_option("DIR", options->folder,
                   "The folder to make; it must be missing or empty")
      ->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc export gpt2.gptc gpt2-exported/");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
