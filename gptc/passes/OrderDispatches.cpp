//===- OrderDispatches.cpp ------------------------------------------------===//

#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_ORDERDISPATCHES
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Operation;
using mlir::Value;

/// A value that will lie in the arena.
struct Stored {
  uint64_t bytes = 0;
  size_t users = 0; ///< Dispatches that read it.
};

struct Node {
  ir::DispatchOp dispatch;
  llvm::SmallVector<size_t> before; ///< Nodes that it waits for.
  llvm::SmallVector<size_t> after;
  llvm::SmallVector<size_t> reads; ///< Stored values, each once.
  llvm::SmallVector<size_t> makes;
  /// Pairs of a stored value that is read and one that may take its place.
  llvm::SmallVector<std::pair<size_t, size_t>> inPlace;
};

/// The dispatches of an entry and what orders them.
class DispatchGraph {
public:
  DispatchGraph(mlir::Block &block, const mlir::SymbolTable &symbols) {
    for (auto dispatch : block.getOps<ir::DispatchOp>()) {
      numbers[dispatch] = nodes.size();
      nodes.push_back({dispatch, {}, {}, {}, {}, {}});
    }
    for (Node &node : nodes)
      addValues(node, symbols.lookup<ir::KernelOp>(node.dispatch.getKernel()));
    for (size_t i = 0; i < nodes.size(); ++i)
      connect(i, symbols.lookup<ir::KernelOp>(nodes[i].dispatch.getKernel()),
              block);
    for (size_t i = 0; i < nodes.size(); ++i) {
      llvm::sort(nodes[i].before);
      nodes[i].before.erase(llvm::unique(nodes[i].before),
                            nodes[i].before.end());
      for (size_t other : nodes[i].before)
        nodes[other].after.push_back(i);
    }
  }

  size_t size() const { return nodes.size(); }
  ir::DispatchOp dispatch(size_t node) const { return nodes[node].dispatch; }

  using Order = llvm::SmallVector<size_t>;

  /// Takes of the nodes that are ready the one of the smallest cost, or the
  /// first in the program. `cost` gets the node, when its inputs were made,
  /// and how often each stored value will still be read.
  template <typename Cost> Order orderBy(Cost cost) const {
    llvm::SmallVector<size_t> waits, ready, made(nodes.size(), 0);
    llvm::SmallVector<size_t> left;
    for (const Stored &value : stored)
      left.push_back(value.users);
    for (const Node &node : nodes) {
      waits.push_back(node.before.size());
      if (node.before.empty())
        ready.push_back(waits.size() - 1);
    }
    Order order;
    while (!ready.empty()) {
      auto best = llvm::min_element(ready, [&](size_t a, size_t b) {
        return std::pair(cost(nodes[a], made, left), a) <
               std::pair(cost(nodes[b], made, left), b);
      });
      size_t next = *best;
      ready.erase(best);
      order.push_back(next);
      made[next] = order.size();
      for (size_t value : nodes[next].reads)
        --left[value];
      for (size_t other : nodes[next].after)
        if (--waits[other] == 0)
          ready.push_back(other);
    }
    return order;
  }

  /// As the program has them.
  Order programOrder() const {
    return orderBy([](const Node &, const auto &, const auto &) { return 0; });
  }
  /// What takes next to no memory, which a chain may wait for, then what uses
  /// the newest values: chains are followed to their ends. Of chains that are
  /// alike the one that the program has first, or last: gradients of several
  /// are summed from the last one on.
  Order newestFirst(bool lastChain) const {
    uint64_t largest = 0;
    for (const Stored &value : stored)
      largest = std::max(largest, value.bytes);
    return orderBy([&](const Node &node, const auto &made, const auto &left) {
      size_t newest = 0;
      for (size_t other : node.before)
        newest = std::max(newest, made[other]);
      bool grows = changeBy(node, left) > int64_t(largest / 64);
      int64_t place = &node - nodes.data();
      return std::tuple(grows, -int64_t(newest), lastChain ? -place : place);
    });
  }
  /// What adds least to the memory in use first.
  Order smallestFirst() const {
    return orderBy([&](const Node &node, const auto &, const auto &left) {
      return changeBy(node, left);
    });
  }

  /// The most bytes in use at once.
  uint64_t peakOf(const Order &order) const {
    llvm::SmallVector<size_t> left;
    for (const Stored &value : stored)
      left.push_back(value.users);
    uint64_t used = 0, peak = 0;
    for (size_t number : order) {
      const Node &node = nodes[number];
      llvm::SmallDenseSet<size_t> replaced, placed;
      for (auto [input, output] : node.inPlace)
        if (left[input] == 1 && !replaced.contains(input) &&
            !placed.contains(output)) {
          replaced.insert(input);
          placed.insert(output);
        }
      for (size_t value : replaced)
        used -= stored[value].bytes;
      for (size_t value : node.makes)
        used += stored[value].bytes;
      peak = std::max(peak, used);
      for (size_t value : node.reads)
        if (--left[value] == 0 && !replaced.contains(value))
          used -= stored[value].bytes;
      for (size_t value : node.makes)
        if (stored[value].users == 0)
          used -= stored[value].bytes;
    }
    return peak;
  }

private:
  /// Bytes that are in use after a node beyond those before it.
  int64_t changeBy(const Node &node, llvm::ArrayRef<size_t> left) const {
    int64_t change = 0;
    for (size_t value : node.makes)
      change += int64_t(stored[value].bytes);
    for (size_t value : node.reads)
      if (left[value] == 1)
        change -= int64_t(stored[value].bytes);
    return change;
  }

