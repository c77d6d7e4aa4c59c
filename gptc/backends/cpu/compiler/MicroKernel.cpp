//===- MicroKernel.cpp ----------------------------------------------------===//

#include "gptc/backends/cpu/compiler/MicroKernel.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
namespace LLVM = mlir::LLVM;
namespace vector = mlir::vector;
using mlir::Value;
using Values = llvm::SmallVector<Value>;

namespace {

class TileEmitter {
public:
  TileEmitter(Emitter &emitter, const TileRows &rows, const TilePanel &panel,
              int vectors)
      : e(emitter), rows(rows), panel(panel), vectors(vectors) {}

  /// The last step of k, without a second of its pair.
  Values singleStep(Value k, Values sums) {
    return stepDots(k, std::move(sums), true);
  }

  /// One step in k: a row of the panel, or a pair of rows.
  Values step(Value k, Values sums) {
    switch (panel.form) {
    case PanelForm::Rows:
      return stepRows(k, std::move(sums));
    case PanelForm::Pairs:
      return stepPairs(k, std::move(sums));
    case PanelForm::Dots:
      return stepDots(k, std::move(sums), false);
    }
    return sums;
  }

private:
  Emitter &e;
  const TileRows &rows;
  const TilePanel &panel;
  int vectors;

  Value columns(Value row, int v) {
    return e.add(e.add(panel.offset, row), e.constant(int64_t(v) * e.width));
  }

  Value left(int r, Value k) {
    Value at = e.add(rows.offsets[r], e.mul(k, rows.stride));
    return e.splat(e.loadScalar(rows.base, at, rows.element));
  }

  Values stepRows(Value k, Values sums) {
    Values b;
    for (int v = 0; v < vectors; ++v)
      b.push_back(e.loadVector(panel.base, columns(e.mul(k, panel.stride), v),
                               panel.element,
                               v + 1 == vectors ? panel.lastMask : Value()));
    for (size_t r = 0; r < rows.offsets.size(); ++r) {
      Value a = left(r, k);
      for (int v = 0; v < vectors; ++v) {
        Value &sum = sums[r * vectors + v];
        sum = vector::FMAOp::create(e.builder, e.loc, a, b[v], sum);
      }
    }
    return sums;
  }

  /// The pairs of columns of vector v, one i32 each: rows k and k + 1.
  Value pairs(Value k, int v) {
    Value at = e.add(e.add(panel.offset, e.mul(e.div(k, 2), panel.stride)),
                     e.constant(2 * int64_t(v) * e.width));
    return loadPairs(e, panel.base, at, panel.element);
  }

  Values stepPairs(Value k, Values sums) {
    Values even, odd;
    for (int v = 0; v < vectors; ++v) {
      auto halves = widenPairs(e, pairs(k, v), panel.element);
      even.push_back(halves[0]);
      odd.push_back(halves[1]);
    }
    for (size_t r = 0; r < rows.offsets.size(); ++r) {
      Value first = left(r, k), second = left(r, e.add(k, e.constant(1)));
      for (int v = 0; v < vectors; ++v) {
        Value &sum = sums[r * vectors + v];
        sum = vector::FMAOp::create(e.builder, e.loc, first, even[v], sum);
        sum = vector::FMAOp::create(e.builder, e.loc, second, odd[v], sum);
      }
    }
    return sums;
  }

  Values stepDots(Value k, Values sums, bool single) {
    auto bf16 = mlir::VectorType::get({2 * e.width}, e.builder.getBF16Type());
    auto f32 = e.vectorOf(e.builder.getF32Type());
    auto i32 = e.builder.getI32Type();
    Values b;
    for (int v = 0; v < vectors; ++v)
      b.push_back(LLVM::BitcastOp::create(e.builder, e.loc, bf16, pairs(k, v)));
    for (size_t r = 0; r < rows.offsets.size(); ++r) {
      Value address =
          e.address(rows.base, e.add(rows.offsets[r], e.mul(k, rows.stride)),
                    rows.element);
      Value pair;
      if (single)
        pair = arith::ExtUIOp::create(
            e.builder, e.loc, i32,
            LLVM::LoadOp::create(e.builder, e.loc, e.builder.getI16Type(),
                                 address, 2));
      else
        pair = LLVM::LoadOp::create(e.builder, e.loc, i32, address, 2);
      Value a = LLVM::BitcastOp::create(e.builder, e.loc, bf16, e.splat(pair));
      for (int v = 0; v < vectors; ++v) {
        Value &sum = sums[r * vectors + v];
        sum = LLVM::CallIntrinsicOp::create(
                  e.builder, e.loc, f32,
                  e.builder.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                  mlir::ValueRange{sum, a, b[v]})
                  .getResult(0);
      }
    }
    return sums;
  }
};

} // namespace

