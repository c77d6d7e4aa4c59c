//===- CpuTarget.cpp ------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/CpuTarget.h"

#include "llvm/TargetParser/Host.h"

namespace gptc::cpu {

namespace {

CpuTarget v4(bool bf16) {
  CpuTarget target;
  target.name = target.cpu = "x86-64-v4";
  target.features = "-prefer-256-bit";
  target.required = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl",
                     "avx2",    "bmi2",     "fma",      "f16c"};
  target.vectorWidth = 16;
  target.tileRows = 6;
  target.tileVectors = 4;
  target.blockRows = 96;
  target.blockOfK = 512;
  target.bf16Dot = bf16;
  if (bf16) {
    target.features += ",+avx512bf16";
    target.required.push_back("avx512_bf16");
  }
  return target;
}

CpuTarget v3() {
  CpuTarget target;
  target.name = target.cpu = "x86-64-v3";
  target.required = {"avx2", "bmi2", "fma", "f16c"};
  target.vectorWidth = 8;
  target.tileRows = 6;
  target.tileVectors = 2;
  target.blockRows = 120;
  target.blockOfK = 256;
  return target;
}

/// LLVM's spelling of a feature of /proc/cpuinfo.
std::string toLlvm(const std::string &feature) {
  return feature == "avx512_bf16" ? "avx512bf16" : feature;
}

} // namespace

Expected<std::vector<CpuTarget>> cpuTargets(const std::string &name,
                                            bool bf16) {
  std::vector<CpuTarget> all{v4(bf16), v3()};
  if (name.empty())
    return all;
  if (name == "host") {
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    for (CpuTarget &target : all)
      if (llvm::all_of(target.required, [&](const std::string &feature) {
            return host.lookup(toLlvm(feature));
          }))
        return std::vector<CpuTarget>{target};
    return failure(ErrorCode::Unsupported,
                   "this machine has neither AVX-512 nor AVX2 with FMA, which "
                   "compiled kernels need");
  }
  for (CpuTarget &target : all)
    if (target.name == name)
      return std::vector<CpuTarget>{target};
  return failure(
      ErrorCode::InvalidArgument,
      "--cpu: '{}' is no target; choose host, x86-64-v3 or x86-64-v4", name);
}

} // namespace gptc::cpu
