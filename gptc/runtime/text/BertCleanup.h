//===- BertCleanup.h - What GPT-1 does to a text first ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_BERTCLEANUP_H
#define GPTC_RUNTIME_TEXT_BERTCLEANUP_H

#include <string>
#include <string_view>

namespace gptc {

/// BERT's normalization as Hugging Face's tokenizers library does it: control
/// characters and invalid bytes left out, white space made spaces, spaces put
/// around ideographs, canonical decomposition without the accents (nonspacing
/// marks), lower case. The result is valid UTF-8.
///
/// Source: J. Devlin et al., "BERT", 2018, the published tokenization code.
std::string cleanUp(std::string_view text);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_BERTCLEANUP_H
