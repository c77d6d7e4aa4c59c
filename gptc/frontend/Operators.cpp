//===- Operators.cpp - Products, norms, attention, indexing ---------------===//

#include "gptc/frontend/Operators.h"

#include "gptc/frontend/GraphState.h"

#include <array>

namespace gptc {

namespace {

Tensor reduce(const char *name, ir::ReduceKind kind, const Tensor &x,
              int64_t dimension, Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state || !state->floating(name, x, where))
    return {};
  Shape shape = x.shape();
  int64_t rank = int64_t(shape.size());
  if (dimension < -rank || dimension >= rank) {
    x.graph()->report(fmt::format("{}: {} has no dimension {}", name,
                                  x.type().toString(), dimension),
                      where);
    return {};
  }
  if (dimension < 0)
    dimension += rank;
  mlir::Value value = GraphState::unwrap(x);
  shape.erase(shape.begin() + dimension);
  return state->wrap(
      ir::ReduceOp::create(state->builder, state->location(),
                           state->lower({x.type().element, shape}), kind, value,
                           llvm::ArrayRef<int64_t>{dimension}));
}

} // namespace

Tensor matmulAs(const char *name, const Tensor &a, const Tensor &b,
                bool transposeA, bool transposeB, Where where) {
  GraphState *state = GraphState::of({a, b}, where);
  if (!state || !state->floating(name, a, where))
    return {};
  TensorType x = a.type(), y = b.type();
  auto complain = [&](const std::string &why) {
    a.graph()->report(fmt::format("{}: {}{} and {}{} do not fit: {}", name,
                                  x.toString(), transposeA ? " transposed" : "",
                                  y.toString(), transposeB ? " transposed" : "",
                                  why),
                      where);
    return Tensor();
  };
  if (x.shape.size() < 2 || y.shape.size() < 2)
    return complain("both need at least two dimensions");
  if (x.element != y.element)
    return complain("their element types differ; cast one of them");
  Shape leading(x.shape.begin(), x.shape.end() - 2);
  if (y.shape.size() != 2 &&
      Shape(y.shape.begin(), y.shape.end() - 2) != leading)
    return complain("the right one needs two dimensions or the leading "
                    "dimensions of the left one");
  auto last = [](const Shape &shape, int i) {
    return shape[shape.size() - size_t(i)];
  };
  int64_t m = last(x.shape, transposeA ? 1 : 2);
  int64_t k = last(x.shape, transposeA ? 2 : 1);
  int64_t n = last(y.shape, transposeB ? 2 : 1);
  int64_t found = last(y.shape, transposeB ? 1 : 2);
  if (k != found)
    return complain(fmt::format("the left one has {} columns, so the right "
                                "one needs {} rows and has {}",
                                k, k, found));
  leading.push_back(m);
  leading.push_back(n);
  if (!state->representable(fmt::format("{}: {} and {} cannot make", name,
                                        x.toString(), y.toString()),
                            {x.element, leading}, where))
    return {};
  Tensor product = state->wrap(ir::MatmulOp::create(
      state->builder, state->location(), state->lower({x.element, leading}),
      GraphState::unwrap(a), GraphState::unwrap(b), transposeA, transposeB));
  if (transposeA || transposeB || y.shape.size() != 2)
    return product;
  Tensor adaptation = state->adaptation(a, b, n, where);
  return adaptation.valid() ? addAs(name, product, adaptation, where) : product;
}

Tensor matmul(const Tensor &a, const Tensor &b, bool transposeA,
              bool transposeB, Where where) {
  return matmulAs("matmul", a, b, transposeA, transposeB, where);
}

Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias,
              Where where) {
  Tensor product = matmulAs("linear", x, weight, false, false, where);
  return bias.valid() ? addAs("linear", product, bias, where) : product;
}

Tensor reduceSum(const Tensor &x, int64_t dimension, Where where) {
  return reduce("reduceSum", ir::ReduceKind::Sum, x, dimension, where);
}

