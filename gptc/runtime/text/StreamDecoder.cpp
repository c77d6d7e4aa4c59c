//===- StreamDecoder.cpp --------------------------------------------------===//

#include "gptc/runtime/text/StreamDecoder.h"

#include "gptc/runtime/text/Unicode.h"

#include <algorithm>

namespace gptc {

Expected<std::string> StreamDecoder::push(int32_t id) {
  GPTC_TRY(TokenText token, tokenizer_->textOf(id));
  std::string text = std::move(incomplete_);
  text += ifFollowed_;
  auto common =
      size_t(std::mismatch(token.followed.begin(), token.followed.end(),
                           token.last.begin(), token.last.end())
                 .first -
             token.followed.begin());
  text += token.followed.substr(0, common);
  ifFollowed_ = token.followed.substr(common);
  ifLast_ = token.last.substr(common);
  size_t incomplete = incompleteAtEnd(text);
  incomplete_ = text.substr(text.size() - incomplete);
  text.resize(text.size() - incomplete);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = std::move(incomplete_);
  text += ifLast_;
  incomplete_.clear();
  ifFollowed_ = ifLast_ = {};
  return text;
}

} // namespace gptc
