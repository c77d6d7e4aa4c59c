//===- CommandLine.cpp ----------------------------------------------------===//

#include "CommandLine.h"

#include "DeviceAdvice.h"
#include "ReferenceBackend.h"

#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/program/SourceCheckpoint.h"
#include "gptc/runtime/session/TextGeneration.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <dlfcn.h>
#include <fmt/ranges.h>
#include <fstream>
#include <set>
#include <unistd.h>

namespace gptc::tool {

namespace {

/// A sentence without allocating, and no destructors: LLVM is in the middle of
/// something.
[[noreturn]] void endOutOfMemory() {
  constexpr std::string_view sentence =
      "gptc: the compiler needs more memory than this process can get; close "
      "other programs, or allow more (ulimit -v)\n";
  (void)!::write(STDERR_FILENO, sentence.data(), sentence.size());
  ::_exit(1);
}

} // namespace

Expected<CompilerService *> loadCompiler() {
  // Found by the executable's run path, as the runtime library is.
  void *library = ::dlopen("libgptc-compiler.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = ::dlerror();
    return failure(ErrorCode::NotFound,
                   "the compiler cannot be loaded ({}); this command needs "
                   "libgptc-compiler.so and MLIR's libraries, running "
                   "artifacts does not",
                   reason ? reason : "no reason is given");
  }
  auto *service = reinterpret_cast<CompilerService *(*)()>(
      ::dlsym(library, "gptc_compiler_service"));
  if (!service)
    return failure(ErrorCode::Internal,
                   "libgptc-compiler.so is not of this gptc");
  CompilerService *compiler = service();
  compiler->onOutOfMemory(endOutOfMemory);
  return compiler;
}

CLI::Option *addNames(CLI::App &command, const std::string &option,
                      std::vector<std::string> &names,
                      const std::string &description) {
  // CLI11's own delimiter leaves empty parts out.
  auto split = [&names, option](const std::vector<std::string> &texts) {
    names.clear();
    for (const std::string &text : texts)
      for (size_t at = 0; at <= text.size();) {
        size_t end = std::min(text.find(',', at), text.size());
        if (end == at)
          throw CLI::ValidationError(
              option, fmt::format("'{}' has a comma without a name on each "
                                  "side of it",
                                  text));
        names.push_back(text.substr(at, end - at));
        at = end + 1;
      }
  };
  return command.add_option_function<std::vector<std::string>>(option, split,
                                                               description);
}

void addAdapterOptions(CLI::App &command, CompileRequest &request) {
  command
      .add_option("--lora", request.loraRank,
                  "Train low-rank adapters of that rank in the place of the "
                  "weights")
      ->check(aboveZero());
  command
      .add_option("--lora-alpha", request.loraAlpha,
                  "What adapters add is weighed by this over the rank (twice "
                  "the rank)")
      ->check(finiteAboveZero());
  addNames(command, "--lora-targets", request.loraTargets,
           "Weights that get adapters, by the last parts of their names, as "
           "c_attn,c_proj (all of the layers)");
}

void addTaskOptions(CLI::App &command, CompileRequest &request) {
  command.add_option("--task", request.task,
                     "What the model is for, if not for text: classification, "
                     "entailment, similarity or multiple-choice");
  command
      .add_option("--outputs", request.outputs,
                  "Classes or answers of the task; 1: a number")
      ->check(aboveZero());
  command
      .add_option("--auxiliary", request.auxiliary,
                  "Weight of the language model's own loss beside a task's "
                  "(0.5)")
      ->check(finiteNotNegative());
  addAdapterOptions(command, request);
}

void RunOptions::add(CLI::App &command) {
  command.add_option("--backend", backend,
                     "Backend to run on: cpu, an instruction set of it as "
                     "cpu:x86-64-v3, cpu:onednn or cpu:generated to choose who "
                     "computes bf16 products (default: oneDNN where it has "
                     "AMX), vulkan, a variant of it as vulkan:software, or "
                     "reference (slow; for artifacts of --target "
                     "cpu,reference)");
  addMachine(command);
  command.add_option("--cpu", cpu,
                     "Instruction set to run, x86-64-v4 or x86-64-v3 "
                     "(default: the best that this CPU has)");
  addCheckpoint(command);
}

void RunOptions::addCheckpoint(CLI::App &command) {
  command.add_option("--checkpoint", checkpoint,
                     "Folder with the weights, in place of the one that the "
                     "artifact names: the same moved, or others of that "
                     "architecture, which is told");
}

void RunOptions::addMachine(CLI::App &command) {
  command
      .add_option("--threads", threads,
                  "Threads to use (default: one for each CPU)")
      ->check(wholeUpTo(1024));
  command.add_option("--device", device,
                     "Vulkan device to run on: its number in 'gptc devices', "
                     "a part of its name, its PCI address or UUID (default: "
                     "the best one)");
}

bool RunOptions::usesVulkan(const Artifact &artifact) const {
  if (backend.empty())
    return !artifact.findTarget("cpu") && artifact.findTarget("vulkan");
  return backend == "vulkan" || backend.starts_with("vulkan:");
}

Expected<std::unique_ptr<Program>>
loadProgram(std::shared_ptr<const Artifact> artifact,
            const RunOptions &options) {
  LoadOptions load{options.threads, options.cpu, options.checkpoint};
  load.entries = options.entries;
  std::string_view backend = options.backend;
  if (!options.cpu.empty() && backend.starts_with("cpu:x86"))
    return failure(ErrorCode::InvalidArgument,
                   "--cpu: '{}' chooses an instruction set, and so does "
                   "--backend {}; drop one of them",
                   options.cpu, options.backend);
  if (backend == "cpu:onednn")
    load.products = Products::OneDnn;
  else if (backend == "cpu:generated")
    load.products = Products::Generated;
  else if (backend.starts_with("cpu:"))
    load.variant = backend.substr(4);
  else if (!backend.empty() && backend != "cpu")
    return failure(ErrorCode::Unsupported,
                   "--backend: '{}' is not supported; choose cpu, "
                   "cpu:x86-64-v4, cpu:x86-64-v3, cpu:onednn, cpu:generated, "
                   "vulkan or reference",
                   options.backend);
  if (!options.device.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--device: '{}' names a Vulkan device, and '{}' is to run "
                   "on the CPU; add --backend vulkan",
                   options.device, artifact->path());
  ProgressLine line;
  load.onProgress = line.ofBytes("loading weights");
  return Program::load(std::move(artifact), load);
}

/// Refuses what chooses a part of a machine that the reference does not use.
static Status checkReferenceOptions(const RunOptions &options) {
  if (!options.cpu.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--cpu: '{}' is an instruction set of the CPU's code, which "
                   "the reference has none of; leave it out",
                   options.cpu);
  if (!options.device.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--device: '{}' names a Vulkan device, which the reference "
                   "does not use; leave it out",
                   options.device);
  if (options.threads != 0)
    return failure(ErrorCode::InvalidArgument,
                   "--threads: the reference computes on one thread; leave it "
                   "out");
  return {};
}

Expected<std::unique_ptr<Executable>>
loadExecutable(std::shared_ptr<const Artifact> artifact,
               const RunOptions &options) {
  if (options.backend == "reference") {
    GPTC_CHECK(checkReferenceOptions(options));
    return createReferenceProgram(std::move(artifact), options.checkpoint,
                                  options.entries);
  }
  if (!options.usesVulkan(*artifact))
    return loadProgram(std::move(artifact), options);
  if (!options.cpu.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--cpu: '{}' is an instruction set of the CPU, and '{}' is "
                   "to run on a Vulkan device",
                   options.cpu, artifact->path());
  if (options.backend == "vulkan:")
    return failure(ErrorCode::InvalidArgument,
                   "--backend: 'vulkan:' names no variant; give one, as "
                   "vulkan:software, or vulkan alone");
  vulkan::VulkanOptions load;
  load.device = options.device;
  load.checkpoint = options.checkpoint;
  load.threads = options.threads;
  load.entries = options.entries;
  if (options.backend.starts_with("vulkan:"))
    load.variant = options.backend.substr(7);
  load.advise = deviceAdvice(options);
  ProgressLine line;
  load.onProgress = line.ofBytes("loading weights");
  return vulkan::loadVulkanProgram(std::move(artifact), load);
}

Expected<std::unique_ptr<Runner>>
loadRunner(std::shared_ptr<const Artifact> artifact,
           const RunOptions &options) {
  if (options.backend == "reference") {
    GPTC_CHECK(checkReferenceOptions(options));
    return createReferenceRunner(std::move(artifact), options.checkpoint);
  }
  GPTC_TRY(auto program, loadExecutable(std::move(artifact), options));
  return createRunner(std::move(program));
}

Expected<std::unique_ptr<Runner>> loadRunner(const std::string &file,
                                             const RunOptions &options) {
  GPTC_TRY(auto artifact, Artifact::open(file));
  GPTC_TRY(auto runner, loadRunner(std::move(artifact), options));
  GPTC_CHECK(tellOtherWeights(runner->artifact(), options.checkpoint));
  return runner;
}

Status tellOtherWeights(const Artifact &artifact,
                        const std::string &checkpoint) {
  if (checkpoint.empty())
    return {};
  GPTC_TRY(bool others, hasOtherWeights(artifact, checkpoint));
  if (others)
    say(fmt::format("The weights are those of '{}', which are not those that "
                    "'{}' was compiled from.\n",
                    checkpoint, artifact.path()));
  return {};
}

void say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

ProgressLine::ProgressLine()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      begin_(std::chrono::steady_clock::now()) {}

ProgressLine::~ProgressLine() {
  if (shown_ > 0)
    say("\r\x1b[K");
}

void ProgressLine::show(const std::string &text) {
  if (!terminal_)
    return;
  auto passed = std::chrono::steady_clock::now() - begin_;
  shown_ = std::max(std::chrono::duration<double>(passed).count(), 1e-9);
  say("\r\x1b[K" + text);
}

bool ProgressLine::isDue() {
  constexpr double wait = 0.3, pause = 0.1;
  auto passed = std::chrono::steady_clock::now() - begin_;
  double seconds = std::chrono::duration<double>(passed).count();
  return terminal_ && seconds >= wait && seconds >= shown_ + pause;
}

Progress ProgressLine::ofBytes(const std::string &what) {
  return [this, what](uint64_t done, uint64_t all) {
    if (isDue())
      show(fmt::format("{}: {} of {}", what, formatBytes(done),
                       formatBytes(all)));
  };
}

Progress ProgressLine::ofCounts(const std::string &what,
                                const std::string &unit) {
  return [this, what, unit](uint64_t done, uint64_t all) {
    if (isDue())
      show(fmt::format("{}: {} of {} {}", what, done, all, unit));
  };
}

void printJson(const Json &json) {
  print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

namespace {
int outputError = 0; ///< Of the first write to standard output that failed.
} // namespace

void print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() &&
      outputError == 0)
    outputError = errno;
}

