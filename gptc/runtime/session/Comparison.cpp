//===- Comparison.cpp -----------------------------------------------------===//

#include "gptc/runtime/session/Comparison.h"

#include "gptc/runtime/session/Arguments.h"
#include "gptc/runtime/session/VariableSnapshot.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/ranges.h>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace gptc {

namespace {

using artifact::DispatchT;
using artifact::EntryT;

/// A tolerance of whoever looks for no difference.
constexpr double unlimited = std::numeric_limits<double>::infinity();

/// The two sides of a comparison with the entry in each.
struct Sides {
  Runner &first, &second;
  uint32_t entries[2] = {0, 0};

  const EntryT &entry(int side) const {
    const Runner &runner = side == 0 ? first : second;
    return *runner.artifact().manifest().entries[entries[side]];
  }
};

bool equalParameters(
    const std::vector<std::unique_ptr<artifact::ParameterT>> &a,
    const std::vector<std::unique_ptr<artifact::ParameterT>> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto &x, const auto &y) {
                      return x->name == y->name && x->type == y->type &&
                             x->shape == y->shape && x->scalar == y->scalar;
                    });
}

/// Whether both sides have the entry, with equal arguments and results.
Expected<Sides> findEntry(Runner &first, Runner &second,
                          const std::string &name) {
  Sides sides{first, second};
  for (int i : {0, 1}) {
    Runner &runner = i == 0 ? first : second;
    GPTC_TRY(sides.entries[i], requireEntry(runner.artifact(), name));
    if (!runner.has(sides.entries[i]))
      return failure(ErrorCode::NotFound, "'{}' has entry '{}' not for {}",
                     runner.artifact().path(), name, runner.name());
  }
  const EntryT &a = sides.entry(0), &b = sides.entry(1);
  if (!equalParameters(a.arguments, b.arguments) ||
      !equalParameters(a.results, b.results))
    return failure(ErrorCode::InvalidArgument,
                   "entry '{}' of '{}' and '{}' has other arguments or "
                   "results; compile both with equal --batch and --context",
                   name, first.artifact().path(), second.artifact().path());
  return sides;
}

/// Fills the caches of both with as many tokens as one prefill takes, and
/// returns their number.
Expected<uint64_t> fillCaches(Runner &first, Runner &second, uint64_t seed) {
  uint64_t most = 0;
  std::string name;
  for (const auto &entry : first.artifact().manifest().entries)
    if (entry->name.starts_with("prefill") && runsOverCaches(*entry))
      for (const auto &argument : entry->arguments)
        if (argument->name == "tokens" && argument->shape.size() == 2 &&
            argument->shape[1] > most) {
          most = argument->shape[1];
          name = entry->name;
        }
  if (most == 0)
    return 0;
  auto sides = findEntry(first, second, name);
  if (!sides)
    return 0;
  auto arguments =
      sampleArguments(first.artifact(), sides->entries[0], seed, 0);
  GPTC_TRY(auto results, first.run(sides->entries[0], arguments));
  GPTC_TRY(results, second.run(sides->entries[1], arguments));
  return most;
}

