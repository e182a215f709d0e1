// Matrix products on CPU devices; matmul.cl begins this text.
//
// `pack` widens an operand into panels of WIDTH rows (or columns), zero past the edge; then each work-item of `multiply`
// makes one tile of ROWS x COLUMNS, all in registers, without barriers:
//
//        k ->                       column ->
//      +-----------------+        +--------------+--------------+
//      | panel of a      |   k    | panel of b   |              |
//      | k x ROWS        |   |    | k x COLUMNS  |              |     COLUMNS = VECTORS * VECTOR
//      +-----------------+   v    |              |              |
//
// DIRECT: a is read as it lies, and so is b, unless it is PACKED: in vectors of neighbouring columns (LOAD_VECTOR widens
// one), or where it lies along k (B_ALONG_K) by blocks of VECTOR steps turned round in private memory, or, GATHERED,
// element by element, of which there are then fewer columns than a vector's, too.
//
// The generator defines, beside what matmul.cl lists, PACK: whether this is `pack`, with WIDTH, and VECTOR: steps of k
// that it turns round at once, or 1; else DIRECT, ROWS, VECTORS and VECTOR.

#if PACK

// One work-item packs KC steps of one panel of one matrix: panel[k][WIDTH], zero past the edge.
// strides: batch axes, then along the panel's width, then along k, which is 1 where VECTOR is above 1. Matrices that a
// batch axis repeats are packed once.
typedef struct {
  INDEX batch[BATCH];
  INDEX strides[BATCH + 2];
  INDEX length, k;
} Source;

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void pack(__global TERM *panels, const long panels_at,
                                                                  __global const IN *in, const long in_at,
                                                                  const Source g) {
  INDEX start = (INDEX)get_group_id(0) * KC;
  const INDEX end = min(start + (INDEX)KC, g.k);
  const size_t panel = get_group_id(1), matrix = get_group_id(2);
  const INDEX first = (INDEX)panel * WIDTH;
  const int width = (int)min((INDEX)WIDTH, g.length - first);
  const INDEX stride = g.strides[BATCH], stride_k = g.strides[BATCH + 1];
  __global const IN *from = in + in_at + batch_offset((UINDEX)matrix, g.batch, g.strides) + first * stride;
  __global TERM *to = panels + panels_at + (matrix * get_num_groups(1) + panel) * (size_t)g.k * WIDTH;
#if VECTOR > 1
  INDEX turned = start;
  for (; turned + VECTOR <= end; turned += VECTOR) {
#define COLUMN(c) LOAD_VECTOR(VLOAD(0, from + min(first_column + (c), width - 1) * stride + turned))
    for (int first_column = 0; first_column < WIDTH; first_column += VECTOR) {
      TURN(COLUMN, to + (size_t)turned * WIDTH + first_column, WIDTH)
    }
  }
  start = turned;
#endif
  if (width == WIDTH && stride == 1) {
    for (INDEX step = start; step < end; ++step) {
      for (int w = 0; w < WIDTH; ++w) to[(size_t)step * WIDTH + w] = term(from[w + step * stride_k]);
    }
  } else {
    for (INDEX step = start; step < end; ++step) {
      for (int w = 0; w < WIDTH; ++w) {
        to[(size_t)step * WIDTH + w] = w < width ? term(from[w * stride + step * stride_k]) : (TERM)0;
      }
    }
  }
}

#else

#define COLUMNS (VECTORS * VECTOR)

#define EXTRA_LINE(i, type) \
  __global const type *line##i = further##i + row * g.extra[i][BATCH] + first_column * g.extra[i][BATCH + 1];
#define EXTRA_OF_LINE(i, type) , line##i[column * g.extra[i][BATCH + 1]]

