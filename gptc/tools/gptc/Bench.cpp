//===- Bench.cpp - gptc bench ---------------------------------------------===//

#include "CommandLine.h"

#include "gptc/runtime/session/Arguments.h"
#include "gptc/runtime/session/Benchmark.h"

namespace gptc::tool {

namespace {

struct Options {
  std::string file, entry;
  BenchmarkOptions benchmark;
  RunOptions run;
  bool json = false;
};

double giga(double value) { return value * 1e-9; }

/// The members that entries and kernels share.
void addRates(Json &json, const MeasuredWork &work) {
  bool any = work.seconds > 0;
  json["gflop_s"] = any ? giga(work.flops / work.seconds) : 0;
  json["gb_s"] = any ? giga(work.bytes / work.seconds) : 0;
  json["share_of_roof"] = work.shareOfRoof;
}

double sumOf(const std::vector<MeasuredKernel> &kernels) {
  double seconds = 0;
  for (const MeasuredKernel &kernel : kernels)
    seconds += kernel.work.seconds;
  return std::max(seconds, 1e-12);
}

Json entryJson(const MeasuredEntry &entry) {
  Json json = {{"name", entry.name},
               {"tokens", entry.tokens},
               {"position", entry.position},
               {"repeats", entry.repeats},
               {"seconds", entry.work.seconds},
               {"tokens_per_s", double(entry.tokens) / entry.work.seconds}};
  addRates(json, entry.work);
  json["kernels"] = Json::array();
  for (const MeasuredKernel &kernel : entry.kernels) {
    Json one = {{"name", kernel.name},
                {"family", kernel.family},
                {"product_by", kernel.library.empty()
                                   ? "generated code"
                                   : "oneDNN " + kernel.library},
                {"dispatches", kernel.dispatches},
                {"seconds", kernel.work.seconds},
                {"share_of_time", kernel.work.seconds / sumOf(entry.kernels)}};
    addRates(one, kernel.work);
    json["kernels"].push_back(one);
  }
  return json;
}

Json roofJson(const Roof &roof) {
  Json json = {
      {"read_gb_s", giga(roof.readBytes)},
      {"gflop_s",
       {{"f32", giga(roof.f32)}, {"bf16", nullptr}, {"int8", nullptr}}}};
  if (roof.bf16)
    json["gflop_s"]["bf16"] = giga(*roof.bf16);
  if (roof.int8)
    json["gflop_s"]["int8"] = giga(*roof.int8);
  return json;
}

/// ", 455 in bf16"; nothing where no peak was measured.
std::string peakOf(const std::optional<double> &peak, const char *type) {
  return peak ? fmt::format(", {:.0f} in {}", giga(*peak), type) : "";
}

/// "GFLOP/s GB/s share" in columns.
std::string ratesOf(const MeasuredWork &work) {
  double seconds = std::max(work.seconds, 1e-12);
  return fmt::format("{:>10.1f}{:>9.1f}{:>8.1f} %", giga(work.flops / seconds),
                     giga(work.bytes / seconds), 100 * work.shareOfRoof);
}

void printEntry(const MeasuredEntry &entry) {
  print(fmt::format("\n{}: {} token{} after {}, median of {} runs {:.3f} ms, "
                    "{:.1f} tokens/s\n",
                    entry.name, entry.tokens, entry.tokens == 1 ? "" : "s",
                    entry.position, entry.repeats, entry.work.seconds * 1e3,
                    double(entry.tokens) / entry.work.seconds));
  std::vector<std::string> names;
  size_t width = 33;
  for (const MeasuredKernel &kernel : entry.kernels) {
    names.push_back(fmt::format("{} {}", kernel.family, kernel.name));
    width = std::max(width, names.back().size());
  }
  print(fmt::format("  {:<{}} {:>6}{:>10}{:>9}{:>10}{:>9}{:>10}\n", "", width,
                    "runs", "ms", "time", "GFLOP/s", "GB/s", "of roof"));
  print(fmt::format("  {:<{}} {:>6}{:>10.3f}{:>9}{}\n", "all", width, "",
                    entry.work.seconds * 1e3, "", ratesOf(entry.work)));
  for (size_t i = 0; i < names.size(); ++i) {
    const MeasuredKernel &kernel = entry.kernels[i];
    print(fmt::format(
        "  {:<{}} {:>6}{:>10.3f}{:>7.1f} %{}{}\n", names[i], width,
        kernel.dispatches, kernel.work.seconds * 1e3,
        100 * kernel.work.seconds / sumOf(entry.kernels), ratesOf(kernel.work),
        kernel.library.empty() ? "" : "  oneDNN " + kernel.library));
  }
}

/// Looks at --position before anything is measured.
Status checkPosition(const Options &options, const Artifact &artifact,
                     const std::vector<uint32_t> &entries) {
  bool cached = false;
  for (uint32_t entry : entries) {
    GPTC_CHECK(benchmarkPosition(artifact, entry, options.benchmark));
    cached = cached || runsOverCaches(*artifact.manifest().entries[entry]);
  }
  if (options.benchmark.position && !cached)
    return failure(ErrorCode::InvalidArgument,
                   "--position: {} over no cache; it is for prefill and decode",
                   options.entry.empty() ? "no entry runs"
                                         : "'" + options.entry + "' runs");
  return {};
}

/// The entries to measure, in the manifest's order.
Expected<std::vector<uint32_t>> entriesOf(const Options &options,
                                          const Executable &program) {
  const Artifact &artifact = program.artifact();
  std::vector<uint32_t> entries;
  if (!options.entry.empty()) {
    GPTC_TRY(uint32_t entry, requireEntry(artifact, options.entry));
    entries.push_back(entry);
  } else {
    for (uint32_t i = 0; i < artifact.manifest().entries.size(); ++i)
      entries.push_back(i);
  }
  std::erase_if(entries, [&](uint32_t i) { return !program.has(i); });
  if (entries.empty())
    return failure(ErrorCode::NotFound, "'{}' has nothing to run on {}",
                   options.file, program.name());
  GPTC_CHECK(checkPosition(options, artifact, entries));
  return entries;
}

/// Measures the entries, and the roof before and after each.
Expected<std::vector<MeasuredEntry>>
measure(const Options &options, Executable &program, RoofMeter &meter) {
  const artifact::ManifestT &manifest = program.artifact().manifest();
  GPTC_TRY(auto entries, entriesOf(options, program));
  ProgressLine line;
  line.show("measuring the machine");
  GPTC_CHECK(meter.measure());
  std::vector<MeasuredEntry> measured;
  for (uint32_t entry : entries) {
    line.show("measuring " + manifest.entries[entry]->name);
    GPTC_TRY(MeasuredEntry one, benchmark(program, entry, options.benchmark));
    measured.push_back(std::move(one));
    GPTC_CHECK(meter.measure());
  }
  for (MeasuredEntry &entry : measured)
    rate(entry, program, meter.roof());
  return measured;
}

Status run(const Options &options) {
  if (options.run.backend == "reference")
    return failure(ErrorCode::Unsupported,
                   "--backend: bench holds kernels against the machine's roof, "
                   "and the reference has none; 'gptc compare' tells its time");
  GPTC_TRY(auto artifact, Artifact::open(options.file));
  GPTC_TRY(auto program, loadExecutable(std::move(artifact), options.run));
  GPTC_CHECK(tellOtherWeights(program->artifact(), options.run.checkpoint));
  // What a long generation reads from.
  program->moveWeights(program->mappedBytes());
  GPTC_TRY(auto meter, program->createRoofMeter());
  GPTC_TRY(auto measured, measure(options, *program, *meter));
  const Roof &roof = meter->roof();
  if (options.json) {
    Json json = {{"roof", roofJson(roof)},
                 {"cpu", cpuName()},
                 {"backend", program->name()},
                 {"variant", program->variant()},
                 {"threads", program->threadCount()},
                 {"version", GPTC_VERSION},
                 {"entries", Json::array()}};
    for (const MeasuredEntry &entry : measured)
      json["entries"].push_back(entryJson(entry));
    printJson(json);
    return {};
  }
  print(fmt::format("{}: {}, {}, gptc {}\n"
                    "roof: {:.1f} GB/s of reading; GFLOP/s: {:.0f} in "
                    "f32{}{}\n",
                    options.file, cpuName(), program->name(), GPTC_VERSION,
                    giga(roof.readBytes), giga(roof.f32),
                    peakOf(roof.bf16, "bf16"), peakOf(roof.int8, "int8")));
  for (const MeasuredEntry &entry : measured)
    printEntry(entry);
  return {};
}

} // namespace

void addBench(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand(
      "bench", "Time each entry point and kernel against this machine's roof");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "The artifact")->required();
  command->add_option("--entry", options->entry,
                      "Entry point (default: all of them)");
  command
      ->add_option("--repeat", options->benchmark.repeats,
                   "Runs to take the median of (default: a second of them)")
      ->check(wholeUpTo(uint64_t(1) << 20, 1));
  command->add_option("--position", options->benchmark.position,
                      "Tokens in the cache (default: none for prefill, half "
                      "of the context for decode)");
  options->run.add(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: gptc bench gpt2.gptc --entry decode");
  command->callback(
      [&action, options] { action = [options] { return run(*options); }; });
}

} // namespace gptc::tool
