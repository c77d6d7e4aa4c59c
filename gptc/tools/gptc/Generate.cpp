//===- Generate.cpp - gptc generate ---------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/session/TextGeneration.h"

#include <chrono>
#include <cstdio>
#include <fmt/ranges.h>
#include <fstream>
#include <limits>
#include <unistd.h>

namespace gptc::tool {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string file;
  std::optional<std::string> prompt;
  std::string promptFile, promptIds, promptsFile;
  GenerationOptions generation;
  RunOptions run;
  bool printIds = false;
  bool json = false;
};

struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
};

/// Seconds since this process began, from the start time that the kernel
/// keeps in ticks since boot.
double sinceProcessStart() {
  std::ifstream file("/proc/self/stat");
  std::string stat;
  timespec now{};
  if (!std::getline(file, stat) || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0)
    return 0;
  // Field 22; the second one, in parentheses, may hold spaces.
  size_t at = stat.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field)
    at = stat.find(' ', at + 1);
  if (at == std::string::npos)
    return 0;
  double ticks = std::strtod(stat.c_str() + at, nullptr);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec) -
         ticks / double(::sysconf(_SC_CLK_TCK));
}

/// The prompt from whichever option gives it, or standard input.
Expected<Prompt> readPrompt(const Options &options,
                            const Tokenizer *tokenizer) {
  Prompt prompt;
  if (!options.promptIds.empty()) {
    GPTC_TRY(prompt.ids, parseIds(options.promptIds, "--prompt-ids"));
    return prompt;
  }
  if (options.prompt) {
    prompt.text = *options.prompt;
  } else if (!options.promptFile.empty()) {
    GPTC_TRY(prompt.text, readTextInput(options.promptFile));
  } else {
    GPTC_TRY(prompt.text, readStandardInput());
  }
  prompt.ids = tokenizer->encode(prompt.text);
  return prompt;
}

/// The lines of --prompts, each an object with a prompt.
Expected<std::vector<Prompt>> readPrompts(const std::string &path,
                                          const Tokenizer &tokenizer,
                                          uint64_t capacity) {
  GPTC_TRY(std::string text, readTextInput(path));
  std::vector<Prompt> prompts;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    GPTC_TRY(auto json, parseJson(line, fmt::format("{}:{}", path, number)));
    if (!json.is_object() || !json.contains("prompt") ||
        !json["prompt"].is_string())
      return failure(ErrorCode::InvalidArgument,
                     "'{}' line {}: expected a JSON object with a string "
                     "'prompt'",
                     path, number);
    Prompt prompt{json["prompt"].get<std::string>(), {}};
    prompt.ids = tokenizer.encode(prompt.text);
    if (prompt.ids.empty())
      return failure(ErrorCode::InvalidArgument,
                     "'{}' line {}: the prompt is empty", path, number);
    if (prompt.ids.size() > capacity)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' line {}: the prompt has {} tokens, more than the "
                     "context of {}",
                     path, number, prompt.ids.size(), capacity);
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty())
    return failure(ErrorCode::InvalidArgument, "'{}' holds no prompts", path);
  return prompts;
}

Status runBatches(const Options &options, Session &session,
                  const Tokenizer &tokenizer) {
  GPTC_TRY(std::vector<Prompt> prompts,
           readPrompts(options.promptsFile, tokenizer, session.capacity()));
  for (size_t from = 0; from < prompts.size(); from += session.batch()) {
    size_t count = std::min<size_t>(session.batch(), prompts.size() - from);
    std::vector<std::vector<int32_t>> ids;
    for (size_t i = 0; i < count; ++i)
      ids.push_back(prompts[from + i].ids);
    // Each prompt draws by its place among all, whatever the batch.
    GenerationOptions generation = options.generation;
    generation.sampling.seed += from;
    GPTC_TRY(auto results, generate(session, &tokenizer, ids, generation));
    for (size_t i = 0; i < count; ++i)
      print(Json({{"prompt", prompts[from + i].text},
                  {"prompt_tokens", ids[i].size()},
                  {"tokens", results[i].ids.size()},
                  {"text", results[i].text},
                  {"ids", results[i].ids},
                  {"finish", toString(results[i].finish)}})
                .dump(-1, ' ', false, Json::error_handler_t::replace) +
            "\n");
    GPTC_CHECK(flushOutput());
  }
  return {};
}

