//===- Phases.cpp ---------------------------------------------------------===//

#include "gptc/compiler/Phases.h"

#include "gptc/compiler/PhaseGate.h"
#include "gptc/runtime/base/File.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"

#include <filesystem>

namespace gptc {

namespace {

constexpr std::array<llvm::StringLiteral, 6> names{
    "model", "gradient", "fused", "kernels", "program", "artifact"};

/// Dumps the module after each pass that changed it.
class DumpChanges : public mlir::PassInstrumentation {
public:
  DumpChanges(mlir::ModuleOp module, Dump &dump, const std::string &label)
      : module(module), dump(dump), label(label), before(printModule(module)) {}

  void runAfterPass(mlir::Pass *pass, mlir::Operation *) override {
    // Passes inside of other passes have no name of their own.
    if (pass->getArgument().empty())
      return;
    std::string after = printModule(module);
    if (after == before)
      return;
    dump.numbered(label + pass->getArgument().str() + ".mlir", after);
    before = std::move(after);
  }

private:
  mlir::ModuleOp module;
  Dump &dump;
  std::string label;
  std::string before;
};

/// Tells of each pass before it runs.
class TellPasses : public mlir::PassInstrumentation {
public:
  TellPasses(const TextProgress &progress, std::string phase)
      : progress(progress), phase(std::move(phase)) {}

  void runBeforePass(mlir::Pass *pass, mlir::Operation *) override {
    if (!pass->getArgument().empty())
      progress(fmt::format("phase {}: {}", phase, pass->getArgument().str()));
  }

private:
  const TextProgress &progress;
  std::string phase;
};

void buildPhase(mlir::OpPassManager &manager, Phase to, const std::string &type,
                const passes::FusionCapabilities &capabilities) {
  switch (to) {
  case Phase::Fused:
    return passes::buildFusePipeline(manager, type, capabilities);
  case Phase::Kernels:
    return passes::buildKernelsPipeline(manager);
  case Phase::Program:
    return passes::buildProgramPipeline(manager);
  case Phase::Gradient:
    return passes::buildGradientPipeline(manager);
  case Phase::Model:
  case Phase::Artifact:
    return;
  }
}

} // namespace

llvm::StringRef toString(Phase phase) { return names[size_t(phase)]; }

Expected<Phase> parsePhase(const std::string &name) {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return Phase(i);
  return failure(ErrorCode::InvalidArgument,
                 "'{}' is no phase; the phases are model, gradient, fused, "
                 "kernels, program and artifact",
                 name);
}

Expected<Phase> phaseOf(mlir::ModuleOp module) {
  auto phase = module->getAttrOfType<mlir::StringAttr>(ir::phaseAttr);
  if (!phase)
    return failure(ErrorCode::InvalidArgument,
                   "the module has no attribute {} that says in which phase "
                   "it is",
                   ir::phaseAttr.str());
  return parsePhase(phase.str());
}

namespace {

/// Whether a dump writes something of that name into its folder.
bool isOfDump(const std::string &name) {
  bool numbered = name.size() > 4 && name[3] == '-' &&
                  llvm::all_of(name.substr(0, 3), llvm::isDigit) &&
                  llvm::StringRef(name).ends_with(".mlir");
  return numbered || name == "kernels" ||
         llvm::StringRef(name).ends_with("remarks.txt");
}

/// Takes an earlier dump out of its folder, so that two do not mix.
Status clearDump(const std::string &folder) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<fs::path> found;
  for (const fs::directory_entry &entry :
       fs::directory_iterator(folder, code)) {
    found.push_back(entry.path());
    if (!isOfDump(entry.path().filename()))
      return failure(ErrorCode::InvalidArgument,
                     "--dump-dir: '{}' holds '{}', which is of no dump; give "
                     "an empty folder or a new one",
                     folder, entry.path().filename().string());
  }
  for (const fs::path &path : found)
    if (!code)
      fs::remove_all(path, code);
  if (code)
    return failure(ErrorCode::Io, "cannot clear the folder '{}': {}", folder,
                   code.message());
  return {};
}

} // namespace

