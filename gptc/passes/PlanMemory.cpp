//===- PlanMemory.cpp -----------------------------------------------------===//

#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_PLANMEMORY
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Value;

constexpr uint64_t alignment = 64;

uint64_t aligned(uint64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/// Memory that one or, in place, several allocations use one after another.
struct Slot {
  llvm::SmallVector<mlir::memref::AllocOp> allocations;
  uint64_t bytes = 0;
  size_t first = 0; ///< Launch that writes it first.
  size_t last = 0;  ///< Launch that uses it last.
  uint64_t offset = 0;
};

bool overlapInTime(const Slot &a, const Slot &b) {
  return a.first <= b.last && b.first <= a.last;
}

/// Places slots in the given order, each in the smallest gap that takes it.
/// Returns the bytes of the arena.
uint64_t placeInOrder(llvm::MutableArrayRef<Slot> slots,
                      llvm::ArrayRef<size_t> order) {
  llvm::SmallVector<size_t> placed;
  uint64_t total = 0;
  for (size_t index : order) {
    Slot &slot = slots[index];
    llvm::SmallVector<std::pair<uint64_t, uint64_t>> taken;
    for (size_t other : placed)
      if (overlapInTime(slot, slots[other]))
        taken.push_back(
            {slots[other].offset, slots[other].offset + slots[other].bytes});
    llvm::sort(taken);
    uint64_t end = 0, best = ~uint64_t(0), bestGap = ~uint64_t(0);
    for (auto [from, to] : taken) {
      if (from > end && from - end >= slot.bytes && from - end < bestGap) {
        best = end;
        bestGap = from - end;
      }
      end = std::max(end, to);
    }
    slot.offset = bestGap != ~uint64_t(0) ? best : end;
    total = std::max(total, slot.offset + slot.bytes);
    placed.push_back(index);
  }
  return total;
}

struct PlanMemory : impl::PlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    mlir::func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    llvm::SmallVector<ir::LaunchOp> launches(
        function.getBody().front().getOps<ir::LaunchOp>());
    llvm::SmallVector<Slot> slots = findSlots(launches);
    uint64_t total = place(slots);
    for (Slot &slot : slots)
      for (mlir::memref::AllocOp allocation : slot.allocations) {
        mlir::OpBuilder builder(allocation);
        allocation.replaceAllUsesWith(
            ir::ArenaOp::create(builder, allocation.getLoc(),
                                allocation.getType(),
                                builder.getI64IntegerAttr(slot.offset))
                .getBuffer());
        allocation.erase();
      }
    mlir::Builder builder(&getContext());
    function->setAttr("gptc.arena_bytes", builder.getI64IntegerAttr(total));
    function->setAttr("gptc.live_bytes",
                      builder.getI64IntegerAttr(largestSum(slots)));
  }

private:
  /// The lifetimes of allocations, those computed in place of one another
  /// joined.
  llvm::SmallVector<Slot>
  findSlots(llvm::MutableArrayRef<ir::LaunchOp> launches) {
    mlir::SymbolTable symbols(
        getOperation()->getParentOfType<mlir::ModuleOp>());
    llvm::DenseMap<Value, size_t> lastUse;
    for (auto [i, launch] : llvm::enumerate(launches))
      for (Value operand : launch->getOperands())
        lastUse[operand] = i;
    llvm::SmallVector<Slot> slots;
    llvm::DenseMap<Value, size_t> slotOf;
    for (auto [i, launch] : llvm::enumerate(launches)) {
      auto kernel = symbols.lookup<ir::KernelOp>(launch.getKernel());
      auto pairs = kernel.getInPlace().value_or(llvm::ArrayRef<int64_t>());
      llvm::DenseSet<size_t> taken; // One input makes room for one output.
      for (auto [j, output] : llvm::enumerate(launch.getOutputs())) {
        auto allocation = output.getDefiningOp<mlir::memref::AllocOp>();
        if (!allocation || slotOf.count(output))
          continue;
        size_t slot = slots.size();
        for (size_t pair = 0; pair < pairs.size(); pair += 2) {
          Value input = launch.getInputs()[pairs[pair]];
          auto found = slotOf.find(input);
          if (pairs[pair + 1] == int64_t(j) && found != slotOf.end() &&
              lastUse[input] == i && !taken.contains(found->second) &&
              llvm::count(launch.getInputs(), input) == 1)
            slot = found->second;
        }
        taken.insert(slot);
        if (slot == slots.size()) {
          slots.emplace_back();
          slots.back().first = i;
        }
        slots[slot].allocations.push_back(allocation);
        slots[slot].bytes = std::max(
            slots[slot].bytes, aligned(ir::bytesOf(allocation.getType())));
        slots[slot].last = std::max(slots[slot].last, lastUse[output]);
        slotOf[output] = slot;
      }
    }
    return slots;
  }

  static uint64_t largestSum(llvm::ArrayRef<Slot> slots) {
    uint64_t largest = 0;
    for (const Slot &at : slots) {
      uint64_t sum = 0;
      for (const Slot &slot : slots)
        if (slot.first <= at.first && at.first <= slot.last)
          sum += slot.bytes;
      largest = std::max(largest, sum);
    }
    return largest;
  }

  /// Tries a few orders and keeps the one with the smallest arena.
  static uint64_t place(llvm::SmallVector<Slot> &slots) {
    auto order = llvm::to_vector(llvm::seq<size_t>(0, slots.size()));
    auto length = [&](size_t i) { return slots[i].last - slots[i].first + 1; };
    llvm::SmallVector<Slot> best;
    uint64_t bestTotal = ~uint64_t(0);
    auto attempt = [&](llvm::ArrayRef<size_t> candidate) {
      uint64_t total = placeInOrder(slots, candidate);
      if (total < bestTotal) {
        bestTotal = total;
        best = slots;
      }
    };
    // Ties in program order, so that the plan is a function of the program.
    auto attemptBy = [&](auto weight) {
      llvm::SmallVector<size_t> sorted(order);
      llvm::sort(sorted, [&](size_t a, size_t b) {
        return std::pair(weight(b), a) < std::pair(weight(a), b);
      });
      attempt(sorted);
    };
    attempt(order);
    attemptBy([&](size_t i) { return slots[i].bytes; });
    attemptBy([&](size_t i) { return slots[i].bytes * length(i); });
    attemptBy([&](size_t i) { return length(i); });
    // What ends highest goes first in the next attempt.
    constexpr int improvements = 64;
    uint64_t least = largestSum(slots);
    llvm::SmallVector<size_t> improved(order);
    for (int i = 0; i < improvements && bestTotal > least; ++i) {
      auto highest = llvm::max_element(improved, [&](size_t a, size_t b) {
        return slots[a].offset + slots[a].bytes <
               slots[b].offset + slots[b].bytes;
      });
      std::rotate(improved.begin(), highest, highest + 1);
      attempt(improved);
    }
    slots = best;
    return slots.empty() ? 0 : bestTotal;
  }
};

} // namespace
} // namespace gptc::passes
