//===- Emitter.cpp --------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/Emitter.h"

#include "gptc/ir/Random.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
namespace LLVM = mlir::LLVM;
namespace scf = mlir::scf;
namespace vector = mlir::vector;
using mlir::Type;
using mlir::Value;

namespace {
enum Tag : intptr_t {
  TagAdd = 1,
  TagSub,
  TagMul,
  TagDiv,
  TagRem,
  TagMin,
  TagMax
};
} // namespace

Emitter::Emitter(mlir::ModuleOp module, ir::KernelOp kernel,
                 const CpuTarget &target, int vectorWidth, std::string symbol)
    : target(target), kernel(kernel), builder(module.getContext()),
      loc(builder.getUnknownLoc()), width(vectorWidth) {
  auto *context = module.getContext();
  auto pointer = LLVM::LLVMPointerType::get(context);
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(context),
      {pointer, pointer, builder.getI32Type(), pointer});
  builder.setInsertionPointToEnd(module.getBody());
  encoded.symbol = std::move(symbol);
  function_ = LLVM::LLVMFuncOp::create(builder, loc, encoded.symbol, type);
  entry_ = function_.addEntryBlock(builder);
  builder.setInsertionPointToStart(entry_);
  scopes_.emplace_back();
  for (unsigned i : {0U, 1U, 3U})
    function_.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());

  Value buffers = entry_->getArgument(0), scalars = entry_->getArgument(1);
  int64_t buffer = 0, scalar = 0;
  for (mlir::BlockArgument argument : kernel.getBody().getArguments()) {
    if (llvm::isa<mlir::RankedTensorType>(argument.getType())) {
      Value at =
          LLVM::GEPOp::create(builder, loc, pointer, pointer, buffers,
                              llvm::ArrayRef<LLVM::GEPArg>{int32_t(buffer++)});
      inputs_[argument] = LLVM::LoadOp::create(builder, loc, pointer, at);
    } else {
      Value at = LLVM::GEPOp::create(
          builder, loc, pointer, builder.getI64Type(), scalars,
          llvm::ArrayRef<LLVM::GEPArg>{int32_t(scalar++)});
      inputs_[argument] =
          LLVM::LoadOp::create(builder, loc, argument.getType(), at);
    }
  }
  for (unsigned i = 0; i < kernel.getSignature().getNumResults(); ++i) {
    Value at =
        LLVM::GEPOp::create(builder, loc, pointer, pointer, buffers,
                            llvm::ArrayRef<LLVM::GEPArg>{int32_t(buffer++)});
    outputs_.push_back(LLVM::LoadOp::create(builder, loc, pointer, at));
  }
  scratch_ = entry_->getArgument(3);
  auto extended = arith::ExtUIOp::create(builder, loc, builder.getI64Type(),
                                         entry_->getArgument(2));
  tile_ = extended;
  lastConstant_ = extended;
}

void Emitter::finish() {
  LLVM::ReturnOp::create(builder, loc, mlir::ValueRange());
  encoded.scratchBytes = scratchBytes_;
}

Value Emitter::scratch(uint64_t bytes) {
  Value at =
      address(scratch_, constant(int64_t(scratchBytes_)), builder.getI8Type());
  scratchBytes_ += (bytes + 63) / 64 * 64;
  return at;
}

Value Emitter::input(mlir::BlockArgument argument) const {
  return inputs_.lookup(argument);
}

unsigned Emitter::bufferOf(mlir::BlockArgument argument) {
  auto before =
      kernel.getBody().getArguments().take_front(argument.getArgNumber());
  return unsigned(llvm::count_if(before, [](mlir::BlockArgument other) {
    return llvm::isa<mlir::RankedTensorType>(other.getType());
  }));
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value Emitter::constant(int64_t value) {
  Value &known = constants_[value];
  if (known)
    return known;
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(lastConstant_);
  known =
      arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(value));
  lastConstant_ = known.getDefiningOp();
  constantValues_[known] = value;
  return known;
}

