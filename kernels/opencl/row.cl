// Rows: scalar steps and folds over the same axes in sequence (accel/scalar/row_program.py), in the canonical order of
// docs/numerics.md, rule 2. The kernels themselves are printed by row_text.py, behind this text.
//
// The generator (row.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   KEPT, REDUCED    number of kept and of reduced axes, each at least 1
//   OPERANDS         number of outputs and inputs; EACH_OPERANDS: of those of each element, at least 1
//
// Names in the printed text, with the numbers of the row program's values and operands:
//   p3               operand 3 at the row that is computed: outputs first, then inputs
//   row4             value 4, the row's
//   x4, y4           value 4 of an element: given to a pass, computed by it
//   keep4            value 4 of the row's elements, held between passes
//   lane5, shared5   fold 5: the lane that is being filled; all lanes of a block (of each row of the work-group)
//   second5          fold 5: lane b % 64 takes the result of block b
//   s5               fold 5: results of blocks in scratch memory, [row][block], where blocks are shared out

typedef struct {
  INDEX kept_shape[KEPT];
  INDEX kept[OPERANDS][KEPT];
  INDEX reduced_shape[REDUCED];
  INDEX reduced[EACH_OPERANDS][REDUCED];
} Geometry;

// Minimum and maximum of floats work on keys: integers in the order of the values, with -0 below +0 and every NaN at
// `nan`, the end that wins. So they are exact, free of order, and no device's own min or max is trusted.
static inline int key32(const int bits, const int nan) {
  return (bits & 0x7fffffff) > 0x7f800000 ? nan : bits ^ ((bits >> 31) & 0x7fffffff);
}

static inline int bits32(const int key) { return key ^ ((key >> 31) & 0x7fffffff); }

static inline long key64(const long bits, const long nan) {
  return (bits & 0x7fffffffffffffffL) > 0x7ff0000000000000L ? nan : bits ^ ((bits >> 63) & 0x7fffffffffffffffL);
}

static inline long bits64(const long key) { return key ^ ((key >> 63) & 0x7fffffffffffffffL); }
