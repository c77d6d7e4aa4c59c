// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gptc-form-kernels))' 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t
// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gptc-form-kernels{prologue-rows=1}))' 2>/dev/null | FileCheck %s --check-prefix=ONE

// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gptc-form-kernels{append-queries=0 most-buffers=5}))' 2>/dev/null | FileCheck %s --check-prefix=FEW

gptc.variable @keys cache : tensor<1x2x6x4xf32>
gptc.variable @values cache : tensor<1x2x6x4xf32>
gptc.variable @count counter : tensor<4xf32>
gptc.variable @weight parameter : tensor<8x8xf32> init(<constant, 0.0, 0.0>)
gptc.variable @mean optimizer : tensor<8x8xf32>

// A product takes what happens to its result.
// CHECK-LABEL: func.func @epilogue
// CHECK: %[[G:.*]] = gptc.group contraction (
// CHECK-NEXT: gptc.matmul
// CHECK-NEXT: gptc.broadcast
// CHECK-NEXT: arith.addf
// CHECK-NEXT: gptc.gelu
// CHECK-NEXT: arith.addf
// CHECK-NEXT: gptc.yield
// CHECK-NEXT: }
// CHECK-NEXT: return %[[G]]
func.func @epilogue(%x: tensor<64x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>, %r: tensor<64x16xf32>) -> tensor<64x16xf32> {
  %0 = gptc.matmul %x, %w : tensor<64x8xf32>, tensor<8x16xf32> -> tensor<64x16xf32>
  %1 = gptc.broadcast %b [1] : tensor<16xf32> to tensor<64x16xf32>
  %2 = arith.addf %0, %1 : tensor<64x16xf32>
  %3 = gptc.gelu tanh %2 : tensor<64x16xf32>
  %4 = arith.addf %3, %r : tensor<64x16xf32>
  return %4 : tensor<64x16xf32>
}

// A product of few rows takes the row program before it.
// CHECK-LABEL: func.func @prologue
// CHECK: gptc.group contraction
// CHECK-NEXT: gptc.layer_norm
// CHECK-NEXT: gptc.matmul
// CHECK-NOT: gptc.group
// ONE-LABEL: func.func @prologue
// ONE: gptc.group rowwise
// ONE: gptc.group contraction
func.func @prologue(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %w: tensor<8x16xf32>) -> tensor<2x16xf32> {
  %e = arith.constant 1.0e-5 : f32
  %0 = gptc.layer_norm %x, %g, %g epsilon %e : tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>, f32
  %1 = gptc.matmul %0, %w : tensor<2x8xf32>, tensor<8x16xf32> -> tensor<2x16xf32>
  return %1 : tensor<2x16xf32>
}

// One of many rows does not: it would be computed for each tile of columns. It
// is said so.
// CHECK-LABEL: func.func @many_rows
// CHECK: %[[N:.*]] = gptc.group rowwise
// CHECK-NEXT: gptc.layer_norm
// CHECK: gptc.group contraction (%{{.*}} = %[[N]],
// CHECK-NEXT: gptc.matmul
// REMARK: FormKernels.mlir:[[# @LINE + 4]]:{{.*}}remark: not fused into a product with prologue: its 64 rows would be computed for each tile of columns, as up to 4 are
func.func @many_rows(%x: tensor<64x8xf32>, %g: tensor<8xf32>, %w: tensor<8x16xf32>) -> tensor<64x16xf32> {
  %e = arith.constant 1.0e-5 : f32
  %0 = gptc.layer_norm %x, %g, %g epsilon %e : tensor<64x8xf32>, tensor<8xf32>, tensor<8xf32>, f32
  %1 = gptc.matmul %0, %w : tensor<64x8xf32>, tensor<8x16xf32> -> tensor<64x16xf32>
  return %1 : tensor<64x16xf32>
}

// A product whose left operand no kernel makes has nothing to refuse.
// CHECK-LABEL: func.func @many_rows_of_an_argument
// REMARK-NOT: a product with prologue
func.func @many_rows_of_an_argument(%x: tensor<16x8xf32>, %w: tensor<8x16xf32>) -> tensor<16x16xf32> {
  %0 = gptc.matmul %x, %w : tensor<16x8xf32>, tensor<8x16xf32> -> tensor<16x16xf32>
  return %0 : tensor<16x16xf32>
}

