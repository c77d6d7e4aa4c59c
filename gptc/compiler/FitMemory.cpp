//===- FitMemory.cpp ------------------------------------------------------===//

#include "gptc/compiler/FitMemory.h"

#include "gptc/compiler/BuildManifest.h"
#include "gptc/compiler/Phases.h"
#include "llvm/ADT/MapVector.h"

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

/// The choices of a module with some layers, from the cheapest on: the first
/// ones of them are visited last on the way back, when little else is kept.
struct Choices {
  std::vector<std::string> layers;

  size_t count() const { return 2 * layers.size() + 1; }

  Recomputation at(size_t choice) const {
    Recomputation made;
    size_t whole = choice > layers.size() ? choice - layers.size() : 0;
    size_t some = std::min(choice, layers.size());
    made.whole.assign(layers.begin(), layers.begin() + int64_t(whole));
    made.light.assign(layers.begin() + int64_t(whole),
                      layers.begin() + int64_t(some));
    return made;
  }
};

void setChoice(mlir::ModuleOp module, const Recomputation &choice) {
  mlir::Builder builder(module.getContext());
  llvm::SmallVector<mlir::NamedAttribute> members;
  for (const std::string &layer : choice.whole)
    members.push_back(
        builder.getNamedAttr(layer, builder.getStringAttr("whole")));
  for (const std::string &layer : choice.light)
    members.push_back(
        builder.getNamedAttr(layer, builder.getStringAttr("light")));
  for (auto entry : module.getOps<mlir::func::FuncOp>()) {
    if (layersOf(entry).empty())
      continue;
    if (members.empty())
      entry->removeAttr(ir::recomputeAttr);
    else
      entry->setAttr(ir::recomputeAttr, builder.getDictionaryAttr(members));
  }
}

} // namespace

Expected<uint64_t> plannedPeak(mlir::ModuleOp module, const ModuleInfo &info,
                               uint64_t *flops) {
  mlir::OwningOpRef<mlir::ModuleOp> lowered = module.clone();
  GPTC_TRY(auto dump, Dump::create(""));
  GPTC_CHECK(advance(*lowered, Phase::Gradient, info.type, *dump));
  if (flops) {
    *flops = 0;
    lowered->walk([&](mlir::Operation *op) { *flops += ir::flopsOf(op); });
  }
  GPTC_CHECK(advance(*lowered, Phase::Program, info.type, *dump));
  GPTC_TRY(auto target, describeTarget("cpu", *lowered, info));
  uint64_t variables = 0, arena = 0;
  for (auto variable : lowered->getOps<ir::VariableOp>())
    variables += ir::bytesOf(variable.getTensorType());
  for (const auto &program : target->programs)
    arena = std::max(arena, program->arena_bytes);
  return variables + arena;
}

Expected<Fit> fitMemory(mlir::ModuleOp module, const ModuleInfo &info,
                        uint64_t budget) {
  Choices choices;
  for (auto entry : module.getOps<mlir::func::FuncOp>())
    for (std::string &layer : layersOf(entry))
      if (!llvm::is_contained(choices.layers, layer))
        choices.layers.push_back(std::move(layer));
  Fit fit;
  uint64_t once = 0, flops = 0;
  setChoice(module, {});
  GPTC_TRY(fit.peak, plannedPeak(module, info, &once));
  if (fit.peak <= budget || choices.layers.empty())
    return fit;
  auto peakOf = [&](size_t choice) -> Expected<uint64_t> {
    setChoice(module, choices.at(choice));
    return plannedPeak(module, info, &flops);
  };
  // Some choice that is enough, if there is one: what is computed again needs
  // memory itself, so that the last choice need not be the smallest.
  size_t layers = choices.layers.size(), below = 0, enough = 0;
  size_t least = 0;
  for (size_t choice : {layers, 2 * layers - 1, 2 * layers}) {
    GPTC_TRY(uint64_t peak, peakOf(choice));
    if (peak < fit.peak) {
      fit.peak = peak;
      least = choice;
    }
    if (peak <= budget) {
      enough = choice;
      break;
    }
    below = choice;
  }
  if (enough == 0) {
    setChoice(module, choices.at(least));
    fit.recomputed = choices.at(least);
    return fit;
  }
  // And the cheapest one.
  while (below + 1 < enough) {
    size_t middle = (below + enough) / 2;
    GPTC_TRY(uint64_t peak, peakOf(middle));
    (peak > budget ? below : enough) = middle;
  }
  fit.recomputed = choices.at(enough);
  GPTC_TRY(fit.peak, peakOf(enough));
  fit.recomputed.flops = flops > once ? flops - once : 0;
  return fit;
}

} // namespace gptc
