//===- SampleProgram.h - A Vulkan artifact made by hand --------*- C++ -*-===//

#ifndef GPTC_TESTS_VULKAN_SAMPLEPROGRAM_H
#define GPTC_TESTS_VULKAN_SAMPLEPROGRAM_H

#include "gptc/runtime/artifact/ArtifactWriter.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <spirv-tools/libspirv.hpp>

namespace gptc {

/// out = scale * a + b over 64 elements a tile, by the interface of
/// KernelInterface.h, with TILES tiles.
inline constexpr const char *sampleKernel = R"(
               OpCapability Shader
               OpCapability PhysicalStorageBufferAddresses
               OpMemoryModel PhysicalStorageBuffer64 GLSL450
               OpEntryPoint GLCompute %main "main" %group %index %constants
               OpExecutionMode %main LocalSize 64 1 1
               OpDecorate %group BuiltIn WorkgroupId
               OpDecorate %index BuiltIn LocalInvocationIndex
               OpDecorate %Constants Block
               OpMemberDecorate %Constants 0 Offset 0
               OpMemberDecorate %Constants 1 Offset 8
               OpMemberDecorate %Constants 2 Offset 16
               OpMemberDecorate %Constants 3 Offset 20
               OpMemberDecorate %Constants 4 Offset 24
               OpMemberDecorate %Constants 5 Offset 32
               OpMemberDecorate %Constants 6 Offset 40
               OpDecorate %floats ArrayStride 4
               OpDecorate %Floats Block
               OpMemberDecorate %Floats 0 Offset 0
       %void = OpTypeVoid
   %function = OpTypeFunction %void
       %bool = OpTypeBool
       %uint = OpTypeInt 32 0
      %uint3 = OpTypeVector %uint 3
      %float = OpTypeFloat 32
     %floats = OpTypeRuntimeArray %float
     %Floats = OpTypeStruct %floats
   %ToFloats = OpTypePointer PhysicalStorageBuffer %Floats
    %ToFloat = OpTypePointer PhysicalStorageBuffer %float
  %Constants = OpTypeStruct %ToFloats %ToFloats %uint %uint %ToFloats %ToFloats %ToFloats
%ToConstants = OpTypePointer PushConstant %Constants
 %ToMember = OpTypePointer PushConstant %ToFloats
   %InputUint3 = OpTypePointer Input %uint3
    %InputUint = OpTypePointer Input %uint
  %constants = OpVariable %ToConstants PushConstant
      %group = OpVariable %InputUint3 Input
      %index = OpVariable %InputUint Input
         %c0 = OpConstant %uint 0
         %c4 = OpConstant %uint 4
         %c5 = OpConstant %uint 5
         %c6 = OpConstant %uint 6
         %c64 = OpConstant %uint 64
     %perRow = OpConstant %uint 32768
      %tiles = OpConstant %uint TILES
       %main = OpFunction %void None %function
      %begin = OpLabel
          %g = OpLoad %uint3 %group
          %x = OpCompositeExtract %uint %g 0
          %y = OpCompositeExtract %uint %g 1
         %yr = OpIMul %uint %y %perRow
       %tile = OpIAdd %uint %yr %x
      %there = OpULessThan %bool %tile %tiles
               OpSelectionMerge %end None
               OpBranchConditional %there %work %end
       %work = OpLabel
          %i = OpLoad %uint %index
      %first = OpIMul %uint %tile %c64
         %at = OpIAdd %uint %first %i
         %ps = OpAccessChain %ToMember %constants %c0
          %s = OpLoad %ToFloats %ps
         %pa = OpAccessChain %ToMember %constants %c4
          %a = OpLoad %ToFloats %pa
         %pb = OpAccessChain %ToMember %constants %c5
          %b = OpLoad %ToFloats %pb
         %pc = OpAccessChain %ToMember %constants %c6
          %c = OpLoad %ToFloats %pc
         %s0 = OpAccessChain %ToFloat %s %c0 %c0
      %scale = OpLoad %float %s0 Aligned 8
         %ai = OpAccessChain %ToFloat %a %c0 %at
         %av = OpLoad %float %ai Aligned 4
         %bi = OpAccessChain %ToFloat %b %c0 %at
         %bv = OpLoad %float %bi Aligned 4
         %sa = OpFMul %float %scale %av
        %sum = OpFAdd %float %sa %bv
         %ci = OpAccessChain %ToFloat %c %c0 %at
               OpStore %ci %sum Aligned 4
               OpBranch %end
        %end = OpLabel
               OpReturn
               OpFunctionEnd
)";

inline std::vector<uint32_t> assembleKernel(uint32_t tiles) {
  std::string text = sampleKernel;
  text.replace(text.find("TILES"), 5, std::to_string(tiles));
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
  std::string log;
  tools.SetMessageConsumer([&](spv_message_level_t, const char *,
                               const spv_position_t &,
                               const char *message) { log += message; });
  std::vector<uint32_t> words;
  EXPECT_TRUE(tools.Assemble(text, &words) && tools.Validate(words)) << log;
  return words;
}

