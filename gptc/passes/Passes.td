//===- Passes.td - From model to program -------------------*- tablegen -*-===//

#ifndef GPTC_PASSES_PASSES_TD
#define GPTC_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def Differentiate : Pass<"gptc-differentiate", "::mlir::ModuleOp"> {
  let summary = "Expands gradients into ops";
  let description = [{
    Each `gptc.gradient` becomes the vector-Jacobian products of the ops
    between its loss and its values, last op first (reverse mode); what several
    ops read sums their contributions. The new ops have the locations of the
    ops that they differentiate. Gradients of disjoint slices of one value are
    put together by one `gptc.concat`. A value that the loss does not depend
    on has a gradient of zeros. `gptc.stop_gradient` goes.

    A function's attribute `gptc.recompute = {h.0 = "whole", h.1 = "light"}`
    has the backward pass compute the forward ops of these scopes again, in
    the place of keeping what they made: all of them from what the scope reads,
    or all but products and attention. Ops of the backward pass then carry
    `gptc.backward`, by which they stay apart from those of the forward pass.

    Before:
    ```mlir
    %0 = arith.mulf %w, %x : tensor<f32>
    %1 = gptc.gradient %0 wrt %w : tensor<f32> wrt tensor<f32>
    ```
    After:
    ```mlir
    %0 = arith.mulf %w, %x : tensor<f32>
    %one = arith.constant dense<1.0> : tensor<f32>
    %1 = arith.mulf %one, %x : tensor<f32>
    ```
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def FormKernels : Pass<"gptc-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "Partitions an entry function into groups that become kernels";
  let description = [{
    Every op lands in a `gptc.group` of one of the five families. Matrix
    products and attention take the elementwise work on their result
    (epilogue); products of few rows take the row program that makes their
    left operand (prologue); attention takes the appends to the caches that it
    reads, if the target lets it; everything else over the same rows joins into row programs. Views
    are not materialized: each group contains its views of the buffers it
    reads. State is computed in place of its old value, where a group alone
    reads that element by element, after all others that read it; any other
    result or assigned value that may not be written where it is computed is
    copied at the end. Each fusion refused is told as a remark with
    its scope.

    Before:
    ```mlir
    %0 = gptc.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
    %1 = gptc.gelu tanh %0 : tensor<4x2xf32>
    ```
    After:
    ```mlir
    %1 = gptc.group contraction (%a = %x, %b = %w : tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32> {
      %2 = gptc.matmul %a, %b : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
      %3 = gptc.gelu tanh %2 : tensor<4x2xf32>
      gptc.yield %3 : tensor<4x2xf32>
    }
    ```
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
  let options = [
    Option<"prologueRows", "prologue-rows", "int64_t", "4",
           "Products of at most this many rows take a prologue">,
    Option<"appendQueries", "append-queries", "int64_t",
           "std::numeric_limits<int64_t>::max()",
           "Attention of at most this many queries takes the appends to the "
           "caches that it reads">,
    Option<"mostBuffers", "most-buffers", "int64_t", "0",
           "Buffers of a row program at most; 0 for any number">,
  ];
}

def LowerPrecision : Pass<"gptc-lower-precision", "::mlir::ModuleOp"> {
  let summary = "Makes matrix products and attention read a narrow type";
  let description = [{
    Operands of `gptc.matmul` and `gptc.attention` become `type`; products
    accumulate in f32, and everything else stays f32. Parameters that only
    such ops and gathers read, and caches, are stored in `type`. Conversions
    move up through views, so that buffers are written narrow.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
  let options = [
    Option<"type", "type", "std::string", "\"bf16\"", "f32 (nothing to do), bf16 or f16">,
  ];
}

def OutlineKernels : Pass<"gptc-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Turns groups into kernels, equal ones into one";
  let description = [{
    Groups with equal bodies, families and types become one `gptc.kernel`;
    each group becomes a `gptc.dispatch` of it. Kernels are named after the
    work they do and their shape.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def OrderDispatches : Pass<"gptc-order-dispatches", "::mlir::ModuleOp"> {
  let summary = "Orders dispatches so that less memory is in use at once";
  let description = [{
    Tries the order of the program, those that follow chains to their ends, from
    the first or from the last one on, and one that takes first what adds least
    to the memory in use, and keeps the one with the smallest sum of live bytes;
    the program's where others spare less than 2 %. Who overwrites a variable,
    or a value that must share memory, stays after everybody who reads it.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def PackWeights : Pass<"gptc-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Gives weights the layout that contractions read";
  let description = [{
    A parameter that is the right operand of products, and besides them at
    most the table of gathers, gets the encoding `#gptc.packed`, transposed if
    that is how the products read it.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def PlanMemory : Pass<"gptc-plan-memory", "::mlir::func::FuncOp"> {
  let summary = "Gives every buffer of a program its place in the arena";
  let description = [{
    `memref.alloc` becomes `gptc.arena`. Buffers whose lifetimes overlap do
    not overlap in memory; the output of a kernel takes the place of an input
    that it may be computed in, when that input is not read later. Offsets
    are multiples of 64. The function gets the attribute `gptc.arena_bytes`.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def ScheduleDispatches : Pass<"gptc-schedule-dispatches", "::mlir::ModuleOp"> {
  let summary = "Gives dispatches buffers";
  let description = [{
    Tensors become buffers: arguments, results (arguments after the
    arguments), the storage of variables, and `memref.alloc` for everything
    else. An assigned value is computed in the variable's storage;
    gptc-form-kernels has put a copy at the end where the old value is read
    after it.
    A launch of which padded rows matter to nobody says so
    (`gptc.lengths`, `gptc.rows_per_sequence`).
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def SelectCandidates : Pass<"gptc-select-candidates", "::mlir::func::FuncOp"> {
  let summary = "Adds the most likely tokens to what an entry gives";
  let description = [{
    An entry with `lengths` that gives `logits` [B, V] in f32 gets two results
    more, `top_logits` [B, K] and `top_ids` [B, K]: the K largest of each row,
    the largest first, and of what is no finite number all that there is room
    for before them. Where V is below `least-vocabulary` nothing is added:
    reading all logits takes less time than choosing among them; nor where the
    entry has a result by such a name.

    The function's attribute `gptc.added_results` says how many of its results,
    the last ones, are its target's alone.

    Before:
    ```mlir
    func.func @decode(...) -> (tensor<1x50257xf32> {gptc.name = "logits"}) {
      ...
      return %l : tensor<1x50257xf32>
    ```
    After:
    ```mlir
    func.func @decode(...) -> (tensor<1x50257xf32> {gptc.name = "logits"}, tensor<1x64xf32> {gptc.name = "top_logits"}, tensor<1x64xi32> {gptc.name = "top_ids"}) {
      ...
      %v, %i = gptc.top_k %l pieces 25 k 64 finite : tensor<1x50257xf32> -> tensor<1x1600xf32>, tensor<1x1600xi32>
      %w, %j = gptc.top_k %v carried %i pieces 1 k 64 finite : tensor<1x1600xf32>, tensor<1x1600xi32> -> tensor<1x64xf32>, tensor<1x64xi32>
      return %l, %w, %j : tensor<1x50257xf32>, tensor<1x64xf32>, tensor<1x64xi32>
    ```
  }];
  let options = [
    Option<"count", "count", "int64_t", "0", "K; 0: no entry gets any">,
    Option<"leastVocabulary", "least-vocabulary", "int64_t", "8192",
           "rows of logits that are shorter are read whole">,
  ];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

def Simplify : Pass<"gptc-simplify", "::mlir::ModuleOp"> {
  let summary = "Canonicalizes, shares equal values, forwards assignments";
  let description = [{
    Reads that follow an assignment of the same variable use the assigned
    value; of several assignments the last one stays. Then canonicalization
    and common subexpressions.
  }];
  let dependentDialects = ["::gptc::ir::GptcDialect"];
}

#endif // GPTC_PASSES_PASSES_TD
