//===- EmitterMemory.cpp - Registers, buffers and workgroup memory --------===//

#include "gptc/backends/vulkan/compiler/Emitter.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
namespace math = mlir::math;
namespace spirv = mlir::spirv;
using mlir::Type;
using mlir::Value;

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Type Emitter::registerType(Type element) {
  if (element.isBF16() || element.isF16())
    return f32();
  return element;
}

Value Emitter::number(double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getF32FloatAttr(float(value)));
}

Value Emitter::zero(Type type) {
  return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
}

Value Emitter::fadd(Value a, Value b) {
  return arith::AddFOp::create(builder, loc, a, b);
}

Value Emitter::fsub(Value a, Value b) {
  return arith::SubFOp::create(builder, loc, a, b);
}

Value Emitter::fmul(Value a, Value b) {
  return arith::MulFOp::create(builder, loc, a, b);
}

Value Emitter::fma(Value a, Value b, Value c) {
  return math::FmaOp::create(builder, loc, a, b, c);
}

Value Emitter::fmax(Value a, Value b) {
  return arith::MaximumFOp::create(builder, loc, a, b);
}

Value Emitter::exp(Value x) { return math::ExpOp::create(builder, loc, x); }

Value Emitter::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(builder, loc, condition, a, b);
}

Value Emitter::toFloat(Value bits) {
  return arith::BitcastOp::create(builder, loc, f32(), bits);
}

Value Emitter::toBits(Value number) {
  return arith::BitcastOp::create(builder, loc, builder.getI32Type(), number);
}

Value Emitter::extract(Value vector, int i) {
  return spirv::CompositeExtractOp::create(builder, loc, vector, i);
}

Value Emitter::gather4(llvm::ArrayRef<Value> scalars) {
  auto type = mlir::VectorType::get({4}, scalars[0].getType());
  return spirv::CompositeConstructOp::create(builder, loc, type, scalars);
}

namespace {

/// Integer arithmetic on the bits of narrow floats, without which a device
/// would need capabilities for them.
class Bits {
public:
  explicit Bits(Emitter &e) : e(e) {}

  Value constant(uint32_t value) { return e.constant(int32_t(value)); }
  Value shiftLeft(Value a, uint32_t b) {
    return arith::ShLIOp::create(e.builder, e.loc, a, constant(b));
  }
  Value shiftRight(Value a, uint32_t b) {
    return arith::ShRUIOp::create(e.builder, e.loc, a, constant(b));
  }
  Value bitAnd(Value a, uint32_t b) {
    return arith::AndIOp::create(e.builder, e.loc, a, constant(b));
  }
  Value bitOr(Value a, Value b) {
    return arith::OrIOp::create(e.builder, e.loc, a, b);
  }
  Value above(Value a, uint32_t b) {
    return arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::ugt, a,
                                 constant(b));
  }

  /// An f32's nearest value of the type, ties to even, in the low half.
  Value narrow(Value x, Type element) {
    return element.isBF16() ? narrowToBf16(x) : narrowToF16(x);
  }
  /// The f32 of the value in the low half; the other half must be zero.
  Value widen(Value bits, Type element) {
    return element.isBF16() ? e.toFloat(shiftLeft(bits, 16)) : widenF16(bits);
  }

private:
  Emitter &e;

  Value narrowToBf16(Value x) {
    Value bits = e.toBits(x);
    Value half = shiftRight(bits, 16);
    Value up = e.add(bitAnd(half, 1), constant(0x7fff));
    Value rounded = shiftRight(e.add(bits, up), 16);
    Value isNaN = above(bitAnd(bits, 0x7fffffff), 0x7f800000);
    return e.select(isNaN, bitOr(half, constant(0x40)), rounded);
  }

  Value narrowToF16(Value x) {
    Value bits = e.toBits(x);
    Value magnitude = bitAnd(bits, 0x7fffffff);
    Value sign = bitAnd(shiftRight(bits, 16), 0x8000);
    // Normal: the rebiased exponent, rounded; what overflows is infinite.
    Value up = e.add(bitAnd(shiftRight(magnitude, 13), 1), constant(0xfff));
    Value normal = e.sub(shiftRight(e.add(magnitude, up), 13),
                         constant((127 - 15) << 10));
    normal = e.min(normal, constant(0x7c00));
    // Subnormal: adding 0.5 shifts the bits to their place and rounds them.
    Value shifted = e.toBits(e.fadd(e.toFloat(magnitude), e.number(0.5)));
    Value subnormal = e.sub(shifted, constant(0x3f000000));
    constexpr uint32_t belowNormal = 0x387fffff, infinity = 0x7f800000;
    Value result = e.select(above(magnitude, belowNormal), normal, subnormal);
    result = e.select(above(magnitude, infinity - 1), constant(0x7c00), result);
    result = e.select(above(magnitude, infinity), constant(0x7e00), result);
    return bitOr(result, sign);
  }

