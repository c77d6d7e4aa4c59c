//===- RandomGraph.cpp ----------------------------------------------------===//

#include "RandomGraph.h"

#include <cmath>
#include <fmt/format.h>
#include <random>

namespace gptc::tests {

namespace {

/// Elements of a tensor, and multiply-adds of a product: what the interpreter
/// does in a moment.
constexpr int64_t mostElements = 5000;
constexpr int64_t mostProducts = 60000;

/// A tensor of f32 and what is known of it.
struct Value {
  Tensor tensor;
  double size = 1;    ///< About its root mean square.
  bool exact = false; ///< Not the result of rounding.
  bool used = false;
};

class Builder {
public:
  Builder(Graph &graph, uint64_t seed, bool smooth = false)
      : graph(graph), smooth(smooth), random(seed) {}

  void step();
  /// Gives results and variables their values.
  void finish();
  /// Gives the results of buildRandomGradient; returns what it is by.
  std::vector<size_t> finishWithGradients();

  std::vector<OpInput> inputs;

private:
  Graph &graph;
  bool smooth; ///< Whether every step must have a gradient.
  std::mt19937_64 random;
  std::vector<Tensor> inputTensors;
  std::vector<Value> pool;
  std::vector<std::string> caches; ///< f32 variables that may be assigned.
  std::vector<TensorType> cacheTypes;