/// Runs an entry for its results, then for the median time of `repeats` runs.
/// What it writes is as before afterwards, but for caches.
Expected<double> measure(Runner &runner, uint32_t entry,
                         std::span<const NpyArray> arguments, uint64_t repeats,
                         std::vector<NpyArray> &results, Trace &trace) {
  using Clock = std::chrono::steady_clock;
  if (runner.traces()) { // What traces is slow, and needs no warmth.
    Clock::time_point begin = Clock::now();
    GPTC_TRY(results, runner.runTraced(entry, arguments, trace));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  std::optional<VariableSnapshot> before;
  if (Executable *program = runner.program()) {
    GPTC_TRY(before, VariableSnapshot::take(*program, entry));
  }
  GPTC_TRY(results, runner.run(entry, arguments)); // Warms up as well.
  std::vector<double> times;
  for (uint64_t i = 0; i < std::max<uint64_t>(repeats, 1); ++i) {
    double seconds = 0;
    GPTC_CHECK(runner.run(entry, arguments, &seconds));
    times.push_back(seconds);
  }
  if (before)
    GPTC_CHECK(before->restore(*runner.program()));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// The longest list of pairs (i, j) in which both numbers rise, of dispatches
/// with equal keys; a key stands once on each side. For each i its j.
std::vector<std::optional<size_t>>
matchKeys(const std::vector<std::string> (&keys)[2]) {
  std::map<std::string, size_t> places;
  for (size_t j = 0; j < keys[1].size(); ++j)
    places[keys[1][j]] = j;
  // The longest increasing subsequence, by patience sorting: `ends` are the i
  // whose j ends one of each length, the least there is.
  std::vector<std::optional<size_t>> partners(keys[0].size());
  std::vector<size_t> ends;
  std::vector<std::optional<size_t>> before(keys[0].size());
  for (size_t i = 0; i < keys[0].size(); ++i) {
    auto found = places.find(keys[0][i]);
    if (found == places.end())
      continue;
    partners[i] = found->second;
    auto longer = std::lower_bound(
        ends.begin(), ends.end(), found->second,
        [&](size_t end, size_t j) { return *partners[end] < j; });
    if (longer != ends.begin())
      before[i] = *std::prev(longer);
    if (longer == ends.end())
      ends.push_back(i);
    else
      *longer = i;
  }
  std::vector<std::optional<size_t>> matches(keys[0].size());
  if (ends.empty())
    return matches;
  for (std::optional<size_t> i = ends.back(); i; i = before[*i])
    matches[*i] = partners[*i];
  return matches;
}

/// The number of the program's variable of that name.
std::optional<size_t> findVariable(const Executable &program,
                                   const std::string &name) {
  const auto &variables = program.artifact().manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i)
    if (variables[i]->name == name)
      return i;
  return std::nullopt;
}

/// Gives the optimizer state of both sides equal positive numbers.
Status fillOptimizerState(Executable &first, Executable &second,
                          uint64_t seed) {
  const auto &variables = first.artifact().manifest().variables;
  const auto &others = second.artifact().manifest().variables;
  auto generator = std::mt19937_64(seed);
  for (size_t i = 0; i < variables.size(); ++i) {
    const artifact::VariableT &one = *variables[i];
    if (one.role != artifact::Role::Optimizer ||
        one.type != artifact::ElementType::F32)
      continue;
    std::optional<size_t> j = findVariable(second, one.name);
    if (!j || others[*j]->type != one.type || others[*j]->shape != one.shape)
      continue;
    GPTC_TRY(auto had, first.readVariable(i));
    std::vector<float> values(had.size() / sizeof(float));
    GPTC_TRY(had, second.readVariable(*j));
    if (values.empty() || had.size() != values.size() * sizeof(float))
      continue;
    // Of the size that moments have where gradients are some hundredths.
    std::normal_distribution<float> normal(0, 0.01F);
    for (float &value : values)
      value = std::abs(normal(generator));
    GPTC_CHECK(first.writeVariable(i, std::as_bytes(std::span(values))));
    GPTC_CHECK(second.writeVariable(*j, std::as_bytes(std::span(values))));
  }
  return {};
}

/// What the entry left in variables that both sides store in rows.
Expected<std::vector<NamedError>>
compareVariables(Executable &first, Executable &second, const Sides &sides) {
  std::vector<NamedError> errors;
  GPTC_TRY(auto written, VariableSnapshot::take(first, sides.entries[0]));
  const auto &others = second.artifact().manifest().variables;
  for (const auto &[index, bytes] : written.variables()) {
    const artifact::VariableT &one =
        *first.artifact().manifest().variables[index];
    std::optional<size_t> j = findVariable(second, one.name);
    if (!j ||
        first.target().storages[index]->layout != artifact::Layout::RowMajor ||
        second.target().storages[*j]->layout != artifact::Layout::RowMajor)
      continue;
    GPTC_TRY(auto its, second.readVariable(*j));
    errors.push_back({one.name, errorOf(bytes, toDataType(one.type), its,
                                        toDataType(others[*j]->type))});
  }
  return errors;
}

void widen(ErrorSize &most, const ErrorSize &one) {
  most.absolute = std::max(most.absolute, one.absolute);
  most.relative = std::max(most.relative, one.relative);
}

/// Gathers errors by scope.
class Scopes {
public:
  explicit Scopes(Comparison &comparison) : comparison_(comparison) {}

  /// A dispatch with a counterpart.
  void add(const std::string &scope, const ErrorSize &error) {
    ++comparison_.matched;
    auto [place, fresh] = places_.emplace(scope, comparison_.scopes.size());
    if (fresh)
      comparison_.scopes.push_back({scope, {}});
    widen(comparison_.scopes[place->second].size, error);
  }

private:
  Comparison &comparison_;
  std::map<std::string, size_t> places_;
};

/// Values of one buffer on both sides.
struct Pair {
  std::span<const std::byte> bytes[2];
  DataType types[2] = {DataType::F32, DataType::F32};

  ErrorSize error() const {
    return errorOf(bytes[0], types[0], bytes[1], types[1]);
  }
  bool areEqualMany() const {
    return bytes[0].size() / sizeOf(types[0]) ==
           bytes[1].size() / sizeOf(types[1]);
  }
};

/// Puts the element with the largest error of a pair into `first`.
void findElement(const Pair &pair, FirstDifference &first) {
  double largest = -1;
  for (uint64_t i = 0; i < pair.bytes[0].size() / sizeOf(pair.types[0]); ++i) {
    double a = readElement(pair.bytes[0].data(), pair.types[0], i);
    double b = readElement(pair.bytes[1].data(), pair.types[1], i);
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double difference = std::abs(a - b);
    if (!std::isfinite(difference))
      difference = std::numeric_limits<double>::infinity();
    if (difference <= largest)
      continue;
    largest = difference;
    first.element = i;
    first.values[0] = a;
    first.values[1] = b;
  }
}

/// Whether a buffer says which elements were chosen: of nearly equal ones
/// either side may take another, and what they are is compared.
bool holdsChoice(const artifact::BufferT &buffer) {
  return buffer.type == artifact::ElementType::I32 &&
         (buffer.space == artifact::BufferSpace::Arena ||
          buffer.space == artifact::BufferSpace::Result);
}

/// Runs two programs side by side, dispatch by dispatch.
class Lockstep {
public:
  Lockstep(Executable &first, Executable &second, const Sides &sides,
           std::optional<double> tolerance)
      : programs_{&first, &second}, tolerance_(tolerance.value_or(unlimited)),
        entries_{sides.entries[0], sides.entries[1]},
        descriptions_{&first.describe(entries_[0]),
                      &second.describe(entries_[1])} {}

  Status run(Comparison &comparison);

private:
  /// Nothing where the outputs are no counterparts.
  Expected<std::optional<ErrorSize>> compareOutputs(size_t i, size_t j) const;
  /// What two dispatches read, as far as there are counterparts.
  Expected<ErrorSize> compareInputs(size_t i, size_t j) const;
  /// Buffer `p` of dispatch `i` and `q` of `j`.
  Expected<Pair> pairOf(size_t i, size_t p, size_t j, size_t q) const;
  Status describe(size_t i, size_t j, FirstDifference &first) const;
  bool equalShape() const;
  /// Dispatches of a side by scope and outputs, and by number where there are
  /// many of those.
  std::vector<std::string> keysOf(int side) const;
  std::vector<uint64_t> outputsOf(int side, size_t dispatch) const;
  const artifact::BufferT &bufferOf(int side, size_t dispatch,
                                    size_t position) const {
    const artifact::ProgramT &program = *descriptions_[side];
    return *program.buffers[program.dispatches[dispatch]->buffers[position]];
  }

  Executable *programs_[2];
  double tolerance_;
  uint32_t entries_[2];
  const artifact::ProgramT *descriptions_[2];
};

/// Numbers of values of a dispatch's outputs.
std::vector<uint64_t> Lockstep::outputsOf(int side, size_t dispatch) const {
  const DispatchT &one = *descriptions_[side]->dispatches[dispatch];
  std::vector<uint64_t> values;
  for (size_t k = one.buffers.size() - one.outputs; k < one.buffers.size();
       ++k) {
    const artifact::BufferT &buffer = bufferOf(side, dispatch, k);
    values.push_back(buffer.bytes / sizeOf(toDataType(buffer.type)));
  }
  return values;
}

/// Whether both programs are the same steps. Then their order tells what
/// belongs together: scopes may differ, such as where a cast ends a kernel.
bool Lockstep::equalShape() const {
  size_t count = descriptions_[0]->dispatches.size();
  if (descriptions_[1]->dispatches.size() != count)
    return false;
  for (size_t i = 0; i < count; ++i)
    if (outputsOf(0, i) != outputsOf(1, i))
      return false;
  return true;
}

std::vector<std::string> Lockstep::keysOf(int side) const {
  std::map<std::string, int> seen;
  std::vector<std::string> keys;
  for (size_t i = 0; i < descriptions_[side]->dispatches.size(); ++i) {
    std::string key =
        fmt::format("{} {}", descriptions_[side]->dispatches[i]->scope,
                    fmt::join(outputsOf(side, i), ","));
    keys.push_back(fmt::format("{} {}", key, seen[key]++));
  }
  return keys;
}

Expected<Pair> Lockstep::pairOf(size_t i, size_t p, size_t j, size_t q) const {
  Pair pair;
  GPTC_TRY(pair.bytes[0], programs_[0]->readBuffer(entries_[0], i, p));
  GPTC_TRY(pair.bytes[1], programs_[1]->readBuffer(entries_[1], j, q));
  pair.types[0] = toDataType(bufferOf(0, i, p).type);
  pair.types[1] = toDataType(bufferOf(1, j, q).type);
  return pair;
}

Expected<std::optional<ErrorSize>> Lockstep::compareOutputs(size_t i,
                                                            size_t j) const {
  const DispatchT &a = *descriptions_[0]->dispatches[i];
  const DispatchT &b = *descriptions_[1]->dispatches[j];
  if (a.outputs != b.outputs || a.outputs == 0)
    return std::optional<ErrorSize>();
  ErrorSize error;
  for (uint32_t k = 0; k < a.outputs; ++k) {
    size_t p = a.buffers.size() - a.outputs + k;
    if (holdsChoice(bufferOf(0, i, p)))
      continue;
    GPTC_TRY(Pair pair, pairOf(i, p, j, b.buffers.size() - b.outputs + k));
    if (!pair.areEqualMany())
      return std::optional<ErrorSize>();
    widen(error, pair.error());
  }
  return std::optional(error);
}

Expected<ErrorSize> Lockstep::compareInputs(size_t i, size_t j) const {
  const DispatchT &a = *descriptions_[0]->dispatches[i];
  const DispatchT &b = *descriptions_[1]->dispatches[j];
  size_t count =
      std::min(a.buffers.size() - a.outputs, b.buffers.size() - b.outputs);
  ErrorSize error;
  for (size_t k = 0; k < count; ++k) {
    // Weights are the same, in layouts that may differ.
    if (bufferOf(0, i, k).space == artifact::BufferSpace::Variable ||
        holdsChoice(bufferOf(0, i, k)))
      continue;
    GPTC_TRY(Pair pair, pairOf(i, k, j, k));
    if (pair.areEqualMany())
      widen(error, pair.error());
  }
  return error;
}

Status Lockstep::describe(size_t i, size_t j, FirstDifference &first) const {
  const DispatchT &a = *descriptions_[0]->dispatches[i];
  const DispatchT &b = *descriptions_[1]->dispatches[j];
  first.dispatch = i;
  first.kernel = programs_[0]->target().kernels[a.kernel]->name;
  first.scope = a.scope;
  for (uint32_t k = 0; k < a.outputs; ++k) {
    size_t p = a.buffers.size() - a.outputs + k;
    if (holdsChoice(bufferOf(0, i, p)))
      continue;
    GPTC_TRY(Pair pair, pairOf(i, p, j, b.buffers.size() - b.outputs + k));
    if (pair.error().relative <= tolerance_)
      continue;
    first.output = k;
    findElement(pair, first);
    return {};
  }
  return {};
}

Status Lockstep::run(Comparison &comparison) {
  std::vector<std::string> keys[2] = {keysOf(0), keysOf(1)};
  if (equalShape())
    keys[1] = keys[0];
  std::vector<std::optional<size_t>> matches = matchKeys(keys);
  Scopes scopes(comparison);
  size_t next = 0; // of the second program
  for (size_t i = 0; i < matches.size(); ++i) {
    std::optional<size_t> j = matches[i];
    std::optional<ErrorSize> error, inputs;
    if (j) {
      GPTC_CHECK(programs_[1]->runDispatches(entries_[1], next, *j));
      // Before they run, since results may take the place of what is read.
      if (tolerance_ < unlimited && !comparison.firstDifference) {
        GPTC_TRY(inputs, compareInputs(i, *j));
      }
      GPTC_CHECK(programs_[1]->runDispatches(entries_[1], *j, *j + 1));
      next = *j + 1;
    }
    GPTC_CHECK(programs_[0]->runDispatches(entries_[0], i, i + 1));
    if (j) {
      GPTC_TRY(error, compareOutputs(i, *j));
    }
    const std::string &scope = descriptions_[0]->dispatches[i]->scope;
    if (!error) {
      ++comparison.unmatched;
      comparison.unmatchedScopes.push_back(scope);
      continue;
    }
    scopes.add(scope, *error);
    if (j && inputs && !comparison.firstDifference &&
        error->relative > tolerance_) {
      FirstDifference &first = comparison.firstDifference.emplace();
      first.outputs = *error;
      first.inputs = inputs;
      GPTC_CHECK(describe(i, *j, first));
    }
  }
  return programs_[1]->runDispatches(entries_[1], next, keys[1].size());
}

/// The numbers of elements of all that an entry's dispatches put out.
std::set<uint64_t> outputCounts(const artifact::ProgramT &program) {
  std::set<uint64_t> counts;
  for (const auto &dispatch : program.dispatches)
    for (size_t k = dispatch->buffers.size() - dispatch->outputs;
         k < dispatch->buffers.size(); ++k) {
      const artifact::BufferT &buffer = *program.buffers[dispatch->buffers[k]];
      counts.insert(buffer.bytes / sizeOf(toDataType(buffer.type)));
    }
  return counts;
}

/// "h.3" of "h.3/attn/qkv".
std::string_view partOf(std::string_view scope) {
  return scope.substr(0, scope.find('/'));
}

/// Runs a program dispatch by dispatch and looks for what it puts out among
/// what another backend traced.
class Follower {
public:
  Follower(Executable &program, uint32_t entry, const Trace &trace,
           bool programFirst, std::optional<double> tolerance)
      : program_(program), entry_(entry), trace_(trace),
        programFirst_(programFirst), tolerance_(tolerance.value_or(unlimited)) {
    std::string_view last;
    for (const Trace::Value &value : trace.values) {
      std::string_view part = partOf(value.scope);
      if (part != last)
        before_.try_emplace(part, last);
      last = part;
    }
  }

  Status run(Comparison &comparison) {
    const artifact::ProgramT &description = program_.describe(entry_);
    Scopes scopes(comparison);
    for (size_t i = 0; i < description.dispatches.size(); ++i) {
      GPTC_CHECK(program_.runDispatches(entry_, i, i + 1));
      GPTC_TRY(auto error, errorOfDispatch(description, i));
      const DispatchT &dispatch = *description.dispatches[i];
      if (!error) {
        ++comparison.unmatched;
        comparison.unmatchedScopes.push_back(dispatch.scope);
        continue;
      }
      scopes.add(dispatch.scope, *error);
      if (!comparison.firstDifference && error->relative > tolerance_) {
        FirstDifference &first = comparison.firstDifference.emplace();
        first.dispatch = i;
        first.kernel = program_.target().kernels[dispatch.kernel]->name;
        first.scope = dispatch.scope;
        first.outputs = *error;
      }
    }
    return {};
  }

private:
  Expected<std::optional<ErrorSize>>
  errorOfDispatch(const artifact::ProgramT &description, size_t i) const {
    const DispatchT &dispatch = *description.dispatches[i];
    std::optional<ErrorSize> most;
    for (size_t k = dispatch.buffers.size() - dispatch.outputs;
         k < dispatch.buffers.size(); ++k) {
      DataType type =
          toDataType(description.buffers[dispatch.buffers[k]]->type);
      GPTC_TRY(auto bytes, program_.readBuffer(entry_, i, k));
      auto closest = closestTo(bytes, type, partOf(dispatch.scope));
      if (!closest)
        return std::optional<ErrorSize>();
      if (!most || closest->relative > most->relative)
        most = closest;
    }
    return most;
  }

  std::optional<ErrorSize> closestTo(std::span<const std::byte> bytes,
                                     DataType type,
                                     std::string_view part) const {
    std::optional<ErrorSize> least;
    auto before = before_.find(part);
    for (const Trace::Value &value : trace_.values) {
      std::string_view other = partOf(value.scope);
      bool near =
          other == part || (before != before_.end() && other == before->second);
      if (!near || value.elements.size() != bytes.size() / sizeOf(type))
        continue;
      auto elements = std::as_bytes(std::span(value.elements));
      ErrorSize error = programFirst_
                            ? errorOf(bytes, type, elements, DataType::F64)
                            : errorOf(elements, DataType::F64, bytes, type);
      if (!least || error.relative < least->relative)
        least = error;
    }
    return least;
  }

  Executable &program_;
  uint32_t entry_;
  const Trace &trace_;
  bool programFirst_;
  double tolerance_;
  /// The part of the model that comes before each.
  std::map<std::string_view, std::string_view> before_;
};

} // namespace

