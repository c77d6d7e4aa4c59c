// What is said of a program whose buffers do not hold what its launches read.

#include "gptc/compiler/PhaseGate.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::HasSubstr;

/// Kernels on 16 numbers, 64 bytes.
constexpr const char *kernels = R"(
  gptc.kernel @copy rowwise (%x: tensor<16xf32>) -> tensor<16xf32> {
    %0 = arith.addf %x, %x : tensor<16xf32>
    gptc.yield %0 : tensor<16xf32>
  }
  gptc.kernel @in_place rowwise (%x: tensor<16xf32>, %y: tensor<16xf32>) -> tensor<16xf32> attributes {in_place = array<i64: 0, 0>} {
    %0 = arith.addf %x, %y : tensor<16xf32>
    gptc.yield %0 : tensor<16xf32>
  }
  gptc.kernel @tied rowwise (%x: tensor<16xf32>) -> tensor<16xf32> attributes {tied = array<i64: 0, 0>} {
    %0 = arith.addf %x, %x : tensor<16xf32>
    gptc.yield %0 : tensor<16xf32>
  }
  gptc.kernel @two rowwise (%x: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
    %0 = arith.addf %x, %x : tensor<16xf32>
    gptc.yield %0, %0 : tensor<16xf32>, tensor<16xf32>
  }
  gptc.kernel @long rowwise () -> tensor<32xf32> {
    %0 = arith.constant dense<1.0> : tensor<32xf32>
    gptc.yield %0 : tensor<32xf32>
  }
  gptc.kernel @sum rowwise (%x: tensor<32xf32>) -> tensor<16xf32> {
    %0 = gptc.slice %x [8] : tensor<32xf32> to tensor<16xf32>
    gptc.yield %0 : tensor<16xf32>
  }
  gptc.kernel @ones rowwise () -> tensor<16xf32> {
    %0 = arith.constant dense<1.0> : tensor<16xf32>
    gptc.yield %0 : tensor<16xf32>
  }
)";

/// What the gate says of an entry 'main' from %x to the result 'r', %r, in
/// which !b stands for memref<16xf32>; empty if nothing.
std::string errorOf(std::string body) {
  for (size_t at = 0; (at = body.find("!b", at)) != std::string::npos;)
    body.replace(at, 2, "memref<16xf32>");
  std::string text = std::string("module {") + kernels +
                     "gptc.variable @state cache : tensor<16xf32>\n"
                     "func.func @main(%x: memref<16xf32> {gptc.name = \"x\"}, "
                     "%r: memref<16xf32> {gptc.result = \"r\"}) "
                     "attributes {gptc.arena_bytes = 1024 : i64} {\n" +
                     body + "\nreturn\n}\n}\n";
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  ir::loadDialects(context);
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &found) {
    errors += found.str();
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return "it does not parse: " + errors;
  bool right = mlir::succeeded(verifyPhase(*module, Phase::Program));
  EXPECT_EQ(right, errors.empty()) << errors;
  return errors;
}

TEST(MemoryGate, BuffersMayFollowEachOther) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 0 : !b
    gptc.launch @copy(%x) -> (%0) : (!b) -> (!b)
    %1 = gptc.arena 64 : !b
    gptc.launch @copy(%0) -> (%1) : (!b) -> (!b)
    %2 = gptc.arena 0 : !b
    gptc.launch @copy(%1) -> (%2) : (!b) -> (!b)
    gptc.launch @copy(%2) -> (%r) : (!b) -> (!b))"),
            "");
}

TEST(MemoryGate, WhatIsReadLaterIsNotWrittenOver) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 64 : !b
    gptc.launch @copy(%x) -> (%0) : (!b) -> (!b)
    %1 = gptc.arena 64 : !b
    gptc.launch @ones() -> (%1) : () -> (!b)
    gptc.launch @copy(%0) -> (%r) : (!b) -> (!b))"),
            "entry 'main': the launch of 'copy' reads what the launch of "
            "'copy' wrote at bytes 64 to 128 of the arena, and the launch of "
            "'ones' has written over it, at bytes 64 to 128 of the arena; what "
            "is in use at once must not overlap");
}