  Value widenF16(Value bits) {
    Value sign = shiftLeft(bitAnd(bits, 0x8000), 16);
    Value magnitude = bitAnd(bits, 0x7fff);
    Value wide = shiftLeft(magnitude, 13);
    Value normal = e.add(wide, constant((127 - 15) << 23));
    Value special = bitOr(wide, constant(0x7f800000));
    Value count =
        arith::SIToFPOp::create(e.builder, e.loc, e.f32(), magnitude);
    Value subnormal = e.toBits(e.fmul(count, e.number(0x1p-24)));
    Value result = e.select(above(magnitude, 0x3ff), normal, subnormal);
    result = e.select(above(magnitude, 0x7bff), special, result);
    return e.toFloat(bitOr(result, sign));
  }
};

} // namespace

Value Emitter::round(Value value, Type element) {
  if (!element.isBF16() && !element.isF16())
    return value;
  Bits bits(*this);
  return bits.widen(bits.narrow(value, element), element);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Type Emitter::arrayPointer(Type element, unsigned stride) {
  auto array = spirv::RuntimeArrayType::get(element, stride);
  return spirv::PointerType::get(
      spirv::StructType::get({array}, {uint32_t(0)}),
      spirv::StorageClass::PhysicalStorageBuffer);
}

const BufferPointer &Emitter::input(mlir::BlockArgument argument) const {
  return inputs_.find(argument)->second;
}

Value Emitter::elementPointer(Value base, Value index) {
  return spirv::AccessChainOp::create(builder, loc, base,
                                      mlir::ValueRange{constant(0), index});
}

Value Emitter::loadThrough(Value pointer, unsigned alignment) {
  auto access = spirv::MemoryAccessAttr::get(builder.getContext(),
                                             spirv::MemoryAccess::Aligned);
  return spirv::LoadOp::create(builder, loc, pointer, access,
                               builder.getI32IntegerAttr(int32_t(alignment)));
}

void Emitter::storeThrough(Value value, Value pointer, unsigned alignment) {
  auto access = spirv::MemoryAccessAttr::get(builder.getContext(),
                                             spirv::MemoryAccess::Aligned);
  spirv::StoreOp::create(
      builder, loc, pointer, value,
      {builder.getNamedAttr("memory_access", access),
       builder.getNamedAttr("alignment",
                            builder.getI32IntegerAttr(int32_t(alignment)))});
}

static Value castPointer(Emitter &e, Value pointer, Type pointee) {
  auto type = spirv::PointerType::get(
      pointee, spirv::StorageClass::PhysicalStorageBuffer);
  return spirv::BitcastOp::create(e.builder, e.loc, type, pointer);
}

Value Emitter::scalar(mlir::BlockArgument argument) {
  Type type = argument.getType();
  if (!type.isF32() && !type.isInteger(32)) {
    if (failure.empty())
      failure = type.isF64() ? "scalars in f64" : "scalars of this type";
    return zero(type);
  }
  Value slot = constant(scalars_.lookup(argument));
  Value bits = loadThrough(elementPointer(scalarsPointer_, slot), 8);
  return type.isF32() ? toFloat(bits) : bits;
}

Value Emitter::loadWord(const BufferPointer &buffer, Value wordIndex) {
  return loadThrough(elementPointer(buffer.pointer, wordIndex), 4);
}

Value Emitter::loadWord4(const BufferPointer &buffer, Value wordIndex) {
  Value scalar = elementPointer(buffer.pointer, wordIndex);
  auto type = mlir::VectorType::get({4}, builder.getI32Type());
  return loadThrough(castPointer(*this, scalar, type), 16);
}

Value Emitter::load(const BufferPointer &buffer, Value index) {
  Type element = buffer.element;
  unsigned width = element.getIntOrFloatBitWidth();
  if (width > 32) {
    if (failure.empty())
      failure = element.isF64() ? "elements in f64" : "elements of 64 bits";
    return zero(registerType(element));
  }
  if (width == 32)
    return loadThrough(elementPointer(buffer.pointer, index), 4);
  // An i1 is stored as one byte.
  int64_t perWord = width == 16 ? 2 : 4, bitsEach = 32 / perWord;
  Value word = loadWord(buffer, div(index, perWord));
  Value shift = mul(rem(index, perWord), bitsEach);
  Value bits = arith::ShRUIOp::create(builder, loc, word, shift);
  Bits integer(*this);
  if (width == 16)
    return integer.widen(integer.bitAnd(bits, 0xffff), element);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne,
                               integer.bitAnd(bits, 0xff), constant(0));
}

