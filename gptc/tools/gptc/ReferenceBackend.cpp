//===- ReferenceBackend.cpp -----------------------------------------------===//

#include "ReferenceBackend.h"

#include "CommandLine.h"

#include "gptc/runtime/program/Roof.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace gptc::tool {

namespace {

class ReferenceProgram final : public Executable {
public:
  ReferenceProgram(std::shared_ptr<const Artifact> artifact,
                   std::unique_ptr<ReferenceModel> model, EntryFilter entries)
      : artifact_(std::move(artifact)), model_(std::move(model)),
        entries_(std::move(entries)) {
    describeStorage();
  }

  std::string name() const override { return "reference, in double"; }
  const Artifact &artifact() const override { return *artifact_; }
  const artifact::TargetT &target() const override { return target_; }
  const std::string &variant() const override { return target_.name; }
  const std::vector<std::string> &features() const override { return none_; }

  bool has(uint32_t entry) const override {
    const auto &all = artifact_->manifest().entries;
    return entry < all.size() && (!entries_ || entries_(all[entry]->name));
  }
  const artifact::ProgramT &describe(uint32_t) const override {
    return program_;
  }
  std::span<std::byte> argument(uint32_t entry, size_t index) override {
    return memoryOf(entry).arguments[index].bytes;
  }
  std::span<std::byte> result(uint32_t entry, size_t index) override {
    return memoryOf(entry).results[index].bytes;
  }
  Status run(uint32_t entry, std::span<double> seconds) override;
  uint64_t computedRows(uint32_t, uint64_t rows) const override { return rows; }
  Status runDispatches(uint32_t, size_t, size_t) override { return refuse(); }
  Expected<std::span<const std::byte>> readBuffer(uint32_t, size_t,
                                                  size_t) override {
    return refuse();
  }

  Expected<std::span<const std::byte>> readVariable(size_t index) override;
  Status writeVariable(size_t index, std::span<const std::byte> bytes) override;
  Status reset() override {
    model_->reset();
    return {};
  }
  bool isInDouble() const override { return true; }
  std::span<double> doubles(size_t index) override {
    return model_->values(artifact_->manifest().variables[index]->name);
  }

  Expected<std::unique_ptr<RoofMeter>> createRoofMeter() override {
    return refuse();
  }
  uint64_t weightsBytes() const override { return bytesOf(true); }
  uint64_t stateBytes() const override { return bytesOf(false); }
  uint64_t arenaBytes() const override { return 0; }

  /// Runs an entry on arrays of its arguments' types and shapes.
  Expected<std::vector<NpyArray>>
  runOn(uint32_t entry, std::span<const NpyArray> arguments, Trace *trace) {
    return model_->run(artifact_->manifest().entries[entry]->name,
                       {arguments.begin(), arguments.end()}, trace);
  }

private:
  /// Of an entry that is run in place.
  struct Memory {
    std::vector<NpyArray> arguments, results;
  };
  Memory &memoryOf(uint32_t index);
  void describeStorage();
  uint64_t bytesOf(bool parameters) const;
  static tl::unexpected<Error> refuse() {
    return failure(
        ErrorCode::Unsupported,
        "the reference has neither dispatches nor a peak to measure");
  }

