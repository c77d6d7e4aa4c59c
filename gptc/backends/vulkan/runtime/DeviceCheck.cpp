//===- DeviceCheck.cpp ----------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/DeviceCheck.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

namespace gptc::vulkan {

namespace {

/// Entries loaded at once: few enough for the allocations that a driver allows.
constexpr size_t entriesAtOnce = 24;
/// Cases that may fail to run before a check ends.
constexpr size_t mostFailures = 8;

bool isFloat(DataType type) {
  return type == DataType::F32 || type == DataType::F16 ||
         type == DataType::BF16 || type == DataType::F64;
}

/// Nothing where `found` is `expected` within the tolerance, else a sentence
/// about the worst element. `matters` may be null.
std::string difference(const TensorView &expected,
                       std::span<const std::byte> found, DataType type,
                       double tolerance, const TensorView *matters) {
  size_t count = expected.bytes.size() / sizeOf(expected.type);
  if (found.size() < count * sizeOf(type))
    return fmt::format("{} bytes, expected {}", found.size(),
                       count * sizeOf(type));
  double worst = -1, a = 0, b = 0;
  size_t place = 0, wrong = 0;
  for (size_t i = 0; i < count; ++i) {
    if (matters && i < matters->bytes.size() &&
        matters->bytes[i] == std::byte(0))
      continue;
    double wanted = readElement(expected.bytes.data(), expected.type, i);
    double got = readElement(found.data(), type, i);
    if (wanted == got || (std::isnan(wanted) && std::isnan(got)))
      continue;
    double error = std::fabs(wanted - got) / std::max(1.0, std::fabs(wanted));
    if (isFloat(expected.type) && error <= tolerance)
      continue;
    ++wrong;
    if (std::isnan(error) || error > worst) {
      worst =
          std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
      place = i;
      a = wanted;
      b = got;
    }
  }
  if (wrong == 0)
    return "";
  return fmt::format("{} of {} elements differ by more than {:.3g}; element {} "
                     "is {:.7g}, expected {:.7g}",
                     wrong, count, isFloat(expected.type) ? tolerance : 0.0,
                     place, b, a);
}

/// One variant's check under way.
class Check {
public:
  Check(const CheckSuite &suite, const std::string &variant,
        const CheckOptions &options)
      : suite_(suite), options_(options) {
    result_.variant = variant;
    result_.type = suite.type();
    result_.suite = suite.digest();
    result_.isBrief = options.isBrief;
    for (const CheckCase &one : suite.cases())
      if (!options.isBrief || one.isBrief)
        cases_.push_back(&one);
  }

  Expected<VariantCheck> run();

private:
  Expected<std::unique_ptr<Executable>>
  load(const std::set<std::string_view> &names) const;
  Status runGroup(Executable &program, size_t end);
  /// Why the case is wrong; empty where it is right. An error where it cannot
  /// be run.
  Expected<std::string> runCase(Executable &program,
                                const CheckCase &one) const;
  Status giveInputs(Executable &program, const CheckCase &one) const;
  Expected<std::string> compareVariables(Executable &program,
                                         const CheckCase &one) const;
  Status time();

