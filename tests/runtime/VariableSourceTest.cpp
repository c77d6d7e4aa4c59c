//===- VariableSourceTest.cpp - Values that variables begin with ----------===//

#include "gptc/runtime/program/VariableSource.h"
#include "tests/support/Matchers.h"
#include "tests/support/Safetensors.h"
#include "tests/support/TemporaryFolder.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <set>

namespace gptc {
namespace {

using artifact::ElementType;
using artifact::InitializerKind;
using artifact::Layout;

artifact::VariableT normal(const std::string &name, std::vector<uint64_t> shape,
                           float mean, float deviation,
                           ElementType type = ElementType::F32) {
  artifact::VariableT variable;
  variable.name = name;
  variable.type = type;
  variable.shape = std::move(shape);
  variable.initializer = std::make_unique<artifact::InitializerT>();
  variable.initializer->kind = InitializerKind::Normal;
  variable.initializer->a = mean;
  variable.initializer->b = deviation;
  return variable;
}

/// The stored bytes of a variable; empty after a failure of the test.
std::vector<std::byte> stored(const artifact::VariableT &variable,
                              Layout layout, uint64_t seed, unsigned threads) {
  auto team = ThreadTeam::create(threads);
  if (!team) {
    ADD_FAILURE() << team.error().message();
    return {};
  }
  auto source = VariableSource::create(variable, layout, nullptr, seed, **team);
  if (!source) {
    ADD_FAILURE() << source.error().message();
    return {};
  }
  auto bytes = storedBytes(variable.shape, variable.type, layout);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().message();
    return {};
  }
  EXPECT_EQ(*bytes, source->units() * source->unitBytes());
  std::vector<std::byte> result(*bytes, std::byte(0xff));
  source->fillAll(**team, result.data());
  return result;
}

std::vector<float> plain(const artifact::VariableT &variable, uint64_t seed) {
  auto bytes = stored(variable, Layout::RowMajor, seed, 1);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Mean, deviation, skewness and kurtosis of what is drawn, within five
/// standard errors of those of the normal distribution.
TEST(VariableSource, DrawsFromTheNormalDistribution) {
  for (auto [mean, deviation] : {std::pair(0.0F, 0.02F), {3.0F, 0.5F}}) {
    auto values = plain(normal("w", {512, 1000}, mean, deviation), 7);
    ASSERT_EQ(values.size(), 512000U);
    double n = double(values.size()), m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    for (float value : values) {
      double x = (double(value) - mean) / deviation;
      ASSERT_TRUE(std::isfinite(x));
      m1 += x / n;
      m2 += x * x / n;
      m3 += x * x * x / n;
      m4 += x * x * x * x / n;
    }
    EXPECT_NEAR(m1, 0, 5 * std::sqrt(1 / n));
    EXPECT_NEAR(m2, 1, 5 * std::sqrt(2 / n));
    EXPECT_NEAR(m3, 0, 5 * std::sqrt(15 / n));
    EXPECT_NEAR(m4, 3, 5 * std::sqrt(96 / n));
    // The share beyond two deviations, and that far tails are drawn at all.
    double beyond = 0, furthest = 0;
    for (float value : values) {
      double x = std::abs((double(value) - mean) / deviation);
      beyond += x > 2;
      furthest = std::max(furthest, x);
    }
    EXPECT_NEAR(beyond / n, 0.0455, 5 * std::sqrt(0.0455 * 0.9545 / n));
    EXPECT_GT(furthest, 4);
    EXPECT_LT(furthest, 6);
  }
}

TEST(VariableSource, NeighboursAreNotCorrelated) {
  auto values = plain(normal("w", {1, 1 << 18}, 0, 1), 3);
  for (size_t lag : {1, 2, 64, 768, 4096}) {
    double sum = 0;
    for (size_t i = 0; i + lag < values.size(); ++i)
      sum += double(values[i]) * values[i + lag];
    double n = double(values.size() - lag);
    EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n)) << lag;
  }
}

TEST(VariableSource, SeedAndNameDecide) {
  auto variable = normal("h.0.mlp.c_fc.weight", {8, 64}, 0, 1);
  auto values = plain(variable, 1);
  EXPECT_EQ(values, plain(variable, 1));
  EXPECT_NE(values, plain(variable, 2));
  variable.name = "h.1.mlp.c_fc.weight";
  auto other = plain(variable, 1);
  EXPECT_NE(values, other);
  // Not the same draws at other places either.
  std::set<float> first(values.begin(), values.end());
  size_t common = 0;
  for (float value : other)
    common += first.contains(value);
  EXPECT_LT(common, 3U);
  // The shape does not matter: the element's index does.
  variable.shape = {64, 8};
  EXPECT_EQ(plain(variable, 1), other);
}

TEST(VariableSource, ConstantsAreWhatTheySay) {
  auto variable = normal("ln_f.weight", {70}, 1, 0);
  variable.initializer->kind = InitializerKind::Constant;
  EXPECT_EQ(plain(variable, 5), std::vector<float>(70, 1));
}

