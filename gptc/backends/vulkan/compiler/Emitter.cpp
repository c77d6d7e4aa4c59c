//===- Emitter.cpp - Structure, indices and control flow of a kernel ------===//

#include "gptc/backends/vulkan/compiler/Emitter.h"

#include "gptc/backends/vulkan/KernelInterface.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
namespace scf = mlir::scf;
namespace spirv = mlir::spirv;
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

/// Members of KernelConstants; the buffers follow one by one.
enum Member : unsigned {
  MemberScalars,
  MemberLengths,
  MemberRowsPerSequence,
  MemberSequences,
  MemberBuffers
};
} // namespace

Emitter::Emitter(mlir::ModuleOp parent, ir::KernelOp kernel,
                 const VulkanTarget &target, const Accesses &known)
    : target(target), kernel(kernel), builder(parent.getContext()),
      loc(builder.getUnknownLoc()), known_(known) {
  builder.setInsertionPointToEnd(parent.getBody());
  module_ = spirv::ModuleOp::create(
      builder, loc, spirv::AddressingModel::PhysicalStorageBuffer64,
      spirv::MemoryModel::GLSL450);
  builder.setInsertionPointToStart(module_.getBody());
  scopes_.emplace_back();
  declareInterface();
}

/// Push constants, built-in values, the function, and what it loads at once.
void Emitter::declareInterface() {
  llvm::SmallVector<BufferPointer> buffers;
  auto addBuffer = [&](Type type, bool isInput) {
    Type element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
    auto number = unsigned(buffers.size());
    auto form = BufferPointer::Form::Words;
    if (llvm::is_contained(known_.vectors, number)) {
      bool halves = target.loadsHalves && isInput &&
                    !llvm::is_contained(known_.elements, number);
      form =
          halves ? BufferPointer::Form::Halves : BufferPointer::Form::Vectors;
    } else if (target.storesNarrow &&
               llvm::is_contained(known_.narrow, number) &&
               !llvm::is_contained(known_.words, number)) {
      form = BufferPointer::Form::Narrow;
      hasNarrow_ = true;
    }
    buffers.push_back({{}, element, number, form});
  };
  for (mlir::BlockArgument argument : kernel.getBody().getArguments())
    if (llvm::isa<mlir::RankedTensorType>(argument.getType()))
      addBuffer(argument.getType(), true);
  for (Type result : kernel.getSignature().getResults())
    addBuffer(result, false);
  if (buffers.size() > maxBuffers)
    failure = "of " + std::to_string(buffers.size()) +
              " buffers, more than the push constants have addresses for";

  constexpr unsigned scalarStride = 8, wordBytes = 4, pointerBytes = 8;
  Type i32 = builder.getI32Type();
  auto typeOf = [&](const BufferPointer &buffer) {
    Type word = buffer.element.isF32() ? buffer.element : i32;
    if (buffer.form == BufferPointer::Form::Vectors)
      return arrayPointer(mlir::VectorType::get({4}, word), 4 * wordBytes);
    if (buffer.form == BufferPointer::Form::Halves)
      return arrayPointer(mlir::VectorType::get({2}, builder.getI64Type()),
                          4 * wordBytes);
    if (buffer.form == BufferPointer::Form::Narrow)
      return arrayPointer(builder.getIntegerType(16), wordBytes / 2);
    return arrayPointer(word, wordBytes);
  };
  llvm::SmallVector<Type> members{arrayPointer(i32, scalarStride),
                                  arrayPointer(i32, wordBytes), i32, i32};
  llvm::SmallVector<uint32_t> offsets{
      offsetof(KernelConstants, scalars), offsetof(KernelConstants, lengths),
      offsetof(KernelConstants, rowsPerSequence),
      offsetof(KernelConstants, sequences)};
  for (const BufferPointer &buffer : buffers) {
    members.push_back(typeOf(buffer));
    offsets.push_back(uint32_t(offsetof(KernelConstants, buffers) +
                               pointerBytes * buffer.number));
  }
  constants_variable_ =
      declare("constants", spirv::StructType::get(members, offsets),
              spirv::StorageClass::PushConstant);
  auto workgroup = declare("workgroup", mlir::VectorType::get({3}, i32),
                           spirv::StorageClass::Input, "WorkgroupId");
  auto invocation = declare("invocation", i32, spirv::StorageClass::Input,
                            "LocalInvocationIndex");

  function_ = spirv::FuncOp::create(builder, loc, "main",
                                    builder.getFunctionType({}, {}));
  mlir::Block *entry = function_.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  Value id = spirv::LoadOp::create(
      builder, loc, spirv::AddressOfOp::create(builder, loc, workgroup));
  lastEntryOp_ = id.getDefiningOp();
  Value low = spirv::CompositeExtractOp::create(builder, loc, id, 0);
  Value high = spirv::CompositeExtractOp::create(builder, loc, id, 1);
  tile_ = add(low, mul(high, tilesPerRow));
  invocation_ = spirv::LoadOp::create(
      builder, loc, spirv::AddressOfOp::create(builder, loc, invocation));
  constexpr unsigned noBuffer = maxBuffers;
  scalarsBuffer_ = {pushConstant(MemberScalars), i32, noBuffer};
  for (BufferPointer &buffer : buffers)
    buffer.pointer = pushConstant(MemberBuffers + buffer.number);
  unsigned next = 0, scalar = 0;
  for (mlir::BlockArgument argument : kernel.getBody().getArguments()) {
    if (llvm::isa<mlir::RankedTensorType>(argument.getType()))
      inputs_[argument] = buffers[next++];
    else
      scalars_[argument] = scalar++;
  }
  outputs_.assign(buffers.begin() + next, buffers.end());
}

