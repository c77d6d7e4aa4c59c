// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gptc-plan-memory))' | FileCheck %s
gptc.kernel @product contraction (%x: tensor<4x16xf32>, %w: tensor<16x16xf32>) -> tensor<4x16xf32> {
  %0 = gptc.matmul %x, %w : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  gptc.yield %0 : tensor<4x16xf32>
}
gptc.kernel @double rowwise (%x: tensor<4x16xf32>) -> tensor<4x16xf32> attributes {in_place = array<i64: 0, 0>} {
  %0 = arith.addf %x, %x : tensor<4x16xf32>
  gptc.yield %0 : tensor<4x16xf32>
}

// A buffer's place is free after its last reader.
// CHECK-LABEL: func.func @chain
// CHECK-SAME: gptc.arena_bytes = 512 : i64, gptc.live_bytes = 512 : i64
// CHECK: gptc.arena 0 : memref<4x16xf32>
// CHECK: gptc.arena 256 : memref<4x16xf32>
// CHECK: gptc.arena 0 : memref<4x16xf32>
// CHECK-NOT: memref.alloc
func.func @chain(%x: memref<4x16xf32>, %w: memref<16x16xf32>, %y: memref<4x16xf32>) {
  %0 = memref.alloc() : memref<4x16xf32>
  gptc.launch @product(%x, %w) -> (%0) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  %1 = memref.alloc() : memref<4x16xf32>
  gptc.launch @product(%0, %w) -> (%1) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  %2 = memref.alloc() : memref<4x16xf32>
  gptc.launch @product(%1, %w) -> (%2) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  gptc.launch @product(%2, %w) -> (%y) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  return
}

// The last reader writes in place, where the kernel may.
// CHECK-LABEL: func.func @in_place
// CHECK-SAME: gptc.arena_bytes = 256 : i64, gptc.live_bytes = 256 : i64
// CHECK: gptc.arena 0
// CHECK: gptc.arena 0
func.func @in_place(%x: memref<4x16xf32>, %w: memref<16x16xf32>, %y: memref<4x16xf32>) {
  %0 = memref.alloc() : memref<4x16xf32>
  gptc.launch @product(%x, %w) -> (%0) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  %1 = memref.alloc() : memref<4x16xf32>
  gptc.launch @double(%0) -> (%1) : (memref<4x16xf32>) -> (memref<4x16xf32>)
  gptc.launch @product(%1, %w) -> (%y) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  return
}

// Not where another launch reads the input later.
// CHECK-LABEL: func.func @read_later
// CHECK-SAME: gptc.arena_bytes = 512 : i64, gptc.live_bytes = 512 : i64
// CHECK: gptc.arena 0
// CHECK: gptc.arena 256
func.func @read_later(%x: memref<4x16xf32>, %w: memref<16x16xf32>, %y: memref<4x16xf32>, %z: memref<4x16xf32>) {
  %0 = memref.alloc() : memref<4x16xf32>
  gptc.launch @product(%x, %w) -> (%0) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  %1 = memref.alloc() : memref<4x16xf32>
  gptc.launch @double(%0) -> (%1) : (memref<4x16xf32>) -> (memref<4x16xf32>)
  gptc.launch @product(%1, %w) -> (%y) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  gptc.launch @product(%0, %w) -> (%z) : (memref<4x16xf32>, memref<16x16xf32>) -> (memref<4x16xf32>)
  return
}

// Offsets are multiples of 64, also after buffers of odd sizes.
// CHECK-LABEL: func.func @odd
// CHECK-SAME: gptc.arena_bytes = 128 : i64
// CHECK-DAG: gptc.arena 0 : memref<3xf32>
// CHECK-DAG: gptc.arena 64 : memref<3xf32>
gptc.kernel @pair rowwise (%x: tensor<3xf32>, %y: tensor<3xf32>) -> tensor<3xf32> {
  %0 = arith.addf %x, %y : tensor<3xf32>
  gptc.yield %0 : tensor<3xf32>
}
func.func @odd(%x: memref<3xf32>, %y: memref<3xf32>) {
  %0 = memref.alloc() : memref<3xf32>
  gptc.launch @pair(%x, %x) -> (%0) : (memref<3xf32>, memref<3xf32>) -> (memref<3xf32>)
  %1 = memref.alloc() : memref<3xf32>
  gptc.launch @pair(%x, %0) -> (%1) : (memref<3xf32>, memref<3xf32>) -> (memref<3xf32>)
  gptc.launch @pair(%0, %1) -> (%y) : (memref<3xf32>, memref<3xf32>) -> (memref<3xf32>)
  return
}
