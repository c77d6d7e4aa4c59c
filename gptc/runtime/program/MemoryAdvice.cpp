//===- MemoryAdvice.cpp ---------------------------------------------------===//

#include "gptc/runtime/program/MemoryAdvice.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace gptc {

namespace {

constexpr uint64_t mebibyte = uint64_t(1) << 20;

/// The largest part of `whole` steps with which `fixed` bytes and those of
/// `growing`, which all steps take together, fit; 0 where none does.
uint64_t stepsThatFit(uint64_t fixed, uint64_t growing, uint64_t whole,
                      uint64_t available) {
  if (fixed >= available || growing == 0)
    return 0;
  double share = double(available - fixed) / double(growing);
  return std::min(whole - 1, uint64_t(share * double(whole)));
}

} // namespace

MemoryNeed MemoryNeed::of(const Artifact &artifact,
                          const artifact::TargetT &target,
                          const ChosenPrograms &chosen, uint64_t parameters) {
  MemoryNeed need;
  const artifact::ManifestT &manifest = artifact.manifest();
  for (size_t i = 0; i < target.storages.size(); ++i) {
    if (!chosen.needs(i))
      continue;
    artifact::Role role = manifest.variables[i]->role;
    (role == artifact::Role::Parameter   ? need.weights
     : role == artifact::Role::Optimizer ? need.optimizer
                                         : need.caches) +=
        target.storages[i]->bytes;
  }
  need.activations = chosen.arenaBytes() + parameters;
  need.batch = std::max<uint64_t>(1, manifest.model->batch);
  need.context = std::max<uint64_t>(1, manifest.model->capacity);
  need.isNarrow = target.type != artifact::ElementType::F32;
  return need;
}

std::string whatWouldFit(const MemoryNeed &need, uint64_t available) {
  std::vector<std::string> remedies;
  bool trains = need.optimizer > 0;
  uint64_t kept = need.weights + need.optimizer;
  if (uint64_t batch = stepsThatFit(kept, need.caches + need.activations,
                                    need.batch, available))
    remedies.push_back(fmt::format("--batch {}", batch));
  // Blocks of a prefill stay as they are.
  uint64_t fixed = trains ? kept : kept + need.activations;
  uint64_t growing = trains ? need.caches + need.activations : need.caches;
  // A whole number of 16 tokens, and no context that is of no use.
  if (uint64_t context =
          stepsThatFit(fixed, growing, need.context, available) / 16 * 16;
      context >= 16)
    remedies.push_back(fmt::format("--context {}", context));
  if (trains && kept + need.caches + need.activations / 8 < available)
    remedies.push_back(fmt::format(
        "--memory {}MiB, which computes layers again", available / mebibyte));
  if (!need.isNarrow && !trains &&
      kept / 2 + need.caches / 2 + need.activations <= available)
    remedies.push_back("--dtype bf16");
  if (remedies.empty() && kept < available)
    return "no --batch or --context of it would fit: take a smaller model";
  if (remedies.empty())
    return fmt::format(
        "its weights and state take {} MiB without caches: take a "
        "smaller model",
        (kept + mebibyte - 1) / mebibyte);
  std::string last = remedies.back();
  remedies.pop_back();
  std::string text = fmt::format("{}", fmt::join(remedies, ", "));
  return "compile with " + (text.empty() ? last : text + " or " + last);
}

} // namespace gptc
