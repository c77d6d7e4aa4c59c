//===- VulkanProgram.cpp --------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/VulkanProgram.h"

#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "gptc/backends/vulkan/runtime/Entry.h"
#include "gptc/backends/vulkan/runtime/PipelineCache.h"
#include "gptc/backends/vulkan/runtime/VulkanRoof.h"
#include "gptc/runtime/program/MemoryAdvice.h"

#include <algorithm>

namespace gptc::vulkan {

namespace {

using artifact::BufferSpace;

class VulkanProgram final : public Executable {
public:
  static Expected<std::unique_ptr<Executable>>
  load(std::shared_ptr<const Artifact> artifact, const VulkanOptions &options);

  std::string name() const override {
    return fmt::format("vulkan {}, {}", variant(), device_->name());
  }
  const Artifact &artifact() const override { return *artifact_; }
  const artifact::TargetT &target() const override { return *target_; }
  const std::string &variant() const override { return variant_->name; }
  const std::vector<std::string> &features() const override {
    return variant_->features;
  }

  bool has(uint32_t entry) const override {
    return entry < entries_.size() && entries_[entry];
  }
  const artifact::ProgramT &describe(uint32_t entry) const override {
    return entries_[entry]->description();
  }
  std::span<std::byte> argument(uint32_t entry, size_t index) override {
    return entries_[entry]->argument(index);
  }
  std::span<std::byte> result(uint32_t entry, size_t index) override {
    return entries_[entry]->result(index);
  }
  void want(uint32_t entry, std::span<const size_t> results) override {
    entries_[entry]->want(results);
  }
  Status bring(uint32_t entry, size_t result) override {
    return entries_[entry]->bring(*transfer_, result);
  }
  Status run(uint32_t entry, std::span<double> seconds) override {
    return seconds.empty() ? entries_[entry]->run(runner())
                           : entries_[entry]->runTimed(runner(), seconds);
  }
  uint64_t computedRows(uint32_t entry, uint64_t rows) const override {
    uint64_t block = entries_[entry]->rowsPerBlock();
    return block == 0 ? rows : (rows + block - 1) / block * block;
  }
  Status runDispatches(uint32_t entry, size_t from, size_t to) override {
    return entries_[entry]->runPart(runner(), from, to);
  }
  Expected<std::span<const std::byte>>
  readBuffer(uint32_t entry, size_t dispatch, size_t position) override;

  Expected<std::span<const std::byte>> readVariable(size_t index) override {
    return variables_.read(*transfer_, index);
  }
  Status writeVariable(size_t index,
                       std::span<const std::byte> bytes) override {
    return variables_.write(*transfer_, index, bytes);
  }
  Status reset() override { return variables_.clear(*transfer_); }

  Expected<std::unique_ptr<RoofMeter>> createRoofMeter() override {
    return vulkan::createRoofMeter(*device_, *transfer_);
  }

  uint64_t weightsBytes() const override { return weightsBytes_; }
  uint64_t stateBytes() const override { return stateBytes_; }
  uint64_t arenaBytes() const override { return arena_.size(); }

private:
  VulkanProgram() = default;
  /// Returns the features that the variant asks for.
  Expected<std::vector<std::string>>
  chooseVariant(const VulkanOptions &options, const DeviceSnapshot &device);
  Status checkMemory(uint64_t arena) const;
  EntryRunner runner() { return {*device_, pipelines_, *team_}; }

