//===- InterpreterTest.cpp - Forms and errors that no DSL graph has -------===//

#include "gptc/backends/reference/compiler/Interpreter.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>

namespace gptc {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Interpreter : public testing::Test {
protected:
  Interpreter() { ir::loadDialects(context); }

  /// Runs @main of a module in text.
  Expected<std::vector<HostTensor>>
  run(llvm::StringRef text, const std::vector<HostTensor> &arguments = {}) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      return failure(ErrorCode::Internal, "the test's module does not parse");
    return interpret(module->lookupSymbol<mlir::func::FuncOp>("main"),
                     arguments, variables);
  }

  mlir::MLIRContext context;
  HostVariables variables;
};

TEST_F(Interpreter, ReducesOverSeveralDimensions) {
  auto results = run(
      R"(
    func.func @main(%x: tensor<2x2x3xf32>) -> (tensor<2xf32>, tensor<f32>) {
      %0 = gptc.reduce sum %x [0, 2] : tensor<2x2x3xf32> to tensor<2xf32>
      %1 = gptc.reduce max %x [0, 1, 2] : tensor<2x2x3xf32> to tensor<f32>
      return %0, %1 : tensor<2xf32>, tensor<f32>
    })",
      {{DataType::F32, {2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}});
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_THAT((*results)[0].values, ElementsAre(30, 48));
  EXPECT_EQ((*results)[1], (HostTensor{DataType::F32, {}, {12}}));
}

TEST_F(Interpreter, MultipliesNarrowOperandsIntoWideResults) {
  auto results = run(
      R"(
    func.func @main(%x: tensor<1x2xbf16>, %y: tensor<2x1xbf16>) -> tensor<1x1xf32> {
      %0 = gptc.matmul %x, %y : tensor<1x2xbf16>, tensor<2x1xbf16> -> tensor<1x1xf32>
      return %0 : tensor<1x1xf32>
    })",
      {{DataType::BF16, {1, 2}, {256, 1}}, {DataType::BF16, {2, 1}, {1, 1}}});
  ASSERT_TRUE(results) << results.error().message();
  // 257 is no bf16.
  EXPECT_EQ((*results)[0], (HostTensor{DataType::F32, {1, 1}, {257}}));
}

TEST_F(Interpreter, MovesLongIntegers) {
  auto results = run(R"(
    func.func @main(%x: tensor<2x2xi64>) -> tensor<1x2xi64> {
      %0 = gptc.transpose %x [1, 0] : tensor<2x2xi64> to tensor<2x2xi64>
      %1 = arith.addi %0, %0 : tensor<2x2xi64>
      %2 = gptc.slice %1 [1, 0] : tensor<2x2xi64> to tensor<1x2xi64>
      return %2 : tensor<1x2xi64>
    })",
                     {{DataType::I64, {2, 2}, {1, 2, 3, 0x1p51}}});
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_EQ((*results)[0], (HostTensor{DataType::I64, {1, 2}, {4, 0x1p52}}));
}

TEST_F(Interpreter, WrapsIntegersAtTheirWidth) {
  auto results = run(R"(
    func.func @main(%x: tensor<2xi32>) -> (tensor<2xi32>, tensor<2xi32>) {
      %0 = arith.addi %x, %x : tensor<2xi32>
      %1 = arith.muli %x, %x : tensor<2xi32>
      return %0, %1 : tensor<2xi32>, tensor<2xi32>
    })",
                     {{DataType::I32, {2}, {2147483647, -65537}}});
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_THAT((*results)[0].values, ElementsAre(-2, -131074));
  EXPECT_THAT((*results)[1].values, ElementsAre(1, 131073));
}

TEST_F(Interpreter, RoundsOnceFromDoubleInACast) {
  // Just above a tie of bf16: by way of f32 it would round to the tie, and
  // from there to even.
  double value = 1 + 0x1p-8 + 0x1p-40;
  auto results = run(R"(
    func.func @main(%x: tensor<1xf64>) -> tensor<1xbf16> {
      %0 = gptc.cast %x : tensor<1xf64> to tensor<1xbf16>
      return %0 : tensor<1xbf16>
    })",
                     {{DataType::F64, {1}, {value}}});
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_EQ((*results)[0].values[0], 1 + 0x1p-7);
}

