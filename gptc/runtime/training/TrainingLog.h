//===- TrainingLog.h - What each step of a training was --------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_TRAININGLOG_H
#define GPTC_RUNTIME_TRAINING_TRAININGLOG_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gptc {

/// A line of the log.
struct LoggedStep {
  uint64_t step = 0;
  double loss = 0;
  double gradientNorm = 0; ///< Before clipping.
  double learningRate = 0;
  double tokensPerSecond = 0;
  double gflopPerSecond = 0; ///< Useful operations.
  /// Of the operations per second that the machine's products may reach, the
  /// share that were useful; nothing where that is not measured.
  std::optional<double> shareOfPeak;
  std::optional<double> validationLoss;
  /// Of the same validation: "accuracy" for one.
  std::vector<std::pair<std::string, double>> metrics;
};

/// The log of a training in its folder: `log.jsonl` and, with the same
/// content, `log.csv`. Every step is in both files when write() returns. Not
/// thread safe.
class TrainingLog {
public:
  /// Goes on with the log of a folder after the lines of its first `steps`
  /// steps; later lines, of steps that were lost, are dropped, and so are
  /// lines that a killed run did not finish. Fails where the files cannot be
  /// written.
  static Expected<TrainingLog> open(const std::string &folder, uint64_t steps);

  Status write(const LoggedStep &step);
  const std::vector<LoggedStep> &steps() const { return steps_; }

private:
  struct Close {
    void operator()(std::FILE *file) const { (void)std::fclose(file); }
  };
  struct File {
    std::string path;
    std::unique_ptr<std::FILE, Close> stream;
  };
  static Expected<File> append(const std::string &path,
                               const std::string &kept);
  static Status put(const File &file, const std::string &text);

  std::vector<LoggedStep> steps_;
  File lines_, table_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_TRAININGLOG_H
