//===- TaskExamples.h - A table as sequences of tokens ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TASKEXAMPLES_H
#define GPTC_RUNTIME_TRAINING_TASKEXAMPLES_H

#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/data/Table.h"
#include "gptc/runtime/text/Tokenizer.h"
#include "gptc/runtime/training/TaskFormat.h"

namespace gptc {

/// Where an example's sequences go, S those of an example, T the tokens of
/// each.
struct SequencePlaces {
  std::span<int32_t> tokens;  ///< [S, T].
  std::span<int32_t> targets; ///< [S, T], or empty where none are learned.
  std::span<int32_t> ends;    ///< [S], or empty for text.
};

/// The rows of a table as a task's examples. Immutable, safe to share between
/// threads.
///
/// Sequences are those of Radford et al., 2018, section 3.3, with ids after
/// the model's vocabulary for start, delimiter and extract: `start text
/// extract`; `start premise delimiter hypothesis extract`; both orders of a
/// similarity; one for each answer of a context. Text is `prompt answer
/// end-of-text`.
class TaskExamples {
public:
  /// Encodes all texts by as many threads as there are CPUs. Without labels
  /// those are 0. Corrupt, naming the line, for a label that is no class,
  /// number or answer of the format; InvalidArgument for an empty prompt, and
  /// for a token beyond the model's vocabulary: the tokenizer is another's.
  static Expected<TaskExamples> create(const Table &table,
                                       const TaskFormat &format,
                                       const Tokenizer &tokenizer,
                                       uint64_t vocabulary, bool labelled);

  size_t size() const { return labels_.size(); }
  /// Class, answer or number.
  double label(size_t example) const { return labels_[example]; }
  /// Tokens of the longest sequence, delimiters included.
  uint64_t longest() const;
  /// Examples with a sequence of more than `context` tokens.
  uint64_t longerThan(uint64_t context) const;
  /// Tokens of all sequences.
  uint64_t tokens() const;
  /// Of all texts and labels.
  Sha256::Digest digest() const;
  /// The ids of a text.
  std::span<const int32_t> text(size_t example, size_t index) const;

  /// The fewest tokens that a sequence may have: the delimiters and one of
  /// each text.
  uint64_t shortestContext() const;

  /// Writes the sequences of an example for a model with that many tokens,
  /// each cut to T = tokens.size() / S where it is longer: the longest of its
  /// texts first, at its end. A prompt loses its beginning instead, and an
  /// answer its end. Rows after a sequence are 0. Targets are the tokens that
  /// follow, -1 where that is a delimiter or none, and in a prompt. Returns
  /// the number of targets.
  uint64_t write(size_t example, uint64_t vocabulary,
                 const SequencePlaces &places) const;

private:
  TaskExamples() = default;
  /// Texts of the sequence `index` of an example, in their order.
  std::vector<size_t> textsOf(uint64_t index) const;
  uint64_t lengthOf(size_t example, uint64_t index) const;
  uint64_t sequences() const {
    return format_.task ? format_.task->sequences() : 1;
  }

  TaskFormat format_;
  size_t texts_ = 0; ///< Of an example; text has the answer as its second.
  std::vector<int32_t> ids_;
  std::vector<size_t> ends_; ///< Of each text.
  std::vector<double> labels_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TASKEXAMPLES_H
