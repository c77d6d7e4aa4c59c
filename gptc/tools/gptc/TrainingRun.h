//===- TrainingRun.h - A run of steps as the user sees it ------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_TRAININGRUN_H
#define GPTC_TOOLS_GPTC_TRAININGRUN_H

#include "CommandLine.h"

#include "gptc/runtime/training/Trainer.h"

#include <map>

namespace gptc::tool {

/// What train and finetune are asked for alike.
struct TrainingRunOptions {
  CompileRequest compile; ///< With the model or the artifact.
  TrainerOptions trainer;
  RunOptions run; ///< Backend, device and threads.
  std::optional<double> learningRate, lastRate;
  std::optional<uint64_t> warmUp;
  /// Tokens over which steps grow, 0: none, if not the recipe's.
  std::optional<uint64_t> batchGrowth;
  std::string schedule; ///< Empty: the recipe's.
  std::string sample;   ///< Prompt; empty: none.
  uint64_t steps = 1000, saveEvery = 100, validateEvery = 100;
  /// Windows or examples of the data for validation, at most.
  uint64_t validateWith = 64;
  /// An option that says how to validate, where one was given: it is an error
  /// where there is nothing to validate with.
  std::string validationOption;
  /// Texts to put into the folder beside the artifact, by name.
  std::map<std::string, std::string> files;
  bool json = false;

  /// Options of the learning rate, of what stays, and of the machine.
  void add(CLI::App &command);
};

/// Keeps a second run out of a folder while it lives, which it makes if it is
/// missing, and from which it removes what a killed run had not finished. A
/// folder with states is an error unless the run goes on from them. A run that
/// is refused leaves the folder as it was.
class TrainingFolder {
public:
  static Expected<TrainingFolder> take(const std::string &path, bool resume);
  TrainingFolder(TrainingFolder &&other) noexcept
      : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)),
        isNew_(other.isNew_), hadProgram_(other.hadProgram_),
        isUsed_(other.isUsed_) {}
  ~TrainingFolder();

  /// From now on what is in the folder stays.
  void use() { isUsed_ = true; }

private:
  TrainingFolder() = default;
  std::string path_;
  int file_ = -1;
  bool isNew_ = false, hadProgram_ = false, isUsed_ = false;
};

/// The artifact of a fine-tuned model's folder.
inline constexpr const char *programFile = "program.gptc";

/// The artifact to train: the one that was given, or the model compiled into
/// the output folder with `entries`, and what accumulating and samples need.
Expected<std::shared_ptr<const Artifact>>
openTrained(const TrainingRunOptions &options,
            const std::vector<std::string> &entries);

/// The state of a folder that is asked for, the best, or the newest where none
/// was measured.
Expected<std::string> chooseState(const std::string &folder,
                                  std::optional<uint64_t> step);
/// Loads an artifact with the weights of a state, or with its own and the
/// adapters of the state; --checkpoint says where the former are.
Expected<std::unique_ptr<Executable>>
loadState(std::shared_ptr<const Artifact> artifact, const std::string &state,
          RunOptions options);

/// Does the steps that are left, tells how it goes, and leaves the artifact,
/// where export and predict look for it, states, log and plots in the folder,
/// which is taken. A run that cannot go on leaves the folder as it was. The
/// learning rate is the recipe's where no option says otherwise. Returns what
/// to print as JSON.
Expected<Json> runTraining(const TrainingRunOptions &options,
                           const std::shared_ptr<const Artifact> &artifact,
                           std::unique_ptr<BatchSource> source,
                           TrainingFolder &folder);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_TRAININGRUN_H
