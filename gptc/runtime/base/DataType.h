//===- DataType.h - Element types of tensors -------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_DATATYPE_H
#define GPTC_RUNTIME_BASE_DATATYPE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gptc {

/// Element types that tensors in files, artifacts and buffers may have. The
/// numbers are stored in artifacts: append, never renumber.
enum class DataType : uint8_t {
  F32 = 0,
  F16 = 1,
  BF16 = 2,
  F64 = 3,
  I8 = 4,
  U8 = 5,
  I16 = 6,
  I32 = 7,
  I64 = 8,
  Bool = 9,
  U16 = 10,
  U32 = 11,
  U64 = 12,
};

/// Bytes of one element.
size_t sizeOf(DataType type);
/// The short name used by the command line and in reports: "f32", "bf16".
std::string_view toString(DataType type);
/// Inverse of toString; nothing for an unknown name.
std::optional<DataType> parseDataType(std::string_view name);
/// Whether parameters are of this type, which checkpoints and initializers
/// fill: f32, f16 and bf16.
bool isWeightType(DataType type);
/// Bits of a bf16 to float and back (round to nearest even).
float fromBF16(uint16_t bits);
uint16_t toBF16(float value);
/// Bits of an f16 to float and back (round to nearest even).
float fromF16(uint16_t bits);
uint16_t toF16(float value);
/// Element `index` of dense values at `values`, which need no alignment. Whole
/// numbers of 64 bits are exact to 2^53.
double readElement(const std::byte *values, DataType type, size_t index);
/// Stores a number of the type's range there; floating point types round to
/// nearest even.
void writeElement(std::byte *values, DataType type, size_t index, double value);

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_DATATYPE_H
