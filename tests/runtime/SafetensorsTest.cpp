#include "gptc/runtime/tensors/Safetensors.h"
#include "tests/support/Matchers.h"
#include "tests/support/Safetensors.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace gptc {
namespace {

using testing::SizeIs;

Expected<std::map<std::string, TensorView>> parse(const std::string &file) {
  return SafetensorsFile::parse(std::as_bytes(std::span(file)), "f");
}

TEST(Safetensors, ReadsEveryType) {
  struct {
    const char *name;
    DataType type;
  } types[] = {{"F32", DataType::F32},   {"F16", DataType::F16},
               {"BF16", DataType::BF16}, {"F64", DataType::F64},
               {"I8", DataType::I8},     {"U8", DataType::U8},
               {"I16", DataType::I16},   {"I32", DataType::I32},
               {"I64", DataType::I64},   {"BOOL", DataType::Bool},
               {"U16", DataType::U16},   {"U32", DataType::U32},
               {"U64", DataType::U64}};
  for (auto [name, type] : types) {
    std::string data(6 * sizeOf(type), 'x');
    std::string file =
        safetensors(tensorEntry("a", name, "2,3", 0, data.size()), data);
    auto tensors = parse(file);
    ASSERT_TRUE(tensors) << tensors.error().message();
    const TensorView &view = tensors->at("a");
    EXPECT_EQ(view.type, type);
    EXPECT_EQ(view.shape, (std::vector<uint64_t>{2, 3}));
    EXPECT_EQ(view.bytes.data(),
              reinterpret_cast<const std::byte *>(file.data()) + file.size() -
                  data.size());
    EXPECT_EQ(view.bytes.size(), data.size());
  }
}

TEST(Safetensors, ReadsScalarsEmptyTensorsAndMetadata) {
  auto tensors = parse(safetensors(R"("__metadata__": {"format": "pt"},)" +
                                       tensorEntry("a", "F32", "", 0, 4) + "," +
                                       tensorEntry("b", "F32", "0,7", 2, 2),
                                   "abcd"));
  ASSERT_TRUE(tensors) << tensors.error().message();
  EXPECT_THAT(*tensors, SizeIs(2));
  EXPECT_THAT(tensors->at("a").shape, SizeIs(0));
  EXPECT_THAT(tensors->at("b").bytes, SizeIs(0));
}

TEST(Safetensors, EveryBeginningOfAGoodFileIsDamaged) {
  std::string good =
      safetensors(tensorEntry("a", "F32", "2", 0, 8), "abcdefgh");
  ASSERT_TRUE(parse(good));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(parse(good.substr(0, size)),
                FailsWith(ErrorCode::Corrupt, "'f'"))
        << size;
}

TEST(Safetensors, AHeadersWordIsNotTaken) {
  std::string huge(8, '\xff');
  EXPECT_THAT(parse(huge + "{}"), FailsWith(ErrorCode::Corrupt, "truncated"));
  std::string gigabyte("\0\0\0\x40\0\0\0\0", 8);
  EXPECT_THAT(parse(gigabyte + "{}"),
              FailsWith(ErrorCode::Corrupt, "1073741824"));
  auto one = [](const char *shape, uint64_t begin, uint64_t end) {
    return parse(
        safetensors(tensorEntry("a", "F32", shape, begin, end), "12345678"));
  };
  EXPECT_THAT(one("4611686018427387904,4", 0, 8),
              FailsWith(ErrorCode::Corrupt, "address space"));
  EXPECT_THAT(one("4611686018427387904", 0, 8),
              FailsWith(ErrorCode::Corrupt, "offsets"));
  EXPECT_THAT(one("2", 4, 12), FailsWith(ErrorCode::Corrupt, "truncated"));
  EXPECT_THAT(one("2", 8, 0), FailsWith(ErrorCode::Corrupt, "bytes 8 to 0"));
  EXPECT_THAT(one("3", 0, 8), FailsWith(ErrorCode::Corrupt, "asks for 12"));
  EXPECT_THAT(one("1,1,1,1,1,1,1,1,2", 0, 8),
              FailsWith(ErrorCode::Corrupt, "shape"));
}

TEST(Safetensors, RefusesMalformedHeaders) {
  for (const char *header :
       {"", "\"a\": 1", "\"a\": {}", "\"a\": null, \"b\": 1",
        R"("a": {"dtype": 1, "shape": [], "data_offsets": [0, 4]})",
        R"("a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]})",
        R"("a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]})",
        R"("a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]})",
        R"("a": {"dtype": "F32", "shape": [1], "data_offsets": [0]})",
        R"("a": {"dtype": "F32", "shape": [1], "data_offsets": [0, -4]})",
        R"("a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", 4]})"}) {
    // No tensors with bytes behind them are damage, too.
    EXPECT_THAT(parse(safetensors(header, "abcd")),
                FailsWith(ErrorCode::Corrupt, "'f' is damaged"));
  }
  EXPECT_TRUE(parse(safetensors("", ""))); // No tensors: odd, not wrong.
  std::string entry = tensorEntry("a", "F32", "1", 0, 4);
  EXPECT_THAT(parse(safetensors(entry + "," + entry, "abcd")),
              FailsWith(ErrorCode::Corrupt, "'a' twice"));
  EXPECT_THAT(parse(safetensors(tensorEntry("a", "F4", "8", 0, 4), "abcd")),
              FailsWith(ErrorCode::Unsupported, "element type F4"));
  EXPECT_THAT(parse(safetensors("}{", "")),
              FailsWith(ErrorCode::Corrupt, "header' is no JSON"));
}

TEST(Safetensors, RefusesOverlap) {
  auto two = [](uint64_t begin) {
    return parse(safetensors(tensorEntry("a", "U8", "4", 0, 4) + "," +
                                 tensorEntry("b", "U8", "4", begin, begin + 4),
                             "12345678"));
  };
  EXPECT_TRUE(two(4));
  for (uint64_t begin : {0, 1, 3})
    EXPECT_THAT(two(begin),
                FailsWith(ErrorCode::Corrupt, "'a' and 'b' overlap"));
}

TEST(Safetensors, RefusesBytesBehindTheLastTensor) {
  std::string entry = tensorEntry("a", "U8", "4", 0, 4);
  EXPECT_TRUE(parse(safetensors(entry, "1234")));
  EXPECT_THAT(parse(safetensors(entry, "12345")),
              FailsWith(ErrorCode::Corrupt, "1 bytes follow its last tensor"));
}

TEST(Safetensors, OpenNamesTheFile) {
  TemporaryFolder folder;
  EXPECT_THAT(SafetensorsFile::open(folder / "none"),
              FailsWith(ErrorCode::NotFound, folder / "none"));
  EXPECT_THAT(SafetensorsFile::open(folder.write("short", "abc")),
              FailsWith(ErrorCode::Corrupt, "it has 3 bytes"));
  EXPECT_THAT(SafetensorsFile::open(folder.write("empty", "")),
              FailsWith(ErrorCode::Corrupt, "it has 0 bytes"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(SafetensorsFile::open(folder / "pipe"),
              FailsWith(ErrorCode::InvalidArgument, "pipe"));
  std::string good = safetensors(tensorEntry("a", "U8", "4", 0, 4), "1234");
  ASSERT_VALUE(SafetensorsFile file,
               SafetensorsFile::open(folder.write("good", good)));
  EXPECT_THAT(file.tensors(), SizeIs(1));
  EXPECT_THAT(file.header(), SizeIs(good.size() - 4));
}

} // namespace
} // namespace gptc