Status flushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout))
    return {};
  if (outputError == 0)
    outputError = errno;
  return tl::unexpected(
      systemError(outputError, "write to", "standard output"));
}

bool outputWasClosed() { return outputError == EPIPE; }

Expected<std::string> readStandardInput() {
  return readToEnd(STDIN_FILENO, "standard input");
}

Expected<std::vector<int32_t>> parseIds(const std::string &text,
                                        const std::string &option) {
  std::vector<int32_t> ids;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    int32_t id = 0;
    auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc() || (next != end && *next != ','))
      return failure(ErrorCode::InvalidArgument,
                     "{}: '{}' is no list of token ids; expected 5,9,2", option,
                     text);
    ids.push_back(id);
    if (next == end)
      return ids;
    at = next + 1;
  }
}

std::optional<uint64_t> peakResident() {
  std::ifstream file("/proc/self/status");
  constexpr std::string_view name = "VmHWM:";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name))
      return std::strtoull(line.c_str() + name.size(), nullptr, 10) * 1024;
  return std::nullopt;
}

std::string cpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

namespace {

/// The number that all of a text is, if it is one.
template <typename T> std::optional<T> numberOf(const std::string &text) {
  T value{};
  const char *end = text.data() + text.size();
  auto [next, code] = std::from_chars(text.data(), end, value);
  if (code == std::errc() && next == end)
    return value;
  return std::nullopt;
}

/// Lets numbers pass that `fits` holds of, which are called `expected`.
template <typename T>
CLI::Validator numbers(std::function<bool(T)> fits, const std::string &expected,
                       const std::string &description) {
  auto check = [fits = std::move(fits),
                expected](const std::string &text) -> std::string {
    std::optional<T> value = numberOf<T>(text);
    if (value && fits(*value))
      return "";
    return fmt::format("'{}' is no {}", text, expected);
  };
  return CLI::Validator(check, description);
}

} // namespace

