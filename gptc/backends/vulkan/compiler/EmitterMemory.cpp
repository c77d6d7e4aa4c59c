//===- EmitterMemory.cpp - Registers, buffers and workgroup memory --------===//

#include "gptc/backends/vulkan/compiler/Emitter.h"

#include "gptc/ir/Random.h"

#include <limits>

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

Value Emitter::lane() {
  if (!lane_)
    lane_ = builtIn("lane", "SubgroupLocalInvocationId");
  return lane_;
}

Value Emitter::subgroup() {
  if (!subgroup_)
    subgroup_ = builtIn("subgroup", "SubgroupId");
  return subgroup_;
}

Value Emitter::broadcast(Value value, int64_t from) {
  return spirv::GroupNonUniformBroadcastOp::create(
      builder, loc, value.getType(), spirv::Scope::Subgroup, value,
      constant(from));
}

namespace {

/// Narrow elements in a word of memory, where an i1 is a byte, and the bits of
/// one.
int64_t elementsPerWord(unsigned width) { return width == 16 ? 2 : 4; }
uint32_t maskOf(unsigned width) { return width == 16 ? 0xffff : 0xff; }

/// Arithmetic on the bits of narrow floats, without which a device would need
/// capabilities for them.
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
    return element.isBF16() ? e.toFloat(shiftLeft(bits, 16))
                            : e.extract(unpackF16(bits), 0);
  }
  /// Those of both halves, the low one first.
  std::array<Value, 2> widenBoth(Value word, Type element) {
    if (element.isBF16())
      return {e.toFloat(shiftLeft(word, 16)),
              e.toFloat(bitAnd(word, 0xffff0000))};
    Value both = unpackF16(word);
    return {e.extract(both, 0), e.extract(both, 1)};
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
    Value normal =
        e.sub(shiftRight(e.add(magnitude, up), 13), constant((127 - 15) << 10));
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

  /// No capability is needed to widen, and one instruction does it on a GPU.
  /// Its counterpart may round either way, so that narrowing stays integers.
  Value unpackF16(Value word) {
    auto two = mlir::VectorType::get({2}, e.f32());
    return spirv::GLUnpackHalf2x16Op::create(e.builder, e.loc, two, word);
  }
};

} // namespace

Value Emitter::round(Value value, Type element) {
  if (!element.isBF16() && !element.isF16())
    return value;
  Bits bits(*this);
  return bits.widen(bits.narrow(value, element), element);
}

Value Emitter::narrowBits(Value number, Type element) {
  return Bits(*this).narrow(number, element);
}

