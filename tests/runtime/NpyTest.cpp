#include "gptc/runtime/tensors/Npy.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

/// A file of version `major` with `header` and `data` behind it.
std::string npy(const std::string &header, const std::string &data = "",
                int major = 1) {
  std::string file = "\x93NUMPY";
  file += char(major);
  file += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    file += char(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

Expected<NpyArray> parse(const std::string &file) {
  return parseNpy(std::as_bytes(std::span(file)), "f.npy");
}

TEST(Npy, RoundTripsEveryType) {
  TemporaryFolder folder;
  for (int type = 0; type <= int(DataType::U64); ++type) {
    if (DataType(type) == DataType::BF16)
      continue;
    for (const std::vector<uint64_t> &shape :
         {std::vector<uint64_t>{}, {5}, {0}, {2, 3}, {1, 2, 0, 4}, {7, 1, 3}}) {
      NpyArray array{DataType(type), shape, {}};
      uint64_t count = sizeOf(array.type);
      for (uint64_t extent : shape)
        count *= extent;
      for (uint64_t i = 0; i < count; ++i)
        array.bytes.push_back(std::byte(i % 2));
      ASSERT_SUCCESS(writeNpy(folder / "a.npy", array));
      ASSERT_VALUE(NpyArray read, readNpy(folder / "a.npy"));
      EXPECT_EQ(read.type, array.type);
      EXPECT_EQ(read.shape, array.shape);
      EXPECT_EQ(read.bytes, array.bytes);
      EXPECT_EQ((folder.read("a.npy").size() - count) % 64, 0U);
    }
  }
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  TemporaryFolder folder;
  NpyArray array{DataType::I16, {1, 2}, {}};
  array.bytes.resize(4, std::byte('x'));
  ASSERT_SUCCESS(writeNpy(folder / "a.npy", array));
  std::string header =
      "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 2), }";
  header.resize(117, ' ');
  EXPECT_EQ(folder.read("a.npy"), npy(header + "\n", "xxxx"));
}

TEST(Npy, ReadsEveryVersionAndSpelling) {
  for (const char *header :
       {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  \n",
        "{'shape': (1, 2), 'fortran_order': False, 'descr': '<f4'}",
        "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(1,2,)}\n"})
    for (int major : {1, 2, 3}) {
      ASSERT_VALUE(NpyArray array, parse(npy(header, "abcdefgh", major)));
      EXPECT_EQ(array.type, DataType::F32);
      EXPECT_EQ(array.shape, (std::vector<uint64_t>{1, 2}));
      EXPECT_EQ(array.bytes.size(), 8U);
    }
}

TEST(Npy, RefusesWhatItDoesNotHonourAndSaysTheRemedy) {
  auto header = [](const std::string &descr, const std::string &order) {
    return npy("{'descr': " + descr + ", 'fortran_order': " + order +
                   ", 'shape': (1,), }",
               "abcd");
  };
  EXPECT_THAT(parse(header("'<f4'", "True")),
              FailsWith(ErrorCode::Unsupported, "np.ascontiguousarray"));
  EXPECT_THAT(parse(header("'>f4'", "False")),
              FailsWith(ErrorCode::Unsupported, "array.astype('<f4')"));
  EXPECT_THAT(parse(header("'|O'", "False")),
              FailsWith(ErrorCode::Unsupported, "pickled"));
  EXPECT_THAT(
      parse(header("[('a', '<f4', (2,)), ('b', [('c', '|O')])]", "False")),
      FailsWith(ErrorCode::Unsupported, "each field"));
  EXPECT_THAT(parse(header("'<c8'", "False")),
              FailsWith(ErrorCode::Unsupported, "'<c8'"));
  EXPECT_THAT(parse(header("'<U7'", "False")),
              FailsWith(ErrorCode::Unsupported, "'<U7'"));
  EXPECT_THAT(parse(npy("{}", "", 4)),
              FailsWith(ErrorCode::Unsupported, "version 4.0"));
}

TEST(Npy, RefusesMalformedHeaders) {
  for (const char *header : {
           "",
           "{",
           "{}",
           "[]",
           "{'descr': '<f4'}",
           "{'descr': '<f4', 'fortran_order': False}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}",
           "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
           "{'descr': 4, 'fortran_order': False, 'shape': (1,)}",
           "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
           "{'descr': [('a', '<f4', 'fortran_order': False, 'shape': (1,)}",
           "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
           "{'descr':'<f4','fortran_order':False,'shape':(99999999999999999999,"
           ")}",
       })
    EXPECT_THAT(parse(npy(header, "abcd")),
                FailsWith(ErrorCode::Corrupt, "header"))
        << header;
  std::string ranks;
  for (int i = 0; i < 33; ++i)
    ranks += "1, ";
  EXPECT_THAT(parse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                            ranks + ")}",
                        "abcd")),
              FailsWith(ErrorCode::Corrupt, "header"));
}

TEST(Npy, NothingIsTakenOnAHeadersWord) {
  auto shaped = [](const std::string &shape, const std::string &data) {
    return parse(
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}",
            data));
  };
  EXPECT_THAT(shaped("(1000000000000,)", "12345678"),
              FailsWith(ErrorCode::Corrupt, "asks for 8000000000000 bytes"));
  EXPECT_THAT(shaped("(4294967296, 4294967296)", ""),
              FailsWith(ErrorCode::Corrupt, "2^64 or more"));
  EXPECT_THAT(shaped("(1,)", "1234567"),
              FailsWith(ErrorCode::Corrupt, "and it has 7"));
  EXPECT_THAT(shaped("(1,)", "123456789"),
              FailsWith(ErrorCode::Corrupt, "and it has 9"));
  EXPECT_THAT(
      parse(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}",
                "\x01\x02")),
      FailsWith(ErrorCode::Corrupt, "booleans"));
  // Every beginning of a good file is a bad one.
  std::string good =
      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}\n",
          "12345678", 2);
  ASSERT_TRUE(parse(good));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(parse(good.substr(0, size)),
                FailsWith(ErrorCode::Corrupt, "f.npy"));
  std::string huge("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
  EXPECT_THAT(parse(huge), FailsWith(ErrorCode::Corrupt, "4294967295"));
}

TEST(Npy, WritingChecksTheArray) {
  TemporaryFolder folder;
  std::string path = folder / "a.npy";
  EXPECT_THAT(writeNpy(path, {DataType::BF16, {}, {2, std::byte()}}),
              FailsWith(ErrorCode::Unsupported, "convert them to f32"));
  EXPECT_THAT(writeNpy(path, {DataType::F32, {2}, {7, std::byte()}}),
              FailsWith(ErrorCode::InvalidArgument, "7 bytes"));
  EXPECT_THAT(writeNpy(path, {DataType::U8, std::vector<uint64_t>(33, 1), {}}),
              FailsWith(ErrorCode::InvalidArgument, "33 dimensions"));
  EXPECT_EQ(folder.count(), 0U);
}

} // namespace
} // namespace gptc