  /// Whether a value lies in a result or a variable.
  static bool liesElsewhere(Value value) {
    return llvm::any_of(value.getUsers(), [](Operation *user) {
      return !llvm::isa<ir::DispatchOp>(user);
    });
  }

  void addValues(Node &node, ir::KernelOp kernel) {
    auto tied = kernel.getTied().value_or(llvm::ArrayRef<int64_t>());
    for (auto [i, output] : llvm::enumerate(node.dispatch.getOutputs())) {
      bool isTied = false;
      for (size_t pair = 0; pair < tied.size(); pair += 2)
        isTied |= tied[pair + 1] == int64_t(i);
      if (isTied || liesElsewhere(output))
        continue;
      llvm::SmallPtrSet<Operation *, 4> users(output.user_begin(),
                                              output.user_end());
      values[output] = stored.size();
      node.makes.push_back(stored.size());
      stored.push_back({ir::bytesOf(output.getType()), users.size()});
    }
  }

  void connect(size_t number, ir::KernelOp kernel, mlir::Block &block) {
    Node &node = nodes[number];
    for (Value input : node.dispatch.getInputs()) {
      if (auto found = numbers.find(input.getDefiningOp());
          found != numbers.end())
        node.before.push_back(found->second);
      if (auto found = values.find(input);
          found != values.end() &&
          !llvm::is_contained(node.reads, found->second))
        node.reads.push_back(found->second);
    }
    // Who writes over a value comes after its other readers.
    auto tied = kernel.getTied().value_or(llvm::ArrayRef<int64_t>());
    for (size_t pair = 0; pair < tied.size(); pair += 2)
      waitForReaders(number, node.dispatch.getInputs()[tied[pair]]);
    for (Value output : node.dispatch.getOutputs())
      for (Operation *user : output.getUsers())
        if (auto assign = llvm::dyn_cast<ir::AssignOp>(user))
          for (auto read : block.getOps<ir::ReadOp>())
            if (read.getVariable() == assign.getVariable())
              waitForReaders(number, read.getResult());
    auto pairs = kernel.getInPlace().value_or(llvm::ArrayRef<int64_t>());
    for (size_t pair = 0; pair < pairs.size(); pair += 2) {
      auto input = values.find(node.dispatch.getInputs()[pairs[pair]]);
      auto output = values.find(node.dispatch.getOutputs()[pairs[pair + 1]]);
      if (input != values.end() && output != values.end())
        node.inPlace.push_back({input->second, output->second});
    }
  }

  void waitForReaders(size_t number, Value value) {
    for (Operation *user : value.getUsers())
      if (auto found = numbers.find(user);
          found != numbers.end() && found->second != number)
        nodes[number].before.push_back(found->second);
  }

  std::vector<Node> nodes;
  llvm::SmallVector<Stored> stored;
  llvm::DenseMap<Operation *, size_t> numbers;
  llvm::DenseMap<Value, size_t> values;
};

struct OrderDispatches : impl::OrderDispatchesBase<OrderDispatches> {
  void runOnOperation() override {
    mlir::SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<mlir::func::FuncOp>())
      if (!function.isExternal())
        order(function.getBody().front(), symbols);
  }

private:
  static void order(mlir::Block &block, const mlir::SymbolTable &symbols) {
    DispatchGraph graph(block, symbols);
    DispatchGraph::Order best = graph.programOrder();
    if (best.size() != graph.size())
      return; // A circle, which the next pass tells of.
    // The program's own order is the best for caches: others must spare much.
    uint64_t least = graph.peakOf(best);
    least -= least / 50;
    for (DispatchGraph::Order &other :
         std::array{graph.newestFirst(false), graph.newestFirst(true),
                    graph.smallestFirst()}) {
      uint64_t peak = graph.peakOf(other);
      if (peak < least) {
        least = peak;
        best = std::move(other);
      }
    }
    Operation *last = nullptr;
    for (size_t node : best) {
      Operation *dispatch = graph.dispatch(node);
      if (last)
        dispatch->moveAfter(last);
      last = dispatch;
    }
    // What is assigned or constant keeps its place around them.
    for (auto assign : llvm::to_vector(block.getOps<ir::AssignOp>()))
      assign->moveBefore(block.getTerminator());
  }
};

} // namespace
} // namespace gptc::passes
