//===- Runner.cpp ---------------------------------------------------------===//

#include "gptc/runtime/session/Runner.h"

#include <chrono>
#include <cstring>

namespace gptc {

namespace {

class ProgramRunner : public Runner {
public:
  explicit ProgramRunner(Executable &program) : program_(&program) {}
  explicit ProgramRunner(std::unique_ptr<Executable> program)
      : owned_(std::move(program)), program_(owned_.get()) {}

  std::string name() const override { return program_->name(); }
  const Artifact &artifact() const override { return program_->artifact(); }
  bool has(uint32_t entry) const override { return program_->has(entry); }
  Expected<std::vector<NpyArray>> run(uint32_t entry,
                                      std::span<const NpyArray> arguments,
                                      double *seconds) override {
    using Clock = std::chrono::steady_clock;
    setArguments(*program_, entry, arguments);
    Clock::time_point begin = Clock::now();
    GPTC_CHECK(program_->run(entry));
    if (seconds)
      *seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::vector<NpyArray> results;
    for (size_t i = 0; i < artifact().manifest().entries[entry]->results.size();
         ++i)
      results.push_back(readResult(*program_, entry, i));
    return results;
  }
  std::span<std::byte> argument(uint32_t entry, size_t index) override {
    return program_->argument(entry, index);
  }
  std::span<std::byte> result(uint32_t entry, size_t index) override {
    return program_->result(entry, index);
  }
  Status runInPlace(uint32_t entry) override { return program_->run(entry); }
  uint64_t computedRows(uint32_t entry, uint64_t rows) const override {
    return program_->computedRows(entry, rows);
  }
  Status reset() override { return program_->reset(); }
  Executable *program() override { return program_; }

private:
  std::unique_ptr<Executable> owned_; ///< Null where it is borrowed.
  Executable *program_;
};

} // namespace

std::unique_ptr<Runner> createRunner(std::unique_ptr<Executable> program) {
  return std::make_unique<ProgramRunner>(std::move(program));
}

std::unique_ptr<Runner> borrowingRunner(Executable &program) {
  return std::make_unique<ProgramRunner>(program);
}

void setArguments(Executable &program, uint32_t entry,
                  std::span<const NpyArray> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    auto to = program.argument(entry, i);
    std::memset(to.data(), 0, to.size());
    std::memcpy(to.data(), arguments[i].bytes.data(),
                std::min(to.size(), arguments[i].bytes.size()));
  }
}

NpyArray readResult(Executable &program, uint32_t entry, size_t index) {
  const artifact::ParameterT &parameter =
      *program.artifact().manifest().entries[entry]->results[index];
  auto bytes = program.result(entry, index);
  NpyArray array{toDataType(parameter.type), parameter.shape, {}};
  array.bytes.assign(bytes.begin(),
                     bytes.begin() +
                         int64_t(denseBytes(array.shape, parameter.type)));
  return withoutBF16(std::move(array));
}

NpyArray withoutBF16(NpyArray array) {
  if (array.type != DataType::BF16)
    return array;
  NpyArray wide{DataType::F32, std::move(array.shape), {}};
  wide.bytes.resize(array.bytes.size() * 2);
  for (size_t i = 0; i < array.bytes.size() / 2; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, array.bytes.data() + i * 2, 2);
    float value = fromBF16(bits);
    std::memcpy(wide.bytes.data() + i * 4, &value, 4);
  }
  return wide;
}

} // namespace gptc
