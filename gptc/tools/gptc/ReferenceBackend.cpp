//===- ReferenceBackend.cpp -----------------------------------------------===//

#include "ReferenceBackend.h"

#include "CommandLine.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace gptc::tool {

namespace {

class ReferenceRunner : public Runner {
public:
  ReferenceRunner(std::shared_ptr<const Artifact> artifact,
                  std::unique_ptr<ReferenceModel> model)
      : artifact_(std::move(artifact)), model_(std::move(model)) {}

  std::string name() const override { return "reference, in double"; }
  const Artifact &artifact() const override { return *artifact_; }
  bool has(uint32_t entry) const override {
    return entry < artifact_->manifest().entries.size();
  }
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
    return memoryOf(entry).arguments[index].bytes;
  }
  std::span<std::byte> result(uint32_t entry, size_t index) override {
    return memoryOf(entry).results[index].bytes;
  }
  Status runInPlace(uint32_t entry) override {
    Memory &memory = memoryOf(entry);
    std::vector<NpyArray> arguments = memory.arguments;
    for (NpyArray &argument : arguments)
      argument.bytes.resize(
          denseBytes(argument.shape, toElementType(argument.type)));
    GPTC_TRY(auto results, runOn(entry, arguments, nullptr));
    // Whoever holds the memory goes on to look at it.
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].bytes.size() != memory.results[i].bytes.size())
        return failure(ErrorCode::Unsupported,
                       "result {} of the entry is {} on the reference, which "
                       "is not the artifact's type",
                       i, toString(results[i].type));
      std::copy(results[i].bytes.begin(), results[i].bytes.end(),
                memory.results[i].bytes.begin());
    }
    return {};
  }
  Status reset() override {
    model_->reset();
    return {};
  }

private:
  Expected<std::vector<NpyArray>>
  runOn(uint32_t entry, std::span<const NpyArray> arguments, Trace *trace) {
    return model_->run(artifact_->manifest().entries[entry]->name,
                       {arguments.begin(), arguments.end()}, trace);
  }

  /// The same with results as other backends show them.
  Expected<std::vector<NpyArray>>
  runToShow(uint32_t entry, std::span<const NpyArray> arguments, Trace *trace) {
    GPTC_TRY(auto results, runOn(entry, arguments, trace));
    for (NpyArray &result : results)
      result = withoutBF16(std::move(result));
    return results;
  }

  /// Of an entry that is run in place.
  struct Memory {
    std::vector<NpyArray> arguments, results;
  };
  Memory &memoryOf(uint32_t index) {
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

  std::shared_ptr<const Artifact> artifact_;
  std::unique_ptr<ReferenceModel> model_;
  std::map<uint32_t, Memory> memory_;
};

} // namespace

Expected<std::unique_ptr<Runner>>
createReferenceRunner(std::shared_ptr<const Artifact> artifact,
                      const std::string &checkpoint) {
  GPTC_TRY(CompilerService * compiler, loadCompiler());
  GPTC_TRY(auto model, compiler->openReference(*artifact, checkpoint));
  return std::make_unique<ReferenceRunner>(std::move(artifact),
                                           std::move(model));
}

} // namespace gptc::tool
