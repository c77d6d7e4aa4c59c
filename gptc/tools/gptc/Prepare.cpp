//===- Prepare.cpp - gptc prepare -----------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/base/Counted.h"
#include "gptc/runtime/data/Prepare.h"

#include <chrono>
#include <limits>
#include <unistd.h>

namespace gptc::tool {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  PrepareOptions prepare;
  std::string tokenizer, format;
  bool json = false;
};

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// One line on a terminal that is written over, once a second has passed.
class Progress {
public:
  void show(uint64_t bytes, uint64_t total) {
    double seconds = secondsSince(begin);
    if (!terminal || seconds < 1 || seconds < shown + 0.2 || total == 0)
      return;
    if (shown == 0)
      firstBytes = bytes, firstSeconds = seconds;
    shown = seconds;
    std::string speed;
    if (seconds > firstSeconds)
      speed = fmt::format(", {:.1f} MB/s", double(bytes - firstBytes) * 1e-6 /
                                               (seconds - firstSeconds));
    say(fmt::format("\r\x1b[K{:3} % of {}{}", bytes * 100 / total,
                    formatBytes(total), speed));
  }
  void clear() const {
    if (shown > 0)
      say("\r\x1b[K");
  }

private:
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const Clock::time_point begin = Clock::now();
  double shown = 0, firstSeconds = 0;
  uint64_t firstBytes = 0;
};

/// What a user should know, whatever the form of the results.
void sayNotes(const Options &options, const PrepareSummary &summary,
              const Tokenizer &tokenizer, const std::vector<BadLine> &bad) {
  if (summary.badLines > 0)
    say(fmt::format("Left out {}{}\n", counted(summary.badLines, "bad line"),
                    bad.empty() ? "" : ", the first in this run:"));
  for (const BadLine &line : bad)
    say(fmt::format("  {}:{}: {}\n", line.file, line.line, line.reason));
  if (!tokenizer.endOfText())
    say("The tokenizer has no end-of-text token, so nothing stands between "
        "documents.\n");
  if (options.prepare.validation > 0 && summary.documents[1] == 0)
    say(fmt::format("No document was chosen for validation: of so few, --seed "
                    "{} with --validation {} takes none.\n",
                    options.prepare.seed, options.prepare.validation));
  if (summary.documents[0] == 0)
    say("All documents were chosen for validation, none for training.\n");
}

Status run(Options options) {
  Clock::time_point begin = Clock::now();
  if (options.format == "text")
    options.prepare.format = InputFormat::Text;
  else if (options.format == "jsonl")
    options.prepare.format = InputFormat::JsonLines;
  else if (!options.format.empty())
    return failure(ErrorCode::InvalidArgument,
                   "--format: '{}' is not known; choose text or jsonl",
                   options.format);
  GPTC_TRY(TokenizerFiles files, readTokenizerFiles(options.tokenizer));
  auto tokenizer = Tokenizer::create(files);
  if (!tokenizer)
    return tl::unexpected(tokenizer.error().in("'" + options.tokenizer + "'"));

  constexpr size_t mostNamed = 5;
  std::vector<BadLine> bad;
  Progress progress;
  PrepareObserver observer;
  uint64_t resumed = 0;
  observer.onResume = [&](uint64_t shards) { resumed = shards; };
  observer.onBadLine = [&](const BadLine &line) {
    if (bad.size() < mostNamed)
      bad.push_back(line);
  };
  observer.onProgress = [&](uint64_t bytes, uint64_t total) {
    progress.show(bytes, total);
  };
  auto prepared = prepareData(options.prepare, *tokenizer, observer);
  progress.clear();
  GPTC_TRY(PrepareSummary summary, std::move(prepared));
  double seconds = secondsSince(begin);

  if (resumed == summary.shards)
    say(fmt::format("'{}' was finished before; nothing is left to do.\n",
                    options.prepare.output));
  else if (resumed > 0)
    say(fmt::format("Went on after {} of an earlier run.\n",
                    counted(resumed, "shard")));
  sayNotes(options, summary, **tokenizer, bad);
  if (options.json) {
    printJson({{"folder", options.prepare.output},
               {"documents", summary.documents[0] + summary.documents[1]},
               {"tokens", summary.tokens[0] + summary.tokens[1]},
               {"training_documents", summary.documents[0]},
               {"training_tokens", summary.tokens[0]},
               {"validation_documents", summary.documents[1]},
               {"validation_tokens", summary.tokens[1]},
               {"bad_lines", summary.badLines},
               {"duplicates", summary.duplicates},
               {"shards", summary.shards},
               {"token_bytes", summary.tokenBytes},
               {"seconds", seconds}});
    return {};
  }
  for (DataPart part : {DataPart::Training, DataPart::Validation})
    if (part == DataPart::Training || options.prepare.validation > 0)
      print(fmt::format("{:<11} {} in {}\n", toString(part),
                        counted(summary.tokens[int(part)], "token"),
                        counted(summary.documents[int(part)], "document")));
  if (options.prepare.dropDuplicates)
    print(fmt::format("dropped     {}\n",
                      counted(summary.duplicates, "duplicate")));
  print(fmt::format("{} in {}, {} bytes a token, in {:.1f} s\n",
                    counted(summary.shards, "shard"), options.prepare.output,
                    summary.tokenBytes, seconds));
  return {};
}

} // namespace

void addPrepare(CLI::App &app, Action &action) {
  CLI::App *command =
      app.add_subcommand("prepare", "Turn text into tokens to train on");
  auto options = std::make_shared<Options>();
  PrepareOptions &prepare = options->prepare;
  command
      ->add_option("INPUT", prepare.inputs,
                   "Files of text, or of JSON lines (.jsonl, .ndjson, .json)")
      ->required();
  command
      ->add_option("-o,--output", prepare.output,
                   "The folder to write, or to go on with")
      ->required();
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "Folder with vocab.json and merges.txt, or tokenizer.json")
      ->required();
  command->add_option("--format", options->format,
                      "text or jsonl, whatever the names of the files");
  command->add_option("--key", prepare.key,
                      "Key of a document's text in JSON lines (default: text)");
  command->add_option("--separator", prepare.separator,
                      "The line between documents of text, '' for an empty "
                      "line (default: each file is one document)");
  command
      ->add_option("--validation", prepare.validation,
                   "Share of documents to keep apart for validation (default: "
                   "0)")
      ->check(share());
  command->add_option("--seed", prepare.seed,
                      "Chooses the documents for validation (default: 0)");
  command->add_flag("--drop-duplicates", prepare.dropDuplicates,
                    "Leave out documents that are exactly an earlier one");
  command->add_flag("--strict", prepare.strict, "Stop at the first bad line");
  command
      ->add_option("--shard-tokens", prepare.shardTokens,
                   "About how many tokens a shard has (default: 33554432)")
      ->check(aboveZero());
  command
      ->add_option("--threads", prepare.threads,
                   "Threads to use (default: one for each CPU)")
      ->check(wholeUpTo(std::numeric_limits<unsigned>::max()));
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc prepare stories.jsonl -o data/ --tokenizer "
                  "gpt2/ --validation 0.01");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
