//===- ElementwiseCases.cpp - Arithmetic, activations, conversions --------===//

#include "gptc/optable/OpTable.h"

#include <cmath>

namespace gptc::optable {

namespace {

// Beside [7, 11], which every type has.
const std::vector<Shape> &shapes() {
  static const std::vector<Shape> all = {{1},   {5},        {97},
                                         {130}, {3, 5, 13}, {2, 1, 67}};
  return all;
}
const std::vector<double> &specials() {
  static const std::vector<double> all = {0.0, -0.0,  1.0, -1.0,      INFINITY,
                                          NAN, 90,    -90, -INFINITY, 1e-7,
                                          0.5, 1e-30, 30,  -30};
  return all;
}

std::string label(const std::string &name, DataType type, const Shape &shape,
                  const std::string &more = "") {
  return name + "/" + TensorType{type, shape}.toString() + more;
}

using Unary = double (*)(double);
using Binary = double (*)(double, double);

/// Every type in one shape, every shape in f32, and special values.
void addUnary(std::vector<OpCase> &table, const std::string &name,
              std::function<Tensor(const Tensor &)> op, Unary closedForm,
              double low, double high, double tolerance = 2e-6,
              bool special = true) {
  auto add = [&](DataType type, const Shape &shape, bool isSpecial) {
    OpInput x{"x", {type, shape}, low, high};
    if (isSpecial)
      x.values = specials();
    OpCase made{label(name, type, shape, isSpecial ? "/special" : ""), {x}, {}};
    made.build = [op](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{op(in[0])};
    };
    made.expected = [closedForm](const HostTensors &in) {
      std::vector<double> values;
      for (double value : in[0].values)
        values.push_back(closedForm(value));
      return Expectation{values};
    };
    made.tolerance = tolerance;
    made.differentiable = !isSpecial;
    table.push_back(std::move(made));
  };
  for (DataType type : floatTypes)
    add(type, {7, 11}, false);
  for (const Shape &shape : shapes())
    add(DataType::F32, shape, false);
  if (special)
    add(DataType::F32, {17}, true);
}

void addBinary(std::vector<OpCase> &table, const std::string &name,
               Tensor (*op)(const Tensor &, const Tensor &, Where),
               Binary closedForm, std::vector<DataType> types) {
  auto add = [&](DataType type, const Shape &shape, bool isSpecial) {
    // Few whole numbers, so that ties and comparisons of equals occur.
    bool whole = type == DataType::I32;
    OpInput x{"x", {type, shape}, whole ? -9.0 : -2, whole ? 9.0 : 2};
    OpInput y = x;
    y.name = "y";
    if (isSpecial) {
      x.values = specials();
      y.values = {1.0, 0.0, NAN, -1.0, -0.0, 0.5, INFINITY};
    }
    OpCase made{
        label(name, type, shape, isSpecial ? "/special" : ""), {x, y}, {}};
    made.build = [op](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{op(in[0], in[1], Where::current())};
    };
    made.expected = [closedForm](const HostTensors &in) {
      std::vector<double> values;
      for (size_t i = 0; i < in[0].values.size(); ++i)
        values.push_back(closedForm(in[0].values[i], in[1].values[i]));
      return Expectation{values};
    };
    made.differentiable = !isSpecial;
    table.push_back(std::move(made));
  };
  for (DataType type : types)
    add(type, {7, 11}, false);
  for (const Shape &shape : shapes())
    add(DataType::F32, shape, false);
  add(DataType::F32, {71}, true);

  // Broadcasts of either side; the closed form walks the result's shape.
  for (DataType type : {DataType::F32, DataType::I32}) {
    if (std::find(types.begin(), types.end(), type) == types.end())
      continue;
    OpCase made{label(name, type, {5, 3, 1}, "/with[7]"),
                {{"x", {type, {5, 3, 1}}, -9, 9}, {"y", {type, {7}}, 1, 9}},
                {}};
    made.build = [op](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{op(in[0], in[1], Where::current()),
                                 op(in[1], in[0], Where::current())};
    };
    made.expected = [closedForm](const HostTensors &in) {
      Expectation both(2);
      for (size_t i = 0; i < 15; ++i)
        for (size_t j = 0; j < 7; ++j) {
          both[0].push_back(closedForm(in[0].values[i], in[1].values[j]));
          both[1].push_back(closedForm(in[1].values[j], in[0].values[i]));
        }
      return both;
    };
    table.push_back(std::move(made));
  }
}

double geluErf(double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }
double geluTanh(double x) {
  // 0.5 (1 + tanh(u)) is 1 / (1 + exp(-2u)).
  double u = std::sqrt(2 / M_PI) * (x + 0.044715 * std::pow(x, 3));
  return x / (1 + std::exp(-2 * u));
}
double geluSigmoid(double x) { return x / (1 + std::exp(-1.702 * x)); }
double silu(double x) { return x / (1 + std::exp(-x)); }
double relu(double x) { return x > 0 || std::isnan(x) ? x : 0; }
double greater(double x, double y) {
  return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y);
}
double smaller(double x, double y) {
  return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y);
}

