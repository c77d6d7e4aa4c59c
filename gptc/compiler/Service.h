//===- Service.h - The compiler as the command sees it ---------*- C++ -*-===//
//
// The command loads libgptc-compiler.so only when it compiles. It reaches it
// through this interface, which names nothing of MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_COMPILER_SERVICE_H
#define GPTC_COMPILER_SERVICE_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/session/Trace.h"
#include "gptc/runtime/tensors/Npy.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gptc {

/// A definition, in numbers.
struct ModelSummary {
  std::string name;
  uint64_t layers = 0;
  uint64_t width = 0;
  uint64_t heads = 0;
  uint64_t headSize = 0;
  uint64_t context = 0;
  uint64_t vocabulary = 0;
  uint64_t parameters = 0;
};

/// What begins the name of a target with a profile: the variants that an
/// artifact holds for Vulkan.
inline constexpr std::string_view vulkanProfile = "vulkan:";

/// What `gptc compile` is asked for; empty or 0 means the default.
struct CompileRequest {
  std::string model;  ///< A name, a checkpoint folder, a .so or a .mlir file.
  std::string output; ///< Of the artifact; empty with `toPhase`.
  std::string checkpoint; ///< Folder with the weights, if not `model`.
  /// Seeds the weights where there is no checkpoint, 0 if not given.
  std::optional<uint64_t> initSeed;
  bool embedWeights = false;
  std::vector<std::string> targets; ///< cpu, vulkan[:PROFILE], reference.
  std::string dtype;                ///< f32, bf16 or f16.
  std::vector<std::string> entries;
  uint64_t batch = 0;
  uint64_t context = 0;
  std::string recipe; ///< Of train_step: gpt1, gpt1-finetune, gpt2, gpt3-SIZE.
  std::optional<double> dropout; ///< Its rate, if not the recipe's.
  /// Norm of all gradients at most, 0: any, if not the recipe's.
  std::optional<double> clip;
  /// Of entries for a task: its kind, or empty.
  std::string task;
  uint64_t outputs = 0; ///< Classes, answers, or 1 for a number.
  /// Weight of the language model's own loss beside the task's (0.5).
  std::optional<double> auxiliary;
  uint64_t loraRank = 0; ///< Of low-rank adapters; 0: none.
  double loraAlpha = 0;  ///< Their factor times the rank; 0: twice the rank.
  std::vector<std::string> loraTargets; ///< Ends of weights' names.
  /// Bytes that training may take: weights, state and arena; 0: any number.
  uint64_t memory = 0;
  std::string cpu; ///< host, x86-64-v3, x86-64-v4.
  std::string toPhase;
  std::string fromPhase;
  std::string dumpDirectory;
  /// Is told what goes on, if it is not empty, on the thread that compiles.
  std::function<void(const std::string &)> progress;
};

/// What a backward pass computes again, for want of memory to keep it.
struct Recomputation {
  std::vector<std::string> whole; ///< Scopes, from what they read.
  std::vector<std::string> light; ///< The same but for products and attention.
  uint64_t flops = 0;             ///< Of what is computed twice.
  uint64_t usefulFlops = 0;       ///< Of all else.
};

struct CompileSummary {
  std::string text; ///< IR of the phase that `toPhase` asked for.
  uint64_t kernels = 0;
  uint64_t dispatches = 0;
  uint64_t bytes = 0; ///< Of the artifact.
  double seconds = 0;
  /// The seed, where the weights are random for want of a checkpoint.
  std::optional<uint64_t> seed;
  Recomputation recomputed;
};

/// On the way to the result or the loss, back to the gradients, or from them
/// to new values of the parameters.
enum class Pass { Forward, Backward, Update };

/// What a part of a model does in one execution of an entry.
struct WorkPart {
  std::string name; ///< As its scope, of all layers: "attn/c_attn".
  Pass pass = Pass::Forward;
  uint64_t flops = 0;
  uint64_t bytes = 0;
  uint64_t traffic = 0;
};

struct PlanEntry {
  std::string name;
  uint64_t flops = 0;
  uint64_t bytes = 0;   ///< Arguments, results and variables, each once.
  uint64_t traffic = 0; ///< What all dispatches read and write.
  std::vector<WorkPart> parts;
};

/// What a kind of memory ("weights", "exp_avg", "activations") takes at the
/// peak, and how much of it each part of the model.
struct MemoryPart {
  struct Inner {
    std::string name;
    uint64_t bytes = 0;
    bool operator==(const Inner &other) const = default;
  };
  std::string name;
  uint64_t bytes = 0;
  std::vector<Inner> parts;
};

/// Memory and work of a model, known before anything runs. Parts sum up to the
/// whole; of an artifact they are not known.
struct PlanSummary {
  Recomputation recomputed;
  uint64_t parameters = 0;
  uint64_t weightsBytes = 0;
  uint64_t arenaBytes = 0;
  uint64_t cacheBytes = 0;
  uint64_t optimizerBytes = 0;
  /// Sequences side by side, tokens of each, and whether products are of a type
  /// of 16 bits.
  uint64_t batch = 1, context = 1;
  bool isNarrow = false;
  std::vector<PlanEntry> entries;
  std::string peakEntry; ///< Whose arena is the largest.
  std::vector<MemoryPart> parts;

  uint64_t peakBytes() const {
    return weightsBytes + arenaBytes + cacheBytes + optimizerBytes;
  }
};

/// An artifact's model on the reference interpreter: slow, in double. Not
/// thread safe.
class ReferenceModel {
public:
  virtual ~ReferenceModel() = default;
  /// Runs an entry on its arguments, all in the entry's order, and returns its
  /// results. Variables keep their values from run to run. A trace that is not
  /// null receives the results of ops.
  virtual Expected<std::vector<NpyArray>>
  run(const std::string &entry, const std::vector<NpyArray> &arguments,
      Trace *trace) = 0;
  /// The values of a variable, row-major, to read or to change, until the next
  /// run or reset; state begins with zeros. Empty for a name that nothing has.
  virtual std::span<double> values(const std::string &variable) = 0;
  /// Sets caches, counters and optimizer state to zero.
  virtual void reset() = 0;
};

/// What a model takes: tokens of a sequence, at most, and different tokens.
struct ModelSizes {
  uint64_t context = 0, vocabulary = 0;
};

/// Thread safe; one instance lives as long as the library is loaded.
class CompilerService {
public:
  virtual ~CompilerService() = default;
  /// What is called in compile(), plan() and openReference() where memory runs
  /// out, after which LLVM cannot go on: it must end the process, without
  /// allocating. Without one LLVM aborts.
  virtual void onOutOfMemory(void (*end)()) = 0;
  virtual std::vector<ModelSummary> models() = 0;
  virtual Expected<ModelSizes> sizesOf(const CompileRequest &request) = 0;
  virtual Expected<CompileSummary> compile(const CompileRequest &request) = 0;
  virtual Expected<PlanSummary> plan(const CompileRequest &request) = 0;
  /// Opens the target "reference" of an artifact; `checkpoint`, if not empty,
  /// is the folder of the weights in place of the one that it names.
  virtual Expected<std::unique_ptr<ReferenceModel>>
  openReference(const Artifact &artifact, const std::string &checkpoint) = 0;
};

} // namespace gptc

/// The library's one entry point; the service stays the library's.
extern "C" gptc::CompilerService *gptc_compiler_service();

#endif // GPTC_COMPILER_SERVICE_H
