//===- Service.cpp --------------------------------------------------------===//

#include "gptc/compiler/Service.h"

#include "gptc/compiler/Driver.h"
#include "gptc/compiler/ModelSource.h"
#include "gptc/compiler/ReferenceRunner.h"

#include "llvm/Support/ErrorHandling.h"

#include <new>

namespace {

/// While it lives, memory that runs out ends the process as `end` does it:
/// LLVM is built without exceptions, which nothing in it survives.
class OutOfMemoryScope {
public:
  explicit OutOfMemoryScope(void (*end)())
      : before(end ? std::set_new_handler(end) : nullptr), set(end) {}
  OutOfMemoryScope(const OutOfMemoryScope &) = delete;
  OutOfMemoryScope &operator=(const OutOfMemoryScope &) = delete;
  ~OutOfMemoryScope() {
    if (set)
      std::set_new_handler(before);
  }

private:
  std::new_handler before;
  bool set;
};

class Service : public gptc::CompilerService {
public:
  void onOutOfMemory(void (*end)()) override {
    end_ = end;
    llvm::remove_bad_alloc_error_handler();
    llvm::install_bad_alloc_error_handler(
        [](void *, const char *, bool) { end_(); });
  }
  std::vector<gptc::ModelSummary> models() override {
    return gptc::listModels();
  }
  gptc::Expected<gptc::ModelSizes>
  sizesOf(const gptc::CompileRequest &request) override {
    GPTC_TRY(gptc::ModelSource source,
             gptc::resolveModel(request.model, request.checkpoint,
                                /*withoutWeights=*/true));
    const gptc::ModelInfo &info = source.definition.info;
    return gptc::ModelSizes{info.context, info.vocabulary};
  }
  gptc::Expected<gptc::CompileSummary>
  compile(const gptc::CompileRequest &request) override {
    OutOfMemoryScope scope(end_);
    return gptc::compileModel(request);
  }
  gptc::Expected<gptc::PlanSummary>
  plan(const gptc::CompileRequest &request) override {
    OutOfMemoryScope scope(end_);
    return gptc::planModel(request);
  }
  gptc::Expected<std::unique_ptr<gptc::ReferenceModel>>
  openReference(const gptc::Artifact &artifact,
                const std::string &checkpoint) override {
    OutOfMemoryScope scope(end_);
    return gptc::openReference(artifact, checkpoint);
  }

private:
  static inline void (*end_)() = nullptr;
};

} // namespace

gptc::CompilerService *gptc_compiler_service() {
  static Service service;
  return &service;
}
