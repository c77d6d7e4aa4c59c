//===- DataType.cpp -------------------------------------------------------===//

#include "gptc/runtime/base/DataType.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace gptc {

namespace {
struct TypeInfo {
  DataType type;
  std::string_view name;
  size_t size;
};
constexpr std::array<TypeInfo, 13> types = {{
    {DataType::F32, "f32", 4},
    {DataType::F16, "f16", 2},
    {DataType::BF16, "bf16", 2},
    {DataType::F64, "f64", 8},
    {DataType::I8, "i8", 1},
    {DataType::U8, "u8", 1},
    {DataType::I16, "i16", 2},
    {DataType::I32, "i32", 4},
    {DataType::I64, "i64", 8},
    {DataType::Bool, "bool", 1},
    {DataType::U16, "u16", 2},
    {DataType::U32, "u32", 4},
    {DataType::U64, "u64", 8},
}};
} // namespace

size_t sizeOf(DataType type) { return types[size_t(type)].size; }

std::string_view toString(DataType type) { return types[size_t(type)].name; }

std::optional<DataType> parseDataType(std::string_view name) {
  for (const TypeInfo &info : types)
    if (info.name == name)
      return info.type;
  return std::nullopt;
}

bool isWeightType(DataType type) {
  return type == DataType::F32 || type == DataType::F16 ||
         type == DataType::BF16;
}

float fromBF16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t toBF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t((bits >> 16) | 0x40);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float fromF16(uint16_t bits) { return float(std::bit_cast<_Float16>(bits)); }

uint16_t toF16(float value) {
  // By integers: without F16C the compiler calls a function for each.
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & 0x7fffffff, sign = (bits >> 16) & 0x8000;
  constexpr uint32_t infinity = 0x7f800000, leastNormal = 0x38800000;
  if (magnitude > infinity)
    return uint16_t(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  // Adding 0.5 shifts the bits of a subnormal to their place and rounds them.
  uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
      std::bit_cast<uint32_t>(0.5F);
  uint32_t rounded = (magnitude + ((magnitude >> 13) & 1) + 0xfff) >> 13;
  // What overflows is infinite.
  uint32_t normal = std::min<uint32_t>(rounded - ((127 - 15) << 10), 0x7c00);
  return uint16_t(sign | (magnitude < leastNormal ? subnormal : normal));
}

double readElement(const std::byte *values, DataType type, size_t index) {
  auto get = [&]<typename T>(T number) {
    std::memcpy(&number, values + index * sizeof(T), sizeof(T));
    return number;
  };
  switch (type) {
  case DataType::F32:
    return get(0.0f);
  case DataType::F64:
    return get(0.0);
  case DataType::BF16:
    return fromBF16(get(uint16_t(0)));
  case DataType::F16:
    return fromF16(get(uint16_t(0)));
  case DataType::I8:
    return get(int8_t(0));
  case DataType::I16:
    return get(int16_t(0));
  case DataType::I32:
    return get(int32_t(0));
  case DataType::I64:
    return double(get(int64_t(0)));
  case DataType::U16:
    return get(uint16_t(0));
  case DataType::U32:
    return get(uint32_t(0));
  case DataType::U64:
    return double(get(uint64_t(0)));
  case DataType::U8:
  case DataType::Bool:
    return get(uint8_t(0));
  }
  return 0;
}

void writeElement(std::byte *values, DataType type, size_t index,
                  double value) {
  auto put = [&](auto number) {
    std::memcpy(values + index * sizeof number, &number, sizeof number);
  };
  switch (type) {
  case DataType::F32:
    return put(float(value));
  case DataType::F64:
    return put(value);
  case DataType::BF16:
    return put(toBF16(float(value)));
  case DataType::F16:
    return put(toF16(float(value)));
  case DataType::I8:
    return put(int8_t(value));
  case DataType::I16:
    return put(int16_t(value));
  case DataType::I32:
    return put(int32_t(value));
  case DataType::I64:
    return put(int64_t(value));
  case DataType::U16:
    return put(uint16_t(value));
  case DataType::U32:
    return put(uint32_t(value));
  case DataType::U64:
    return put(uint64_t(value));
  case DataType::U8:
  case DataType::Bool:
    return put(uint8_t(value));
  }
}

} // namespace gptc