// Attention appends to the caches that it reads.
// CHECK-LABEL: func.func @caches
// CHECK: %[[A:.*]]:3 = gptc.group attention
// CHECK-NEXT: gptc.cache_append
// CHECK-NEXT: gptc.cache_append
// CHECK-NEXT: gptc.attention
// CHECK-NEXT: gptc.yield
// CHECK-NOT: gptc.group
// CHECK: gptc.assign @keys, %[[A]]#
// CHECK: gptc.assign @values, %[[A]]#
// FEW-LABEL: func.func @caches
// FEW-COUNT-2: gptc.group gather
// FEW: gptc.group attention
// FEW-NEXT: gptc.attention
func.func @caches(%q: tensor<1x2x1x4xf32>, %k: tensor<1x2x1x4xf32>, %v: tensor<1x2x1x4xf32>, %at: tensor<1xi32>) -> tensor<1x2x1x4xf32> {
  %keys = gptc.read @keys : tensor<1x2x6x4xf32>
  %values = gptc.read @values : tensor<1x2x6x4xf32>
  %0 = gptc.cache_append %keys, %k at %at, %at : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
  %1 = gptc.cache_append %values, %v at %at, %at : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
  gptc.assign @keys, %0 : tensor<1x2x6x4xf32>
  gptc.assign @values, %1 : tensor<1x2x6x4xf32>
  %s = arith.constant 0.5 : f32
  %2 = gptc.attention %q, %0, %1 scale %s at %at, %at causal : tensor<1x2x1x4xf32>, tensor<1x2x6x4xf32>, f32, tensor<1xi32>
  return %2 : tensor<1x2x1x4xf32>
}

// It does not where something else reads the new cache, and says so.
// CHECK-LABEL: func.func @returned_cache
// CHECK: gptc.group gather
// CHECK: gptc.cache_append
// CHECK: gptc.group attention
// CHECK-NEXT: gptc.attention
// REMARK: FormKernels.mlir:[[# @LINE + 2]]:{{.*}}remark: not fused into attention: something else reads the new cache
func.func @returned_cache(%q: tensor<1x2x1x4xf32>, %c: tensor<1x2x6x4xf32>, %at: tensor<1xi32>) -> (tensor<1x2x1x4xf32>, tensor<1x2x6x4xf32>) {
  %0 = gptc.cache_append %c, %q at %at, %at : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
  %s = arith.constant 0.5 : f32
  %1 = gptc.attention %q, %0, %0 scale %s at %at, %at causal : tensor<1x2x1x4xf32>, tensor<1x2x6x4xf32>, f32, tensor<1xi32>
  return %1, %0 : tensor<1x2x1x4xf32>, tensor<1x2x6x4xf32>
}

// Gradients of attention are stored side by side, and its result, which the
// gradient reads backwards, through the views that others see.
// CHECK-LABEL: func.func @backward
// CHECK: %[[A:.*]]:2 = gptc.group attention
// CHECK-NEXT: gptc.attention
// CHECK-NEXT: gptc.transpose
// CHECK-NEXT: gptc.reshape
// CHECK-NEXT: gptc.yield {{.*}} : tensor<1x2x6xf32>, tensor<1x6x8xf32>
// CHECK: gptc.group attention ({{.*}} = %[[A]]#1, {{.*}} = %[[A]]#0
// CHECK: gptc.reshape {{.*}} : tensor<1x6x8xf32> to tensor<1x6x2x4xf32>
// CHECK-NEXT: gptc.transpose
// CHECK: gptc.attention_backward
// CHECK: gptc.concat
// CHECK-NEXT: gptc.yield {{.*}} : tensor<1x6x24xf32>
// CHECK-NOT: gptc.group
func.func @backward(%q: tensor<1x2x6x4xf32>, %g: tensor<1x2x6x4xf32>) -> (tensor<1x6x8xf32>, tensor<1x6x24xf32>) {
  %s = arith.constant 0.5 : f32
  %y, %l = gptc.attention %q, %q, %q scale %s causal log_sum_exp : tensor<1x2x6x4xf32>, tensor<1x2x6x4xf32>, f32
  %0 = gptc.transpose %y [0, 2, 1, 3] : tensor<1x2x6x4xf32> to tensor<1x6x2x4xf32>
  %1 = gptc.reshape %0 : tensor<1x6x2x4xf32> to tensor<1x6x8xf32>
  %2:3 = gptc.attention_backward %q, %q, %q, %g, %y, %l scale %s causal : tensor<1x2x6x4xf32>, tensor<1x2x6x4xf32>, f32
  %3 = gptc.transpose %2#0 [0, 2, 1, 3] : tensor<1x2x6x4xf32> to tensor<1x6x2x4xf32>
  %4 = gptc.reshape %3 : tensor<1x6x2x4xf32> to tensor<1x6x8xf32>
  %5 = gptc.transpose %2#1 [0, 2, 1, 3] : tensor<1x2x6x4xf32> to tensor<1x6x2x4xf32>
  %6 = gptc.reshape %5 : tensor<1x6x2x4xf32> to tensor<1x6x8xf32>
  %7 = gptc.transpose %2#2 [0, 2, 1, 3] : tensor<1x2x6x4xf32> to tensor<1x6x2x4xf32>
  %8 = gptc.reshape %7 : tensor<1x6x2x4xf32> to tensor<1x6x8xf32>
  %9 = gptc.concat %4, %6, %8 along 2 : tensor<1x6x8xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32> -> tensor<1x6x24xf32>
  return %1, %9 : tensor<1x6x8xf32>, tensor<1x6x24xf32>
}

