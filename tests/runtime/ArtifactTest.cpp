#include "gptc/runtime/artifact/Artifact.h"

#include "gptc/runtime/artifact/Header.h"
#include "gptc/runtime/base/Sha256.h"
#include "tests/support/Matchers.h"
#include "tests/support/SampleArtifact.h"
#include "tests/support/TemporaryFolder.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>

namespace gptc {
namespace {

using namespace artifact;
using testing::SizeIs;

std::string bytesOf(ManifestT manifest) {
  TemporaryFolder folder;
  auto blobs = sampleBlobs(manifest);
  auto size = writeArtifact(folder / "a.gptc", manifest, blobs);
  return size ? folder.read("a.gptc") : size.error().message();
}

Expected<std::shared_ptr<const Artifact>> parse(const std::string &file) {
  // A copy of its own, so that reads beyond the end are seen. The result
  // outlives it; callers look at no blob.
  auto bytes = std::as_bytes(std::span(file));
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  return Artifact::parse(copy, "f.gptc");
}

std::vector<uint8_t> pack(const ManifestT &manifest) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  FinishManifestBuffer(builder, Manifest::Pack(builder, &manifest));
  return {builder.GetBufferPointer(),
          builder.GetBufferPointer() + builder.GetSize()};
}

/// A file with that manifest under a header that fits it.
std::string wrap(std::span<const uint8_t> manifest) {
  ArtifactHeader header{};
  header.magic = ArtifactHeader::expectedMagic;
  header.version = artifactVersion;
  header.headerBytes = sizeof(header);
  header.manifestBytes = manifest.size();
  header.fileBytes = sizeof(header) + manifest.size();
  header.digest = Sha256::of(std::as_bytes(manifest));
  std::string file(sizeof(header), '\0');
  std::memcpy(file.data(), &header, sizeof(header));
  file.append(reinterpret_cast<const char *>(manifest.data()), manifest.size());
  return file;
}

TEST(Artifact, RoundTrips) {
  TemporaryFolder folder;
  ManifestT manifest = sampleManifest();
  auto blobs = sampleBlobs(manifest);
  ASSERT_VALUE(uint64_t size,
               writeArtifact(folder / "a.gptc", manifest, blobs));
  ASSERT_VALUE(auto artifact, Artifact::open(folder / "a.gptc"));
  EXPECT_EQ(artifact->size(), size);
  EXPECT_EQ(artifact->path(), folder / "a.gptc");
  EXPECT_EQ(pack(artifact->manifest()), pack(manifest));
  EXPECT_EQ(artifact->findEntry("decode"), 0);
  EXPECT_EQ(artifact->findEntry("prefill"), -1);
  EXPECT_EQ(artifact->findTarget("gpu"), nullptr);
  const FileT *config = artifact->findFile("config.json");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(artifact->text(*config), "{\"n_layer\": 1}");
  EXPECT_EQ(artifact->findFile("vocab.json"), nullptr);
  const TargetT *target = artifact->findTarget("cpu");
  ASSERT_NE(target, nullptr);
  auto weights = artifact->blob(*target->storages[1]->embedded);
  EXPECT_THAT(weights, SizeIs(280));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weights.data()) % blobAlignment, 0U);
}

TEST(Artifact, EqualInputsGiveEqualBytes) {
  EXPECT_EQ(bytesOf(sampleManifest()), bytesOf(sampleManifest()));
}

TEST(Artifact, BlobsOfTheSameBytesStandOnce) {
  TemporaryFolder folder;
  ManifestT manifest = sampleManifest();
  auto second = std::make_unique<FileT>();
  second->name = "copy.json";
  second->blob = std::make_unique<BlobT>();
  BlobT *copy = second->blob.get();
  manifest.files.push_back(std::move(second));
  auto blobs = sampleBlobs(manifest);
  blobs[0].same.push_back(copy);
  ASSERT_VALUE(uint64_t size,
               writeArtifact(folder / "a.gptc", manifest, blobs));
  ASSERT_VALUE(auto artifact, Artifact::open(folder / "a.gptc"));
  EXPECT_EQ(artifact->text(*artifact->findFile("copy.json")),
            "{\"n_layer\": 1}");
  EXPECT_EQ(artifact->findFile("copy.json")->blob->offset,
            artifact->findFile("config.json")->blob->offset);
  EXPECT_EQ(artifact->size(), size);
}

