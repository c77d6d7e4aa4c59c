// RUN: gptc-opt %s | gptc-opt | FileCheck %s

// Masks and what drops by them print and parse.
// CHECK-LABEL: @drop
func.func @drop(%q: tensor<1x2x3x4xf32>, %s: f32, %rate: f32, %seed: i32, %site: i32, %at: tensor<1xi32>)
    -> (tensor<5x7xi1>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) {
  // CHECK: gptc.keep_mask %{{.*}} seed %{{.*}}, %{{.*}} : tensor<5x7xi1>
  %0 = gptc.keep_mask %rate seed %seed, %site : tensor<5x7xi1>
  // CHECK: %{{.*}}, %{{.*}} = gptc.attention %{{.*}} scale %{{.*}} at %{{.*}}, %{{.*}} drop %{{.*}}, %{{.*}}, %{{.*}} causal window 2 log_sum_exp :
  %1, %l = gptc.attention %q, %q, %q scale %s at %at, %at drop %rate, %seed, %site causal window 2 log_sum_exp : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32, tensor<1xi32>
  // CHECK: gptc.attention_backward %{{.*}} drop %{{.*}}, %{{.*}}, %{{.*}} causal :
  %2:3 = gptc.attention_backward %q, %q, %q, %1, %1, %l scale %s drop %rate, %seed, %site causal : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  return %0, %1, %2#0 : tensor<5x7xi1>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
}
