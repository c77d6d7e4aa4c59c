//===- WeightsWriter.cpp --------------------------------------------------===//

#include "gptc/runtime/program/WeightsWriter.h"

#include "gptc/runtime/program/SourceCheckpoint.h"
#include "gptc/runtime/program/VariableSource.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"

#include <algorithm>
#include <cstring>
#include <fmt/ranges.h>

namespace gptc {

namespace {

using artifact::VariableT;

uint64_t columnsOf(const VariableT &variable) {
  return variable.shape.empty() ? 1 : variable.shape.back();
}

void narrow(float value, DataType type, std::byte *to) {
  if (type == DataType::F32) {
    std::memcpy(to, &value, 4);
    return;
  }
  uint16_t bits = type == DataType::BF16 ? toBF16(value) : toF16(value);
  std::memcpy(to, &bits, 2);
}

/// The type that a part of a variable is written in: the stored one, or where
/// the values are `unchanged` the 16-bit one from which f32 was made.
DataType writtenType(const VariableT &variable, const WeightPart &part,
                     bool unchanged) {
  DataType stored = toDataType(variable.type);
  bool halved = part.type == DataType::F16 || part.type == DataType::BF16;
  return unchanged && halved && stored == DataType::F32 ? part.type : stored;
}

/// All of a part's elements in the tensor's own order, in the type `to`.
std::vector<std::byte> unpack(const VariableT &variable,
                              artifact::Layout layout,
                              std::span<const std::byte> stored,
                              const WeightPart &part, DataType written,
                              const RowChange &change = {}) {
  DataType type = toDataType(variable.type);
  uint64_t columns = columnsOf(variable);
  uint64_t rows = elementCount(variable.shape) / columns;
  uint64_t width = part.end - part.begin;
  size_t size = sizeOf(written);
  std::vector<std::byte> bytes(rows * width * size);
  std::vector<float> row(columns);
  for (uint64_t r = 0; r < rows; ++r) {
    loadRow(stored.data(), type, layout != artifact::Layout::RowMajor,
            layout == artifact::Layout::PackedTransposed, rows, columns, r,
            row.data());
    if (change)
      change(r, row);
    for (uint64_t c = 0; c < width; ++c) {
      uint64_t to = part.transposed ? c * rows + r : r * width + c;
      narrow(row[part.begin + c], written, bytes.data() + to * size);
    }
  }
  return bytes;
}

/// The same of a variable's initial values.
Expected<std::vector<std::byte>> draw(const VariableT &variable, uint64_t seed,
                                      ThreadTeam &team,
                                      const WeightPart &part) {
  constexpr auto layout = artifact::Layout::RowMajor;
  GPTC_TRY(auto source,
           VariableSource::create(variable, layout, nullptr, seed, team));
  std::vector<std::byte> stored(source.units() * source.unitBytes());
  source.fillAll(team, stored.data());
  return unpack(variable, layout, stored, part, toDataType(variable.type));
}

/// The tensors that a variable is made of, each from `load`, which gives the
/// tensor's bytes when it is its turn.
Status addParts(
    const VariableT &variable, bool unchanged,
    const std::function<Expected<std::vector<std::byte>>(const WeightPart &)>
        &load,
    std::vector<PendingTensor> &tensors, WrittenWeights &summary) {
  DataType type = toDataType(variable.type);
  if (!isWeightType(type))
    return failure(ErrorCode::Unsupported,
                   "'{}' is stored in {}, which is not exported", variable.name,
                   toString(type));
  GPTC_TRY(std::vector<WeightPart> parts, partsOf(variable));
  for (const WeightPart &part : parts) {
    std::vector<uint64_t> shape = variable.shape;
    if (!shape.empty())
      shape.back() = part.end - part.begin;
    if (part.transposed && shape.size() == 2)
      std::swap(shape[0], shape[1]);
    DataType written = writtenType(variable, part, unchanged);
    summary.narrowed += written != part.type && (written != DataType::F32 ||
                                                 part.type == DataType::F64);
    tensors.push_back({checkpointName(part.name), written, shape,
                       [load, part](const PendingTensor::Sink &sink) -> Status {
                         GPTC_TRY(auto bytes, load(part));
                         return sink(bytes);
                       }});
  }
  return {};
}

/// Whether a variable's one tensor is what lies in memory, so that it needs no
/// copy: that of a vocabulary is as large as some layers together.
Expected<bool> isStoredAsWritten(const VariableT &variable,
                                 const artifact::StorageT &storage) {
  GPTC_TRY(std::vector<WeightPart> parts, partsOf(variable));
  DataType type = toDataType(variable.type);
  return storage.layout == artifact::Layout::RowMajor && parts.size() == 1 &&
         !parts[0].transposed &&
         writtenType(variable, parts[0], /*unchanged=*/false) == type &&
         storage.bytes == elementCount(variable.shape) * sizeOf(type);
}

/// Whether a checkpoint gives a variable's values: it may lack optional ones.
bool gives(const Checkpoint &checkpoint, const VariableT &variable) {
  auto &pieces = variable.pieces;
  return !pieces.empty() &&
         std::none_of(pieces.begin(), pieces.end(), [&](const auto &piece) {
           return piece->optional && !checkpoint.find(piece->tensor);
         });
}

/// The checkpoint's own tensors that the variables are made of.
Status addOriginals(const VariableT &variable, const Checkpoint &checkpoint,
                    std::vector<PendingTensor> &tensors) {
  for (const auto &piece : variable.pieces) {
    const TensorView *view = checkpoint.find(piece->tensor);
    if (!view)
      return failure(ErrorCode::NotFound,
                     "the checkpoint '{}' has no tensor '{}'",
                     checkpoint.folder(), piece->tensor);
    tensors.push_back({checkpoint.storedName(piece->tensor), view->type,
                       view->shape,
                       [view, &checkpoint](const PendingTensor::Sink &sink) {
                         Status written = sink(view->bytes);
                         checkpoint.release(*view);
                         return written;
                       }});
  }
  return {};
}

/// The first target that stores variables; all store the same values.
const artifact::TargetT *storingTarget(const Artifact &artifact) {
  for (const auto &target : artifact.manifest().targets)
    if (!target->storages.empty())
      return target.get();
  return nullptr;
}

/// What weights are copied from: the checkpoint that the artifact names, or
/// `folder` where that is not empty; none of an artifact that carries them or
/// draws them.
Expected<std::optional<Checkpoint>> openOriginals(const Artifact &artifact,
                                                  const std::string &folder) {
  const artifact::SourceT &source = *artifact.manifest().source;
  if (source.embedded && !folder.empty())
    return takesNone(artifact, folder);
  if (source.embedded || (folder.empty() && source.checkpoint.empty()))
    return std::optional<Checkpoint>();
  return openSource(artifact, folder);
}

Expected<WrittenWeights> finish(const Artifact &artifact,
                                std::vector<PendingTensor> tensors,
                                WrittenWeights written, const std::string &path,
                                const Progress &progress) {
  if (tensors.empty())
    return failure(ErrorCode::NotFound, "'{}' holds no weights",
                   artifact.path());
  uint64_t bytes = 0;
  for (const PendingTensor &tensor : tensors) {
    ++written.tensors[tensor.type];
    bytes += elementCount(tensor.shape) * sizeOf(tensor.type);
  }
  if (progress)
    tellBytes(tensors, bytes, progress);
  GPTC_CHECK(writeSafetensors(path, std::move(tensors)));
  return written;
}

} // namespace

std::string checkpointName(const std::string &name) {
  return name.starts_with("lm_head.") ? name : "transformer." + name;
}

Expected<std::vector<WeightPart>> partsOf(const artifact::VariableT &variable) {
  uint64_t columns = columnsOf(variable);
  std::vector<WeightPart> parts;
  if (variable.pieces.empty())
    return std::vector<WeightPart>{
        {variable.name, false, 0, columns, DataType::F32}};
  uint64_t at = 0;
  for (const auto &piece : variable.pieces) {
    // Widths are there where a checkpoint was; drawn weights know none.
    uint64_t width =
        piece->width ? piece->width : columns / variable.pieces.size();
    width = std::min(width, columns - at);
    parts.push_back({piece->tensor, piece->transposed, at, at + width,
                     toDataType(piece->type)});
    at += width;
  }
  if (at != columns || variable.shape.size() > 2)
    return failure(ErrorCode::Unsupported,
                   "'{}' is no matrix of {} parts that make its {} columns",
                   variable.name, variable.pieces.size(), columns);
  return parts;
}

Expected<WrittenWeights> writeWeights(const Artifact &artifact,
                                      const std::string &path,
                                      const std::string &folder,
                                      const Progress &progress) {
  const artifact::ManifestT &manifest = artifact.manifest();
  GPTC_TRY(std::optional<Checkpoint> checkpoint,
           openOriginals(artifact, folder));
  const artifact::TargetT *target = storingTarget(artifact);
  GPTC_TRY(auto team, ThreadTeam::create(0));
  std::vector<PendingTensor> tensors;
  WrittenWeights written;
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    const VariableT &variable = *manifest.variables[i];
    if (variable.role != artifact::Role::Parameter)
      continue;
    const artifact::StorageT *storage =
        target ? target->storages[i].get() : nullptr;
    if (storage && storage->embedded) {
      auto load = [&variable, &artifact, storage](const WeightPart &part) {
        return unpack(variable, storage->layout,
                      artifact.blob(*storage->embedded), part,
                      writtenType(variable, part, /*unchanged=*/true));
      };
      GPTC_CHECK(
          addParts(variable, /*unchanged=*/true, load, tensors, written));
    } else if (checkpoint && gives(*checkpoint, variable)) {
      // Another checkpoint's shapes may be others.
      GPTC_CHECK(VariableSource::create(variable, artifact::Layout::RowMajor,
                                        &*checkpoint, 0, *team));
      GPTC_CHECK(addOriginals(variable, *checkpoint, tensors));
      written.original = true;
    } else {
      auto load = [&variable, &manifest, &team](const WeightPart &part) {
        return draw(variable, manifest.source->init_seed, *team, part);
      };
      GPTC_CHECK(
          addParts(variable, /*unchanged=*/false, load, tensors, written));
    }
  }
  return finish(artifact, std::move(tensors), written, path, progress);
}

