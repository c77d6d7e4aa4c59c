#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

PendingTensor tensor(std::string name, DataType type,
                     std::vector<uint64_t> shape, const std::string &bytes) {
  return {std::move(name), type, std::move(shape),
          [bytes](const PendingTensor::Sink &sink) {
            return sink(std::as_bytes(std::span(bytes)));
          }};
}

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

TEST(SafetensorsWriter, WhatItWritesIsReadBack) {
  TemporaryFolder folder;
  ASSERT_SUCCESS(writeSafetensors(
      folder / "a", {tensor("half", DataType::BF16, {3}, "123456"),
                     tensor("byte", DataType::U8, {1}, "x"),
                     tensor("z", DataType::F32, {2, 1}, "abcdefgh"),
                     tensor("scalar", DataType::F64, {}, "ABCDEFGH"),
                     tensor("none", DataType::F32, {0, 7}, "")}));
  ASSERT_VALUE(SafetensorsFile file, SafetensorsFile::open(folder / "a"));
  ASSERT_EQ(file.tensors().size(), 5U);
  EXPECT_EQ(text(file.tensors().at("half").bytes), "123456");
  EXPECT_EQ(file.tensors().at("half").type, DataType::BF16);
  EXPECT_EQ(text(file.tensors().at("byte").bytes), "x");
  EXPECT_EQ(text(file.tensors().at("z").bytes), "abcdefgh");
  EXPECT_EQ(file.tensors().at("z").shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(text(file.tensors().at("scalar").bytes), "ABCDEFGH");
  // Readers may map the file: every tensor is aligned to its elements.
  for (const auto &[name, view] : file.tensors())
    EXPECT_EQ(
        reinterpret_cast<uintptr_t>(view.bytes.data()) % sizeOf(view.type), 0U)
        << name;
  EXPECT_NE(text(file.header()).find(R"("__metadata__":{"format":"pt"})"),
            std::string::npos);
}

TEST(SafetensorsWriter, TheOrderOfTensorsDoesNotMatter) {
  TemporaryFolder folder;
  PendingTensor a = tensor("a", DataType::F32, {1}, "1234");
  PendingTensor b = tensor("b", DataType::F16, {1}, "56");
  ASSERT_SUCCESS(writeSafetensors(folder / "ab", {a, b}));
  ASSERT_SUCCESS(writeSafetensors(folder / "ba", {b, a}));
  EXPECT_EQ(folder.read("ab"), folder.read("ba"));
}

TEST(SafetensorsWriter, RefusesWhatDoesNotFitAndLeavesNothing) {
  TemporaryFolder folder;
  EXPECT_THAT(
      writeSafetensors(folder / "a", {tensor("a", DataType::F32, {2}, "1234")}),
      FailsWith(ErrorCode::Internal, "4 bytes, expected 8"));
  EXPECT_THAT(
      writeSafetensors(folder / "a", {tensor("a", DataType::F32, {1}, "1234"),
                                      tensor("a", DataType::F32, {1}, "1234")}),
      FailsWith(ErrorCode::InvalidArgument, "'a' is written a second time"));
  EXPECT_THAT(writeSafetensors(folder / "a", {tensor("a", DataType::F32,
                                                     {uint64_t(1) << 63}, "")}),
              FailsWith(ErrorCode::InvalidArgument, "address space"));
  EXPECT_THAT(writeSafetensors(folder / "none/a", {}),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_EQ(folder.count(), 0U);
}

} // namespace
} // namespace gptc