TEST(Artifact, ABlobOfAnotherSizeIsNotWritten) {
  TemporaryFolder folder;
  ManifestT manifest = sampleManifest();
  auto blobs = sampleBlobs(manifest);
  blobs[0].size += 1;
  EXPECT_THAT(writeArtifact(folder / "a.gptc", manifest, blobs),
              FailsWith(ErrorCode::Internal, "another size"));
  blobs[0].produce = [](const PendingBlob::Sink &) -> Status {
    return failure(ErrorCode::Corrupt, "the checkpoint is damaged");
  };
  EXPECT_THAT(writeArtifact(folder / "a.gptc", manifest, blobs),
              FailsWith(ErrorCode::Corrupt, "the checkpoint"));
  EXPECT_EQ(folder.count(), 0U);
}

TEST(Artifact, WhatNoReaderTakesIsNotWritten) {
  TemporaryFolder folder;
  ManifestT manifest = sampleManifest();
  manifest.targets[0]->programs[0]->dispatches[0]->kernel = 1000;
  auto blobs = sampleBlobs(manifest);
  EXPECT_THAT(writeArtifact(folder / "a.gptc", manifest, blobs),
              FailsWith(ErrorCode::InvalidArgument, "would be malformed"));
  EXPECT_EQ(folder.count(), 0U);
}

TEST(Artifact, OpenRefusesWhatIsNoArtifact) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_THAT(Artifact::open(folder / "none"),
              FailsWith(ErrorCode::NotFound, "No such file"));
  EXPECT_THAT(Artifact::open(folder.path()),
              FailsWith(ErrorCode::InvalidArgument, "a folder"));
  EXPECT_THAT(Artifact::open(folder / "pipe"),
              FailsWith(ErrorCode::InvalidArgument, "pipe"));
  EXPECT_THAT(Artifact::open("/dev/zero"),
              FailsWith(ErrorCode::InvalidArgument, "device"));
  EXPECT_THAT(Artifact::open(folder / "loop"),
              FailsWith(ErrorCode::Io, "symbolic links"));
  EXPECT_THAT(Artifact::open(folder.write("empty", "")),
              FailsWith(ErrorCode::Corrupt, "0 bytes"));
  EXPECT_THAT(Artifact::open(folder.write("text", std::string(9999, 'x'))),
              FailsWith(ErrorCode::Corrupt, "does not begin as one"));
}

TEST(Artifact, EveryTruncationIsAnError) {
  std::string file = bytesOf(sampleManifest());
  ASSERT_TRUE(parse(file));
  for (size_t size = 0; size < file.size(); size += size < 5000 ? 1 : 509)
    EXPECT_THAT(parse(file.substr(0, size)),
                FailsWith(ErrorCode::Corrupt, "'f.gptc'"))
        << size;
  EXPECT_THAT(parse(file + "x"), FailsWith(ErrorCode::Corrupt, "but has"));
}

TEST(Artifact, EveryFlippedBitOfHeaderAndManifestIsAnError) {
  std::string file = bytesOf(sampleManifest());
  uint64_t manifestBytes = 0;
  std::memcpy(&manifestBytes,
              file.data() + offsetof(ArtifactHeader, manifestBytes), 8);
  for (size_t i = 0; i < sizeof(ArtifactHeader) + manifestBytes; ++i) {
    std::string damaged = file;
    damaged[i] = char(damaged[i] ^ (1 << i % 8));
    EXPECT_FALSE(parse(damaged)) << i;
  }
}

