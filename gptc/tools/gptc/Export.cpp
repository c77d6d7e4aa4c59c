//===- Export.cpp - gptc export -------------------------------------------===//

#include "TrainingRun.h"

#include "gptc/runtime/base/AtomicFolder.h"
#include "gptc/runtime/program/WeightsWriter.h"
#include "gptc/runtime/training/CarriedRecipe.h"
#include "gptc/runtime/training/PeftAdapters.h"
#include "gptc/runtime/training/Task.h"

#include <filesystem>
#include <fmt/ranges.h>

namespace gptc::tool {

namespace {

struct Options {
  std::string file, folder;
  std::optional<uint64_t> step;
  RunOptions run; ///< With --checkpoint alone.
  bool adapters = false, json = false;
};

Status writeFile(const std::string &path, std::string_view text) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

/// Whether a carried file is of training, not of the model.
bool isOfTraining(const std::string &name) {
  return name == recipeFile || name == taskFile || name == adaptersFile;
}

/// The artifact's own weights, or those of a training folder's state, with
/// which adapters are merged.
Expected<WrittenWeights> writeTo(const std::string &path,
                                 std::shared_ptr<const Artifact> artifact,
                                 const std::string &state,
                                 const RunOptions &options) {
  ProgressLine line;
  Progress progress = line.ofBytes("writing weights");
  if (state.empty())
    return writeWeights(*artifact, path, options.checkpoint, progress);
  GPTC_TRY(auto adapters, carriedAdapters(*artifact));
  RunOptions parametersAlone = options;
  parametersAlone.entries = [](std::string_view) { return false; };
  GPTC_TRY(auto program,
           loadState(std::move(artifact), state, parametersAlone));
  if (adapters)
    return writeMergedWeights(*program, *adapters, path, progress);
  return writeWeights(*program, path, {}, progress);
}

/// Writes the adapters of a state alone, in PEFT's format.
Status exportAdapters(const Options &options, const Artifact &artifact,
                      const std::string &state) {
  if (state.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--adapters: '{}' is an artifact, and trained adapters are "
                   "in the folders of finetune",
                   options.file);
  GPTC_TRY(auto adapters, carriedAdapters(artifact));
  if (!adapters)
    return failure(ErrorCode::InvalidArgument,
                   "--adapters: '{}' has none, since all of its weights were "
                   "trained; export them without --adapters, or train with "
                   "--lora RANK",
                   options.file);
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(options.folder));
  GPTC_TRY(PeftSummary written,
           writePeftAdapters(artifact, *adapters, state + "/" + adapterWeights,
                             folder / ""));
  GPTC_CHECK(folder.commit());
  if (!written.leftOut.empty())
    say(fmt::format("PEFT has no place for what the task has of its own, {}, "
                    "so it is not in '{}'; without --adapters it is exported "
                    "with the merged weights.\n",
                    fmt::join(written.leftOut, ", "), options.folder));
  if (options.json)
    printJson({{"folder", options.folder},
               {"files", {"adapter_config.json", "adapter_model.safetensors"}},
               {"rank", adapters->rank},
               {"alpha", adapters->alpha},
               {"modules", written.modules}});
  else
    print(fmt::format("Wrote 2 files into {}: adapters of rank {} for {} "
                      "layers\n",
                      options.folder, adapters->rank, written.modules));
  return {};
}

Status run(const Options &options) {
  std::string file = options.file, state;
  std::error_code code;
  if (std::filesystem::is_directory(file, code)) {
    GPTC_TRY(state, chooseState(file, options.step));
    file += std::string("/") + programFile;
  } else if (options.step) {
    return failure(ErrorCode::InvalidArgument,
                   "--step: '{}' is an artifact, and states are in the folders "
                   "of train and finetune",
                   file);
  }
  GPTC_TRY(auto artifact, Artifact::open(file));
  if (options.adapters)
    return exportAdapters(options, *artifact, state);
  GPTC_TRY(AtomicFolder folder, AtomicFolder::create(options.folder));
  Json files = Json::array();
  for (const auto &file : artifact->manifest().files) {
    if (isOfTraining(file->name))
      continue;
    GPTC_CHECK(writeFile(folder / file->name, artifact->text(*file)));
    files.push_back(file->name);
  }
  GPTC_TRY(WrittenWeights written,
           writeTo(folder / "model.safetensors", artifact, state, options.run));
  files.push_back("model.safetensors");
  GPTC_CHECK(folder.commit());
  if (state.empty())
    GPTC_CHECK(tellOtherWeights(*artifact, options.run.checkpoint));

  if (!artifact->findFile("config.json"))
    say(fmt::format("'{}' carries no config.json, which a definition of a "
                    "library comes without, so there is none in '{}', and "
                    "transformers cannot load it.\n",
                    options.file, options.folder));
  else if (artifact->manifest().model->family == "gpt3")
    say(fmt::format("'{}' has the model_type gpt3, which gptc knows and "
                    "transformers does not.\n",
                    options.folder));
  size_t total = 0;
  Json tensors = Json::object();
  std::string types;
  for (auto [type, count] : written.tensors) {
    total += count;
    tensors[std::string(toString(type))] = count;
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count,
                         toString(type));
  }
  if (written.narrowed > 0)
    say(fmt::format(
        "The artifact holds {} of {} tensors in a narrower type than they "
        "came in; they are written as it holds them.\n",
        written.narrowed, total));
  if (options.json)
    printJson({{"folder", options.folder},
               {"files", files},
               {"original", written.original},
               {"tensors", tensors}});
  else
    print(fmt::format("Wrote {} file{} into {}: tensors {}{}\n", files.size(),
                      files.size() == 1 ? "" : "s", options.folder, types,
                      written.original ? ", word for word the checkpoint's"
                                       : ""));
  return {};
}

} // namespace

void addExport(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "export", "Write a checkpoint folder that transformers loads");
  auto options = std::make_shared<Options>();
  command
      ->add_option("FILE", options->file,
                   "The artifact, or the folder of a training, whose adapters "
                   "are merged")
      ->required();
  command
      ->add_option("DIR", options->folder,
                   "The folder to make; it must be missing or empty")
      ->required();
  command->add_option("--step", options->step,
                      "State of the folder (the best of validation)");
  auto *adapters =
      command->add_flag("--adapters", options->adapters,
                        "Write a training's adapters alone, as a folder that "
                        "PEFT loads beside the checkpoint");
  options->run.addCheckpoint(*command);
  command->get_option("--checkpoint")->excludes(adapters);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc export gpt2.gptc gpt2-exported/");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