ErrorSize errorOf(std::span<const std::byte> first, DataType firstType,
                  std::span<const std::byte> second, DataType secondType) {
  size_t count = std::min(first.size() / sizeOf(firstType),
                          second.size() / sizeOf(secondType));
  double largest = 0;
  ErrorSize error;
  for (size_t i = 0; i < count; ++i) {
    double a = readElement(first.data(), firstType, i);
    double b = readElement(second.data(), secondType, i);
    if (std::isfinite(a))
      largest = std::max(largest, std::abs(a));
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double difference = std::abs(a - b);
    error.absolute =
        std::max(error.absolute, std::isfinite(difference)
                                     ? difference
                                     : std::numeric_limits<double>::infinity());
  }
  if (error.absolute > 0)
    error.relative = error.absolute / largest;
  return error;
}

Expected<Comparison> compare(Runner &first, Runner &second,
                             const std::string &entry,
                             const ComparisonOptions &options) {
  GPTC_TRY(Sides sides, findEntry(first, second, entry));
  Comparison comparison;
  comparison.entry = entry;
  GPTC_CHECK(first.reset());
  GPTC_CHECK(second.reset());
  uint64_t capacity = first.artifact().manifest().model->capacity;
  if (entry == "decode" && capacity > 0) {
    GPTC_TRY(comparison.position, fillCaches(first, second, options.seed + 1));
    comparison.position = std::min(comparison.position, capacity - 1);
  }
  auto arguments = sampleArguments(first.artifact(), sides.entries[0],
                                   options.seed, comparison.position);
  if (first.program() && second.program())
    GPTC_CHECK(
        fillOptimizerState(*first.program(), *second.program(), options.seed));
  Runner *runners[2] = {&first, &second};
  std::vector<NpyArray> results[2];
  Trace traces[2];
  for (int i : {0, 1}) {
    if (Executable *other = runners[1 - i]->program())
      traces[i].counts = outputCounts(other->describe(sides.entries[1 - i]));
    GPTC_TRY(comparison.seconds[i],
             measure(*runners[i], sides.entries[i], arguments, options.repeats,
                     results[i], traces[i]));
  }
  for (size_t i = 0; i < results[0].size(); ++i)
    comparison.results.push_back(
        {sides.entry(0).results[i]->name,
         errorOf(results[0][i].bytes, results[0][i].type, results[1][i].bytes,
                 results[1][i].type)});
  if (first.program() && second.program()) {
    GPTC_CHECK(
        Lockstep(*first.program(), *second.program(), sides, options.tolerance)
            .run(comparison));
    GPTC_TRY(comparison.variables,
             compareVariables(*first.program(), *second.program(), sides));
  }
  for (int i : {0, 1})
    if (runners[i]->program() && runners[1 - i]->traces())
      GPTC_CHECK(Follower(*runners[i]->program(), sides.entries[i],
                          traces[1 - i], i == 0, options.tolerance)
                     .run(comparison));
  return comparison;
}

} // namespace gptc
