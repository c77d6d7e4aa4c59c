#include "gptc/runtime/base/Sha256.h"

#include <gtest/gtest.h>
#include <string_view>

namespace gptc {
namespace {

std::string hexOf(std::string_view text) {
  return Sha256::hex(Sha256::of(std::as_bytes(std::span(text))));
}

// Source: FIPS 180-4 examples and the NIST CAVP short messages.
TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(hexOf(""), "e3b0c44298fc1c149afbf4c8996fb924"
                       "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hexOf("abc"), "ba7816bf8f01cfea414140de5dae2223"
                          "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hexOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hexOf("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b049237"
            "0b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hexOf(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67"
            "f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeGiveTheSameDigest) {
  std::string text(300, 'x');
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = char(i * 7);
  std::string whole = hexOf(text);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash;
    auto bytes = std::as_bytes(std::span(text));
    hash.update(bytes.first(cut));
    hash.update(bytes.subspan(cut));
    EXPECT_EQ(Sha256::hex(hash.finish()), whole) << cut;
  }
}

TEST(Sha256, InstructionsGiveWhatPlainCodeGives) {
  Sha256Blocks take = sha256Instructions();
  if (!take)
    GTEST_SKIP() << "this CPU has no instructions for SHA-256";
  std::array<unsigned char, 64 * 7> data;
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<unsigned char>(i * i * 31 + i / 5);
  for (size_t blocks : {0, 1, 2, 7}) {
    Sha256State plain = {1, 0xffffffff, 3, 0x80000000, 5, 6, 0x12345678, 8};
    Sha256State fast = plain;
    takeSha256Blocks(plain, data.data(), blocks);
    take(fast, data.data(), blocks);
    EXPECT_EQ(plain, fast) << blocks;
  }
}

} // namespace
} // namespace gptc