spirv::GlobalVariableOp Emitter::declare(llvm::StringRef name, Type type,
                                         spirv::StorageClass storage,
                                         llvm::StringRef builtIn) {
  mlir::OpBuilder::InsertionGuard guard(builder);
  if (function_)
    builder.setInsertionPoint(function_);
  auto pointer = spirv::PointerType::get(type, storage);
  auto variable = spirv::GlobalVariableOp::create(
      builder, loc, mlir::TypeAttr::get(pointer), builder.getStringAttr(name),
      mlir::FlatSymbolRefAttr());
  if (!builtIn.empty())
    variable->setAttr("built_in", builder.getStringAttr(builtIn));
  interface_.push_back(mlir::SymbolRefAttr::get(variable));
  return variable;
}

/// Makes an op at the function's entry, after those made there before, so
/// that it can be used everywhere.
Value Emitter::entryOp(llvm::function_ref<Value()> make) {
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(lastEntryOp_);
  Value made = make();
  lastEntryOp_ = made.getDefiningOp();
  return made;
}

/// A built-in value of 32 bits.
Value Emitter::builtIn(llvm::StringRef name, llvm::StringRef builtIn) {
  auto variable =
      declare(name, builder.getI32Type(), spirv::StorageClass::Input, builtIn);
  return entryOp([&]() -> Value {
    return spirv::LoadOp::create(
        builder, loc, spirv::AddressOfOp::create(builder, loc, variable));
  });
}

Value Emitter::pushConstant(unsigned member) {
  Value base = spirv::AddressOfOp::create(builder, loc, constants_variable_);
  Value at = spirv::AccessChainOp::create(builder, loc, base,
                                          mlir::ValueRange{constant(member)});
  return spirv::LoadOp::create(builder, loc, at);
}

/// Whether any row of this tile is valid: rows [f, f + rowsPerBlock) against
/// the sequences that they belong to.
Value Emitter::rowsMatter() {
  Type i32 = builder.getI32Type();
  Value perSequence = pushConstant(MemberRowsPerSequence);
  Value all = equal(perSequence, constant(0));
  Value found = choose(
      all, {i32}, [&] { return Values{constant(1)}; },
      [&] {
        BufferPointer lengths{pushConstant(MemberLengths), i32};
        Value sequences = pushConstant(MemberSequences);
        Value from = mul(div(tile_, innerTiles), rowsPerBlock);
        Value to = add(from, rowsPerBlock);
        Value first = arith::DivUIOp::create(builder, loc, from, perSequence);
        Value end = arith::DivUIOp::create(
            builder, loc, add(add(to, perSequence), -1), perSequence);
        return loopWith(first, min(end, sequences), 1, constant(0),
                        [&](Value b, mlir::ValueRange carried) {
                          Value begin = mul(b, perSequence);
                          Value row = sub(max(from, begin), begin);
                          Value valid = less(row, load(lengths, b));
                          return Values{select(valid, constant(1), carried[0])};
                        });
      })[0];
  return equal(found, constant(1));
}