CLI::Validator aboveZero() {
  return numbers<uint64_t>([](uint64_t value) { return value > 0; },
                           "whole number above 0", "above 0");
}

CLI::Validator finiteAboveZero() {
  return numbers<double>(
      [](double value) { return std::isfinite(value) && value > 0; },
      "finite number above 0", "above 0");
}

CLI::Validator finiteNotNegative() {
  return numbers<double>(
      [](double value) { return std::isfinite(value) && value >= 0; },
      "finite number of at least 0", "at least 0");
}

CLI::Validator share() {
  return numbers<double>([](double value) { return value >= 0 && value <= 1; },
                         "number from 0 to 1", "0 to 1");
}

CLI::Validator wholeUpTo(uint64_t most, uint64_t least) {
  return numbers<uint64_t>(
      [=](uint64_t value) { return value >= least && value <= most; },
      fmt::format("whole number from {} to {}", least, most),
      fmt::format("up to {}", most));
}

void checkValues(CLI::App &app) {
  // An empty text is a text, of which its command says what it makes.
  const std::set<std::string> texts{"--prompt", "--separator", "--text"};
  auto notEmpty = [](const std::string &text) -> std::string {
    return text.empty() ? "its value is empty; leave it out or give one" : "";
  };
  // CLI11 takes -1 for 2^64 - 1 and 010 for 8.
  auto whole = [](bool checked) {
    return [checked](std::string &text) -> std::string {
      std::optional<uint64_t> value = numberOf<uint64_t>(text);
      if (value)
        text = std::to_string(*value);
      if (value || checked)
        return "";
      return fmt::format("'{}' is no whole number from 0 to 2^64 - 1", text);
    };
  };
  auto number = [](const std::string &text) -> std::string {
    return numberOf<double>(text) ? "" : fmt::format("'{}' is no number", text);
  };
  for (CLI::App *part : app.get_subcommands([](CLI::App *) { return true; }))
    checkValues(*part);
  for (CLI::Option *option : app.get_options()) {
    if (option->get_items_expected_max() == 0 ||
        texts.contains(option->get_name()))
      continue;
    std::string type = option->get_type_name();
    auto is = [&](const char *what) {
      return type.find(what) != std::string::npos;
    };
    // A check of its own says what is expected.
    bool checked =
        is("up to") || is("above 0") || is("0 to 1") || is("at least 0");
    option->check(CLI::Validator(notEmpty, ""));
    if (is("UINT"))
      option->transform(CLI::Validator(whole(checked), ""));
    else if (is("FLOAT") && !checked)
      option->check(CLI::Validator(number, ""));
  }
}

