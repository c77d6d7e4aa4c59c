//===- Run.cpp - gptc run -------------------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/session/Arguments.h"
#include "gptc/runtime/session/Runner.h"

#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>

namespace gptc::tool {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string file, entry;
  std::vector<std::string> inputs, outputs;
  RunOptions run;
  bool json = false;
};

/// NAME=VALUE, split at the first '='.
Expected<std::pair<std::string, std::string>>
splitPair(const std::string &text, const std::string &option) {
  size_t at = text.find('=');
  if (at == 0 || at == std::string::npos || at + 1 == text.size())
    return failure(ErrorCode::InvalidArgument,
                   "{}: '{}' is not of the form NAME=@FILE.npy", option, text);
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

/// NAME=@FILE.
Expected<std::pair<std::string, std::string>>
splitFile(const std::string &text, const std::string &option) {
  GPTC_TRY(auto pair, splitPair(text, option));
  if (pair.second.size() < 2 || pair.second[0] != '@')
    return failure(ErrorCode::InvalidArgument,
                   "{}: '{}' is not of the form NAME=@FILE.npy", option, text);
  pair.second.erase(0, 1);
  return pair;
}

/// A number for a scalar argument, of the argument's own type.
Expected<NpyArray> parseScalar(const std::string &text,
                               const artifact::ParameterT &parameter) {
  auto parse = [&](auto value) -> Expected<NpyArray> {
    auto [end, code] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size())
      return failure(ErrorCode::InvalidArgument,
                     "--input: '{}' is no {} for the scalar '{}'", text,
                     toString(toDataType(parameter.type)), parameter.name);
    NpyArray array{toDataType(parameter.type), {}, {}};
    array.bytes.resize(sizeof(value));
    std::memcpy(array.bytes.data(), &value, sizeof(value));
    return array;
  };
  switch (toDataType(parameter.type)) {
  case DataType::I32:
    return parse(int32_t());
  case DataType::I64:
    return parse(int64_t());
  case DataType::F64:
    return parse(double());
  case DataType::F32:
    return parse(float());
  default:
    return failure(ErrorCode::Unsupported,
                   "--input: the scalar '{}' is of type {}; give it as @FILE",
                   parameter.name, toString(toDataType(parameter.type)));
  }
}

Expected<std::map<std::string, NpyArray>>
readInputs(const Options &options, const artifact::EntryT &entry) {
  std::map<std::string, NpyArray> inputs;
  for (const std::string &text : options.inputs) {
    GPTC_TRY(auto pair, splitPair(text, "--input"));
    if (inputs.contains(pair.first))
      return failure(ErrorCode::InvalidArgument,
                     "--input: '{}' is given a second time", pair.first);
    auto scalar = std::find_if(entry.arguments.begin(), entry.arguments.end(),
                               [&](const auto &one) {
                                 return one->name == pair.first && one->scalar;
                               });
    if (scalar != entry.arguments.end() && pair.second[0] != '@') {
      GPTC_TRY(inputs[pair.first], parseScalar(pair.second, **scalar));
      continue;
    }
    GPTC_TRY(pair, splitFile(text, "--input"));
    GPTC_TRY(inputs[pair.first], readNpy(pair.second));
  }
  return inputs;
}

/// Which result goes to which file.
struct Output {
  size_t result;
  std::string path;
};

Expected<std::vector<Output>> parseOutputs(const Options &options,
                                           const artifact::EntryT &entry) {
  std::vector<Output> outputs;
  for (const std::string &text : options.outputs) {
    GPTC_TRY(auto pair, splitFile(text, "--output"));
    size_t index = 0;
    std::string names;
    for (; index < entry.results.size(); ++index) {
      if (entry.results[index]->name == pair.first)
        break;
      names += (index ? ", " : "") + entry.results[index]->name;
    }
    if (index == entry.results.size())
      return failure(ErrorCode::InvalidArgument,
                     "entry '{}' gives no result '{}'; it gives {}", entry.name,
                     pair.first, names);
    outputs.push_back({index, pair.second});
  }
  return outputs;
}

namespace fs = std::filesystem;

bool sameFile(const std::string &a, const std::string &b) {
  std::error_code code;
  if (fs::equivalent(a, b, code))
    return true;
  fs::path first = fs::weakly_canonical(a, code);
  return !code && first == fs::weakly_canonical(b, code) && !code;
}

/// Whether `path` is one of a checkpoint's files. An array beside them is none.
bool isOfCheckpoint(const std::string &path, const std::string &folder) {
  std::error_code code;
  return !folder.empty() && fs::exists(path, code) &&
         fs::path(path).extension() != ".npy" &&
         fs::equivalent(fs::absolute(path, code).parent_path(), folder, code);
}

