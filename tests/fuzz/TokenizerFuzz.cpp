// The input is a list of files: each begins with "@@", its name and a line
// break. The one called "text" is encoded, decoded and streamed.

#include "gptc/runtime/text/StreamDecoder.h"
#include "tests/fuzz/Fuzz.h"

using namespace gptc;

static TokenizerFiles split(std::string_view input) {
  TokenizerFiles files;
  while (!input.empty()) {
    size_t end = std::min(input.find("@@", 1), input.size());
    std::string_view file = input.substr(0, end);
    input.remove_prefix(end);
    size_t line = file.find('\n');
    if (!file.starts_with("@@") || line == std::string_view::npos)
      continue;
    files.emplace(file.substr(2, line - 2), file.substr(line + 1));
  }
  return files;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  TokenizerFiles files = split({reinterpret_cast<const char *>(data), size});
  auto created = Tokenizer::create(files);
  if (!created) {
    if (created.error().code() != ErrorCode::NotFound)
      requireSentence(created.error());
    return 0;
  }
  const Tokenizer &tokenizer = **created;
  require(tokenizer.endOfText().value_or(-1) <
          int64_t(tokenizer.vocabularySize()));
  std::vector<int32_t> ids = tokenizer.encode(files["text"]);
  auto text = tokenizer.decode(ids);
  require(text.has_value());
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (int32_t id : ids)
    streamed += decoder.push(id).value();
  require(streamed + decoder.finish() == *text);
  int32_t outside = int32_t(tokenizer.vocabularySize());
  require(!tokenizer.decode({&outside, 1}));
  return 0;
}
