//===- Entry.cpp ----------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Entry.h"

#include "gptc/backends/vulkan/runtime/Timestamps.h"
#include "gptc/backends/vulkan/runtime/Transfer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace gptc::vulkan {

namespace {

uint64_t aligned(uint64_t bytes) {
  return (bytes + bufferAlignment - 1) / bufferAlignment * bufferAlignment;
}

uint64_t sizeOfParameter(const artifact::ParameterT &parameter) {
  return parameter.scalar ? sizeof(Scalars)
                          : denseBytes(parameter.shape, parameter.type);
}

using Parameters = std::vector<std::unique_ptr<artifact::ParameterT>>;

/// Offsets of parameters one after the other, from `at` on; returns where the
/// last ends.
uint64_t layOut(const Parameters &parameters, std::vector<uint64_t> &offsets,
                uint64_t at = 0) {
  for (const auto &parameter : parameters) {
    offsets.push_back(at);
    at += aligned(sizeOfParameter(*parameter));
  }
  return at;
}

uint64_t scalarsOf(const artifact::ProgramT &program) {
  uint64_t count = 0;
  for (const auto &dispatch : program.dispatches)
    count += dispatch->scalars.size();
  return count;
}

} // namespace

uint64_t Entry::bytesOf(const Artifact &artifact,
                        const artifact::ProgramT &program) {
  const artifact::EntryT &entry = *artifact.manifest().entries[program.entry];
  std::vector<uint64_t> offsets;
  return layOut(entry.arguments, offsets) + layOut(entry.results, offsets) +
         layOut(program.results, offsets) +
         aligned(scalarsOf(program) * sizeof(Scalars));
}

Status Entry::Block::allocate(const Device &onDevice, const std::string &what) {
  // Some address is needed also where there is nothing to hold.
  bytes = std::max(bytes, bufferAlignment);
  GPTC_TRY(device, Buffer::create(onDevice, bytes, MemoryUse::Device, what));
  if (!device.data()) {
    GPTC_TRY(host, Buffer::create(onDevice, bytes, MemoryUse::Host, what));
  }
  std::memset(data(), 0, bytes);
  return {};
}

Expected<Entry> Entry::create(const EntryContext &context,
                              const artifact::ProgramT &program) {
  Entry entry;
  entry.description_ = &program;
  entry.pacing_ = Pacing(guessedPace(context.device.snapshot().kind));
  const artifact::EntryT &description =
      *context.artifact.manifest().entries[program.entry];
  std::string what =
      fmt::format("arguments and results of '{}'", description.name);
  Block &input = entry.input_, &output = entry.output_;
  uint64_t scalars = layOut(description.arguments, input.offsets);
  input.bytes = scalars + aligned(scalarsOf(program) * sizeof(Scalars));
  output.bytes = layOut(program.results, output.offsets,
                        layOut(description.results, output.offsets));
  GPTC_CHECK(input.allocate(context.device, what));
  GPTC_CHECK(output.allocate(context.device, what));
  if (!output.device.data()) {
    GPTC_CHECK(context.transfer.clear(output.device, 0, output.bytes));
    GPTC_CHECK(context.transfer.finish());
  }
  for (size_t i = 0; i < description.arguments.size(); ++i)
    entry.arguments_.emplace_back(input.data() + input.offsets[i],
                                  sizeOfParameter(*description.arguments[i]));
  for (const Parameters *list : {&description.results, &program.results})
    for (const auto &parameter : *list)
      entry.results_.emplace_back(output.data() +
                                      output.offsets[entry.results_.size()],
                                  sizeOfParameter(*parameter));
  for (size_t i = 0; i < description.results.size(); ++i)
    entry.wanted_.push_back(i);
  input.offsets.push_back(scalars);
  GPTC_CHECK(entry.addSteps(context));
  return entry;
}

Entry::Place Entry::placeOf(const artifact::BufferT &buffer) const {
  const Block &block =
      buffer.space == artifact::BufferSpace::Argument ? input_ : output_;
  return {&block.device, block.offsets[buffer.index]};
}

uint64_t Entry::addressOf(const EntryContext &context,
                          const artifact::BufferT &buffer) const {
  switch (buffer.space) {
  case artifact::BufferSpace::Arena:
    return context.arena.address() + buffer.offset;
  case artifact::BufferSpace::Variable:
    return context.variables.address(buffer.index);
  default:
    Place place = placeOf(buffer);
    return place.buffer->address() + place.offset;
  }
}

