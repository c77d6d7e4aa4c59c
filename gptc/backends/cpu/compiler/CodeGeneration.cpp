//===- CodeGeneration.cpp - From MLIR to a shared object ------------------===//

#include "gptc/backends/cpu/compiler/CpuBackend.h"

#include "lld/Common/Driver.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <array>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <system_error>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace gptc::cpu {

namespace {

/// exp, tanh, erf, log by polynomials, as upstream has them.
struct ApproximateMath
    : mlir::PassWrapper<ApproximateMath, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ApproximateMath)
  void runOnOperation() override {
    mlir::RewritePatternSet patterns(&getContext());
    mlir::populateMathPolynomialApproximationPatterns(patterns);
    if (mlir::failed(
            mlir::applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

/// Conversions to and from bf16 by integer arithmetic.
struct ExpandBf16
    : mlir::PassWrapper<ExpandBf16, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandBf16)
  void runOnOperation() override {
    mlir::RewritePatternSet patterns(&getContext());
    mlir::arith::populateExpandBFloat16Patterns(patterns);
    if (mlir::failed(
            mlir::applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

Status lowerToLlvm(mlir::ModuleOp module, const CpuTarget &target) {
  mlir::PassManager manager(module.getContext());
  manager.addPass(mlir::createCanonicalizerPass());
  manager.addPass(mlir::createCSEPass());
  manager.addPass(mlir::createLoopInvariantCodeMotionPass());
  manager.addPass(std::make_unique<ApproximateMath>());
  if (!target.bf16Dot)
    manager.addPass(std::make_unique<ExpandBf16>());
  manager.addPass(mlir::createSCFToControlFlowPass());
  manager.addPass(mlir::createConvertVectorToLLVMPass(
      mlir::ConvertVectorToLLVMPassOptions{/*reassociateFPReductions=*/true}));
  manager.addPass(mlir::createConvertMathToLLVMPass());
  manager.addPass(mlir::createArithToLLVMConversionPass());
  manager.addPass(mlir::createConvertControlFlowToLLVMPass());
  manager.addPass(mlir::createReconcileUnrealizedCastsPass());
  if (mlir::failed(manager.run(module)))
    return failure(ErrorCode::Internal,
                   "the kernels could not be lowered to LLVM");
  return {};
}

Expected<std::unique_ptr<llvm::TargetMachine>>
makeMachine(const CpuTarget &target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *found =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!found)
    return failure(ErrorCode::Internal, "LLVM has no x86-64: {}", message);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  options.FunctionSections = true;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // The emitters unroll and vectorize; doing it again only costs.
  tuning.LoopUnrolling = false;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder passes(&machine, tuning);
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(graph);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, graph, modules);
  passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

Expected<llvm::SmallVector<char, 0>> emitFile(llvm::Module &module,
                                              llvm::TargetMachine &machine,
                                              llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager manager;
  if (machine.addPassesToEmitFile(manager, stream, nullptr, type))
    return failure(ErrorCode::Internal, "LLVM cannot emit this kind of file");
  manager.run(module);
  return bytes;
}

/// An open file of this process alone, which goes by a path in /proc.
class Descriptor {
public:
  explicit Descriptor(int file) : file(file) {}
  Descriptor(Descriptor &&other) noexcept
      : file(std::exchange(other.file, -1)) {}
  ~Descriptor() { close(); }
  void close() {
    if (file >= 0)
      ::close(std::exchange(file, -1));
  }
  int number() const { return file; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file); }

private:
  int file;
};

Expected<Descriptor> memoryFile(llvm::ArrayRef<char> bytes) {
  Descriptor file(::memfd_create("gptc-object", MFD_CLOEXEC));
  if (file.number() < 0)
    return tl::unexpected(systemError(errno, "create memory for", "kernels.o"));
  while (!bytes.empty()) {
    ssize_t count = ::write(file.number(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return tl::unexpected(systemError(errno, "write to memory", "kernels.o"));
    bytes = bytes.drop_front(size_t(count));
  }
  return file;
}

/// A pipe that is read to its end on a thread of its own.
class Drain {
public:
  static Expected<std::unique_ptr<Drain>> create() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return tl::unexpected(systemError(errno, "create", "a pipe"));
    std::unique_ptr<Drain> drain(new Drain(ends[0], ends[1]));
    try {
      drain->thread = std::thread([raw = drain.get()] { raw->read(); });
    } catch (const std::system_error &error) {
      return failure(ErrorCode::OutOfMemory,
                     "cannot start the thread that reads the linked kernels: "
                     "{}; allow more memory (ulimit -v) or processes (ulimit "
                     "-u)",
                     error.what());
    }
    return drain;
  }
  ~Drain() { finish(); }
  std::string path() const { return writing.path(); }
  /// Everything that was written; nobody may write any more.
  Expected<std::vector<char>> take() {
    finish();
    if (error != 0)
      return tl::unexpected(systemError(error, "read", "the linked kernels"));
    return std::move(bytes);
  }

private:
  Drain(int reading, int writing) : reading(reading), writing(writing) {}
  void finish() {
    writing.close();
    if (thread.joinable())
      thread.join();
  }
  void read() {
    std::array<char, size_t(1) << 16> buffer;
    while (true) {
      ssize_t count = ::read(reading.number(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        error = errno;
      if (count <= 0)
        return;
      bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + count);
    }
  }

  Descriptor reading, writing;
  std::thread thread;
  std::vector<char> bytes;
  int error = 0;
};

/// What generated code may ask of the process it is loaded into.
Status checkUndefined(llvm::ArrayRef<char> bytes) {
  auto buffer = llvm::MemoryBuffer::getMemBuffer(
      llvm::StringRef(bytes.data(), bytes.size()), "kernels", false);
  auto object = llvm::object::ObjectFile::createELFObjectFile(*buffer);
  if (!object) {
    llvm::consumeError(object.takeError());
    return failure(ErrorCode::Internal, "the linker made no ELF file");
  }
  for (const auto &symbol :
       llvm::cast<llvm::object::ELFObjectFileBase>(**object)
           .getDynamicSymbolIterators()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name) {
      llvm::consumeError(flags.takeError());
      llvm::consumeError(name.takeError());
      continue;
    }
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty() &&
        *name != "memcpy" && *name != "memset" && *name != "memmove")
      return failure(ErrorCode::Internal,
                     "generated code needs the symbol '{}'", name->str());
  }
  return {};
}

Expected<std::vector<char>> link(llvm::ArrayRef<char> code) {
  // lld takes paths alone, and ends the process where a temporary folder is
  // full: it reads memory and writes into a pipe, both under /proc. Memory
  // would not do to write to, since beside a regular file lld makes a temporary
  // one.
  GPTC_TRY(Descriptor object, memoryFile(code));
  GPTC_TRY(auto library, Drain::create());
  std::string input = object.path(), output = library->path();
  std::vector<const char *> arguments{
      "ld.lld", "-shared", "--build-id=none", "--hash-style=gnu", "-z",
      "noexecstack", "-z", "relro", "--no-undefined-version",
      "-soname=gptc-kernels", "--strip-all",
      // Its threads would end the process where
      // none can be started.
      "--threads=1", input.c_str(), "-o", output.c_str()};
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  // lld keeps its state in globals.
  static std::mutex mutex;
  std::scoped_lock lock(mutex);
  lld::Result result =
      lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return failure(ErrorCode::Internal, "linking the kernels failed: {}",
                   messages);
  GPTC_TRY(std::vector<char> bytes, library->take());
  GPTC_CHECK(checkUndefined(bytes));
  return bytes;
}

} // namespace

Expected<std::vector<char>> generateCode(mlir::ModuleOp module,
                                         const CpuTarget &target,
                                         llvm::ArrayRef<std::string> exported,
                                         const KernelDump &dump) {
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  if (dump)
    for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
      std::string text;
      llvm::raw_string_ostream(text) << function << "\n";
      dump(function.getSymName(), "mlir", std::move(text));
    }
  GPTC_CHECK(lowerToLlvm(module, target));
  GPTC_TRY(auto machine, makeMachine(target));
  llvm::LLVMContext context;
  auto translated = mlir::translateModuleToLLVMIR(module, context, "kernels");
  if (!translated)
    return failure(ErrorCode::Internal, "the kernels have no form in LLVM IR");
  translated->setDataLayout(machine->createDataLayout());
  translated->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *translated)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", target.cpu);
      if (!target.features.empty())
        function.addFnAttr("target-features", target.features);
      function.addFnAttr(llvm::Attribute::NoUnwind);
      if (target.vectorWidth == 16)
        function.addFnAttr("prefer-vector-width", "512");
    }
  optimize(*translated, *machine);
  if (dump) {
    for (const std::string &name : exported) {
      std::string text;
      llvm::raw_string_ostream stream(text);
      translated->getFunction(name)->print(stream);
      dump(name, "ll", std::move(text));
    }
    auto copy = llvm::CloneModule(*translated);
    GPTC_TRY(auto assembly,
             emitFile(*copy, *machine, llvm::CodeGenFileType::AssemblyFile));
    dump("", "s", std::string(assembly.begin(), assembly.end()));
  }
  GPTC_TRY(auto object,
           emitFile(*translated, *machine, llvm::CodeGenFileType::ObjectFile));
  return link(object);
}

} // namespace gptc::cpu