TEST(Artifact, EveryFlippedBitOfABlobIsAnError) {
  TemporaryFolder folder;
  ManifestT manifest = sampleManifest();
  auto blobs = sampleBlobs(manifest);
  ASSERT_SUCCESS(writeArtifact(folder / "a", manifest, blobs));
  std::string file = folder.read("a");
  const TargetT &target = *manifest.targets[0];
  struct Part {
    const BlobT &blob;
    uint64_t checked;
    const char *says;
  };
  // The sample's weights are longer than what is looked at of them.
  for (const Part &part :
       {Part{*manifest.files[0]->blob, 14, "its file 'config.json'"},
        Part{*target.variants[0]->library, 6, "its code for x86-64-v3"},
        Part{*target.storages[1]->embedded, 256, "the content of 'head.bias'"},
        Part{*manifest.targets[1]->module_, 11, "its reference module"}})
    for (uint64_t i = 0; i < part.blob.size; ++i) {
      std::string damaged = file;
      char &byte = damaged[part.blob.offset + i];
      byte = char(byte ^ (1 << i % 8));
      if (i < part.checked)
        EXPECT_THAT(parse(damaged), FailsWith(ErrorCode::Corrupt, part.says))
            << i;
      else
        EXPECT_TRUE(parse(damaged)) << i;
    }
}

TEST(BlobDigest, SamplesTheBeginningOfEachMebibyte) {
  std::vector<std::byte> bytes((size_t(3) << 20) + 100);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = std::byte(i % 251);
  auto of = BlobDigest::Of::Samples;
  Digest digest = BlobDigest::make(bytes, of);
  EXPECT_FALSE(BlobDigest::fits(digest, bytes, BlobDigest::Of::All));
  for (size_t piece : {1000, 4099, 1 << 20}) {
    BlobDigest running(of);
    for (size_t at = 0; at < bytes.size(); at += piece)
      running.update(
          std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    Digest other = running.finish();
    EXPECT_EQ(std::memcmp(&other, &digest, sizeof(digest)), 0) << piece;
  }
  for (size_t mebibyte = 0; mebibyte < 4; ++mebibyte)
    for (size_t at : {0, 99, 255, 256, 1 << 19}) {
      size_t place = (mebibyte << 20) + at;
      if (place >= bytes.size())
        continue;
      bytes[place] ^= std::byte{4};
      EXPECT_EQ(BlobDigest::fits(digest, bytes, of), at > 255) << place;
      bytes[place] ^= std::byte{4};
    }
}

TEST(Artifact, OtherVersionsSayWhatToDo) {
  std::string file = bytesOf(sampleManifest());
  file[offsetof(ArtifactHeader, version)] = char(artifactVersion + 1);
  EXPECT_THAT(parse(file), FailsWith(ErrorCode::Unsupported, "newer gptc"));
  file[offsetof(ArtifactHeader, version)] = char(artifactVersion - 1);
  EXPECT_THAT(parse(file), FailsWith(ErrorCode::Unsupported, "compile it"));
}

TEST(Artifact, ManifestsThatAreNoFlatBufferAreErrors) {
  for (size_t size : {0, 1, 8, 15, 16, 64, 1000})
    for (uint8_t fill : {0x00, 0x7f, 0xff})
      EXPECT_THAT(parse(wrap(std::vector<uint8_t>(size, fill))),
                  FailsWith(ErrorCode::Corrupt, "damaged"));
}

TEST(Artifact, SharingDoesNotUnpackToGigabytes) {
  // Offsets may point to one part again and again: 1000 x 1000 parameters of
  // a manifest with one, 400 KB of dispatches that would take 16 MB.
  for (bool nested : {false, true}) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<Parameter>> parameters(
        nested ? 1000 : 1, CreateParameterDirect(builder, "p"));
    auto entry = CreateEntryDirect(builder, "e", &parameters);
    std::vector<flatbuffers::Offset<Entry>> entries(nested ? 1000 : 100'000,
                                                    entry);
    FinishManifestBuffer(builder,
                         CreateManifestDirect(builder, "", "", 0, 0, &entries));
    EXPECT_THAT(parse(wrap({builder.GetBufferPointer(), builder.GetSize()})),
                FailsWith(ErrorCode::Corrupt, "again and again"));
  }
}