  const CheckSuite &suite_;
  const CheckOptions &options_;
  std::vector<const CheckCase *> cases_;
  size_t next_ = 0; ///< Of cases_.
  size_t failures_ = 0;
  VariantCheck result_;
};

Expected<std::unique_ptr<Executable>>
Check::load(const std::set<std::string_view> &names) const {
  VulkanOptions options;
  options.device = options_.device;
  options.variant = result_.variant;
  options.threads = options_.threads;
  options.cacheFolder = options_.cacheFolder;
  options.intercept = options_.intercept;
  options.entries = [&](std::string_view name) { return names.contains(name); };
  return loadVulkanProgram(suite_.artifact(), options);
}

Expected<VariantCheck> Check::run() {
  while (next_ < cases_.size() && failures_ < mostFailures) {
    size_t end = std::min(next_ + entriesAtOnce, cases_.size());
    std::set<std::string_view> names;
    for (size_t i = next_; i < end; ++i)
      names.insert(cases_[i]->name);
    GPTC_TRY(auto program, load(names));
    GPTC_CHECK(runGroup(*program, end));
  }
  if (!options_.isBrief && result_.wrong.empty())
    GPTC_CHECK(time());
  return std::move(result_);
}

Status Check::runGroup(Executable &program, size_t end) {
  while (next_ < end) {
    const CheckCase &one = *cases_[next_];
    auto reason = runCase(program, one);
    ++next_;
    ++result_.checked;
    if (options_.onProgress)
      options_.onProgress(next_, cases_.size());
    if (!reason) {
      // The program is of no more use.
      result_.wrong.push_back({one.name, reason.error().message()});
      ++failures_;
      return {};
    }
    if (!reason->empty())
      result_.wrong.push_back({one.name, *reason});
  }
  return {};
}

Status Check::giveInputs(Executable &program, const CheckCase &one) const {
  const artifact::ManifestT &manifest = suite_.artifact()->manifest();
  const artifact::EntryT &entry = *manifest.entries[one.entry];
  for (size_t i = 0; i < entry.arguments.size(); ++i) {
    const TensorView *given =
        suite_.find(one.name, fmt::format("argument:{}", i));
    std::span<std::byte> to = program.argument(one.entry, i);
    if (!given || given->bytes.size() > to.size())
      return failure(ErrorCode::Corrupt,
                     "'{}' of the check has no values that fit argument {}",
                     one.name, i);
    std::memcpy(to.data(), given->bytes.data(), given->bytes.size());
  }
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    if (const TensorView *given =
            suite_.find(one.name, "variable:" + manifest.variables[i]->name))
      GPTC_CHECK(program.writeVariable(i, given->bytes));
  return {};
}

Expected<std::string> Check::compareVariables(Executable &program,
                                              const CheckCase &one) const {
  const artifact::ManifestT &manifest = suite_.artifact()->manifest();
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    const std::string &name = manifest.variables[i]->name;
    const TensorView *expected = suite_.find(one.name, "after:" + name);
    if (!expected)
      continue;
    GPTC_TRY(auto found, program.readVariable(i));
    std::string unequal =
        difference(*expected, found, toDataType(manifest.variables[i]->type),
                   one.tolerance, nullptr);
    if (!unequal.empty())
      return fmt::format("variable '{}': {}", name, unequal);
  }
  return std::string();
}

Expected<std::string> Check::runCase(Executable &program,
                                     const CheckCase &one) const {
  GPTC_CHECK(giveInputs(program, one));
  GPTC_CHECK(program.run(one.entry));
  const artifact::EntryT &entry =
      *suite_.artifact()->manifest().entries[one.entry];
  for (size_t i = 0; i < entry.results.size(); ++i) {
    const TensorView *expected =
        suite_.find(one.name, fmt::format("result:{}", i));
    if (!expected)
      return failure(ErrorCode::Corrupt, "'{}' of the check has no result {}",
                     one.name, i);
    std::string unequal =
        difference(*expected, program.result(one.entry, i),
                   toDataType(entry.results[i]->type), one.tolerance,
                   i == 0 ? suite_.find(one.name, "matters") : nullptr);
    if (!unequal.empty())
      return fmt::format("result {}: {}", i, unequal);
  }
  return compareVariables(program, one);
}

Status Check::time() {
  using Clock = std::chrono::steady_clock;
  constexpr int runs = 5;
  std::set<std::string_view> names(suite_.timed().begin(),
                                   suite_.timed().end());
  if (names.empty())
    return {};
  GPTC_TRY(auto program, load(names));
  for (const std::string &name : suite_.timed()) {
    auto entry = uint32_t(suite_.artifact()->findEntry(name));
    GPTC_CHECK(program->run(entry)); // Compiles, and warms up.
    std::vector<double> times;
    for (int i = 0; i < runs; ++i) {
      Clock::time_point begin = Clock::now();
      GPTC_CHECK(program->run(entry));
      times.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - begin)
              .count());
    }
    std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
    result_.milliseconds[name] = times[runs / 2];
  }
  return {};
}

} // namespace

Expected<VariantCheck> checkVariant(const CheckSuite &suite,
                                    const std::string &variant,
                                    const CheckOptions &options) {
  return Check(suite, variant, options).run();
}

} // namespace gptc::vulkan
