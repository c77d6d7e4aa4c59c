// Loads an artifact and continues a prompt, which is text or, where the
// artifact carries no tokenizer, token ids: embed FILE.gptc "5 9 2"
#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/session/TextGeneration.h"

#include <iostream>
#include <sstream>

static gptc::Status run(const std::string &file, const std::string &text) {
  GPTC_TRY(auto artifact, gptc::Artifact::open(file));
  GPTC_TRY(auto tokenizer, gptc::tokenizerOf(*artifact)); // Or null.
  GPTC_TRY(auto program, gptc::Program::load(artifact, {}));
  GPTC_TRY(auto session, gptc::Session::create(std::move(program)));
  std::vector<std::vector<int32_t>> prompts(1);
  if (tokenizer)
    prompts[0] = tokenizer->encode(text);
  std::istringstream list(text);
  for (int32_t id; !tokenizer && list >> id;)
    prompts[0].push_back(id);
  auto print = [&](uint32_t, int32_t id, std::string_view piece) {
    if (tokenizer)
      std::cout << piece << std::flush;
    else if (id >= 0)
      std::cout << id << ' ' << std::flush;
  };
  gptc::GenerationOptions options;
  options.maxTokens = 64;
  GPTC_CHECK(generate(*session, tokenizer.get(), prompts, options, print));
  std::cout << '\n';
  return {};
}

int main(int argc, char **argv) {
  gptc::Status status = run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
  if (!status)
    std::cerr << status.error().message() << '\n';
  return status ? 0 : 1;
}
