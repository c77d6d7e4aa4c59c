//===- Service.cpp --------------------------------------------------------===//

#include "gptc/compiler/Service.h"

#include "gptc/compiler/Driver.h"

namespace {

class Service : public gptc::CompilerService {
public:
  std::vector<gptc::ModelSummary> models() override {
    return gptc::listModels();
  }
  gptc::Expected<gptc::CompileSummary>
  compile(const gptc::CompileRequest &request) override {
    return gptc::compileModel(request);
  }
  gptc::Expected<gptc::PlanSummary>
  plan(const gptc::CompileRequest &request) override {
    return gptc::planModel(request);
  }
};

} // namespace

gptc::CompilerService *gptc_compiler_service() {
  static Service service;
  return &service;
}