TEST(Artifact, MisalignedListsAreErrors) {
  // The same list of two 64-bit extents, at both places that its 32-bit length
  // allows. One of them is right, so that the manifest fails later.
  std::multiset<std::string> messages;
  for (int padding : {0, 1}) {
    flatbuffers::FlatBufferBuilder builder;
    builder.StartVector(4, sizeof(uint32_t));
    for (uint32_t word : {0, 3, 0, 1})
      builder.PushElement(word);
    flatbuffers::Offset<flatbuffers::Vector<uint64_t>> shape(
        builder.EndVector(2));
    // A builder works backwards: this comes to lie before the list.
    for (int i = 0; i < padding; ++i)
      builder.PushElement<uint32_t>(0);
    auto name = builder.CreateString("v");
    std::vector variables = {CreateVariable(builder, name, Role::Parameter,
                                            ElementType::F32, shape)};
    FinishManifestBuffer(builder, CreateManifestDirect(builder, "", "", 0, 0,
                                                       nullptr, &variables));
    auto result = parse(wrap({builder.GetBufferPointer(), builder.GetSize()}));
    ASSERT_FALSE(result);
    messages.insert(result.error().message());
  }
  EXPECT_THAT(messages,
              testing::UnorderedElementsAre(testing::HasSubstr("misaligned"),
                                            testing::HasSubstr("no model")));
}

struct Damage {
  const char *says;
  std::function<void(ManifestT &)> apply;
};

TargetT &cpu(ManifestT &m) { return *m.targets[0]; }
ProgramT &program(ManifestT &m) { return *cpu(m).programs[0]; }
ImplementationT &implementation(ManifestT &m) {
  return *cpu(m).variants[0]->implementations[1];
}
ProductT &product(ManifestT &m) { return *implementation(m).product; }

/// A result that the target gives beside the entry's.
void addResult(ManifestT &m, const std::string &name) {
  auto result = std::make_unique<ParameterT>();
  result->name = name;
  result->shape = {3, 4};
  program(m).results.push_back(std::move(result));
}

