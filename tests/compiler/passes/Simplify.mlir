// RUN: gptc-opt %s --gptc-simplify | FileCheck %s

// Reads after an assignment use the assigned value, the last assignment stays,
// equal products are computed once, and what nobody uses goes.
gptc.variable @count counter : tensor<1xi32>
gptc.variable @w parameter : tensor<4x8xf32> init(<normal, 0.0, 0.02>)

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<1xi32>, %[[Y:.*]]: tensor<2x4xf32>)
func.func @main(%x: tensor<1xi32>, %y: tensor<2x4xf32>) -> (tensor<1xi32>, tensor<2x8xf32>) {
  // CHECK-NEXT: %[[COUNT:.*]] = gptc.read @count
  // CHECK-NEXT: %[[ONCE:.*]] = arith.addi %[[COUNT]], %[[X]]
  // CHECK-NEXT: %[[TWICE:.*]] = arith.addi %[[ONCE]], %[[X]]
  // CHECK-NEXT: gptc.assign @count, %[[TWICE]]
  %0 = gptc.read @count : tensor<1xi32>
  %1 = arith.addi %0, %x : tensor<1xi32>
  gptc.assign @count, %1 : tensor<1xi32>
  %2 = gptc.read @count : tensor<1xi32>
  %3 = arith.addi %2, %x : tensor<1xi32>
  gptc.assign @count, %3 : tensor<1xi32>
  // CHECK-NEXT: %[[W:.*]] = gptc.read @w
  // CHECK-NEXT: %[[P:.*]] = gptc.matmul %[[Y]], %[[W]]
  // CHECK-NEXT: %[[SUM:.*]] = arith.addf %[[P]], %[[P]]
  %4 = gptc.read @w : tensor<4x8xf32>
  %5 = gptc.matmul %y, %4 : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
  %6 = gptc.read @w : tensor<4x8xf32>
  %7 = gptc.matmul %y, %6 : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
  %8 = arith.addf %5, %7 : tensor<2x8xf32>
  %unused = gptc.relu %8 : tensor<2x8xf32>
  // CHECK-NEXT: return %[[ONCE]], %[[SUM]]
  return %2, %8 : tensor<1xi32>, tensor<2x8xf32>
}

// A variable is assigned by one entry and read by another: both stay.
// CHECK-LABEL: func.func @other
// CHECK-NEXT: gptc.read @count
func.func @other() -> tensor<1xi32> {
  %0 = gptc.read @count : tensor<1xi32>
  return %0 : tensor<1xi32>
}

// CHECK-LABEL: func.func @views
// CHECK-SAME: %[[X:.*]]: tensor<2x6xf32>
// CHECK-NEXT: return %[[X]]
func.func @views(%x: tensor<2x6xf32>) -> tensor<2x6xf32> {
  %0 = gptc.reshape %x : tensor<2x6xf32> to tensor<3x4xf32>
  %1 = gptc.transpose %0 [1, 0] : tensor<3x4xf32> to tensor<4x3xf32>
  %2 = gptc.transpose %1 [1, 0] : tensor<4x3xf32> to tensor<3x4xf32>
  %3 = gptc.reshape %2 : tensor<3x4xf32> to tensor<2x6xf32>
  return %3 : tensor<2x6xf32>
}
