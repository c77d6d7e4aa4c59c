// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @log_likelihood_c1(%l: tensor<2x3x7xf32>, %t: tensor<2x4xi32>) {
  // expected-error @+1 {{(log_likelihood_c1) has targets 'tensor<2x4xi32>' for logits 'tensor<2x3x7xf32>'}}
  %0 = gptc.log_likelihood %l, %t : tensor<2x3x7xf32>, tensor<2x4xi32> -> tensor<2x4xf32>
  return
}

// -----

func.func @log_likelihood_c2(%l: tensor<2x3x7xf32>, %t: tensor<2x3xi32>) {
  // expected-error @+1 {{(log_likelihood_c2) has the result 'tensor<2x7xf32>', expected 'tensor<2x3xf32>'}}
  %0 = gptc.log_likelihood %l, %t : tensor<2x3x7xf32>, tensor<2x3xi32> -> tensor<2x7xf32>
  return
}
