//===- CheckSuite.h - What devices are checked with ------------*- C++ -*-===//
//
// The op table as an artifact, one entry point for each case, with what the
// reference interpreter says of it. Both files are made when gptc is built
// (gptc/optable/WriteDeviceCheck.cpp) and lie beside the command, so that a
// machine without the compiler checks its devices as well. For an entry ENTRY
// the safetensors file has
//   ENTRY:argument:INDEX  an argument; a scalar is its element alone
//   ENTRY:variable:NAME   bytes that a variable starts from, as it is stored
//   ENTRY:result:INDEX    what the reference results in; narrow floating point
//                         types as f32, not rounded
//   ENTRY:after:NAME      the same of a variable that is not packed
//   ENTRY:matters         which elements of result 0 must be right; all where
//                         there is none
//   ENTRY:tolerance       one f64: the error that an element may have, relative
//                         to its magnitude or to 1, whichever is more
//   ENTRY:brief           present where the brief check has the case, too
// and an entry without a tolerance is there to be timed. suite:digest is a
// SHA-256 of both files.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_CHECKSUITE_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_CHECKSUITE_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Safetensors.h"

namespace gptc::vulkan {

/// A case of the op table as an entry point of the suite.
struct CheckCase {
  std::string name; ///< "attention/causal", as the entry's.
  uint32_t entry = 0;
  double tolerance = 0;
  bool isBrief = false;
};

/// Immutable, safe to share between threads.
class CheckSuite {
public:
  /// Of products in `type` ("f32", "bf16", "f16"): FOLDER/TYPE.gptc and
  /// FOLDER/TYPE.safetensors.
  static Expected<CheckSuite> open(const std::string &folder,
                                   const std::string &type);

  const std::shared_ptr<const Artifact> &artifact() const { return artifact_; }
  const artifact::TargetT &target() const { return *target_; }
  const std::string &type() const { return type_; }
  /// 64 hexadecimal digits; another one is another suite.
  const std::string &digest() const { return digest_; }
  const std::vector<CheckCase> &cases() const { return cases_; }
  /// Entries that are timed: "time/prefill".
  const std::vector<std::string> &timed() const { return timed_; }
  /// "ENTRY:what"; null where there is none.
  const TensorView *find(const std::string &entry,
                         const std::string &what) const;

private:
  CheckSuite() = default;

  std::string type_, digest_;
  std::shared_ptr<const Artifact> artifact_;
  const artifact::TargetT *target_ = nullptr;
  std::shared_ptr<const SafetensorsFile> tensors_;
  std::vector<CheckCase> cases_;
  std::vector<std::string> timed_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_CHECKSUITE_H
