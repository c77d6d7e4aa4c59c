//===- TokenizerDigest.h - Which tokenizer made the tokens -----*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_TOKENIZERDIGEST_H
#define GPTC_RUNTIME_DATA_TOKENIZERDIGEST_H

#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/text/Tokenizer.h"

namespace gptc {

/// Identifies what a tokenizer does, not how its files are written: SHA-256 of
/// the text of every id, the id that ends texts, and the ids of a text made of
/// all tokens, in which merges show. Equal for a folder and for its copy that
/// another library saved anew. Takes milliseconds.
Sha256::Digest tokenizerDigest(const Tokenizer &tokenizer);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_TOKENIZERDIGEST_H