Expected<WrittenWeights> writeWeights(Executable &executable,
                                      const std::string &path,
                                      const ChangeOf &changeOf,
                                      const Progress &progress) {
  const auto &variables = executable.artifact().manifest().variables;
  std::vector<PendingTensor> tensors;
  WrittenWeights written;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (variables[i]->role != artifact::Role::Parameter)
      continue;
    const VariableT &variable = *variables[i];
    artifact::Layout layout = executable.target().storages[i]->layout;
    RowChange change;
    if (changeOf) {
      GPTC_TRY(auto found, changeOf(variable));
      change = found.value_or(RowChange());
      std::vector<float> row(columnsOf(variable));
      if (change && !change(0, row))
        continue;
    }
    auto load =
        [&variable, &executable, layout, i,
         change](const WeightPart &part) -> Expected<std::vector<std::byte>> {
      GPTC_TRY(auto stored, executable.readVariable(i));
      return unpack(variable, layout, stored, part, toDataType(variable.type),
                    change);
    };
    GPTC_CHECK(addParts(variable, /*unchanged=*/false, load, tensors, written));
    GPTC_TRY(bool same,
             isStoredAsWritten(variable, *executable.target().storages[i]));
    if (same && !change)
      tensors.back().produce = [&executable,
                                i](const PendingTensor::Sink &sink) -> Status {
        GPTC_TRY(auto stored, executable.readVariable(i));
        return sink(stored);
      };
  }
  return finish(executable.artifact(), std::move(tensors), written, path,
                progress);
}

} // namespace gptc
