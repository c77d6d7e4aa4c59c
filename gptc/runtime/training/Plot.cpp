//===- Plot.cpp -----------------------------------------------------------===//

#include "gptc/runtime/training/Plot.h"

#include "gptc/runtime/base/File.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

using Json = nlohmann::ordered_json;

struct Point {
  double x = 0, y = 0;
};

using Curve = std::vector<Point>;

/// Two columns of two panels.
constexpr double panelWidth = 460, panelHeight = 260;
constexpr double left = 62, right = 14, top = 34, bottom = 34;
constexpr size_t mostPoints = 400;

/// At most `mostPoints` points, each the mean of a piece of the curve.
Curve thinned(const Curve &curve) {
  if (curve.size() <= mostPoints)
    return curve;
  Curve thin;
  for (size_t i = 0; i < mostPoints; ++i) {
    size_t from = curve.size() * i / mostPoints;
    size_t to = curve.size() * (i + 1) / mostPoints;
    Point mean;
    for (size_t j = from; j < to; ++j) {
      mean.x += curve[j].x / double(to - from);
      mean.y += curve[j].y / double(to - from);
    }
    thin.push_back(mean);
  }
  return thin;
}

/// The largest of 1, 2 and 5 times a power of ten that gives at least
/// `count` parts of `span`.
double roundStep(double span, int count) {
  double raw = span / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {5.0, 2.0})
    if (raw >= factor * power)
      return factor * power;
  return power;
}

std::string escaped(const std::string &text) {
  std::string result;
  for (char c : text)
    switch (c) {
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '&':
      result += "&amp;";
      break;
    default:
      result += c;
    }
  return result;
}

struct Range {
  double low = 0, high = 1;
};

Range rangeOf(const std::vector<Curve> &curves) {
  Range range{HUGE_VAL, -HUGE_VAL};
  for (const Curve &curve : curves)
    for (const Point &point : curve) {
      range.low = std::min(range.low, point.y);
      range.high = std::max(range.high, point.y);
    }
  if (range.low > range.high)
    return {};
  // A curve that is flat but for rounding lies in the middle.
  double most = std::max(std::abs(range.low), std::abs(range.high));
  if (range.high - range.low <= 1e-9 * most)
    return {range.low - most / 2 - 1e-12, range.high + most / 2 + 1e-12};
  return range;
}

/// One panel at (x, y): axes, grid and curves.
std::string panel(double x, double y, const std::string &name,
                  const std::vector<Curve> &all, Range steps) {
  static constexpr const char *colors[] = {"#2457a6", "#c2410c"};
  std::vector<Curve> curves;
  curves.reserve(all.size());
  for (const Curve &curve : all)
    curves.push_back(thinned(curve));
  Range values = rangeOf(curves);
  double width = panelWidth - left - right;
  double height = panelHeight - top - bottom;
  auto toX = [&](double step) {
    return x + left + (step - steps.low) / (steps.high - steps.low) * width;
  };
  auto toY = [&](double value) {
    return y + top + height -
           (value - values.low) / (values.high - values.low) * height;
  };
  std::string svg =
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"name\">{}</text>\n",
                  x + left, y + top - 12, escaped(name));
  double step = roundStep(values.high - values.low, 4);
  double first = std::ceil(values.low / step);
  for (int i = 0; (first + i) * step <= values.high; ++i) {
    double v = (first + i) * step;
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>"
                       "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"v\">{:.4g}"
                       "</text>\n",
                       x + left, toY(v), width, x + left - 6, toY(v) + 4,
                       std::abs(v) < step * 1e-9 ? 0 : v);
  }
  step = std::max(1.0, roundStep(steps.high - steps.low, 4));
  first = std::ceil(steps.low / step);
  for (int i = 0; (first + i) * step <= steps.high; ++i) {
    double s = (first + i) * step;
    svg += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"s\">{:.0f}</text>\n", toX(s),
        y + panelHeight - bottom + 18, s);
  }
  for (size_t i = 0; i < curves.size(); ++i) {
    std::string points;
    for (const Point &point : curves[i])
      points += fmt::format("{:.1f},{:.1f} ", toX(point.x), toY(point.y));
    if (!points.empty())
      svg += fmt::format("<polyline stroke=\"{}\" points=\"{}\"/>\n",
                         colors[i % 2], points);
  }
  return svg;
}

} // namespace