std::optional<int64_t> Emitter::asConstant(Value value) const {
  auto found = constantValues_.find(value);
  if (found == constantValues_.end())
    return std::nullopt;
  return found->second;
}

Value *Emitter::remembered(const Key &key) {
  for (auto &scope : llvm::reverse(scopes_))
    if (auto found = scope.find(key); found != scope.end())
      return &found->second;
  return nullptr;
}

void Emitter::remember(const Key &key, Value value) {
  scopes_.back()[key] = value;
}

Value Emitter::binary(intptr_t tag, Value a, Value b,
                      llvm::function_ref<Value()> make) {
  Key key{tag, intptr_t(a.getAsOpaquePointer()),
          intptr_t(b.getAsOpaquePointer())};
  if (Value *known = remembered(key))
    return *known;
  Value made = make();
  remember(key, made);
  return made;
}

Value Emitter::add(Value a, Value b) {
  auto x = asConstant(a), y = asConstant(b);
  if (x && y)
    return constant(*x + *y);
  if (x && *x == 0)
    return b;
  if (y && *y == 0)
    return a;
  return binary(TagAdd, a, b, [&]() -> Value {
    return arith::AddIOp::create(builder, loc, a, b,
                                 arith::IntegerOverflowFlags::nsw);
  });
}

Value Emitter::sub(Value a, Value b) {
  auto x = asConstant(a), y = asConstant(b);
  if (x && y)
    return constant(*x - *y);
  if (y && *y == 0)
    return a;
  return binary(TagSub, a, b, [&]() -> Value {
    return arith::SubIOp::create(builder, loc, a, b,
                                 arith::IntegerOverflowFlags::nsw);
  });
}

Value Emitter::mul(Value a, int64_t b) {
  if (auto x = asConstant(a))
    return constant(*x * b);
  if (b == 1)
    return a;
  if (b == 0)
    return constant(0);
  Value factor = constant(b);
  return binary(TagMul, a, factor, [&]() -> Value {
    return arith::MulIOp::create(builder, loc, a, factor,
                                 arith::IntegerOverflowFlags::nsw);
  });
}

Value Emitter::div(Value a, int64_t b) {
  if (auto x = asConstant(a))
    return constant(*x / b);
  if (b == 1)
    return a;
  Value divisor = constant(b);
  return binary(TagDiv, a, divisor, [&]() -> Value {
    return arith::DivUIOp::create(builder, loc, a, divisor);
  });
}

Value Emitter::rem(Value a, int64_t b) {
  if (auto x = asConstant(a))
    return constant(*x % b);
  if (b == 1)
    return constant(0);
  Value divisor = constant(b);
  return binary(TagRem, a, divisor, [&]() -> Value {
    return arith::RemUIOp::create(builder, loc, a, divisor);
  });
}

Value Emitter::min(Value a, Value b) {
  auto x = asConstant(a), y = asConstant(b);
  if (x && y)
    return constant(std::min(*x, *y));
  return binary(TagMin, a, b, [&]() -> Value {
    return arith::MinSIOp::create(builder, loc, a, b);
  });
}

Value Emitter::max(Value a, Value b) {
  auto x = asConstant(a), y = asConstant(b);
  if (x && y)
    return constant(std::max(*x, *y));
  return binary(TagMax, a, b, [&]() -> Value {
    return arith::MaxSIOp::create(builder, loc, a, b);
  });
}

Value Emitter::compare(arith::CmpIPredicate predicate, Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, b);
}

Value Emitter::linearize(llvm::ArrayRef<Value> index,
                         llvm::ArrayRef<int64_t> shape) {
  Value linear = constant(0);
  for (auto [i, extent] : llvm::zip(index, shape))
    linear = add(mul(linear, extent), extent == 1 ? constant(0) : i);
  return linear;
}

