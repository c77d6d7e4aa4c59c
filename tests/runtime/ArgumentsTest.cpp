#include "gptc/runtime/session/Arguments.h"
#include "tests/support/Matchers.h"
#include "tests/support/SampleArtifact.h"
#include "tests/support/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using artifact::ElementType;

template <typename T>
NpyArray array(DataType type, std::vector<uint64_t> shape,
               std::vector<T> values) {
  NpyArray result{type, std::move(shape), {}};
  auto bytes = std::as_bytes(std::span(values));
  result.bytes.assign(bytes.begin(), bytes.end());
  return result;
}

NpyArray ids(std::vector<uint64_t> shape, std::vector<int32_t> values) {
  return array(DataType::I32, std::move(shape), std::move(values));
}

template <typename T> std::vector<T> values(const NpyArray &array) {
  std::vector<T> result(array.bytes.size() / sizeof(T));
  std::memcpy(result.data(), array.bytes.data(), array.bytes.size());
  return result;
}

/// An artifact with the entries decode, score and mix; vocabulary 70, B = 2
/// and T = 3.
class Arguments : public testing::Test {
protected:
  void SetUp() override {
    artifact::ManifestT manifest = sampleManifest();
    manifest.targets.clear();
    manifest.model->batch = 2;
    manifest.model->capacity = 8;
    auto parameter = [](const char *name, ElementType type,
                        std::vector<uint64_t> shape, bool scalar = false) {
      auto result = std::make_unique<artifact::ParameterT>();
      result->name = name;
      result->type = type;
      result->shape = std::move(shape);
      result->scalar = scalar;
      return result;
    };
    manifest.entries.clear();
    auto add = [&](const char *name) {
      manifest.entries.push_back(std::make_unique<artifact::EntryT>());
      manifest.entries.back()->name = name;
      return manifest.entries.back().get();
    };
    artifact::EntryT *decode = add("decode");
    decode->arguments.push_back(parameter("tokens", ElementType::I32, {2, 3}));
    decode->arguments.push_back(parameter("positions", ElementType::I32, {2}));
    decode->arguments.push_back(parameter("lengths", ElementType::I32, {2}));
    artifact::EntryT *score = add("score");
    score->arguments.push_back(parameter("tokens", ElementType::I32, {2, 3}));
    score->arguments.push_back(parameter("targets", ElementType::I32, {2, 3}));
    score->results.push_back(
        parameter("log_likelihood", ElementType::F32, {2, 3}));
    artifact::EntryT *mix = add("mix");
    mix->arguments.push_back(parameter("x", ElementType::F32, {2}));
    mix->arguments.push_back(parameter("scale", ElementType::F32, {}, true));
    manifest.files.clear();
    std::string path = folder / "a.gptc";
    ASSERT_VALUE(uint64_t bytes, writeArtifact(path, manifest, {}));
    ASSERT_GT(bytes, 0U);
    ASSERT_VALUE(file, Artifact::open(path));
  }

  Expected<BoundArguments> bind(const char *entry,
                                std::map<std::string, NpyArray> inputs) {
    return bindArguments(*file, uint32_t(file->findEntry(entry)),
                         std::move(inputs));
  }

  TemporaryFolder folder;
  std::shared_ptr<const Artifact> file;
};