// Columns `first` to `last` of row i of a tile. By pointers to the line, as an INDEX may wrap, and compilers that mind
// that store element by element; the whole line by a loop whose length they know.
#define FINISH(column) line[OUT_COLUMN] = EPILOGUE(total[i * COLUMNS + column], EXTRAS(EXTRA_OF_LINE));
#define FINISH_LINE(its_row, first, last)                                                            \
  {                                                                                                  \
    const INDEX row = its_row;                                                                       \
    __global OUT *line = to + row * g.out[BATCH] + first_column * g.out[BATCH + 1];                  \
    EXTRAS(EXTRA_LINE)                                                                               \
    if (first == 0 && last == COLUMNS - 1) {                                                         \
      for (int column = 0; column < COLUMNS; ++column) FINISH(column)                                \
    } else {                                                                                         \
      for (int column = first; column <= last; ++column) FINISH(column)                              \
    }                                                                                                \
  }

// A tile's sums of a chunk of k: zero before its first step, and after its last one added to the total of those before.
#define CLEAR_CHUNK                                                                                \
  _Pragma("unroll") for (int i = 0; i < ROWS; ++i) {                                               \
    _Pragma("unroll") for (int j = 0; j < VECTORS; ++j) chunk[i][j] = (Vector)((TERM)0);           \
  }
#define ADD_CHUNK                                                                                  \
  _Pragma("unroll") for (int i = 0; i < ROWS; ++i) {                                               \
    _Pragma("unroll") for (int j = 0; j < VECTORS; ++j) {                                          \
      const int slot = i * VECTORS + j;                                                            \
      VSTORE(start ? VLOAD(slot, total) + SUM_OF(chunk[i][j]) : SUM_OF(chunk[i][j]), slot, total); \
    }                                                                                              \
  }

#if DIRECT

// One step of k of all rows, with the vectors of b that `RIGHT(j)` names.
#define ADVANCE(step, RIGHT)                                                                                 \
  _Pragma("unroll") for (int i = 0; i < ROWS; ++i) {                                                         \
    const Vector left = (Vector)(term(a[i][(INDEX)(step) * a_step]));                                        \
    _Pragma("unroll") for (int j = 0; j < VECTORS; ++j) chunk[i][j] = TERM_ADD(left, RIGHT(j), chunk[i][j]); \
  }
#define LOADED(j) right[j]

// The last columns' work-item begins where it ends with the last column, and stores what is its own, unless b is in
// panels.
#if PACKED
#define B_TYPE TERM
#else
#define B_TYPE IN
#endif

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void multiply(
    __global OUT *out, const long at, __global const IN *a_in, const long a_at, __global const B_TYPE *b_in,
    const long b_at ENDS_ARGUMENT EXTRAS(EXTRA_ARGUMENT), const Geometry g) {
  LOCATE(get_group_id(0), ROWS)
  const INDEX own = (INDEX)get_group_id(1) * COLUMNS, last_row = min(first_row + ROWS, end_row) - 1;
#if PACKED
  const INDEX first_column = own, last_column = g.n - 1 - own, a_step = g.a[BATCH + 1], b_step = COLUMNS;
  const size_t panel = (size_t)batch_offset(batch, g.batch, g.b) * get_num_groups(1) + get_group_id(1);
  __global const TERM *b = b_in + b_at + panel * g.k * COLUMNS;
#else
#if GATHERED
  const INDEX first_column = own, last_column = g.n - 1 - own;
#else
  const INDEX first_column = min(own, g.n - COLUMNS), last_column = COLUMNS - 1;
#endif
  const INDEX a_step = g.a[BATCH + 1], b_step = g.b[BATCH];
  __global const IN *b =
      b_in + b_at + batch_offset(batch, g.batch, g.b) + first_k * b_step + first_column * g.b[BATCH + 1];
#endif
  __global const IN *a[ROWS];
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    a[i] = a_in + a_at + batch_offset(batch, g.batch, g.a) + first_k * a_step;
    a[i] += min(first_row + i, last_row) * g.a[BATCH];
  }
  ACC total[ROWS * COLUMNS];
  INDEX start = 0;
  do {
    const INDEX end = min(depth, start + (INDEX)KC);
    Vector chunk[ROWS][VECTORS];
    CLEAR_CHUNK
    INDEX step = start;
#if B_ALONG_K || GATHERED
#if B_ALONG_K
    for (; step + VECTOR <= end; step += VECTOR) {
      TERM turned[VECTOR * COLUMNS];
#define COLUMN(c) LOAD_VECTOR(VLOAD(0, b + min((INDEX)(j * VECTOR + (c)), last_column) * g.b[BATCH + 1] + step))
      for (int j = 0; j < VECTORS; ++j) TURN(COLUMN, turned + j * VECTOR, COLUMNS)
      for (int s = 0; s < VECTOR; ++s) {
        Vector right[VECTORS];
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) right[j] = VLOAD(j, turned + s * COLUMNS);
        ADVANCE(step + s, LOADED)
      }
    }
