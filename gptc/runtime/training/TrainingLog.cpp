//===- TrainingLog.cpp ----------------------------------------------------===//

#include "gptc/runtime/training/TrainingLog.h"

#include "gptc/runtime/base/File.h"

#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char *header = "step,loss,gradient_norm,learning_rate,"
                               "tokens_per_s,gflop_s,share_of_peak,"
                               "validation_loss,metrics\n";

std::string toJson(const LoggedStep &step) {
  Json line = {{"step", step.step},
               {"loss", step.loss},
               {"gradient_norm", step.gradientNorm},
               {"learning_rate", step.learningRate},
               {"tokens_per_s", step.tokensPerSecond},
               {"gflop_s", step.gflopPerSecond}};
  if (step.shareOfPeak)
    line["share_of_peak"] = *step.shareOfPeak;
  if (step.validationLoss)
    line["validation_loss"] = *step.validationLoss;
  for (const auto &[name, value] : step.metrics)
    line["metrics"][name] = value;
  return line.dump() + "\n";
}

std::string toCsv(const LoggedStep &step) {
  auto orNothing = [](const std::optional<double> &number) {
    return number ? fmt::format("{}", *number) : std::string();
  };
  std::string metrics;
  for (const auto &[name, value] : step.metrics)
    metrics += fmt::format("{}{}={}", metrics.empty() ? "" : " ", name, value);
  return fmt::format("{},{},{},{},{},{},{},{},{}\n", step.step, step.loss,
                     step.gradientNorm, step.learningRate, step.tokensPerSecond,
                     step.gflopPerSecond, orNothing(step.shareOfPeak),
                     orNothing(step.validationLoss), metrics);
}

/// A line of the log; nothing for one that is none.
std::optional<LoggedStep> parseLine(std::string_view text) {
  Json line = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!line.is_object() || !line.contains("step") ||
      !line["step"].is_number_unsigned())
    return std::nullopt;
  auto number = [&](const char *key) {
    auto found = line.find(key);
    return found != line.end() && found->is_number() ? found->get<double>() : 0;
  };
  LoggedStep step{line["step"].get<uint64_t>(),
                  number("loss"),
                  number("gradient_norm"),
                  number("learning_rate"),
                  number("tokens_per_s"),
                  number("gflop_s"),
                  std::nullopt,
                  std::nullopt,
                  {}};
  if (line.contains("share_of_peak"))
    step.shareOfPeak = number("share_of_peak");
  if (line.contains("validation_loss"))
    step.validationLoss = number("validation_loss");
  if (auto metrics = line.find("metrics");
      metrics != line.end() && metrics->is_object())
    for (const auto &[name, value] : metrics->items())
      if (value.is_number())
        step.metrics.emplace_back(name, value.get<double>());
  return step;
}

} // namespace

Expected<TrainingLog::File> TrainingLog::append(const std::string &path,
                                                const std::string &kept) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(kept))));
  GPTC_CHECK(file.commit());
  File opened{path, {}};
  opened.stream.reset(std::fopen(path.c_str(), "a"));
  if (!opened.stream)
    return tl::unexpected(systemError(errno, "write", path));
  return opened;
}

Status TrainingLog::put(const File &file, const std::string &text) {
  if (std::fwrite(text.data(), 1, text.size(), file.stream.get()) !=
          text.size() ||
      std::fflush(file.stream.get()) != 0)
    return tl::unexpected(systemError(errno, "write", file.path));
  return {};
}

Expected<TrainingLog> TrainingLog::open(const std::string &folder,
                                        uint64_t steps) {
  TrainingLog log;
  std::string path = folder + "/log.jsonl", lines, table = header;
  std::error_code code;
  if (steps > 0 && std::filesystem::exists(path, code)) {
    GPTC_TRY(std::string text, readTextFile(path));
    for (size_t at = 0, end; at < text.size(); at = end + 1) {
      end = std::min(text.find('\n', at), text.size());
      auto step = parseLine(std::string_view(text).substr(at, end - at));
      if (!step || step->step > steps)
        continue;
      lines += toJson(*step);
      table += toCsv(*step);
      log.steps_.push_back(*step);
    }
  }
  GPTC_TRY(log.lines_, append(path, lines));
  GPTC_TRY(log.table_, append(folder + "/log.csv", table));
  return log;
}

Status TrainingLog::write(const LoggedStep &step) {
  GPTC_CHECK(put(lines_, toJson(step)));
  GPTC_CHECK(put(table_, toCsv(step)));
  steps_.push_back(step);
  return {};
}

} // namespace gptc
