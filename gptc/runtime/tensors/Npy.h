//===- Npy.h - Arrays in .npy files ----------------------------*- C++ -*-===//
//
// The format: a magic string, a version, the length of a header, the header (a
// Python dict literal), data. Nothing of it is trusted.
// Source: numpy.org, "NEP 1: A Simple File Format for NumPy Arrays".
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TENSORS_NPY_H
#define GPTC_RUNTIME_TENSORS_NPY_H

#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/base/File.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gptc {

/// A dense array in C order, little-endian. A scalar has the shape [].
struct NpyArray {
  DataType type = DataType::F32;
  std::vector<uint64_t> shape;
  std::vector<std::byte> bytes;
};

/// Reads a file of format version 1.0, 2.0 or 3.0. Fortran order, big-endian,
/// structured and pickled arrays are Unsupported; the error says how to
/// convert them. Allocates no more than the file has bytes.
Expected<NpyArray> readNpy(const std::string &path);
/// The same for bytes in memory; `name` stands for the file in errors.
Expected<NpyArray> parseNpy(std::span<const std::byte> bytes,
                            const std::string &name);

/// Writes format version 1.0, whole or not at all. `array.bytes` must have the
/// size that type and shape ask for; BF16 has no .npy type and is refused.
Status writeNpy(const std::string &path, const NpyArray &array);
/// The same up to the commit, which is the caller's: for several files of which
/// all shall appear or none.
Expected<AtomicFile> stageNpy(const std::string &path, const NpyArray &array);

} // namespace gptc

#endif // GPTC_RUNTIME_TENSORS_NPY_H
