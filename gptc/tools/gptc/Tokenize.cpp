//===- Tokenize.cpp - gptc tokenize ---------------------------------------===//

#include "CommandLine.h"

#include <algorithm>
#include <charconv>

namespace gptc::tool {

namespace {

/// Ids separated by white space.
Expected<std::vector<int32_t>> readIds(std::string_view text) {
  std::vector<int32_t> ids;
  const char *at = text.data(), *end = at + text.size();
  auto isSpace = [](char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
  };
  while (true) {
    while (at != end && isSpace(*at))
      ++at;
    if (at == end)
      return ids;
    int32_t id = 0;
    auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc() || (next != end && !isSpace(*next))) {
      const char *last = std::find_if(at, end, isSpace);
      bool isLong = last - at > 40;
      return failure(ErrorCode::InvalidArgument,
                     "standard input holds '{}{}' at byte {}; expected token "
                     "ids separated by spaces",
                     std::string(at, isLong ? at + 40 : last),
                     isLong ? "…" : "", at - text.data());
    }
    ids.push_back(id);
    at = next;
  }
}

Status run(const std::string &folder, bool decode, bool json) {
  GPTC_TRY(TokenizerFiles files, readTokenizerFiles(folder));
  auto tokenizer = Tokenizer::create(files);
  if (!tokenizer)
    return tl::unexpected(tokenizer.error().in("'" + folder + "'"));
  GPTC_TRY(std::string input, readStandardInput());
  if (!decode) {
    std::vector<int32_t> ids = (*tokenizer)->encode(input);
    if (json)
      printJson({{"ids", ids}});
    else
      print(formatIds(ids, ' ') + "\n");
    return {};
  }
  GPTC_TRY(std::vector<int32_t> ids, readIds(input));
  GPTC_TRY(std::string text, (*tokenizer)->decode(ids));
  if (json)
    printJson({{"text", text}});
  else
    print(text);
  return {};
}

} // namespace

void addTokenize(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "tokenize", "Turn standard input into token ids, or back");
  auto folder = std::make_shared<std::string>();
  auto decode = std::make_shared<bool>(false);
  auto json = std::make_shared<bool>(false);
  command
      ->add_option("DIR", *folder,
                   "Folder with vocab.json and merges.txt, or tokenizer.json")
      ->required();
  command->add_flag("--decode", *decode,
                    "Read ids, write their bytes and nothing else");
  command->add_flag(
      "--json", *json,
      "Print JSON; of text, bytes that are no UTF-8 are replaced");
  command->footer("Example: echo -n 'To be' | gptc tokenize gpt2/");
  command->callback([&action, folder, decode, json] {
    action = [=] { return run(*folder, *decode, *json); };
  });
}

} // namespace gptc::tool
