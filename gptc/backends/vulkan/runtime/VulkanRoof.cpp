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
  VulkanRoofMeter(Device &device, Transfer &transfer)
      : device_(device), transfer_(transfer) {}
  Status prepare();
  Status measure() override;
  Status measureArithmetic() override;

private:
  /// Makes a buffer of zeros.
  Expected<Buffer> clearBuffer(uint64_t bytes);
  /// Makes what reading is measured with, where it is not there.
  Status prepareReading();
  Expected<Pipeline> compile(const char *name,
                             std::span<const uint32_t> words) {
    return Pipeline::compile(device_, layout_.handle(), VK_NULL_HANDLE, name,
                             std::as_bytes(words));
  }
  Step stepOf(const Pipeline &pipeline, const Buffer &from,
              const Buffer &to) const;
  /// Reads all of the source, by vectors of an invocation that stand `apart`.
  Status measureReading(const Pipeline &pipeline, uint32_t each,
                        uint32_t apart);
  /// Seconds of a step of so many workgroups: the best of several runs.
  Expected<double> secondsOf(const Step &step, uint32_t tiles);

  Device &device_;
  Transfer &transfer_;
  PipelineLayout layout_;
  Pipeline read_, readHalves_, multiply_;
  Buffer source_, readSums_, sums_, scalars_;
  uint32_t readTiles_ = 0, multiplyTiles_ = 0;
  double rounds_ = 0;
};

Expected<Buffer> VulkanRoofMeter::clearBuffer(uint64_t bytes) {
  GPTC_TRY(Buffer buffer, Buffer::create(device_, bytes, MemoryUse::Device,
                                         "measuring the device"));
  Status cleared = transfer_.clear(buffer, 0, bytes);
  // Also after an error: a buffer must not go while the device copies.
  Status finished = transfer_.finish();
  GPTC_CHECK(cleared);
  GPTC_CHECK(finished);
  return buffer;
}

Status VulkanRoofMeter::prepare() {
  GPTC_TRY(layout_, PipelineLayout::create(device_));
  GPTC_TRY(multiply_, compile("roof_multiply", multiplyKernel));
  // Enough for every GPU to be busy for a while; software is slower.
  bool software = device_.snapshot().kind == DeviceKind::Software;
  multiplyTiles_ = software ? 64 : 8192;
  rounds_ = software ? 2048 : 1024;
  GPTC_TRY(sums_, clearBuffer(multiplyTiles_ * bytesOfSums));
  GPTC_TRY(scalars_, clearBuffer(sizeof(uint64_t)));
  auto rounds = uint64_t(rounds_);
  Status written =
      transfer_.write(scalars_, 0, std::as_bytes(std::span(&rounds, 1)));
  Status finished = transfer_.finish();
  GPTC_CHECK(written);
  return finished;
}

Status VulkanRoofMeter::prepareReading() {
  if (source_.size() > 0)
    return {};
  GPTC_TRY(read_, compile("roof_read", readKernel));
  // With words of 64 bits software may read more; others do not need them.
  const auto &features = device_.snapshot().features;
  bool software = device_.snapshot().kind == DeviceKind::Software;
  bool hasInt64 = std::find(features.begin(), features.end(), feature::int64) !=
                  features.end();
  if (software && hasInt64) {
    GPTC_TRY(readHalves_, compile("roof_read_halves", readHalvesKernel));
  }
  uint64_t bytes = uint64_t(software ? 128 : 1024) << 20;
  bytes = std::min(bytes, device_.snapshot().allocationBytes);
  if (uint64_t available = device_.freeBytes(); available > 0)
    bytes = std::min(bytes, std::max(available / 4, 16 * bytesRead));
  readTiles_ = uint32_t(bytes / bytesRead);
  GPTC_TRY(readSums_, clearBuffer(readTiles_ * bytesOfSums));
  GPTC_TRY(source_, clearBuffer(readTiles_ * bytesRead));
  return {};
}

Step VulkanRoofMeter::stepOf(const Pipeline &pipeline, const Buffer &from,
                             const Buffer &to) const {
  Step step;
  step.pipeline = pipeline.handle();
  step.constants.scalars = step.constants.lengths = scalars_.address();
  step.constants.buffers[0] = from.address();
  step.constants.buffers[1] = to.address();
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
  Step read = stepOf(pipeline, source_, readSums_);
  read.constants.rowsPerSequence = each;
  read.constants.sequences = apart;
  GPTC_TRY(double reading, secondsOf(read, readTiles_));
  roof_.readBytes = std::max(roof_.readBytes, double(source_.size()) / reading);
  return {};
}

Status VulkanRoofMeter::measure() {
  GPTC_CHECK(prepareReading());
  // GPUs join the loads of neighbours; of a software device either may be best.
  GPTC_CHECK(measureReading(read_, 1, 256));
  GPTC_CHECK(measureReading(read_, 4, 1));
  if (readHalves_.handle())
    GPTC_CHECK(measureReading(readHalves_, 4, 1));
  return measureArithmetic();
}

Status VulkanRoofMeter::measureArithmetic() {
  Step step = stepOf(multiply_, sums_, sums_);
  GPTC_TRY(double multiplying, secondsOf(step, multiplyTiles_));
  roof_.f32 = std::max(roof_.f32, rounds_ * operationsOfRound * multiplyTiles_ /
                                      multiplying);
  return {};
}

} // namespace

Expected<std::unique_ptr<RoofMeter>> createRoofMeter(Device &device,
                                                     Transfer &transfer) {
  auto meter = std::make_unique<VulkanRoofMeter>(device, transfer);
  GPTC_CHECK(meter->prepare());
  return meter;
}

} // namespace gptc::vulkan