void addCasts(std::vector<OpCase> &table) {
  auto add = [&](DataType from, DataType to, const Shape &shape) {
    OpInput x{"x", {from, shape}, -5, 5};
    if (from == DataType::I32)
      x = {"x", {from, shape}, -2e9, 2e9};
    OpCase made{label("cast", from, shape, "/to_" + std::string(toString(to))),
                {x},
                {}};
    made.build = [to](Graph &, const std::vector<Tensor> &in) {
      return std::vector<Tensor>{cast(in[0], to)};
    };
    made.expected = [to](const HostTensors &in) {
      std::vector<double> values;
      for (double value : in[0].values)
        values.push_back(roundTo(to, value));
      return Expectation{values};
    };
    made.tolerance = 0;
    // Rounding is a staircase, and what is between its steps is rounded, too.
    made.differentiable = to == DataType::F64;
    table.push_back(std::move(made));
  };
  for (DataType from : {DataType::F32, DataType::BF16, DataType::F16,
                        DataType::F64, DataType::I32, DataType::Bool})
    for (DataType to : floatTypes)
      add(from, to, {7, 11});
  for (const Shape &shape : shapes()) {
    add(DataType::I32, DataType::F32, shape);
    add(DataType::Bool, DataType::F32, shape);
    add(DataType::Bool, DataType::I32, shape);
  }
  add(DataType::I32, DataType::I32, {7, 11});
  add(DataType::Bool, DataType::Bool, {7, 11});

  // Numbers below f16's normal ones, made large enough to be seen.
  constexpr double most = 6e-5, factor = 0x1p14;
  OpCase small{"cast/f16/subnormal",
               {{"x", {DataType::F16, {67}}, -most, most},
                {"y", {DataType::F32, {67}}, -most, most}},
               {}};
  small.build = [](Graph &, const std::vector<Tensor> &in) {
    Tensor rounded = cast(cast(in[1], DataType::F16), DataType::F32);
    return std::vector<Tensor>{scale(cast(in[0], DataType::F32), factor),
                               scale(rounded, factor)};
  };
  small.expected = [](const HostTensors &in) {
    Expectation both(2);
    for (size_t i = 0; i < in[0].values.size(); ++i) {
      both[0].push_back(in[0].values[i] * factor);
      both[1].push_back(roundTo(DataType::F16, in[1].values[i]) * factor);
    }
    return both;
  };
  small.tolerance = 0;
  small.differentiable = false;
  table.push_back(std::move(small));
}

void addComparisons(std::vector<OpCase> &table) {
  const std::vector<DataType> types = {DataType::F32, DataType::BF16,
                                       DataType::F16, DataType::F64,
                                       DataType::I32};
  addBinary(
      table, "less", less, [](double x, double y) { return double(x < y); },
      types);
  addBinary(
      table, "lessEqual", lessEqual,
      [](double x, double y) { return double(x <= y); }, types);
  addBinary(
      table, "equal", equal, [](double x, double y) { return double(x == y); },
      types);
  for (DataType type : types)
    for (const Shape &shape : {Shape{7, 11}, Shape{130}}) {
      OpCase made{label("choose", type, shape),
                  {{"condition", {DataType::Bool, shape}},
                   {"x", {type, shape}, -9, 9},
                   {"y", {type, shape}, -9, 9}},
                  {}};
      made.build = [](Graph &, const std::vector<Tensor> &in) {
        return std::vector<Tensor>{choose(in[0], in[1], in[2])};
      };
      made.expected = [](const HostTensors &in) {
        std::vector<double> values;
        for (size_t i = 0; i < in[0].values.size(); ++i)
          values.push_back(in[in[0].values[i] != 0 ? 1 : 2].values[i]);
        return Expectation{values};
      };
      table.push_back(std::move(made));
    }
}