llvm::SmallVector<Value> Emitter::delinearize(Value linear,
                                              llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<Value> index(shape.size());
  size_t outermost = 0;
  while (outermost < shape.size() && shape[outermost] == 1)
    ++outermost;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) {
      index[i] = constant(0);
      continue;
    }
    index[i] = i == outermost ? linear : rem(linear, shape[i]);
    if (i != outermost)
      linear = div(linear, shape[i]);
  }
  return index;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Type Emitter::registerType(Type element) {
  if (element.isBF16() || element.isF16())
    return builder.getF32Type();
  return element;
}

Value Emitter::floatConstant(double value, Type type) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

Value Emitter::splat(Value scalar) {
  if (llvm::isa<mlir::VectorType>(scalar.getType()))
    return scalar;
  return vector::BroadcastOp::create(builder, loc, vectorOf(scalar.getType()),
                                     scalar);
}

Value Emitter::lanes() {
  auto values = llvm::to_vector(llvm::seq<int64_t>(0, width));
  auto type = mlir::VectorType::get({width}, builder.getI64Type());
  return arith::ConstantOp::create(
      builder, loc,
      mlir::DenseIntElementsAttr::get(type, llvm::ArrayRef(values)));
}

Value Emitter::maskBelow(Value count) {
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, lanes(),
                               splat(count));
}

/// The type of a register's value with other elements.
static Type withElement(Value value, Type element) {
  if (auto type = llvm::dyn_cast<mlir::VectorType>(value.getType()))
    return type.clone(element);
  return element;
}

Value Emitter::truncate(Value value, Type element) {
  Type i16 = withElement(value, builder.getI16Type());
  if (!element.isBF16() || target.bf16Dot) {
    Value narrow = arith::TruncFOp::create(builder, loc,
                                           withElement(value, element), value);
    return element.isBF16()
               ? Value(arith::BitcastOp::create(builder, loc, i16, narrow))
               : narrow;
  }
  // Without an instruction for it LLVM calls a function that kernels lack.
  Type i32 = withElement(value, builder.getI32Type());
  auto number = [&](int32_t bits) -> Value {
    Value scalar = arith::ConstantOp::create(builder, loc,
                                             builder.getI32IntegerAttr(bits));
    return llvm::isa<mlir::VectorType>(i32) ? splat(scalar) : scalar;
  };
  Value bits = arith::BitcastOp::create(builder, loc, i32, value);
  Value half = arith::ShRUIOp::create(builder, loc, bits, number(16));
  Value odd = arith::AndIOp::create(builder, loc, half, number(1));
  Value up = arith::AddIOp::create(builder, loc, odd, number(0x7fff));
  Value sum = arith::AddIOp::create(builder, loc, bits, up);
  Value rounded = arith::ShRUIOp::create(builder, loc, sum, number(16));
  Value isNaN = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO,
                                      value, value);
  Value quiet = arith::OrIOp::create(builder, loc, half, number(0x40));
  Value chosen = arith::SelectOp::create(builder, loc, isNaN, quiet, rounded);
  return arith::TruncIOp::create(builder, loc, i16, chosen);
}

Value Emitter::extend(Value value) {
  Type f32 = withElement(value, builder.getF32Type());
  if (!mlir::getElementTypeOrSelf(value.getType()).isInteger(16))
    return arith::ExtFOp::create(builder, loc, f32, value);
  // By its bits: LLVM would move arithmetic on what it sees extended into
  // bf16, and then call functions that kernels lack.
  Type i32 = withElement(value, builder.getI32Type());
  Value wide = arith::ExtUIOp::create(builder, loc, i32, value);
  Value sixteen =
      arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(16));
  if (llvm::isa<mlir::VectorType>(i32))
    sixteen = splat(sixteen);
  Value bits = arith::ShLIOp::create(builder, loc, wide, sixteen);
  return arith::BitcastOp::create(builder, loc, f32, bits);
}