struct Case {
  Layout layout;
  ElementType type;
  std::vector<uint64_t> shape;
};

class VariableSourceLayouts : public testing::TestWithParam<Case> {};

TEST_P(VariableSourceLayouts, HoldTheValuesOfRowMajorOrder) {
  const Case &c = GetParam();
  uint64_t rows = c.shape[0], columns = c.shape[1];
  auto expected = plain(normal("w", c.shape, 0.5, 2), 11);
  auto bytes = stored(normal("w", c.shape, 0.5, 2, c.type), c.layout, 11, 2);
  ASSERT_FALSE(bytes.empty());
  std::vector<float> row(columns);
  for (uint64_t r = 0; r < rows; ++r) {
    loadRow(bytes.data(), toDataType(c.type), c.layout != Layout::RowMajor,
            c.layout == Layout::PackedTransposed, rows, columns, r, row.data());
    for (uint64_t k = 0; k < columns; ++k) {
      float value = expected[r * columns + k];
      if (c.type == ElementType::BF16)
        value = fromBF16(toBF16(value));
      ASSERT_EQ(row[k], value) << r << ", " << k;
    }
  }
}

TEST_P(VariableSourceLayouts, DoNotDependOnTheThreads) {
  const Case &c = GetParam();
  auto variable = normal("w", c.shape, 0, 1, c.type);
  auto expected = stored(variable, c.layout, 4, 1);
  ASSERT_FALSE(expected.empty());
  for (unsigned threads : {2U, 3U, 5U})
    EXPECT_TRUE(stored(variable, c.layout, 4, threads) == expected) << threads;
}

TEST_P(VariableSourceLayouts, AreMadeUnitByUnitAsAtOnce) {
  const Case &c = GetParam();
  auto variable = normal("w", c.shape, 0, 1, c.type);
  auto expected = stored(variable, c.layout, 4, 2);
  ASSERT_VALUE(auto team, ThreadTeam::create(1));
  ASSERT_VALUE(auto source,
               VariableSource::create(variable, c.layout, nullptr, 4, *team));
  std::vector<std::byte> unit(source.unitBytes());
  for (uint64_t i = 0; i < source.units(); ++i) {
    source.fill(i, i + 1, unit.data());
    ASSERT_EQ(0, std::memcmp(unit.data(), expected.data() + i * unit.size(),
                             unit.size()))
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, VariableSourceLayouts,
    testing::Values(
        Case{Layout::RowMajor, ElementType::F32, {37, 129}},
        Case{Layout::RowMajor, ElementType::BF16, {37, 129}},
        Case{Layout::Packed, ElementType::F32, {37, 129}},
        Case{Layout::Packed, ElementType::BF16, {37, 129}},
        Case{Layout::Packed, ElementType::BF16, {500, 700}},
        Case{Layout::PackedTransposed, ElementType::F32, {129, 37}},
        Case{Layout::PackedTransposed, ElementType::BF16, {129, 37}},
        Case{Layout::PackedTransposed, ElementType::F32, {700, 500}}),
    [](const testing::TestParamInfo<Case> &info) {
      const Case &c = info.param;
      return std::string(artifact::EnumNameLayout(c.layout)) + "_" +
             artifact::EnumNameElementType(c.type) + "_" +
             std::to_string(c.shape[0]) + "x" + std::to_string(c.shape[1]);
    });

/// Resident bytes of a file's mapping.
uint64_t residentBytes(const std::string &path) {
  std::ifstream maps("/proc/self/smaps");
  uint64_t kilobytes = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    // Only the line of a mapping begins with a small letter or a digit.
    if (!std::isupper(static_cast<unsigned char>(line.front())))
      inside = line.ends_with(path);
    else if (inside && line.starts_with("Rss:"))
      kilobytes += std::stoull(line.substr(4));
  }
  return 1024 * kilobytes;
}

TEST(VariableSource, GivesBackThePagesOfTheCheckpoint) {
  constexpr uint64_t rows = 2048, columns = 2048;
  constexpr uint64_t bytes = rows * columns * sizeof(float);
  TemporaryFolder folder;
  std::string shape = std::to_string(rows) + "," + std::to_string(columns);
  std::string path = folder.write(
      "model.safetensors",
      safetensors(tensorEntry("a", "F32", shape, 0, bytes) + "," +
                      tensorEntry("b", "F32", shape, bytes, 2 * bytes),
                  std::string(2 * bytes, '?')));
  ASSERT_VALUE(auto team, ThreadTeam::create(2));
  ASSERT_VALUE(Checkpoint checkpoint, Checkpoint::open(folder.path()));
  std::vector<std::byte> first(bytes), again(bytes);
  for (const char *name : {"a", "b"}) {
    artifact::VariableT variable = normal(name, {rows, columns}, 0, 1);
    variable.pieces.push_back(std::make_unique<artifact::PieceT>());
    variable.pieces.back()->tensor = name;
    for (std::vector<std::byte> *to : {&first, &again}) {
      ASSERT_VALUE(auto source, VariableSource::create(variable, Layout::Packed,
                                                       &checkpoint, 0, *team));
      source.fillAll(*team, to->data());
      EXPECT_GE(residentBytes(path), bytes) << name;
      EXPECT_LT(residentBytes(path), bytes + bytes / 4) << name;
    }
    EXPECT_LT(residentBytes(path), bytes / 4) << name;
    EXPECT_TRUE(first == again) << name;
  }
}

