// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @gradient_c1(%x: tensor<3xf32>) {
  // expected-error @+1 {{(gradient_c1) has the loss 'tensor<3xf32>', expected a tensor without dimensions}}
  %0 = gptc.gradient %x wrt %x : tensor<3xf32> wrt tensor<3xf32>
  return
}

// -----

func.func @gradient_c2(%l: tensor<f32>, %x: tensor<3xf32>) {
  // expected-error @+1 {{(gradient_c2) has results of other types than its 1 values}}
  %0 = "gptc.gradient"(%l, %x) : (tensor<f32>, tensor<3xf32>) -> tensor<4xf32>
  return
}
