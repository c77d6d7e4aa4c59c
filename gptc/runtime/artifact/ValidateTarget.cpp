//===- ValidateTarget.cpp - Meaning of one target of a manifest -----------===//

#include "gptc/runtime/artifact/Validate.h"

#include <algorithm>

using namespace gptc;
using namespace gptc::artifact;

namespace {
/// Rounded up; the operands of all callers are far below 2^63.
uint64_t divideUp(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

class TargetValidator {
public:
  TargetValidator(const ManifestT &manifest, const TargetT &target,
                  uint64_t manifestEnd, uint64_t fileBytes)
      : manifest_(manifest), target_(target), manifestEnd_(manifestEnd),
        fileBytes_(fileBytes) {}

  Status run();

private:
  bool isVulkan() const { return target_.name == "vulkan"; }
  Status checkStorages();
  Status checkProgram(const ProgramT &program);
  Status checkResults(const ProgramT &program);
  Status checkBuffer(const ProgramT &program, const BufferT &buffer);
  Status checkDispatch(const ProgramT &program, const DispatchT &dispatch);
  Status checkScalar(const EntryT &entry, const ScalarT &scalar);
  Status checkLengths(const EntryT &entry, const DispatchT &dispatch);
  Status checkVariant(const VariantT &variant);
  Status checkImplementation(const VariantT &variant,
                             const ImplementationT &implementation);
  Status checkProduct(const ImplementationT &implementation);
  /// Checks a product's operands against the buffers of one dispatch.
  Status checkProductBuffers(const ProductT &product, const ProgramT &program,
                             const DispatchT &dispatch);
  Status checkSpirv(const ImplementationT &implementation);

  const ManifestT &manifest_;
  const TargetT &target_;
  uint64_t manifestEnd_, fileBytes_;
};

Status TargetValidator::run() {
  if (target_.type > ElementType::MAX)
    return wrong("its element type is unknown");
  if (target_.name == "reference") {
    GPTC_CHECK(validateBlob(target_.module_.get(), "its module", manifestEnd_,
                            fileBytes_));
    if (!target_.programs.empty() || !target_.variants.empty())
      return wrong("the reference has neither programs nor variants");
    return {};
  }
  GPTC_CHECK(checkStorages());
  for (const auto &kernel : target_.kernels)
    if (kernel->family > Family::MAX)
      return wrong("kernel '{}' is of an unknown family", kernel->name);
  std::vector<bool> seen(manifest_.entries.size());
  for (const auto &program : target_.programs) {
    if (program->entry >= manifest_.entries.size())
      return wrong("a program is for entry {} of {}", program->entry,
                   manifest_.entries.size());
    const std::string &name = manifest_.entries[program->entry]->name;
    if (seen[program->entry])
      return wrong("two programs are for entry '{}'", name);
    seen[program->entry] = true;
    if (auto status = checkProgram(*program); !status)
      return tl::unexpected(
          status.error().in(fmt::format("program '{}'", name)));
  }
  for (const auto &variant : target_.variants)
    if (auto status = checkVariant(*variant); !status)
      return tl::unexpected(
          status.error().in(fmt::format("variant '{}'", variant->name)));
  return {};
}

Status TargetValidator::checkStorages() {
  if (target_.storages.size() != manifest_.variables.size())
    return wrong("it stores {} variables of {}", target_.storages.size(),
                 manifest_.variables.size());
  if (target_.variables_bytes > uint64_t(1) << 48)
    return wrong("its variables need {} bytes", target_.variables_bytes);
  struct Range {
    uint64_t begin, end;
    size_t variable;
  };
  std::vector<Range> ranges;
  for (size_t i = 0; i < target_.storages.size(); ++i) {
    const StorageT &storage = *target_.storages[i];
    const VariableT &variable = *manifest_.variables[i];
    std::string what = fmt::format("variable '{}'", variable.name);
    if (storage.layout > Layout::MAX)
      return wrong("{} has an unknown layout", what);
    auto bytes = storedBytes(variable.shape, variable.type, storage.layout);
    if (!bytes)
      return tl::unexpected(bytes.error().in(what));
    if (storage.bytes != *bytes)
      return wrong("{} is stored in {} bytes but needs {}", what, storage.bytes,
                   *bytes);
    if (storage.offset % blobAlignment != 0)
      return wrong("{} is stored at {}, not at a multiple of {}", what,
                   storage.offset, blobAlignment);
    if (storage.offset > target_.variables_bytes ||
        storage.bytes > target_.variables_bytes - storage.offset)
      return wrong("{} is stored outside of the region of {} bytes", what,
                   target_.variables_bytes);
    if (storage.embedded) {
      // Caches and counters begin with zeros.
      if (variable.role != Role::Parameter)
        return wrong("{} has content but is no parameter", what);
      GPTC_CHECK(validateBlob(storage.embedded.get(), what + "'s content",
                              manifestEnd_, fileBytes_));
      if (storage.embedded->size != storage.bytes)
        return wrong("{}'s content has {} bytes instead of {}", what,
                     storage.embedded->size, storage.bytes);
    }
    ranges.push_back({storage.offset, storage.offset + storage.bytes, i});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range &a, const Range &b) { return a.begin < b.begin; });
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].begin < ranges[i - 1].end)
      return wrong("variables '{}' and '{}' overlap",
                   manifest_.variables[ranges[i - 1].variable]->name,
                   manifest_.variables[ranges[i].variable]->name);
  return {};
}