void addConstants(std::vector<OpCase> &table) {
  for (DataType type : {DataType::F32, DataType::BF16, DataType::F16,
                        DataType::F64, DataType::I32})
    for (const Shape &shape : {Shape{1}, Shape{5, 13}, Shape{67}}) {
      OpCase made{
          label("full", type, shape), {{"x", {type, shape}, -9, 9}}, {}};
      made.build = [](Graph &, const std::vector<Tensor> &in) {
        return std::vector<Tensor>{full(in[0], 3),
                                   subtract(in[0], full(in[0], -2))};
      };
      made.expected = [](const HostTensors &in) {
        Expectation both(2);
        for (double value : in[0].values) {
          both[0].push_back(3);
          both[1].push_back(value + 2);
        }
        return both;
      };
      table.push_back(std::move(made));
    }
}

} // namespace

void addElementwiseCases(std::vector<OpCase> &table) {
  const std::vector<DataType> numbers = {DataType::F32, DataType::BF16,
                                         DataType::F16, DataType::F64,
                                         DataType::I32};
  const std::vector<DataType> floats(std::begin(floatTypes),
                                     std::end(floatTypes));
  addBinary(
      table, "add", add, [](double x, double y) { return x + y; }, numbers);
  addBinary(
      table, "subtract", subtract, [](double x, double y) { return x - y; },
      numbers);
  addBinary(
      table, "multiply", multiply, [](double x, double y) { return x * y; },
      numbers);
  addBinary(
      table, "divide", divide, [](double x, double y) { return x / y; },
      floats);
  addBinary(table, "maximum", maximum, greater, numbers);
  addBinary(table, "minimum", minimum, smaller, numbers);

  using T = const Tensor &;
  addUnary(
      table, "negate", [](T x) { return negate(x); },
      [](double x) { return -x; }, -2, 2, 0);
  addUnary(
      table, "absolute", [](T x) { return absolute(x); },
      [](double x) { return x < 0 ? -x : x; }, -2, 2, 0);
  addUnary(
      table, "exp", [](T x) { return exp(x); },
      [](double x) { return std::pow(M_E, x); }, -9, 9);
  addUnary(
      table, "log", [](T x) { return log(x); },
      [](double x) { return std::log2(x) * M_LN2; }, 0.01, 9);
  addUnary(
      table, "tanh", [](T x) { return tanh(x); },
      [](double x) { return 1 - 2 / (std::exp(2 * x) + 1); }, -9, 9);
  addUnary(
      table, "erf", [](T x) { return erf(x); },
      [](double x) { return 1 - std::erfc(x); }, -4, 4);
  addUnary(
      table, "sqrt", [](T x) { return sqrt(x); },
      [](double x) { return x < 0    ? NAN
                            : x == 0 ? x
                                     : std::pow(x, 0.5); }, 0,
      99);
  addUnary(
      table, "rsqrt", [](T x) { return rsqrt(x); },
      [](double x) { return x < 0    ? NAN
                            : x == 0 ? 1 / x
                                     : std::pow(x, -0.5); },
      0.01, 99);
  // The products with an infinity are 0 · inf in one form and not in another.
  addUnary(
      table, "gelu_erf", [](T x) { return gelu(x, GeluForm::Erf); }, geluErf,
      -6, 6, 2e-6, false);
  addUnary(
      table, "gelu_tanh", [](T x) { return gelu(x, GeluForm::Tanh); }, geluTanh,
      -6, 6, 2e-6, false);
  addUnary(
      table, "gelu_sigmoid", [](T x) { return gelu(x, GeluForm::Sigmoid); },
      geluSigmoid, -6, 6, 2e-6, false);
  addUnary(
      table, "silu", [](T x) { return gptc::silu(x); }, silu, -6, 6, 2e-6,
      false);
  addUnary(table, "relu", [](T x) { return gptc::relu(x); }, relu, -2, 2, 0);
  addUnary(
      table, "scale", [](T x) { return scale(x, 0.25); },
      [](double x) { return x / 4; }, -6, 6, 0);
  addCasts(table);
  addComparisons(table);
  addConstants(table);
}

} // namespace gptc::optable