  std::shared_ptr<const Artifact> artifact_;
  std::unique_ptr<ReferenceModel> model_;
  EntryFilter entries_;
  artifact::TargetT target_;
  artifact::ProgramT program_; ///< Without dispatches, of every entry.
  std::vector<std::string> none_;
  std::map<uint32_t, Memory> memory_;
  std::vector<std::byte> stored_; ///< Of the variable that was read last.
};

void ReferenceProgram::describeStorage() {
  target_.name = "reference";
  target_.type = artifact::ElementType::F64;
  for (const auto &variable : artifact_->manifest().variables) {
    auto storage = std::make_unique<artifact::StorageT>();
    storage->layout = artifact::Layout::RowMajor;
    storage->bytes = denseBytes(variable->shape, variable->type);
    target_.storages.push_back(std::move(storage));
  }
}

uint64_t ReferenceProgram::bytesOf(bool parameters) const {
  uint64_t bytes = 0;
  for (const auto &variable : artifact_->manifest().variables)
    if ((variable->role == artifact::Role::Parameter) == parameters)
      bytes += elementCount(variable->shape) * sizeof(double);
  return bytes;
}

ReferenceProgram::Memory &ReferenceProgram::memoryOf(uint32_t index) {
  auto [place, fresh] = memory_.try_emplace(index);
  if (!fresh)
    return place->second;
  const artifact::EntryT &entry = *artifact_->manifest().entries[index];
  auto add = [](const auto &parameters, std::vector<NpyArray> &to) {
    for (const auto &parameter : parameters) {
      // A scalar argument has 8 bytes, whatever its type.
      uint64_t bytes = parameter->scalar
                           ? sizeof(Scalars)
                           : denseBytes(parameter->shape, parameter->type);
      to.push_back({toDataType(parameter->type), parameter->shape,
                    std::vector<std::byte>(bytes)});
    }
  };
  add(entry.arguments, place->second.arguments);
  add(entry.results, place->second.results);
  return place->second;
}

Status ReferenceProgram::run(uint32_t entry, std::span<double> seconds) {
  if (!seconds.empty())
    return refuse();
  Memory &memory = memoryOf(entry);
  std::vector<NpyArray> arguments = memory.arguments;
  for (NpyArray &argument : arguments)
    argument.bytes.resize(
        denseBytes(argument.shape, toElementType(argument.type)));
  GPTC_TRY(auto results, runOn(entry, arguments, nullptr));
  // Whoever holds the memory goes on to look at it.
  for (size_t i = 0; i < results.size(); ++i) {
    NpyArray &kept = memory.results[i];
    if (results[i].bytes.size() !=
        denseBytes(kept.shape, toElementType(kept.type)))
      return failure(ErrorCode::Unsupported,
                     "result {} of the entry is {} on the reference, which is "
                     "not the artifact's type",
                     i, toString(results[i].type));
    std::copy(results[i].bytes.begin(), results[i].bytes.end(),
              kept.bytes.begin());
  }
  return {};
}

Expected<std::span<const std::byte>>
ReferenceProgram::readVariable(size_t index) {
  const artifact::VariableT &variable = *artifact_->manifest().variables[index];
  std::span<const double> values = doubles(index);
  if (values.size() != elementCount(variable.shape))
    return failure(ErrorCode::Corrupt,
                   "the reference of '{}' has no variable '{}'; compile it "
                   "again",
                   artifact_->path(), variable.name);
  DataType type = toDataType(variable.type);
  stored_.resize(target_.storages[index]->bytes);
  for (size_t i = 0; i < values.size(); ++i)
    writeElement(stored_.data(), type, i, values[i]);
  return std::span<const std::byte>(stored_);
}

Status ReferenceProgram::writeVariable(size_t index,
                                       std::span<const std::byte> bytes) {
  DataType type = toDataType(artifact_->manifest().variables[index]->type);
  std::span<double> values = doubles(index);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = readElement(bytes.data(), type, i);
  return {};
}

class ReferenceRunner : public Runner {
public:
  explicit ReferenceRunner(std::unique_ptr<ReferenceProgram> program)
      : program_(std::move(program)) {}

  std::string name() const override { return program_->name(); }
  const Artifact &artifact() const override { return program_->artifact(); }
  bool has(uint32_t entry) const override { return program_->has(entry); }
  Expected<std::vector<NpyArray>> run(uint32_t entry,
                                      std::span<const NpyArray> arguments,
                                      double *seconds) override {
    using Clock = std::chrono::steady_clock;
    Clock::time_point begin = Clock::now();
    auto results = runToShow(entry, arguments, nullptr);
    if (seconds)
      *seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return results;
  }
  bool traces() const override { return true; }
  Expected<std::vector<NpyArray>> runTraced(uint32_t entry,
                                            std::span<const NpyArray> arguments,
                                            Trace &trace) override {
    return runToShow(entry, arguments, &trace);
  }
  std::span<std::byte> argument(uint32_t entry, size_t index) override {
    return program_->argument(entry, index);
  }
  std::span<std::byte> result(uint32_t entry, size_t index) override {
    return program_->result(entry, index);
  }
  Status runInPlace(uint32_t entry) override {
    return program_->run(entry, {});
  }
  Status reset() override { return program_->reset(); }

private:
  /// Results as other backends show them.
  Expected<std::vector<NpyArray>>
  runToShow(uint32_t entry, std::span<const NpyArray> arguments, Trace *trace) {
    GPTC_TRY(auto results, program_->runOn(entry, arguments, trace));
    for (NpyArray &result : results)
      result = withoutBF16(std::move(result));
    return results;
  }

  std::unique_ptr<ReferenceProgram> program_;
};

Expected<std::unique_ptr<ReferenceProgram>>
open(std::shared_ptr<const Artifact> artifact, const std::string &checkpoint,
     const EntryFilter &entries) {
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  GPTC_TRY(auto model, compiler->openReference(*artifact, checkpoint));
  return std::make_unique<ReferenceProgram>(std::move(artifact),
                                            std::move(model), entries);
}

} // namespace

Expected<std::unique_ptr<Runner>>
createReferenceRunner(std::shared_ptr<const Artifact> artifact,
                      const std::string &checkpoint) {
  GPTC_TRY(auto program, open(std::move(artifact), checkpoint, {}));
  return std::make_unique<ReferenceRunner>(std::move(program));
}

Expected<std::unique_ptr<Executable>>
createReferenceProgram(std::shared_ptr<const Artifact> artifact,
                       const std::string &checkpoint,
                       const EntryFilter &entries) {
  GPTC_TRY(auto program, open(std::move(artifact), checkpoint, entries));
  return std::unique_ptr<Executable>(std::move(program));
}

} // namespace gptc::tool
