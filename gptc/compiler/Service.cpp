//===- Service.cpp --------------------------------------------------------===//

#include "gptc/compiler/Service.h"

#include "gptc/compiler/Driver.h"
#include "gptc/compiler/ModelSource.h"
#include "gptc/compiler/ReferenceRunner.h"

namespace {

class Service : public gptc::CompilerService {
public:
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
    return gptc::compileModel(request);
  }
  gptc::Expected<gptc::PlanSummary>
  plan(const gptc::CompileRequest &request) override {
    return gptc::planModel(request);
  }
  gptc::Expected<std::unique_ptr<gptc::ReferenceModel>>
  openReference(const gptc::Artifact &artifact,
                const std::string &checkpoint) override {
    return gptc::openReference(artifact, checkpoint);
  }
};

} // namespace

gptc::CompilerService *gptc_compiler_service() {
  static Service service;
  return &service;
}