TEST(MemoryGate, APartThatIsWrittenOverIsToldToo) {
  const std::string body = R"(
    %0 = gptc.arena 64 : memref<32xf32>
    gptc.launch @long() -> (%0) : () -> (memref<32xf32>)
    %1 = gptc.arena OFFSET : !b
    gptc.launch @ones() -> (%1) : () -> (!b)
    gptc.launch @sum(%0) -> (%r) : (memref<32xf32>) -> (!b))";
  auto at = [&](const std::string &offset) {
    std::string text = body;
    return errorOf(text.replace(text.find("OFFSET"), 6, offset));
  };
  EXPECT_EQ(at("0"), "");
  EXPECT_EQ(at("192"), "");
  for (int offset : {64, 128})
    EXPECT_THAT(
        at(std::to_string(offset)),
        HasSubstr("wrote at bytes 64 to 192 of the arena, and the launch of "
                  "'ones' has written over it, at bytes " +
                  std::to_string(offset) + " to " +
                  std::to_string(offset + 64) + " of the arena"));
}

TEST(MemoryGate, KernelsComputeInPlaceWhereTheySayThatTheyDo) {
  auto launch = [](const char *of, const char *to, const char *more = "") {
    return errorOf(std::string(R"(
      %0 = gptc.arena 0 : !b
      gptc.launch @copy(%x) -> (%0) : (!b) -> (!b)
      %1 = gptc.arena 0 : !b
      gptc.launch )") +
                   of + " -> (" + to + ") : " + more + R"( -> (!b)
      gptc.launch @copy()" +
                   to + ") -> (%r) : (!b) -> (!b)");
  };
  EXPECT_EQ(launch("@in_place(%0, %x)", "%1", "(!b, !b)"), "");
  EXPECT_EQ(launch("@tied(%0)", "%0", "(!b)"), "");
  EXPECT_EQ(launch("@copy(%0)", "%1", "(!b)"),
            "entry 'main': the launch of 'copy' reads bytes 0 to 64 of the "
            "arena and writes bytes 0 to 64 of the arena, which must not "
            "overlap, as the kernel does not compute that output in the place "
            "of that input");
  // Not in the place of another input, nor of one that is given twice.
  EXPECT_THAT(launch("@in_place(%x, %0)", "%1", "(!b, !b)"),
              HasSubstr("must not overlap, as the kernel"));
  EXPECT_THAT(launch("@in_place(%0, %0)", "%1", "(!b, !b)"),
              HasSubstr("must not overlap, as the kernel"));
}

TEST(MemoryGate, OutputsOfALaunchLieApart) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 0 : !b
    %1 = gptc.arena 0 : !b
    gptc.launch @two(%x) -> (%0, %1) : (!b) -> (!b, !b)
    gptc.launch @copy(%0) -> (%r) : (!b) -> (!b))"),
            "entry 'main': the launch of 'two' writes bytes 0 to 64 of the "
            "arena and bytes 0 to 64 of the arena, which must not overlap");
}

TEST(MemoryGate, WhatIsReadIsWrittenBefore) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 0 : !b
    gptc.launch @copy(%0) -> (%r) : (!b) -> (!b)
    gptc.launch @copy(%x) -> (%0) : (!b) -> (!b))"),
            "entry 'main': the launch of 'copy' reads bytes 0 to 64 of the "
            "arena, which no launch before it writes");
  // Also where another buffer of that place is.
  EXPECT_THAT(errorOf(R"(
    %0 = gptc.arena 0 : !b
    gptc.launch @copy(%x) -> (%0) : (!b) -> (!b)
    %1 = gptc.arena 0 : !b
    gptc.launch @copy(%1) -> (%r) : (!b) -> (!b))"),
              HasSubstr("which no launch before it writes"));
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 0 : !b
    gptc.launch @copy(%r) -> (%0) : (!b) -> (!b)
    gptc.launch @copy(%x) -> (%r) : (!b) -> (!b))"),
            "entry 'main': the launch of 'copy' reads the result 'r', which no "
            "launch before it writes");
}

TEST(MemoryGate, ResultsAreWritten) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.arena 0 : !b
    gptc.launch @copy(%x) -> (%0) : (!b) -> (!b))"),
            "entry 'main' has the result 'r', which no launch writes");
}

TEST(MemoryGate, VariablesHaveValuesFromTheStart) {
  EXPECT_EQ(errorOf(R"(
    %0 = gptc.storage @state : !b
    gptc.launch @copy(%0) -> (%r) : (!b) -> (!b)
    gptc.launch @in_place(%0, %x) -> (%0) : (!b, !b) -> (!b))"),
            "");
}

} // namespace
} // namespace gptc