TEST(VariableSource, WithoutATensorAndAnInitializerIsAnError) {
  artifact::VariableT variable = normal("w", {2, 2}, 0, 1);
  variable.initializer = nullptr;
  ASSERT_VALUE(auto team, ThreadTeam::create(1));
  EXPECT_THAT(
      VariableSource::create(variable, Layout::RowMajor, nullptr, 0, *team),
      FailsWith(ErrorCode::NotFound, "'w' has neither a tensor"));
}

TEST(VariableSource, RoundsToTheVariablesType) {
  auto variable = normal("w", {3}, 0.1F, 0, ElementType::F16);
  variable.initializer->kind = InitializerKind::Constant;
  for (ElementType type : {ElementType::F16, ElementType::BF16}) {
    variable.type = type;
    uint16_t bits = type == ElementType::F16 ? toF16(0.1F) : toBF16(0.1F);
    auto bytes = stored(variable, Layout::RowMajor, 0, 1);
    ASSERT_EQ(bytes.size(), 6U);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(0, std::memcmp(bytes.data() + 2 * i, &bits, 2)) << i;
  }
}

/// The first number that f16 would make infinite is named, whatever type it
/// comes in; what is infinite already stays so.
TEST(VariableSource, NumbersThatF16DoesNotHoldAreAnError) {
  const float infinity = std::numeric_limits<float>::infinity();
  auto of = [&](auto number, size_t at) {
    std::vector<decltype(number)> values(70000, decltype(number)(infinity));
    values[at] = number;
    values[values.size() - 2] = number;
    return std::string(reinterpret_cast<const char *>(values.data()),
                       values.size() * sizeof number);
  };
  auto bf16 = [&](float number, size_t at) {
    std::vector<uint16_t> values(70000, toBF16(infinity));
    values[at] = toBF16(number);
    return std::string(reinterpret_cast<const char *>(values.data()), 140000);
  };
  struct {
    const char *type;
    std::string data;
    const char *message; ///< Empty: it is held.
  } cases[] = {
      {"F32", of(-65520.0F, 66000), "has -65520 as element 66000, and"},
      {"F32", of(65519.0F, 3), ""},
      {"F64", of(1e300, 5), "has 1e+300 as element 5, and f16 ends"},
      {"F64", of(65519.9, 5), ""},
      {"BF16", bf16(65536, 7), "has 65536 as element 7, and f16 ends"},
      {"BF16", bf16(-65280, 7), ""}};
  ASSERT_VALUE(auto team, ThreadTeam::create(2));
  artifact::VariableT variable = normal("w", {70, 1000}, 0, 1);
  variable.pieces.push_back(std::make_unique<artifact::PieceT>());
  variable.pieces.back()->tensor = "a";
  for (const auto &c : cases) {
    SCOPED_TRACE(std::string(c.type) + " " + c.message);
    TemporaryFolder folder;
    folder.write("model.safetensors",
                 safetensors(tensorEntry("transformer.a", c.type, "70,1000", 0,
                                         c.data.size()),
                             c.data));
    ASSERT_VALUE(Checkpoint checkpoint, Checkpoint::open(folder.path()));
    for (ElementType type : {ElementType::F16, ElementType::BF16}) {
      variable.type = type;
      auto source = VariableSource::create(variable, Layout::Packed,
                                           &checkpoint, 0, *team);
      if (type == ElementType::BF16 || c.message[0] == '\0') {
        EXPECT_TRUE(source) << source.error().message();
        continue;
      }
      EXPECT_THAT(source, FailsWith(ErrorCode::Unsupported, c.message));
      EXPECT_THAT(source, FailsWith(ErrorCode::Unsupported,
                                    "the tensor 'transformer.a' of the "
                                    "checkpoint '" +
                                        folder.path() + "'"));
    }
  }
  EXPECT_THAT(
      VariableSource::create(normal("w", {3}, 1e5, 1, ElementType::F16),
                             Layout::RowMajor, nullptr, 0, *team),
      FailsWith(ErrorCode::Unsupported, "the initial value of 'w' has 1"));
}

TEST(VariableSource, MakesNoTypeThatWeightsDoNotHave) {
  ASSERT_VALUE(auto team, ThreadTeam::create(1));
  for (ElementType type : {ElementType::F64, ElementType::I32, ElementType::I64,
                           ElementType::U8, ElementType::Bool})
    EXPECT_THAT(VariableSource::create(normal("w", {3}, 0, 1, type),
                                       Layout::RowMajor, nullptr, 0, *team),
                FailsWith(ErrorCode::Unsupported, "the parameter 'w' is of "));
}

} // namespace
} // namespace gptc
