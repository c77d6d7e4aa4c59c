// RUN: gptc-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{(variable_c1) is a parameter and needs pieces of a checkpoint or an initializer}}
gptc.variable @w parameter : tensor<4xf32>

// -----

// expected-error @+1 {{(variable_c2) is a parameter of 'i32', expected f32, f16 or bf16}}
gptc.variable @w parameter : tensor<4xi32> init(<constant, 3.0, 0.0>)

// -----

// expected-error @+1 {{(variable_c2) is a parameter of 'f64', expected f32, f16 or bf16}}
gptc.variable @w parameter : tensor<4xf64> pieces([#gptc.piece<"w">])

// -----

gptc.variable @i counter : tensor<4xi32>
gptc.variable @w parameter : tensor<4xf16> init(<constant, 3.0, 0.0>)

// -----

func.func @read_c1() {
  // expected-error @+1 {{(read_c1) names the variable @w, which the module does not declare}}
  %0 = gptc.read @w : tensor<4xf32>
  return
}

// -----

gptc.variable @w cache : tensor<4xf32>
func.func @read_c2() {
  // expected-error @+1 {{(read_c2) has type 'tensor<5xf32>', but the variable @w has type 'tensor<4xf32>'}}
  %0 = gptc.read @w : tensor<5xf32>
  return
}

// -----

func.func @assign_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(assign_c1) names the variable @w, which the module does not declare}}
  gptc.assign @w, %x : tensor<4xf32>
  return
}

// -----

gptc.variable @w cache : tensor<4xf32>
func.func @assign_c2(%x: tensor<4xbf16>) {
  // expected-error @+1 {{(assign_c2) has type 'tensor<4xbf16>', but the variable @w has type 'tensor<4xf32>'}}
  gptc.assign @w, %x : tensor<4xbf16>
  return
}
