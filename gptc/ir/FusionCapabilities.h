//===- FusionCapabilities.h - What a backend can fuse ----------*- C++ -*-===//

#ifndef GPTC_IR_FUSIONCAPABILITIES_H
#define GPTC_IR_FUSIONCAPABILITIES_H

#include <cstdint>
#include <limits>

namespace gptc::ir {

/// What a backend can fuse, as data: FormKernels knows no backend by name.
struct FusionCapabilities {
  /// Products of at most this many rows take a prologue.
  int64_t prologueRows = 4;
  /// Attention of at most this many queries takes the appends to the caches
  /// that it reads: where one kernel tile owns a head, so that it sees what it
  /// has appended.
  int64_t appendQueries = std::numeric_limits<int64_t>::max();
  /// Row programs have at most this many buffers, inputs and outputs together;
  /// 0: any number.
  int64_t mostBuffers = 0;
  /// Logits come with this many of the largest, where they are many: where
  /// reading all of them costs the host more than choosing costs the backend;
  /// 0: never.
  int64_t candidates = 0;
};

} // namespace gptc::ir

#endif // GPTC_IR_FUSIONCAPABILITIES_H
