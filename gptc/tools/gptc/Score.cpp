//===- Score.cpp - gptc score ---------------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/session/Scoring.h"

#include <cmath>
#include <numeric>

namespace gptc::tool {

namespace {

struct Options {
  std::string file;
  std::optional<std::string> text;
  std::string textFile, ids;
  uint64_t stride = 0;
  RunOptions run;
  bool json = false;
};

/// Runs of anything but white space.
uint64_t countWords(std::string_view text) {
  uint64_t words = 0;
  bool inside = false;
  for (char c : text) {
    bool space = c == ' ' || (c >= '\t' && c <= '\r');
    words += !space && !inside;
    inside = !space;
  }
  return words;
}

Status run(const Options &options) {
  GPTC_TRY(auto runner, loadRunner(options.file, options.run));
  std::vector<int32_t> ids;
  uint64_t words = 0;
  if (!options.ids.empty()) {
    GPTC_TRY(ids, parseIds(options.ids, "--ids"));
  } else {
    GPTC_TRY(auto tokenizer, requireTokenizer(runner->artifact(),
                                              "give the text as --ids 5,9,2"));
    std::string text;
    if (options.text) {
      text = *options.text;
    } else {
      GPTC_TRY(text, readTextInput(options.textFile));
    }
    ids = tokenizer->encode(text);
    words = countWords(text);
  }
  std::vector<double> scores;
  {
    ProgressLine line;
    GPTC_TRY(scores, score(*runner, ids, options.stride,
                           line.ofCounts("scoring", "windows")));
  }
  double total = std::accumulate(scores.begin(), scores.end(), 0.0);
  double byToken = std::exp(-total / double(scores.size()));
  double byWord = words == 0 ? 0 : std::exp(-total / double(words));
  if (options.json) {
    Json json = {
        {"tokens", scores.size()},       {"words", words},
        {"log_likelihood", total},       {"perplexity_by_token", byToken},
        {"perplexity_by_word", nullptr}, {"log_likelihoods", scores}};
    if (words != 0)
      json["perplexity_by_word"] = byWord;
    printJson(json);
    return {};
  }
  print(fmt::format("log-likelihood {:.4f} over {} predictions\n"
                    "perplexity by token {:.4f}\n",
                    total, scores.size(), byToken));
  if (words != 0)
    print(fmt::format("perplexity by word {:.4f} ({} words)\n", byWord, words));
  return {};
}

} // namespace

void addScore(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "score", "Tell how likely a text is: log-likelihood and perplexity");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "The artifact")->required();
  auto *from = command->add_option_group("text");
  from->add_option("--text", options->text, "Text");
  from->add_option("--file", options->textFile, "File with the text");
  from->add_option("--ids", options->ids, "Token ids: 5,9,2");
  from->require_option(1);
  command
      ->add_option("--stride", options->stride,
                   "Tokens from window to window of a text that is longer "
                   "than the context (default: half the context)")
      ->check(aboveZero());
  options->run.add(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc score gpt2.gptc --text 'To be or not to be'");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