#endif
    for (; step < end; ++step) {
      TERM some[COLUMNS];
      for (int c = 0; c < COLUMNS; ++c) some[c] = term(b[min((INDEX)c, last_column) * g.b[BATCH + 1] + step * b_step]);
      Vector right[VECTORS];
#pragma unroll
      for (int j = 0; j < VECTORS; ++j) right[j] = VLOAD(j, some);
      ADVANCE(step, LOADED)
    }
#else
    for (; step < end; ++step) {
      Vector right[VECTORS];
#pragma unroll
      for (int j = 0; j < VECTORS; ++j) right[j] = LOAD_VECTOR(VLOAD(j, b + step * b_step));
      ADVANCE(step, LOADED)
    }
#endif
    ADD_CHUNK
    start = end;
  } while (start < depth);
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + at + batch_offset(batch, g.batch, g.out);
  const int first = (int)(own - first_column), last = (int)min(last_column, (INDEX)COLUMNS - 1);
  for (int i = 0; first_row + i <= last_row; ++i) FINISH_LINE(first_row + i, first, last)
}

#else

// g.a and g.b hold, per batch axis, how many packed matrices one step skips.
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void multiply(
    __global OUT *out, const long at, __global const TERM *restrict a_panels, const long a_at,
    __global const TERM *restrict b_panels, const long b_at EXTRAS(EXTRA_ARGUMENT), const Geometry g) {
  const size_t panel_a = get_group_id(0), panel_b = get_group_id(1);
  const UINDEX batch = (UINDEX)get_group_id(2);
  const size_t k = (size_t)g.k;
  const size_t matrix_a = (size_t)batch_offset(batch, g.batch, g.a),
               matrix_b = (size_t)batch_offset(batch, g.batch, g.b);
  __global const TERM *restrict a = a_panels + a_at + (matrix_a * get_num_groups(0) + panel_a) * k * ROWS;
  __global const TERM *restrict b = b_panels + b_at + (matrix_b * get_num_groups(1) + panel_b) * k * COLUMNS;
  ACC total[ROWS * COLUMNS];
  size_t start = 0;
  do {
    const size_t end = min(k, start + KC);
    Vector chunk[ROWS][VECTORS];
    CLEAR_CHUNK
    for (size_t step = start; step < end; ++step) {
      Vector right[VECTORS];
#pragma unroll
      for (int j = 0; j < VECTORS; ++j) right[j] = VLOAD(j, b + step * COLUMNS);
#pragma unroll
      for (int i = 0; i < ROWS; ++i) {
        const Vector left = (Vector)(a[step * ROWS + i]);
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) chunk[i][j] = TERM_ADD(left, right[j], chunk[i][j]);
      }
    }
    ADD_CHUNK
    start = end;
  } while (start < k);
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + at + batch_offset(batch, g.batch, g.out);
  const INDEX first_row = (INDEX)panel_a * ROWS, first_column = (INDEX)panel_b * COLUMNS;
  const int rows = (int)min((INDEX)ROWS, g.m - first_row), last = (int)min((INDEX)COLUMNS, g.n - first_column) - 1;
  for (int i = 0; i < rows; ++i) FINISH_LINE(first_row + i, 0, last)
}

#endif

#endif
