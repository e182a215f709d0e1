// Products of few rows with a large b, in stripes, on CPU devices; matmul.cl begins this text.
//
// A work-item makes all rows of a stripe of b's columns, a tile of WIDTH columns at a time, with its sums in private
// memory. What bounds such a product is how b is read, so b is read once, and each line of it at once:
//
//   b along n   DEPTH rows of the stripe from end to end; ROWS x VECTOR sums are in registers for DEPTH steps. Tiles
//               read down b, which are narrower than a line, found its other half evicted: rows a power of two apart
//               are in one set of the caches.
//   b along k   WIDTH columns for BLOCK steps, widened side by side; the rows of a are the lanes (ROWS is VECTOR), so
//               that no element of b has to change its lane.
//
// The generator defines, beside what matmul.cl lists: VECTOR, WIDTH, ROWS, and PASSES: groups of ROWS that all rows
// are; TILES: of a stripe, at most. Stripes are the groups of dimension 1.

#define HEIGHT (ROWS * PASSES)
#define DEPTH 8
#define BLOCK 32

// The last tile ends with the last column, and stores what is its own.
#define FIRST_COLUMN(tile) min((INDEX)(tile) * WIDTH, g.n - WIDTH)

#if B_ALONG_K

#define SUM(tile, row, column) total[((tile) * WIDTH + (column)) * HEIGHT + (row)]

#else

#define SUM(tile, row, column) total[((tile) * HEIGHT + (row)) * VECTOR + (column)]

// `count` steps of k of all rows and of the whole stripe.
#define ADVANCE(count)                                                                              \
  {                                                                                                 \
    TERM left[count * HEIGHT];                                                                      \
    _Pragma("unroll") for (int d = 0; d < count; ++d) {                                             \
      _Pragma("unroll") for (int i = 0; i < HEIGHT; ++i) {                                          \
        left[d * HEIGHT + i] = term(a[min((INDEX)i, last_row) * g.a[BATCH] + (step + d) * a_step]); \
      }                                                                                             \
    }                                                                                               \
    for (int tile = 0; tile < tiles; ++tile) {                                                      \
      __global const IN *from = b + step * b_step + FIRST_COLUMN(first_tile + tile);                \
      _Pragma("unroll") for (int pass = 0; pass < PASSES; ++pass) {                                 \
        TERM *slots = chunk + (tile * PASSES + pass) * (ROWS * VECTOR);                             \
        Vector sum[ROWS];                                                                           \
        _Pragma("unroll") for (int i = 0; i < ROWS; ++i) sum[i] = VLOAD(i, slots);                  \
        _Pragma("unroll") for (int d = 0; d < count; ++d) {                                         \
          const Vector right = LOAD_VECTOR(VLOAD(0, from + d * b_step));                            \
          _Pragma("unroll") for (int i = 0; i < ROWS; ++i) {                                        \
            sum[i] = TERM_ADD((Vector)(left[d * HEIGHT + pass * ROWS + i]), right, sum[i]);         \
          }                                                                                         \
        }                                                                                           \
        _Pragma("unroll") for (int i = 0; i < ROWS; ++i) VSTORE(sum[i], i, slots);                  \
      }                                                                                             \
    }                                                                                               \
  }

