//===- Indexing.td - Indexed rows --------------------------*- tablegen -*-===//

#ifndef GPTC_IR_INDEXING_TD
#define GPTC_IR_INDEXING_TD

include "gptc/ir/Dialect.td"

def Gptc_GatherOp : Gptc_DifferentiableOp<"gather"> {
  let summary = "Rows of a table by index.";
  let description = [{
    `table` is [V, C], `indices` of any shape [...]; the result is [..., C].
    An index outside of [0, V) counts as the nearest one inside: padding reads
    some row, never outside of the table.

    Constraints:
    - (gather_c1) `table` has two dimensions.
    - (gather_c2) The result has the shape of `indices` followed by C, and the
      element type of `table`.

    Example: `%x = gptc.gather %wte, %tokens : tensor<50257x768xf32>, tensor<1x512xi32> -> tensor<1x512x768xf32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$table, Gptc_IndexTensor:$indices);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $table `,` $indices attr-dict `:` type($table) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Gptc_ScatterAddOp : Gptc_PureOp<"scatter_add"> {
  let summary = "Rows summed into a table by index; the gradient of `gptc.gather`.";
  let description = [{
    `rows` is [..., C], `indices` [...]; row v of the result [V, C] is the sum
    of the rows whose index is v, in ascending order, and zero without one. An
    index outside of [0, V) counts as the nearest one inside, as in a gather.

    Constraints:
    - (scatter_add_c1) `rows` has the shape of `indices` followed by C.
    - (scatter_add_c2) The result is [V, C] with the element type of `rows`.

    Example: `%t = gptc.scatter_add %g, %tokens : tensor<1x512x768xf32>, tensor<1x512xi32> -> tensor<50257x768xf32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$rows, Gptc_IndexTensor:$indices);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $rows `,` $indices attr-dict `:` type($rows) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Gptc_SelectRowOp : Gptc_DifferentiableOp<"select_row"> {
  let summary = "One row of each sequence.";
  let description = [{
    `x` is [B, T, C], `indices` is [B]; row b of the result [B, C] is row
    indices[b] of sequence b. An index outside of [0, T) counts as the nearest
    one inside.

    Constraints:
    - (select_row_c1) `x` has three dimensions and `indices` is [B].
    - (select_row_c2) The result is [B, C] with the element type of `x`.

    Example: `%l = gptc.select_row %x, %last : tensor<2x512x768xf32>, tensor<2xi32> -> tensor<2x768xf32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$x, Gptc_IndexTensor:$indices);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $indices attr-dict `:` type($x) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Gptc_CacheAppendOp : Gptc_PureOp<"cache_append", [
    AllTypesMatch<["cache", "result"]>, AllTypesMatch<["positions", "lengths"]>]> {
  let summary = "A cache with new rows put at each sequence's position.";
  let description = [{
    `cache` is [B, H, S, D], `rows` is [B, H, T, D]. Row i of sequence b, for
    i < lengths[b], replaces row positions[b] + i of the cache; rows that
    would fall outside of [0, S) are dropped, padding rows never arrive.

    Constraints:
    - (cache_append_c1) `cache` and `rows` have rank 4, one element type, and
      agree in B, H and D.
    - (cache_append_c2) `positions` and `lengths` are [B].
    - (cache_append_c3) The result has the type of `cache`.

    Example:
    `%c = gptc.cache_append %cache, %k at %positions, %lengths : tensor<1x12x1024x64xf32>, tensor<1x12x1x64xf32>, tensor<1xi32>`.
  }];
  let arguments = (ins Gptc_FloatTensor:$cache, Gptc_FloatTensor:$rows,
                       Gptc_IndexTensor:$positions, Gptc_IndexTensor:$lengths);
  let results = (outs Gptc_FloatTensor:$result);
  let assemblyFormat = [{
    $cache `,` $rows `at` $positions `,` $lengths attr-dict `:` type($cache) `,` type($rows) `,` type($positions)
  }];
  let hasVerifier = 1;
}

def Gptc_IotaOp : Gptc_PureOp<"iota"> {
  let summary = "Each element is its own index along one dimension.";
  let description = [{
    Constraints:
    - (iota_c1) `dimension` is a dimension of the result.

    Example: `%i = gptc.iota 1 : tensor<2x512xi32>`.
  }];
  let arguments = (ins I64Attr:$dimension);
  let results = (outs Gptc_IndexTensor:$result);
  let assemblyFormat = "$dimension attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Gptc_TopKOp : Gptc_PureOp<"top_k"> {
  let summary = "The k largest elements of each piece of each row, and where they are.";
  let description = [{
    `x` is [..., N]. Each row is cut into `pieces` of ceil(N / pieces) elements,
    of which the last ones may have fewer, or none. Of each piece the k largest
    stand side by side in `values` [..., pieces * k], the largest first, and of
    equal ones the first in the row first; `indices` says where in the row they
    are. With `carried` an element's index is the one that it brings along, and
    an element whose index is negative counts as none. So a second top_k, over
    what the first one found in the pieces, finds those of the whole row. Where
    a piece has fewer than k elements, -inf and the index -1 follow them.

    What is no number comes before all numbers: it is never passed over. With
    `finite`, so does -inf, so that whoever looks at the first of `values` alone
    knows whether all elements are finite. There is no gradient: what is chosen
    jumps, and gathering with the indices gives the values one.

    Constraints:
    - (top_k_c1) `x` has a dimension, k is 1 to 256, and there are 1 to N pieces.
    - (top_k_c2) `carried` has the shape of `x`.
    - (top_k_c3) `values` is [..., pieces * k] with the element type of `x`, and
      `indices` the same in i32.

    Examples:
    ```mlir
    %v, %i = gptc.top_k %x pieces 4 k 2 : tensor<1x11xf32> -> tensor<1x8xf32>, tensor<1x8xi32>
    %w, %j = gptc.top_k %v carried %i pieces 1 k 2 : tensor<1x8xf32>, tensor<1x8xi32> -> tensor<1x2xf32>, tensor<1x2xi32>
    ```
  }];
  let arguments = (ins Gptc_FloatTensor:$x, Optional<Gptc_IndexTensor>:$carried,
                       I64Attr:$pieces, I64Attr:$k, UnitAttr:$finite);
  let results = (outs Gptc_FloatTensor:$values, Gptc_IndexTensor:$indices);
  let assemblyFormat = [{
    $x (`carried` $carried^)? `pieces` $pieces `k` $k (`finite` $finite^)? attr-dict
    `:` type($x) (`,` type($carried)^)? `->` type($values) `,` type($indices)
  }];
  let extraClassDeclaration = [{
    /// The most that k may be.
    static constexpr int64_t mostK = 256;
    int64_t getRowLength() { return getX().getType().getShape().back(); }
    int64_t getRows() {
      return getX().getType().getNumElements() / getRowLength();
    }
    /// Elements of a piece that is whole.
    int64_t getPieceLength() {
      return (getRowLength() + getPieceCount() - 1) / getPieceCount();
    }
    int64_t getPieceCount() { return int64_t(getPieces()); }
    int64_t getCount() { return int64_t(getK()); }
  }];
  let hasVerifier = 1;
}

#endif // GPTC_IR_INDEXING_TD