Status TargetValidator::checkResults(const ProgramT &program) {
  const EntryT &entry = *manifest_.entries[program.entry];
  GPTC_CHECK(validateParameters(program.results, entry.name, "result"));
  for (const auto &result : program.results) {
    if (result->scalar)
      return wrong("its result '{}' is a scalar", result->name);
    for (const auto &other : entry.results)
      if (other->name == result->name)
        return wrong("its result '{}' is the entry's as well", result->name);
  }
  return {};
}

Status TargetValidator::checkBuffer(const ProgramT &program,
                                    const BufferT &buffer) {
  const EntryT &entry = *manifest_.entries[program.entry];
  uint64_t available = 0;
  auto ofParameter =
      [&](const std::vector<std::unique_ptr<ParameterT>> &list,
          const std::vector<std::unique_ptr<ParameterT>> &more) -> Status {
    size_t count = list.size() + more.size();
    if (buffer.index >= count)
      return wrong("refers to parameter {} of {}", buffer.index, count);
    const ParameterT &parameter = buffer.index < list.size()
                                      ? *list[buffer.index]
                                      : *more[buffer.index - list.size()];
    available = denseBytes(parameter.shape, parameter.type);
    return {};
  };
  switch (buffer.space) {
  case BufferSpace::Arena:
    available = program.arena_bytes;
    if (buffer.index != 0)
      return wrong("refers to arena {}, but there is one", buffer.index);
    break;
  case BufferSpace::Variable:
    if (buffer.index >= target_.storages.size())
      return wrong("refers to variable {} of {}", buffer.index,
                   target_.storages.size());
    available = target_.storages[buffer.index]->bytes;
    break;
  case BufferSpace::Argument:
    GPTC_CHECK(ofParameter(entry.arguments, {}));
    break;
  case BufferSpace::Result:
    GPTC_CHECK(ofParameter(entry.results, program.results));
    break;
  default:
    return wrong("lies in the unknown space {}",
                 static_cast<unsigned>(buffer.space));
  }
  if (buffer.type > ElementType::MAX)
    return wrong("has an unknown element type");
  if (buffer.offset % 64 != 0)
    return wrong("lies at {}, not at a multiple of 64", buffer.offset);
  if (buffer.space != BufferSpace::Arena && buffer.offset != 0)
    return wrong("has an offset outside of the arena");
  if (buffer.offset > available || buffer.bytes > available - buffer.offset)
    return wrong("({} bytes at {}) exceeds the {} bytes that are there",
                 buffer.bytes, buffer.offset, available);
  // Kernels know the shapes of variables, arguments and results.
  if (buffer.space != BufferSpace::Arena && buffer.bytes != available)
    return wrong("has {} bytes instead of {}", buffer.bytes, available);
  return {};
}

Status TargetValidator::checkScalar(const EntryT &entry,
                                    const ScalarT &scalar) {
  if (scalar.argument < -1 ||
      scalar.argument >= static_cast<int64_t>(entry.arguments.size()))
    return wrong("has a scalar that is argument {} of {}", scalar.argument,
                 entry.arguments.size());
  if (scalar.argument >= 0 && !entry.arguments[scalar.argument]->scalar)
    return wrong("has the tensor '{}' as a scalar",
                 entry.arguments[scalar.argument]->name);
  return {};
}

