//===- VariableSource.cpp -------------------------------------------------===//

#include "gptc/runtime/program/VariableSource.h"

#include "gptc/runtime/base/Sha256.h"

#include <cmath>
#include <cstring>
#include <numbers>

namespace gptc {

namespace {

/// SplitMix64's output function (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Independent standard normal draws, by Box and Muller, from a counter.
double normal(uint64_t key, uint64_t index) {
  uint64_t bits = mix(key ^ mix(index));
  double u = (double(bits >> 40) + 0.5) * 0x1p-24;
  double v = double(bits & 0xffffff) * 0x1p-24;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

Expected<Region> draw(const artifact::VariableT &variable, uint64_t seed,
                      ThreadTeam &team) {
  uint64_t count = elementCount(variable.shape);
  GPTC_TRY(
      Region region,
      Region::create(count * sizeof(float),
                     fmt::format("the initial values of '{}'", variable.name)));
  Sha256::Digest digest = Sha256::of(std::as_bytes(std::span(variable.name)));
  uint64_t key;
  std::memcpy(&key, digest.data(), sizeof(key));
  key ^= mix(seed);
  const artifact::InitializerT &init = *variable.initializer;
  auto *values = reinterpret_cast<float *>(region.data());
  constexpr uint64_t block = 4096;
  team.forEach((count + block - 1) / block, [&](uint64_t b) {
    for (uint64_t i = b * block, end = std::min(count, i + block); i < end; ++i)
      values[i] = init.kind == artifact::InitializerKind::Normal
                      ? float(init.a + init.b * normal(key, i))
                      : float(init.a);
  });
  return region;
}

} // namespace

Expected<VariableSource>
VariableSource::create(const artifact::VariableT &variable,
                       artifact::Layout layout, const Checkpoint *checkpoint,
                       uint64_t seed, ThreadTeam &team) {
  DataType type = toDataType(variable.type);
  if (!isWeightType(type))
    return failure(ErrorCode::Unsupported,
                   "the parameter '{}' is of {}, and neither a checkpoint nor "
                   "an initializer gives values but of f32, f16 and bf16",
                   variable.name, toString(type));
  VariableSource source;
  std::vector<SourcePiece> pieces;
  if (checkpoint) {
    for (const auto &piece : variable.pieces) {
      const TensorView *tensor = checkpoint->find(piece->tensor);
      if (!tensor && piece->optional) {
        pieces.clear();
        break;
      }
      if (!tensor)
        return failure(ErrorCode::NotFound,
                       "the checkpoint '{}' has no tensor '{}'",
                       checkpoint->folder(), piece->tensor);
      pieces.push_back({*tensor, piece->transposed});
    }
    source.checkpoint_ = checkpoint;
    for (const SourcePiece &piece : pieces)
      source.read_.push_back(piece.tensor);
  }
  if (pieces.empty()) {
    if (!variable.initializer ||
        variable.initializer->kind == artifact::InitializerKind::None)
      return failure(ErrorCode::NotFound,
                     "'{}' has neither a tensor in a checkpoint nor an "
                     "initializer",
                     variable.name);
    GPTC_TRY(source.drawn_, draw(variable, seed, team));
    pieces.push_back({{DataType::F32,
                       variable.shape,
                       {source.drawn_.data(), source.drawn_.size()}},
                      false});
  }
  GPTC_TRY(source.matrix_, SourceMatrix::create(variable.name, variable.shape,
                                                std::move(pieces)));
  source.type_ = type;
  source.layout_ = layout;
  GPTC_TRY(uint64_t bytes, storedBytes(variable.shape, variable.type, layout));
  if (layout == artifact::Layout::RowMajor) {
    source.units_ = source.matrix_.rows();
  } else {
    uint64_t columns = layout == artifact::Layout::PackedTransposed
                           ? variable.shape[0]
                           : variable.shape[1];
    source.units_ = (columns + 63) / 64;
  }
  source.unitBytes_ = bytes / source.units_;
  return source;
}

VariableSource::~VariableSource() {
  for (const TensorView &tensor : read_)
    checkpoint_->release(tensor);
}

void VariableSource::fill(uint64_t from, uint64_t end, std::byte *to) const {
  // The storing functions count from the first unit.
  std::byte *base = to - from * unitBytes_;
  if (layout_ == artifact::Layout::RowMajor)
    storeRows(matrix_, type_, from, end, base);
  else
    storePanels(matrix_, type_, layout_ == artifact::Layout::PackedTransposed,
                from, end, base);
}

void VariableSource::fillAll(ThreadTeam &team, std::byte *to) const {
  // Parts of about a quarter of a megabyte.
  uint64_t part = std::max<uint64_t>(1, (uint64_t(1) << 18) / unitBytes_);
  team.forEach((units_ + part - 1) / part, [&](uint64_t i) {
    uint64_t from = i * part, end = std::min(units_, from + part);
    fill(from, end, to + from * unitBytes_);
  });
}

} // namespace gptc
