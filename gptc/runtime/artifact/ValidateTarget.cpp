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
  Status checkBuffer(const ProgramT &program, const BufferT &buffer);
  Status checkDispatch(const ProgramT &program, const DispatchT &dispatch);
  Status checkScalar(const EntryT &entry, const ScalarT &scalar);
  Status checkLengths(const EntryT &entry, const DispatchT &dispatch);
  Status checkVariant(const VariantT &variant);
  Status checkImplementation(const VariantT &variant,
                             const ImplementationT &implementation);
  Status checkSpirv(const ImplementationT &implementation);
  Status checkMatmul(const ImplementationT &implementation);
  /// Checks a matmul's operands against the buffers of one dispatch.
  Status checkMatmulBuffers(const MatmulT &matmul, const ProgramT &program,
                            const DispatchT &dispatch);

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

Status TargetValidator::checkBuffer(const ProgramT &program,
                                    const BufferT &buffer) {
  const EntryT &entry = *manifest_.entries[program.entry];
  uint64_t available = 0;
  auto ofParameter =
      [&](const std::vector<std::unique_ptr<ParameterT>> &list) -> Status {
    if (buffer.index >= list.size())
      return wrong("refers to parameter {} of {}", buffer.index, list.size());
    available = denseBytes(list[buffer.index]->shape, list[buffer.index]->type);
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
    GPTC_CHECK(ofParameter(entry.arguments));
    break;
  case BufferSpace::Result:
    GPTC_CHECK(ofParameter(entry.results));
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
    const auto &matmul = variant->implementations[dispatch.kernel]->matmul;
    if (matmul)
      GPTC_CHECK(checkMatmulBuffers(*matmul, program, dispatch));
  }
  return {};
}

Status TargetValidator::checkProgram(const ProgramT &program) {
  if (program.arena_bytes > uint64_t(1) << 48)
    return wrong("its arena has {} bytes", program.arena_bytes);
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
  } else if (implementation.symbol.empty() == !implementation.matmul) {
    return wrong("it must be either a symbol or a matrix product");
  }
  if (implementation.tiles == 0)
    return wrong("it has no tiles");
  if (implementation.inner_tiles == 0)
    return wrong("it has zero inner tiles");
  if (implementation.scratch_bytes > uint64_t(1) << 32)
    return wrong("it needs {} bytes of scratch for each thread",
                 implementation.scratch_bytes);
  if (implementation.matmul)
    return checkMatmul(implementation);
  return {};
}

Status TargetValidator::checkSpirv(const ImplementationT &implementation) {
  if (!implementation.symbol.empty() || implementation.matmul)
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

Status TargetValidator::checkMatmul(const ImplementationT &implementation) {
  const MatmulT &matmul = *implementation.matmul;
  constexpr uint64_t limit = uint64_t(1) << 31;
  for (uint64_t size : {matmul.m, matmul.n, matmul.k})
    if (size == 0 || size >= limit)
      return wrong("its matrix product is of {} x {} x {}", matmul.m, matmul.n,
                   matmul.k);
  auto isFloat = [](ElementType type) {
    return type == ElementType::F32 || type == ElementType::BF16;
  };
  if (!isFloat(matmul.source_type) || !isFloat(matmul.result_type) ||
      matmul.weights_type != matmul.source_type)
    return wrong("its matrix product has element types that do not go "
                 "together");
  if (matmul.source_stride < matmul.k || matmul.source_stride >= limit ||
      matmul.result_stride < matmul.n || matmul.result_stride >= limit)
    return wrong("its matrix product has rows at strides {} and {} that are "
                 "shorter than {} and {}",
                 matmul.source_stride, matmul.result_stride, matmul.k,
                 matmul.n);
  if (matmul.gelu > 2)
    return wrong("its matrix product has the unknown gelu {}", matmul.gelu);
  uint64_t panels = divideUp(matmul.n, 64);
  if (matmul.panels_per_tile == 0)
    return wrong("its matrix product has no panels in a tile");
  uint64_t columns = divideUp(panels, matmul.panels_per_tile);
  uint64_t rows = implementation.rows_per_block == 0
                      ? 1
                      : divideUp(matmul.m, implementation.rows_per_block);
  if (implementation.tiles != rows * columns ||
      (implementation.rows_per_block != 0 &&
       implementation.inner_tiles != columns))
    return wrong("its matrix product has {} tiles, {} to a block of rows, "
                 "instead of {} and {}",
                 implementation.tiles, implementation.inner_tiles,
                 rows * columns, columns);
  return {};
}

Status TargetValidator::checkMatmulBuffers(const MatmulT &matmul,
                                           const ProgramT &program,
                                           const DispatchT &dispatch) {
  auto check = [&](int64_t position, uint64_t rows, uint64_t columns,
                   uint64_t stride, ElementType type,
                   const char *operand) -> Status {
    if (position < 0 ||
        position >= static_cast<int64_t>(dispatch.buffers.size()))
      return wrong("has the {} of its matrix product at position {} of {}",
                   operand, position, dispatch.buffers.size());
    uint64_t needed = 0;
    if (rows > 0 &&
        (__builtin_mul_overflow(rows - 1, stride, &needed) ||
         __builtin_add_overflow(needed, columns, &needed) ||
         __builtin_mul_overflow(needed, sizeOf(toDataType(type)), &needed)))
      return wrong("has a {} that is too large", operand);
    uint64_t bytes = program.buffers[dispatch.buffers[position]]->bytes;
    if (bytes < needed)
      return wrong("has a {} of {} bytes where its matrix product needs {}",
                   operand, bytes, needed);
    return {};
  };
  if (matmul.m == 0 || matmul.k == 0 || matmul.n == 0 ||
      matmul.source_type > ElementType::MAX ||
      matmul.weights_type > ElementType::MAX ||
      matmul.result_type > ElementType::MAX)
    return {}; // reported with the implementation
  GPTC_CHECK(check(matmul.source, matmul.m, matmul.k, matmul.source_stride,
                   matmul.source_type, "source"));
  GPTC_CHECK(check(
      matmul.weights, divideUp(matmul.n, 64), divideUp(matmul.k, 16) * 16 * 64,
      divideUp(matmul.k, 16) * 16 * 64, matmul.weights_type, "weights"));
  GPTC_CHECK(check(matmul.result, matmul.m, matmul.n, matmul.result_stride,
                   matmul.result_type, "result"));
  if (matmul.bias != -1)
    GPTC_CHECK(
        check(matmul.bias, 1, matmul.n, matmul.n, ElementType::F32, "bias"));
  if (matmul.residual != -1)
    GPTC_CHECK(check(matmul.residual, matmul.m, matmul.n, matmul.result_stride,
                     matmul.result_type, "residual"));
  return {};
}
} // namespace

Status gptc::validateTarget(const ManifestT &manifest, const TargetT &target,
                            uint64_t manifestEnd, uint64_t fileBytes) {
  return TargetValidator(manifest, target, manifestEnd, fileBytes).run();
}
