//===- Variables.cpp ------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Variables.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace gptc::vulkan {

namespace {

/// Allocations of about this size: few, and none so large that only an empty
/// heap has room for it in one piece.
constexpr uint64_t allocationBytes = uint64_t(1) << 30;

/// Calls work(from, end) for parts of [from, end) of about a quarter of a
/// megabyte, on all threads.
template <typename Work>
void inParts(ThreadTeam &team, uint64_t from, uint64_t end, uint64_t unitBytes,
             const Work &work) {
  uint64_t part = std::max<uint64_t>(1, (uint64_t(1) << 18) / unitBytes);
  team.forEach((end - from + part - 1) / part, [&](uint64_t i) {
    uint64_t begin = from + i * part;
    work(begin, std::min(end, begin + part));
  });
}

} // namespace

Expected<Variables>
Variables::create(Device &device, Transfer &transfer, const Artifact &artifact,
                  const artifact::TargetT &target, const ChosenPrograms &chosen,
                  const std::string &checkpoint, ThreadTeam &team,
                  const Progress &progress) {
  Variables variables;
  variables.artifact_ = &artifact;
  variables.target_ = &target;
  variables.chosen_ = &chosen;
  std::vector<uint64_t> sizes;
  uint64_t largest = 0;
  for (size_t i = 0; i < target.storages.size(); ++i) {
    // Whole words can be cleared.
    sizes.push_back(chosen.needs(i) ? (target.storages[i]->bytes + 3) / 4 * 4
                                    : 0);
    largest = std::max(largest, sizes.back());
  }
  uint64_t limit = std::min(device.snapshot().allocationBytes,
                            std::max(allocationBytes, largest));
  auto plan = splitParts(sizes, blobAlignment, limit);
  if (!plan)
    return failure(ErrorCode::OutOfMemory,
                   "variable '{}' of '{}' has {:.1f} MiB, and the Vulkan "
                   "device '{}' allocates at most {:.1f} MiB in one piece; "
                   "compile with a smaller type by --dtype",
                   artifact.manifest().variables[plan.error()]->name,
                   artifact.path(), double(sizes[plan.error()]) / 1048576,
                   device.name(), double(limit) / 1048576);
  variables.plan_ = std::move(*plan);
  for (uint64_t bytes : variables.plan_.allocations) {
    GPTC_TRY(Buffer buffer,
             Buffer::create(device, std::max(bytes, blobAlignment),
                            MemoryUse::Device, "weights and state"));
    variables.buffers_.push_back(std::move(buffer));
  }
  GPTC_TRY(InitialValues values,
           InitialValues::open(artifact, target, checkpoint));
  Status filled;
  uint64_t done = 0, all = std::accumulate(sizes.begin(), sizes.end(), done);
  for (size_t i = 0; i < sizes.size() && filled; ++i) {
    if (chosen.needs(i))
      filled = variables.fill(transfer, values, i, team);
    done += sizes[i];
    if (progress)
      progress(done, all);
  }
  // Also after an error: the buffers must not go while the device copies.
  Status finished = transfer.finish();
  GPTC_CHECK(filled);
  GPTC_CHECK(finished);
  return variables;
}

Status Variables::fill(Transfer &transfer, const InitialValues &values,
                       size_t index, ThreadTeam &team) const {
  const Placement &at = plan_.placements[index];
  const Buffer &buffer = buffers_[at.allocation];
  switch (values.kindOf(index)) {
  case InitialValues::Kind::Zero:
    return transfer.clear(buffer, at.offset,
                          (target_->storages[index]->bytes + 3) / 4 * 4);
  case InitialValues::Kind::Embedded: {
    auto bytes = values.embedded(index);
    return transfer.write(
        buffer, at.offset, bytes.size(), 1,
        [&](uint64_t from, uint64_t end, std::byte *to) {
          inParts(team, from, end, 1, [&](uint64_t begin, uint64_t stop) {
            std::memcpy(to + (begin - from), bytes.data() + begin,
                        stop - begin);
          });
        });
  }
  case InitialValues::Kind::Source:
    break;
  }
  GPTC_TRY(VariableSource source, values.source(index, team));
  uint64_t unit = source.unitBytes();
  return transfer.write(
      buffer, at.offset, source.units(), unit,
      [&](uint64_t from, uint64_t end, std::byte *to) {
        inParts(team, from, end, unit, [&](uint64_t begin, uint64_t stop) {
          source.fill(begin, stop, to + (begin - from) * unit);
        });
      });
}

Expected<std::span<const std::byte>> Variables::read(Transfer &transfer,
                                                     size_t index) const {
  if (!chosen_->needs(index))
    return std::span<const std::byte>();
  const Placement &at = plan_.placements[index];
  return transfer.read(buffers_[at.allocation], at.offset,
                       target_->storages[index]->bytes);
}

Status Variables::write(Transfer &transfer, size_t index,
                        std::span<const std::byte> bytes) const {
  const Placement &at = plan_.placements[index];
  GPTC_CHECK(transfer.write(buffers_[at.allocation], at.offset, bytes));
  return transfer.finish();
}

Status Variables::clear(Transfer &transfer) const {
  const auto &variables = artifact_->manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    const Placement &at = plan_.placements[i];
    if (variables[i]->role != artifact::Role::Parameter && chosen_->needs(i))
      GPTC_CHECK(transfer.clear(buffers_[at.allocation], at.offset,
                                (target_->storages[i]->bytes + 3) / 4 * 4));
  }
  return transfer.finish();
}

} // namespace gptc::vulkan