std::string formatBytes(uint64_t bytes) {
  constexpr const char *units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024)
    return fmt::format("{} B", bytes);
  double value = double(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

void addClipOption(CLI::App &command, std::optional<double> &norm) {
  command
      .add_option("--clip", norm,
                  "Norm of all gradients at most, 0 to clip none, which takes "
                  "less memory (the recipe's)")
      ->check(finiteNotNegative());
}

void addMemoryOption(CLI::App &command, uint64_t &memory) {
  auto parse = [&memory](const std::string &text) {
    std::string bytes = text;
    std::optional<uint64_t> number;
    try {
      CLI::AsSizeValue(/*kb_is_1000=*/true)(bytes);
      number = numberOf<uint64_t>(bytes);
    } catch (const CLI::Error &) {
      number.reset(); // What is expected is told below.
    }
    if (!number || *number == 0)
      throw CLI::ValidationError(
          "--memory", fmt::format("'{}' is no size; expected a whole number of "
                                  "bytes, or of a unit as in 2GiB and 500MB",
                                  text));
    memory = *number;
  };
  command.add_option_function<std::string>(
      "--memory", parse,
      "Memory that training may take, as 2GiB: layers are computed again in "
      "the backward pass as far as it needs (any)");
}

std::string describe(const Recomputation &recomputed) {
  auto range = [](const std::vector<std::string> &layers) {
    return layers.size() == 1 ? layers[0]
                              : layers.front() + " to " + layers.back();
  };
  std::string what;
  if (!recomputed.whole.empty())
    what = range(recomputed.whole);
  if (!recomputed.light.empty())
    what += fmt::format("{}of {} all but products and attention",
                        what.empty() ? "" : "; ", range(recomputed.light));
  if (what.empty())
    return what;
  return fmt::format(
      "Computed again in the backward pass: {} ({:.1f}% more operations)\n",
      what, 100 * double(recomputed.flops) / double(recomputed.usefulFlops));
}

std::string formatIds(std::span<const int32_t> ids, char separator) {
  return fmt::format("{}", fmt::join(ids, std::string_view(&separator, 1)));
}

Expected<std::shared_ptr<const Tokenizer>>
requireTokenizer(const Artifact &artifact, const std::string &remedy) {
  GPTC_TRY(auto tokenizer, tokenizerOf(artifact));
  if (!tokenizer)
    return failure(ErrorCode::NotFound, "'{}' carries no tokenizer; {}",
                   artifact.path(), remedy);
  return tokenizer;
}

} // namespace gptc::tool