Value Emitter::widenBits(Value bits, Type element) {
  return Bits(*this).widen(bits, element);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Type Emitter::arrayPointer(Type element, unsigned stride) {
  auto array = spirv::RuntimeArrayType::get(element, stride);
  return spirv::PointerType::get(spirv::StructType::get({array}, {uint32_t(0)}),
                                 spirv::StorageClass::PhysicalStorageBuffer);
}

const BufferPointer &Emitter::input(mlir::BlockArgument argument) const {
  return inputs_.find(argument)->second;
}

void Emitter::note(Buffers &among, const BufferPointer &buffer) {
  if (!llvm::is_contained(among, buffer.number))
    among.push_back(buffer.number);
}

Value Emitter::elementPointer(const BufferPointer &buffer, Value index) {
  note(accesses_.elements, buffer);
  llvm::SmallVector<Value> path{constant(0), index};
  if (buffer.form == BufferPointer::Form::Vectors)
    path = {constant(0), div(index, 4), rem(index, 4)};
  return spirv::AccessChainOp::create(builder, loc, buffer.pointer, path);
}

/// A pointer to a vector, or null with a note of what is missing.
Value Emitter::vectorPointer(const BufferPointer &buffer, Value index) {
  note(accesses_.vectors, buffer);
  if (buffer.form == BufferPointer::Form::Words)
    return {};
  return spirv::AccessChainOp::create(
      builder, loc, buffer.pointer,
      mlir::ValueRange{constant(0), div(index, 4)});
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

Value Emitter::scalar(mlir::BlockArgument argument) {
  Type type = argument.getType();
  if (!type.isF32() && !type.isInteger(32)) {
    if (failure.empty())
      failure = type.isF64() ? "scalars in f64" : "scalars of this type";
    return zero(type);
  }
  Value slot = constant(scalars_.lookup(argument));
  Value bits = loadThrough(elementPointer(scalarsBuffer_, slot), 8);
  return type.isF32() ? toFloat(bits) : bits;
}

Value Emitter::keep(Value index, Value rate, Value seed, Value site) {
  auto input = [&](Value operand) {
    return scalar(llvm::cast<mlir::BlockArgument>(operand));
  };
  return ir::buildKeep(builder, loc, index, input(rate), input(seed),
                       input(site));
}

Value Emitter::loadWord(const BufferPointer &buffer, Value wordIndex) {
  note(accesses_.words, buffer);
  return loadThrough(elementPointer(buffer, wordIndex), 4);
}

/// Four words, the first at a multiple of four.
Value Emitter::loadVector(const BufferPointer &buffer, Value index,
                          Type element) {
  auto type = mlir::VectorType::get({4}, element);
  Value pointer = vectorPointer(buffer, index);
  if (!pointer)
    return zero(type);
  Value loaded = loadThrough(pointer, 16);
  if (buffer.form == BufferPointer::Form::Halves)
    loaded = spirv::BitcastOp::create(builder, loc, type, loaded);
  return loaded;
}

Value Emitter::loadWord4(const BufferPointer &buffer, Value wordIndex) {
  return loadVector(buffer, wordIndex, builder.getI32Type());
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
    return loadThrough(elementPointer(buffer, index), 4);
  Bits integer(*this);
  if (width == 16)
    note(accesses_.narrow, buffer);
  if (buffer.form == BufferPointer::Form::Narrow) {
    Value alone = loadThrough(elementPointer(buffer, index), 2);
    return integer.widen(
        spirv::UConvertOp::create(builder, loc, builder.getI32Type(), alone),
        element);
  }
  int64_t perWord = elementsPerWord(width);
  Value word = loadThrough(elementPointer(buffer, div(index, perWord)), 4);
  Value shift = mul(rem(index, perWord), 32 / perWord);
  Value bits = integer.bitAnd(arith::ShRUIOp::create(builder, loc, word, shift),
                              maskOf(width));
  if (width == 16)
    return integer.widen(bits, element);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, bits,
                               constant(0));
}

Value Emitter::loadNarrow4(const BufferPointer &buffer, Value index) {
  Bits integer(*this);
  Value first = div(index, 2);
  Values elements;
  for (int64_t i : {0, 1}) {
    llvm::append_range(
        elements,
        integer.widenBoth(loadWord(buffer, add(first, i)), buffer.element));
  }
  return gather4(elements);
}

Value Emitter::load4(const BufferPointer &buffer, Value index) {
  return loadVector(buffer, index, f32());
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
    return storeThrough(value, elementPointer(buffer, index), 4);
  Bits integer(*this);
  Value bits = width == 16 ? integer.narrow(value, element)
                           : select(value, constant(1), constant(0));
  if (width == 16)
    note(accesses_.narrow, buffer);
  if (buffer.form == BufferPointer::Form::Narrow) {
    Value alone = spirv::UConvertOp::create(builder, loc,
                                            builder.getIntegerType(16), bits);
    return storeThrough(alone, elementPointer(buffer, index), 2);
  }
  int64_t perWord = elementsPerWord(width);
  Value word = elementPointer(buffer, div(index, perWord));
  Value shift = mul(rem(index, perWord), 32 / perWord);
  Value mask = arith::ShLIOp::create(builder, loc,
                                     integer.constant(maskOf(width)), shift);
  Value others = arith::XOrIOp::create(builder, loc, mask, constant(-1));
  Value placed = arith::ShLIOp::create(builder, loc, bits, shift);
  spirv::AtomicAndOp::create(builder, loc, word, spirv::Scope::Device,
                             spirv::MemorySemantics::None, others);
  spirv::AtomicOrOp::create(builder, loc, word, spirv::Scope::Device,
                            spirv::MemorySemantics::None, placed);
}

void Emitter::store4(llvm::ArrayRef<Value> values, const BufferPointer &buffer,
                     Value index) {
  if (buffer.element.isF32()) {
    if (Value pointer = vectorPointer(buffer, index))
      storeThrough(gather4(values), pointer, 16);
    return;
  }
  note(accesses_.words, buffer);
  Bits integer(*this);
  Value word = div(index, 2);
  for (int64_t i : {0, 1}) {
    Value low = integer.narrow(values[2 * i], buffer.element);
    Value high = integer.narrow(values[2 * i + 1], buffer.element);
    storeThrough(integer.bitOr(low, integer.shiftLeft(high, 16)),
                 elementPointer(buffer, add(word, i)), 4);
  }
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

WorkgroupArray Emitter::workgroupArrayOf(int64_t count, Type element) {
  workgroupBytes_ += 4 * count;
  return workgroupArray(count, element);
}

WorkgroupArray Emitter::workgroupArray(int64_t count, Type element) {
  auto variable = declare("shared" + std::to_string(arrays_++),
                          spirv::ArrayType::get(element, unsigned(count)),
                          spirv::StorageClass::Workgroup);
  return {entryOp([&]() -> Value {
    return spirv::AddressOfOp::create(builder, loc, variable);
  })};
}

Value Emitter::pointerTo(const WorkgroupArray &array, Value index) {
  return spirv::AccessChainOp::create(builder, loc, array.pointer,
                                      mlir::ValueRange{index});
}

/// In Vulkan's memory model a barrier orders what says that others take part.
spirv::MemoryAccessAttr Emitter::workgroupAccess() {
  if (!matrixOperands_)
    return {};
  return spirv::MemoryAccessAttr::get(builder.getContext(),
                                      spirv::MemoryAccess::NonPrivatePointer);
}

Value Emitter::load(const WorkgroupArray &array, Value index) {
  return spirv::LoadOp::create(builder, loc, pointerTo(array, index),
                               workgroupAccess());
}

void Emitter::store(Value value, const WorkgroupArray &array, Value index) {
  spirv::StoreOp::create(builder, loc, pointerTo(array, index), value,
                         workgroupAccess(), mlir::IntegerAttr());
}

void Emitter::barrier() {
  auto semantics = spirv::MemorySemantics::AcquireRelease |
                   spirv::MemorySemantics::WorkgroupMemory;
  if (matrixOperands_)
    semantics = semantics | spirv::MemorySemantics::MakeAvailable |
                spirv::MemorySemantics::MakeVisible;
  spirv::ControlBarrierOp::create(builder, loc, spirv::Scope::Workgroup,
                                  spirv::Scope::Workgroup, semantics);
}

Value Emitter::variable(Type type) {
  auto pointer = spirv::PointerType::get(type, spirv::StorageClass::Function);
  return entryOp([&]() -> Value {
    return spirv::VariableOp::create(builder, loc, pointer,
                                     spirv::StorageClass::Function, Value());
  });
}

Value Emitter::loadVariable(Value pointer) {
  return spirv::LoadOp::create(builder, loc, pointer);
}

void Emitter::storeVariable(Value value, Value pointer) {
  spirv::StoreOp::create(builder, loc, pointer, value);
}

Value Emitter::combine(Combine kind, Value a, Value b) {
  return kind == Combine::Sum ? fadd(a, b) : fmax(a, b);
}

Value Emitter::combineAll(Combine kind, Value value) {
  if (invocations_ == 1)
    return value;
  return target.reducesInSubgroups ? combineInSubgroups(kind, value)
                                   : combineInMemory(kind, value);
}

Value Emitter::combineInMemory(Combine kind, Value value) {
  // Groups of 16 first, then the groups: two barriers. The next call may
  // follow at once: what it overwrites first was read before the second
  // barrier here, the rest after its own first one.
  int64_t groups = (invocations_ + 15) / 16, each = invocations_ / groups;
  if (!partials_.pointer) {
    partials_ = workgroupArray(invocations_);
    totals_ = workgroupArray(groups);
  }
  store(value, partials_, invocation_);
  barrier();
  when(less(invocation_, constant(groups)), [&] {
    Value sum = load(partials_, invocation_);
    for (int64_t i = 1; i < each; ++i)
      sum = combine(kind, sum, load(partials_, add(invocation_, i * groups)));
    store(sum, totals_, invocation_);
  });
  barrier();
  Value total = load(totals_, constant(0));
  for (int64_t i = 1; i < groups; ++i)
    total = combine(kind, total, load(totals_, constant(i)));
  return total;
}

/// At the function's entry, where all invocations are. The size is counted: the
/// built-in one is what a device reports, and not what it runs a kernel at.
void Emitter::findSubgroups() {
  if (subgroups_.count)
    return;
  subgroups_.count = builtIn("subgroups", "NumSubgroups");
  Value one = constant(1);
  auto countUp = [&](spirv::GroupOperation operation) {
    return entryOp([&]() -> Value {
      return spirv::GroupNonUniformIAddOp::create(builder, loc, one.getType(),
                                                  spirv::Scope::Subgroup,
                                                  operation, one, Value());
    });
  };
  subgroups_.rank = countUp(spirv::GroupOperation::ExclusiveScan);
  subgroups_.size = countUp(spirv::GroupOperation::Reduce);
}

/// The combination of what the invocations of a subgroup have.
Value Emitter::subgroups() {
  findSubgroups();
  return subgroups_.count;
}

Value Emitter::reduceSubgroup(Combine kind, Value value) {
  auto scope = spirv::Scope::Subgroup;
  auto reduce = spirv::GroupOperation::Reduce;
  if (kind == Combine::Sum)
    return spirv::GroupNonUniformFAddOp::create(builder, loc, value.getType(),
                                                scope, reduce, value, Value());
  // As integers of the same order, of which that of what is no number is the
  // largest: a maximum of floats may pass over it.
  constexpr uint32_t magnitude = 0x7fffffff, infinity = 0x7f800000;
  Bits integer(*this);
  auto reorder = [&](Value bits) -> Value {
    Value sign = arith::ShRSIOp::create(builder, loc, bits, constant(31));
    return arith::XOrIOp::create(builder, loc, bits,
                                 integer.bitAnd(sign, magnitude));
  };
  Value bits = toBits(value);
  Value isNaN = integer.above(integer.bitAnd(bits, magnitude), infinity);
  Value key = select(isNaN, constant(magnitude), reorder(bits));
  Value largest = spirv::GroupNonUniformSMaxOp::create(
      builder, loc, key.getType(), scope, reduce, key, Value());
  return toFloat(reorder(largest));
}

/// In each subgroup, then what those have in the first: two barriers. The next
/// call may follow at once: what it overwrites first was read before the second
/// barrier here, the total after its own first one.
Value Emitter::combineInSubgroups(Combine kind, Value value) {
  findSubgroups();
  if (!partials_.pointer) {
    partials_ = workgroupArray(invocations_);
    totals_ = workgroupArray(1);
  }
  Value part = reduceSubgroup(kind, value);
  Value leads = equal(subgroups_.rank, constant(0));
  when(leads, [&] { store(part, partials_, subgroup()); });
  barrier();
  when(equal(subgroup(), constant(0)), [&] {
    // There may be more subgroups than invocations in one.
    Value neutral = number(
        kind == Combine::Sum ? 0.0 : -std::numeric_limits<double>::infinity());
    Value rounds = arith::DivUIOp::create(
        builder, loc, add(subgroups_.count, add(subgroups_.size, -1)),
        subgroups_.size);
    Value last = add(subgroups_.count, -1);
    Value mine = loopWith(
        constant(0), rounds, 1, neutral, [&](Value i, mlir::ValueRange had) {
          Value at = add(mul(i, subgroups_.size), subgroups_.rank);
          Value x = load(partials_, min(at, last));
          x = select(lessEqual(at, last), x, neutral);
          return Values{combine(kind, had[0], x)};
        })[0];
    Value total = reduceSubgroup(kind, mine);
    when(leads, [&] { store(total, totals_, constant(0)); });
  });
  barrier();
  return load(totals_, constant(0));
}

} // namespace gptc::vulkan
