//===- StopMatcher.cpp ----------------------------------------------------===//

#include "gptc/runtime/text/StopMatcher.h"

#include <algorithm>

namespace gptc {

Expected<StopMatcher> StopMatcher::create(std::vector<std::string> stops) {
  StopMatcher matcher;
  for (std::string &stop : stops) {
    if (stop.empty())
      return failure(ErrorCode::InvalidArgument,
                     "a stop text is empty; leave it out");
    Pattern pattern{std::move(stop), {}, 0};
    pattern.failure.assign(pattern.text.size(), 0);
    uint32_t matched = 0;
    for (size_t i = 1; i < pattern.text.size(); ++i) {
      while (matched > 0 && pattern.text[i] != pattern.text[matched])
        matched = pattern.failure[matched - 1];
      matched += uint32_t(pattern.text[i] == pattern.text[matched]);
      pattern.failure[i] = matched;
    }
    matcher.patterns_.push_back(std::move(pattern));
  }
  return matcher;
}

std::string StopMatcher::push(std::string_view text) {
  std::string released;
  if (stopped_)
    return released;
  // What was held back and what is new, up to the byte in hand.
  std::string stream = std::move(held_);
  held_.clear();
  for (char byte : text) {
    stream += byte;
    size_t stop = 0;
    for (Pattern &pattern : patterns_) {
      while (pattern.matched > 0 && byte != pattern.text[pattern.matched])
        pattern.matched = pattern.failure[pattern.matched - 1];
      pattern.matched += uint32_t(byte == pattern.text[pattern.matched]);
      if (pattern.matched == pattern.text.size())
        stop = std::max(stop, pattern.text.size());
    }
    if (stop > 0) {
      stopped_ = true;
      stream.resize(stream.size() - stop);
      return stream;
    }
  }
  size_t held = 0;
  for (const Pattern &pattern : patterns_)
    held = std::max<size_t>(held, pattern.matched);
  held_ = stream.substr(stream.size() - held);
  stream.resize(stream.size() - held);
  return stream;
}

std::string StopMatcher::finish() {
  std::string text = std::move(held_);
  held_.clear();
  for (Pattern &pattern : patterns_)
    pattern.matched = 0;
  return text;
}

} // namespace gptc
