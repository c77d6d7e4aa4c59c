//===- Benchmark.cpp ------------------------------------------------------===//

#include "gptc/runtime/session/Benchmark.h"

#include "gptc/runtime/session/Arguments.h"
#include "gptc/runtime/session/Runner.h"

#include <algorithm>
#include <chrono>
#include <set>

namespace gptc {

namespace {

using Clock = std::chrono::steady_clock;

/// How much of what the manifest counts an entry does at a position.
struct CacheUse {
  double bytes = 1; ///< By the cache's rows.
  double pairs = 1; ///< By the pairs of query and key.
};

CacheUse cacheUse(uint64_t position, uint64_t rows, uint64_t capacity) {
  auto pairs = [&](uint64_t first) {
    return double(rows) * double(first) + double(rows) * double(rows + 1) / 2;
  };
  // Manifests count a single row as the last that fits, many as the first.
  return {double(position + rows) / double(capacity),
          pairs(position) / pairs(rows == 1 ? capacity - 1 : 0)};
}

/// The shape of the entry's tokens, or none.
const std::vector<uint64_t> *tokenShape(const artifact::EntryT &entry) {
  for (const auto &argument : entry.arguments)
    if (argument->name == "tokens" && argument->shape.size() == 2)
      return &argument->shape;
  return nullptr;
}

class Counter {
public:
  Counter(const Executable &program, uint32_t entry, CacheUse use)
      : manifest_(program.artifact().manifest()), target_(program.target()),
        description_(program.describe(entry)), use_(use) {}

