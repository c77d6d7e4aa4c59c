// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @cast_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(cast_c1) cannot convert 'f32' to 'i32'}}
  %0 = gptc.cast %x : tensor<4xf32> to tensor<4xi32>
  return
}

// -----

func.func @right(%x: tensor<4xi1>) {
  %0 = gptc.cast %x : tensor<4xi1> to tensor<4xi32>
  %1 = gptc.cast %0 : tensor<4xi32> to tensor<4xbf16>
  return
}