void Emitter::forEachTile(int64_t count, int64_t invocations,
                          llvm::function_ref<void()> body) {
  if (count > INT32_MAX && failure.empty())
    failure = "of more than 2^31 tiles";
  tiles = uint32_t(count);
  invocations_ = invocations;
  Value active = less(tile_, constant(count));
  when(active, [&] {
    if (rowsPerBlock != 0)
      when(rowsMatter(), body);
    else
      body();
  });
}

/// Matrices are defined over Vulkan's memory model alone.
void Emitter::addMatrixNeeds(
    llvm::SmallVectorImpl<spirv::Capability> &capabilities,
    llvm::SmallVectorImpl<spirv::Extension> &extensions) {
  module_.setMemoryModel(spirv::MemoryModel::Vulkan);
  capabilities.append({spirv::Capability::VulkanMemoryModel,
                       spirv::Capability::VulkanMemoryModelDeviceScope,
                       spirv::Capability::CooperativeMatrixKHR});
  extensions.push_back(spirv::Extension::SPV_KHR_cooperative_matrix);
  if (matrixOperands_.isBF16()) {
    capabilities.append({spirv::Capability::BFloat16TypeKHR,
                         spirv::Capability::BFloat16CooperativeMatrixKHR});
    extensions.push_back(spirv::Extension::SPV_KHR_bfloat16);
  } else {
    capabilities.push_back(spirv::Capability::Float16);
  }
}

spirv::ModuleOp Emitter::finish() {
  spirv::ReturnOp::create(builder, loc);
  builder.setInsertionPointToEnd(module_.getBody());
  spirv::EntryPointOp::create(builder, loc, spirv::ExecutionModel::GLCompute,
                              function_, interface_);
  spirv::ExecutionModeOp::create(
      builder, loc, function_, spirv::ExecutionMode::LocalSize,
      llvm::ArrayRef<int32_t>{int32_t(invocations_), 1, 1});
  llvm::SmallVector<spirv::Capability> capabilities{
      spirv::Capability::Shader,
      spirv::Capability::PhysicalStorageBufferAddresses};
  if (target.loadsHalves)
    capabilities.push_back(spirv::Capability::Int64);
  // Validators follow the pointers in push constants.
  if (hasNarrow_)
    capabilities.append({spirv::Capability::StorageBuffer16BitAccess,
                         spirv::Capability::StoragePushConstant16});
  if (lane_ || subgroup_)
    capabilities.push_back(spirv::Capability::GroupNonUniform);
  if (lane_)
    capabilities.push_back(spirv::Capability::GroupNonUniformBallot);
  if (subgroups_.count)
    capabilities.push_back(spirv::Capability::GroupNonUniformArithmetic);
  llvm::SmallVector<spirv::Extension> extensions;
  if (matrixOperands_)
    addMatrixNeeds(capabilities, extensions);
  module_.setVceTripleAttr(spirv::VerCapExtAttr::get(
      spirv::Version::V_1_5, capabilities, extensions, builder.getContext()));
  if (workgroupBytes_ > workgroupMemoryBytes && failure.empty())
    failure = "of " + std::to_string(workgroupBytes_) +
              " bytes of workgroup memory, of which devices need not have "
              "more than " +
              std::to_string(workgroupMemoryBytes);
  return module_;
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value Emitter::constant(int64_t value) {
  Value &known = constants_[value];
  if (known)
    return known;
  if ((value > INT32_MAX || value < INT32_MIN) && failure.empty())
    failure = "of a tensor of more than 2^31 elements";
  known = entryOp([&]() -> Value {
    return spirv::ConstantOp::create(builder, loc, builder.getI32Type(),
                                     builder.getI32IntegerAttr(int32_t(value)));
  });
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
    return arith::AddIOp::create(builder, loc, a, b);
  });
}

