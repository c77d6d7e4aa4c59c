//===- AddedTokens.h - Special tokens in a text ----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_ADDEDTOKENS_H
#define GPTC_RUNTIME_TEXT_ADDEDTOKENS_H

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// A token that is looked for in the text before anything else is done to it.
struct AddedToken {
  std::string content;
  int64_t id = -1;
  /// Whether it takes the white space before and after it.
  bool stripLeft = false;
  bool stripRight = false;
  /// Whether it is looked for in the text after clean-up instead.
  bool normalized = false;
};

/// Finds added tokens: the leftmost first, of several at one place the
/// longest. Immutable.
class AddedTokens {
public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  /// Calls `text` for each stretch (never empty) that holds no added token,
  /// and `token` with the id of each added token, in order.
  void split(std::string_view input,
             const std::function<void(std::string_view)> &text,
             const std::function<void(int32_t)> &token) const;

private:
  const AddedToken *matchAt(std::string_view input, size_t offset) const;

  /// By first byte, then the longest first.
  std::vector<AddedToken> tokens_;
  /// Where the tokens of each first byte begin.
  std::array<uint32_t, 257> begins_{};
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_ADDEDTOKENS_H