#endif

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void multiply(
    __global OUT *out, const long at, __global const IN *a_in, const long a_at, __global const IN *b_in,
    const long b_at EXTRAS(EXTRA_ARGUMENT), const Geometry g) {
  LOCATE(get_group_id(0), HEIGHT)
  const size_t all = ((size_t)g.n + WIDTH - 1) / WIDTH;
  const INDEX first_tile = (INDEX)(all * get_group_id(1) / get_num_groups(1));
  const int tiles = (int)(all * (get_group_id(1) + 1) / get_num_groups(1) - first_tile);
  const INDEX last_row = min((INDEX)HEIGHT, end_row - first_row) - 1;  // of these
  const INDEX a_step = g.a[BATCH + 1], b_step = g.b[BATCH];
  __global const IN *a = a_in + a_at + batch_offset(batch, g.batch, g.a) + first_row * g.a[BATCH];
  __global const IN *b = b_in + b_at + batch_offset(batch, g.batch, g.b);
  ACC total[TILES * WIDTH * HEIGHT];
#if B_ALONG_K
  TERM left[KC * HEIGHT];
#else
  TERM chunk[TILES * WIDTH * HEIGHT];
#endif
  INDEX start = 0;
  do {
    const INDEX end = min(depth, start + (INDEX)KC);
#if B_ALONG_K
    for (int i = 0; i < HEIGHT; ++i) {
      __global const IN *from = a + min((INDEX)i, last_row) * g.a[BATCH];
      for (INDEX step = start; step < end; ++step) left[(step - start) * HEIGHT + i] = term(from[step * a_step]);
    }
    for (int tile = 0; tile < tiles; ++tile) {
      __global const IN *columns = b + FIRST_COLUMN(first_tile + tile) * g.b[BATCH + 1];
      Vector sum[WIDTH * PASSES];
#pragma unroll
      for (int s = 0; s < WIDTH * PASSES; ++s) sum[s] = (Vector)((TERM)0);
      for (INDEX step = start; step < end; step += BLOCK) {
        const int count = (int)min((INDEX)BLOCK, end - step);
        TERM right[WIDTH * BLOCK];
        for (int c = 0; c < WIDTH; ++c) {
          __global const IN *from = columns + c * g.b[BATCH + 1] + step;
          int s = 0;
          for (; s + VECTOR <= count; s += VECTOR) {
            VSTORE(LOAD_VECTOR(VLOAD(0, from + s)), 0, right + c * BLOCK + s);
          }
          for (; s < count; ++s) right[c * BLOCK + s] = term(from[s]);
        }
        for (int s = 0; s < count; ++s) {
          Vector its_left[PASSES];
#pragma unroll
          for (int pass = 0; pass < PASSES; ++pass) its_left[pass] = VLOAD((step - start + s) * PASSES + pass, left);
#pragma unroll
          for (int c = 0; c < WIDTH; ++c) {
            const Vector its_right = (Vector)(right[c * BLOCK + s]);
#pragma unroll
            for (int pass = 0; pass < PASSES; ++pass) {
              sum[c * PASSES + pass] = TERM_ADD(its_left[pass], its_right, sum[c * PASSES + pass]);
            }
          }
        }
      }
      ACC *slots = total + tile * (WIDTH * HEIGHT);
#pragma unroll
      for (int s = 0; s < WIDTH * PASSES; ++s) {
        VSTORE(start ? VLOAD(s, slots) + SUM_OF(sum[s]) : SUM_OF(sum[s]), s, slots);
      }
    }
#else
    const int vectors = tiles * HEIGHT;
    for (int s = 0; s < vectors; ++s) VSTORE((Vector)((TERM)0), s, chunk);
    INDEX step = start;
    for (; step + DEPTH <= end; step += DEPTH) ADVANCE(DEPTH)
    for (; step < end; ++step) ADVANCE(1)
    for (int s = 0; s < vectors; ++s) {
      VSTORE(start ? VLOAD(s, total) + SUM_OF(VLOAD(s, chunk)) : SUM_OF(VLOAD(s, chunk)), s, total);
    }
#endif
    start = end;
  } while (start < depth);
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + at + batch_offset(batch, g.batch, g.out);
  for (int i = 0; i <= last_row; ++i) {
    const INDEX row = first_row + i;
    for (int tile = 0; tile < tiles; ++tile) {
      const INDEX own = (first_tile + tile) * WIDTH, first_column = FIRST_COLUMN(first_tile + tile);
      for (int j = (int)(own - first_column); j < WIDTH; ++j) {
        const INDEX column = first_column + j;
        to[row * g.out[BATCH] + OUT_COLUMN] = EPILOGUE(SUM(tile, i, j), EXTRAS(EXTRA_VALUE));
      }
    }
  }
}
