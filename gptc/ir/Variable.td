//===- Variable.td - Named state ---------------------------*- tablegen -*-===//

#ifndef GPTC_IR_VARIABLE_TD
#define GPTC_IR_VARIABLE_TD

include "gptc/ir/Dialect.td"

def Gptc_Role : I32EnumAttr<"Role", "What a variable is for", [
    I32EnumAttrCase<"Parameter", 0, "parameter">,
    I32EnumAttrCase<"Optimizer", 1, "optimizer">,
    I32EnumAttrCase<"Cache", 2, "cache">,
    I32EnumAttrCase<"Counter", 3, "counter">]> {
  let cppNamespace = "::gptc::ir";
  let genSpecializedAttr = 0;
}
def Gptc_RoleAttr : EnumAttr<Gptc_Dialect, Gptc_Role, "role">;

def Gptc_InitializerKind : I32EnumAttr<"InitializerKind", "Distribution", [
    I32EnumAttrCase<"Constant", 0, "constant">,
    I32EnumAttrCase<"Normal", 1, "normal">]> {
  let cppNamespace = "::gptc::ir";
  let genSpecializedAttr = 0;
}

def Gptc_InitializerAttr : Gptc_Attr<"Initializer", "init"> {
  let summary = "How a variable starts when no checkpoint gives it.";
  let description = [{
    `constant`: every element is `a`. `normal`: independent draws with mean
    `a` and standard deviation `b`, a function of the seed, the variable's
    name and the element's index alone.

    Example: `#gptc.init<normal, 0.0, 0.02>`.
  }];
  let parameters = (ins EnumParameter<Gptc_InitializerKind>:$kind,
                        "::mlir::FloatAttr":$a, "::mlir::FloatAttr":$b);
  let hasCustomAssemblyFormat = 1;
}

def Gptc_PieceAttr : Gptc_Attr<"Piece", "piece"> {
  let summary = "A checkpoint tensor that is part of a variable.";
  let description = [{
    The tensor of that name, transposed if so marked. A variable's pieces are
    concatenated along its last dimension. Where a checkpoint lacks an
    `optional` one, the variable starts as its initializer says.

    Example: `#gptc.piece<"h.0.attn.attention.q_proj.weight", transposed>`.
  }];
  let parameters = (ins "::mlir::StringAttr":$tensor, "bool":$transposed,
                        "bool":$optional);
  let hasCustomAssemblyFormat = 1;
}

def Gptc_PackedAttr : Gptc_Attr<"Packed", "packed"> {
  let summary = "Encoding of a matrix stored in panels of 64 columns.";
  let description = [{
    The right operand of contractions, [K, N], stored as panels of 64 columns
    of N: `[ceil(N/64)][Kp][64]` with Kp = K rounded up to 16, and for 16-bit
    types the rows in pairs, `[ceil(N/64)][Kp/2][64][2]`; padding is zero. It
    is oneDNN's BA16a64b and BA16a64b2a. With `transposed` the tensor of this
    type is [N, K], and its transpose is what is stored so: a tied embedding
    is gathered by row and multiplied with from one place.

    Example: `tensor<768x2304xf32, #gptc.packed>`,
    `tensor<50257x768xf32, #gptc.packed<transposed>>`.
  }];
  let parameters = (ins "bool":$transposed);
  let hasCustomAssemblyFormat = 1;
}

def Gptc_VariableOp : Gptc_Op<"variable", [Symbol]> {
  let summary = "Declares a named variable of the module.";
  let description = [{
    Parameters, optimizer state, caches and counters. Names are the
    checkpoint's own. `pieces` says which tensors of a checkpoint it is made
    of (none: it is not in checkpoints); `init` says how it starts otherwise.

    Constraints:
    - (variable_c1) A parameter has pieces or an initializer.
    - (variable_c2) A parameter is of f32, f16 or bf16.

    Example:
    ```mlir
    gptc.variable @"h.0.mlp.c_fc.weight" parameter : tensor<768x3072xf32>
      pieces([#gptc.piece<"h.0.mlp.c_fc.weight">])
      init(#gptc.init<normal, 0.0, 0.02>)
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Gptc_RoleAttr:$role,
                       TypeAttrOf<Gptc_Tensor>:$type,
                       OptionalAttr<TypedArrayAttrBase<Gptc_PieceAttr, "pieces">>:$pieces,
                       OptionalAttr<Gptc_InitializerAttr>:$init);
  let assemblyFormat = [{
    $sym_name $role `:` $type (`pieces` `(` $pieces^ `)`)? (`init` `(` $init^ `)`)? attr-dict
  }];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
  let hasVerifier = 1;
}

def Gptc_ReadOp : Gptc_Op<"read", [
    MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The present value of a variable.";
  let description = [{
    Constraints:
    - (read_c1) The variable exists.
    - (read_c2) The result has the variable's type.

    Example: `%w = gptc.read @"wte.weight" : tensor<50257x768xf32>`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs Gptc_Tensor:$result);
  let assemblyFormat = "$variable attr-dict `:` type($result)";
}

def Gptc_AssignOp : Gptc_Op<"assign", [
    MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Gives a variable a new value.";
  let description = [{
    Reads that follow in the same entry see the value; so do later runs.

    Constraints:
    - (assign_c1) The variable exists.
    - (assign_c2) The value has the variable's type.

    Example: `gptc.assign @"h.0.attn.key_cache", %k : tensor<1x12x1024x64xf32>`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, Gptc_Tensor:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
}

#endif // GPTC_IR_VARIABLE_TD
