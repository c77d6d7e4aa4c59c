//===- VulkanRoof.cpp -----------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/VulkanRoof.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/runtime/Pipelines.h"
#include "gptc/backends/vulkan/runtime/Timestamps.h"

#include <algorithm>
#include <chrono>

namespace gptc::vulkan {

namespace {

constexpr uint32_t readKernel[] = {
#include "gptc/backends/vulkan/runtime/RoofRead.inc"
};
constexpr uint32_t readHalvesKernel[] = {
#include "gptc/backends/vulkan/runtime/RoofReadHalves.inc"
};
constexpr uint32_t multiplyKernel[] = {
#include "gptc/backends/vulkan/runtime/RoofMultiply.inc"
};
/// Of the kernels, for each workgroup.
constexpr uint64_t bytesRead = 262144, bytesOfSums = 1024;
constexpr double operationsOfRound = 256 * 16 * 2;
constexpr size_t repeats = 6;

class VulkanRoofMeter : public RoofMeter {
public:
  explicit VulkanRoofMeter(Device &device) : device_(device) {}
  Status prepare(Transfer &transfer);
  Status measure() override;

private:
  Step stepOf(const Pipeline &pipeline) const;
  /// Reads all of the source, by vectors of an invocation that stand `apart`.
  Status measureReading(const Pipeline &pipeline, uint32_t each,
                        uint32_t apart);
  /// Seconds of a step of so many workgroups: the best of several runs.
  Expected<double> secondsOf(const Step &step, uint32_t tiles);

  Device &device_;
  PipelineLayout layout_;
  Pipeline read_, readHalves_, multiply_;
  Buffer source_, sums_, scalars_;
  uint32_t readTiles_ = 0, multiplyTiles_ = 0;
  double rounds_ = 0;
};

Status VulkanRoofMeter::prepare(Transfer &transfer) {
  GPTC_TRY(layout_, PipelineLayout::create(device_));
  auto compile = [&](const char *name, std::span<const uint32_t> words) {
    return Pipeline::compile(device_, layout_.handle(), VK_NULL_HANDLE, name,
                             std::as_bytes(words));
  };
  GPTC_TRY(read_, compile("roof_read", readKernel));
  // With words of 64 bits software may read more; others do not need them.
  const auto &features = device_.snapshot().features;
  bool software = device_.snapshot().kind == DeviceKind::Software;
  bool hasInt64 = std::find(features.begin(), features.end(), feature::int64) !=
                  features.end();
  if (software && hasInt64) {
    GPTC_TRY(readHalves_, compile("roof_read_halves", readHalvesKernel));
  }
  GPTC_TRY(multiply_, compile("roof_multiply", multiplyKernel));
  // Enough for every GPU to be busy for a while; software is slower.
  uint64_t bytes = uint64_t(software ? 128 : 1024) << 20;
  bytes = std::min(bytes, device_.snapshot().allocationBytes);
  if (uint64_t available = device_.freeBytes(); available > 0)
    bytes = std::min(bytes, std::max(available / 4, 16 * bytesRead));
  readTiles_ = uint32_t(bytes / bytesRead);
  multiplyTiles_ = software ? 64 : 8192;
  rounds_ = software ? 2048 : 1024;
  GPTC_TRY(source_, Buffer::create(device_, readTiles_ * bytesRead,
                                   MemoryUse::Device, "measuring bandwidth"));
  GPTC_TRY(sums_,
           Buffer::create(device_,
                          std::max(readTiles_, multiplyTiles_) * bytesOfSums,
                          MemoryUse::Device, "measuring"));
  GPTC_TRY(scalars_, Buffer::create(device_, sizeof(uint64_t),
                                    MemoryUse::Device, "measuring"));
  GPTC_CHECK(transfer.clear(source_, 0, source_.size()));
  GPTC_CHECK(transfer.clear(sums_, 0, sums_.size()));
  auto rounds = uint64_t(rounds_);
  GPTC_CHECK(transfer.write(scalars_, 0, std::as_bytes(std::span(&rounds, 1))));
  return transfer.finish();
}

Step VulkanRoofMeter::stepOf(const Pipeline &pipeline) const {
  Step step;
  step.pipeline = pipeline.handle();
  step.constants.scalars = step.constants.lengths = scalars_.address();
  step.constants.buffers[0] = source_.address();
  step.constants.buffers[1] = sums_.address();
  return step;
}

Expected<double> VulkanRoofMeter::secondsOf(const Step &step, uint32_t tiles) {
  using Clock = std::chrono::steady_clock;
  std::vector<Step> steps(repeats, step);
  std::vector<double> seconds(repeats);
  // Each is handed over by itself: together they may take a slow device long.
  std::vector<Part> parts;
  for (size_t i = 0; i < repeats; ++i)
    parts.push_back({{i, cutGrid(tiles, 1).front()}});
  Recording recording;
  recording.steps = steps;
  recording.parts = parts;
  recording.layout = layout_.handle();
  if (device_.snapshot().timestampBits > 0) {
    GPTC_TRY(Timestamps timestamps, Timestamps::create(device_, repeats + 1));
    recording.timestamps = timestamps.handle();
    GPTC_TRY(CommandList commands, record(device_, recording));
    GPTC_CHECK(device_.run(commands.buffers()));
    GPTC_CHECK(timestamps.read(seconds));
  } else {
    recording.steps = std::span(steps).first(1);
    recording.parts = std::span(parts).first(1);
    GPTC_TRY(CommandList commands, record(device_, recording));
    for (double &one : seconds) {
      Clock::time_point begin = Clock::now();
      GPTC_CHECK(device_.run(commands.buffers()));
      one = std::chrono::duration<double>(Clock::now() - begin).count();
    }
  }
  return std::max(*std::min_element(seconds.begin(), seconds.end()), 1e-9);
}

Status VulkanRoofMeter::measureReading(const Pipeline &pipeline, uint32_t each,
                                       uint32_t apart) {
  Step read = stepOf(pipeline);
  read.constants.rowsPerSequence = each;
  read.constants.sequences = apart;
  GPTC_TRY(double reading, secondsOf(read, readTiles_));
  roof_.readBytes = std::max(roof_.readBytes, double(source_.size()) / reading);
  return {};
}

Status VulkanRoofMeter::measure() {
  // GPUs join the loads of neighbours; of a software device either may be best.
  GPTC_CHECK(measureReading(read_, 1, 256));
  GPTC_CHECK(measureReading(read_, 4, 1));
  if (readHalves_.handle())
    GPTC_CHECK(measureReading(readHalves_, 4, 1));
  Step step = stepOf(multiply_);
  step.constants.buffers[0] = sums_.address();
  GPTC_TRY(double multiplying, secondsOf(step, multiplyTiles_));
  roof_.f32 = std::max(roof_.f32, rounds_ * operationsOfRound * multiplyTiles_ /
                                      multiplying);
  return {};
}

} // namespace

Expected<std::unique_ptr<RoofMeter>> createRoofMeter(Device &device,
                                                     Transfer &transfer) {
  auto meter = std::make_unique<VulkanRoofMeter>(device);
  Status prepared = meter->prepare(transfer);
  // Also after an error: the buffers must not go while the device copies.
  Status finished = transfer.finish();
  GPTC_CHECK(prepared);
  GPTC_CHECK(finished);
  return meter;
}

} // namespace gptc::vulkan
