//===- Session.h - Sequences that grow token by token ----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_SESSION_H
#define GPTC_RUNTIME_SESSION_SESSION_H

#include "gptc/runtime/session/Runner.h"

namespace gptc {

/// Up to B sequences over the caches of a model, with the entries `prefill`
/// (or several `prefill_N`) and `decode`. Prompts run as chunks over the
/// cache; sequences of different lengths run side by side. Not thread safe.
/// On a program, feed() allocates nothing.
class Session {
public:
  /// Fails when the entries are not those of a language model.
  static Expected<std::unique_ptr<Session>>
  create(std::unique_ptr<Runner> runner);
  static Expected<std::unique_ptr<Session>>
  create(std::unique_ptr<Executable> program) {
    return create(createRunner(std::move(program)));
  }

  Runner &runner() { return *runner_; }
  const Artifact &artifact() const { return runner_->artifact(); }
  uint32_t batch() const { return batch_; }
  /// Tokens that a sequence can have.
  uint64_t capacity() const { return capacity_; }
  uint64_t vocabulary() const { return vocabulary_; }
  uint64_t length(uint32_t sequence) const { return used_[sequence]; }

  /// Forgets all sequences.
  void reset();
  /// Appends tokens to each sequence (at most B; those may be empty). Fails,
  /// having changed nothing, when an id is outside of the vocabulary or a
  /// sequence would exceed the capacity, and when the backend fails; then the
  /// session needs a reset.
  Status feed(std::span<const std::span<const int32_t>> tokens);
  /// [V] logits after the last token of a sequence that is not empty; valid
  /// until the next feed.
  std::span<const float> logits(uint32_t sequence) const;

private:
  struct Entry {
    uint32_t index = 0;
    uint64_t rows = 0;
    std::span<int32_t> tokens, positions, lengths;
    std::span<const float> logits;
  };
  Session() = default;
  Expected<Entry> openEntry(uint32_t index);
  /// The entry that takes the next tokens at the least cost for each.
  const Entry &entryFor(uint64_t rows) const;

  std::unique_ptr<Runner> runner_;
  uint32_t batch_ = 0;
  uint64_t capacity_ = 0;
  uint64_t vocabulary_ = 0;
  std::vector<Entry> entries_; ///< By rows, fewest first.
  std::vector<uint64_t> used_, done_;
  std::vector<float> logits_; ///< [B, V].
};

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_SESSION_H