Status TargetValidator::checkLengths(const EntryT &entry,
                                     const DispatchT &dispatch) {
  if (dispatch.lengths == -1)
    return {};
  if (dispatch.lengths < -1 ||
      dispatch.lengths >= static_cast<int64_t>(entry.arguments.size()))
    return wrong("has its lengths in argument {} of {}", dispatch.lengths,
                 entry.arguments.size());
  const ParameterT &lengths = *entry.arguments[dispatch.lengths];
  if (lengths.type != ElementType::I32 || lengths.shape.size() != 1)
    return wrong("has its lengths in '{}', which is not [B] i32", lengths.name);
  if (dispatch.rows_per_sequence == 0)
    return wrong("has lengths but no rows");
  return {};
}

Status TargetValidator::checkDispatch(const ProgramT &program,
                                      const DispatchT &dispatch) {
  const EntryT &entry = *manifest_.entries[program.entry];
  if (dispatch.kernel >= target_.kernels.size())
    return wrong("runs kernel {} of {}", dispatch.kernel,
                 target_.kernels.size());
  for (uint32_t buffer : dispatch.buffers)
    if (buffer >= program.buffers.size())
      return wrong("uses buffer {} of {}", buffer, program.buffers.size());
  if (dispatch.outputs > dispatch.buffers.size())
    return wrong("has {} outputs among {} buffers", dispatch.outputs,
                 dispatch.buffers.size());
  for (const auto &scalar : dispatch.scalars)
    GPTC_CHECK(checkScalar(entry, *scalar));
  GPTC_CHECK(checkLengths(entry, dispatch));
  for (const auto &variant : target_.variants) {
    // The number is checked with the variant, which may come later.
    if (dispatch.kernel >= variant->implementations.size())
      continue;
    const auto &product = variant->implementations[dispatch.kernel]->product;
    if (product)
      GPTC_CHECK(checkProductBuffers(*product, program, dispatch));
  }
  return {};
}

Status TargetValidator::checkProgram(const ProgramT &program) {
  if (program.arena_bytes > uint64_t(1) << 48)
    return wrong("its arena has {} bytes", program.arena_bytes);
  GPTC_CHECK(checkResults(program));
  for (size_t i = 0; i < program.buffers.size(); ++i)
    if (auto status = checkBuffer(program, *program.buffers[i]); !status)
      return wrong("buffer {} {}", i, status.error().message());
  for (size_t i = 0; i < program.dispatches.size(); ++i) {
    const DispatchT &dispatch = *program.dispatches[i];
    if (auto status = checkDispatch(program, dispatch); !status)
      return wrong("dispatch {} ('{}') {}", i, dispatch.scope,
                   status.error().message());
  }
  return {};
}

Status TargetValidator::checkVariant(const VariantT &variant) {
  if (variant.name.empty())
    return wrong("it has no name");
  if (!isVulkan()) {
    GPTC_CHECK(validateBlob(variant.library.get(), "its library", manifestEnd_,
                            fileBytes_));
  } else if (variant.library) {
    return wrong("it has a library, which no Vulkan device runs");
  }
  if (variant.implementations.size() != target_.kernels.size())
    return wrong("it implements {} kernels of {}",
                 variant.implementations.size(), target_.kernels.size());
  for (size_t i = 0; i < variant.implementations.size(); ++i)
    if (auto status = checkImplementation(variant, *variant.implementations[i]);
        !status)
      return tl::unexpected(status.error().in(
          fmt::format("kernel '{}'", target_.kernels[i]->name)));
  return {};
}

Status
TargetValidator::checkImplementation(const VariantT &variant,
                                     const ImplementationT &implementation) {
  if (isVulkan()) {
    GPTC_CHECK(checkSpirv(implementation));
  } else if (implementation.spirv) {
    return wrong("it has a SPIR-V module, which only a Vulkan device runs");
  } else if (implementation.symbol.empty()) {
    return wrong("it has no symbol");
  }
  if (implementation.tiles == 0)
    return wrong("it has no tiles");
  if (implementation.inner_tiles == 0)
    return wrong("it has zero inner tiles");
  if (implementation.scratch_bytes > uint64_t(1) << 32)
    return wrong("it needs {} bytes of scratch for each thread",
                 implementation.scratch_bytes);
  if (implementation.product)
    return checkProduct(implementation);
  return {};
}

Status TargetValidator::checkSpirv(const ImplementationT &implementation) {
  if (!implementation.symbol.empty() || implementation.product)
    return wrong("it must be a SPIR-V module and nothing else");
  GPTC_CHECK(validateBlob(implementation.spirv.get(), "its SPIR-V module",
                          manifestEnd_, fileBytes_));
  constexpr uint64_t headerBytes = 20;
  uint64_t size = implementation.spirv->size;
  if (size < headerBytes || size % sizeof(uint32_t) != 0)
    return wrong("its SPIR-V module has {} bytes", size);
  if (implementation.scratch_bytes != 0)
    return wrong("it needs scratch, which workgroups do not have");
  return {};
}

