//===- Kernel.td - Fused groups and outlined kernels -------*- tablegen -*-===//

#ifndef GPTC_IR_KERNEL_TD
#define GPTC_IR_KERNEL_TD

include "gptc/ir/Dialect.td"

def Gptc_Family : I32EnumAttr<"Family", "The five kernel families", [
    I32EnumAttrCase<"Contraction", 0, "contraction">,
    I32EnumAttrCase<"Attention", 1, "attention">,
    I32EnumAttrCase<"Rowwise", 2, "rowwise">,
    I32EnumAttrCase<"Columnwise", 3, "columnwise">,
    I32EnumAttrCase<"Gather", 4, "gather">]> {
  let cppNamespace = "::gptc::ir";
  let genSpecializedAttr = 0;
}
def Gptc_FamilyAttr : EnumAttr<Gptc_Dialect, Gptc_Family, "family">;

def Gptc_GroupOp : Gptc_Op<"group", [
    Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "Ops that will be one kernel.";
  let description = [{
    The result of fusion, before outlining. The region's arguments are the
    operands; what it yields are the results.

    Constraints:
    - (group_c1) The region's arguments have the operands' types.
    - (group_c2) The region yields the results' types.

    Example:
    ```mlir
    %y = gptc.group contraction (%a = %x, %b = %w : tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32> {
      %0 = gptc.matmul %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
      gptc.yield %0 : tensor<4x2xf32>
    }
    ```
  }];
  let arguments = (ins Gptc_FamilyAttr:$family, Variadic<Gptc_TensorOrScalar>:$inputs);
  let results = (outs Variadic<Gptc_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Gptc_YieldOp : Gptc_Op<"yield", [
    Pure, Terminator, ParentOneOf<["GroupOp", "KernelOp"]>]> {
  let summary = "Ends a group or a kernel with its results.";
  let description = "Example: `gptc.yield %0 : tensor<4x2xf32>`.";
  let arguments = (ins Variadic<Gptc_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Gptc_KernelOp : Gptc_Op<"kernel", [
    Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "An outlined kernel; its body says what it computes.";
  let description = [{
    The block's arguments are the kernel's inputs: dense row-major tensors,
    packed tensors, and scalars. `tied` lists pairs [input, output] that must
    share memory (a cache that is appended to); `in_place` lists pairs that
    may (the kernel reads each element of that input before it writes the same
    element of that output, and at no other time).

    Constraints:
    - (kernel_c1) The yielded types are those of the function type.
    - (kernel_c2) Tied and in-place pairs are in range and of equal type.

    Example:
    ```mlir
    gptc.kernel @linear contraction (%a: tensor<4x8xf32>, %b: tensor<8x2xf32>) -> tensor<4x2xf32> {
      %0 = gptc.matmul %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
      gptc.yield %0 : tensor<4x2xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Gptc_FamilyAttr:$family,
                       TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<DenseI64ArrayAttr>:$tied,
                       OptionalAttr<DenseI64ArrayAttr>:$in_place);
  let regions = (region SizedRegion<1>:$body);
  let extraClassDeclaration = [{
    ::mlir::FunctionType getSignature() { return getFunctionType(); }
    ::gptc::ir::YieldOp getYield();
  }];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Gptc_DispatchOp : Gptc_Op<"dispatch", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One execution of a kernel on values.";
  let description = [{
    Constraints:
    - (dispatch_c1) The kernel exists.
    - (dispatch_c2) Operand and result types are the kernel's.

    Example: `%y = gptc.dispatch @linear(%x, %w) : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Gptc_TensorOrScalar>:$inputs);
  let results = (outs Variadic<Gptc_Tensor>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}

#endif // GPTC_IR_KERNEL_TD