// What sums over rows alone read is widened on the way.
// CHECK-LABEL: func.func @widened
// CHECK: gptc.group columnwise
// CHECK-NEXT: gptc.cast
// CHECK-NEXT: gptc.reduce
// CHECK-NOT: gptc.group
func.func @widened(%x: tensor<6x8xbf16>) -> tensor<8xf32> {
  %0 = gptc.cast %x : tensor<6x8xbf16> to tensor<6x8xf32>
  %1 = gptc.reduce sum %0 [0] : tensor<6x8xf32> to tensor<8xf32>
  return %1 : tensor<8xf32>
}

// What is computed for an epilogue alone is part of it, and an activation is
// stored beside the product, of which its slope is computed.
// CHECK-LABEL: func.func @slope
// CHECK: %[[A:.*]]:2 = gptc.group contraction
// CHECK-NEXT: gptc.matmul
// CHECK-NEXT: gptc.gelu
// CHECK-NEXT: gptc.yield
// CHECK: gptc.group contraction ({{.*}} = %[[A]]#
// CHECK-NEXT: math.tanh
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: gptc.matmul
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: gptc.yield
// CHECK-NOT: gptc.group
func.func @slope(%x: tensor<64x8xf32>, %w: tensor<8x8xf32>, %g: tensor<64x8xf32>) -> (tensor<64x8xf32>, tensor<64x8xf32>) {
  %0 = gptc.matmul %x, %w : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %1 = gptc.gelu tanh %0 : tensor<64x8xf32>
  %2 = math.tanh %0 : tensor<64x8xf32>
  %3 = arith.mulf %2, %2 : tensor<64x8xf32>
  %4 = gptc.matmul %g, %w transpose_rhs : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %5 = arith.mulf %4, %3 : tensor<64x8xf32>
  return %1, %5 : tensor<64x8xf32>, tensor<64x8xf32>
}

// Factors that something else reads as well are a kernel of their own.
// CHECK-LABEL: func.func @shared_slope
// CHECK: %[[F:.*]] = gptc.group rowwise
// CHECK-NEXT: math.tanh
// CHECK: gptc.group contraction
// CHECK: gptc.group contraction
func.func @shared_slope(%x: tensor<64x8xf32>, %w: tensor<8x8xf32>) -> (tensor<64x8xf32>, tensor<64x8xf32>) {
  %0 = math.tanh %x : tensor<64x8xf32>
  %1 = gptc.matmul %x, %w : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %2 = arith.mulf %1, %0 : tensor<64x8xf32>
  %3 = gptc.matmul %x, %w transpose_rhs : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %4 = arith.mulf %3, %0 : tensor<64x8xf32>
  return %2, %4 : tensor<64x8xf32>, tensor<64x8xf32>
}

