// RUN: gptc-opt %s --gptc-outline-kernels | FileCheck %s

// Two groups of the same body are one kernel; another shape is another kernel.
// CHECK: gptc.kernel @matmul_2x4x8_f32 contraction (%{{.*}}: tensor<2x4xf32>, %{{.*}}: tensor<4x8xf32>) -> tensor<2x8xf32> {
// CHECK-NEXT: %[[P:.*]] = gptc.matmul
// CHECK-NEXT: %[[R:.*]] = gptc.relu %[[P]]
// CHECK-NEXT: gptc.yield %[[R]]
// What is read only where it is then written may share its memory.
// CHECK: gptc.kernel @addf_2x8_f32 rowwise
// CHECK-SAME: attributes {in_place = array<i64: 0, 0, 1, 0>}
// CHECK: gptc.kernel @addf_2x4_f32 rowwise
// A cache that is appended to must.
// CHECK: gptc.kernel @cache_append_1x2x6x4_f32 gather
// CHECK-SAME: attributes {tied = array<i64: 0, 0>}
// CHECK-NOT: gptc.kernel

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<2x4xf32>, %[[A:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<4x8xf32>
func.func @main(%x: tensor<2x4xf32>, %a: tensor<4x8xf32>, %b: tensor<4x8xf32>) -> (tensor<2x8xf32>, tensor<2x4xf32>) {
  // CHECK-NEXT: %[[L:.*]] = gptc.dispatch @matmul_2x4x8_f32(%[[X]], %[[A]])
  %0 = gptc.group contraction (%l = %x, %r = %a : tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32> {
    %p = gptc.matmul %l, %r : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
    %q = gptc.relu %p : tensor<2x8xf32>
    gptc.yield %q : tensor<2x8xf32>
  }
  // CHECK-NEXT: %[[R:.*]] = gptc.dispatch @matmul_2x4x8_f32(%[[X]], %[[B]])
  %1 = gptc.group contraction (%l = %x, %r = %b : tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32> {
    %p = gptc.matmul %l, %r : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
    %q = gptc.relu %p : tensor<2x8xf32>
    gptc.yield %q : tensor<2x8xf32>
  }
  // CHECK-NEXT: %[[S:.*]] = gptc.dispatch @addf_2x8_f32(%[[L]], %[[R]])
  %2 = gptc.group rowwise (%l = %0, %r = %1 : tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32> {
    %s = arith.addf %l, %r : tensor<2x8xf32>
    gptc.yield %s : tensor<2x8xf32>
  }
  // CHECK-NEXT: %[[D:.*]] = gptc.dispatch @addf_2x4_f32(%[[X]])
  %3 = gptc.group rowwise (%l = %x : tensor<2x4xf32>) -> tensor<2x4xf32> {
    %s = arith.addf %l, %l : tensor<2x4xf32>
    gptc.yield %s : tensor<2x4xf32>
  }
  // CHECK-NEXT: return %[[S]], %[[D]]
  return %2, %3 : tensor<2x8xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func.func @append
func.func @append(%c: tensor<1x2x6x4xf32>, %x: tensor<1x2x1x4xf32>, %at: tensor<1xi32>) -> tensor<1x2x6x4xf32> {
  // CHECK-NEXT: gptc.dispatch @cache_append_1x2x6x4_f32
  %0 = gptc.group gather (%d = %c, %r = %x, %p = %at : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>) -> tensor<1x2x6x4xf32> {
    %s = gptc.cache_append %d, %r at %p, %p : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
    gptc.yield %s : tensor<1x2x6x4xf32>
  }
  return %0 : tensor<1x2x6x4xf32>
}
