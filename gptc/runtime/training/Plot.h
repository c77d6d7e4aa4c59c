//===- Plot.h - Curves of a training ---------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_PLOT_H
#define GPTC_RUNTIME_TRAINING_PLOT_H

#include "gptc/runtime/training/TrainingLog.h"

#include <span>
#include <string>

namespace gptc {

/// An SVG image of loss and validation loss, gradient norm, learning rate and
/// tokens a second over the steps. A long training is drawn by the mean of
/// pieces, so that the image stays small.
std::string plotSvg(const std::string &title,
                    std::span<const LoggedStep> steps);

/// A page with the image that needs nothing else, and that tells the values of
/// the step under the pointer.
std::string plotPage(const std::string &title,
                     std::span<const LoggedStep> steps);

/// Writes both into a folder, as `training.svg` and `training.html`.
Status writePlots(const std::string &folder, const std::string &title,
                  std::span<const LoggedStep> steps);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_PLOT_H
