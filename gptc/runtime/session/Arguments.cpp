//===- Arguments.cpp ------------------------------------------------------===//

#include "gptc/runtime/session/Arguments.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/ranges.h>
#include <limits>
#include <random>

namespace gptc {

namespace {

using artifact::EntryT;
using artifact::ParameterT;

template <typename T> std::span<const T> valuesOf(const NpyArray &array) {
  return {reinterpret_cast<const T *>(array.bytes.data()),
          array.bytes.size() / sizeof(T)};
}

template <typename T> std::span<T> valuesOf(NpyArray &array) {
  return {reinterpret_cast<T *>(array.bytes.data()),
          array.bytes.size() / sizeof(T)};
}

NpyArray zeros(DataType type, const std::vector<uint64_t> &shape) {
  return {type, shape,
          std::vector<std::byte>(elementCount(shape) * sizeOf(type))};
}

std::string namesOf(const std::vector<std::unique_ptr<ParameterT>> &list) {
  std::vector<std::string> names;
  for (const auto &parameter : list)
    names.push_back(parameter->name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The same values in another type, where nothing is lost but digits.
Expected<NpyArray> convert(NpyArray array, DataType to,
                           const std::string &name) {
  if (array.type == to)
    return array;
  NpyArray result{to, array.shape, {}};
  if (array.type == DataType::I64 && to == DataType::I32) {
    result.bytes.resize(array.bytes.size() / 2);
    auto from = valuesOf<int64_t>(std::as_const(array));
    auto values = valuesOf<int32_t>(result);
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != int32_t(from[i]))
        return failure(ErrorCode::InvalidArgument,
                       "input '{}' holds {}, which does not fit into i32", name,
                       from[i]);
      values[i] = int32_t(from[i]);
    }
    return result;
  }
  if (array.type == DataType::F64 && to == DataType::F32) {
    result.bytes.resize(array.bytes.size() / 2);
    auto from = valuesOf<double>(std::as_const(array));
    auto values = valuesOf<float>(result);
    for (size_t i = 0; i < from.size(); ++i)
      values[i] = float(from[i]);
    return result;
  }
  return failure(ErrorCode::InvalidArgument,
                 "input '{}' is of type {}, expected {}", name,
                 toString(array.type), toString(to));
}

/// Whether tokens and targets may be smaller than compiled.
bool mayBePadded(const EntryT &entry) {
  return entry.name == "logits" || entry.name == "score" ||
         entry.name == "loss_and_gradients";
}

bool isPerToken(const ParameterT &parameter) {
  return (parameter.name == "tokens" || parameter.name == "targets") &&
         parameter.type == artifact::ElementType::I32 &&
         parameter.shape.size() == 2;
}

/// Copies [b, t] into the corner of [B, T].
NpyArray padded(const NpyArray &array, const ParameterT &parameter) {
  NpyArray result = zeros(DataType::I32, parameter.shape);
  auto values = valuesOf<int32_t>(result);
  std::fill(values.begin(), values.end(), parameter.name == "targets" ? -1 : 0);
  uint64_t rows = array.shape[1];
  for (uint64_t b = 0; b < array.shape[0]; ++b)
    std::copy_n(valuesOf<int32_t>(array).data() + b * rows, rows,
                values.data() + b * parameter.shape[1]);
  return result;
}

/// Fails at the first value outside of [least, most].
Status checkRange(const NpyArray &array, const std::string &name, int64_t least,
                  int64_t most) {
  for (int32_t value : valuesOf<int32_t>(array))
    if (value < least || value > most)
      return failure(ErrorCode::InvalidArgument,
                     "input '{}' holds {}, expected {} to {}", name, value,
                     least, most);
  return {};
}

/// Index of an i32 tensor argument of that name, or -1.
int findIds(const EntryT &entry, const char *name) {
  for (size_t i = 0; i < entry.arguments.size(); ++i)
    if (entry.arguments[i]->name == name && !entry.arguments[i]->scalar &&
        entry.arguments[i]->type == artifact::ElementType::I32)
      return int(i);
  return -1;
}

/// Positions and lengths must stay inside of the caches: kernels trust them.
Status checkCacheArguments(const Artifact &artifact, const EntryT &entry,
                           const std::vector<NpyArray> &arrays) {
  int tokens = findIds(entry, "tokens");
  int positions = findIds(entry, "positions");
  int lengths = findIds(entry, "lengths");
  if (tokens < 0 || positions < 0 || lengths < 0 ||
      entry.arguments[tokens]->shape.size() != 2)
    return {};
  auto rows = int64_t(entry.arguments[tokens]->shape[1]);
  auto capacity = int64_t(artifact.manifest().model->capacity);
  if (capacity == 0)
    return {};
  GPTC_CHECK(checkRange(arrays[lengths], "lengths", 0, rows));
  GPTC_CHECK(checkRange(arrays[positions], "positions", 0, capacity - 1));
  auto at = valuesOf<int32_t>(arrays[positions]);
  auto count = valuesOf<int32_t>(arrays[lengths]);
  for (size_t b = 0; b < std::min(at.size(), count.size()); ++b)
    if (int64_t(at[b]) + count[b] > capacity)
      return failure(ErrorCode::InvalidArgument,
                     "sequence {} would have {} tokens from position {} on, "
                     "more than the context of {}",
                     b, count[b], at[b], capacity);
  return {};
}

Status checkValues(const Artifact &artifact, const EntryT &entry,
                   const std::vector<NpyArray> &arrays) {
  auto vocabulary = int64_t(artifact.manifest().model->vocabulary);
  if (vocabulary > 0 && (mayBePadded(entry) || runsOverCaches(entry)))
    for (size_t i = 0; i < arrays.size(); ++i)
      if (isPerToken(*entry.arguments[i])) {
        const std::string &name = entry.arguments[i]->name;
        GPTC_CHECK(checkRange(arrays[i], name, name == "targets" ? -1 : 0,
                              vocabulary - 1));
      }
  return runsOverCaches(entry) ? checkCacheArguments(artifact, entry, arrays)
                               : Status();
}

} // namespace

bool runsOverCaches(const EntryT &entry) {
  return entry.name == "decode" || entry.name == "prefill" ||
         entry.name.starts_with("prefill_");
}

std::string describe(DataType type, const std::vector<uint64_t> &shape) {
  if (shape.empty())
    return fmt::format("{} scalar", toString(type));
  return fmt::format("{} [{}]", toString(type), fmt::join(shape, ", "));
}

Expected<uint32_t> requireEntry(const Artifact &artifact,
                                const std::string &name) {
  int index = artifact.findEntry(name);
  if (index >= 0)
    return uint32_t(index);
  std::vector<std::string> names;
  for (const auto &entry : artifact.manifest().entries)
    names.push_back(entry->name);
  return failure(ErrorCode::NotFound, "'{}' has no entry '{}'; it has {}",
                 artifact.path(), name, fmt::join(names, ", "));
}

Expected<BoundArguments> bindArguments(const Artifact &artifact, uint32_t index,
                                       std::map<std::string, NpyArray> inputs) {
  const EntryT &entry = *artifact.manifest().entries[index];
  for (const auto &[name, array] : inputs)
    if (std::none_of(entry.arguments.begin(), entry.arguments.end(),
                     [&](const auto &one) { return one->name == name; }))
      return failure(ErrorCode::InvalidArgument,
                     "entry '{}' takes no input '{}'; it takes {}", entry.name,
                     name, namesOf(entry.arguments));
  std::vector<std::string> missing;
  for (const auto &parameter : entry.arguments)
    if (!inputs.contains(parameter->name))
      missing.push_back(
          fmt::format("{} ({})", parameter->name,
                      describe(toDataType(parameter->type), parameter->shape)));
  if (!missing.empty())
    return failure(ErrorCode::InvalidArgument,
                   "entry '{}' lacks the input{} {}", entry.name,
                   missing.size() == 1 ? "" : "s", fmt::join(missing, ", "));
  BoundArguments bound;
  for (const auto &parameter : entry.arguments) {
    NpyArray &input = inputs[parameter->name];
    DataType type = toDataType(parameter->type);
    std::vector<uint64_t> found = input.shape;
    GPTC_TRY(NpyArray array, convert(std::move(input), type, parameter->name));
    if (found != parameter->shape) {
      bool fits = mayBePadded(entry) && isPerToken(*parameter) &&
                  found.size() == 2 && found[0] >= 1 && found[1] >= 1 &&
                  found[0] <= parameter->shape[0] &&
                  found[1] <= parameter->shape[1];
      if (!fits)
        return failure(
            ErrorCode::InvalidArgument, "input '{}' is {}, expected {}{}",
            parameter->name, describe(type, found),
            describe(type, parameter->shape),
            mayBePadded(entry) && isPerToken(*parameter) ? " or smaller" : "");
    }
    if (mayBePadded(entry) && isPerToken(*parameter)) {
      if (bound.given &&
          (bound.given->batch != found[0] || bound.given->rows != found[1]))
        return failure(ErrorCode::InvalidArgument,
                       "inputs 'tokens' and 'targets' have the shapes [{}, {}] "
                       "and [{}, {}], expected equal ones",
                       bound.given->batch, bound.given->rows, found[0],
                       found[1]);
      bound.given = BoundArguments::Extent{found[0], found[1]};
      array = padded(array, *parameter);
    }
    bound.arrays.push_back(std::move(array));
  }
  GPTC_CHECK(checkValues(artifact, entry, bound.arrays));
  return bound;
}

NpyArray cutResult(const Artifact &artifact, uint32_t index, size_t result,
                   const BoundArguments &arguments, NpyArray array) {
  const EntryT &entry = *artifact.manifest().entries[index];
  const std::string &name = entry.results[result]->name;
  // Those are the results that have a value for each token.
  if (!arguments.given || array.shape.size() < 2 ||
      (name != "logits" && name != "log_likelihood"))
    return array;
  NpyArray cut{array.type, array.shape, {}};
  cut.shape[0] = std::min(array.shape[0], arguments.given->batch);
  cut.shape[1] = std::min(array.shape[1], arguments.given->rows);
  uint64_t inner = elementCount(std::span(array.shape).subspan(2));
  size_t row = inner * sizeOf(array.type);
  cut.bytes.resize(cut.shape[0] * cut.shape[1] * row);
  for (uint64_t b = 0; b < cut.shape[0]; ++b)
    std::memcpy(cut.bytes.data() + b * cut.shape[1] * row,
                array.bytes.data() + b * array.shape[1] * row,
                cut.shape[1] * row);
  return cut;
}

std::vector<NpyArray> sampleArguments(const Artifact &artifact, uint32_t index,
                                      uint64_t seed, uint64_t position) {
  const EntryT &entry = *artifact.manifest().entries[index];
  const artifact::ModelT &model = *artifact.manifest().model;
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  uint64_t ids = model.vocabulary > 0 ? model.vocabulary : 2;
  uint64_t rows = 1;
  if (int tokens = findIds(entry, "tokens");
      tokens >= 0 && entry.arguments[tokens]->shape.size() == 2)
    rows = entry.arguments[tokens]->shape[1];
  if (model.capacity > 0) {
    rows = std::min(rows, model.capacity);
    position = std::min(position, model.capacity - rows);
  }
  std::vector<NpyArray> arrays;
  for (const auto &parameter : entry.arguments) {
    NpyArray array = zeros(toDataType(parameter->type), parameter->shape);
    bool cached = runsOverCaches(entry);
    if (array.type == DataType::I32) {
      for (int32_t &value : valuesOf<int32_t>(array))
        value = cached && parameter->name == "positions" ? int32_t(position)
                : cached && parameter->name == "lengths"
                    ? int32_t(rows)
                    : int32_t(random() % ids);
    } else if (array.type == DataType::F32) {
      for (float &value : valuesOf<float>(array))
        value = float(normal(random));
    } else if (array.type == DataType::F64) {
      for (double &value : valuesOf<double>(array))
        value = normal(random);
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

} // namespace gptc
