// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @reduce_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(reduce_c1) has dimension 2 out of order or range for 'tensor<2x3xf32>'}}
  %0 = gptc.reduce sum %x [2] : tensor<2x3xf32> to tensor<2xf32>
  return
}

// -----

func.func @reduce_c1_order(%x: tensor<2x3x4xf32>) {
  // expected-error @+1 {{(reduce_c1) has dimension 0 out of order or range}}
  %0 = gptc.reduce max %x [1, 0] : tensor<2x3x4xf32> to tensor<4xf32>
  return
}

// -----

func.func @reduce_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(reduce_c2) has the result 'tensor<3xf32>', expected 'tensor<2xf32>'}}
  %0 = gptc.reduce sum %x [1] : tensor<2x3xf32> to tensor<3xf32>
  return
}

// -----

func.func @layer_norm_c1(%x: tensor<2x3xf32>, %g: tensor<2xf32>, %e: f32) {
  // expected-error @+1 {{(layer_norm_c1) has a gain or bias 'tensor<2xf32>' for 'tensor<2x3xf32>'}}
  %0 = gptc.layer_norm %x, %g, %g epsilon %e : tensor<2x3xf32>, tensor<2xf32>, tensor<2xf32>, f32
  return
}

// -----

func.func @layer_norm_c2(%x: tensor<2x3xf32>, %g: tensor<3xf32>, %e: f32) {
  // expected-error @+1 {{all of {x, y} have same type}}
  %0 = "gptc.layer_norm"(%x, %g, %g, %e) : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, f32) -> tensor<2x4xf32>
  return
}
