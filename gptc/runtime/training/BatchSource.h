//===- BatchSource.h - What a trainer learns from --------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_BATCHSOURCE_H
#define GPTC_RUNTIME_TRAINING_BATCHSOURCE_H

#include "gptc/runtime/program/Executable.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace gptc {

/// How well a model does on what it was not trained on.
struct Validation {
  double loss = 0; ///< The mean.
  /// By name, "accuracy" for one, in the order to tell them in.
  std::vector<std::pair<std::string, double>> metrics;
};

/// Batches for the entries `train_step` and `accumulate_gradients` of a loaded
/// program. Which batch has which content is a function of the seed alone. Not
/// thread safe.
class BatchSource {
public:
  virtual ~BatchSource() = default;

  /// Finds its places in a program, which must outlive it. Called once, before
  /// all others. Errors say what the program lacks, or that the data was made
  /// for another model.
  virtual Status open(Executable &program) = 0;

  /// What a run that goes on must have again.
  virtual uint64_t seed() const = 0;
  virtual uint64_t batch() const = 0;   ///< Sequences of a batch.
  virtual uint64_t context() const = 0; ///< Tokens of a sequence.
  virtual uint64_t trainingTokens() const = 0;
  /// What else it must have again, by name: under dataDigest what tells its
  /// data from other data of the same size.
  virtual std::map<std::string, std::string> details() const = 0;
  /// What an epoch has, as "8470 windows".
  virtual std::string size() const = 0;
  /// Batches that see everything at least once.
  virtual uint64_t batchesPerEpoch() const = 0;

  /// Writes batch `index` into the arguments of an entry, and returns its
  /// weight among the batches of a step: the targets that it has.
  virtual Expected<double> read(uint64_t index, uint32_t entry) = 0;
  /// Runs the program over what is kept for validation, at most `most`
  /// sequences or examples of it; nothing where there is none, or no entry to
  /// run.
  virtual Expected<std::optional<Validation>> validate(uint64_t most) = 0;
  /// Why validate() gives nothing, as a sentence that says what to do; empty
  /// where it measures.
  virtual std::string whyNoValidation() const = 0;
};

inline constexpr const char *dataDigest = "data_digest";

/// Windows of a folder of `gptc prepare`, for entries that take `tokens` and
/// `targets` [B, T]. Its validation part is measured by the entry `score`.
std::unique_ptr<BatchSource> preparedBatches(std::string folder, uint64_t seed);

/// The argument or result of that name, or nothing.
std::optional<size_t>
findParameter(const std::vector<std::unique_ptr<artifact::ParameterT>> &list,
              const std::string &name);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_BATCHSOURCE_H