Value Emitter::load4(const BufferPointer &buffer, Value index) {
  Value scalar = elementPointer(buffer.pointer, index);
  auto type = mlir::VectorType::get({4}, f32());
  return loadThrough(castPointer(*this, scalar, type), 16);
}

void Emitter::store(Value value, const BufferPointer &buffer, Value index) {
  Type element = buffer.element;
  unsigned width = element.getIntOrFloatBitWidth();
  if (width > 32) {
    if (failure.empty())
      failure = element.isF64() ? "elements in f64" : "elements of 64 bits";
    return;
  }
  if (width == 32)
    return storeThrough(value, elementPointer(buffer.pointer, index), 4);
  Value bits;
  if (width == 16) {
    stores16 = true;
    bits = Bits(*this).narrow(value, element);
  } else {
    stores8 = true;
    bits = select(value, constant(1), constant(0));
  }
  unsigned bytes = width == 16 ? 2 : 1;
  Type stored = builder.getIntegerType(8 * bytes);
  Value narrow = spirv::UConvertOp::create(builder, loc, stored, bits);
  auto array = llvm::cast<spirv::PointerType>(arrayPointer(stored, bytes));
  Value base = castPointer(*this, buffer.pointer, array.getPointeeType());
  storeThrough(narrow, elementPointer(base, index), bytes);
}

void Emitter::store4(Value vector, const BufferPointer &buffer, Value index) {
  Value scalar = elementPointer(buffer.pointer, index);
  storeThrough(vector, castPointer(*this, scalar, vector.getType()), 16);
}

//===----------------------------------------------------------------------===//
// Workgroup memory
//===----------------------------------------------------------------------===//

WorkgroupArray Emitter::workgroupArray(int64_t count) {
  workgroupBytes_ += 4 * count;
  return workgroupArray(count, f32());
}

WorkgroupArray Emitter::workgroupVectors(int64_t count) {
  workgroupBytes_ += 16 * count;
  return workgroupArray(count, mlir::VectorType::get({4}, f32()));
}

WorkgroupArray Emitter::workgroupArray(int64_t count, Type element) {
  auto variable = declare("shared" + std::to_string(arrays_++),
                          spirv::ArrayType::get(element, unsigned(count)),
                          spirv::StorageClass::Workgroup);
  return {entryOp([&]() -> Value {
    return spirv::AddressOfOp::create(builder, loc, variable);
  })};
}

Value Emitter::load(const WorkgroupArray &array, Value index) {
  Value at = spirv::AccessChainOp::create(builder, loc, array.pointer,
                                          mlir::ValueRange{index});
  return spirv::LoadOp::create(builder, loc, at);
}

void Emitter::store(Value value, const WorkgroupArray &array, Value index) {
  Value at = spirv::AccessChainOp::create(builder, loc, array.pointer,
                                          mlir::ValueRange{index});
  spirv::StoreOp::create(builder, loc, at, value);
}

void Emitter::barrier() {
  spirv::ControlBarrierOp::create(builder, loc, spirv::Scope::Workgroup,
                                  spirv::Scope::Workgroup,
                                  spirv::MemorySemantics::AcquireRelease |
                                      spirv::MemorySemantics::WorkgroupMemory);
}

Value Emitter::combine(Combine kind, Value a, Value b) {
  return kind == Combine::Sum ? fadd(a, b) : fmax(a, b);
}

Value Emitter::combineAll(Combine kind, Value value) {
  if (invocations_ == 1)
    return value;
  // Groups of 16 first, then the groups: two barriers. The next call may
  // follow at once: what it overwrites first was read before the second
  // barrier here, the rest after its own first one.
  int64_t groups = (invocations_ + 15) / 16, each = invocations_ / groups;
  if (!partials_) {
    partials_ = workgroupArray(invocations_);
    totals_ = workgroupArray(groups);
  }
  store(value, *partials_, invocation_);
  barrier();
  when(less(invocation_, constant(groups)), [&] {
    Value sum = load(*partials_, invocation_);
    for (int64_t i = 1; i < each; ++i)
      sum = combine(kind, sum, load(*partials_, add(invocation_, i * groups)));
    store(sum, *totals_, invocation_);
  });
  barrier();
  Value total = load(*totals_, constant(0));
  for (int64_t i = 1; i < groups; ++i)
    total = combine(kind, total, load(*totals_, constant(i)));
  return total;
}

} // namespace gptc::vulkan