Value Emitter::sub(Value a, Value b) {
  auto x = asConstant(a), y = asConstant(b);
  if (x && y)
    return constant(*x - *y);
  if (y && *y == 0)
    return a;
  return binary(TagSub, a, b, [&]() -> Value {
    return arith::SubIOp::create(builder, loc, a, b);
  });
}

Value Emitter::mul(Value a, int64_t b) {
  if (auto x = asConstant(a))
    return constant(*x * b);
  if (b == 1)
    return a;
  if (b == 0)
    return constant(0);
  return mul(a, constant(b));
}

Value Emitter::mul(Value a, Value b) {
  return binary(TagMul, a, b, [&]() -> Value {
    return arith::MulIOp::create(builder, loc, a, b);
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

Value Emitter::less(Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, b);
}

Value Emitter::lessEqual(Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle, a, b);
}

Value Emitter::equal(Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
}

Value Emitter::both(Value a, Value b) {
  return arith::AndIOp::create(builder, loc, a, b);
}

Value Emitter::clamp(Value i, int64_t extent) {
  return min(max(i, constant(0)), constant(extent - 1));
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
// Control flow
//===----------------------------------------------------------------------===//

Emitter::Values
Emitter::loopWith(Value from, Value to, int64_t step, mlir::ValueRange initial,
                  llvm::function_ref<Values(Value, mlir::ValueRange)> body) {
  auto a = asConstant(from), b = asConstant(to);
  if (a && b && *b - *a <= step) {
    // Nothing or one round: no loop.
    if (*b <= *a)
      return llvm::to_vector(initial);
    return body(from, initial);
  }
  auto loop =
      scf::ForOp::create(builder, loc, from, to, constant(step), initial);
  builder.setInsertionPointToStart(loop.getBody());
  scopes_.emplace_back();
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!initial.empty() || loop.getBody()->empty() ||
      !loop.getBody()->back().hasTrait<mlir::OpTrait::IsTerminator>()) {
    builder.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(builder, loc, next);
  }
  scopes_.pop_back();
  builder.setInsertionPointAfter(loop);
  Values results(loop.getResults());
  if (initial.empty() || (a && b))
    return results;
  // What a lowered loop that runs no round results in is undefined.
  Value runs = less(from, to);
  for (auto [result, start] : llvm::zip(results, initial))
    result = select(runs, result, start);
  return results;
}

void Emitter::loop(Value from, Value to, int64_t step,
                   llvm::function_ref<void(Value)> body) {
  loopWith(from, to, step, {}, [&](Value i, mlir::ValueRange) -> Values {
    body(i);
    return {};
  });
}

void Emitter::share(int64_t count, llvm::function_ref<void(Value)> body) {
  if (count == invocations_)
    return body(invocation_);
  if (count < invocations_)
    return when(less(invocation_, constant(count)), [&] { body(invocation_); });
  loop(invocation_, constant(count), invocations_, body);
}

void Emitter::when(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(builder, loc, condition,
                                  /*withElseRegion=*/false);
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  scopes_.emplace_back();
  body();
  scopes_.pop_back();
}

Emitter::Values Emitter::choose(Value condition, mlir::TypeRange types,
                                llvm::function_ref<Values()> yes,
                                llvm::function_ref<Values()> no) {
  auto branch = scf::IfOp::create(builder, loc, types, condition,
                                  /*withElseRegion=*/true);
  mlir::OpBuilder::InsertionGuard guard(builder);
  for (bool first : {true, false}) {
    builder.setInsertionPointToStart(first ? branch.thenBlock()
                                           : branch.elseBlock());
    scopes_.emplace_back();
    Values values = first ? yes() : no();
    scf::YieldOp::create(builder, loc, values);
    scopes_.pop_back();
  }
  return Values(branch.getResults());
}

} // namespace gptc::vulkan