Tensor reduceMax(const Tensor &x, int64_t dimension, Where where) {
  return reduce("reduceMax", ir::ReduceKind::Max, x, dimension, where);
}

Tensor reduceMean(const Tensor &x, int64_t dimension, Where where) {
  Tensor sum = reduce("reduceMean", ir::ReduceKind::Sum, x, dimension, where);
  if (!sum.valid())
    return {};
  double count = double(x.type().elements()) / double(sum.type().elements());
  return scale(sum, 1.0 / count, where);
}

Tensor softmax(const Tensor &x, Where where) {
  GraphState *state = GraphState::of({x}, where);
  if (!state || !state->floating("softmax", x, where))
    return {};
  if (x.shape().empty()) {
    x.graph()->report("softmax: needs a dimension to work along", where);
    return {};
  }
  return state->wrap(ir::SoftmaxOp::create(state->builder, state->location(),
                                           GraphState::unwrap(x)));
}

Tensor layerNorm(const Tensor &x, const Tensor &gain, const Tensor &bias,
                 Scalar epsilon, Where where) {
  GraphState *state = GraphState::of({x, gain, bias}, where);
  if (!state || !state->floating("layerNorm", x, where))
    return {};
  Shape shape = x.shape();
  const std::array<Tensor, 2> vectors{gain, bias};
  for (const Tensor &vector : vectors)
    if (shape.empty() || vector.shape() != Shape{shape.back()} ||
        vector.type().element != x.type().element) {
      x.graph()->report(
          fmt::format(
              "layerNorm: {} needs {} {}, found {}", x.type().toString(),
              &vector == &vectors.front() ? "a gain" : "a bias",
              shape.empty()
                  ? "of its last dimension, which it lacks"
                  : TensorType{x.type().element, {shape.back()}}.toString(),
              vector.type().toString()),
          where);
      return {};
    }
  if (epsilon.isNumber() && !(float(GraphState::numberOf(epsilon)) > 0)) {
    x.graph()->report(fmt::format("layerNorm: the epsilon is {}, expected more "
                                  "than 0",
                                  GraphState::numberOf(epsilon)),
                      where);
    return {};
  }
  mlir::Value scalar = state->lowerFloat("layerNorm", epsilon, where);
  if (!scalar)
    return {};
  return state->wrap(ir::LayerNormOp::create(
      state->builder, state->location(), GraphState::unwrap(x),
      GraphState::unwrap(gain), GraphState::unwrap(bias), scalar));
}