// Two products share no kernel; what both read is computed once.
// CHECK-LABEL: func.func @branches
// CHECK: %[[S:.*]] = gptc.group rowwise
// CHECK-NEXT: gptc.softmax
// CHECK: gptc.group contraction (%{{.*}} = %[[S]],
// CHECK-NEXT: gptc.matmul
// CHECK: gptc.group contraction (%{{.*}} = %[[S]],
// CHECK-NEXT: gptc.matmul
// CHECK-NEXT: arith.mulf
// CHECK-NOT: gptc.group
func.func @branches(%x: tensor<64x8xf32>, %a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> tensor<64x8xf32> {
  %0 = gptc.softmax %x : tensor<64x8xf32>
  %1 = gptc.matmul %0, %a : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %2 = gptc.matmul %0, %b : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  %3 = arith.mulf %1, %2 : tensor<64x8xf32>
  return %3 : tensor<64x8xf32>
}

// State is computed in place of the old value, after everybody else has read
// that.
// CHECK-LABEL: func.func @old_value
// CHECK: %[[OLD:.*]] = gptc.read @count
// CHECK: %[[RESULT:.*]] = gptc.group {{.*}} (%[[IN:.*]] = %[[OLD]] : tensor<4xf32>)
// CHECK-NEXT: gptc.yield %[[IN]]
// CHECK: %[[NEW:.*]] = gptc.group {{.*}} = %[[OLD]]
// CHECK-NEXT: arith.addf
// CHECK-NEXT: gptc.yield
// CHECK-NOT: gptc.group
// CHECK: gptc.assign @count, %[[NEW]]
// CHECK: return %[[RESULT]]
func.func @old_value() -> tensor<4xf32> {
  %0 = gptc.read @count : tensor<4xf32>
  %1 = arith.addf %0, %0 : tensor<4xf32>
  gptc.assign @count, %1 : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// An optimizer's step: two variables, each in place, after the product that
// reads the weight.
// CHECK-LABEL: func.func @step
// CHECK: %[[W:.*]] = gptc.read @weight
// CHECK: %[[M:.*]] = gptc.read @mean
// CHECK: gptc.group contraction
// CHECK-NEXT: gptc.matmul
// CHECK: %[[NEW:.*]]:2 = gptc.group rowwise
// CHECK-NOT: gptc.group
// CHECK: gptc.assign @mean, %[[NEW]]#0
// CHECK: gptc.assign @weight, %[[NEW]]#1
func.func @step(%x: tensor<64x8xf32>, %g: tensor<8x8xf32>) -> tensor<64x8xf32> {
  %w = gptc.read @weight : tensor<8x8xf32>
  %m = gptc.read @mean : tensor<8x8xf32>
  %0 = arith.addf %m, %g : tensor<8x8xf32>
  %1 = arith.subf %w, %0 : tensor<8x8xf32>
  %2 = gptc.matmul %x, %w : tensor<64x8xf32>, tensor<8x8xf32> -> tensor<64x8xf32>
  gptc.assign @mean, %0 : tensor<8x8xf32>
  gptc.assign @weight, %1 : tensor<8x8xf32>
  return %2 : tensor<64x8xf32>
}

// Sums of rows beside it, of what is no state, are made before.
// CHECK-LABEL: func.func @step_with_sums
// CHECK: %[[W:.*]] = gptc.read @weight
// CHECK: %[[NEW:.*]]:2 = gptc.group rowwise
// CHECK: gptc.reduce
// CHECK-NOT: gptc.group
// CHECK: gptc.assign @weight, %[[NEW]]#1
func.func @step_with_sums(%g: tensor<8x8xf32>) -> tensor<8xf32> {
  %w = gptc.read @weight : tensor<8x8xf32>
  %0 = arith.mulf %g, %g : tensor<8x8xf32>
  %1 = gptc.reduce sum %0 [1] : tensor<8x8xf32> to tensor<8xf32>
  %2 = arith.subf %w, %0 : tensor<8x8xf32>
  gptc.assign @weight, %2 : tensor<8x8xf32>
  return %1 : tensor<8xf32>
}

// Sums of the state itself may be made of what is new already.
// CHECK-LABEL: func.func @step_with_sums_of_state
// CHECK: gptc.group rowwise
// CHECK: gptc.reduce
// CHECK: %[[COPY:.*]] = gptc.group gather
// CHECK: gptc.assign @weight, %[[COPY]]
func.func @step_with_sums_of_state(%g: tensor<8x8xf32>) -> tensor<8xf32> {
  %w = gptc.read @weight : tensor<8x8xf32>
  %0 = arith.mulf %g, %w : tensor<8x8xf32>
  %1 = gptc.reduce sum %0 [1] : tensor<8x8xf32> to tensor<8xf32>
  gptc.assign @weight, %0 : tensor<8x8xf32>
  return %1 : tensor<8xf32>
}

// Not in place: what an element becomes depends on other elements, or on the
// new value of what it is needed for.
// CHECK-LABEL: func.func @not_in_place
// CHECK: %[[W:.*]] = gptc.read @weight
// CHECK: %[[T:.*]] = gptc.group rowwise ({{.*}} = %[[W]]
// CHECK: arith.addf
// CHECK: %[[COPY:.*]] = gptc.group gather (%{{.*}} = %[[T]]
// CHECK: gptc.assign @weight, %[[COPY]]
func.func @not_in_place() {
  %w = gptc.read @weight : tensor<8x8xf32>
  %0 = gptc.transpose %w [1, 0] : tensor<8x8xf32> to tensor<8x8xf32>
  %1 = arith.addf %w, %0 : tensor<8x8xf32>
  gptc.assign @weight, %1 : tensor<8x8xf32>
  return
}

// One of two that need each other's old value is copied.
// CHECK-LABEL: func.func @circle
// CHECK: %[[W:.*]] = gptc.read @weight
// CHECK: %[[M:.*]] = gptc.read @mean
// CHECK: %[[A:.*]] = gptc.group contraction
// CHECK: %[[B:.*]] = gptc.group contraction
// CHECK: gptc.group gather
// CHECK: gptc.assign @weight
// CHECK: gptc.assign @mean
func.func @circle(%x: tensor<8x8xf32>) {
  %w = gptc.read @weight : tensor<8x8xf32>
  %m = gptc.read @mean : tensor<8x8xf32>
  %0 = gptc.matmul %x, %m : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %1 = gptc.matmul %x, %w : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  gptc.assign @weight, %0 : tensor<8x8xf32>
  gptc.assign @mean, %1 : tensor<8x8xf32>
  return
}

// Vectors that have but a scalar in common are programs of their own.
// CHECK-LABEL: func.func @clipped
// CHECK: gptc.group rowwise
// CHECK: gptc.reduce
// CHECK: gptc.group rowwise
// CHECK-NEXT: gptc.broadcast
// CHECK-NEXT: arith.mulf
// CHECK-NOT: gptc.group
func.func @clipped(%x: tensor<8xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = gptc.reduce sum %x [0] : tensor<8xf32> to tensor<f32>
  %1 = gptc.broadcast %0 [] : tensor<f32> to tensor<8xf32>
  %2 = arith.mulf %x, %1 : tensor<8xf32>
  %3 = arith.mulf %y, %1 : tensor<8xf32>
  return %2, %3 : tensor<8xf32>, tensor<8xf32>
}

// As many parts as a kernel has buffers for.
// CHECK-LABEL: func.func @joined
// FEW-LABEL: func.func @joined
// FEW: %[[A:.*]] = gptc.group gather
// FEW-NEXT: gptc.concat {{.*}} : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<8xf32>
// FEW: gptc.group gather
// FEW-NEXT: gptc.concat {{.*}} : tensor<8xf32>, tensor<2xf32> -> tensor<10xf32>
func.func @joined(%a: tensor<2xf32>, %b: tensor<2xf32>, %c: tensor<2xf32>, %d: tensor<2xf32>, %e: tensor<2xf32>) -> tensor<10xf32> {
  %0 = gptc.concat %a, %b, %c, %d, %e along 0 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<10xf32>
  return %0 : tensor<10xf32>
}

// Swapped variables: what is read from a variable that is assigned as well is
// copied before, and the copies into the variables come last.
// CHECK-LABEL: func.func @swapped
// CHECK: %[[K:.*]] = gptc.read @keys
// CHECK: %[[V:.*]] = gptc.read @values
// CHECK: %[[OLD_V:.*]] = gptc.group gather (%{{.*}} = %[[V]]
// CHECK: %[[OLD_K:.*]] = gptc.group gather (%{{.*}} = %[[K]]
// CHECK: %[[NEW_K:.*]] = gptc.group gather (%{{.*}} = %[[OLD_V]]
// CHECK: %[[NEW_V:.*]] = gptc.group gather (%{{.*}} = %[[OLD_K]]
// CHECK: gptc.assign @keys, %[[NEW_K]]
// CHECK: gptc.assign @values, %[[NEW_V]]
func.func @swapped() {
  %k = gptc.read @keys : tensor<1x2x6x4xf32>
  %v = gptc.read @values : tensor<1x2x6x4xf32>
  gptc.assign @keys, %v : tensor<1x2x6x4xf32>
  gptc.assign @values, %k : tensor<1x2x6x4xf32>
  return
}

// A view that leaves and is read by what makes it: a copy for the result
// alone.
// CHECK-LABEL: func.func @view_leaves
// CHECK: %[[M:.*]]:2 = gptc.group rowwise
// CHECK: %[[C:.*]] = gptc.group gather (%{{.*}} = %[[M]]#0
// CHECK: return %[[C]], %[[M]]#1
func.func @view_leaves(%x: tensor<2x2xf32>) -> (tensor<1x2x2xf32>, tensor<1x2x2xf32>) {
  %0 = math.exp %x : tensor<2x2xf32>
  %1 = gptc.reshape %0 : tensor<2x2xf32> to tensor<1x2x2xf32>
  %2 = math.absf %1 : tensor<1x2x2xf32>
  return %1, %2 : tensor<1x2x2xf32>, tensor<1x2x2xf32>
}

// A value of each row that another op reads along the rows: two programs.
// CHECK-LABEL: func.func @turned
// CHECK: %[[A:.*]]:2 = gptc.group rowwise
// CHECK: gptc.reduce
// CHECK: gptc.group rowwise
// CHECK: gptc.broadcast
func.func @turned(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = arith.addf %x, %x : tensor<8x8xf32>
  %1 = gptc.reduce max %0 [1] : tensor<8x8xf32> to tensor<8xf32>
  %2 = gptc.broadcast %1 [1] : tensor<8xf32> to tensor<8x8xf32>
  %3 = arith.mulf %2, %x : tensor<8x8xf32>
  %4 = arith.subf %3, %0 : tensor<8x8xf32>
  return %4 : tensor<8x8xf32>
}

// Two row programs do not become one in an op that also reads what lies
// between them.
// CHECK-LABEL: func.func @between
// CHECK: %[[E:.*]] = gptc.group rowwise
// CHECK-NEXT: math.exp
// CHECK: %[[S:.*]] = gptc.group columnwise (%{{.*}} = %[[E]]
// CHECK: gptc.group rowwise
// CHECK: arith.select
func.func @between(%x: tensor<8x5xf32>) -> tensor<8x5xf32> {
  %0 = math.exp %x : tensor<8x5xf32>
  %1 = gptc.reduce sum %0 [0] : tensor<8x5xf32> to tensor<5xf32>
  %2 = gptc.broadcast %1 [1] : tensor<5xf32> to tensor<8x5xf32>
  %3 = gptc.iota 1 : tensor<8x5xi32>
  %4 = arith.constant dense<2> : tensor<8x5xi32>
  %5 = arith.cmpi slt, %3, %4 : tensor<8x5xi32>
  %6 = arith.select %5, %2, %0 : tensor<8x5xi1>, tensor<8x5xf32>
  return %6 : tensor<8x5xf32>
}

// A row program takes no more than a target has buffers for.
// CHECK-LABEL: func.func @buffers
// CHECK: gptc.group rowwise
// CHECK-NOT: gptc.group
// FEW-LABEL: func.func @buffers
// FEW-COUNT-2: gptc.group rowwise
// FEW-NOT: gptc.group
func.func @buffers(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>, %c: tensor<4x8xf32>, %d: tensor<4x8xf32>, %e: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = arith.addf %a, %b : tensor<4x8xf32>
  %1 = arith.addf %0, %c : tensor<4x8xf32>
  %2 = arith.addf %1, %d : tensor<4x8xf32>
  %3 = arith.addf %2, %e : tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// What is chosen from a product's rows is a kernel of its own, and what is made
// of it another.
// CHECK-LABEL: func.func @top_k
// FEW-LABEL: func.func @top_k
// CHECK: %[[P:.*]] = gptc.group contraction
// CHECK: gptc.group rowwise ({{.*}} = %[[P]] :
// CHECK-NEXT: gptc.top_k
// CHECK-NEXT: gptc.yield
// CHECK: gptc.group rowwise
// CHECK-NEXT: arith.negf
func.func @top_k(%x: tensor<2x4xf32>, %w: tensor<4x9xf32>) -> (tensor<2x9xf32>, tensor<2x3xf32>, tensor<2x3xi32>) {
  %0 = gptc.matmul %x, %w : tensor<2x4xf32>, tensor<4x9xf32> -> tensor<2x9xf32>
  %v, %i = gptc.top_k %0 pieces 1 k 3 : tensor<2x9xf32> -> tensor<2x3xf32>, tensor<2x3xi32>
  %1 = arith.negf %v : tensor<2x3xf32>
  return %0, %1, %i : tensor<2x9xf32>, tensor<2x3xf32>, tensor<2x3xi32>
}