TEST_F(Arguments, FollowTheEntrysOrder) {
  ASSERT_VALUE(BoundArguments bound,
               bind("mix", {{"scale", array<float>(DataType::F32, {}, {3})},
                            {"x", array<float>(DataType::F32, {2}, {1, 2})}}));
  ASSERT_EQ(bound.arrays.size(), 2U);
  EXPECT_EQ(values<float>(bound.arrays[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(values<float>(bound.arrays[1]), (std::vector<float>{3}));
}

TEST_F(Arguments, ConvertWhatLosesNothingButDigits) {
  ASSERT_VALUE(BoundArguments bound,
               bind("mix", {{"scale", array<double>(DataType::F64, {}, {0.1})},
                            {"x", array<double>(DataType::F64, {2}, {1, 2})}}));
  EXPECT_EQ(values<float>(bound.arrays[1]), (std::vector<float>{0.1F}));
  NpyArray positions = ids({2}, {0, 5}), lengths = ids({2}, {3, 0});
  ASSERT_VALUE(bound,
               bind("decode", {{"tokens", array<int64_t>(DataType::I64, {2, 3},
                                                         {1, 2, 3, 4, 5, 69})},
                               {"positions", positions},
                               {"lengths", lengths}}));
  EXPECT_EQ(values<int32_t>(bound.arrays[0]),
            (std::vector<int32_t>{1, 2, 3, 4, 5, 69}));
  EXPECT_THAT(
      bind("decode",
           {{"tokens", array<int64_t>(DataType::I64, {2, 3},
                                      {1, 2, 3, 4, 5, int64_t(1) << 32})},
            {"positions", positions},
            {"lengths", lengths}}),
      FailsWith(ErrorCode::InvalidArgument,
                "'tokens' holds 4294967296, which does not fit"));
  EXPECT_THAT(bind("mix", {{"scale", array<float>(DataType::F32, {}, {3})},
                           {"x", ids({2}, {1, 2})}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "'x' is of type i32, expected f32"));
}

TEST_F(Arguments, NamesMustBeThoseOfTheEntry) {
  EXPECT_THAT(bind("mix", {}),
              FailsWith(ErrorCode::InvalidArgument,
                        "lacks the inputs x (f32 [2]), scale (f32 scalar)"));
  EXPECT_THAT(bind("mix", {{"y", ids({}, {1})}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "takes no input 'y'; it takes x, scale"));
  EXPECT_THAT(bind("mix", {{"scale", array<float>(DataType::F32, {1}, {3})},
                           {"x", array<float>(DataType::F32, {2}, {1, 2})}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "'scale' is f32 [1], expected f32 scalar"));
  EXPECT_THAT(requireEntry(*file, "nope"),
              FailsWith(ErrorCode::NotFound, "it has decode, score, mix"));
}

TEST_F(Arguments, SmallerTextsArePaddedAndTheirResultsCut) {
  ASSERT_VALUE(BoundArguments bound,
               bind("score", {{"tokens", ids({1, 2}, {7, 8})},
                              {"targets", ids({1, 2}, {8, -1})}}));
  EXPECT_EQ(values<int32_t>(bound.arrays[0]),
            (std::vector<int32_t>{7, 8, 0, 0, 0, 0}));
  EXPECT_EQ(values<int32_t>(bound.arrays[1]),
            (std::vector<int32_t>{8, -1, -1, -1, -1, -1}));
  NpyArray cut =
      cutResult(*file, 1, 0, bound,
                array<float>(DataType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(cut.shape, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(values<float>(cut), (std::vector<float>{1, 2}));
  EXPECT_THAT(bind("score", {{"tokens", ids({1, 4}, {1, 2, 3, 4})},
                             {"targets", ids({1, 4}, {1, 2, 3, 4})}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "'tokens' is i32 [1, 4], expected i32 [2, 3] or "
                        "smaller"));
  EXPECT_THAT(bind("score", {{"tokens", ids({1, 2}, {7, 8})},
                             {"targets", ids({2, 1}, {8, -1})}}),
              FailsWith(ErrorCode::InvalidArgument, "expected equal ones"));
}

TEST_F(Arguments, IdsPositionsAndLengthsMustFit) {
  auto decode = [&](std::vector<int32_t> tokens, std::vector<int32_t> positions,
                    std::vector<int32_t> lengths) {
    return bind("decode", {{"tokens", ids({2, 3}, std::move(tokens))},
                           {"positions", ids({2}, std::move(positions))},
                           {"lengths", ids({2}, std::move(lengths))}});
  };
  std::vector<int32_t> good{0, 1, 2, 3, 4, 5};
  EXPECT_TRUE(decode(good, {5, 0}, {3, 3}));
  EXPECT_THAT(decode({0, 1, 2, 3, 4, 70}, {0, 0}, {3, 3}),
              FailsWith(ErrorCode::InvalidArgument, "holds 70, expected 0 to"));
  EXPECT_THAT(decode(good, {-1, 0}, {3, 3}),
              FailsWith(ErrorCode::InvalidArgument, "'positions' holds -1"));
  EXPECT_THAT(decode(good, {0, 0}, {4, 3}),
              FailsWith(ErrorCode::InvalidArgument, "'lengths' holds 4"));
  EXPECT_THAT(decode(good, {0, 6}, {3, 3}),
              FailsWith(ErrorCode::InvalidArgument, "the context of 8"));
}

TEST_F(Arguments, SamplesAreValidAndFollowTheSeed) {
  for (uint32_t entry = 0; entry < 3; ++entry)
    for (uint64_t position : {0, 4, 1000}) {
      auto sample = sampleArguments(*file, entry, 7, position);
      std::map<std::string, NpyArray> inputs;
      const auto &arguments = file->manifest().entries[entry]->arguments;
      for (size_t i = 0; i < sample.size(); ++i)
        inputs[arguments[i]->name] = sample[i];
      auto bound = bindArguments(*file, entry, inputs);
      EXPECT_TRUE(bound) << bound.error().message();
      auto again = sampleArguments(*file, entry, 7, position);
      auto other = sampleArguments(*file, entry, 8, position);
      EXPECT_EQ(again[0].bytes, sample[0].bytes);
      EXPECT_NE(other[0].bytes, sample[0].bytes);
    }
}

} // namespace
} // namespace gptc