  // Draws that are the same with every standard library.
  int64_t below(int64_t count) { return int64_t(random() % uint64_t(count)); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T> const T &oneOf(const std::vector<T> &list) {
    return list[size_t(below(int64_t(list.size())))];
  }
  int64_t extent() {
    static const std::vector<int64_t> extents = {
        1, 1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 24, 31, 33, 64, 67, 97, 130};
    return oneOf(extents);
  }
  Shape shapeOfRank(int64_t rank);

  Tensor input(const TensorType &type, Source source, double low, double high,
               std::vector<double> values = {});
  Tensor indices(const Shape &shape, double low, double high,
                 std::vector<double> values = {}) {
    return input({DataType::I32, shape}, Source::Argument, low, high,
                 std::move(values));
  }
  /// A parameter or argument of small numbers.
  Tensor weights(const Shape &shape) {
    return input({DataType::F32, shape},
                 chance(70) ? Source::Parameter : Source::Argument, -1, 1);
  }
  Value fresh(const Shape &shape);
  void add(const Tensor &tensor, double size, bool exact = false);

  /// A value of the pool, rather a recent one; a new argument if none fits.
  Value pick() {
    return pick([](const Shape &) { return true; },
                [&] { return shapeOfRank(1 + below(4)); });
  }
  template <typename Fits, typename Make> Value pick(Fits fits, Make make);
  Value pickOfRank(int64_t rank);

  void unary();
  void binary();
  void conditional();
  void reshaped();
  void transposed();
  void sliced();
  void broadcasted();
  void product();
  void reduction();
  void normalized();
  void gathered();
  void selected();
  void attended();
  void dropped();
  void appended();
  void likelihood();
  void counted();
  void variable();
};

Shape Builder::shapeOfRank(int64_t rank) {
  Shape shape;
  int64_t elements = 1;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t next = extent();
    while (next > 1 && elements * next > mostElements / (rank - i))
      next /= 2;
    elements *= next;
    shape.push_back(next);
  }
  return shape;
}

Tensor Builder::input(const TensorType &type, Source source, double low,
                      double high, std::vector<double> values) {
  std::string name = fmt::format("v{}", inputs.size());
  inputs.push_back({name, type, low, high, source, std::move(values)});
  auto declare = [&] {
    switch (source) {
    case Source::Argument:
      return graph.argument(name, type);
    case Source::Parameter:
      return graph.parameter(name, type, Initializer::zeros());
    case Source::Cache:
      return graph.cache(name, type);
    case Source::Counter:
      return graph.counter(name, type);
    }
    return Tensor();
  };
  inputTensors.push_back(declare());
  return inputTensors.back();
}

Value Builder::fresh(const Shape &shape) {
  TensorType type{DataType::F32, shape};
  Source source = chance(75) ? Source::Argument : Source::Cache;
  Tensor tensor = input(type, source, -2, 2);
  if (source == Source::Cache) {
    caches.push_back(inputs.back().name);
    cacheTypes.push_back(type);
  }
  pool.push_back({tensor, 1.2, true, true});
  return pool.back();
}

void Builder::add(const Tensor &tensor, double size, bool exact) {
  Tensor kept = tensor;
  if (size > 8 || size < 0.05) {
    kept = scale(tensor, 1 / size);
    size = 1;
    exact = false;
  }
  pool.push_back({kept, size, exact, false});
}

template <typename Fits, typename Make>
Value Builder::pick(Fits fits, Make make) {
  std::vector<size_t> candidates;
  for (size_t i = 0; i < pool.size(); ++i)
    if (fits(pool[i].tensor.shape()))
      candidates.push_back(i);
  if (candidates.empty() || chance(8))
    return fresh(make());
  size_t from = chance(60) && candidates.size() > 3 ? candidates.size() - 3 : 0;
  size_t chosen = from + size_t(below(int64_t(candidates.size() - from)));
  Value &value = pool[candidates[chosen]];
  value.used = true;
  return value;
}

Value Builder::pickOfRank(int64_t rank) {
  return pick([&](const Shape &shape) { return int64_t(shape.size()) == rank; },
              [&] { return shapeOfRank(rank); });
}

void Builder::unary() {
  Value x = pick();
  const Tensor &t = x.tensor;
  Tensor positive = absolute(t);
  switch (below(15)) {
  case 0:
    return add(negate(t), x.size, x.exact);
  case 1:
    return add(positive, x.size, x.exact);
  case 2:
    return add(tanh(t), std::min(x.size, 1.0));
  case 3:
    return add(erf(t), std::min(x.size, 1.0));
  case 4:
    return add(gelu(t, GeluForm::Erf), x.size);
  case 5:
    return add(gelu(t, GeluForm::Tanh), x.size);
  case 6:
    return add(gelu(t, GeluForm::Sigmoid), x.size);
  case 7:
    return add(silu(t), x.size);
  case 8:
    return add(relu(t), x.size, x.exact);
  case 9:
    return add(exp(minimum(t, full(t, 1.5))), 2);
  case 10:
    return add(log(positive + full(t, 0.5)), 1);
  case 11:
    return add(sqrt(positive + full(t, 0.25)), 1);
  case 12:
    return add(rsqrt(positive + full(t, 0.5)), 1);
  case 13:
    return add(scale(t, 0.5), x.size / 2, x.exact);
  default:
    // Numbers that are exact stay so in both directions.
    if (!x.exact || smooth)
      return add(t - full(t, 0.25), x.size);
    return add(cast(cast(t, DataType::BF16), DataType::F32), x.size, true);
  }
}

void Builder::binary() {
  Value a = pick();
  Shape shape = a.tensor.shape();
  // Of the same shape, or of a suffix, or with dimensions of one.
  Shape other = shape;
  if (chance(50)) {
    if (chance(50))
      other.erase(other.begin(), other.begin() + below(int64_t(other.size())));
    for (int64_t &n : other)
      if (chance(25))
        n = 1;
  }
  auto broadcasts = [&](const Shape &s) {
    if (s.size() > shape.size())
      return false;
    for (size_t i = 0; i < s.size(); ++i)
      if (s[s.size() - 1 - i] != 1 &&
          s[s.size() - 1 - i] != shape[shape.size() - 1 - i])
        return false;
    return true;
  };
  Value b = chance(25) ? Value{weights(other), 0.6, true}
                       : pick(broadcasts, [&] { return other; });
  Tensor x = a.tensor, y = b.tensor;
  if (chance(50))
    std::swap(x, y);
  double sum = std::sqrt(a.size * a.size + b.size * b.size);
  switch (below(7)) {
  case 0:
  case 1:
    return add(x + y, sum);
  case 2:
    return add(x - y, sum);
  case 3:
    return add(x * y, a.size * b.size);
  case 4:
    return add(maximum(x, y), sum, a.exact && b.exact);
  case 5:
    return add(minimum(x, y), sum, a.exact && b.exact);
  default:
    return add(x / (absolute(y) + full(y, 0.5)), 2);
  }
}

void Builder::conditional() {
  Value a = pick();
  Shape shape = a.tensor.shape();
  Value b =
      pick([&](const Shape &s) { return s == shape; }, [&] { return shape; });
  Tensor condition;
  if (a.exact && b.exact && chance(50)) {
    condition = less(a.tensor, b.tensor);
  } else {
    int64_t dimension = below(int64_t(shape.size()));
    Tensor place = iota(graph, shape, dimension);
    Tensor pivot = full(place, double(below(shape[size_t(dimension)])));
    condition = chance(50)   ? lessEqual(place, pivot)
                : chance(50) ? less(place, pivot)
                             : equal(place, pivot);
  }
  add(choose(condition, a.tensor, b.tensor), std::max(a.size, b.size),
      a.exact && b.exact);
}

void Builder::reshaped() {
  Value x = pick();
  int64_t left = x.tensor.type().elements();
  Shape shape;
  // Cut off a divisor at a time; what is left is the first or last extent.
  for (int64_t rank = below(4); rank > 0 && left > 1; --rank) {
    std::vector<int64_t> divisors;
    for (int64_t d = 1; d <= left; ++d)
      if (left % d == 0)
        divisors.push_back(d);
    shape.push_back(oneOf(divisors));
    left /= shape.back();
  }
  shape.insert(chance(50) ? shape.begin() : shape.end(), left);
  add(reshape(x.tensor, shape), x.size, x.exact);
}

void Builder::transposed() {
  Value x = pick([](const Shape &s) { return s.size() > 1; },
                 [&] { return shapeOfRank(2 + below(3)); });
  std::vector<int64_t> permutation;
  for (int64_t i = 0; i < int64_t(x.tensor.shape().size()); ++i)
    permutation.insert(permutation.begin() + below(i + 1), i);
  add(transpose(x.tensor, permutation), x.size, x.exact);
}

void Builder::sliced() {
  Value x = pick();
  Shape shape = x.tensor.shape();
  if (chance(30) && shape.back() % 3 == 0) {
    for (const Tensor &part : split(x.tensor, 3))
      add(part, x.size, x.exact);
    return;
  }
  std::vector<int64_t> offsets;
  for (int64_t &n : shape) {
    int64_t kept = chance(50) ? n : 1 + below(n);
    offsets.push_back(below(n - kept + 1));
    n = kept;
  }
  add(slice(x.tensor, offsets, shape), x.size, x.exact);
}

void Builder::broadcasted() {
  Value x = pick();
  Shape shape = x.tensor.shape();
  for (int64_t &n : shape)
    if (n == 1 && chance(70))
      n = 1 + below(7);
  if (shape.size() < 4 && chance(60))
    shape.insert(shape.begin(), 1 + below(5));
  if ((TensorType{DataType::F32, shape}.elements() > mostElements))
    return add(negate(x.tensor), x.size, x.exact);
  add(broadcast(x.tensor, shape), x.size, x.exact);
}

void Builder::product() {
  Value a = pick([](const Shape &s) { return s.size() > 1; },
                 [&] { return shapeOfRank(2 + below(2)); });
  Shape shape = a.tensor.shape();
  bool transposeA = chance(20), transposeB = chance(40);
  int64_t k = shape[shape.size() - (transposeA ? 2 : 1)];
  int64_t rows = a.tensor.type().elements() / k;
  auto columnsOf = [&](const Shape &s) {
    return s[s.size() - (transposeB ? 2 : 1)];
  };
  Shape leading(shape.begin(), shape.end() - 2);
  auto fits = [&](const Shape &s) {
    return s.size() >= 2 && s[s.size() - (transposeB ? 1 : 2)] == k &&
           (s.size() == 2 || Shape(s.begin(), s.end() - 2) == leading) &&
           rows * k * columnsOf(s) <= mostProducts &&
           rows * columnsOf(s) <= mostElements;
  };
  auto make = [&] {
    int64_t n = extent();
    while (n > 1 && (rows * k * n > mostProducts || rows * n > mostElements))
      n /= 2;
    Shape s = chance(80) ? Shape{} : leading;
    s.insert(s.end(), {transposeB ? n : k, transposeB ? k : n});
    return s;
  };
  Value b;
  if (chance(60))
    b = {weights(make()), 0.6, true};
  else
    b = pick(fits, make);
  if (b.tensor.type().elements() > 2 * mostElements)
    return add(exp(negate(absolute(a.tensor))), 0.5);
  Tensor c = matmul(a.tensor, b.tensor, transposeA, transposeB);
  double size = std::sqrt(double(k)) * a.size * b.size;
  if (chance(50)) {
    c = c + weights({c.shape().back()});
    size += 1;
  }
  if (chance(30) && size < 8)
    c = gelu(c, GeluForm::Tanh);
  add(c, size);
}

void Builder::reduction() {
  Value x = pick();
  int64_t dimension = below(int64_t(x.tensor.shape().size()));
  double n = double(x.tensor.dim(dimension));
  if (x.tensor.shape().size() == 1) // Keeps a dimension.
    x.tensor = reshape(x.tensor, {1, x.tensor.dim(0)}), dimension = 1;
  switch (below(3)) {
  case 0:
    return add(reduceSum(x.tensor, dimension), x.size * std::sqrt(n));
  case 1:
    return add(reduceMax(x.tensor, dimension), x.size * 2, x.exact);
  default:
    return add(reduceMean(x.tensor, dimension),
               std::max(0.1, x.size / std::sqrt(n)));
  }
}

void Builder::normalized() {
  Value x = pick();
  if (chance(40))
    return add(softmax(x.tensor),
               std::max(0.1, 1 / double(x.tensor.shape().back())));
  Shape last = {x.tensor.shape().back()};
  // The epsilon keeps errors of nearly equal rows small.
  add(layerNorm(x.tensor, weights(last), weights(last), 0.1), 0.8);
}

void Builder::gathered() {
  Value table = pickOfRank(2);
  Shape shape = {1 + below(7)};
  if (chance(50))
    shape.push_back(1 + below(5));
  double rows = double(table.tensor.dim(0));
  add(gather(table.tensor, indices(shape, -1, rows)), table.size, table.exact);
}

void Builder::selected() {
  Value x = pickOfRank(3);
  add(selectRow(x.tensor,
                indices({x.tensor.dim(0)}, 0, double(x.tensor.dim(1)) - 1)),
      x.size, x.exact);
}

void Builder::attended() {
  auto fits = [](const Shape &s) {
    return s.size() == 4 && s[0] * s[1] * s[2] * s[2] * s[3] <= mostProducts;
  };
  auto make = [&] {
    return Shape{1 + below(3), 1 + below(3), 1 + below(19), 1 + below(17)};
  };
  Value query = pick(fits, make);
  Shape shape = query.tensor.shape();
  AttentionOptions options;
  options.scale = 1 / std::sqrt(double(shape[3])) / std::max(1.0, query.size);
  bool overCache = chance(40);
  if (overCache) {
    // Every row is valid, so that every row matters.
    int64_t t = shape[2], room = below(20);
    shape[2] += room;
    std::vector<double> positions, lengths;
    for (int64_t b = 0; b < shape[0]; ++b) {
      positions.push_back(double(below(room + 1)));
      lengths.push_back(double(t));
    }
    options.positions = indices({shape[0]}, 0, 0, positions);
    options.lengths = indices({shape[0]}, 0, 0, lengths);
  } else {
    options.causal = chance(60);
  }
  if (options.causal && chance(30))
    options.window = 1 + below(9);
  if (chance(30)) {
    options.dropout = 0.3;
    options.seed = double(below(1000));
  }
  auto same = [&](const Shape &s) { return s == shape; };
  Value key = pick(same, [&] { return shape; });
  Value value = pick(same, [&] { return shape; });
  add(attention(query.tensor, key.tensor, value.tensor, options), value.size);
}

void Builder::dropped() {
  Value x = pick();
  double rate = double(below(9)) / 10;
  add(dropout(x.tensor, rate, double(below(1000))),
      x.size / std::sqrt(1 - rate));
}

void Builder::appended() {
  if (smooth)
    return unary();
  Value rows = pick([](const Shape &s) { return s.size() == 4 && s[2] <= 20; },
                    [&] {
                      return Shape{1 + below(3), 1 + below(3), 1 + below(9),
                                   1 + below(17)};
                    });
  Shape shape = rows.tensor.shape();
  int64_t t = shape[2];
  shape[2] += below(20);
  Value cache =
      pick([&](const Shape &s) { return s == shape; }, [&] { return shape; });
  Tensor positions = indices({shape[0]}, 0, double(shape[2] - 1));
  Tensor lengths = indices({shape[0]}, 0, double(t));
  Tensor grown = cacheAppend(cache.tensor, rows.tensor, positions, lengths);
  add(grown, std::max(cache.size, rows.size), cache.exact && rows.exact);
}

void Builder::likelihood() {
  Value x = pick([](const Shape &s) { return s.size() > 1; },
                 [&] { return shapeOfRank(2 + below(2)); });
  Shape shape = x.tensor.shape();
  double classes = double(shape.back());
  shape.pop_back();
  add(logLikelihood(x.tensor, indices(shape, -1, classes)),
      1 + std::log(classes));
}

void Builder::counted() {
  Shape shape = shapeOfRank(1 + below(3));
  Tensor count = iota(graph, shape, below(int64_t(shape.size())));
  if (chance(50))
    count = count * indices({shape.back()}, -3, 3);
  add(scale(cast(count, DataType::F32), 1.0 / 64), 0.5);
}

/// Assigns a variable in the middle of things, so that what is read before is
/// another value than what is read after.
void Builder::variable() {
  if (chance(20)) {
    Tensor step = input({DataType::I32, {1 + below(3)}}, Source::Counter, 0, 9);
    graph.assign(inputs.back().name, step + full(step, 1));
    return add(scale(cast(step, DataType::F32), 0.125), 0.5);
  }
  if (caches.empty()) {
    fresh(shapeOfRank(1 + below(3)));
    return unary();
  }
  size_t which = size_t(below(int64_t(caches.size())));
  const TensorType type = cacheTypes[which];
  Value next = pick([&](const Shape &s) { return s == type.shape; },
                    [&] { return type.shape; });
  graph.assign(caches[which], next.tensor);
  pool.push_back(
      {graph.cache(caches[which], type), next.size, next.exact, true});
}

void Builder::step() {
  Scope scope(graph, fmt::format("step{}", inputs.size() + pool.size()));
  using Step = void (Builder::*)();
  // The more often it stands here, the more often it is taken.
  static const std::vector<Step> steps = {
      &Builder::unary,       &Builder::unary,       &Builder::unary,
      &Builder::unary,       &Builder::binary,      &Builder::binary,
      &Builder::binary,      &Builder::binary,      &Builder::binary,
      &Builder::conditional, &Builder::reshaped,    &Builder::reshaped,
      &Builder::transposed,  &Builder::transposed,  &Builder::sliced,
      &Builder::sliced,      &Builder::broadcasted, &Builder::product,
      &Builder::product,     &Builder::product,     &Builder::product,
      &Builder::reduction,   &Builder::reduction,   &Builder::normalized,
      &Builder::normalized,  &Builder::gathered,    &Builder::selected,
      &Builder::attended,    &Builder::attended,    &Builder::appended,
      &Builder::likelihood,  &Builder::counted,     &Builder::variable,
      &Builder::variable,    &Builder::dropped};
  (this->*oneOf(steps))();
}

void Builder::finish() {
  // Everything that nothing used, and some of the rest.
  size_t results = 0;
  for (const Value &value : pool)
    if (!value.used || chance(10))
      graph.result(fmt::format("r{}", results++), value.tensor);
  if (results == 0)
    graph.result("r0", pool.back().tensor);
  for (size_t i = 0; i < caches.size(); ++i) {
    if (chance(50))
      continue;
    Value next = pick([&](const Shape &s) { return s == cacheTypes[i].shape; },
                      [&] { return cacheTypes[i].shape; });
    Tensor value = next.tensor;
    // As optimizers do: a new value from the old one, element by element.
    if (chance(60))
      value = scale(graph.cache(caches[i], cacheTypes[i]), 0.5) + value;
    graph.assign(caches[i], value);
  }
}

std::vector<size_t> Builder::finishWithGradients() {
  Tensor loss;
  for (const Value &value : pool) {
    if (value.used)
      continue;
    Tensor sum = value.tensor * value.tensor;
    double count = double(sum.type().elements());
    while (!sum.shape().empty())
      sum = reduceSum(sum, -1);
    sum = scale(sum, 1 / std::sqrt(count));
    loss = loss.valid() ? loss + sum : sum;
  }
  std::vector<size_t> differentiated;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].type.element == DataType::F32) {
      differentiated.push_back(i);
      tensors.push_back(inputTensors[i]);
    }
  graph.result("loss", loss);
  std::vector<Tensor> gradients = gradient(loss, tensors);
  for (size_t i = 0; i < gradients.size(); ++i)
    graph.result(fmt::format("g{}", i), gradients[i]);
  return differentiated;
}

} // namespace

std::vector<OpInput> buildRandomGraph(Graph &graph, uint64_t seed,
                                      size_t steps) {
  graph.beginEntry("main");
  Builder builder(graph, seed);
  for (size_t i = 0; i < steps; ++i)
    builder.step();
  builder.finish();
  graph.endEntry();
  return builder.inputs;
}

std::vector<OpInput> buildRandomGradient(Graph &graph, uint64_t seed,
                                         size_t steps,
                                         std::vector<size_t> &differentiated) {
  graph.beginEntry("main");
  Builder builder(graph, seed, /*smooth=*/true);
  for (size_t i = 0; i < steps; ++i)
    builder.step();
  differentiated = builder.finishWithGradients();
  graph.endEntry();
  return builder.inputs;
}

size_t stepsFor(uint64_t seed) {
  return 3 + size_t((seed * 0x9E3779B97F4A7C15u) >> 32) % 20;
}

} // namespace gptc::tests
