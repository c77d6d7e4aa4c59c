//===- FitMemory.cpp ------------------------------------------------------===//

#include "gptc/compiler/FitMemory.h"

#include "gptc/compiler/BuildManifest.h"
#include "gptc/compiler/Variants.h"
#include "llvm/ADT/MapVector.h"

#include <map>

namespace gptc {

namespace {

llvm::StringRef layerOf(mlir::Operation *op) {
  return ir::scopeOf(op->getLoc()).split('/').first;
}

/// The layers of an entry's forward pass, in order; none without gradients.
std::vector<std::string> layersOf(mlir::func::FuncOp entry) {
  auto gradients = entry.getBody().front().getOps<ir::GradientOp>();
  if (gradients.empty())
    return {};
  // What makes the loss itself is no layer: its logits come in blocks.
  mlir::Operation *loss = (*gradients.begin()).getLoss().getDefiningOp();
  llvm::MapVector<llvm::StringRef, bool> heavy;
  for (mlir::Operation &op : entry.getBody().front()) {
    if (llvm::isa<ir::GradientOp>(op))
      break;
    llvm::StringRef layer = layerOf(&op);
    if (!layer.empty() && !(loss && layer == layerOf(loss)))
      heavy[layer] |= llvm::isa<ir::MatmulOp, ir::AttentionOp>(op);
  }
  std::vector<std::string> layers;
  for (auto [layer, isHeavy] : heavy)
    if (isHeavy)
      layers.push_back(layer.str());
  return layers;
}

/// Tries what a module might compute again. Of L layers there are 2 L + 1
/// choices, from the cheapest on: the first ones of them are visited last on
/// the way back, when little else is kept.
class Search {
public:
  Search(mlir::ModuleOp module, const ModuleInfo &info,
         const TextProgress &progress)
      : module(module), info(info), progress(progress) {
    for (auto entry : module.getOps<mlir::func::FuncOp>())
      for (std::string &layer : layersOf(entry))
        if (!llvm::is_contained(layers, layer))
          layers.push_back(std::move(layer));
  }

  /// Some choice that is enough, else the one that needs least. What is
  /// computed again needs memory itself: the last choice need not be that.
  Status findEnough(uint64_t budget) {
    size_t count = layers.size();
    GPTC_TRY(peak, peakOf(0));
    if (count == 0)
      return {};
    size_t least = 0;
    for (size_t choice : {count, 2 * count - 1, 2 * count}) {
      if (peak <= budget)
        break;
      below = chosen;
      GPTC_TRY(uint64_t found, peakOf(choice));
      chosen = choice;
      if (found < peak) {
        peak = found;
        least = choice;
      }
    }
    chosen = least;
    return {};
  }

  /// The cheapest one, after one that is enough was found.
  Status findCheapest(uint64_t budget) {
    while (below + 1 < chosen) {
      size_t middle = (below + chosen) / 2;
      GPTC_TRY(uint64_t found, peakOf(middle));
      (found > budget ? below : chosen) = middle;
    }
    return {};
  }

  /// Chooses it in the module.
  Expected<Fit> choose() {
    uint64_t useful = info.flopsOfEntries();
    setChoice(chosen);
    GPTC_TRY(peak, peakOf(chosen));
    Fit fit{choiceOf(chosen), peak};
    uint64_t flops = tried.at(chosen).flops;
    fit.recomputed.usefulFlops = useful;
    fit.recomputed.flops = flops > useful ? flops - useful : 0;
    return fit;
  }

  uint64_t peak = 0;

private:
  mlir::ModuleOp module;
  const ModuleInfo &info;
  const TextProgress &progress;
  std::vector<std::string> layers;
  size_t below = 0, chosen = 0;
  struct Tried {
    uint64_t peak = 0;
    uint64_t flops = 0; ///< Of all entries, what is computed twice included.
  };
  std::map<size_t, Tried> tried; ///< By choice: none is planned twice.

  Recomputation choiceOf(size_t choice) const {
    Recomputation made;
    size_t whole = choice > layers.size() ? choice - layers.size() : 0;
    size_t some = std::min(choice, layers.size());
    made.whole.assign(layers.begin(), layers.begin() + int64_t(whole));
    made.light.assign(layers.begin() + int64_t(whole),
                      layers.begin() + int64_t(some));
    return made;
  }

  void setChoice(size_t choice) {
    mlir::Builder builder(module.getContext());
    llvm::SmallVector<mlir::NamedAttribute> members;
    auto add = [&](const std::vector<std::string> &names, const char *how) {
      for (const std::string &name : names)
        members.push_back(
            builder.getNamedAttr(name, builder.getStringAttr(how)));
    };
    Recomputation made = choiceOf(choice);
    add(made.whole, "whole");
    add(made.light, "light");
    for (auto entry : module.getOps<mlir::func::FuncOp>()) {
      if (layersOf(entry).empty())
        continue;
      if (members.empty())
        entry->removeAttr(ir::recomputeAttr);
      else
        entry->setAttr(ir::recomputeAttr, builder.getDictionaryAttr(members));
    }
  }

  Expected<uint64_t> peakOf(size_t choice) {
    auto [place, fresh] = tried.try_emplace(choice);
    if (fresh) {
      GPTC_TRY(place->second, plan(choice));
    }
    return place->second.peak;
  }

  Expected<Tried> plan(size_t choice) {
    setChoice(choice);
    Recomputation parts = choiceOf(choice);
    if (progress)
      progress(fmt::format("planning: of {} layers {} are computed again, {} "
                           "in part",
                           layers.size(), parts.whole.size(),
                           parts.light.size()));
    GPTC_TRY(auto dump, Dump::create(""));
    mlir::OwningOpRef<mlir::ModuleOp> gradients = module.clone();
    GPTC_CHECK(advance(*gradients, Phase::Gradient, info.type, *dump));
    Tried made;
    gradients->walk(
        [&](mlir::Operation *op) { made.flops += ir::flopsOf(op); });
    for (const std::string &name : info.targets) {
      mlir::OwningOpRef<mlir::ModuleOp> lowered = gradients->clone();
      GPTC_CHECK(advance(*lowered, Phase::Program, info.type, *dump,
                         fusionCapabilities(name)));
      GPTC_TRY(auto target, describeTarget(name, *lowered, info));
      uint64_t variables = 0, arena = 0;
      for (auto variable : lowered->getOps<ir::VariableOp>())
        variables += ir::bytesOf(variable.getTensorType());
      for (const auto &program : target->programs)
        arena = std::max(arena, program->arena_bytes);
      made.peak = std::max(made.peak, variables + arena);
    }
    return made;
  }
};

} // namespace

Expected<Fit> fitMemory(mlir::ModuleOp module, const ModuleInfo &info,
                        uint64_t budget, const TextProgress &progress) {
  Search search(module, info, progress);
  GPTC_CHECK(search.findEnough(budget));
  if (search.peak <= budget)
    GPTC_CHECK(search.findCheapest(budget));
  return search.choose();
}

Expected<uint64_t> leastPeak(mlir::ModuleOp module, const ModuleInfo &info,
                             uint64_t budget, const TextProgress &progress) {
  Search search(module, info, progress);
  GPTC_CHECK(search.findEnough(budget));
  return search.peak;
}

} // namespace gptc