TEST_F(Interpreter, ReadsConstantsAndBoolArithmetic) {
  auto results = run(R"(
    func.func @main() -> (tensor<2xf32>, tensor<2xi1>, tensor<2xf32>) {
      %0 = arith.constant dense<[1.5, -2.0]> : tensor<2xf32>
      %1 = arith.constant dense<[true, false]> : tensor<2xi1>
      %2 = arith.constant dense<true> : tensor<2xi1>
      %3 = arith.xori %1, %2 : tensor<2xi1>
      %4 = arith.constant false
      %5 = arith.select %4, %0, %0 : tensor<2xf32>
      return %0, %3, %5 : tensor<2xf32>, tensor<2xi1>, tensor<2xf32>
    })");
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_THAT((*results)[0].values, ElementsAre(1.5, -2));
  EXPECT_THAT((*results)[1].values, ElementsAre(0, 1));
  EXPECT_THAT((*results)[2].values, ElementsAre(1.5, -2));
}

TEST_F(Interpreter, AQueryThatSeesNoKeyYieldsZeros) {
  auto results =
      run(R"(
    func.func @main(%x: tensor<1x1x1x1xf32>, %at: tensor<1xi32>) -> tensor<1x1x1x1xf32> {
      %s = arith.constant 1.0 : f32
      %0 = gptc.attention %x, %x, %x scale %s at %at, %at causal
        : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, f32, tensor<1xi32>
      return %0 : tensor<1x1x1x1xf32>
    })",
          {{DataType::F32, {1, 1, 1, 1}, {3}}, {DataType::I32, {1}, {0}}});
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_EQ((*results)[0].values[0], 0);
}

constexpr const char *counting = R"(
  gptc.variable @count counter : tensor<1xf32>
  gptc.variable @w parameter : tensor<1xf32> init(#gptc.init<constant, 0.0, 0.0>)
  func.func @main() -> tensor<1xf32> {
    %0 = gptc.read @count : tensor<1xf32>
    %1 = gptc.read @w : tensor<1xf32>
    %2 = arith.addf %0, %1 : tensor<1xf32>
    gptc.assign @count, %2 : tensor<1xf32>
    %3 = gptc.read @count : tensor<1xf32>
    return %3 : tensor<1xf32>
  })";

TEST_F(Interpreter, KeepsStateBetweenRuns) {
  variables["w"] = {DataType::F32, {1}, {2}};
  for (double expected : {2.0, 4.0, 6.0}) {
    auto results = run(counting);
    ASSERT_TRUE(results) << results.error().message();
    EXPECT_THAT((*results)[0].values, ElementsAre(expected));
    EXPECT_THAT(variables["count"].values, ElementsAre(expected));
  }
}

TEST_F(Interpreter, NamesAVariableWithoutAValue) {
  auto results = run(counting);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code(), ErrorCode::NotFound);
  EXPECT_THAT(results.error().message(), HasSubstr("parameter 'w'"));
  EXPECT_TRUE(variables.empty());
}

TEST_F(Interpreter, NamesAVariableOfAnotherType) {
  variables["w"] = {DataType::F32, {2}, {2, 3}};
  auto results = run(counting);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(results.error().message(),
            "the variable 'w' is f32[2], expected f32[1]");
}

constexpr const char *identity = R"(
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    return %x : tensor<2xf32>
  })";

TEST_F(Interpreter, ChecksArguments) {
  auto none = run(identity);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(),
            "the entry 'main' takes 1 arguments, found 0");
  auto wrong = run(identity, {{DataType::I32, {2}, {1, 2}}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(),
            "argument 0 of the entry 'main' is i32[2], expected f32[2]");
  auto few = run(identity, {{DataType::F32, {2}, {1}}});
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().message(), "argument 0 of the entry 'main' is f32[2] "
                                   "and has 1 values, expected 2");
}

TEST_F(Interpreter, AnUnknownOpIsAnErrorAndAssignsNothing) {
  auto results = run(R"(
    gptc.variable @count counter : tensor<1xf32>
    func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
      gptc.assign @count, %x : tensor<1xf32>
      %0 = math.cbrt %x : tensor<1xf32> loc("h.3/mlp")
      return %0 : tensor<1xf32>
    })",
                     {{DataType::F32, {1}, {8}}});
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code(), ErrorCode::Unsupported);
  EXPECT_THAT(results.error().message(),
              AllOf(HasSubstr("'math.cbrt'"), HasSubstr("'h.3/mlp'")));
  EXPECT_TRUE(variables.empty());
}

} // namespace
} // namespace gptc
