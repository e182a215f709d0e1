// Matrix products in the canonical order of docs/numerics.md, rule 3: fma over ascending k from +0 in chunks of KC,
// the chunks' results added in order; then the epilogue, once per element.
//
// The generator (matmul.py) defines, before this text:
//   INDEX, UINDEX           as in pointwise.cl
//   IN, ACC, OUT            storage type of the operands, accumulator (float, double, uint, ulong), storage of the
//                           result
//   load(IN) -> ACC         widens; integers are computed modulo 2^32 or 2^64
//   MULTIPLY_ADD(a, b, c)   of scalars and of vectors: fma for floats
//   TERM, term(IN) -> TERM, TERM_ADD, SUM_OF(x)  (loops) in which type a chunk is computed: ACC, or float for 8-bit
//                           integers, where 256 products are exact; TERM_ADD is its MULTIPLY_ADD, and SUM_OF makes a
//                           vector of ACC of one of TERM
//   KC                      chunk length; CHUNKED: whether k is longer than one chunk
//   BATCH                   number of batch axes, at least 1
//   OUT_COLUMN              the offset of `column` in the result: itself where neighbours are neighbours in memory
//   EXTRAS(X)               X(i, type) for each further operand of the epilogue; EXTRA_COUNT, at least 1
//   EPILOGUE(total, more)   the epilogue's call: the accumulator, then a comma before each further operand
//   GROUPED                 0; 1: rows are in groups, the batch's entries, of which b has a matrix each; 2: k are, of
//                           which the result has a matrix each. END: the type of the groups' ends
//
// Loops (CPU devices, LANES 0): matmul_loops.cl. Matrix units (DPAS 1): dpas.cl. Few rows with a large b (STRIPES 1):
// matmul_few.cl. This text only begins them.
//
// Lanes (GPUs): a work-group makes one tile of TILE_M x TILE_N; its work-items bring slices of TILE_K into local
// memory, and each keeps MICRO_M x MICRO_N accumulators in registers. The sum of finished chunks waits in local
// memory, one slot per accumulator.

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef struct {
  INDEX batch[BATCH];
  INDEX a[BATCH + 2];  // strides: batch axes, then rows, then columns
  INDEX b[BATCH + 2];
  INDEX out[BATCH + 2];
  INDEX extra[EXTRA_COUNT][BATCH + 2];
  INDEX m, n, k;
} Geometry;

static inline INDEX batch_offset(UINDEX place, __private const INDEX *lengths, __private const INDEX *strides) {
  INDEX offset = 0;
  for (int axis = BATCH - 1; axis > 0; --axis) {
    const UINDEX length = (UINDEX)lengths[axis];
    offset += (INDEX)(place % length) * strides[axis];
    place /= length;
  }
  return offset + (INDEX)place * strides[0];
}

#if GROUPED
#define ENDS_ARGUMENT , __global const END *ends, const long ends_at

// Where a group begins: within the rows, whatever the ends say; the first one at 0, and one after the last at `rows`.
static inline INDEX begin_of(__global const END *ends, INDEX group, INDEX groups, INDEX rows) {
  return group == 0 ? 0 : group == groups ? rows : (INDEX)clamp((long)ends[group - 1], 0L, (long)rows);
}
#else
#define ENDS_ARGUMENT
#endif

// What a work-group computes: rows from first_row up to end_row of the batch's entry `batch`, from `depth` steps of k,
// the first of which is first_k.
#if GROUPED == 1
// A group that begins at row r has the tiles from r / height + its number on, which are enough: each tile has one
// group, and some have no rows.
#define LOCATE(tile, height)                                                                  \
  INDEX group = 0, behind = g.batch[0];                                                       \
  while (behind - group > 1) {                                                                \
    const INDEX middle = (group + behind) / 2;                                                \
    if (begin_of(ends + ends_at, middle, g.batch[0], g.m) / height + middle <= (INDEX)tile) { \
      group = middle;                                                                         \
    } else {                                                                                  \
      behind = middle;                                                                        \
    }                                                                                         \
  }                                                                                           \
  const INDEX its_first = begin_of(ends + ends_at, group, g.batch[0], g.m);                   \
  const INDEX end_row = begin_of(ends + ends_at, group + 1, g.batch[0], g.m);                 \
  const INDEX first_row = its_first + ((INDEX)tile - its_first / height - group) * height;    \
  const UINDEX batch = (UINDEX)group;                                                         \
  const INDEX first_k = 0, depth = g.k;                                                       \
  if (first_row >= end_row) return;
#elif GROUPED == 2
#define LOCATE(tile, height)                                                     \
  const UINDEX batch = (UINDEX)get_group_id(2);                                  \
  const INDEX first_row = (INDEX)tile * height, end_row = g.m;                   \
  const INDEX first_k = begin_of(ends + ends_at, (INDEX)batch, g.batch[0], g.k); \
  const INDEX depth = max((INDEX)0, begin_of(ends + ends_at, (INDEX)batch + 1, g.batch[0], g.k) - first_k);
#else
#define LOCATE(tile, height)                                   \
  const UINDEX batch = (UINDEX)get_group_id(2);                \
  const INDEX first_row = (INDEX)tile * height, end_row = g.m; \
  const INDEX first_k = 0, depth = g.k;
#endif

#define EXTRA_ARGUMENT(i, type) , __global const type *extra##i, const long extra_at##i
#define EXTRA_POINTER(i, type) \
  __global const type *further##i = extra##i + extra_at##i + batch_offset(batch, g.batch, g.extra[i]);
