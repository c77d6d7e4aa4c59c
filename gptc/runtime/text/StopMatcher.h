//===- StopMatcher.h - Ends a stream of text at stop texts -----*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_STOPMATCHER_H
#define GPTC_RUNTIME_TEXT_STOPMATCHER_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// Looks for stop texts in a stream. The stream ends where the first of them
/// is complete (the longest, if several are complete at the same byte), and
/// what comes out is the text before it: the same however the stream is cut
/// into pieces. Not for several threads at once.
class StopMatcher {
public:
  /// Fails with InvalidArgument if a stop text is empty. None at all is fine:
  /// everything passes.
  static Expected<StopMatcher> create(std::vector<std::string> stops);

  /// The text that is certain not to belong to a stop text. Nothing comes out
  /// any more once a stop text was reached.
  std::string push(std::string_view text);

  /// Whether a stop text was reached.
  bool stopped() const { return stopped_; }

  /// Call at the end of the stream: what was held back as the possible
  /// beginning of a stop text. Empty after a stop text.
  std::string finish();

private:
  StopMatcher() = default;

  /// A stop text with its Knuth-Morris-Pratt failure function, and how much of
  /// it the end of the stream matches.
  struct Pattern {
    std::string text;
    std::vector<uint32_t> failure;
    uint32_t matched = 0;
  };
  std::vector<Pattern> patterns_;
  std::string held_;
  bool stopped_ = false;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_STOPMATCHER_H
