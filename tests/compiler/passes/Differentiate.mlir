// RUN: gptc-opt %s --split-input-file --gptc-differentiate --verify-diagnostics --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// A value that several ops read sums their gradients; what comes of an op has
// its scope; a value that the loss does not depend on gets zeros.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[W:.*]]: tensor<3xf32>{{.*}}, %[[UNUSED:.*]]: tensor<2xf32>
func.func @main(%w: tensor<3xf32>, %unused: tensor<2xf32>) -> (tensor<3xf32>, tensor<2xf32>) {
  // CHECK: %[[E:.*]] = math.exp %[[W]]
  // CHECK: %[[P:.*]] = arith.mulf %[[E]], %[[W]]
  // CHECK: gptc.reduce sum %[[P]] [0]
  %0 = math.exp %w : tensor<3xf32> loc("h.0/exp")
  %1 = arith.mulf %0, %w : tensor<3xf32> loc("h.0/mul")
  %2 = gptc.reduce sum %1 [0] : tensor<3xf32> to tensor<f32> loc("loss")
  // CHECK: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<f32>
  // CHECK: %[[G:.*]] = gptc.broadcast %[[ONE]] [] : tensor<f32> to tensor<3xf32> loc("loss")
  // CHECK: %[[GE:.*]] = arith.mulf %[[G]], %[[W]] : tensor<3xf32> loc("h.0/mul")
  // CHECK: %[[GW:.*]] = arith.mulf %[[G]], %[[E]] : tensor<3xf32> loc("h.0/mul")
  // CHECK: %[[GX:.*]] = arith.mulf %[[GE]], %[[E]] : tensor<3xf32> loc("h.0/exp")
  // CHECK: %[[SUM:.*]] = arith.addf %[[GW]], %[[GX]] : tensor<3xf32> loc("h.0/exp")
  // CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<2xf32>
  // CHECK: return %[[SUM]], %[[ZERO]]
  %3:2 = gptc.gradient %2 wrt %w, %unused : tensor<f32> wrt tensor<3xf32>, tensor<2xf32>
  return %3#0, %3#1 : tensor<3xf32>, tensor<2xf32>
}

// -----

// Disjoint slices' gradients are put together, not added to zeros; nothing
// flows through gptc.stop_gradient, which goes.
// CHECK-LABEL: func.func @slices(
// CHECK-SAME: %[[W:.*]]: tensor<6xf32>
func.func @slices(%w: tensor<6xf32>) -> tensor<6xf32> {
  // CHECK: %[[A:.*]] = gptc.slice %[[W]] [0]
  // CHECK: %[[B:.*]] = gptc.slice %[[W]] [3]
  %0 = gptc.slice %w [0] : tensor<6xf32> to tensor<2xf32>
  %1 = gptc.slice %w [3] : tensor<6xf32> to tensor<2xf32>
  // CHECK-NOT: gptc.stop_gradient
  %2 = gptc.stop_gradient %1 : tensor<2xf32>
  %3 = arith.mulf %0, %1 : tensor<2xf32>
  %4 = arith.mulf %3, %2 : tensor<2xf32>
  %5 = gptc.reduce sum %4 [0] : tensor<2xf32> to tensor<f32>
  // CHECK: gptc.reduce
  // CHECK: %[[G:.*]] = arith.mulf %{{.*}}, %[[B]]
  // CHECK: %[[GA:.*]] = arith.mulf %[[G]], %[[B]]
  // CHECK: %[[GB:.*]] = arith.mulf %[[G]], %[[A]]
  // CHECK: %[[ALL:.*]] = gptc.concat %[[GA]], %{{.*}}, %[[GB]], %{{.*}} along 0 : tensor<2xf32>, tensor<1xf32>, tensor<2xf32>, tensor<1xf32> -> tensor<6xf32>
  // CHECK: return %[[ALL]]
  %6 = gptc.gradient %5 wrt %w : tensor<f32> wrt tensor<6xf32>
  return %6 : tensor<6xf32>
}

// -----

func.func @not_differentiable(%x: tensor<1x1x3x1xf32>, %at: tensor<1xi32>) -> tensor<1x1x3x1xf32> {
  // expected-error @+1 {{'gptc.cache_append' op stands between a loss and what it is differentiated by, and is not differentiable}}
  %0 = gptc.cache_append %x, %x at %at, %at : tensor<1x1x3x1xf32>, tensor<1x1x3x1xf32>, tensor<1xi32>
  %1 = gptc.reduce sum %0 [0, 1, 2, 3] : tensor<1x1x3x1xf32> to tensor<f32>
  %2 = gptc.gradient %1 wrt %x : tensor<f32> wrt tensor<1x1x3x1xf32>
  return %2 : tensor<1x1x3x1xf32>
}

// -----

gptc.variable @c cache : tensor<f32>
func.func @through_a_variable(%x: tensor<f32>) -> tensor<f32> {
  gptc.assign @c, %x : tensor<f32>
  // expected-error @+1 {{'gptc.read' op stands between a loss and what it is differentiated by, and reads a variable after its assignment}}
  %0 = gptc.read @c : tensor<f32>
  %1 = gptc.gradient %0 wrt %x : tensor<f32> wrt tensor<f32>
  return %1 : tensor<f32>
}

// -----

func.func @twice(%x: tensor<f32>) -> tensor<f32> {
  %0 = arith.mulf %x, %x : tensor<f32>
  // expected-error @+1 {{'gptc.gradient' op stands between a loss and what it is differentiated by, and is a gradient itself}}
  %1 = gptc.gradient %0 wrt %x : tensor<f32> wrt tensor<f32>
  %2 = gptc.gradient %1 wrt %x : tensor<f32> wrt tensor<f32>
  return %2 : tensor<f32>
}

// -----

