// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @arena_c1() {
  // expected-error @+1 {{(arena_c1) has the offset -64, expected a multiple of 64 from 0 to 2^48}}
  %0 = gptc.arena -64 : memref<4xf32>
  return
}

// -----

func.func @arena_c1_unaligned() {
  // expected-error @+1 {{(arena_c1) has the offset 100, expected}}
  %0 = gptc.arena 100 : memref<4xf32>
  return
}

// -----

func.func @storage_c1() {
  // expected-error @+1 {{(storage_c1) names the variable @w, which the module does not declare}}
  %0 = gptc.storage @w : memref<4xf32>
  return
}

// -----

gptc.variable @w cache : tensor<4xf32>
func.func @storage_c2() {
  // expected-error @+1 {{(storage_c2) is 'memref<5xf32>', but the variable is 'tensor<4xf32>'}}
  %0 = gptc.storage @w : memref<5xf32>
  return
}

// -----

gptc.kernel @k rowwise () -> tensor<4xf32> {
  %0 = arith.constant dense<1.0> : tensor<4xf32>
  gptc.yield %0 : tensor<4xf32>
}
func.func @without_inputs(%y: memref<4xf32>) {
  gptc.launch @k() -> (%y) : () -> (memref<4xf32>)
  return
}

// -----

func.func @launch_c1(%x: memref<4xf32>) {
  // expected-error @+1 {{(launch_c1) names the kernel @k, which the module does not declare}}
  gptc.launch @k(%x) -> (%x) : (memref<4xf32>) -> (memref<4xf32>)
  return
}

// -----

gptc.kernel @k rowwise (%x: tensor<4xf32>) -> tensor<4xf32> {
  gptc.yield %x : tensor<4xf32>
}
func.func @launch_c2(%x: memref<4xf32>, %y: memref<5xf32>) {
  // expected-error @+1 {{(launch_c2) does not fit the kernel's type}}
  gptc.launch @k(%x) -> (%y) : (memref<4xf32>) -> (memref<5xf32>)
  return
}
