//===- CommandLine.h - What the subcommands share --------------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_COMMANDLINE_H
#define GPTC_TOOLS_GPTC_COMMANDLINE_H

#include "gptc/compiler/Service.h"
#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/session/Runner.h"
#include "gptc/runtime/text/Tokenizer.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

namespace gptc::tool {

using Json = nlohmann::ordered_json;

/// What a subcommand does when it is chosen.
using Action = std::function<Status()>;

/// Each adds one subcommand and sets `action` when it is chosen.
void addBench(CLI::App &app, Action &action);
void addCompare(CLI::App &app, Action &action);
void addCompile(CLI::App &app, Action &action);
void addDevices(CLI::App &app, Action &action);
void addExport(CLI::App &app, Action &action);
void addFinetune(CLI::App &app, Action &action);
void addGenerate(CLI::App &app, Action &action);
void addInspect(CLI::App &app, Action &action);
void addModels(CLI::App &app, Action &action);
void addPlan(CLI::App &app, Action &action);
void addPredict(CLI::App &app, Action &action);
void addPrepare(CLI::App &app, Action &action);
void addRun(CLI::App &app, Action &action);
void addScore(CLI::App &app, Action &action);
void addTokenize(CLI::App &app, Action &action);
void addTrain(CLI::App &app, Action &action);

/// Adds an option of names with commas between them, none of them empty.
CLI::Option *addNames(CLI::App &command, const std::string &option,
                      std::vector<std::string> &names,
                      const std::string &description);

/// Options of what a model is compiled for besides text: a task, adapters.
void addTaskOptions(CLI::App &command, CompileRequest &request);
/// Those of adapters alone.
void addAdapterOptions(CLI::App &command, CompileRequest &request);

/// The compiler, from libgptc-compiler.so beside the runtime library.
Expected<CompilerService *> loadCompiler();

/// Options of every command that runs an artifact.
struct RunOptions {
  std::string backend;
  unsigned threads = 0;
  std::string cpu;
  std::string device;
  std::string checkpoint;
  EntryFilter entries; ///< Entry points to load; no option.
  void add(CLI::App &command);
  /// Those of machines alone, which do not say what is run.
  void addMachine(CLI::App &command);
  /// --checkpoint alone.
  void addCheckpoint(CLI::App &command);

  /// Whether an artifact is to run on a Vulkan device: where it is asked for,
  /// or where the artifact has code for nothing else.
  bool usesVulkan(const Artifact &artifact) const;
};
/// Loads an artifact on the CPU; another backend is an error.
Expected<std::unique_ptr<Program>>
loadProgram(std::shared_ptr<const Artifact> artifact,
            const RunOptions &options);
/// The same on the backend that is asked for.
Expected<std::unique_ptr<Executable>>
loadExecutable(std::shared_ptr<const Artifact> artifact,
               const RunOptions &options);

/// Says so where a folder that --checkpoint names holds other weights than
/// those that the artifact was compiled from; nothing for an empty one.
Status tellOtherWeights(const Artifact &artifact,
                        const std::string &checkpoint);

/// Loads an artifact on the backend that is asked for.
Expected<std::unique_ptr<Runner>>
loadRunner(std::shared_ptr<const Artifact> artifact, const RunOptions &options);
/// The same of a file, and tells of other weights.
Expected<std::unique_ptr<Runner>> loadRunner(const std::string &file,
                                             const RunOptions &options);

/// Writes to standard output; a failure is reported by flushOutput at the
/// latest.
void print(std::string_view text);
/// Writes to standard error; that it cannot be written is no failure.
void say(std::string_view text);
/// A line on a terminal that says what goes on and is written over; it goes
/// with the object. Nothing is written where standard error is no terminal.
class ProgressLine {
public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine &) = delete;
  ProgressLine &operator=(const ProgressLine &) = delete;

  void show(const std::string &text);
  /// Show "WHAT: 1.5 GiB of 3.0 GiB" or "WHAT: 2 of 7 UNIT" of what takes a
  /// while, some times a second.
  Progress ofBytes(const std::string &what);
  Progress ofCounts(const std::string &what, const std::string &unit);

private:
  bool isDue();

  const bool terminal_;
  const std::chrono::steady_clock::time_point begin_;
  double shown_ = 0; ///< Seconds from the beginning; 0: not yet.
};

/// Writes JSON of two spaces' indentation and a newline.
void printJson(const Json &json);
/// Everything written so far arrives, or the error says why not.
Status flushOutput();
/// Whether whoever read standard output closed it.
bool outputWasClosed();
/// All of standard input, up to the size that a text may have.
Expected<std::string> readStandardInput();
/// "5,9,2" as ids; errors name the option.
Expected<std::vector<int32_t>> parseIds(const std::string &text,
                                        const std::string &option);
/// The CPU's name as /proc/cpuinfo has it.
std::string cpuName();

/// The most memory that this process had resident, where the kernel tells it.
/// That of getrusage() outlives exec: it may be that of who started this.
std::optional<uint64_t> peakResident();
/// Makes the options of all commands refuse empty values, and those for numbers
/// whatever is none; whole numbers are not below 0.
void checkValues(CLI::App &app);
/// Lets whole numbers above 0 pass, for an option's check().
CLI::Validator aboveZero();
/// Lets finite numbers above 0 pass.
CLI::Validator finiteAboveZero();
/// Lets whole numbers from `least` to `most` pass.
CLI::Validator wholeUpTo(uint64_t most, uint64_t least = 0);
/// Lets numbers from 0 to 1 pass.
CLI::Validator share();
/// Lets finite numbers of at least 0 pass.
CLI::Validator finiteNotNegative();
/// Adds --clip, the norm that gradients are clipped to.
void addClipOption(CLI::App &command, std::optional<double> &norm);
/// Adds --memory, bytes or as "2GiB", "500MiB".
void addMemoryOption(CLI::App &command, uint64_t &memory);
/// "Computed again in the backward pass: h.0 to h.3; of h.4 to h.11 all but
/// products and attention (12.3% more operations)", a line; empty where nothing
/// is.
std::string describe(const Recomputation &recomputed);

/// "1.5 GiB", "12.0 MiB", "3.0 KiB", "17 B".
std::string formatBytes(uint64_t bytes);
/// Ids separated by `separator`.
std::string formatIds(std::span<const int32_t> ids, char separator);
/// The tokenizer that an artifact carries, or why there is none.
Expected<std::shared_ptr<const Tokenizer>>
requireTokenizer(const Artifact &artifact, const std::string &remedy);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_COMMANDLINE_H