Status run(Options &options) {
  Clock::time_point begin = Clock::now();
  GPTC_TRY(auto runner, loadRunner(options.file, options.run));
  bool needsText = options.promptIds.empty();
  GPTC_TRY(auto tokenizer, tokenizerOf(runner->artifact()));
  if (needsText && !tokenizer)
    return failure(ErrorCode::NotFound,
                   "'{}' carries no tokenizer; give the prompt as --prompt-ids "
                   "5,9,2",
                   options.file);
  GPTC_TRY(auto session, Session::create(std::move(runner)));
  if (!options.promptsFile.empty())
    return runBatches(options, *session, *tokenizer);
  GPTC_TRY(Prompt prompt, readPrompt(options, tokenizer.get()));
  double loadSeconds =
      std::chrono::duration<double>(Clock::now() - begin).count();

  bool printIds = options.printIds || !tokenizer;
  std::optional<double> firstToken;
  bool any = false;
  auto onGenerated = [&](uint32_t, int32_t id, std::string_view text) {
    if (!firstToken && id >= 0)
      firstToken = sinceProcessStart();
    if (options.json)
      return;
    if (!printIds) {
      print(text);
    } else if (id >= 0) {
      print(fmt::format("{}{}", any ? "," : "", id));
      any = true;
    }
    // A closed output is told at the end.
    (void)std::fflush(stdout);
  };
  GenerationTimes times;
  std::vector<std::vector<int32_t>> prompts{prompt.ids};
  GPTC_TRY(auto results, generate(*session, tokenizer.get(), prompts,
                                  options.generation, onGenerated, &times));
  const Generated &result = results.front();
  std::optional<uint64_t> peak = peakResident();
  std::optional<double> perSecond; // None of a single token.
  if (times.tokens > 1 && times.decodeSeconds > 0)
    perSecond = double(times.tokens) / times.decodeSeconds;
  if (options.json) {
    printJson({{"prompt_tokens", times.promptTokens},
               {"tokens", times.tokens},
               {"text", result.text},
               {"ids", result.ids},
               {"finish", toString(result.finish)},
               {"load_seconds", loadSeconds},
               {"prompt_seconds", times.promptSeconds},
               {"decode_seconds", times.decodeSeconds},
               {"first_token_seconds",
                firstToken ? Json(*firstToken) : Json(nullptr)},
               {"tokens_per_s", perSecond ? Json(*perSecond) : Json(nullptr)},
               {"peak_rss_bytes", peak ? Json(*peak) : Json(nullptr)}});
    return {};
  }
  print("\n");
  GPTC_CHECK(flushOutput());
  if (result.finish == Finish::Context)
    say(fmt::format("The context of {} tokens is full.\n",
                    session->capacity()));
  std::vector<std::string> parts;
  if (firstToken)
    parts.push_back(
        fmt::format("first token after {:.0f} ms", *firstToken * 1e3));
  if (perSecond)
    parts.push_back(fmt::format("{:.1f} tokens/s", *perSecond));
  if (peak)
    parts.push_back(formatBytes(*peak) + " resident");
  say(fmt::format("{} token{} after a prompt of {}{}{}\n", times.tokens,
                  times.tokens == 1 ? "" : "s", times.promptTokens,
                  parts.empty() ? "" : ": ", fmt::join(parts, ", ")));
  return {};
}

} // namespace

void addGenerate(CLI::App &app, Action &action) {
  CLI::App *command =
      app.add_subcommand("generate", "Continue a prompt with a compiled model");
  auto options = std::make_shared<Options>();
  GenerationOptions &generation = options->generation;
  command->add_option("FILE", options->file, "The artifact")->required();
  auto *from = command->add_option_group(
      "prompt", "The prompt; without any of these it is standard input");
  from->add_option("--prompt", options->prompt, "Text");
  from->add_option("--prompt-file", options->promptFile, "File with the text");
  from->add_option("--prompt-ids", options->promptIds, "Token ids: 5,9,2");
  auto *prompts = from->add_option(
      "--prompts", options->promptsFile,
      "JSON lines with `prompt`, run in batches of the compiled "
      "size, the first with the seed, the next with the seed + "
      "1, ...; JSON lines out");
  from->require_option(0, 1);
  command
      ->add_option("--max-tokens", generation.maxTokens,
                   "Tokens to generate at most")
      ->capture_default_str()
      ->check(wholeUpTo(uint64_t(1) << 24));
  command
      ->add_option("--temperature", generation.sampling.temperature,
                   "0 takes the most likely token")
      ->capture_default_str();
  command
      ->add_option("--top-k", generation.sampling.topK,
                   "Only the K most likely tokens; 0: all")
      ->check(wholeUpTo(std::numeric_limits<uint32_t>::max()));
  command->add_option("--top-p", generation.sampling.topP,
                      "Only the fewest tokens that are this likely together");
  command->add_option("--repetition-penalty",
                      generation.sampling.repetitionPenalty,
                      "Above 1: tokens seen become less likely");
  command->add_option("--seed", generation.sampling.seed,
                      "Equal seeds give equal text");
  command->add_option(
      "--stop", generation.stop,
      "Text to stop at, which ids have all the same; may be given "
      "more than once");
  command->add_flag("--ignore-end", generation.ignoreEnd,
                    "Go on past end-of-text");
  command
      ->add_flag("--print-ids", options->printIds,
                 "Print token ids in place of text")
      ->excludes(prompts);
  options->run.add(*command);
  command->add_flag("--json", options->json, "Print JSON at the end");
  command->footer("Example: gptc generate gpt2.gptc --prompt 'Hello' "
                  "--temperature 0.8 --top-k 40 --seed 7");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
