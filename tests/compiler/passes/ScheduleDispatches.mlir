// RUN: gptc-opt %s --gptc-schedule-dispatches | FileCheck %s

gptc.variable @w parameter : tensor<4x4xf32> init(<normal, 0.0, 0.02>)
gptc.variable @count counter : tensor<4xf32>
gptc.variable @cache cache : tensor<1x2x6x4xf32>
gptc.kernel @product contraction (%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  %0 = gptc.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  gptc.yield %0 : tensor<2x4xf32>
}
gptc.kernel @scale rowwise (%x: tensor<4xf32>, %s: f32) -> tensor<4xf32> {
  %0 = tensor.splat %s : tensor<4xf32>
  %1 = arith.mulf %x, %0 : tensor<4xf32>
  gptc.yield %1 : tensor<4xf32>
}
gptc.kernel @append gather (%c: tensor<1x2x6x4xf32>, %x: tensor<1x2x1x4xf32>, %at: tensor<1xi32>) -> tensor<1x2x6x4xf32> attributes {tied = array<i64: 0, 0>} {
  %0 = gptc.cache_append %c, %x at %at, %at : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
  gptc.yield %0 : tensor<1x2x6x4xf32>
}

// Results are arguments after the arguments; what is neither result nor state
// is allocated.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<2x4xf32> {gptc.name = "x"}, %[[Y:.*]]: memref<2x4xf32> {gptc.result = "y"})
func.func @main(%x: tensor<2x4xf32> {gptc.name = "x"}) -> (tensor<2x4xf32> {gptc.name = "y"}) {
  // CHECK: %[[W:.*]] = gptc.storage @w : memref<4x4xf32>
  %w = gptc.read @w : tensor<4x4xf32>
  // CHECK: %[[A:.*]] = memref.alloc() : memref<2x4xf32>
  // CHECK: gptc.launch @product(%[[X]], %[[W]]) -> (%[[A]])
  %0 = gptc.dispatch @product(%x, %w) : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  // CHECK: gptc.launch @product(%[[A]], %[[W]]) -> (%[[Y]])
  %1 = gptc.dispatch @product(%0, %w) : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  // CHECK-NEXT: return
  return %1 : tensor<2x4xf32>
}

// An assigned value is computed in the variable's storage; scalars stay what
// they are.
// CHECK-LABEL: func.func @assign
func.func @assign(%x: tensor<4xf32> {gptc.name = "x"}, %s: f32 {gptc.name = "s"}) {
  // CHECK: %[[C:.*]] = gptc.storage @count : memref<4xf32>
  // CHECK-NOT: memref.alloc
  // CHECK: gptc.launch @scale(%{{.*}}, %{{.*}}) -> (%[[C]]) : (memref<4xf32>, f32) -> (memref<4xf32>)
  %0 = gptc.dispatch @scale(%x, %s) : (tensor<4xf32>, f32) -> tensor<4xf32>
  gptc.assign @count, %0 : tensor<4xf32>
  return
}

// A tied output is the input's memory.
// CHECK-LABEL: func.func @grow
func.func @grow(%x: tensor<1x2x1x4xf32> {gptc.name = "x"}, %at: tensor<1xi32> {gptc.name = "at"}) {
  // CHECK: %[[C:.*]] = gptc.storage @cache
  // CHECK-NEXT: gptc.launch @append(%[[C]], %{{.*}}, %{{.*}}) -> (%[[C]])
  %0 = gptc.read @cache : tensor<1x2x6x4xf32>
  %1 = gptc.dispatch @append(%0, %x, %at) : (tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>) -> tensor<1x2x6x4xf32>
  gptc.assign @cache, %1 : tensor<1x2x6x4xf32>
  return
}
