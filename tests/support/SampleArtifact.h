//===- SampleArtifact.h - A small manifest with everything -----*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_SAMPLEARTIFACT_H
#define GPTC_TESTS_SUPPORT_SAMPLEARTIFACT_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/artifact/ArtifactWriter.h"

#include <vector>

namespace gptc {

/// A valid manifest that uses every table of the schema. Its blobs have no
/// places yet.
inline artifact::ManifestT sampleManifest() {
  using namespace artifact;
  ManifestT manifest;
  manifest.compiler_version = "0.1.0";
  manifest.source_hash = "hash";
  manifest.model = std::make_unique<ModelT>();
  manifest.model->name = "sample";
  manifest.model->vocabulary = 70;
  manifest.model->batch = 1;
  manifest.source = std::make_unique<SourceT>();
  manifest.source->checkpoint = "/nowhere";

  auto parameter = [](const char *name, ElementType type,
                      std::vector<uint64_t> shape, bool scalar = false) {
    auto result = std::make_unique<ParameterT>();
    result->name = name;
    result->type = type;
    result->shape = std::move(shape);
    result->scalar = scalar;
    return result;
  };
  auto entry = std::make_unique<EntryT>();
  entry->name = "decode";
  entry->arguments.push_back(parameter("tokens", ElementType::I32, {1, 3}));
  entry->arguments.push_back(parameter("lengths", ElementType::I32, {1}));
  entry->arguments.push_back(parameter("scale", ElementType::F32, {}, true));
  entry->results.push_back(parameter("logits", ElementType::F32, {3, 70}));
  manifest.entries.push_back(std::move(entry));

  auto target = std::make_unique<TargetT>();
  target->name = "cpu";
  auto variable = [&](const char *name, Role role, std::vector<uint64_t> shape,
                      Layout layout) {
    auto result = std::make_unique<VariableT>();
    result->name = name;
    result->role = role;
    result->shape = std::move(shape);
    auto storage = std::make_unique<StorageT>();
    storage->layout = layout;
    storage->offset = target->variables_bytes;
    storage->bytes = *storedBytes(result->shape, result->type, layout);
    target->variables_bytes += (storage->bytes + 4095) / 4096 * 4096;
    target->storages.push_back(std::move(storage));
    manifest.variables.push_back(std::move(result));
    return manifest.variables.back().get();
  };
  auto *weights =
      variable("head.weight", Role::Parameter, {5, 70}, Layout::Packed);
  weights->pieces.push_back(std::make_unique<PieceT>());
  weights->pieces[0]->tensor = "lm_head.weight";
  weights->pieces[0]->transposed = true;
  auto *bias = variable("head.bias", Role::Parameter, {70}, Layout::RowMajor);
  bias->initializer = std::make_unique<InitializerT>();
  bias->initializer->kind = InitializerKind::Normal;
  variable("cache", Role::Cache, {1, 3, 5}, Layout::RowMajor);
  target->storages[1]->embedded = std::make_unique<BlobT>();

  for (const char *name : {"row_program", "product"}) {
    target->kernels.push_back(std::make_unique<KernelT>());
    target->kernels.back()->name = name;
  }
  auto program = std::make_unique<ProgramT>();
  program->arena_bytes = 128;
  auto buffer = [&](BufferSpace space, uint32_t index, uint64_t offset,
                    uint64_t bytes) {
    program->buffers.push_back(std::make_unique<BufferT>());
    *program->buffers.back() = BufferT();
    program->buffers.back()->space = space;
    program->buffers.back()->index = index;
    program->buffers.back()->offset = offset;
    program->buffers.back()->bytes = bytes;
  };
  buffer(BufferSpace::Argument, 0, 0, 12);
  buffer(BufferSpace::Arena, 0, 64, 60);
  buffer(BufferSpace::Variable, 0, 0, target->storages[0]->bytes);
  buffer(BufferSpace::Variable, 1, 0, 280);
  buffer(BufferSpace::Result, 0, 0, 840);
  auto dispatch = std::make_unique<DispatchT>();
  dispatch->buffers = {0, 1};
  dispatch->scope = "h.0/ln_1";
  dispatch->lengths = 1;
  dispatch->rows_per_sequence = 3;
  dispatch->scalars.push_back(std::make_unique<ScalarT>());
  dispatch->scalars[0]->argument = 2;
  program->dispatches.push_back(std::move(dispatch));
  dispatch = std::make_unique<DispatchT>();
  dispatch->kernel = 1;
  dispatch->buffers = {1, 2, 3, 4};
  program->dispatches.push_back(std::move(dispatch));
  target->programs.push_back(std::move(program));

  auto variant = std::make_unique<VariantT>();
  variant->name = "x86-64-v3";
  variant->features = {"avx2", "fma"};
  variant->library = std::make_unique<BlobT>();
  auto implementation = std::make_unique<ImplementationT>();
  implementation->symbol = "row_program";
  implementation->tiles = 3;
  implementation->rows_per_block = 1;
  variant->implementations.push_back(std::move(implementation));
  implementation = std::make_unique<ImplementationT>();
  implementation->tiles = 4;
  implementation->rows_per_block = 2;
  implementation->inner_tiles = 2;
  implementation->symbol = "product";
  implementation->scratch_bytes = 2 * 64 * 4;
  implementation->product = std::make_unique<ProductT>();
  ProductT &product = *implementation->product;
  product.rows = 3, product.depth = 5, product.type = ElementType::BF16;
  product.source = 0, product.source_stride = 5, product.weights = 1;
  product.panels = 2, product.panels_per_tile = 1;
  product.after = "product.after";
  variant->implementations.push_back(std::move(implementation));
  target->variants.push_back(std::move(variant));
  manifest.targets.push_back(std::move(target));

  auto reference = std::make_unique<TargetT>();
  reference->name = "reference";
  reference->module_ = std::make_unique<BlobT>();
  manifest.targets.push_back(std::move(reference));
  auto file = std::make_unique<FileT>();
  file->name = "config.json";
  file->blob = std::make_unique<BlobT>();
  manifest.files.push_back(std::move(file));
  return manifest;
}

/// The blobs of a sampleManifest, each with content of the size it must have.
inline std::vector<PendingBlob> sampleBlobs(artifact::ManifestT &manifest) {
  artifact::TargetT &target = *manifest.targets[0];
  auto blob = [](artifact::BlobT *of, std::string_view text) {
    return PendingBlob::of(of, std::as_bytes(std::span(text)));
  };
  std::vector<PendingBlob> blobs;
  blobs.push_back(blob(manifest.files[0]->blob.get(), "{\"n_layer\": 1}"));
  blobs.push_back(
      blob(target.storages[1]->embedded.get(), std::string(280, 'w')));
  blobs.back().digest = BlobDigest::Of::Samples;
  blobs.push_back(blob(target.variants[0]->library.get(), "no ELF"));
  blobs.push_back(blob(manifest.targets[1]->module_.get(), "no bytecode"));
  return blobs;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_SAMPLEARTIFACT_H