  // In the order in which each needs those before it.
  std::shared_ptr<const Artifact> artifact_;
  const artifact::TargetT *target_ = nullptr;
  const artifact::VariantT *variant_ = nullptr;
  ChosenPrograms chosen_;
  std::unique_ptr<ThreadTeam> team_;
  std::unique_ptr<Device> device_;
  Pipelines pipelines_;
  Buffer arena_;
  Variables variables_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::unique_ptr<Transfer> transfer_;
  uint64_t weightsBytes_ = 0, stateBytes_ = 0;
};

Expected<std::unique_ptr<Executable>>
VulkanProgram::load(std::shared_ptr<const Artifact> artifact,
                    const VulkanOptions &options) {
  std::unique_ptr<VulkanProgram> program(new VulkanProgram());
  program->artifact_ = std::move(artifact);
  const Artifact &file = *program->artifact_;
  program->target_ = file.findTarget("vulkan");
  if (!program->target_)
    return failure(ErrorCode::NotFound,
                   "'{}' holds nothing for Vulkan; compile with --target "
                   "vulkan",
                   file.path());
  const artifact::TargetT &target = *program->target_;
  GPTC_TRY(program->device_,
           Device::open({options.device, options.alwaysCopy, options.intercept,
                         [&](const DeviceSnapshot &snapshot) {
                           return program->chooseVariant(options, snapshot);
                         }}));
  Device &device = *program->device_;
  program->chosen_ = ChosenPrograms(file, target, options.entries);
  const ChosenPrograms &chosen = program->chosen_;
  uint64_t arena = std::max(bufferAlignment, chosen.arenaBytes());
  GPTC_CHECK(program->checkMemory(arena));
  GPTC_TRY(program->team_, ThreadTeam::create(options.threads));
  GPTC_TRY(
      program->pipelines_,
      Pipelines::create(device, file, target, *program->variant_,
                        options.cacheFolder.value_or(defaultCacheFolder())));
  GPTC_TRY(program->arena_,
           Buffer::create(device, arena, MemoryUse::Device, "activations"));
  program->transfer_ = std::make_unique<Transfer>(device);
  Transfer &transfer = *program->transfer_;
  if (options.fill) {
    GPTC_CHECK(transfer.fill(program->arena_, 0, program->arena_.size() / 4 * 4,
                             *options.fill));
    GPTC_CHECK(transfer.finish());
  }
  GPTC_TRY(program->variables_,
           Variables::create(device, transfer, file, target, chosen,
                             options.checkpoint, *program->team_,
                             options.onProgress));
  for (size_t i = 0; i < target.storages.size(); ++i)
    if (chosen.needs(i))
      (file.manifest().variables[i]->role == artifact::Role::Parameter
           ? program->weightsBytes_
           : program->stateBytes_) += target.storages[i]->bytes;
  program->entries_.resize(file.manifest().entries.size());
  EntryContext context{
      device,         transfer, file, *program->variant_, program->variables_,
      program->arena_};
  for (const artifact::ProgramT *one : chosen.programs()) {
    GPTC_TRY(Entry entry, Entry::create(context, *one));
    program->entries_[one->entry] = std::make_unique<Entry>(std::move(entry));
  }
  return program;
}

Expected<std::vector<std::string>>
VulkanProgram::chooseVariant(const VulkanOptions &options,
                             const DeviceSnapshot &device) {
  std::vector<VariantCheck> checks;
  if (options.variant.empty() && options.advise) {
    GPTC_TRY(checks,
             options.advise(device,
                            std::string(toString(toDataType(target_->type)))));
  }
  GPTC_TRY(variant_,
           vulkan::chooseVariant(*target_, device.features, options.variant,
                                 checks, device.name, artifact_->path()));
  return variant_->features;
}

Status VulkanProgram::checkMemory(uint64_t arena) const {
  uint64_t variables = chosen_.variablesBytes(), parameters = 0;
  for (const artifact::ProgramT *program : chosen_.programs())
    parameters += Entry::bytesOf(*artifact_, *program);
  uint64_t available = device_->freeBytes();
  if (available == 0 || variables + arena + parameters <= available)
    return {};
  auto mebibytes = [](uint64_t bytes) { return double(bytes) / 1048576; };
  return failure(
      ErrorCode::OutOfMemory,
      "'{}' needs {:.1f} MiB for weights, state and caches, {:.1f} MiB for "
      "activations and {:.1f} MiB for arguments and results, and "
      "the Vulkan device '{}' has {:.1f} MiB free; {}, or end what "
      "else uses the device",
      artifact_->path(), mebibytes(variables), mebibytes(arena),
      mebibytes(parameters), device_->name(), mebibytes(available),
      whatWouldFit(MemoryNeed::of(*artifact_, *target_, chosen_, parameters),
                   available));
}

Expected<std::span<const std::byte>>
VulkanProgram::readBuffer(uint32_t index, size_t dispatch, size_t position) {
  const Entry &entry = *entries_[index];
  const artifact::ProgramT &program = entry.description();
  const artifact::BufferT &buffer =
      *program.buffers[program.dispatches[dispatch]->buffers[position]];
  if (buffer.space == BufferSpace::Variable)
    return readVariable(buffer.index);
  if (buffer.space == BufferSpace::Arena)
    return transfer_->read(arena_, buffer.offset, buffer.bytes);
  Entry::Place place = entry.placeOf(buffer);
  return transfer_->read(*place.buffer, place.offset, buffer.bytes);
}

} // namespace

Expected<std::unique_ptr<Executable>>
loadVulkanProgram(std::shared_ptr<const Artifact> artifact,
                  const VulkanOptions &options) {
  return VulkanProgram::load(std::move(artifact), options);
}

} // namespace gptc::vulkan
