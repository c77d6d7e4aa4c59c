//===- Program.h - An artifact's CPU target, ready to run ------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_PROGRAM_H
#define GPTC_RUNTIME_PROGRAM_PROGRAM_H

#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/program/ChosenPrograms.h"
#include "gptc/runtime/program/Executable.h"
#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/MatrixProduct.h"
#include "gptc/runtime/program/Memory.h"
#include "gptc/runtime/program/Threads.h"

#include <array>

namespace gptc {

/// Who computes bf16 products of many rows.
enum class Products {
  Fastest,   ///< oneDNN where it uses AMX, otherwise generated code.
  OneDnn,    ///< oneDNN wherever the artifact allows it.
  Generated, ///< Generated code.
};

struct LoadOptions {
  unsigned threads = 0; ///< 0: one for each CPU that the process may use.
  /// Name of the instruction set to use; empty: the best that the machine has.
  std::string variant;
  /// Folder with the weights, in place of the one that the artifact names. Its
  /// digest is not looked at: a training's state serves as well.
  std::string checkpoint;
  Products products = Products::Fastest;
  EntryFilter entries = {}; ///< Those to load.
  Progress onProgress = {}; ///< Of the bytes of weights and state.
};

/// The entry points of an artifact's CPU target with their memory: variables,
/// arena, arguments, results. Loading runs no kernel but trusts the code from
/// then on. Running allocates nothing and cannot fail.
class Program final : public Executable {
public:
  static Expected<std::unique_ptr<Program>>
  load(std::shared_ptr<const Artifact> artifact, const LoadOptions &options);

  std::string name() const override;
  const Artifact &artifact() const override { return *artifact_; }
  const std::string &variant() const override { return variant_->name; }
  /// As /proc/cpuinfo spells it.
  const std::vector<std::string> &features() const override {
    return variant_->features;
  }
  const artifact::TargetT &target() const override { return *target_; }
  ThreadTeam &threads() { return *team_; }

  bool has(uint32_t entry) const override;
  const artifact::ProgramT &describe(uint32_t entry) const override {
    return *entries_[entry].description;
  }
  std::span<std::byte> argument(uint32_t entry, size_t index) override;
  std::span<std::byte> result(uint32_t entry, size_t index) override;
  Status run(uint32_t entry, std::span<double> seconds = {}) override;
  uint64_t computedRows(uint32_t entry, uint64_t rows) const override;
  Status runDispatches(uint32_t entry, size_t from, size_t to) override;
  Expected<std::span<const std::byte>>
  readBuffer(uint32_t entry, size_t dispatch, size_t position) override;

  /// The stored bytes of a variable, in its target's layout; they may move
  /// with moveWeights(). Empty where it has no memory.
  std::span<std::byte> variable(size_t index);
  Expected<std::span<const std::byte>> readVariable(size_t index) override {
    return variable(index);
  }
  Status writeVariable(size_t index, std::span<const std::byte> bytes) override;
  Status reset() override;

  uint64_t mappedBytes() const override { return mappedBytes_; }
  /// Copies mapped weights into memory with huge pages and gives their mapped
  /// pages back: resident memory never counts both. Does nothing where the
  /// machine has too little memory left.
  void moveWeights(uint64_t bytes) override;

  unsigned threadCount() const override { return team_->size(); }
  Expected<std::unique_ptr<RoofMeter>> createRoofMeter() override;

  uint64_t weightsBytes() const override { return weightsBytes_; }
  uint64_t stateBytes() const override { return stateBytes_; }
  uint64_t arenaBytes() const override { return arena_.size(); }

  std::string_view libraryOf(uint32_t kernel) const override;
  /// Whether oneDNN computes some product.
  bool usesLibrary() const;

private:
  /// A kernel whose product oneDNN computes.
  struct Product {
    const artifact::ProductT *description;
    KernelFunction before, after; ///< The first is null where there is none.
    std::unique_ptr<MatrixProduct> whole, last; ///< Blocks of rows.
    uint64_t blocks, rowBytes, panelBytes, scratchOffset;
  };
  struct Kernel {
    KernelFunction function;
    std::unique_ptr<Product> product; ///< Null: `function` computes it all.
  };
  struct Step {
    KernelFunction function;
    const Product *product;
    void *const *buffers;
    Scalars *scalars;
    uint32_t tiles, innerTiles, rowsPerBlock, rowsPerSequence;
    const int32_t *lengths; ///< Null where padding is computed as well.
    uint32_t sequences;
  };
  struct Patch {
    Scalars *to;
    const Scalars *from;
  };
  /// One entry point; empty steps where it is not loaded.
  struct Entry {
    const artifact::ProgramT *description = nullptr;
    Region memory;
    std::vector<std::span<std::byte>> arguments, results;
    std::vector<void *> buffers;
    std::vector<Scalars> scalars;
    std::vector<Patch> patches;
    std::vector<Step> steps;
    uint64_t rowsPerBlock = 0; ///< Of the heaviest dispatch; 0: all rows.
  };

  Program() = default;
  Status chooseVariant(const std::string &name);
  Status loadKernels(Products products);
  Expected<std::unique_ptr<Product>>
  loadProduct(const artifact::ImplementationT &implementation,
              Products products);
  /// Whether a variable begins where the file is mapped, for reading alone.
  bool isMapped(size_t variable) const {
    return target_->storages[variable]->embedded && !written_[variable];
  }
  Status checkMemory() const;
  Status loadVariables(const std::string &checkpoint, const Progress &progress);
  Status loadEntry(const artifact::ProgramT &program);
  /// Copies what is mapped and gives its pages back, so that both are never
  /// resident.
  void copyMapped(std::span<const std::byte> from, std::byte *to);
  void moveVariable(size_t index);
  static void runProduct(const Step &step, uint32_t tile, std::byte *scratch,
                         unsigned thread);
  void runSteps(const Entry &entry, size_t from, size_t to, unsigned thread,
                std::span<double> seconds);

  std::shared_ptr<const Artifact> artifact_;
  const artifact::TargetT *target_ = nullptr;
  const artifact::VariantT *variant_ = nullptr;
  ChosenPrograms chosen_;
  KernelLibrary library_;
  std::vector<Kernel> kernels_;
  std::unique_ptr<ThreadTeam> team_;
  std::unique_ptr<Barrier> barrier_;
  /// Tiles taken of the present and the next dispatch.
  struct alignas(64) Counter {
    std::atomic<uint32_t> value = 0;
  };
  std::array<Counter, 2> counters_;
  Region variables_, arena_, scratch_;
  uint64_t scratchBytes_ = 0; ///< Of one thread.
  uint64_t weightsBytes_ = 0, stateBytes_ = 0, mappedBytes_ = 0;
  std::vector<bool> written_; ///< Variables that some program assigns.
  std::vector<std::span<std::byte>> storages_;
  size_t firstMapped_ = 0; ///< Variables before it have been moved.
  std::vector<Entry> entries_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_PROGRAM_H