Tensor attention(const Tensor &query, const Tensor &key, const Tensor &value,
                 const AttentionOptions &options, Where where) {
  GraphState *state = GraphState::of({query, key, value}, where);
  if (!state || !state->floating("attention", query, where))
    return {};
  Shape q = query.shape(), k = key.shape();
  auto complain = [&](const std::string &why) {
    query.graph()->report(
        fmt::format("attention: query {}, key {} and value {} do not fit: {}",
                    query.type().toString(), key.type().toString(),
                    value.type().toString(), why),
        where);
    return Tensor();
  };
  if (q.size() != 4 || k.size() != 4 || key.type() != value.type())
    return complain("expected [B, H, T, D] and two of [B, H, S, D]");
  if (q[0] != k[0] || q[1] != k[1] || q[3] != k[3] ||
      query.type().element != key.type().element)
    return complain(fmt::format(
        "for this query the key and value need to be {}",
        TensorType{query.type().element, {q[0], q[1], k[2], q[3]}}.toString()));
  if (TensorType{DataType::F32, {q[0], q[1], q[2], k[2]}}.elements() >
      mostScores)
    return complain(fmt::format("they have more than {} scores", mostScores));
  if (options.positions.valid() != options.lengths.valid())
    return complain("positions and lengths come together");
  mlir::Value positions, lengths;
  if (options.positions.valid()) {
    TensorType expected{DataType::I32, {q[0]}};
    if (options.positions.type() != expected ||
        options.lengths.type() != expected)
      return complain(
          fmt::format("positions and lengths must be {}, found {} and {}",
                      expected.toString(), options.positions.type().toString(),
                      options.lengths.type().toString()));
    positions = GraphState::unwrap(options.positions);
    lengths = GraphState::unwrap(options.lengths);
  } else if (options.causal && q[2] != k[2]) {
    return complain(fmt::format("causal attention without positions needs as "
                                "many keys as queries, found {} and {}",
                                k[2], q[2]));
  }
  if (options.window && (*options.window <= 0 || !options.causal))
    return complain("a window is positive and goes with causal attention");
  mlir::IntegerAttr window;
  if (options.window)
    window = state->builder.getI64IntegerAttr(*options.window);
  mlir::Value scale = state->lowerFloat("attention", options.scale, where);
  if (!scale)
    return {};
  GraphState::Drop drop;
  if (options.dropout != 0) {
    drop = state->drop("attention", options.dropout, options.seed, where);
    if (!drop.rate)
      return {};
  }
  Tensor mixed = state->wrap(
      ir::AttentionOp::create(
          state->builder, state->location(),
          GraphState::unwrap(query).getType(),
          /*log_sum_exp=*/mlir::Type(), GraphState::unwrap(query),
          GraphState::unwrap(key), GraphState::unwrap(value), scale, positions,
          lengths, drop.rate, drop.seed, drop.site,
          options.causal ? state->builder.getUnitAttr() : mlir::UnitAttr(),
          window)
          .getResult());
  // The probabilities that are left stand for those that are not.
  return drop.rate ? gptc::scale(mixed, 1 / (1 - options.dropout), where)
                   : mixed;
}

Tensor cacheAppend(const Tensor &cache, const Tensor &rows,
                   const Tensor &positions, const Tensor &lengths,
                   Where where) {
  GraphState *state = GraphState::of({cache, rows, positions, lengths}, where);
  if (!state || !state->floating("cacheAppend", cache, where))
    return {};
  Shape c = cache.shape(), r = rows.shape();
  TensorType index{DataType::I32, {c.empty() ? 0 : c[0]}};
  if (c.size() != 4 || r.size() != 4 || c[0] != r[0] || c[1] != r[1] ||
      c[3] != r[3] || cache.type().element != rows.type().element ||
      positions.type() != index || lengths.type() != index) {
    cache.graph()->report(
        fmt::format("cacheAppend: the cache {} takes {}, found {}, {} and {}",
                    cache.type().toString(),
                    c.size() != 4
                        ? "nothing, it needs to be [B, H, S, D]"
                        : fmt::format("rows {}[{}, {}, T, {}] and positions "
                                      "and lengths {}",
                                      toString(cache.type().element), c[0],
                                      c[1], c[3], index.toString()),
                    rows.type().toString(), positions.type().toString(),
                    lengths.type().toString()),
        where);
    return {};
  }
  return state->wrap(ir::CacheAppendOp::create(
      state->builder, state->location(), GraphState::unwrap(cache),
      GraphState::unwrap(rows), GraphState::unwrap(positions),
      GraphState::unwrap(lengths)));
}

Tensor gather(const Tensor &table, const Tensor &indices, Where where) {
  GraphState *state = GraphState::of({table, indices}, where);
  if (!state || !state->floating("gather", table, where))
    return {};
  if (table.shape().size() != 2 || indices.type().element != DataType::I32) {
    table.graph()->report(fmt::format("gather: needs a table [V, C] and i32 "
                                      "indices, found {} and {}",
                                      table.type().toString(),
                                      indices.type().toString()),
                          where);
    return {};
  }
  Shape shape = indices.shape();
  shape.push_back(table.dim(1));
  if (!state->representable(fmt::format("gather: {} and {} cannot make",
                                        table.type().toString(),
                                        indices.type().toString()),
                            {table.type().element, shape}, where))
    return {};
  return state->wrap(ir::GatherOp::create(
      state->builder, state->location(),
      state->lower({table.type().element, shape}), GraphState::unwrap(table),
      GraphState::unwrap(indices)));
}

