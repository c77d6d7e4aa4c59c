// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @attention_c1(%q: tensor<1x2x3x4xf32>, %k: tensor<1x5x3x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_c1) has operands that do not fit}}
  %0 = gptc.attention %q, %k, %k scale %s causal : tensor<1x2x3x4xf32>, tensor<1x5x3x4xf32>, f32
  return
}

// -----

func.func @attention_c2(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x8x4xf32>, %s: f32, %at: tensor<2xi32>) {
  // expected-error @+1 {{(attention_c2) needs positions and lengths together, one for each sequence}}
  %0 = gptc.attention %q, %k, %k scale %s at %at, %at causal : tensor<1x2x3x4xf32>, tensor<1x2x8x4xf32>, f32, tensor<2xi32>
  return
}

// -----

func.func @attention_c3(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x8x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_c3) is causal without positions and has 3 queries for 8 keys}}
  %0 = gptc.attention %q, %k, %k scale %s causal : tensor<1x2x3x4xf32>, tensor<1x2x8x4xf32>, f32
  return
}

// -----

func.func @attention_c4(%q: tensor<1x2x3x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_c4) has a window that is not positive, or is not causal}}
  %0 = gptc.attention %q, %q, %q scale %s causal window 0 : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  return
}

// -----

func.func @attention_c5(%q: tensor<1x2x3x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_c5) has the result 'tensor<1x2x3x5xf32>', expected 'tensor<1x2x3x4xf32>'}}
  %0 = "gptc.attention"(%q, %q, %q, %s) <{causal, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0>}> : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32) -> tensor<1x2x3x5xf32>
  return
}

// -----

func.func @attention_c6(%q: tensor<1x2x3x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_c6) needs a rate, a seed and a site of drop together}}
  %0 = "gptc.attention"(%q, %q, %q, %s, %s) <{causal, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 1, 0, 0>}> : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32, f32) -> tensor<1x2x3x4xf32>
  return
}

// -----

func.func @attention_c7(%q: tensor<1x2x3x4xbf16>, %s: f32) {
  // expected-error @+1 {{(attention_c7) has the log_sum_exp 'tensor<1x2x3xbf16>', expected 'tensor<1x2x3xf32>'}}
  %0:2 = "gptc.attention"(%q, %q, %q, %s) <{causal, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0>}> : (tensor<1x2x3x4xbf16>, tensor<1x2x3x4xbf16>, tensor<1x2x3x4xbf16>, f32) -> (tensor<1x2x3x4xbf16>, tensor<1x2x3xbf16>)
  return
}

// -----

func.func @attention_of_rank_2(%q: tensor<3x4xf32>, %s: f32) {
  // expected-error @+1 {{expected a query of rank 4, found 'tensor<3x4xf32>'}}
  %0:2 = gptc.attention %q, %q, %q scale %s causal log_sum_exp : tensor<3x4xf32>, tensor<3x4xf32>, f32
  return
}

// -----

func.func @attention_backward_c1(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x5x4xf32>, %l: tensor<1x2x3xf32>, %s: f32) {
  // expected-error @+1 {{(attention_backward_c1) is causal without positions and has 3 queries for 5 keys}}
  %0:3 = gptc.attention_backward %q, %k, %k, %q, %q, %l scale %s causal : tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>, f32
  return
}

// -----

func.func @attention_backward_c2(%q: tensor<1x2x3x4xf32>, %g: tensor<1x2x3x5xf32>, %l: tensor<1x2x3xf32>, %s: f32) {
  // expected-error @+1 {{(attention_backward_c2) has gradients of other types than the query 'tensor<1x2x3x4xf32>' and the key 'tensor<1x2x3x4xf32>'}}
  %0:3 = "gptc.attention_backward"(%q, %q, %q, %g, %q, %l, %s) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0>}> : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x5xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, f32) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>)
  return
}

// -----

func.func @attention_backward_c3(%q: tensor<1x2x3x4xf32>, %s: f32) {
  // expected-error @+1 {{(attention_backward_c3) has the log_sum_exp 'tensor<1x2x3x4xf32>', expected 'tensor<1x2x3xf32>'}}
  %0:3 = "gptc.attention_backward"(%q, %q, %q, %q, %q, %q, %s) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0>}> : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>)
  return
}
