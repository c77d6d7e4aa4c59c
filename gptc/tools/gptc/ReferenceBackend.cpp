//===- ReferenceBackend.cpp -----------------------------------------------===//

#include "ReferenceBackend.h"

#include "CommandLine.h"

#include <chrono>

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
    auto results =
        model_->run(artifact_->manifest().entries[entry]->name,
                    std::vector<NpyArray>(arguments.begin(), arguments.end()));
    if (seconds)
      *seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return results;
  }
  void reset() override { model_->reset(); }

private:
  std::shared_ptr<const Artifact> artifact_;
  std::unique_ptr<ReferenceModel> model_;
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