#define EXTRA_VALUE(i, type) , further##i[row * g.extra[i][BATCH] + column * g.extra[i][BATCH + 1]]

#if DPAS || STRIPES  // dpas.cl or matmul_few.cl follows

#elif LANES

#define ITEMS_X (TILE_N / MICRO_N)
#define ITEMS_Y (TILE_M / MICRO_M)
#define ITEMS (ITEMS_X * ITEMS_Y)

// One step of k for all accumulators of a work-item, which has neighbouring rows and columns: one message reads each.
#define ADVANCE(step)                                                                                                 \
  {                                                                                                                   \
    ACC left[MICRO_M], right[MICRO_N];                                                                                \
    JOIN(vstore, MICRO_M)(JOIN(vload, MICRO_M)(0, &slice_a[step][y * MICRO_M]), 0, left);                             \
    JOIN(vstore, MICRO_N)(JOIN(vload, MICRO_N)(0, &slice_b[step][x * MICRO_N]), 0, right);                            \
    _Pragma("unroll") for (int i = 0; i < MICRO_M; ++i) {                                                             \
      _Pragma("unroll") for (int j = 0; j < MICRO_N; ++j) chunk[i][j] = MULTIPLY_ADD(left[i], right[j], chunk[i][j]); \
    }                                                                                                                 \
  }

// Neighbouring work-items read neighbouring elements: along k where A_ALONG_K (B_ALONG_K), else along the rows
// (columns).
#define BRING(slice, TILE, from, along_k, first, limit, stride, stride_k)                                    \
  for (int e = item; e < TILE * TILE_K; e += ITEMS) {                                                        \
    const int step = along_k ? e % TILE_K : e / TILE;                                                        \
    const int place = along_k ? e / TILE_K : e % TILE;                                                       \
    const INDEX its_k = start + step, its_place = first + place;                                             \
    slice[step][place] =                                                                                     \
        its_k < depth && its_place < limit ? load(from[its_place * (stride) + its_k * (stride_k)]) : (ACC)0; \
  }

#ifdef SUB_GROUP
__attribute__((intel_reqd_sub_group_size(SUB_GROUP)))
#endif
__attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) __kernel void multiply(
    __global OUT *out, const long at, __global const IN *a, const long a_at, __global const IN *b,
    const long b_at ENDS_ARGUMENT EXTRAS(EXTRA_ARGUMENT), const Geometry g) {
  __local ACC slice_a[TILE_K][TILE_M + 4];
  __local ACC slice_b[TILE_K][TILE_N + 4];
#if CHUNKED
  __local ACC sum[MICRO_M * MICRO_N][ITEMS];
#endif
  const int x = get_local_id(0), y = get_local_id(1), item = y * ITEMS_X + x;
  const INDEX first_column = (INDEX)get_group_id(0) * TILE_N;
  LOCATE(get_group_id(1), TILE_M)
  __global const IN *from_a = a + a_at + batch_offset(batch, g.batch, g.a) + first_k * g.a[BATCH + 1];
  __global const IN *from_b = b + b_at + batch_offset(batch, g.batch, g.b) + first_k * g.b[BATCH];
  ACC chunk[MICRO_M][MICRO_N];
#pragma unroll
  for (int i = 0; i < MICRO_M; ++i) {
#pragma unroll
    for (int j = 0; j < MICRO_N; ++j) chunk[i][j] = (ACC)0;
  }
  for (INDEX start = 0; start < depth; start += TILE_K) {
#if CHUNKED
    if (start && start % KC == 0) {
#pragma unroll
      for (int i = 0; i < MICRO_M; ++i) {
#pragma unroll
        for (int j = 0; j < MICRO_N; ++j) {
          __local ACC *slot = &sum[i * MICRO_N + j][item];
          *slot = start == KC ? chunk[i][j] : *slot + chunk[i][j];
          chunk[i][j] = (ACC)0;
        }
      }
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    BRING(slice_a, TILE_M, from_a, A_ALONG_K, first_row, end_row, g.a[BATCH], g.a[BATCH + 1])
    BRING(slice_b, TILE_N, from_b, B_ALONG_K, first_column, g.n, g.b[BATCH + 1], g.b[BATCH])
    barrier(CLK_LOCAL_MEM_FENCE);
    if (start + TILE_K <= depth) {
#pragma unroll
      for (int step = 0; step < TILE_K; ++step) ADVANCE(step)
    } else {  // no zeros past the end: fma(0, 0, -0) is +0
      for (int step = 0; step < (int)(depth - start); ++step) ADVANCE(step)
    }
  }
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + at + batch_offset(batch, g.batch, g.out);
#pragma unroll
  for (int i = 0; i < MICRO_M; ++i) {
    const INDEX row = first_row + y * MICRO_M + i;
#pragma unroll
    for (int j = 0; j < MICRO_N; ++j) {
      const INDEX column = first_column + x * MICRO_N + j;
#if CHUNKED && GROUPED == 2
      const ACC total = depth > KC ? sum[i * MICRO_N + j][item] + chunk[i][j] : chunk[i][j];
#elif CHUNKED
      const ACC total = sum[i * MICRO_N + j][item] + chunk[i][j];
#else
      const ACC total = chunk[i][j];
#endif
      if (row < end_row && column < g.n) {
        to[row * g.out[BATCH] + OUT_COLUMN] = EPILOGUE(total, EXTRAS(EXTRA_VALUE));
      }
    }
  }
}

#endif
