//===- gptc-opt.cpp - Runs passes on textual IR ---------------------------===//

#include "gptc/ir/Dialect.h"
#include "gptc/passes/Passes.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  gptc::ir::registerDialects(registry);
  gptc::passes::registerAll();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "gptc pass driver\n", registry));
}
