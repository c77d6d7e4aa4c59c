// RUN: gptc-opt %s | gptc-opt | FileCheck %s

// All forms of top_k print and parse.
// CHECK-LABEL: @top_k
func.func @top_k(%x: tensor<1x11xf32>) -> (tensor<1x2xf32>, tensor<1x2xi32>) {
  // CHECK: %[[V:.*]], %[[I:.*]] = gptc.top_k %{{.*}} pieces 4 k 2 finite : tensor<1x11xf32> -> tensor<1x8xf32>, tensor<1x8xi32>
  %v, %i = gptc.top_k %x pieces 4 k 2 finite : tensor<1x11xf32> -> tensor<1x8xf32>, tensor<1x8xi32>
  // CHECK: gptc.top_k %[[V]] carried %[[I]] pieces 1 k 2 : tensor<1x8xf32>, tensor<1x8xi32> -> tensor<1x2xf32>, tensor<1x2xi32>
  %w, %j = gptc.top_k %v carried %i pieces 1 k 2 : tensor<1x8xf32>, tensor<1x8xi32> -> tensor<1x2xf32>, tensor<1x2xi32>
  return %w, %j : tensor<1x2xf32>, tensor<1x2xi32>
}
