//===- Pacing.h - How much work is handed over at once ---------*- C++ -*-===//
//
// Drivers reset a device that does not answer for about two seconds. So work is
// handed over in parts, of which each is to take about a tenth of a second on
// the device at hand: by a cautious guess at first, then by what parts took.
// Parts never change what is computed.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_PACING_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_PACING_H

#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace gptc::vulkan {

/// A part of a dispatch's grid of workgroups.
struct GridPart {
  uint32_t x = 0, y = 0, width = 0, height = 1;
  bool operator==(const GridPart &) const = default;
};

/// Cuts the grid of `tiles` workgroups, tilesPerRow in a row, into about
/// `parts` parts, at least one for each row where there are several.
std::vector<GridPart> cutGrid(uint32_t tiles, uint64_t parts);

/// A piece of a dispatch.
struct Piece {
  size_t step = 0; ///< Number of the dispatch.
  GridPart grid;
  double share = 1; ///< Of the dispatch's operations.
  bool begins = true, ends = true;
  bool operator==(const Piece &) const = default;
};

/// What is handed over at once: pieces, in the order of dispatches.
using Part = std::vector<Piece>;

/// Seconds that a part is to take, and from which on it is cut anew.
inline constexpr double secondsOfPart = 0.1, longestPart = 0.2;
/// Seconds for an operation, the least and most that are believed. A device
/// that is faster than the least gets parts of 2e10 operations, beside which a
/// submission's microseconds do not count; one that seems slower than the most
/// had something else to do.
inline constexpr double fastestPace = 5e-12, slowestPace = 1e-8;
/// The same as long as nothing was measured: 100 GFLOP/s of a discrete GPU, 10
/// of any other device.
double guessedPace(DeviceKind kind);

/// Cuts the dispatches of an entry point into parts, and learns from its runs.
/// A value; not thread safe.
class Pacing {
public:
  explicit Pacing(double pace = guessedPace(DeviceKind::Other))
      : guess_(pace) {}

  /// One more dispatch. Operations are at least four for each byte that it
  /// moves, since moving them may be what it waits for.
  void add(uint32_t tiles, double operations);

  /// Dispatches [from, to), numbered from 0, in parts that are expected to take
  /// secondsOfPart at most, unless a single workgroup takes longer.
  std::vector<Part> plan(size_t from, size_t to) const;

  /// The share of a dispatch's operations that a run did.
  using Computed = std::function<double(size_t step)>;
  /// Learns from a run of all dispatches in `parts`, which took `seconds` each.
  /// The first two runs tell how fast the device is, later ones only where
  /// parts took longer than longestPart in both of two that follow one another:
  /// in one alone a driver may have compiled, or this process was not served.
  /// Returns whether plan() is another one since.
  bool learn(std::span<const Part> parts, std::span<const double> seconds,
             const Computed &computed);

private:
  struct Work {
    uint32_t tiles = 0;
    double operations = 0;
    double pace = 0; ///< Seconds for each of them.
    double seconds() const { return operations * pace; }
  };
  /// Of the part's time to what was expected.
  double ratioOf(const Part &part, double seconds,
                 const Computed &computed) const;

  double guess_;
  std::vector<Work> work_;
  bool isMeasured_ = false;
  /// Of each part in the last run; 0 where it was not too slow. Empty where
  /// there was none with these parts.
  std::vector<double> ratios_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_PACING_H
