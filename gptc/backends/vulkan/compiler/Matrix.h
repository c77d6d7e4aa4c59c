//===- Matrix.h - Operands and results of a product ------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_MATRIX_H
#define GPTC_BACKENDS_VULKAN_COMPILER_MATRIX_H

#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

/// A product as `count` products of [rows, depth] and [depth, columns].
struct ProductShape {
  int64_t count = 1;
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t depth = 1;
};
ProductShape shapeOf(ir::MatmulOp op);

/// Where an element of an operand stands: the product, then the row (of the
/// left operand) or column (of the right one), then the step along the
/// contracted dimension.
struct MatrixPlace {
  mlir::Value product;
  mlir::Value outer;
  mlir::Value k;
};

/// One operand: how it is read, and which way four elements at once.
class MatrixOperand {
public:
  /// Four f32 that follow each other in memory, if any: along the outer
  /// dimension or along k, from a multiple of four.
  enum class Vectors { None, Outer, Depth };

  MatrixOperand(Emitter &emitter, Evaluator &evaluator, ir::MatmulOp op,
                bool isLeft);

  Vectors vectors() const { return vectors_; }
  /// Whether elements that follow each other along k lie together.
  bool runsAlongDepth() const { return runsAlongDepth_; }
  /// Whether it runs along k and neighbours in the outer dimension are so far
  /// from each other that each lies on a page of its own.
  bool isFarApart() const { return runsAlongDepth_ && outerBytes_ > 65536; }
  /// Whether it is computed in the kernel: no view of an input.
  bool isComputed() const { return !packed_ && !view_.base; }
  /// A packed matrix of 16-bit elements: words of two steps of k, four words
  /// side by side.
  bool isPairs() const { return pairs_; }
  /// A view of 16-bit elements of which eight that follow each other along k,
  /// from a multiple of eight, are four words at once.
  bool isEights() const { return eights_; }
  mlir::Type element() const;

  mlir::Value load(const MatrixPlace &at);
  /// Sixteen elements, for each of four steps of k a vector along the outer
  /// dimension; both start at multiples of four. Where `depth` ends they are
  /// zero; beyond `extent`, the last one again.
  std::array<mlir::Value, 4> loadBlock(const MatrixPlace &at, int64_t extent,
                                       int64_t depth);
  /// Along vectors(); outer or k must be a multiple of four.
  mlir::Value load4(const MatrixPlace &at);
  /// Of pairs: steps k and k+1 (k even) of four columns, as two vectors.
  std::array<mlir::Value, 2> loadPairs(const MatrixPlace &at);
  /// The same as four words, and four words of an eight (k a multiple of it).
  mlir::Value loadPairWords(const MatrixPlace &at);
  mlir::Value loadEight(const MatrixPlace &at);

private:
  Coordinates coordinatesOf(const MatrixPlace &at);
  mlir::Value offsetInView(const MatrixPlace &at);

  Emitter &e;
  Evaluator &evaluator;
  ir::MatmulOp op;
  bool isLeft_;
  mlir::Value operand_;
  Vectors vectors_ = Vectors::None;
  bool pairs_ = false, eights_ = false;
  bool runsAlongDepth_ = false;
  int64_t outerBytes_ = 0;
  bool packed_ = false;
  ir::StridedView view_; ///< Without a base: computed or packed.
};

/// Computes what follows a product's elements and stores it.
class ProductResults {
public:
  ProductResults(Emitter &emitter, Evaluator &evaluator, ir::MatmulOp op);

  /// Elements of the product in neighbouring columns of a row.
  struct Elements {
    mlir::Value row; ///< Counted through all products.
    llvm::SmallVector<mlir::Value> columns;
    llvm::SmallVector<mlir::Value> sums;
    /// i1, whether each is stored; null for yes.
    llvm::SmallVector<mlir::Value> stores;
  };
  /// Results of the kernel that do not depend on the product.
  llvm::ArrayRef<unsigned> others() const { return others_; }

  /// Rows and columns must be inside, also of what is not stored. Four columns
  /// from a multiple of four are stored at once where they lie together.
  void store(const Elements &elements);
  /// Stores what is inside of the product (number `product` of `shape`) of four
  /// neighbours, from a multiple of four on, of a tile.
  void storeQuad(const ProductShape &shape, const MatrixTile &tile,
                 mlir::Value product, mlir::Value row, mlir::Value column,
                 mlir::Value sums);

private:
  struct Result {
    unsigned output;
    mlir::Value from; ///< Before the views it is stored through.
    ir::StridedView view;
    bool vectors;
  };

  Emitter &e;
  Evaluator &evaluator;
  ir::MatmulOp op;
  llvm::SmallVector<Result> results_;
  llvm::SmallVector<unsigned> others_;
};

/// Where a workgroup's tile begins.
struct TilePlace {
  mlir::Value product, firstRow, firstColumn;
};

/// Emits `body` on `invocations` for each tile of a product of many rows, of
/// which all results must depend on the product, or it is a failure.
void forEachMatrixTile(Emitter &emitter, const ProductShape &shape,
                       const MatrixTile &tile, int64_t invocations,
                       const ProductResults &results,
                       llvm::function_ref<void(const TilePlace &)> body);

/// The left operand of a product of few rows. Where the kernel computes the one
/// row that there is, each workgroup makes it once.
class LeftRows {
public:
  LeftRows(Emitter &emitter, Evaluator &evaluator, ir::MatmulOp op,
           MatrixOperand &left, const ProductResults &results)
      : e(emitter), evaluator(evaluator), op(op), left(left), results(results),
        shape(shapeOf(op)),
        isMade_(left.isComputed() && shape.rows == 1 && shape.count == 1) {}

  bool isMade() const { return isMade_; }
  /// Makes the row, by a row program: reductions by the whole workgroup, and
  /// the row itself where workgroup memory holds it. The first of `groups`
  /// workgroups stores what else the program results in.
  void make(int64_t groups);
  mlir::Value load(mlir::Value product, int64_t row, mlir::Value k);
  /// Whether steps of k may be loaded by fours, with MatrixOperand::load4().
  bool loadsFours() const {
    return left.vectors() == MatrixOperand::Vectors::Depth && !made;
  }

private:
  Emitter &e;
  Evaluator &evaluator;
  ir::MatmulOp op;
  MatrixOperand &left;
  const ProductResults &results;
  ProductShape shape;
  bool isMade_;
  std::optional<WorkgroupArray> made;
};

/// Products of few rows: a workgroup is a few columns, and shares out the
/// contracted dimension, so that weights are read once and side by side.
void emitMatrixVector(Emitter &emitter, ir::MatmulOp op);
inline constexpr int64_t mostVectorRows = 8;

/// The same where a driver makes a gather of every load: an invocation has
/// columns and all steps of k to itself. Returns false, without having emitted
/// anything, where the weights lie in no lines of a cache.
bool emitMatrixLines(Emitter &emitter, ir::MatmulOp op);

/// Products of many rows: tiles in registers, fed through workgroup memory or
/// from buffers, as the target has it.
void emitMatrixMatrix(Emitter &emitter, ir::MatmulOp op);

/// The same where subgroups multiply matrices.
void emitMatrixFragments(Emitter &emitter, ir::MatmulOp op);

/// Whether the target's subgroups multiply the matrices of a product.
bool multipliesMatrices(const VulkanTarget &target, ir::MatmulOp op);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_MATRIX_H
