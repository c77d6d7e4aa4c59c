//===- Progress.h - How far something is -----------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_PROGRESS_H
#define GPTC_RUNTIME_BASE_PROGRESS_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace gptc {

/// Is told, if it is not empty, how much of all is done: bytes, or windows. On
/// the thread that called what goes on.
using Progress = std::function<void(uint64_t done, uint64_t all)>;

/// Has what is to be written, whose `produce` gives its bytes to a Sink, tell
/// how many of `all` bytes have been taken.
template <typename Pending>
void tellBytes(std::vector<Pending> &items, uint64_t all,
               const Progress &progress) {
  auto done = std::make_shared<uint64_t>(0);
  for (Pending &item : items)
    item.produce = [produce = std::move(item.produce), progress, done,
                    all](const typename Pending::Sink &sink) {
      return produce([&](std::span<const std::byte> piece) -> Status {
        GPTC_CHECK(sink(piece));
        *done += piece.size();
        progress(*done, all);
        return {};
      });
    };
}

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_PROGRESS_H
