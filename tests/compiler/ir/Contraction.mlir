// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @matmul_c1(%a: tensor<3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{(matmul_c1) needs operands of at least two dimensions}}
  %0 = gptc.matmul %a, %b : tensor<3xf32>, tensor<3x5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @matmul_c1_leading(%a: tensor<2x4x3xf32>, %b: tensor<6x3x5xf32>) {
  // expected-error @+1 {{(matmul_c1) has leading dimensions that differ}}
  %0 = gptc.matmul %a, %b : tensor<2x4x3xf32>, tensor<6x3x5xf32> -> tensor<2x4x5xf32>
  return
}

// -----

func.func @matmul_c2(%a: tensor<4x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{(matmul_c2) contracts extent 3 of the left operand with 5 of the right}}
  %0 = gptc.matmul %a, %b transpose_rhs : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_c3(%a: tensor<4x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{(matmul_c3) has the result 'tensor<5x4xf32>', expected 'tensor<4x5xf32>'}}
  %0 = gptc.matmul %a, %b : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<5x4xf32>
  return
}

// -----

func.func @matmul_c4(%a: tensor<4x3xf32>, %b: tensor<3x5xbf16>) {
  // expected-error @+1 {{(matmul_c4) mixes element types}}
  %0 = gptc.matmul %a, %b : tensor<4x3xf32>, tensor<3x5xbf16> -> tensor<4x5xf32>
  return
}

// -----

func.func @right(%a: tensor<2x4x3xbf16>, %b: tensor<2x5x3xbf16>) -> tensor<2x4x5xf32> {
  %0 = gptc.matmul %a, %b transpose_rhs : tensor<2x4x3xbf16>, tensor<2x5x3xbf16> -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}
