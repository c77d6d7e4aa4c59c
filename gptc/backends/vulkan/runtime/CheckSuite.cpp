//===- CheckSuite.cpp -----------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/CheckSuite.h"

#include "gptc/runtime/base/Sha256.h"

#include <cstring>

namespace gptc::vulkan {

Expected<CheckSuite> CheckSuite::open(const std::string &folder,
                                      const std::string &type) {
  CheckSuite suite;
  suite.type_ = type;
  std::string stem = folder + "/" + type;
  GPTC_TRY(suite.artifact_, Artifact::open(stem + ".gptc"));
  suite.target_ = suite.artifact_->findTarget("vulkan");
  if (!suite.target_)
    return failure(ErrorCode::Corrupt, "'{}.gptc' holds nothing for Vulkan",
                   stem);
  GPTC_TRY(SafetensorsFile tensors,
           SafetensorsFile::open(stem + ".safetensors"));
  suite.tensors_ = std::make_shared<SafetensorsFile>(std::move(tensors));
  Sha256::Digest digest;
  const TensorView *stored = suite.find("suite", "digest");
  if (!stored || stored->bytes.size() != digest.size())
    return failure(ErrorCode::Corrupt, "'{}.safetensors' has no digest", stem);
  std::memcpy(digest.data(), stored->bytes.data(), digest.size());
  suite.digest_ = Sha256::hex(digest);
  const auto &entries = suite.artifact_->manifest().entries;
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const std::string &name = entries[i]->name;
    const TensorView *tolerance = suite.find(name, "tolerance");
    if (!tolerance) {
      suite.timed_.push_back(name);
      continue;
    }
    if (tolerance->type != DataType::F64 || tolerance->bytes.size() != 8)
      return failure(ErrorCode::Corrupt,
                     "the tolerance of '{}' in '{}.safetensors' is not one f64",
                     name, stem);
    suite.cases_.push_back(
        {name, i, readElement(tolerance->bytes.data(), DataType::F64, 0),
         suite.find(name, "brief") != nullptr});
  }
  return suite;
}

const TensorView *CheckSuite::find(const std::string &entry,
                                   const std::string &what) const {
  auto found = tensors_->tensors().find(entry + ":" + what);
  return found == tensors_->tensors().end() ? nullptr : &found->second;
}

} // namespace gptc::vulkan