Tensor selectRow(const Tensor &x, const Tensor &indices, Where where) {
  GraphState *state = GraphState::of({x, indices}, where);
  if (!state || !state->floating("selectRow", x, where))
    return {};
  Shape shape = x.shape();
  if (shape.size() != 3 ||
      indices.type() != TensorType{DataType::I32, {shape[0]}}) {
    x.graph()->report(
        fmt::format("selectRow: needs [B, T, C] and {}, found {} and {}",
                    shape.size() != 3
                        ? "i32[B]"
                        : TensorType{DataType::I32, {shape[0]}}.toString(),
                    x.type().toString(), indices.type().toString()),
        where);
    return {};
  }
  return state->wrap(ir::SelectRowOp::create(
      state->builder, state->location(),
      state->lower({x.type().element, {shape[0], shape[2]}}),
      GraphState::unwrap(x), GraphState::unwrap(indices)));
}

TopK topK(const Tensor &x, int64_t k, const TopKOptions &options, Where where) {
  std::vector<Tensor> operands{x};
  if (options.carried.valid())
    operands.push_back(options.carried);
  GraphState *state = GraphState::of(operands, where);
  if (!state || !state->floating("topK", x, where))
    return {};
  Shape shape = x.shape();
  auto complain = [&](const std::string &what) {
    x.graph()->report("topK: " + what, where);
    return TopK();
  };
  if (shape.empty() || k < 1 || k > ir::TopKOp::mostK || options.pieces < 1 ||
      options.pieces > shape.back())
    return complain(fmt::format(
        "needs a row, a k of 1 to {} and no more pieces than elements of a "
        "row, found {}, k {} and {} pieces",
        ir::TopKOp::mostK, x.type().toString(), k, options.pieces));
  TensorType index{DataType::I32, shape};
  if (options.carried.valid() && options.carried.type() != index)
    return complain(fmt::format("{} takes carried indices {}, found {}",
                                x.type().toString(), index.toString(),
                                options.carried.type().toString()));
  shape.back() = options.pieces * k;
  TensorType values{x.type().element, shape};
  if (!state->representable(fmt::format("topK: k {} of {} pieces of {} cannot "
                                        "make",
                                        k, options.pieces, x.type().toString()),
                            values, where))
    return {};
  mlir::OpBuilder &builder = state->builder;
  auto op = ir::TopKOp::create(
      builder, state->location(), state->lower(values),
      state->lower({DataType::I32, shape}), GraphState::unwrap(x),
      options.carried.valid() ? GraphState::unwrap(options.carried)
                              : mlir::Value(),
      builder.getI64IntegerAttr(options.pieces), builder.getI64IntegerAttr(k),
      options.finite ? builder.getUnitAttr() : mlir::UnitAttr());
  return {state->wrap(op.getValues()), state->wrap(op.getIndices())};
}

Tensor logLikelihood(const Tensor &logits, const Tensor &targets, Where where) {
  return logLikelihoodAs("logLikelihood", logits, targets, where);
}

Tensor logLikelihoodAs(const char *name, const Tensor &logits,
                       const Tensor &targets, Where where) {
  GraphState *state = GraphState::of({logits, targets}, where);
  if (!state || !state->floating(name, logits, where))
    return {};
  Shape shape = logits.shape();
  if (!shape.empty())
    shape.pop_back();
  if (logits.shape().empty() ||
      targets.type() != TensorType{DataType::I32, shape}) {
    logits.graph()->report(
        fmt::format("{}: logits {} need targets {}, found {}", name,
                    logits.type().toString(),
                    TensorType{DataType::I32, shape}.toString(),
                    targets.type().toString()),
        where);
    return {};
  }
  return state->wrap(ir::LogLikelihoodOp::create(
      state->builder, state->location(),
      state->lower({logits.type().element, shape}), GraphState::unwrap(logits),
      GraphState::unwrap(targets)));
}

} // namespace gptc
