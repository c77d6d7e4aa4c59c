//===- VariableSource.cpp -------------------------------------------------===//

#include "gptc/runtime/program/VariableSource.h"

#include "gptc/runtime/base/Sha256.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
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

/// The first element whose bits say that it is finite and not below `least`,
/// which is where f16 rounds to infinity. `T` is a type's bits, whose order is
/// that of magnitudes.
template <typename T>
std::optional<uint64_t> firstBetween(const std::byte *bytes, T least,
                                     T infinity, uint64_t from, uint64_t to) {
  constexpr T magnitude = T(-1) >> 1;
  auto isBeyond = [&](uint64_t i) {
    T bits;
    std::memcpy(&bits, bytes + i * sizeof(T), sizeof(T));
    bits &= magnitude;
    return bits >= least && bits < infinity;
  };
  // Without a branch for each, as there is next to never one.
  bool any = false;
  for (uint64_t i = from; i < to; ++i)
    any |= isBeyond(i);
  for (uint64_t i = from; any && i < to; ++i)
    if (isBeyond(i))
      return i;
  return std::nullopt;
}

/// The first of a tensor's elements [from, to) that is finite and would be
/// infinite in f16, whose largest number is 65504. The tensor is of f64, f32,
/// f16 or bf16.
std::optional<uint64_t> firstBeyondF16(const TensorView &tensor, uint64_t from,
                                       uint64_t to) {
  const std::byte *bytes = tensor.bytes.data();
  // Halfway between the largest number and the next, which is a tie to even.
  constexpr float least = 65520;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr auto bits = std::bit_cast<uint32_t>(least);
  constexpr auto infinityBits = std::bit_cast<uint32_t>(infinity);
  switch (tensor.type) {
  case DataType::F16:
    return std::nullopt;
  case DataType::F32:
    return firstBetween<uint32_t>(bytes, bits, infinityBits, from, to);
  case DataType::BF16:
    // Its numbers around 65520 are 65280 and 65536.
    return firstBetween<uint16_t>(bytes, uint16_t((bits >> 16) + 1),
                                  uint16_t(infinityBits >> 16), from, to);
  default:
    // They are rounded to f32 first.
    return firstBetween<uint64_t>(
        bytes, std::bit_cast<uint64_t>(double(least) - 0x1p-9),
        std::bit_cast<uint64_t>(double(infinity)), from, to);
  }
}

/// Whether f16 holds all of a tensor's numbers; errors call it `what`.
Status checkF16Range(const TensorView &tensor, const std::string &what,
                     ThreadTeam &team) {
  uint64_t count = elementCount(tensor.shape);
  std::atomic<uint64_t> first = count;
  constexpr uint64_t block = uint64_t(1) << 16;
  team.forEach((count + block - 1) / block, [&](uint64_t b) {
    auto found =
        firstBeyondF16(tensor, b * block, std::min(count, (b + 1) * block));
    uint64_t least = first;
    while (found && *found < least &&
           !first.compare_exchange_weak(least, *found))
      ;
  });
  if (first == count)
    return {};
  return failure(ErrorCode::Unsupported,
                 "{} has {:g} as element {}, and f16 ends at 65504; take bf16, "
                 "which goes as far as f32 (--dtype bf16)",
                 what, readElement(tensor.bytes.data(), tensor.type, first),
                 first.load());
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
  if (type == DataType::F16 && source.read_.empty())
    GPTC_CHECK(checkF16Range(
        {DataType::F32,
         variable.shape,
         {source.drawn_.data(), source.drawn_.size()}},
        fmt::format("the initial value of '{}'", variable.name), team));
  for (size_t i = 0; type == DataType::F16 && i < source.read_.size(); ++i)
    GPTC_CHECK(checkF16Range(
        source.read_[i],
        fmt::format("the tensor '{}' of the checkpoint '{}'",
                    checkpoint->storedName(variable.pieces[i]->tensor),
                    checkpoint->folder()),
        team));
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
