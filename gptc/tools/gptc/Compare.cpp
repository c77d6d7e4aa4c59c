//===- Compare.cpp - gptc compare -----------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/session/Comparison.h"

#include <algorithm>
#include <array>
#include <functional>

namespace gptc::tool {

namespace {

struct Options {
  std::string files[2];
  std::vector<std::string> backends;
  std::string entry;
  ComparisonOptions comparison;
  RunOptions run;
  bool json = false, markdown = false, bisect = false;
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

Json bisectJson(const Comparison &comparison, double tolerance) {
  Json json{{"tolerance", tolerance}, {"first", nullptr}};
  if (!comparison.firstDifference)
    return json;
  const FirstDifference &first = *comparison.firstDifference;
  Json found{{"dispatch", first.dispatch},
             {"kernel", first.kernel},
             {"scope", first.scope},
             {"absolute_error", first.outputs.absolute},
             {"relative_error", first.outputs.relative}};
  if (first.inputs) {
    found["inputs_relative_error"] = first.inputs->relative;
    found["output"] = first.output;
    found["element"] = first.element;
    found["values"] = {first.values[0], first.values[1]};
  }
  json["first"] = found;
  return json;
}

/// What the search did not look at, and what the entry left in variables.
std::string restText(const Comparison &comparison, double tolerance) {
  std::string text;
  if (comparison.unmatched > 0)
    text += fmt::format(
        " {} dispatch{} without a counterpart {} not looked at, the first in "
        "{}.",
        comparison.unmatched, comparison.unmatched == 1 ? "" : "es",
        comparison.unmatched == 1 ? "was" : "were",
        comparison.unmatchedScopes.front().empty()
            ? "(no scope)"
            : comparison.unmatchedScopes.front());
  auto worst =
      std::max_element(comparison.variables.begin(), comparison.variables.end(),
                       [](const NamedError &a, const NamedError &b) {
                         return a.size.relative < b.size.relative;
                       });
  if (worst != comparison.variables.end() && worst->size.relative > tolerance)
    text += fmt::format(" The variable {} differs by {:.3e} afterwards.",
                        worst->name, worst->size.relative);
  return text;
}

std::string bisectText(const Comparison &comparison, double tolerance) {
  if (!comparison.firstDifference)
    return fmt::format(
        "\nNo kernel's outputs differ by more than {:g} of their "
        "largest value.{}\n",
        tolerance, restText(comparison, tolerance));
  const FirstDifference &first = *comparison.firstDifference;
  std::string text = fmt::format(
      "\nThe first kernel whose outputs differ by more than {:g} of their "
      "largest value is {}, dispatch {}, in {}: {:.3e}",
      tolerance, first.kernel, first.dispatch,
      first.scope.empty() ? "(no scope)" : first.scope, first.outputs.relative);
  if (first.inputs)
    text += fmt::format(", where what it reads differs by {:.3e}; element {} "
                        "of output {} is {:.7g} and {:.7g}",
                        first.inputs->relative, first.element, first.output,
                        first.values[0], first.values[1]);
  return text + ".\n";
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

bool differs(const NamedError &error) {
  return error.size.absolute != 0 || error.size.relative != 0;
}

/// Some of the largest errors.
std::vector<NamedError> largestOf(std::vector<NamedError> errors) {
  constexpr size_t shown = 12;
  std::sort(errors.begin(), errors.end(),
            [](const NamedError &a, const NamedError &b) {
              return a.size.relative != b.size.relative
                         ? a.size.relative > b.size.relative
                         : a.name < b.name;
            });
  errors.resize(std::min(errors.size(), shown));
  return errors;
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
  if (!comparison.variables.empty())
    printErrors(markdown, "variable, largest errors first",
                largestOf(comparison.variables));
  if (comparison.matched + comparison.unmatched == 0)
    return;
  // The worst ones tell where it begins; --json has all.
  auto differ = size_t(std::count_if(comparison.scopes.begin(),
                                     comparison.scopes.end(), differs));
  std::vector<NamedError> worst = largestOf(comparison.scopes);
  std::erase_if(worst, std::not_fn(differs));
  if (differ > 0)
    printErrors(markdown, "scope, largest errors first", worst);
  print(fmt::format("\n{} of {} scopes differ, {} shown; {} dispatches "
                    "compared, {} have no counterpart\n",
                    differ, comparison.scopes.size(), worst.size(),
                    comparison.matched, comparison.unmatched));
}

/// Takes from a side what only the other one can use: a device, threads, or a
/// folder with weights where it carries its own.
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
    if (backends[i] == "reference" && backends[1 - i] != "reference")
      sides[i].threads = 0;
  }
}

/// What kernels of one type differ by at most where both are right, with room:
/// errors of all that came before are in it.
double toleranceFor(const Artifact &a, const Artifact &b) {
  double tolerance = 1e-4;
  for (const Artifact *one : {&a, &b})
    for (const auto &target : one->manifest().targets)
      if (target->type == artifact::ElementType::BF16)
        tolerance = std::max(tolerance, 0.05);
      else if (target->type == artifact::ElementType::F16)
        tolerance = std::max(tolerance, 0.01);
  return tolerance;
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
  ComparisonOptions settings = options.comparison;
  if (options.bisect && !settings.tolerance)
    settings.tolerance = toleranceFor(*first, *second);
  if (!options.bisect && settings.tolerance)
    return failure(ErrorCode::InvalidArgument,
                   "--tolerance: {:g} is what --bisect goes by; add --bisect",
                   *settings.tolerance);
  RunOptions sides[2] = {options.run, options.run};
  shareOptions(sides, {first.get(), second.get()}, backends);
  GPTC_TRY(auto firstRunner, loadRunner(first, sides[0]));
  GPTC_TRY(auto secondRunner, loadRunner(second, sides[1]));
  GPTC_CHECK(tellOtherWeights(*first, sides[0].checkpoint));
  if (two)
    GPTC_CHECK(tellOtherWeights(*second, sides[1].checkpoint));
  GPTC_TRY(Comparison comparison,
           compare(*firstRunner, *secondRunner, entry, settings));
  Runner *runners[2] = {firstRunner.get(), secondRunner.get()};
  if (!options.json) {
    printText(comparison, runners, options.markdown);
    if (options.bisect)
      print(bisectText(comparison, *settings.tolerance));
    return {};
  }
  Json json{{"entry", comparison.entry},
            {"position", comparison.position},
            {"cpu", cpuName()},
            {"version", GPTC_VERSION},
            {"sides",
             {sideJson(*runners[0], comparison.seconds[0]),
              sideJson(*runners[1], comparison.seconds[1])}},
            {"results", errorsJson(comparison.results, "name")},
            {"scopes", errorsJson(comparison.scopes, "scope")},
            {"variables", errorsJson(comparison.variables, "name")},
            {"dispatches_compared", comparison.matched},
            {"dispatches_without_counterpart", comparison.unmatched},
            {"scopes_without_counterpart", comparison.unmatchedScopes}};
  if (options.bisect)
    json["bisect"] = bisectJson(comparison, *settings.tolerance);
  printJson(json);
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
  command->add_flag("--bisect", options->bisect,
                    "Name the first kernel whose outputs differ");
  command
      ->add_option("--tolerance", options->comparison.tolerance,
                   "Of --bisect: by how much of its largest value an output "
                   "may differ (0.0001, 0.01 with products in f16, or "
                   "0.05 in bf16)")
      ->check(finiteNotNegative());
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