Value loadPairs(Emitter &e, Value base, Value at, mlir::Type element) {
  return LLVM::LoadOp::create(e.builder, e.loc,
                              e.vectorOf(e.builder.getI32Type()),
                              e.address(base, at, element), 4);
}

std::array<Value, 2> widenPairs(Emitter &e, Value pairs, mlir::Type element) {
  auto f32 = e.vectorOf(e.builder.getF32Type());
  auto i32 = e.builder.getI32Type();
  Value shift = e.splat(arith::ConstantOp::create(
      e.builder, e.loc, e.builder.getI32IntegerAttr(16)));
  if (element.isF16()) {
    auto half = [&](Value bits) -> Value {
      Value low = arith::TruncIOp::create(
          e.builder, e.loc, e.vectorOf(e.builder.getI16Type()), bits);
      Value number =
          arith::BitcastOp::create(e.builder, e.loc, e.vectorOf(element), low);
      return arith::ExtFOp::create(e.builder, e.loc, f32, number);
    };
    return {half(pairs),
            half(arith::ShRUIOp::create(e.builder, e.loc, pairs, shift))};
  }
  Value upper = e.splat(arith::ConstantOp::create(
      e.builder, e.loc, e.builder.getIntegerAttr(i32, 0xffff0000U)));
  Value low = arith::ShLIOp::create(e.builder, e.loc, pairs, shift);
  Value high = arith::AndIOp::create(e.builder, e.loc, pairs, upper);
  return {arith::BitcastOp::create(e.builder, e.loc, f32, low),
          arith::BitcastOp::create(e.builder, e.loc, f32, high)};
}

Value packPairs(Emitter &e, Value low, Value high) {
  auto i32 = e.builder.getI32Type();
  auto bitsOf = [&](Value x) -> Value {
    return arith::BitcastOp::create(e.builder, e.loc, e.vectorOf(i32),
                                    e.splat(x));
  };
  Value shift = e.splat(arith::ConstantOp::create(
      e.builder, e.loc, e.builder.getI32IntegerAttr(16)));
  Value upper = e.splat(arith::ConstantOp::create(
      e.builder, e.loc, e.builder.getIntegerAttr(i32, 0xffff0000U)));
  return arith::OrIOp::create(
      e.builder, e.loc,
      arith::ShRUIOp::create(e.builder, e.loc, bitsOf(low), shift),
      arith::AndIOp::create(e.builder, e.loc, bitsOf(high), upper));
}

Values emitRegisterTile(Emitter &e, const TileRows &rows,
                        const TilePanel &panel, int vectors, Value from,
                        Value to, llvm::ArrayRef<Value> initial) {
  TileEmitter tile(e, rows, panel, vectors);
  int64_t step = panel.form == PanelForm::Rows ? 1 : 2;
  size_t count = initial.size();
  Value end = to;
  if (rows.single)
    to = e.min(to, e.constant(*rows.single));
  // Few accumulators would wait for one another: several partial sums, as many
  // as registers hold beside a row of the panel and an element of the left.
  int64_t unroll = count <= 4 ? 4 : count <= 8 ? 2 : 1;
  size_t registers = e.target.vectorWidth == 16 ? 32 : 16;
  while (unroll > 1 && count * unroll + vectors + 1 > registers)
    unroll /= 2;
  Values sums(initial);
  if (unroll > 1) {
    Value zero = e.splat(e.floatConstant(0.0, e.builder.getF32Type()));
    sums.append(count * (unroll - 1), zero);
    int64_t stride = unroll * step;
    Value whole = e.add(from, e.mul(e.div(e.sub(to, from), stride), stride));
    sums = e.loopWith(
        from, whole, stride, sums, [&](Value k, mlir::ValueRange carried) {
          Values next;
          for (int64_t u = 0; u < unroll; ++u) {
            Values part(carried.slice(u * count, count));
            llvm::append_range(next, tile.step(e.add(k, e.constant(u * step)),
                                               std::move(part)));
          }
          return next;
        });
    for (int64_t u = 1; u < unroll; ++u)
      for (size_t i = 0; i < count; ++i)
        sums[i] = arith::AddFOp::create(e.builder, e.loc, sums[i],
                                        sums[u * count + i]);
    sums.truncate(count);
    from = whole;
  }
  sums =
      e.loopWith(from, to, step, sums, [&](Value k, mlir::ValueRange carried) {
        return tile.step(k, Values(carried));
      });
  if (!rows.single)
    return sums;
  return e.loopWith(e.max(from, e.constant(*rows.single)), end, step, sums,
                    [&](Value k, mlir::ValueRange carried) {
                      return tile.singleStep(k, Values(carried));
                    });
}

} // namespace gptc::cpu