/// Refuses outputs that would replace what is read, or each other.
Status checkOutputs(const Options &options, const Artifact &artifact,
                    const std::vector<Output> &outputs) {
  std::string checkpoint = options.run.checkpoint.empty()
                               ? artifact.manifest().source->checkpoint
                               : options.run.checkpoint;
  auto refuse = [](const std::string &path, const std::string &what) {
    return failure(ErrorCode::InvalidArgument,
                   "--output: '{}' is {}; write to another file", path, what);
  };
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string &path = outputs[i].path;
    if (sameFile(path, options.file))
      return refuse(path, "the artifact");
    if (isOfCheckpoint(path, checkpoint))
      return refuse(path, "a file of the artifact's checkpoint");
    for (const std::string &text : options.inputs) {
      size_t at = text.find("=@");
      if (at != std::string::npos && sameFile(path, text.substr(at + 2)))
        return refuse(path, "an input");
    }
    for (size_t j = 0; j < i; ++j)
      if (sameFile(path, outputs[j].path))
        return refuse(path, "to be written twice");
  }
  return {};
}

/// Writes all or none.
Status writeOutputs(const std::vector<Output> &outputs,
                    const std::vector<NpyArray> &results) {
  std::vector<AtomicFile> files;
  for (const Output &output : outputs) {
    GPTC_TRY(AtomicFile file, stageNpy(output.path, results[output.result]));
    files.push_back(std::move(file));
  }
  for (AtomicFile &file : files)
    GPTC_CHECK(file.commit());
  return {};
}

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Status run(const Options &options) {
  Clock::time_point begin = Clock::now();
  GPTC_TRY(auto file, Artifact::open(options.file));
  GPTC_TRY(uint32_t index, requireEntry(*file, options.entry));
  const artifact::EntryT &entry = *file->manifest().entries[index];
  // Everything that can be wrong is looked at before the weights are read.
  GPTC_TRY(std::vector<Output> outputs, parseOutputs(options, entry));
  GPTC_CHECK(checkOutputs(options, *file, outputs));
  GPTC_TRY(auto inputs, readInputs(options, entry));
  GPTC_TRY(BoundArguments arguments,
           bindArguments(*file, index, std::move(inputs)));
  GPTC_TRY(auto runner, loadRunner(file, options.run));
  GPTC_CHECK(tellOtherWeights(*file, options.run.checkpoint));
  if (!runner->has(index))
    return failure(ErrorCode::NotFound, "'{}' has entry '{}' not for {}",
                   options.file, options.entry, runner->name());
  double loadSeconds = secondsSince(begin);
  double seconds = 0;
  GPTC_TRY(std::vector<NpyArray> results,
           runner->run(index, arguments.arrays, &seconds));
  for (size_t i = 0; i < results.size(); ++i)
    results[i] = cutResult(*file, index, i, arguments, std::move(results[i]));
  GPTC_CHECK(writeOutputs(outputs, results));

  if (options.json) {
    Json json = {{"entry", options.entry},
                 {"backend", runner->name()},
                 {"load_seconds", loadSeconds},
                 {"run_seconds", seconds},
                 {"results", Json::array()}};
    for (size_t i = 0; i < results.size(); ++i) {
      Json result = {{"name", entry.results[i]->name},
                     {"type", toString(results[i].type)},
                     {"shape", results[i].shape},
                     {"file", nullptr}};
      for (const Output &output : outputs)
        if (output.result == i)
          result["file"] = output.path;
      json["results"].push_back(result);
    }
    printJson(json);
    return {};
  }
  for (const Output &output : outputs)
    print(fmt::format(
        "{}: {} in {}\n", entry.results[output.result]->name,
        describe(results[output.result].type, results[output.result].shape),
        output.path));
  print(fmt::format("ran {} on {} in {:.3f} ms\n", options.entry,
                    runner->name(), seconds * 1e3));
  return {};
}

} // namespace

void addRun(CLI::App &app, Action &action) {
  CLI::App *command =
      app.add_subcommand("run", "Run any entry point on .npy arrays");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "The artifact")->required();
  command->add_option("--entry", options->entry, "Entry point")->required();
  command
      ->add_option("--input", options->inputs,
                   "NAME=@FILE.npy; a scalar may be NAME=NUMBER")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--output", options->outputs, "NAME=@FILE.npy to write")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  options->run.add(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc run gpt2.gptc --entry logits "
                  "--input tokens=@tokens.npy --output logits=@logits.npy");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