std::string plotSvg(const std::string &title,
                    std::span<const LoggedStep> steps) {
  Curve loss, validation, norm, rate, speed;
  for (const LoggedStep &step : steps) {
    auto x = double(step.step);
    loss.push_back({x, step.loss});
    if (step.validationLoss)
      validation.push_back({x, *step.validationLoss});
    norm.push_back({x, step.gradientNorm});
    rate.push_back({x, step.learningRate});
    speed.push_back({x, step.tokensPerSecond});
  }
  Range range;
  if (!steps.empty())
    range = {double(steps.front().step), double(steps.back().step)};
  if (range.low == range.high)
    range.high = range.low + 1;
  constexpr double head = 30;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} "
      "{:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<style>polyline{{fill:none;stroke-width:1.5}}"
      ".grid{{stroke:#ddd}}.v{{text-anchor:end;fill:#555}}"
      ".s{{text-anchor:middle;fill:#555}}.name{{font-weight:bold}}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"{:.0f}\" y=\"22\" font-size=\"15\">{}</text>\n",
      2 * panelWidth, 2 * panelHeight + head, left, escaped(title));
  svg += panel(0, head, "loss (blue), validation (orange)", {loss, validation},
               range);
  svg += panel(panelWidth, head, "gradient norm", {norm}, range);
  svg += panel(0, head + panelHeight, "learning rate", {rate}, range);
  svg += panel(panelWidth, head + panelHeight, "tokens/s", {speed}, range);
  return svg + "</svg>\n";
}

std::string plotPage(const std::string &title,
                     std::span<const LoggedStep> steps) {
  // As many steps as the pointer can tell apart.
  Json rows = Json::array();
  size_t every = std::max<size_t>(1, steps.size() / 2000);
  for (size_t i = 0; i < steps.size(); i += every) {
    const LoggedStep &step = steps[i];
    Json row = {step.step, step.loss, step.gradientNorm, step.learningRate,
                step.tokensPerSecond};
    row.push_back(step.validationLoss ? Json(*step.validationLoss) : Json());
    rows.push_back(std::move(row));
  }
  return fmt::format(
      R"(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{0}</title>
<style>body{{font-family:sans-serif;max-width:60em;margin:1em auto}}#at{{min-height:1.5em}}</style>
<p id="at">Point at the curves.</p>
{1}<script>
const rows = {2}, left = {3}, right = {4}, half = {5};
const svg = document.querySelector("svg"), at = document.getElementById("at");
svg.addEventListener("pointermove", event => {{
  const x = event.offsetX / svg.clientWidth * 2 * half % half;
  const part = Math.min(1, Math.max(0, (x - left) / (half - left - right)));
  if (!rows.length) return;
  const first = rows[0][0], last = rows[rows.length - 1][0], wanted = first + part * (last - first);
  const row = rows.reduce((a, b) => Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a);
  at.textContent = `step ${{row[0]}}: loss ${{row[1].toFixed(4)}}, gradient norm ${{row[2].toFixed(3)}}, learning rate ` +
    `${{row[3].toExponential(2)}}, ${{row[4].toFixed(0)}} tokens/s` + (row[5] === null ? "" : `, validation ${{row[5].toFixed(4)}}`);
}});
</script>
</html>
)",
      escaped(title), plotSvg(title, steps), rows.dump(), left, right,
      panelWidth);
}

Status writePlots(const std::string &folder, const std::string &title,
                  std::span<const LoggedStep> steps) {
  auto write = [&](const char *name, const std::string &text) -> Status {
    GPTC_TRY(AtomicFile file, AtomicFile::create(folder + "/" + name));
    GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
    return file.commit();
  };
  GPTC_CHECK(write("training.svg", plotSvg(title, steps)));
  return write("training.html", plotPage(title, steps));
}

} // namespace gptc