Status TargetValidator::checkProduct(const ImplementationT &implementation) {
  const ProductT &product = *implementation.product;
  constexpr uint64_t limit = uint64_t(1) << 31;
  constexpr uint64_t panelWidth = 64;
  if (product.rows == 0 || product.rows >= limit || product.depth == 0 ||
      product.depth >= limit || product.panels == 0 ||
      product.panels >= limit / panelWidth)
    return wrong("its matrix product is of {} x {} x {} panels", product.rows,
                 product.depth, product.panels);
  if (product.type != ElementType::BF16)
    return wrong("its matrix product has an element type other than bf16");
  if (product.source_stride < product.depth || product.source_stride >= limit)
    return wrong("its matrix product has rows at a stride of {}, shorter than "
                 "{}",
                 product.source_stride, product.depth);
  if (product.after.empty() || (product.source < 0) == product.before.empty())
    return wrong("its matrix product lacks what surrounds it");
  if (product.panels_per_tile == 0)
    return wrong("its matrix product has no panels in a tile");
  if (implementation.rows_per_block == 0)
    return wrong("its matrix product has no blocks of rows");
  uint64_t columns = divideUp(product.panels, product.panels_per_tile);
  uint64_t blocks = divideUp(product.rows, implementation.rows_per_block);
  if (implementation.tiles != blocks * columns ||
      implementation.inner_tiles != columns)
    return wrong("its matrix product has {} tiles, {} to a block of rows, "
                 "instead of {} and {}",
                 implementation.tiles, implementation.inner_tiles,
                 blocks * columns, columns);
  if (blocks * product.panels > UINT32_MAX)
    return wrong("its matrix product has too many panels");
  uint64_t blockRows =
      std::min<uint64_t>(product.rows, implementation.rows_per_block);
  uint64_t sums = blockRows * panelWidth * sizeof(float);
  if (product.source < 0) {
    uint64_t needed = blockRows * product.source_stride * 2;
    if (product.source_offset < sums || product.source_offset >= limit ||
        needed > uint64_t(1) << 32)
      return wrong("its matrix product's source lies at {} in scratch",
                   product.source_offset);
    sums = product.source_offset + needed;
  }
  if (implementation.scratch_bytes < sums)
    return wrong("it has {} bytes of scratch where its matrix product needs {}",
                 implementation.scratch_bytes, sums);
  return {};
}

Status TargetValidator::checkProductBuffers(const ProductT &product,
                                            const ProgramT &program,
                                            const DispatchT &dispatch) {
  if (product.rows == 0 || product.type != ElementType::BF16)
    return {}; // reported with the implementation
  auto check = [&](int64_t position, uint64_t rows, uint64_t stride,
                   uint64_t columns, uint64_t offset,
                   const char *operand) -> Status {
    if (position >= static_cast<int64_t>(dispatch.buffers.size()))
      return wrong("has the {} of its matrix product at position {} of {}",
                   operand, position, dispatch.buffers.size());
    uint64_t needed = 0;
    if (__builtin_mul_overflow(rows - 1, stride, &needed) ||
        __builtin_add_overflow(needed, columns, &needed) ||
        __builtin_mul_overflow(needed, sizeOf(toDataType(product.type)),
                               &needed) ||
        __builtin_add_overflow(needed, offset, &needed))
      return wrong("has a {} that is too large", operand);
    uint64_t bytes = program.buffers[dispatch.buffers[position]]->bytes;
    if (bytes < needed)
      return wrong("has a {} of {} bytes where its matrix product needs {}",
                   operand, bytes, needed);
    return {};
  };
  if (product.source >= 0)
    GPTC_CHECK(check(product.source, product.rows, product.source_stride,
                     product.depth, product.source_offset, "source"));
  uint64_t panel = divideUp(product.depth, 16) * 16 * 64;
  return check(product.weights, std::max<uint64_t>(product.panels, 1), panel,
               panel, 0, "weights");
}
} // namespace

Status gptc::validateTarget(const ManifestT &manifest, const TargetT &target,
                            uint64_t manifestEnd, uint64_t fileBytes) {
  return TargetValidator(manifest, target, manifestEnd, fileBytes).run();
}
