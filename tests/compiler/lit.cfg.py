# Passes and verifiers on textual IR, checked with FileCheck. By hand:
#   lit-22 -v --param bin=build/release/bin --param output=build/lit tests/compiler/passes
import os

import lit.formats

config.name = "gptc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_exec_root = os.path.abspath(lit_config.params["output"])
bin = os.path.abspath(lit_config.params["bin"])
config.substitutions = [
    (r"\bgptc-opt\b", os.path.join(bin, "gptc-opt")),
    (r"\bFileCheck\b", "FileCheck-22"),
]