  /// What is not done of a dispatch's work, since the cache is not full.
  void spared(const artifact::DispatchT &dispatch, double &flops,
              double &bytes) const {
    flops = bytes = 0;
    if (target_.kernels[dispatch.kernel]->family != artifact::Family::Attention)
      return;
    flops = double(dispatch.flops) * (1 - use_.pairs);
    std::set<uint32_t> caches;
    for (uint32_t index : dispatch.buffers) {
      const artifact::BufferT &buffer = *description_.buffers[index];
      if (buffer.space == artifact::BufferSpace::Variable &&
          manifest_.variables[buffer.index]->role == artifact::Role::Cache &&
          caches.insert(buffer.index).second)
        bytes += double(buffer.bytes) * (1 - use_.bytes);
    }
  }

private:
  const artifact::ManifestT &manifest_;
  const artifact::TargetT &target_;
  const artifact::ProgramT &description_;
  CacheUse use_;
};

void rateWork(MeasuredWork &work, double peakFlops, double peakBytes) {
  if (work.seconds > 0)
    work.shareOfRoof = std::max(work.flops / work.seconds / peakFlops,
                                work.bytes / work.seconds / peakBytes);
}

std::string familyName(artifact::Family family) {
  std::string name = artifact::EnumNameFamily(family);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return name;
}

} // namespace

Expected<uint64_t> benchmarkPosition(const Artifact &artifact, uint32_t index,
                                     const BenchmarkOptions &options) {
  const artifact::EntryT &entry = *artifact.manifest().entries[index];
  uint64_t capacity = artifact.manifest().model->capacity;
  const auto *shape = tokenShape(entry);
  if (!shape || !runsOverCaches(entry) || capacity < (*shape)[1])
    return uint64_t(0);
  uint64_t rows = (*shape)[1];
  uint64_t position = options.position.value_or(rows == 1 ? (capacity / 2) : 0);
  if (position > capacity - rows)
    return failure(ErrorCode::InvalidArgument,
                   "--position: entry '{}' takes {} token{} of the context of "
                   "{}, so that at most {} can be in the cache before, not {}",
                   entry.name, rows, rows == 1 ? "" : "s", capacity,
                   capacity - rows, position);
  return position;
}

Expected<MeasuredEntry> benchmark(Executable &program, uint32_t index,
                                  const BenchmarkOptions &options) {
  const Artifact &artifact = program.artifact();
  const artifact::EntryT &entry = *artifact.manifest().entries[index];
  const artifact::ProgramT &description = program.describe(index);
  uint64_t capacity = artifact.manifest().model->capacity;
  MeasuredEntry measured;
  measured.name = entry.name;
  GPTC_TRY(measured.position, benchmarkPosition(artifact, index, options));
  CacheUse use;
  if (const auto *shape = tokenShape(entry)) {
    uint64_t rows = (*shape)[1];
    measured.tokens = (*shape)[0] * rows;
    if (runsOverCaches(entry) && capacity >= rows)
      use = cacheUse(measured.position, rows, capacity);
  }
  setArguments(program, index,
               sampleArguments(artifact, index, 1, measured.position));

  GPTC_CHECK(program.run(index)); // Warms up.
  std::vector<double> runs;
  Clock::time_point begin = Clock::now();
  auto elapsed = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  while (options.repeats
             ? runs.size() < options.repeats
             : runs.size() < 5 || (elapsed(begin) < 1 && runs.size() < 1000)) {
    Clock::time_point start = Clock::now();
    GPTC_CHECK(program.run(index));
    runs.push_back(elapsed(start));
  }
  measured.repeats = runs.size();
  std::nth_element(runs.begin(), runs.begin() + int64_t(runs.size() / 2),
                   runs.end());
  measured.work = {runs[runs.size() / 2], double(entry.flops),
                   double(entry.bytes)};

  std::vector<double> seconds(description.dispatches.size()), sums = seconds;
  uint64_t timed = std::min<uint64_t>(measured.repeats, 20);
  for (uint64_t i = 0; i < timed; ++i) {
    GPTC_CHECK(program.run(index, seconds));
    for (size_t d = 0; d < seconds.size(); ++d)
      sums[d] += seconds[d] / double(timed);
  }
  const artifact::TargetT &target = program.target();
  std::vector<MeasuredKernel> kernels(target.kernels.size());
  Counter counter(program, index, use);
  for (size_t d = 0; d < sums.size(); ++d) {
    const artifact::DispatchT &dispatch = *description.dispatches[d];
    MeasuredKernel &kernel = kernels[dispatch.kernel];
    double flops = 0, bytes = 0;
    counter.spared(dispatch, flops, bytes);
    measured.work.flops -= flops;
    measured.work.bytes -= bytes;
    ++kernel.dispatches;
    kernel.work.seconds += sums[d];
    kernel.work.flops += double(dispatch.flops) - flops;
    kernel.work.bytes += double(dispatch.bytes) - bytes;
  }
  for (size_t k = 0; k < kernels.size(); ++k) {
    if (kernels[k].dispatches == 0)
      continue;
    artifact::Family family = target.kernels[k]->family;
    kernels[k].name = target.kernels[k]->name;
    kernels[k].family = familyName(family);
    kernels[k].library = program.libraryOf(uint32_t(k));
    measured.kernels.push_back(std::move(kernels[k]));
  }
  std::sort(measured.kernels.begin(), measured.kernels.end(),
            [](const MeasuredKernel &a, const MeasuredKernel &b) {
              return a.work.seconds > b.work.seconds;
            });
  return measured;
}

double peakOfProducts(const Executable &program, const Roof &roof) {
  const std::vector<std::string> &features = program.features();
  bool narrow = program.target().type == artifact::ElementType::BF16 &&
                roof.bf16 &&
                std::find(features.begin(), features.end(), "avx512_bf16") !=
                    features.end();
  return narrow ? *roof.bf16 : roof.f32;
}

void rate(MeasuredEntry &entry, const Executable &program, const Roof &roof) {
  double products = peakOfProducts(program, roof);
  rateWork(entry.work, products, roof.readBytes);
  for (MeasuredKernel &kernel : entry.kernels)
    rateWork(kernel.work,
             kernel.family == familyName(artifact::Family::Contraction)
                 ? products
                 : roof.f32,
             roof.readBytes);
}

} // namespace gptc
