//===- Program.cpp --------------------------------------------------------===//

#include "gptc/runtime/program/Program.h"

#include "gptc/runtime/program/InitialValues.h"
#include "gptc/runtime/program/MemoryAdvice.h"
#include "gptc/runtime/program/Roof.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/ranges.h>

namespace gptc {

namespace {

uint64_t alignedTo64(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Whether any of the flat rows [from, to) is valid.
bool rowsMatter(const int32_t *lengths, uint32_t rowsPerSequence, uint64_t from,
                uint64_t to, uint32_t sequences) {
  for (uint64_t b = from / rowsPerSequence;
       b < sequences && b * rowsPerSequence < to; ++b) {
    uint64_t first = std::max(from, b * rowsPerSequence) - b * rowsPerSequence;
    if (int64_t(first) < int64_t(lengths[b]))
      return true;
  }
  return false;
}

} // namespace

Expected<std::unique_ptr<Program>>
Program::load(std::shared_ptr<const Artifact> artifact,
              const LoadOptions &options) {
  std::unique_ptr<Program> program(new Program());
  program->artifact_ = std::move(artifact);
  const Artifact &file = *program->artifact_;
  program->target_ = file.findTarget("cpu");
  if (!program->target_)
    return failure(ErrorCode::NotFound,
                   "'{}' holds nothing for the CPU; compile with --target cpu",
                   file.path());
  program->written_ = writtenVariables(*program->target_);
  program->chosen_ = ChosenPrograms(file, *program->target_, options.entries);
  GPTC_CHECK(program->chooseVariant(options.variant));
  GPTC_TRY(program->library_,
           KernelLibrary::load(file.blob(*program->variant_->library)));
  GPTC_CHECK(program->checkMemory());
  GPTC_TRY(program->team_, ThreadTeam::create(options.threads));
  unsigned threads = program->team_->size();
  program->barrier_ = std::make_unique<Barrier>(threads);
  GPTC_CHECK(program->loadKernels(options.products));
  GPTC_TRY(program->scratch_, Region::create(program->scratchBytes_ * threads,
                                             "the threads' scratch"));
  GPTC_TRY(program->arena_,
           Region::create(program->chosen_.arenaBytes(), "activations"));
  GPTC_CHECK(program->loadVariables(options.checkpoint, options.onProgress));
  program->entries_.resize(file.manifest().entries.size());
  for (const artifact::ProgramT *one : program->chosen_.programs())
    GPTC_CHECK(program->loadEntry(*one));
  return program;
}

Status Program::chooseVariant(const std::string &name) {
  std::string lacks;
  for (const auto &variant : target_->variants) {
    if (!name.empty() && variant->name != name)
      continue;
    std::vector<std::string> missing = missingFeatures(variant->features);
    if (missing.empty()) {
      variant_ = variant.get();
      return {};
    }
    lacks += fmt::format("{}{} needs {}", lacks.empty() ? "" : "; ",
                         variant->name, fmt::join(missing, ", "));
  }
  if (lacks.empty())
    return failure(ErrorCode::NotFound, "'{}' holds no code for '{}'",
                   artifact_->path(), name);
  return failure(ErrorCode::Unsupported,
                 "this CPU cannot run '{}': {}, which it lacks; compile on "
                 "this machine with --cpu host",
                 artifact_->path(), lacks);
}

Status Program::loadKernels(Products products) {
  uint64_t scratch = 64;
  for (const auto &implementation : variant_->implementations) {
    Kernel kernel{};
    GPTC_TRY(kernel.function, library_.find(implementation->symbol));
    uint64_t bytes = implementation->scratch_bytes;
    if (implementation->product && products != Products::Generated) {
      GPTC_TRY(kernel.product, loadProduct(*implementation, products));
      if (const Product *product = kernel.product.get())
        bytes = product->scratchOffset +
                std::max(product->whole->scratchBytes(),
                         product->last ? product->last->scratchBytes() : 0);
    }
    kernels_.push_back(std::move(kernel));
    scratch = std::max(scratch, bytes);
  }
  scratchBytes_ = (scratch + 4095) / 4096 * 4096;
  if (products == Products::OneDnn && !usesLibrary())
    return failure(ErrorCode::Unsupported,
                   "'{}' has no product for oneDNN on this machine; it takes "
                   "those of 16 and more rows of a bf16 artifact's code for "
                   "x86-64-v4",
                   artifact_->path());
  return {};
}

/// Null where generated code is the better choice on this machine: oneDNN was
/// measured to be slower, but for AMX, which generated code does not use.
Expected<std::unique_ptr<Program::Product>>
Program::loadProduct(const artifact::ImplementationT &implementation,
                     Products products) {
  const artifact::ProductT &description = *implementation.product;
  auto product = std::make_unique<Product>();
  product->description = &description;
  if (!description.before.empty()) {
    GPTC_TRY(product->before, library_.find(description.before));
  }
  GPTC_TRY(product->after, library_.find(description.after));
  uint64_t block =
      std::min<uint64_t>(implementation.rows_per_block, description.rows);
  auto make = [&](uint64_t rows) {
    auto made = MatrixProduct::create(rows, description.depth,
                                      description.source_stride, team_->size());
    bool good = made && (products == Products::OneDnn ? !(*made)->isReference()
                                                      : (*made)->usesAmx());
    return good ? std::move(*made) : nullptr;
  };
  product->whole = make(block);
  uint64_t rest = description.rows % block;
  if (rest != 0)
    product->last = make(rest);
  if (!product->whole || (rest != 0 && !product->last))
    return nullptr;
  constexpr uint64_t panelWidth = 64;
  uint64_t size = sizeOf(toDataType(description.type));
  product->blocks = (description.rows + block - 1) / block;
  product->rowBytes = block * description.source_stride * size;
  product->panelBytes = (description.depth + 15) / 16 * 16 * panelWidth * size;
  product->scratchOffset = alignedTo64(implementation.scratch_bytes);
  return product;
}

std::string_view Program::libraryOf(uint32_t kernel) const {
  const auto &product = kernels_[kernel].product;
  return product ? std::string_view(product->whole->implementation())
                 : std::string_view();
}

bool Program::usesLibrary() const {
  return std::any_of(kernels_.begin(), kernels_.end(),
                     [](const Kernel &kernel) { return bool(kernel.product); });
}

Status Program::checkMemory() const {
  uint64_t needed = 0;
  for (size_t i = 0; i < target_->storages.size(); ++i)
    if (chosen_.needs(i) && !isMapped(i))
      needed += target_->storages[i]->bytes;
  uint64_t arena = chosen_.arenaBytes();
  uint64_t available = availableMemory();
  if (available == 0 || needed + arena <= available)
    return {};
  // Weights that are mapped take no memory of their own.
  MemoryNeed need = MemoryNeed::of(*artifact_, *target_, chosen_, 0);
  uint64_t mapped = need.variables() - needed;
  need.weights -= std::min(need.weights, mapped);
  return failure(ErrorCode::OutOfMemory,
                 "'{}' needs {:.1f} MiB for variables and {:.1f} MiB for "
                 "activations, and {:.1f} MiB are free; {}",
                 artifact_->path(), double(needed) / 1048576,
                 double(arena) / 1048576, double(available) / 1048576,
                 whatWouldFit(need, available));
}

Status Program::loadVariables(const std::string &folder,
                              const Progress &progress) {
  const artifact::ManifestT &manifest = artifact_->manifest();
  GPTC_TRY(variables_, Region::create(chosen_.variablesBytes(), "variables"));
  GPTC_TRY(InitialValues values,
           InitialValues::open(*artifact_, *target_, folder));
  uint64_t done = 0, all = 0;
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    if (chosen_.needs(i) && !isMapped(i))
      all += target_->storages[i]->bytes;
  for (size_t i = 0; i < manifest.variables.size(); ++i) {
    const artifact::StorageT &storage = *target_->storages[i];
    if (!chosen_.needs(i)) {
      storages_.emplace_back();
      continue;
    }
    (manifest.variables[i]->role == artifact::Role::Parameter ? weightsBytes_
                                                              : stateBytes_) +=
        storage.bytes;
    if (isMapped(i)) {
      auto bytes = values.embedded(i);
      storages_.emplace_back(const_cast<std::byte *>(bytes.data()),
                             bytes.size());
      mappedBytes_ += bytes.size();
      continue;
    }
    storages_.emplace_back(variables_.data() + chosen_.offsetOf(i),
                           storage.bytes);
    switch (values.kindOf(i)) {
    case InitialValues::Kind::Zero:
      break;
    case InitialValues::Kind::Embedded: {
      copyMapped(values.embedded(i), storages_[i].data());
      break;
    }
    case InitialValues::Kind::Source: {
      GPTC_TRY(VariableSource source, values.source(i, *team_));
      source.fillAll(*team_, storages_[i].data());
      break;
    }
    }
    done += storage.bytes;
    if (progress)
      progress(done, all);
  }
  return {};
}

Status Program::loadEntry(const artifact::ProgramT &program) {
  const artifact::EntryT &description =
      *artifact_->manifest().entries[program.entry];
  Entry &entry = entries_[program.entry];
  entry.description = &program;

  // Arguments and results, one after the other.
  uint64_t bytes = 0;
  auto sizeOfParameter = [](const artifact::ParameterT &parameter) {
    return parameter.scalar ? sizeof(Scalars)
                            : denseBytes(parameter.shape, parameter.type);
  };
  for (const auto *list :
       {&description.arguments, &description.results, &program.results})
    for (const auto &parameter : *list)
      bytes += alignedTo64(sizeOfParameter(*parameter));
  GPTC_TRY(entry.memory, Region::create(bytes, "arguments and results"));
  std::byte *at = entry.memory.data();
  auto place = [&](const auto &list, auto &spans) {
    for (const auto &parameter : list) {
      spans.emplace_back(at, sizeOfParameter(*parameter));
      at += alignedTo64(spans.back().size());
    }
  };
  place(description.arguments, entry.arguments);
  place(description.results, entry.results);
  place(program.results, entry.results);

  size_t buffers = 0, scalars = 0;
  uint64_t mostFlops = 0;
  for (const auto &dispatch : program.dispatches) {
    buffers += dispatch->buffers.size();
    scalars += dispatch->scalars.size();
  }
  entry.buffers.reserve(buffers);
  entry.scalars.reserve(scalars);
  for (const auto &dispatch : program.dispatches) {
    const artifact::ImplementationT &implementation =
        *variant_->implementations[dispatch->kernel];
    Step step{};
    step.function = kernels_[dispatch->kernel].function;
    step.product = kernels_[dispatch->kernel].product.get();
    step.buffers = entry.buffers.data() + entry.buffers.size();
    step.scalars = entry.scalars.data() + entry.scalars.size();
    for (uint32_t index : dispatch->buffers) {
      const artifact::BufferT &buffer = *program.buffers[index];
      std::byte *base = nullptr;
      switch (buffer.space) {
      case artifact::BufferSpace::Arena:
        base = arena_.data() + buffer.offset;
        break;
      case artifact::BufferSpace::Variable:
        base = storages_[buffer.index].data();
        break;
      case artifact::BufferSpace::Argument:
        base = entry.arguments[buffer.index].data();
        break;
      case artifact::BufferSpace::Result:
        base = entry.results[buffer.index].data();
        break;
      }
      entry.buffers.push_back(base);
    }
    for (const auto &scalar : dispatch->scalars) {
      entry.scalars.push_back(scalar->bits);
      if (scalar->argument >= 0)
        entry.patches.push_back(
            {&entry.scalars.back(),
             reinterpret_cast<const Scalars *>(
                 entry.arguments[scalar->argument].data())});
    }
    step.tiles = implementation.tiles;
    step.innerTiles = implementation.inner_tiles;
    step.rowsPerBlock = implementation.rows_per_block;
    if (dispatch->lengths >= 0 && implementation.rows_per_block != 0) {
      auto lengths = entry.arguments[dispatch->lengths];
      step.lengths = reinterpret_cast<const int32_t *>(lengths.data());
      step.sequences = uint32_t(lengths.size() / sizeof(int32_t));
      step.rowsPerSequence = dispatch->rows_per_sequence;
      if (dispatch->flops > mostFlops) {
        mostFlops = dispatch->flops;
        entry.rowsPerBlock = implementation.rows_per_block;
      }
    }
    entry.steps.push_back(step);
  }
  return {};
}

std::string Program::name() const {
  unsigned threads = team_->size();
  return fmt::format("cpu {}, {} thread{}{}", variant(), threads,
                     threads == 1 ? "" : "s",
                     usesLibrary() ? ", products by oneDNN" : "");
}

bool Program::has(uint32_t entry) const {
  return entry < entries_.size() && entries_[entry].description;
}

std::span<std::byte> Program::argument(uint32_t entry, size_t index) {
  return entries_[entry].arguments[index];
}

std::span<std::byte> Program::result(uint32_t entry, size_t index) {
  return entries_[entry].results[index];
}

uint64_t Program::computedRows(uint32_t entry, uint64_t rows) const {
  uint64_t block = entries_[entry].rowsPerBlock;
  return block == 0 ? rows : (rows + block - 1) / block * block;
}

std::span<std::byte> Program::variable(size_t index) {
  return storages_[index];
}

void Program::moveWeights(uint64_t bytes) {
  // What is mapped may be given back at once, so that only a margin is asked.
  constexpr uint64_t margin = uint64_t(64) << 20;
  for (uint64_t moved = 0; mappedBytes_ != 0 && moved < bytes; ++firstMapped_) {
    if (!isMapped(firstMapped_))
      continue;
    uint64_t size = storages_[firstMapped_].size();
    uint64_t available = availableMemory();
    if (available != 0 && available < size + margin)
      return;
    moveVariable(firstMapped_);
    mappedBytes_ -= size;
    moved += size;
  }
}

void Program::copyMapped(std::span<const std::byte> from, std::byte *to) {
  constexpr uint64_t piece = uint64_t(2) << 20;
  team_->forEach((from.size() + piece - 1) / piece, [&](uint64_t i) {
    auto part =
        from.subspan(i * piece).first(std::min(piece, from.size() - i * piece));
    std::memcpy(to + i * piece, part.data(), part.size());
    releaseMapped(part.data(), part.size());
  });
}

void Program::moveVariable(size_t index) {
  std::span<std::byte> &storage = storages_[index];
  std::byte *from = storage.data();
  std::byte *to = variables_.data() + chosen_.offsetOf(index);
  copyMapped(storage, to);
  for (Entry &entry : entries_)
    std::replace(entry.buffers.begin(), entry.buffers.end(),
                 static_cast<void *>(from), static_cast<void *>(to));
  storage = {to, storage.size()};
}

Status Program::writeVariable(size_t index, std::span<const std::byte> bytes) {
  std::memcpy(storages_[index].data(), bytes.data(), bytes.size());
  return {};
}

Status Program::reset() {
  const auto &variables = artifact_->manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i)
    if (variables[i]->role != artifact::Role::Parameter && chosen_.needs(i))
      std::memset(storages_[i].data(), 0, storages_[i].size());
  return {};
}

Expected<std::unique_ptr<RoofMeter>> Program::createRoofMeter() {
  return gptc::createRoofMeter(*team_);
}

Status Program::run(uint32_t index, std::span<double> seconds) {
  Entry &entry = entries_[index];
  for (const Patch &patch : entry.patches)
    *patch.to = *patch.from;
  counters_[0].value.store(0, std::memory_order_relaxed);
  team_->run([&](unsigned thread) {
    runSteps(entry, 0, entry.steps.size(), thread, seconds);
  });
  return {};
}

Status Program::runDispatches(uint32_t index, size_t from, size_t to) {
  Entry &entry = entries_[index];
  for (const Patch &patch : entry.patches)
    *patch.to = *patch.from;
  counters_[from % 2].value.store(0, std::memory_order_relaxed);
  team_->run([&](unsigned thread) { runSteps(entry, from, to, thread, {}); });
  return {};
}

Expected<std::span<const std::byte>>
Program::readBuffer(uint32_t index, size_t dispatch, size_t position) {
  const Entry &entry = entries_[index];
  const artifact::ProgramT &program = *entry.description;
  uint32_t buffer = program.dispatches[dispatch]->buffers[position];
  return std::span(
      static_cast<const std::byte *>(entry.steps[dispatch].buffers[position]),
      program.buffers[buffer]->bytes);
}

void Program::runProduct(const Step &step, uint32_t tile, std::byte *scratch,
                         unsigned thread) {
  const Product &product = *step.product;
  const artifact::ProductT &description = *product.description;
  if (product.before)
    product.before(step.buffers, step.scalars, tile, scratch);
  uint32_t block = tile / step.innerTiles;
  const MatrixProduct &primitive = product.last && block + 1 == product.blocks
                                       ? *product.last
                                       : *product.whole;
  // In scratch lie this block's rows alone.
  const std::byte *source = scratch + description.source_offset;
  if (description.source >= 0)
    source = static_cast<const std::byte *>(step.buffers[description.source]) +
             description.source_offset + block * product.rowBytes;
  const auto *weights =
      static_cast<const std::byte *>(step.buffers[description.weights]);
  uint32_t from = tile % step.innerTiles * description.panels_per_tile;
  uint32_t to =
      std::min(from + description.panels_per_tile, description.panels);
  for (uint32_t panel = from; panel < to; ++panel) {
    primitive.run(source, weights + panel * product.panelBytes, scratch,
                  scratch + product.scratchOffset, thread);
    product.after(step.buffers, step.scalars,
                  block * description.panels + panel, scratch);
  }
}

void Program::runSteps(const Entry &entry, size_t from, size_t to,
                       unsigned thread, std::span<double> seconds) {
  using Clock = std::chrono::steady_clock;
  std::byte *scratch = scratch_.data() + thread * scratchBytes_;
  Clock::time_point begin = Clock::now();
  for (size_t i = from; i < to; ++i) {
    const Step &step = entry.steps[i];
    std::atomic<uint32_t> &next = counters_[i % 2].value;
    // Nobody takes tiles of the next dispatch before the barrier.
    if (thread == 0)
      counters_[(i + 1) % 2].value.store(0, std::memory_order_relaxed);
    for (uint32_t tile;
         (tile = next.fetch_add(1, std::memory_order_relaxed)) < step.tiles;) {
      if (step.lengths) {
        uint64_t row = uint64_t(tile / step.innerTiles) * step.rowsPerBlock;
        if (!rowsMatter(step.lengths, step.rowsPerSequence, row,
                        row + step.rowsPerBlock, step.sequences))
          continue;
      }
      if (step.product)
        runProduct(step, tile, scratch, thread);
      else
        step.function(step.buffers, step.scalars, tile, scratch);
    }
    barrier_->arrive();
    if (thread == 0 && !seconds.empty()) {
      Clock::time_point now = Clock::now();
      seconds[i] = std::chrono::duration<double>(now - begin).count();
      begin = now;
    }
  }
}

} // namespace gptc
