//===- Fragments.cpp ------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Fragments.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
namespace spirv = mlir::spirv;
using mlir::Value;

namespace {

constexpr int64_t extent = matrixExtent;
/// What an invocation has of a matrix by definition: half a row, as vectors.
constexpr int64_t columnsEach = extent * extent / matrixInvocations;
constexpr int64_t vectorsEach = columnsEach / 4;

spirv::CooperativeMatrixType matrixOf(mlir::Type element,
                                      spirv::CooperativeMatrixUseKHR use) {
  return spirv::CooperativeMatrixType::get(element, extent, extent,
                                           spirv::Scope::Subgroup, use);
}

} // namespace

Fragments::Fragments(Emitter &emitter, mlir::Type element)
    : e(emitter), element_(element),
      byDefinition_(emitter.target.matricesByDefinition) {
  if (!byDefinition_)
    e.useMatrices(element);
}

Value Fragments::subgroup() {
  // How invocations come into subgroups is the driver's business.
  return byDefinition_ ? e.div(e.invocation(), matrixInvocations)
                       : e.subgroup();
}

WorkgroupArray Fragments::operands(int64_t count) {
  mlir::Type pair = e.builder.getI32Type();
  if (!byDefinition_)
    pair = mlir::VectorType::get({2}, element_);
  return e.workgroupArrayOf(count, pair);
}

void Fragments::storePair(Value word, const WorkgroupArray &array,
                          Value index) {
  if (!byDefinition_)
    word = spirv::BitcastOp::create(e.builder, e.loc,
                                    mlir::VectorType::get({2}, element_), word);
  e.store(word, array, index);
}

Fragments::Operand Fragments::load(const WorkgroupArray &array, Value first,
                                   int64_t stride,
                                   spirv::CooperativeMatrixLayoutKHR layout,
                                   spirv::CooperativeMatrixUseKHR use) {
  Operand operand{{}, array, first, stride};
  if (!byDefinition_)
    operand.matrix = spirv::KHRCooperativeMatrixLoadOp::create(
        e.builder, e.loc, matrixOf(element_, use), e.pointerTo(array, first),
        layout, e.constant(stride), e.workgroupAccess(), mlir::IntegerAttr());
  return operand;
}

Fragments::Operand Fragments::left(const WorkgroupArray &array, Value first,
                                   int64_t stride) {
  return load(array, first, stride, spirv::CooperativeMatrixLayoutKHR::RowMajor,
              spirv::CooperativeMatrixUseKHR::MatrixA);
}

Fragments::Operand Fragments::right(const WorkgroupArray &array, Value first,
                                    int64_t stride) {
  return load(array, first, stride,
              spirv::CooperativeMatrixLayoutKHR::ColumnMajor,
              spirv::CooperativeMatrixUseKHR::MatrixB);
}

Fragments::Sums Fragments::zeros() {
  Sums sums;
  mlir::Type type = mlir::VectorType::get({4}, e.f32());
  if (!byDefinition_)
    type = matrixOf(e.f32(), spirv::CooperativeMatrixUseKHR::MatrixAcc);
  Value zero = byDefinition_
                   ? e.zero(type)
                   : spirv::CompositeConstructOp::create(
                         e.builder, e.loc, type, mlir::ValueRange{e.number(0)})
                         .getResult();
  for (int64_t i = 0; i < (byDefinition_ ? vectorsEach : 1); ++i) {
    sums.variables.push_back(e.variable(type));
    e.storeVariable(zero, sums.variables.back());
  }
  return sums;
}

void Fragments::multiplyAdd(const Operand &left, const Operand &right,
                            const Sums &sums) {
  if (byDefinition_)
    return multiplyElements(left, right, sums);
  Value sum = e.loadVariable(sums.variables[0]);
  e.storeVariable(spirv::KHRCooperativeMatrixMulAddOp::create(
                      e.builder, e.loc, left.matrix, right.matrix, sum),
                  sums.variables[0]);
}

void Fragments::store(const Sums &sums, const WorkgroupArray &array,
                      Value first, int64_t stride) {
  if (!byDefinition_) {
    spirv::KHRCooperativeMatrixStoreOp::create(
        e.builder, e.loc, e.pointerTo(array, first),
        e.loadVariable(sums.variables[0]),
        spirv::CooperativeMatrixLayoutKHR::RowMajor, e.constant(stride),
        e.workgroupAccess(), mlir::IntegerAttr());
    return;
  }
  Value at = e.add(first, e.add(e.mul(ownRow(), stride), ownColumn()));
  for (int64_t i = 0; i < columnsEach; ++i)
    e.store(
        e.extract(e.loadVariable(sums.variables[size_t(i / 4)]), int(i % 4)),
        array, e.add(at, i));
}

//===----------------------------------------------------------------------===//
// By definition
//===----------------------------------------------------------------------===//

Value Fragments::ownRow() {
  return e.div(e.rem(e.invocation(), matrixInvocations),
               matrixInvocations / extent);
}

Value Fragments::ownColumn() {
  return e.mul(e.rem(e.invocation(), matrixInvocations / extent), columnsEach);
}

std::array<Value, 2> Fragments::widen(Value word) {
  Value low = arith::AndIOp::create(e.builder, e.loc, word, e.constant(0xffff));
  Value high = arith::ShRUIOp::create(e.builder, e.loc, word, e.constant(16));
  return {e.widenBits(low, element_), e.widenBits(high, element_)};
}

void Fragments::multiplyElements(const Operand &left, const Operand &right,
                                 const Sums &sums) {
  llvm::SmallVector<Value> initial;
  for (Value variable : sums.variables)
    initial.push_back(e.loadVariable(variable));
  Value row = e.add(left.first, e.mul(ownRow(), left.stride));
  Value column = e.add(right.first, e.mul(ownColumn(), right.stride));
  auto step = [&](Value pair, mlir::ValueRange carried) {
    llvm::SmallVector<Value> next(carried);
    auto factors = widen(e.load(left.array, e.add(row, pair)));
    for (int64_t v = 0; v < vectorsEach; ++v) {
      std::array<llvm::SmallVector<Value>, 2> columns;
      for (int64_t i = 0; i < 4; ++i) {
        Value at = e.add(column, (4 * v + i) * right.stride);
        auto both = widen(e.load(right.array, e.add(at, pair)));
        columns[0].push_back(both[0]);
        columns[1].push_back(both[1]);
      }
      for (size_t half = 0; half < 2; ++half) {
        Value x = factors[half];
        next[size_t(v)] = e.fma(e.gather4({x, x, x, x}),
                                e.gather4(columns[half]), next[size_t(v)]);
      }
    }
    return next;
  };
  auto results =
      e.loopWith(e.constant(0), e.constant(extent / 2), 1, initial, step);
  for (auto [variable, value] : llvm::zip(sums.variables, results))
    e.storeVariable(value, variable);
}

} // namespace gptc::vulkan