/// Describes a program of N = 64 * tiles elements with an argument x, a
/// scalar, a parameter w (of ones), a cache sum and a result y:
///   t = scale * x + w;  sum = 1 * t + sum;  y = 2 * sum + t
/// Each of the three is said to be `operations`: by default enough for several
/// submissions as long as nothing is known of the device.
class SampleProgram {
public:
  explicit SampleProgram(uint32_t tiles, uint64_t operations = 1'500'000'000)
      : tiles_(tiles) {
    using namespace artifact;
    uint64_t count = uint64_t(64) * tiles;
    manifest.model = std::make_unique<ModelT>();
    manifest.source = std::make_unique<SourceT>();
    auto entry = std::make_unique<EntryT>();
    entry->name = "accumulate";
    addParameter(entry->arguments, "x", {count});
    addParameter(entry->arguments, "scale", {});
    entry->arguments.back()->scalar = true;
    addParameter(entry->results, "y", {count});
    manifest.entries.push_back(std::move(entry));

    auto made = std::make_unique<TargetT>();
    target = made.get();
    target->name = "vulkan";
    manifest.targets.push_back(std::move(made));
    addVariable("w", Role::Parameter, count);
    manifest.variables[0]->initializer = std::make_unique<InitializerT>();
    manifest.variables[0]->initializer->kind = InitializerKind::Constant;
    manifest.variables[0]->initializer->a = 1;
    addVariable("sum", Role::Cache, count);
    target->kernels.push_back(std::make_unique<KernelT>());
    target->kernels[0]->name = "axpy";

    auto program = std::make_unique<ProgramT>();
    program->arena_bytes = count * 4;
    auto buffer = [&](BufferSpace space, uint32_t index) {
      program->buffers.push_back(std::make_unique<BufferT>());
      program->buffers.back()->space = space;
      program->buffers.back()->index = index;
      program->buffers.back()->bytes = count * 4;
    };
    buffer(BufferSpace::Argument, 0);
    buffer(BufferSpace::Variable, 0);
    buffer(BufferSpace::Arena, 0);
    buffer(BufferSpace::Variable, 1);
    buffer(BufferSpace::Result, 0);
    auto dispatch = [&](std::vector<uint32_t> buffers, float scale,
                        int argument) {
      program->dispatches.push_back(std::make_unique<DispatchT>());
      DispatchT &one = *program->dispatches.back();
      one.buffers = std::move(buffers);
      one.outputs = 1;
      one.flops = operations;
      one.scalars.push_back(std::make_unique<ScalarT>());
      uint32_t bits = 0;
      std::memcpy(&bits, &scale, 4);
      one.scalars[0]->bits = bits;
      one.scalars[0]->argument = argument;
    };
    dispatch({0, 1, 2}, 0, 1);
    dispatch({2, 3, 3}, 1, -1);
    dispatch({3, 2, 4}, 2, -1);
    target->programs.push_back(std::move(program));
    addVariant("baseline", {});
  }

  void addVariant(const std::string &name, std::vector<std::string> features) {
    auto variant = std::make_unique<artifact::VariantT>();
    variant->name = name;
    variant->features = std::move(features);
    auto implementation = std::make_unique<artifact::ImplementationT>();
    implementation->tiles = tiles_;
    implementation->spirv = std::make_unique<artifact::BlobT>();
    variant->implementations.push_back(std::move(implementation));
    target->variants.push_back(std::move(variant));
  }

  /// Writes and opens the artifact.
  std::shared_ptr<const Artifact> open(const TemporaryFolder &folder) {
    std::vector<uint32_t> words = assembleKernel(tiles_);
    std::vector<PendingBlob> blobs;
    for (const auto &variant : target->variants)
      blobs.push_back(PendingBlob::of(variant->implementations[0]->spirv.get(),
                                      std::as_bytes(std::span(words))));
    std::string path = folder / "sample.gptc";
    auto written = writeArtifact(path, manifest, blobs);
    EXPECT_TRUE(written) << written.error().message();
    auto artifact = Artifact::open(path);
    if (!artifact) {
      ADD_FAILURE() << artifact.error().message();
      return nullptr;
    }
    return *artifact;
  }

  artifact::ManifestT manifest;
  artifact::TargetT *target = nullptr;

private:
  static void
  addParameter(std::vector<std::unique_ptr<artifact::ParameterT>> &list,
               const char *name, std::vector<uint64_t> shape) {
    list.push_back(std::make_unique<artifact::ParameterT>());
    list.back()->name = name;
    list.back()->shape = std::move(shape);
  }
  void addVariable(const char *name, artifact::Role role, uint64_t count) {
    auto variable = std::make_unique<artifact::VariableT>();
    variable->name = name;
    variable->role = role;
    variable->shape = {count};
    auto storage = std::make_unique<artifact::StorageT>();
    storage->bytes = count * 4;
    storage->offset = target->variables_bytes;
    target->variables_bytes += (storage->bytes + 4095) / 4096 * 4096;
    target->storages.push_back(std::move(storage));
    manifest.variables.push_back(std::move(variable));
  }

  uint32_t tiles_;
};

} // namespace gptc

#endif // GPTC_TESTS_VULKAN_SAMPLEPROGRAM_H
