// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @broadcast_c1(%x: tensor<3xf32>) {
  // expected-error @+1 {{(broadcast_c1) names 2 dimensions for an operand of rank 1}}
  %0 = gptc.broadcast %x [0, 1] : tensor<3xf32> to tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c1_range(%x: tensor<3xf32>) {
  // expected-error @+1 {{(broadcast_c1) has dimension 2 out of order or range}}
  %0 = gptc.broadcast %x [2] : tensor<3xf32> to tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c2(%x: tensor<3xf32>) {
  // expected-error @+1 {{(broadcast_c2) cannot repeat extent 3 to 2 in dimension 0}}
  %0 = gptc.broadcast %x [0] : tensor<3xf32> to tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c3(%x: tensor<3xf32>) {
  // expected-error @+1 {{(broadcast_c3) changes the element type from 'f32' to 'bf16'}}
  %0 = gptc.broadcast %x [1] : tensor<3xf32> to tensor<2x3xbf16>
  return
}

// -----

func.func @reshape_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(reshape_c1) has 6 elements to put into 8}}
  %0 = gptc.reshape %x : tensor<2x3xf32> to tensor<2x4xf32>
  return
}

// -----

func.func @reshape_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(reshape_c2) changes the element type}}
  %0 = gptc.reshape %x : tensor<2x3xf32> to tensor<6xbf16>
  return
}

// -----

func.func @transpose_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(transpose_c1) has no permutation}}
  %0 = gptc.transpose %x [1, 1] : tensor<2x3xf32> to tensor<3x3xf32>
  return
}

// -----

func.func @transpose_c1_rank(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(transpose_c1) permutes 3 of 2 dimensions}}
  %0 = gptc.transpose %x [1, 0, 2] : tensor<2x3xf32> to tensor<3x2xf32>
  return
}

// -----

func.func @transpose_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(transpose_c2) has extent 2 in dimension 0, expected 3}}
  %0 = gptc.transpose %x [1, 0] : tensor<2x3xf32> to tensor<2x3xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(slice_c1) needs one offset for each dimension and a result of the operand's rank}}
  %0 = gptc.slice %x [0] : tensor<2x3xf32> to tensor<2x3xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(slice_c2) cuts [2, 4) out of extent 3 in dimension 1}}
  %0 = gptc.slice %x [0, 2] : tensor<2x3xf32> to tensor<2x2xf32>
  return
}

// -----

func.func @slice_c3(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(slice_c3) changes the element type}}
  %0 = gptc.slice %x [0, 0] : tensor<2x3xf32> to tensor<2x2xbf16>
  return
}

// -----

func.func @concat_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(concat_c1) joins 1 tensors along dimension 2 of 'tensor<2x3xf32>'}}
  %0 = gptc.concat %x along 2 : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @concat_c2(%x: tensor<2x3xf32>, %y: tensor<3x3xf32>) {
  // expected-error @+1 {{(concat_c2) cannot join 'tensor<3x3xf32>' into 'tensor<2x6xf32>' along dimension 1}}
  %0 = gptc.concat %x, %y along 1 : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @concat_c2_extent(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(concat_c2) joins an extent of 4 into 'tensor<5x3xf32>'}}
  %0 = gptc.concat %x, %x along 0 : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
  return
}

// -----

func.func @concat_c3(%x: tensor<2x3xf32>, %y: tensor<2x3xf16>) {
  // expected-error @+1 {{(concat_c3) joins 'tensor<2x3xf16>' into 'tensor<4x3xf32>'}}
  %0 = gptc.concat %x, %y along 0 : tensor<2x3xf32>, tensor<2x3xf16> -> tensor<4x3xf32>
  return
}