const std::vector<Damage> &damages() {
  static const std::vector<Damage> list = {
      {"describes no model", [](ManifestT &m) { m.model.reset(); }},
      {"where its weights", [](ManifestT &m) { m.source.reset(); }},
      {"a size of", [](ManifestT &m) { m.model->context = uint64_t(1) << 40; }},
      {"end-of-text", [](ManifestT &m) { m.model->end_of_text = -2; }},
      {"has no name", [](ManifestT &m) { m.entries[0]->name = ""; }},
      {"two arguments",
       [](ManifestT &m) { m.entries[0]->arguments[1]->name = "tokens"; }},
      {"scalar with a shape",
       [](ManifestT &m) { m.entries[0]->arguments[0]->scalar = true; }},
      {"element type",
       [](ManifestT &m) { m.entries[0]->results[0]->type = ElementType(99); }},
      {"its result 'logits' is the entry's as well",
       [](ManifestT &m) { addResult(m, "logits"); }},
      {"result 0 has no name", [](ManifestT &m) { addResult(m, ""); }},
      {"its result 'top' is a scalar",
       [](ManifestT &m) {
         addResult(m, "top");
         program(m).results[0]->scalar = true;
         program(m).results[0]->shape.clear();
       }},
      {"refers to parameter 2 of 2",
       [](ManifestT &m) {
         addResult(m, "top");
         BufferT &buffer = *program(m).buffers.back();
         buffer.space = BufferSpace::Result;
         buffer.offset = 0;
         buffer.index = 2;
       }},
      {"more than 8", [](ManifestT &m) { m.variables[0]->shape.assign(9, 1); }},
      {"size zero", [](ManifestT &m) { m.variables[0]->shape = {5, 0}; }},
      {"too large",
       [](ManifestT &m) { m.variables[0]->shape = {uint64_t(1) << 50, 1}; }},
      {"2^48",
       [](ManifestT &m) {
         m.variables[0]->shape = {uint64_t(1) << 40, uint64_t(1) << 40};
       }},
      {"two variables", [](ManifestT &m) { m.variables[1]->name = "cache"; }},
      {"unknown role", [](ManifestT &m) { m.variables[0]->role = Role(9); }},
      {"is a parameter of i32, expected f32, f16 or bf16",
       [](ManifestT &m) { m.variables[1]->type = ElementType::I32; }},
      {"without a name",
       [](ManifestT &m) { m.variables[0]->pieces[0]->tensor = ""; }},
      {"unknown initializer",
       [](ManifestT &m) {
         m.variables[1]->initializer->kind = InitializerKind(9);
       }},
      {"file 'config.json' is missing",
       [](ManifestT &m) { m.files[0]->blob.reset(); }},
      {"multiple of 4096", [](ManifestT &m) { m.files[0]->blob->offset += 8; }},
      {"outside of the file",
       [](ManifestT &m) { m.files[0]->blob->offset = 0; }},
      {"outside of the file",
       [](ManifestT &m) { m.files[0]->blob->size = ~uint64_t(0); }},
      {"two targets", [](ManifestT &m) { m.targets[1]->name = "cpu"; }},
      {"module is missing",
       [](ManifestT &m) { m.targets[1]->module_.reset(); }},
      {"element type", [](ManifestT &m) { cpu(m).type = ElementType(99); }},
      {"stores 2 variables of 3",
       [](ManifestT &m) { cpu(m).storages.pop_back(); }},
      {"its variables need",
       [](ManifestT &m) { cpu(m).variables_bytes = ~uint64_t(0); }},
      {"unknown layout",
       [](ManifestT &m) { cpu(m).storages[0]->layout = Layout(9); }},
      {"two dimensions",
       [](ManifestT &m) { cpu(m).storages[1]->layout = Layout::Packed; }},
      {"but needs", [](ManifestT &m) { cpu(m).storages[0]->bytes -= 1; }},
      {"multiple of 4096",
       [](ManifestT &m) { cpu(m).storages[1]->offset += 64; }},
      {"outside of the region",
       [](ManifestT &m) { cpu(m).storages[1]->offset = uint64_t(1) << 40; }},
      {"overlap", [](ManifestT &m) { cpu(m).storages[1]->offset = 0; }},
      {"instead of 280",
       [](ManifestT &m) { cpu(m).storages[1]->embedded->size = 3; }},
      {"no parameter",
       [](ManifestT &m) { m.variables[1]->role = Role::Counter; }},
      {"unknown family",
       [](ManifestT &m) { cpu(m).kernels[0]->family = Family(9); }},
      {"for entry 7", [](ManifestT &m) { program(m).entry = 7; }},
      {"two programs",
       [](ManifestT &m) {
         cpu(m).programs.push_back(std::make_unique<ProgramT>());
       }},
      {"its arena",
       [](ManifestT &m) { program(m).arena_bytes = ~uint64_t(0); }},
      {"arena 1", [](ManifestT &m) { program(m).buffers[1]->index = 1; }},
      {"variable 9 of", [](ManifestT &m) { program(m).buffers[2]->index = 9; }},
      {"parameter 9 of",
       [](ManifestT &m) { program(m).buffers[0]->index = 9; }},
      {"unknown space",
       [](ManifestT &m) { program(m).buffers[0]->space = BufferSpace(9); }},
      {"multiple of 64",
       [](ManifestT &m) { program(m).buffers[1]->offset = 1; }},
      {"outside of the arena",
       [](ManifestT &m) { program(m).buffers[0]->offset = 64; }},
      {"exceeds",
       [](ManifestT &m) { program(m).buffers[1]->bytes = ~uint64_t(0) - 32; }},
      {"instead of 12", [](ManifestT &m) { program(m).buffers[0]->bytes = 8; }},
      {"runs kernel 5",
       [](ManifestT &m) { program(m).dispatches[0]->kernel = 5; }},
      {"uses buffer 50",
       [](ManifestT &m) { program(m).dispatches[0]->buffers[1] = 50; }},
      {"scalar that is argument",
       [](ManifestT &m) {
         program(m).dispatches[0]->scalars[0]->argument = 3;
       }},
      {"as a scalar",
       [](ManifestT &m) {
         program(m).dispatches[0]->scalars[0]->argument = 0;
       }},
      {"lengths in argument",
       [](ManifestT &m) { program(m).dispatches[0]->lengths = 3; }},
      {"not [B] i32",
       [](ManifestT &m) { program(m).dispatches[0]->lengths = 0; }},
      {"no rows",
       [](ManifestT &m) { program(m).dispatches[0]->rows_per_sequence = 0; }},
      {"library is missing",
       [](ManifestT &m) { cpu(m).variants[0]->library.reset(); }},
      {"it has no name", [](ManifestT &m) { cpu(m).variants[0]->name = ""; }},
      {"implements 1 kernels",
       [](ManifestT &m) { cpu(m).variants[0]->implementations.pop_back(); }},
      {"no symbol", [](ManifestT &m) { implementation(m).symbol = ""; }},
      {"no tiles", [](ManifestT &m) { implementation(m).tiles = 0; }},
      {"inner tiles", [](ManifestT &m) { implementation(m).inner_tiles = 0; }},
      {"of scratch",
       [](ManifestT &m) {
         implementation(m).scratch_bytes = uint64_t(1) << 40;
       }},
      {"is of 3 x 0", [](ManifestT &m) { product(m).depth = 0; }},
      {"other than bf16",
       [](ManifestT &m) { product(m).type = ElementType::F32; }},
      {"at a stride", [](ManifestT &m) { product(m).source_stride = 4; }},
      {"what surrounds it", [](ManifestT &m) { product(m).after = ""; }},
      {"what surrounds it", [](ManifestT &m) { product(m).before = "x"; }},
      {"no panels", [](ManifestT &m) { product(m).panels_per_tile = 0; }},
      {"no blocks of rows",
       [](ManifestT &m) { implementation(m).rows_per_block = 0; }},
      {"has 5 tiles", [](ManifestT &m) { implementation(m).tiles = 5; }},
      {"has 511 bytes of scratch",
       [](ManifestT &m) { implementation(m).scratch_bytes = 511; }},
      {"source lies at 0 in scratch",
       [](ManifestT &m) {
         product(m).source = -1;
         product(m).before = "product.before";
       }},
      {"at position 4 of 4", [](ManifestT &m) { product(m).source = 4; }},
      {"at position 7 of 4", [](ManifestT &m) { product(m).weights = 7; }},
      {"needs 114", [](ManifestT &m) { product(m).source_stride = 26; }},
      {"needs 61", [](ManifestT &m) { product(m).source_offset = 31; }},
  };
  return list;
}

