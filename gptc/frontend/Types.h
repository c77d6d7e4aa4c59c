//===- Types.h - Types of tensors in the DSL -------------------*- C++ -*-===//

#ifndef GPTC_FRONTEND_TYPES_H
#define GPTC_FRONTEND_TYPES_H

#include "gptc/runtime/base/DataType.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gptc {

using Shape = std::vector<int64_t>;

/// Element type and static shape of a tensor.
struct TensorType {
  DataType element = DataType::F32;
  Shape shape;

  bool operator==(const TensorType &) const = default;
  /// The product of the extents, or the largest number if it is larger.
  int64_t elements() const;
  /// "f32[1, 512, 768]".
  std::string toString() const;
};

/// "[1, 512, 768]".
std::string toString(const Shape &shape);

/// Elements that a tensor may have: more fit in no memory, and up to here bytes
/// and operations are counted in 64 bits.
constexpr int64_t mostElements = int64_t(1) << 40;

/// Scores of one attention at most, one for each pair of a query and a key.
constexpr int64_t mostScores = int64_t(1) << 48;

/// How a parameter starts without a checkpoint.
struct Initializer {
  enum class Kind { Constant, Normal } kind = Kind::Constant;
  double a = 0; ///< The constant, or the mean.
  double b = 0; ///< The standard deviation.

  static Initializer zeros() { return {Kind::Constant, 0, 0}; }
  static Initializer ones() { return {Kind::Constant, 1, 0}; }
  static Initializer constant(double value) {
    return {Kind::Constant, value, 0};
  }
  static Initializer normal(double mean, double deviation) {
    return {Kind::Normal, mean, deviation};
  }
};

/// A tensor of a checkpoint that a parameter is made of. Several are joined
/// along the last dimension. An optional one may be missing, and the
/// initializer then gives the parameter's values: so are those that a task adds
/// to a model.
struct Piece {
  std::string tensor;
  bool transposed = false;
  bool optional = false;
};

} // namespace gptc

#endif // GPTC_FRONTEND_TYPES_H
