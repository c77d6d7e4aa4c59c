// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @gather_c1(%t: tensor<16xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{(gather_c1) has a table of rank 1, expected 2}}
  %0 = gptc.gather %t, %i : tensor<16xf32>, tensor<2xi32> -> tensor<2xf32>
  return
}

// -----

func.func @gather_c2(%t: tensor<16x8xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{(gather_c2) has the result 'tensor<8x2xf32>', expected 'tensor<2x8xf32>'}}
  %0 = gptc.gather %t, %i : tensor<16x8xf32>, tensor<2xi32> -> tensor<8x2xf32>
  return
}

// -----

func.func @select_row_c1(%x: tensor<2x3x4xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{(select_row_c1) cannot select from 'tensor<2x3x4xf32>' by 'tensor<3xi32>'}}
  %0 = gptc.select_row %x, %i : tensor<2x3x4xf32>, tensor<3xi32> -> tensor<2x4xf32>
  return
}

// -----

func.func @select_row_c2(%x: tensor<2x3x4xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{(select_row_c2) has the result 'tensor<2x3xf32>', expected 'tensor<2x4xf32>'}}
  %0 = gptc.select_row %x, %i : tensor<2x3x4xf32>, tensor<2xi32> -> tensor<2x3xf32>
  return
}

// -----

func.func @cache_append_c1(%c: tensor<1x2x8x4xf32>, %r: tensor<1x2x3x5xf32>, %at: tensor<1xi32>) {
  // expected-error @+1 {{(cache_append_c1) cannot put 'tensor<1x2x3x5xf32>' into 'tensor<1x2x8x4xf32>'}}
  %0 = gptc.cache_append %c, %r at %at, %at : tensor<1x2x8x4xf32>, tensor<1x2x3x5xf32>, tensor<1xi32>
  return
}

// -----

func.func @cache_append_c2(%c: tensor<1x2x8x4xf32>, %r: tensor<1x2x3x4xf32>, %at: tensor<2xi32>) {
  // expected-error @+1 {{(cache_append_c2) has positions or lengths 'tensor<2xi32>' for 1 sequences}}
  %0 = gptc.cache_append %c, %r at %at, %at : tensor<1x2x8x4xf32>, tensor<1x2x3x4xf32>, tensor<2xi32>
  return
}

// -----

func.func @cache_append_c3(%c: tensor<1x2x8x4xf32>, %r: tensor<1x2x3x4xf32>, %at: tensor<1xi32>) {
  // expected-error @+1 {{all of {cache, result} have same type}}
  %0 = "gptc.cache_append"(%c, %r, %at, %at) : (tensor<1x2x8x4xf32>, tensor<1x2x3x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x2x9x4xf32>
  return
}

// -----

func.func @iota_c1() {
  // expected-error @+1 {{(iota_c1) counts along dimension 2 of 'tensor<2x3xi32>'}}
  %0 = gptc.iota 2 : tensor<2x3xi32>
  return
}

// -----

func.func @scatter_add_c1(%rows: tensor<2x3x5xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{(scatter_add_c1) has rows 'tensor<2x3x5xf32>' for indices 'tensor<3xi32>'}}
  %0 = gptc.scatter_add %rows, %i : tensor<2x3x5xf32>, tensor<3xi32> -> tensor<7x5xf32>
  return
}

// -----

func.func @scatter_add_c2(%rows: tensor<3x5xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{(scatter_add_c2) has the result 'tensor<7x6xf32>' for rows 'tensor<3x5xf32>'}}
  %0 = gptc.scatter_add %rows, %i : tensor<3x5xf32>, tensor<3xi32> -> tensor<7x6xf32>
  return
}

// -----

func.func @top_k_c1_scalar(%x: tensor<f32>) {
  // expected-error @+1 {{(top_k_c1) cannot take 1 of each of 1 pieces of 'tensor<f32>'}}
  %0:2 = gptc.top_k %x pieces 1 k 1 : tensor<f32> -> tensor<f32>, tensor<i32>
  return
}

// -----

func.func @top_k_c1_k(%x: tensor<2x300xf32>) {
  // expected-error @+1 {{(top_k_c1) cannot take 257 of each of 1 pieces of 'tensor<2x300xf32>'}}
  %0:2 = gptc.top_k %x pieces 1 k 257 : tensor<2x300xf32> -> tensor<2x257xf32>, tensor<2x257xi32>
  return
}

// -----

func.func @top_k_c1_pieces(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(top_k_c1) cannot take 1 of each of 4 pieces of 'tensor<2x3xf32>'}}
  %0:2 = gptc.top_k %x pieces 4 k 1 : tensor<2x3xf32> -> tensor<2x4xf32>, tensor<2x4xi32>
  return
}

// -----

func.func @top_k_c2(%x: tensor<2x3xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{(top_k_c2) has carried indices 'tensor<3xi32>' for 'tensor<2x3xf32>'}}
  %0:2 = gptc.top_k %x carried %i pieces 1 k 2 : tensor<2x3xf32>, tensor<3xi32> -> tensor<2x2xf32>, tensor<2x2xi32>
  return
}

// -----

func.func @top_k_c3(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(top_k_c3) has the results 'tensor<2x2xf32>' and 'tensor<2x4xi32>', expected 'tensor<2x4xf32>' and 'tensor<2x4xi32>'}}
  %0:2 = gptc.top_k %x pieces 2 k 2 : tensor<2x3xf32> -> tensor<2x2xf32>, tensor<2x4xi32>
  return
}
