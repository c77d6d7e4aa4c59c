//===- Program.td - Launches over planned buffers ----------*- tablegen -*-===//

#ifndef GPTC_IR_PROGRAM_TD
#define GPTC_IR_PROGRAM_TD

include "gptc/ir/Dialect.td"

def Gptc_ArenaOp : Gptc_Op<"arena", [Pure]> {
  let summary = "A buffer at a byte offset of the arena.";
  let description = [{
    Constraints:
    - (arena_c1) The offset is a multiple of 64, from 0 to 2^48.

    Example: `%b = gptc.arena 4096 : memref<1x512x768xf32>`.
  }];
  let arguments = (ins I64Attr:$offset);
  let results = (outs Gptc_Buffer:$buffer);
  let assemblyFormat = "$offset attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def Gptc_StorageOp : Gptc_Op<"storage", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The buffer of a variable.";
  let description = [{
    Constraints:
    - (storage_c1) The variable exists.
    - (storage_c2) The buffer has the variable's shape and element type.

    Example: `%w = gptc.storage @"wte.weight" : memref<50257x768xf32>`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs Gptc_Buffer:$buffer);
  let assemblyFormat = "$variable attr-dict `:` type($buffer)";
}

def Gptc_LaunchOp : Gptc_Op<"launch", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One execution of a kernel on buffers.";
  let description = [{
    Constraints:
    - (launch_c1) The kernel exists.
    - (launch_c2) Inputs and outputs have the shapes and element types of the
      kernel's.

    Example:
    `gptc.launch @linear (%x, %w) -> (%y) : (memref<4x8xf32>, memref<8x2xf32>) -> (memref<4x2xf32>)`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel,
                       Variadic<Gptc_BufferOrScalar>:$inputs,
                       Variadic<Gptc_Buffer>:$outputs);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `->` `(` $outputs `)` attr-dict `:`
    custom<TypeList>(type($inputs)) `->` custom<TypeList>(type($outputs))
  }];
}

#endif // GPTC_IR_PROGRAM_TD
