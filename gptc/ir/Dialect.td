//===- Dialect.td - The gptc dialect, its bases ------------*- tablegen -*-===//

#ifndef GPTC_IR_DIALECT_TD
#define GPTC_IR_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "gptc/ir/Interfaces.td"

def Gptc_Dialect : Dialect {
  let name = "gptc";
  let summary = "Dataflow graphs of GPT models, from model to program.";
  let description = [{
    Value-semantic ops on ranked tensors of static shape. Elementwise
    arithmetic is upstream's `arith` and `math` on tensors of equal shape;
    broadcasting is explicit (`gptc.broadcast`, `tensor.splat`). Parameters,
    caches and counters are named variables that are read and assigned.

    The same ops serve every phase: in `model` they stand in the entry
    functions, in `fused` inside `gptc.group`, in `kernels` and `program`
    inside `gptc.kernel`.
  }];
  let cppNamespace = "::gptc::ir";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::func::FuncDialect", "::mlir::tensor::TensorDialect",
    "::mlir::memref::MemRefDialect"
  ];
}

class Gptc_Op<string mnemonic, list<Trait> traits = []>
    : Op<Gptc_Dialect, mnemonic, traits>;

/// An op without side effects whose cost is known.
class Gptc_PureOp<string mnemonic, list<Trait> traits = []>
    : Gptc_Op<mnemonic, !listconcat(traits, [
        Pure, DeclareOpInterfaceMethods<CostOpInterface>])>;

/// Of these the gradient is known.
class Gptc_DifferentiableOp<string mnemonic, list<Trait> traits = []>
    : Gptc_PureOp<mnemonic, !listconcat(traits, [
        DeclareOpInterfaceMethods<DifferentiableOp>])>;

class Gptc_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Gptc_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Gptc_Float : AnyTypeOf<[F32, BF16, F16, F64], "f32, bf16, f16 or f64">;
def Gptc_Element : AnyTypeOf<[Gptc_Float, I1, I32, I64],
                             "f32, bf16, f16, f64, i1, i32 or i64">;
def Gptc_Tensor : StaticShapeTensorOf<[Gptc_Element]>;
def Gptc_FloatTensor : StaticShapeTensorOf<[Gptc_Float]>;
def Gptc_IndexTensor : StaticShapeTensorOf<[I32]>;
def Gptc_Buffer : StaticShapeMemRefOf<[Gptc_Element]>;
def Gptc_Scalar : AnyTypeOf<[F32, F64, I32, I64], "f32, f64, i32 or i64">;
def Gptc_TensorOrScalar
    : AnyTypeOf<[Gptc_Tensor, Gptc_Scalar],
                "statically shaped tensor, or scalar of f32, f64, i32 or i64">;
def Gptc_BufferOrScalar
    : AnyTypeOf<[Gptc_Buffer, Gptc_Scalar],
                "statically shaped memref, or scalar of f32, f64, i32 or i64">;

#endif // GPTC_IR_DIALECT_TD
