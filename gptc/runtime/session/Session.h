//===- Session.h - Sequences that grow token by token ----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_SESSION_H
#define GPTC_RUNTIME_SESSION_SESSION_H

#include "gptc/runtime/session/Runner.h"
#include "gptc/runtime/text/Candidates.h"

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

  /// Of how many of the most likely tokens the backend tells, beside all
  /// logits; 0 where it does not choose any.
  size_t candidateCount() const { return candidateCount_; }

  /// Forgets all sequences.
  void reset();
  /// Appends tokens to each sequence (at most B; those may be empty). Fails,
  /// having changed nothing, when an id is outside of the vocabulary or a
  /// sequence would exceed the capacity, and when the backend fails; then the
  /// session needs a reset. With `candidatesDo` logits stay on the device until
  /// bringLogits(), where candidates() are there in their place.
  Status feed(std::span<const std::span<const int32_t>> tokens,
              bool candidatesDo = false);
  /// Brings the logits of the latest feed to where logits() looks for them.
  Status bringLogits();
  /// [V] logits after the last token of a sequence that is not empty; valid
  /// until the next feed. After one that candidates did for, only once they are
  /// brought.
  std::span<const float> logits(uint32_t sequence) const;
  /// The most likely tokens after the last token of a sequence,
  /// candidateCount() of them; none after a feed that brought logits. Valid
  /// until the next feed.
  Candidates candidates(uint32_t sequence) const;

private:
  struct Entry {
    uint32_t index = 0;
    uint64_t rows = 0;
    std::span<int32_t> tokens, positions, lengths;
    std::span<const float> logits;
    size_t logitsResult = 0;
    /// [B, K], empty where the backend chooses none.
    std::span<const float> topLogits;
    std::span<const int32_t> topIds;
    std::vector<size_t> topResults;
  };
  Session() = default;
  void findCandidates(Entry &entry);
  void want(const Entry &entry, bool candidates);
  void keepLogits(const Entry &entry);
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
  size_t candidateCount_ = 0;
  /// The entry whose latest run gave candidates in the place of logits.
  const Entry *chosen_ = nullptr;
};

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_SESSION_H