Status Entry::addSteps(const EntryContext &context) {
  const artifact::ProgramT &program = *description_;
  uint64_t scalarsAt = input_.offsets.back();
  double mostWork = 0;
  for (const auto &dispatch : program.dispatches) {
    const artifact::ImplementationT &implementation =
        *context.variant.implementations[dispatch->kernel];
    if (dispatch->buffers.size() > maxBuffers)
      return failure(ErrorCode::Unsupported,
                     "dispatch '{}' of '{}' has {} buffers, and Vulkan kernels "
                     "take at most {}; compile it again",
                     dispatch->scope, context.artifact.path(),
                     dispatch->buffers.size(), maxBuffers);
    Step step;
    pacing_.add(implementation.tiles,
                std::max(double(dispatch->flops), 4 * double(dispatch->bytes)));
    step.constants.scalars = input_.device.address() + scalarsAt;
    step.constants.lengths = input_.device.address();
    for (const auto &scalar : dispatch->scalars) {
      auto *to = reinterpret_cast<Scalars *>(input_.data() + scalarsAt);
      *to = scalar->bits;
      if (scalar->argument >= 0)
        patches_.push_back({to, reinterpret_cast<const Scalars *>(
                                    arguments_[scalar->argument].data())});
      scalarsAt += sizeof(Scalars);
    }
    size_t inputs = dispatch->buffers.size() - dispatch->outputs;
    for (size_t i = 0; i < dispatch->buffers.size(); ++i) {
      const artifact::BufferT &buffer = *program.buffers[dispatch->buffers[i]];
      uint64_t address = addressOf(context, buffer);
      step.constants.buffers[i] = address;
      (i < inputs ? step.reads : step.writes)
          .push_back({address, address + buffer.bytes});
    }
    if (dispatch->lengths >= 0 && implementation.rows_per_block != 0) {
      step.constants.lengths =
          input_.device.address() + input_.offsets[dispatch->lengths];
      step.constants.rowsPerSequence = dispatch->rows_per_sequence;
      step.constants.sequences =
          uint32_t(arguments_[dispatch->lengths].size() / sizeof(int32_t));
      if (double(dispatch->flops) > mostWork) {
        mostWork = double(dispatch->flops);
        rowsPerBlock_ = implementation.rows_per_block;
      }
    }
    steps_.push_back(std::move(step));
  }
  return {};
}

Status Entry::prepare(const EntryRunner &with) {
  if (!commands_.buffers().empty())
    return {};
  std::vector<uint32_t> kernels;
  for (const auto &dispatch : description_->dispatches)
    kernels.push_back(dispatch->kernel);
  GPTC_CHECK(with.pipelines.require(kernels, with.team));
  for (size_t i = 0; i < steps_.size(); ++i)
    steps_[i].pipeline = with.pipelines.of(kernels[i]);
  parts_ = pacing_.plan(0, steps_.size());
  seconds_.resize(parts_.size());
  GPTC_TRY(commands_,
           record(with.device, recording(with, 0, steps_.size(), parts_)));
  return {};
}

Recording Entry::recording(const EntryRunner &with, size_t from, size_t to,
                           std::span<const Part> parts) const {
  Recording recording;
  recording.steps = std::span(steps_).subspan(from, to - from);
  recording.parts = parts;
  recording.layout = with.pipelines.layout();
  if (from == 0 && input_.host.data())
    recording.before.push_back({&input_.host, &input_.device, 0, input_.bytes});
  if (to == steps_.size() && output_.host.data())
    for (size_t i : wanted_)
      recording.after.push_back({&output_.device, &output_.host,
                                 output_.offsets[i], results_[i].size()});
  return recording;
}

void Entry::want(std::span<const size_t> results) {
  if (std::ranges::equal(results, wanted_))
    return;
  wanted_.assign(results.begin(), results.end());
  if (output_.host.data())
    commands_ = CommandList(); // The next run records them anew.
}

Status Entry::bring(Transfer &transfer, size_t result) {
  bool isThere = std::ranges::find(wanted_, result) != wanted_.end();
  if (isThere || !output_.host.data())
    return {};
  std::span<std::byte> to = results_[result];
  GPTC_TRY(auto bytes,
           transfer.read(output_.device, output_.offsets[result], to.size()));
  std::copy(bytes.begin(), bytes.end(), to.begin());
  return {};
}

void Entry::patchScalars() {
  for (const Patch &patch : patches_)
    *patch.to = *patch.from;
}

double Entry::computedShare(size_t step) const {
  const KernelConstants &constants = steps_[step].constants;
  if (constants.rowsPerSequence == 0)
    return 1;
  auto rows = double(constants.rowsPerSequence), valid = 0.0;
  std::span<const std::byte> lengths =
      arguments_[size_t(description_->dispatches[step]->lengths)];
  for (uint32_t i = 0; i < constants.sequences; ++i)
    valid +=
        std::clamp(readElement(lengths.data(), DataType::I32, i), 0., rows);
  return valid / (rows * constants.sequences);
}

Status Entry::run(const EntryRunner &with) {
  GPTC_CHECK(prepare(with));
  patchScalars();
  GPTC_CHECK(with.device.run(commands_.buffers(), seconds_));
  // The next run records them anew.
  if (pacing_.learn(parts_, seconds_,
                    [this](size_t step) { return computedShare(step); }))
    commands_ = CommandList();
  return {};
}

Status Entry::runPart(const EntryRunner &with, size_t from, size_t to) {
  GPTC_CHECK(prepare(with));
  patchScalars();
  std::vector<Part> parts = pacing_.plan(from, to);
  GPTC_TRY(CommandList commands,
           record(with.device, recording(with, from, to, parts)));
  return with.device.run(commands.buffers());
}

Status Entry::runTimed(const EntryRunner &with, std::span<double> seconds) {
  if (with.device.snapshot().timestampBits == 0)
    return runOneByOne(with, seconds);
  GPTC_CHECK(prepare(with));
  patchScalars();
  GPTC_TRY(Timestamps timestamps,
           Timestamps::create(with.device, uint32_t(steps_.size() + 1)));
  Recording timed = recording(with, 0, steps_.size(), parts_);
  timed.timestamps = timestamps.handle();
  GPTC_TRY(CommandList commands, record(with.device, timed));
  GPTC_CHECK(with.device.run(commands.buffers()));
  return timestamps.read(seconds);
}

Status Entry::runOneByOne(const EntryRunner &with, std::span<double> seconds) {
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < steps_.size(); ++i) {
    Clock::time_point begin = Clock::now();
    GPTC_CHECK(runPart(with, i, i + 1));
    seconds[i] = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return {};
}

} // namespace gptc::vulkan
