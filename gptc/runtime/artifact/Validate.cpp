//===- Validate.cpp - Meaning of a manifest -------------------------------===//

#include "gptc/runtime/artifact/Validate.h"

#include <unordered_set>

using namespace gptc;
using namespace gptc::artifact;

namespace {
Status checkType(ElementType type, const std::string &what) {
  if (type > ElementType::MAX)
    return wrong("{} has the unknown element type {}", what,
                 static_cast<unsigned>(type));
  return {};
}

/// Checks type and shape, also that the size in bytes is below 2^48.
Status checkTensor(const std::vector<uint64_t> &shape, ElementType type,
                   const std::string &what) {
  GPTC_CHECK(checkType(type, what));
  if (shape.size() > 8)
    return wrong("{} has {} dimensions, more than 8", what, shape.size());
  for (uint64_t size : shape)
    if (size == 0)
      return wrong("{} has a dimension of size zero", what);
  auto bytes = storedBytes(shape, type, Layout::RowMajor);
  if (!bytes)
    return tl::unexpected(bytes.error().in(what));
  return {};
}

/// Checks that names are there and differ.
class Names {
public:
  Status add(const std::string &name, const char *kind) {
    if (name.empty())
      return wrong("{} {} has no name", kind, seen_.size());
    if (!seen_.insert(name).second)
      return wrong("two {}s have the name '{}'", kind, name);
    return {};
  }

private:
  std::unordered_set<std::string> seen_;
};

Status checkVariable(const VariableT &variable) {
  std::string what = fmt::format("variable '{}'", variable.name);
  GPTC_CHECK(checkTensor(variable.shape, variable.type, what));
  if (variable.role > Role::MAX)
    return wrong("{} has the unknown role {}", what,
                 static_cast<unsigned>(variable.role));
  if (variable.role == Role::Parameter &&
      !isWeightType(toDataType(variable.type)))
    return wrong("{} is a parameter of {}, expected f32, f16 or bf16", what,
                 toString(toDataType(variable.type)));
  for (const auto &piece : variable.pieces) {
    if (piece->tensor.empty())
      return wrong("{} is made of a tensor without a name", what);
    GPTC_CHECK(checkType(
        piece->type, fmt::format("tensor '{}' of {}", piece->tensor, what)));
  }
  if (variable.initializer && variable.initializer->kind > InitializerKind::MAX)
    return wrong("{} has an unknown initializer", what);
  return {};
}

Status checkModel(const ManifestT &manifest) {
  if (!manifest.model)
    return wrong("it describes no model");
  if (!manifest.source)
    return wrong("it does not say where its weights come from");
  const ModelT &model = *manifest.model;
  // Sessions allocate by these, and multiply them with each other.
  constexpr uint64_t limit = uint64_t(1) << 31;
  for (uint64_t value :
       {model.layers, model.width, model.heads, model.head_size, model.context,
        model.vocabulary, model.batch, model.capacity})
    if (value >= limit)
      return wrong("its model has a size of {}", value);
  if (model.end_of_text < -1 ||
      model.end_of_text >= static_cast<int64_t>(limit))
    return wrong("its end-of-text token is {}", model.end_of_text);
  return {};
}
} // namespace

Status
gptc::validateParameters(const std::vector<std::unique_ptr<ParameterT>> &list,
                         const std::string &entry, const char *kind) {
  Names names;
  for (const auto &parameter : list) {
    GPTC_CHECK(names.add(parameter->name, kind));
    std::string what =
        fmt::format("{} '{}' of entry '{}'", kind, parameter->name, entry);
    GPTC_CHECK(checkTensor(parameter->shape, parameter->type, what));
    if (parameter->scalar && !parameter->shape.empty())
      return wrong("{} is a scalar with a shape", what);
  }
  return {};
}

Status gptc::validateBlob(const BlobT *blob, const std::string &what,
                          uint64_t manifestEnd, uint64_t fileBytes) {
  if (!blob)
    return wrong("{} is missing", what);
  if (blob->offset % blobAlignment != 0)
    return wrong("{} lies at {}, not at a multiple of {}", what, blob->offset,
                 blobAlignment);
  if (blob->offset < manifestEnd || blob->offset > fileBytes ||
      blob->size > fileBytes - blob->offset)
    return wrong("{} ({} bytes at {}) lies outside of the file of {} bytes",
                 what, blob->size, blob->offset, fileBytes);
  return {};
}

Status gptc::validateManifest(const ManifestT &manifest, uint64_t manifestEnd,
                              uint64_t fileBytes) {
  GPTC_CHECK(checkModel(manifest));
  Names entries, variables, files, targets;
  for (const auto &entry : manifest.entries) {
    GPTC_CHECK(entries.add(entry->name, "entry"));
    GPTC_CHECK(validateParameters(entry->arguments, entry->name, "argument"));
    GPTC_CHECK(validateParameters(entry->results, entry->name, "result"));
  }
  for (const auto &variable : manifest.variables) {
    GPTC_CHECK(variables.add(variable->name, "variable"));
    GPTC_CHECK(checkVariable(*variable));
  }
  for (const auto &file : manifest.files) {
    GPTC_CHECK(files.add(file->name, "file"));
    // An export writes the file under this name.
    if (file->name == "." || file->name == ".." ||
        file->name.find_first_of(std::string_view("/\0", 2)) !=
            std::string::npos)
      return wrong("it carries a file named '{}', which is no name of a file "
                   "in a folder",
                   file->name);
    GPTC_CHECK(validateBlob(file->blob.get(),
                            fmt::format("file '{}'", file->name), manifestEnd,
                            fileBytes));
  }
  for (const auto &target : manifest.targets) {
    GPTC_CHECK(targets.add(target->name, "target"));
    auto status = validateTarget(manifest, *target, manifestEnd, fileBytes);
    if (!status)
      return tl::unexpected(
          status.error().in(fmt::format("target '{}'", target->name)));
  }
  return {};
}