// All but products is computed again from what is kept.
// CHECK-LABEL: func.func @light(
// CHECK-SAME: %[[X:.*]]: tensor<3x4xf32>{{.*}}, %[[W:.*]]: tensor<4x5xf32>
func.func @light(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<4x5xf32> attributes {gptc.recompute = {h = "light"}} {
  // CHECK: math.exp %[[X]] : tensor<3x4xf32> loc("h/a")
  // CHECK: %[[P:.*]] = gptc.matmul
  // CHECK: math.exp %[[P]] : tensor<3x5xf32> loc("h/c")
  %0 = math.exp %x : tensor<3x4xf32> loc("h/a")
  %1 = gptc.matmul %0, %w : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32> loc("h/b")
  %2 = math.exp %1 : tensor<3x5xf32> loc("h/c")
  %3 = gptc.reduce sum %2 [0, 1] : tensor<3x5xf32> to tensor<f32> loc("loss")
  // CHECK: %[[A:.*]] = math.exp %[[X]] {gptc.backward} : tensor<3x4xf32> loc("h/a")
  // CHECK-NOT: gptc.matmul
  // CHECK: %[[C:.*]] = math.exp %[[P]] {gptc.backward} : tensor<3x5xf32> loc("h/c")
  // CHECK: %[[G:.*]] = arith.mulf %{{.*}}, %[[C]] {gptc.backward}
  // CHECK: gptc.matmul %[[A]]{{.*}}, %[[G]]
  %4 = gptc.gradient %3 wrt %w : tensor<f32> wrt tensor<4x5xf32>
  return %4 : tensor<4x5xf32>
}

// -----

// Products too, from what the scope reads.
// CHECK-LABEL: func.func @whole(
// CHECK-SAME: %[[X:.*]]: tensor<3x4xf32>{{.*}}, %[[W:.*]]: tensor<4x5xf32>
func.func @whole(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<4x5xf32> attributes {gptc.recompute = {h = "whole"}} {
  // CHECK: %[[Y:.*]] = arith.negf %[[X]] : tensor<3x4xf32> loc("before")
  // CHECK: math.exp %[[Y]] : tensor<3x4xf32> loc("h/a")
  %y = arith.negf %x : tensor<3x4xf32> loc("before")
  %0 = math.exp %y : tensor<3x4xf32> loc("h/a")
  %1 = gptc.matmul %0, %w : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32> loc("h/b")
  %2 = math.exp %1 : tensor<3x5xf32> loc("h/c")
  %3 = gptc.reduce sum %2 [0, 1] : tensor<3x5xf32> to tensor<f32> loc("loss")
  // CHECK: %[[A:.*]] = math.exp %[[Y]] {gptc.backward} : tensor<3x4xf32> loc("h/a")
  // CHECK: %[[P:.*]] = gptc.matmul %[[A]], %[[W]] {gptc.backward}
  // CHECK: %[[C:.*]] = math.exp %[[P]] {gptc.backward} : tensor<3x5xf32> loc("h/c")
  %4 = gptc.gradient %3 wrt %w : tensor<f32> wrt tensor<4x5xf32>
  return %4 : tensor<4x5xf32>
}

// -----

// expected-error @+1 {{has "lite" for the scope 'h' in gptc.recompute, expected "whole" or "light"}}
func.func @unknown_kind(%x: tensor<3xf32>) -> tensor<3xf32> attributes {gptc.recompute = {h = "lite"}} {
  %0 = math.exp %x : tensor<3xf32> loc("h/a")
  return %0 : tensor<3xf32>
}

// -----

// expected-error @+1 {{has no op in the scope 'k', which gptc.recompute names}}
func.func @unknown_scope(%x: tensor<3xf32>) -> tensor<3xf32> attributes {gptc.recompute = {k = "light"}} {
  %0 = math.exp %x : tensor<3xf32> loc("h/a")
  return %0 : tensor<3xf32>
}

// -----

// expected-error @+1 {{has gptc.recompute = "h", expected scopes, each with "whole" or "light"}}
func.func @no_scopes(%x: tensor<3xf32>) -> tensor<3xf32> attributes {gptc.recompute = "h"} {
  %0 = math.exp %x : tensor<3xf32> loc("h/a")
  return %0 : tensor<3xf32>
}

// -----

// Attention leaves behind the logarithms that its gradient reads.
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x3x4xf32>
// CHECK: %[[Y:.*]], %[[L:.*]] = gptc.attention %[[Q]], %[[Q]], %[[Q]] scale %[[S:.*]] causal log_sum_exp
// CHECK: gptc.attention_backward %[[Q]], %[[Q]], %[[Q]], %{{.*}}, %[[Y]], %[[L]] scale %[[S]] causal
func.func @attention(%q: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %s = arith.constant 0.5 : f32
  %0 = gptc.attention %q, %q, %q scale %s causal : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  %1 = gptc.reduce sum %0 [0, 1, 2, 3] : tensor<1x2x3x4xf32> to tensor<f32>
  %2 = gptc.gradient %1 wrt %q : tensor<f32> wrt tensor<1x2x3x4xf32>
  return %2 : tensor<1x2x3x4xf32>
}

// -----

// What no gradient flows through is left as it is.
// CHECK-LABEL: func.func @attention_alone(
// CHECK-NOT: log_sum_exp
func.func @attention_alone(%q: tensor<1x2x3x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) {
  %s = arith.constant 0.5 : f32
  %0 = gptc.attention %q, %q, %q scale %s causal : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  %1 = gptc.reduce sum %q [0, 1, 2, 3] : tensor<1x2x3x4xf32> to tensor<f32>
  %2 = gptc.gradient %1 wrt %q : tensor<f32> wrt tensor<1x2x3x4xf32>
  return %0, %2 : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
}
