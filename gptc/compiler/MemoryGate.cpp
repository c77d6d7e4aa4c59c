//===- MemoryGate.cpp -----------------------------------------------------===//

#include "gptc/compiler/MemoryGate.h"

#include <map>

namespace gptc {

namespace {

using mlir::Value;

/// Bytes [begin, end) of the arena.
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;

  bool overlaps(const Range &other) const {
    return begin < other.end && other.begin < end;
  }
  std::string toString() const {
    return fmt::format("bytes {} to {} of the arena", begin, end);
  }
};

/// Nothing for a buffer that lies elsewhere.
std::optional<Range> rangeOf(Value value) {
  auto buffer = value.getDefiningOp<ir::ArenaOp>();
  if (!buffer)
    return std::nullopt;
  auto begin = uint64_t(buffer.getOffset());
  return Range{begin, begin + ir::bytesOf(value.getType())};
}

/// Who wrote which bytes of the arena last.
class Arena {
public:
  void write(Range range, ir::LaunchOp launch) {
    auto at = firstAfter(range.begin);
    while (at != spans.end() && at->first < range.end) {
      auto [begin, span] = *at;
      at = spans.erase(at);
      if (begin < range.begin)
        spans[begin] = {range.begin, span.launch};
      if (span.end > range.end)
        at = spans.insert({range.end, span}).first;
    }
    spans[range.begin] = {range.end, launch};
  }

  /// The launch that wrote bytes of the range after `launch` had written it, if
  /// any did.
  ir::LaunchOp writtenOver(Range range, ir::LaunchOp launch) {
    for (auto at = firstAfter(range.begin);
         at != spans.end() && at->first < range.end; ++at)
      if (at->second.launch != launch)
        return at->second.launch;
    return {};
  }

private:
  struct Span {
    uint64_t end = 0;
    ir::LaunchOp launch;
  };

  /// The first span that ends after `begin`.
  std::map<uint64_t, Span>::iterator firstAfter(uint64_t begin) {
    auto at = spans.upper_bound(begin);
    if (at != spans.begin() && std::prev(at)->second.end > begin)
      --at;
    return at;
  }

  std::map<uint64_t, Span> spans; ///< By their first bytes.
};

std::string describe(ir::LaunchOp launch) {
  std::string scope = ir::scopeOf(launch.getLoc()).str();
  return fmt::format("the launch of '{}'{}", launch.getKernel().str(),
                     scope.empty() ? "" : " in '" + scope + "'");
}

class Follower {
public:
  Follower(mlir::func::FuncOp entry, const mlir::SymbolTable &symbols)
      : entry(entry), symbols(symbols) {}

  mlir::LogicalResult follow() {
    for (auto launch : entry.getBody().front().getOps<ir::LaunchOp>()) {
      for (Value input : launch.getInputs())
        if (mlir::failed(read(launch, input)))
          return mlir::failure();
      if (mlir::failed(keepApart(launch)))
        return mlir::failure();
      for (Value output : launch.getOutputs()) {
        writers[output] = launch;
        if (auto range = rangeOf(output))
          arena.write(*range, launch);
      }
    }
    for (mlir::BlockArgument argument : entry.getArguments())
      if (auto name = resultName(argument); name && !writers.contains(argument))
        return entry.emitError()
               << "entry '" << entry.getSymName() << "' has the result '"
               << name.getValue() << "', which no launch writes";
    return mlir::success();
  }

private:
  mlir::StringAttr resultName(Value value) {
    auto argument = llvm::dyn_cast<mlir::BlockArgument>(value);
    return argument ? entry.getArgAttrOfType<mlir::StringAttr>(
                          argument.getArgNumber(), ir::resultAttr)
                    : mlir::StringAttr();
  }

  mlir::InFlightDiagnostic error(ir::LaunchOp launch) {
    return launch.emitError()
           << "entry '" << entry.getSymName() << "': " << describe(launch);
  }

  mlir::LogicalResult read(ir::LaunchOp launch, Value input) {
    std::optional<Range> range = rangeOf(input);
    mlir::StringAttr result = resultName(input);
    if (!range && !result)
      return mlir::success(); // Arguments and variables have values.
    ir::LaunchOp writer = writers.lookup(input);
    if (!writer)
      return error(launch) << " reads "
                           << (range ? range->toString()
                                     : "the result '" + result.str() + "'")
                           << ", which no launch before it writes";
    if (!range)
      return mlir::success();
    if (ir::LaunchOp other = arena.writtenOver(*range, writer))
      return error(launch) << " reads what " << describe(writer) << " wrote at "
                           << range->toString() << ", and " << describe(other)
                           << " has written over it, at "
                           << overlapIn(other, *range)
                           << "; what is in use at once must not overlap";
    return mlir::success();
  }

  /// Where a launch writes over a range.
  static std::string overlapIn(ir::LaunchOp launch, Range over) {
    for (Value output : launch.getOutputs())
      if (auto range = rangeOf(output); range && range->overlaps(over))
        return range->toString();
    return over.toString();
  }

  /// Whether a launch writes over nothing that it reads or writes itself, but
  /// where its kernel may.
  mlir::LogicalResult keepApart(ir::LaunchOp launch) {
    auto kernel = symbols.lookup<ir::KernelOp>(launch.getKernel());
    for (auto [i, output] : llvm::enumerate(launch.getOutputs())) {
      std::optional<Range> range = rangeOf(output);
      if (!range)
        continue;
      for (Value other : launch.getOutputs().take_front(i))
        if (auto written = rangeOf(other); written && written->overlaps(*range))
          return error(launch)
                 << " writes " << written->toString() << " and "
                 << range->toString() << ", which must not overlap";
      for (auto [j, input] : llvm::enumerate(launch.getInputs()))
        if (auto read = rangeOf(input);
            read && read->overlaps(*range) &&
            (read->begin != range->begin || !mayShare(kernel, j, i)))
          return error(launch)
                 << " reads " << read->toString() << " and writes "
                 << range->toString()
                 << ", which must not overlap, as the kernel does not compute "
                    "that output in the place of that input";
    }
    return mlir::success();
  }

  static bool mayShare(ir::KernelOp kernel, size_t input, size_t output) {
    for (auto pairs : {kernel.getTied(), kernel.getInPlace()})
      for (size_t i = 0; pairs && i + 1 < pairs->size(); i += 2)
        if ((*pairs)[i] == int64_t(input) && (*pairs)[i + 1] == int64_t(output))
          return true;
    return false;
  }

  mlir::func::FuncOp entry;
  const mlir::SymbolTable &symbols;
  Arena arena;
  llvm::DenseMap<Value, ir::LaunchOp> writers; ///< The last one of each.
};

} // namespace

mlir::LogicalResult verifyMemory(mlir::func::FuncOp entry,
                                 const mlir::SymbolTable &symbols) {
  return Follower(entry, symbols).follow();
}

} // namespace gptc