Expected<std::unique_ptr<Dump>> Dump::create(const std::string &folder) {
  auto dump = std::make_unique<Dump>();
  if (folder.empty())
    return dump;
  namespace fs = std::filesystem;
  std::error_code code;
  for (fs::path path = fs::absolute(folder, code).lexically_normal();
       !code && !fs::exists(path, code) && !code; path = path.parent_path())
    if (path.has_filename())
      dump->made_.push_back(path.string());
  fs::create_directories(folder, code);
  if (code)
    dump->remove();
  if (code)
    return failure(ErrorCode::Io, "cannot create the folder '{}': {}", folder,
                   code.message());
  GPTC_CHECK(clearDump(folder));
  dump->folder_ = folder;
  return dump;
}

void Dump::remove() {
  std::error_code ignored;
  if (!folder_.empty())
    static_cast<void>(clearDump(folder_));
  // Those that are not empty stay.
  for (const std::string &path : made_)
    std::filesystem::remove(path, ignored);
}

void Dump::numbered(const std::string &name, const std::string &text) {
  if (active())
    file(fmt::format("{:03}-{}", next_++, name), text);
}

void Dump::file(const std::string &path, const std::string &text) {
  if (!active() || !status_)
    return;
  std::string whole = folder_ + "/" + path;
  std::error_code code;
  std::filesystem::create_directories(
      std::filesystem::path(whole).parent_path(), code);
  status_ = [&]() -> Status {
    GPTC_TRY(AtomicFile out, AtomicFile::create(whole));
    GPTC_CHECK(out.write(std::as_bytes(std::span(text))));
    return out.commit();
  }();
  if (!status_)
    remove(); // Half a dump would be taken for a whole one.
}

std::string printModule(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module->print(out, mlir::OpPrintingFlags().enableDebugInfo(true));
  out << "\n";
  return text;
}

Status advance(mlir::ModuleOp module, Phase to, const std::string &type,
               Dump &dump, const passes::FusionCapabilities &capabilities,
               const std::string &label, const TextProgress &progress) {
  GPTC_TRY(Phase phase, phaseOf(module));
  std::string prefix = label.empty() ? "" : label + "-";
  mlir::MLIRContext *context = module.getContext();
  std::string errors, remarks;
  mlir::ScopedDiagnosticHandler handler(
      context, [&](mlir::Diagnostic &diagnostic) {
        std::string scope = ir::scopeOf(diagnostic.getLocation()).str();
        bool error =
            diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
        std::string &to = error ? errors : remarks;
        to += fmt::format("{}{}: {}", to.empty() || !error ? "" : "; ",
                          scope.empty() ? "module" : scope, diagnostic.str());
        if (!error)
          to += "\n";
        return mlir::success();
      });
  auto verified = [&](Phase at) -> Status {
    if (mlir::succeeded(mlir::verify(module)) &&
        mlir::succeeded(verifyPhase(module, at)))
      return {};
    return failure(ErrorCode::InvalidArgument,
                   "the module is malformed in phase '{}': {}",
                   toString(at).str(), errors);
  };
  GPTC_CHECK(verified(phase));
  while (phase < std::min(to, Phase::Program)) {
    phase = Phase(int(phase) + 1);
    mlir::PassManager manager(context);
    manager.enableVerifier(false); // The gate verifies.
    if (dump.active())
      manager.addInstrumentation(
          std::make_unique<DumpChanges>(module, dump, prefix));
    std::string where = prefix + toString(phase).str();
    if (progress)
      manager.addInstrumentation(std::make_unique<TellPasses>(progress, where));
    buildPhase(manager, phase, type, capabilities);
    if (mlir::failed(manager.run(module)))
      return failure(phase == Phase::Gradient ? ErrorCode::InvalidArgument
                                              : ErrorCode::Internal,
                     "phase '{}' failed: {}", toString(phase).str(), errors);
    module->setAttr(ir::phaseAttr,
                    mlir::StringAttr::get(context, toString(phase)));
    GPTC_CHECK(verified(phase));
    // What a pass leaves is half of a phase; this is where one can go on.
    if (dump.active())
      dump.numbered(prefix + toString(phase).str() + ".mlir",
                    printModule(module));
  }
  if (!remarks.empty())
    dump.file(prefix + "remarks.txt", remarks);
  return dump.status();
}

} // namespace gptc
