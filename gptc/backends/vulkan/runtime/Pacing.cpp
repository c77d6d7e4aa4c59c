//===- Pacing.cpp ---------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Pacing.h"

#include "gptc/backends/vulkan/KernelInterface.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gptc::vulkan {

std::vector<GridPart> cutGrid(uint32_t tiles, uint64_t parts) {
  std::vector<GridPart> grid;
  uint32_t rows = tiles / tilesPerRow + (tiles % tilesPerRow != 0);
  if (parts <= 1)
    return {{0, 0, std::min(tiles, tilesPerRow), rows}};
  uint64_t width = std::min<uint64_t>(
      std::max<uint64_t>((tiles + parts - 1) / parts, 1), tilesPerRow);
  for (uint32_t y = 0; y < rows; ++y) {
    uint32_t end = std::min(tiles - y * tilesPerRow, tilesPerRow);
    for (uint32_t x = 0; x < end; x += uint32_t(width))
      grid.push_back({x, y, std::min(uint32_t(width), end - x), 1});
  }
  return grid;
}

double guessedPace(DeviceKind kind) {
  return kind == DeviceKind::Discrete ? 1e-11 : 1e-10;
}

void Pacing::add(uint32_t tiles, double operations) {
  work_.push_back({tiles, operations, guess_});
}

std::vector<Part> Pacing::plan(size_t from, size_t to) const {
  std::vector<Part> parts(1);
  double taken = 0;
  for (size_t i = from; i < to; ++i) {
    auto count = uint64_t(std::ceil(work_[i].seconds() / secondsOfPart));
    std::vector<GridPart> grid = cutGrid(work_[i].tiles, count);
    double share = 1 / double(grid.size());
    double seconds = work_[i].seconds() * share;
    for (const GridPart &one : grid) {
      if (!parts.back().empty() && taken + seconds > secondsOfPart) {
        parts.emplace_back();
        taken = 0;
      }
      taken += seconds;
      parts.back().push_back(
          {i - from, one, share, &one == &grid.front(), &one == &grid.back()});
    }
  }
  return parts;
}

double Pacing::ratioOf(const Part &part, double seconds,
                       const Computed &computed) const {
  double expected = 0;
  for (const Piece &piece : part)
    expected +=
        work_[piece.step].seconds() * piece.share * computed(piece.step);
  return expected > 0 ? seconds / expected : 0;
}

bool Pacing::learn(std::span<const Part> parts, std::span<const double> seconds,
                   const Computed &computed) {
  auto isSlow = [](double taken) { return taken > longestPart; };
  if (isMeasured_ && std::none_of(seconds.begin(), seconds.end(), isSlow)) {
    std::fill(ratios_.begin(), ratios_.end(), 0);
    return false;
  }
  bool isSecond = !isMeasured_ && !ratios_.empty();
  ratios_.resize(parts.size());
  std::vector<double> paces(work_.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    double ratio = !isMeasured_ || isSlow(seconds[i])
                       ? ratioOf(parts[i], seconds[i], computed)
                       : 0;
    double least = std::min(ratio, std::exchange(ratios_[i], ratio));
    for (const Piece &piece : parts[i])
      paces[piece.step] =
          std::max(paces[piece.step], work_[piece.step].pace * least);
  }
  for (size_t i = 0; i < work_.size(); ++i) {
    double pace = std::clamp(paces[i], fastestPace, slowestPace);
    if (paces[i] > 0 && (isSecond || pace > work_[i].pace))
      work_[i].pace = pace;
  }
  isMeasured_ = isMeasured_ || isSecond;
  std::vector<Part> next = plan(0, work_.size());
  if (std::equal(next.begin(), next.end(), parts.begin(), parts.end()))
    return false;
  ratios_.clear();
  return true;
}

} // namespace gptc::vulkan