TEST(Artifact, EveryDamageOfTheManifestIsNamed) {
  for (const Damage &damage : damages()) {
    TemporaryFolder folder;
    ManifestT manifest = sampleManifest();
    auto blobs = sampleBlobs(manifest);
    // Writing once sets the blobs' places; the damage comes after it.
    ASSERT_VALUE(uint64_t size, writeArtifact(folder / "a", manifest, blobs));
    damage.apply(manifest);
    std::string file = wrap(pack(manifest));
    file.resize(size);
    std::memcpy(file.data() + offsetof(ArtifactHeader, fileBytes), &size, 8);
    EXPECT_THAT(parse(file), FailsWith(ErrorCode::Corrupt, damage.says));
  }
}

TEST(Artifact, StoredBytesOfEveryLayout) {
  EXPECT_EQ(storedBytes({{5, 70}}, ElementType::F32, Layout::RowMajor), 1400U);
  EXPECT_EQ(storedBytes({{5, 70}}, ElementType::F32, Layout::Packed),
            16U * 128 * 4);
  EXPECT_EQ(storedBytes({{5, 70}}, ElementType::BF16, Layout::PackedTransposed),
            80U * 64 * 2);
  EXPECT_EQ(storedBytes({}, ElementType::F32, Layout::RowMajor), 4U);
  EXPECT_FALSE(storedBytes({{5}}, ElementType::F32, Layout::Packed));
}

} // namespace
} // namespace gptc
