//===- Compare.cpp - gptc compare -----------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/session/Comparison.h"

#include <algorithm>
#include <array>

namespace gptc::tool {

namespace {

struct Options {
  std::string files[2];
  std::vector<std::string> backends;
  std::string entry;
  ComparisonOptions comparison;
  RunOptions run;
  bool json = false, markdown = false;
};

/// The entry to compare where none is named: all of a text, or what there is.
Expected<std::string> defaultEntry(const Artifact &a, const Artifact &b) {
  std::vector<std::string> common;
  for (const auto &entry : a.manifest().entries)
    if (b.findEntry(entry->name) >= 0)
      common.push_back(entry->name);
  if (common.empty())
    return failure(ErrorCode::NotFound,
                   "'{}' and '{}' have no entry of the same name", a.path(),
                   b.path());
  for (const char *name : {"logits", "decode"})
    if (std::find(common.begin(), common.end(), name) != common.end())
      return std::string(name);
  return common.front();
}

Json errorsJson(const std::vector<NamedError> &errors, const char *key) {
  Json json = Json::array();
  for (const NamedError &error : errors)
    json.push_back({{key, error.name},
                    {"absolute_error", error.size.absolute},
                    {"relative_error", error.size.relative}});
  return json;
}

Json sideJson(Runner &runner, double seconds) {
  return {{"file", runner.artifact().path()},
          {"backend", runner.name()},
          {"compiler", runner.artifact().manifest().compiler_version},
          {"source_hash", runner.artifact().manifest().source_hash},
          {"seconds", seconds}};
}

using Row = std::array<std::string, 3>;

/// Prints a table, the first line of which is its head.
void printTable(bool markdown, const std::vector<Row> &rows) {
  size_t width = 40;
  for (const Row &row : rows)
    width = std::max(width, row[0].size());
  std::string text = "\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto &[a, b, c] = rows[i];
    text += markdown ? fmt::format("| {} | {} | {} |\n", a, b, c)
                     : fmt::format("{:<{}}{:>12}{:>12}\n", a, width, b, c);
    if (markdown && i == 0)
      text += "|---|---:|---:|\n";
  }
  print(text);
}

void printErrors(bool markdown, const std::string &head,
                 const std::vector<NamedError> &errors) {
  std::vector<Row> rows{{head, "abs. error", "rel. error"}};
  for (const NamedError &error : errors)
    rows.push_back({error.name.empty() ? "(no scope)" : error.name,
                    fmt::format("{:.3e}", error.size.absolute),
                    fmt::format("{:.3e}", error.size.relative)});
  printTable(markdown, rows);
}

void printText(const Comparison &comparison, Runner *runners[2],
               bool markdown) {
  print(fmt::format("{}{} after {} tokens, gptc {}, {}\n",
                    markdown ? "### " : "", comparison.entry,
                    comparison.position, GPTC_VERSION, cpuName()));
  std::vector<Row> sides{{"side", "ms", "compiler"}};
  for (int i : {0, 1})
    sides.push_back({fmt::format("{} ({})", runners[i]->artifact().path(),
                                 runners[i]->name()),
                     fmt::format("{:.3f}", comparison.seconds[i] * 1e3),
                     runners[i]->artifact().manifest().compiler_version});
  printTable(markdown, sides);
  printErrors(markdown, "result", comparison.results);
  if (comparison.matched + comparison.unmatched == 0)
    return;
  // The worst ones tell where it begins; --json has all.
  std::vector<NamedError> worst = comparison.scopes;
  std::sort(worst.begin(), worst.end(),
            [](const NamedError &a, const NamedError &b) {
              return a.size.relative != b.size.relative
                         ? a.size.relative > b.size.relative
                         : a.name < b.name;
            });
  constexpr size_t shown = 12;
  std::erase_if(worst, [](const NamedError &error) {
    return error.size.absolute == 0 && error.size.relative == 0;
  });
  size_t differ = worst.size();
  worst.resize(std::min(worst.size(), shown));
  if (differ > 0)
    printErrors(markdown, "scope, largest errors first", worst);
  print(fmt::format("\n{} of {} scopes differ, {} shown; {} dispatches "
                    "compared, {} have no counterpart\n",
                    differ, comparison.scopes.size(), worst.size(),
                    comparison.matched, comparison.unmatched));
}

/// Takes from a side what only the other one can use: a device, or a folder
/// with weights where it carries its own.
void shareOptions(RunOptions (&sides)[2],
                  std::array<const Artifact *, 2> artifacts,
                  const std::vector<std::string> &backends) {
  bool device[2], carries[2];
  for (size_t i : {0, 1}) {
    sides[i].backend = backends[i];
    device[i] = sides[i].usesVulkan(*artifacts[i]);
    carries[i] = artifacts[i]->manifest().source->embedded;
  }
  for (size_t i : {0, 1}) {
    if (!device[i] && device[1 - i])
      sides[i].device.clear();
    if (carries[i] && !carries[1 - i])
      sides[i].checkpoint.clear();
  }
}

Status run(const Options &options) {
  bool two = !options.files[1].empty();
  std::vector<std::string> backends = options.backends;
  if (backends.empty() && two)
    backends = {"cpu", "cpu"};
  GPTC_TRY(auto first, Artifact::open(options.files[0]));
  if (backends.empty() && first->findTarget("reference"))
    backends = {"cpu", "reference"};
  if (backends.size() != 2)
    return failure(ErrorCode::InvalidArgument,
                   "there is nothing to compare '{}' with: give a second "
                   "artifact, or two backends as --backends A,B (compile with "
                   "--target cpu,reference to compare with the reference)",
                   options.files[0]);
  auto second = first;
  if (two) {
    GPTC_TRY(second, Artifact::open(options.files[1]));
  }
  std::string entry = options.entry;
  if (entry.empty()) {
    GPTC_TRY(entry, defaultEntry(*first, *second));
  }
  RunOptions sides[2] = {options.run, options.run};
  shareOptions(sides, {first.get(), second.get()}, backends);
  GPTC_TRY(auto firstRunner, loadRunner(first, sides[0]));
  GPTC_TRY(auto secondRunner, loadRunner(second, sides[1]));
  GPTC_CHECK(tellOtherWeights(*first, sides[0].checkpoint));
  if (two)
    GPTC_CHECK(tellOtherWeights(*second, sides[1].checkpoint));
  GPTC_TRY(Comparison comparison,
           compare(*firstRunner, *secondRunner, entry, options.comparison));
  Runner *runners[2] = {firstRunner.get(), secondRunner.get()};
  if (!options.json) {
    printText(comparison, runners, options.markdown);
    return {};
  }
  printJson({{"entry", comparison.entry},
             {"position", comparison.position},
             {"cpu", cpuName()},
             {"version", GPTC_VERSION},
             {"sides",
              {sideJson(*runners[0], comparison.seconds[0]),
               sideJson(*runners[1], comparison.seconds[1])}},
             {"results", errorsJson(comparison.results, "name")},
             {"scopes", errorsJson(comparison.scopes, "scope")},
             {"dispatches_compared", comparison.matched},
             {"dispatches_without_counterpart", comparison.unmatched}});
  return {};
}

} // namespace

void addCompare(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "compare", "Run one entry point in two ways: times and largest errors");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files[0], "The artifact")->required();
  command->add_option("FILE2", options->files[1],
                      "A second artifact with the same entry");
  command
      ->add_option(
          "--backends", options->backends,
          "Two backends, one for each side: cpu, an instruction set of it as "
          "cpu:x86-64-v3, vulkan, a variant of it as vulkan:software, or "
          "reference")
      ->delimiter(',')
      ->expected(2);
  command->add_option("--entry", options->entry,
                      "Entry point (default: logits, decode or the first)");
  command->add_option("--seed", options->comparison.seed,
                      "Seed of the random arguments");
  command
      ->add_option("--repeat", options->comparison.repeats,
                   "Runs to take the median time of; the reference runs once")
      ->check(wholeUpTo(uint64_t(1) << 20, 1));
  options->run.addMachine(*command);
  options->run.addCheckpoint(*command);
  auto *json = command->add_flag("--json", options->json, "Print JSON");
  command->add_flag("--markdown", options->markdown, "Print Markdown")
      ->excludes(json);
  command->footer("Example: gptc compare gpt2.gptc --backends "
                  "cpu:x86-64-v4,cpu:x86-64-v3 --entry decode");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