Value Emitter::keep(Value index, int64_t stride, Value rate, Value seed,
                    Value site) {
  Type i32 = builder.getI32Type();
  auto scalar = [&](Value operand) {
    Value value = input(llvm::cast<mlir::BlockArgument>(operand));
    return stride == 0 ? value : splat(value);
  };
  if (stride != 0) {
    Value steps = mlir::arith::MulIOp::create(builder, loc, lanes(),
                                              splat(constant(stride)));
    index = mlir::arith::AddIOp::create(builder, loc, splat(index), steps);
    i32 = vectorOf(i32);
  }
  Value word = mlir::arith::TruncIOp::create(builder, loc, i32, index);
  return ir::buildKeep(builder, loc, word, scalar(rate), scalar(seed),
                       scalar(site));
}

Value Emitter::round(Value value, Type element) {
  if (!element.isBF16() && !element.isF16())
    return value;
  return extend(truncate(value, element));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {
/// i1 is stored as one byte. bf16 is moved as bits: LLVM takes values of that
/// type apart where the target has no arithmetic for it.
Type storedType(mlir::OpBuilder &builder, Type element) {
  if (element.isBF16())
    return builder.getI16Type();
  return element.isInteger(1) ? builder.getI8Type() : element;
}

unsigned bytesOfElement(Type element) {
  return std::max(1U, element.getIntOrFloatBitWidth() / 8);
}
} // namespace

Value Emitter::address(Value base, Value index, Type element) {
  if (auto known = asConstant(index); known && *known == 0)
    return base;
  return LLVM::GEPOp::create(
      builder, loc, LLVM::LLVMPointerType::get(builder.getContext()),
      storedType(builder, element), base, mlir::ValueRange{index});
}

void Emitter::prefetch(Value base, Value index, Type element, int locality) {
  constexpr int forReading = 0, data = 1;
  LLVM::Prefetch::create(builder, loc, address(base, index, element),
                         forReading, locality, data);
}

/// From what memory holds to what a register holds, and back.
static Value widen(Emitter &e, Value value, Type element) {
  if (element.isBF16() || element.isF16())
    return e.extend(value);
  if (element.isInteger(1))
    return arith::TruncIOp::create(e.builder, e.loc,
                                   withElement(value, element), value);
  return value;
}

static Value narrow(Emitter &e, Value value, Type element) {
  if (element.isBF16() || element.isF16())
    return e.truncate(value, element);
  if (element.isInteger(1))
    return arith::ExtUIOp::create(
        e.builder, e.loc, withElement(value, e.builder.getI8Type()), value);
  return value;
}

Value Emitter::loadScalar(Value base, Value index, Type element) {
  Value loaded =
      LLVM::LoadOp::create(builder, loc, storedType(builder, element),
                           address(base, index, element));
  return widen(*this, loaded, element);
}

Value Emitter::loadVector(Value base, Value index, Type element, Value mask) {
  Type stored = storedType(builder, element);
  Value at = address(base, index, element);
  Type type = vectorOf(stored);
  Value loaded;
  if (mask) {
    Value zero =
        arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
    loaded = LLVM::MaskedLoadOp::create(builder, loc, type, at, mask, zero,
                                        bytesOfElement(element));
  } else {
    loaded =
        LLVM::LoadOp::create(builder, loc, type, at, bytesOfElement(element));
  }
  return widen(*this, loaded, element);
}

Value Emitter::loadStrided(Value base, Value index, Value stride, Type element,
                           Value mask) {
  Type type = vectorOf(registerType(element));
  Value result =
      arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  Value at = index;
  for (int lane = 0; lane < width; ++lane) {
    // Lanes outside of the mask read the first element again.
    Value safe = at;
    if (mask && lane > 0) {
      Value active = vector::ExtractOp::create(builder, loc, mask, lane);
      safe = arith::SelectOp::create(builder, loc, active, at, index);
    }
    result = vector::InsertOp::create(
        builder, loc, loadScalar(base, safe, element), result, lane);
    at = arith::AddIOp::create(builder, loc, at, stride);
  }
  if (!mask)
    return result;
  // They are zero, as those of a masked load.
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  return arith::SelectOp::create(builder, loc, mask, result, zero);
}

llvm::SmallVector<Value> Emitter::transposed(llvm::ArrayRef<Value> rows) {
  llvm::SmallVector<Value> square(rows);
  // Swaps ever larger blocks beside the diagonal.
  for (int step = 1; step < width; step *= 2) {
    llvm::SmallVector<int64_t> upper, lower;
    for (int lane = 0; lane < width; ++lane) {
      bool right = (lane & step) != 0;
      upper.push_back(right ? width + lane - step : lane);
      lower.push_back(right ? width + lane : lane + step);
    }
    for (int row = 0; row < width; ++row) {
      if (row & step)
        continue;
      Value a = square[row], b = square[row + step];
      square[row] = vector::ShuffleOp::create(builder, loc, a, b, upper);
      square[row + step] = vector::ShuffleOp::create(builder, loc, a, b, lower);
    }
  }
  return square;
}

void Emitter::storeScalar(Value value, Value base, Value index, Type element) {
  LLVM::StoreOp::create(builder, loc, narrow(*this, value, element),
                        address(base, index, element));
}

void Emitter::storeVector(Value value, Value base, Value index, Type element,
                          Value mask) {
  Value stored = narrow(*this, splat(value), element);
  Value at = address(base, index, element);
  if (mask)
    LLVM::MaskedStoreOp::create(builder, loc, stored, at, mask,
                                bytesOfElement(element));
  else
    LLVM::StoreOp::create(builder, loc, stored, at, bytesOfElement(element));
}

void Emitter::storeStrided(Value value, Value base, Value index, Value stride,
                           Type element, Value mask) {
  value = splat(value);
  Value at = index;
  for (int lane = 0; lane < width; ++lane) {
    Value scalar = vector::ExtractOp::create(builder, loc, value, lane);
    if (mask) {
      Value active = vector::ExtractOp::create(builder, loc, mask, lane);
      when(active, [&] { storeScalar(scalar, base, at, element); });
    } else {
      storeScalar(scalar, base, at, element);
    }
    at = arith::AddIOp::create(builder, loc, at, stride);
  }
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

llvm::SmallVector<Value> Emitter::loopWith(
    Value from, Value to, int64_t step, mlir::ValueRange initial,
    llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>
        body) {
  auto a = asConstant(from), b = asConstant(to);
  if (a && b && *b - *a <= step) {
    // Nothing or one round: no loop.
    if (*b <= *a)
      return llvm::to_vector(initial);
    return body(from, initial);
  }
  auto loop =
      scf::ForOp::create(builder, loc, from, to, constant(step), initial);
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  enterScope();
  llvm::SmallVector<Value> next =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!initial.empty() || loop.getBody()->empty() ||
      !loop.getBody()->back().hasTrait<mlir::OpTrait::IsTerminator>()) {
    builder.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(builder, loc, next);
  }
  leaveScope();
  return llvm::SmallVector<Value>(loop.getResults());
}

void Emitter::loop(Value from, Value to, int64_t step,
                   llvm::function_ref<void(Value)> body) {
  loopWith(from, to, step, {},
           [&](Value i, mlir::ValueRange) -> llvm::SmallVector<Value> {
             body(i);
             return {};
           });
}

void Emitter::when(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(builder, loc, condition,
                                  /*withElseRegion=*/false);
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  enterScope();
  body();
  leaveScope();
}

void Emitter::vectorLoop(int64_t count,
                         llvm::function_ref<void(Value, Value)> body) {
  int64_t whole = count / width * width;
  loop(constant(0), constant(whole), width, [&](Value i) { body(i, Value()); });
  if (whole < count) {
    enterScope();
    body(constant(whole), maskBelow(constant(count - whole)));
    leaveScope();
  }
}

} // namespace gptc::cpu
