//===- EncodeBlock.h - Tokens of a block of documents ----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_ENCODEBLOCK_H
#define GPTC_RUNTIME_DATA_ENCODEBLOCK_H

#include "gptc/runtime/data/InputReader.h"
#include "gptc/runtime/text/Tokenizer.h"

namespace gptc {

/// What becomes of text, the same for every block.
struct Encoding {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string key;       ///< Of JSON lines.
  double validation = 0; ///< Share of documents, 0 to 1.
  uint64_t seed = 0;     ///< Of their choice.
  bool digests = false;  ///< Whether documents are to be compared.
};

/// Consecutive tokens of a document that go to one part.
struct Stretch {
  DataPart part = DataPart::Training;
  size_t tokens = 0;
};

struct EncodedRecord {
  /// Why the record is left out, or empty.
  std::string bad;
  /// Of the document that it begins, where documents are compared.
  ShortDigest digest;
  std::vector<Stretch> stretches;
};

struct EncodedBlock {
  std::vector<EncodedRecord> records; ///< One for each of the block.
  std::vector<int32_t> tokens;        ///< Of all stretches.
};

/// A function of its arguments, for many threads at once. A document's part
/// follows from its content and the seed, so that equal documents are in the
/// same part; of a whole text, passages of about 8 KiB are chosen instead,
/// which end with a line or the block.
EncodedBlock encodeBlock(const InputBlock &block, RecordKind kind,
                         const Encoding &encoding);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_ENCODEBLOCK_H
