// Matrix products on the matrix units of Intel's GPUs (cl_intel_subgroup_matrix_multiply_accumulate): a sub-group adds
// the product of ROWS x STEPS and STEPS x SUB_GROUP elements to ROWS x SUB_GROUP totals. This text follows matmul.cl's.
//
// The generator (dpas.py) defines, besides what matmul.cl asks for (of a, b and ACC; KC is not used):
//   SUB_GROUP           work-items of a sub-group: the device's fewest, 8 or 16, for which alone there are built-ins
//   STEPS               steps of k of a tile: 16 of 16 bits, 32 of 8; a word of 32 bits holds STEPS / 8 of them
//   TILES_A, TILES_B    tiles that a sub-group multiplies at each step of k
//   GROUP_A, GROUP_B    sub-groups of a work-group, along the rows and along the columns
//   DEPTH               tiles along k after which totals are added up, which bounds their error; 0: never, of integers
//   MULTIPLY            the built-in; LEFT, RIGHT, TOTAL: its types, vectors of 8
//   TOGETHER            tiles along k that are read and multiplied at once: 1, or 2
//   MULTIPLE            that the number of tiles along k is a multiple of, by tiles of zeros behind the end: 1, or 2
//   A_TYPE, B_TYPE      of what a and b point to: uint, words of panels; IN, elements of a matrix
//   A_FIRST, B_FIRST    where along k the reads begin: PANEL(…), or 0 in a matrix
//   A_STEP, B_STEP      how far along k the next TOGETHER tiles of a are, and the next tile of b
//   READ_LEFT(to, i)    a lane's part of TOGETHER tiles of a, in the i-th row of tiles
//   READ_RIGHT(to, j)   a lane's part of a tile of b, in the j-th column of tiles
//   PACK                1: `pack`, for which WIDTH, TILES, OF_A and PART are defined; 0: `multiply`
//
// `pack` turns an operand into panels of whole tiles, zero past the edges, of which `multiply` reads each by one block
// read of neighbouring words:
//
//       tile of a: ROWS x 8 words            tile of b: 8 words x SUB_GROUP
//     +---------------------------+        +---------------------------+
//     | row 0: words 0 1 … 7      |        | word 0 of columns 0 1 …   |     a word: neighbouring steps of k, the first
//     | row 1: words 0 1 … 7      |        | word 1 of columns 0 1 …   |     one in its lowest bits
//     | …                         |        | …                         |
//     +---------------------------+        +---------------------------+
//
// Lane l has word l of each row of a (of 16 lanes the l-th half of a word), and column l of b and of the totals, whose
// element r is row r.
//
// Where the device has cl_intel_subgroup_2d_block_io, `multiply` reads a matrix as it lies by READ_BLOCK, one block read
// of two axes, which is zero past the edges: a's rows; b's rows, of which the read makes words of neighbouring steps of
// k (transform); b's columns where these lie along k, whose words it transposes. Or, where the matrix begins at an
// address that such reads cannot have, element by element (GATHER_LEFT, GATHER_RIGHT).

#define ROWS 8

#define TILE_WORDS (8 * WIDTH)

#if PACK

typedef struct {
  INDEX batch[BATCH];
  INDEX strides[BATCH + 2];  // batch axes, then along the panel's width, then along k
  INDEX length, k;
} Source;

// A work-item makes a word, a work-group a tile, of which TILES make a panel. WIDTH: ROWS of a, or SUB_GROUP columns of b.
// PART: the unsigned type of an element.
__attribute__((reqd_work_group_size(TILE_WORDS, 1, 1))) __kernel void pack(__global uint *panels, const long panels_at,
                                                                           __global const IN *in, const long in_at,
                                                                           const Source g) {
  const size_t tile = get_group_id(0), panel = get_group_id(1), matrix = get_group_id(2);
  const int item = (int)get_local_id(0);
  const int place = OF_A ? item / 8 : item % WIDTH, word = OF_A ? item % 8 : item / WIDTH;
  const INDEX along = ((INDEX)panel * TILES + (INDEX)(tile % TILES)) * WIDTH + place;
  const INDEX first = (INDEX)(tile / TILES) * STEPS + word * (STEPS / 8);
  __global const IN *from = in + in_at + batch_offset((UINDEX)matrix, g.batch, g.strides) + along * g.strides[BATCH];
  uint made = 0;
#pragma unroll
  for (int s = 0; s < STEPS / 8; ++s) {
    if (along < g.length && first + s < g.k) {
      made |= (uint)(PART)from[(first + s) * g.strides[BATCH + 1]] << (s * 256 / STEPS);
    }
  }
  panels[panels_at + ((matrix * get_num_groups(1) + panel) * get_num_groups(0) + tile) * TILE_WORDS + item] = made;
}

#else

#define ITEMS (SUB_GROUP * GROUP_A * GROUP_B)
#define SLOTS (ROWS * TILES_A * TILES_B)

#define PANEL(x, words) \
  (UINDEX) x##_at + (UINDEX)((batch_offset(batch, g.batch, g.x) * panels_##x + panel_##x) * depth) * (words)

// read: the built-in. x: a or b. width, height: elements of a row of memory, and rows. pitch: elements from one row to
// the next. type: of `to`.
#define READ_BLOCK(read, x, width, height, pitch, column, row, type, to)                             \
  read((__global void *)x##_matrix, (int)(width) * (int)sizeof(IN), (int)(height),                   \
       (int)(pitch) * (int)sizeof(IN), (int2)((int)(column), (int)(row)), (__private type *)(to))

// So many neighbouring steps of k of a row of a, or of a column of b, zero from `end` on.
static inline uint gather(__global const IN *from, INDEX stride, INDEX first, INDEX end, int count) {
  uint made = 0;
#pragma unroll
  for (int s = 0; s < count; ++s) {
    if (first + s < end) made |= (uint)(PART)from[(first + s) * stride] << (s * 256 / STEPS);
  }
  return made;
}

#define GATHER_LEFT(to, i)                                                                                 \
  _Pragma("unroll") for (int r = 0; r < ROWS; ++r) {                                                       \
    const INDEX row = first_row + (i) * ROWS + r;                                                          \
    (to)[0][r] = gather(a_matrix + row * g.a[BATCH], g.a[BATCH + 1], (INDEX)a + lane * (STEPS / 16),       \
                        row < g.m ? g.k : 0, STEPS / 16);                                                  \
  }
#define GATHER_RIGHT(to, j)                                                                                \
  _Pragma("unroll") for (int w = 0; w < 8; ++w) {                                                          \
    const INDEX column = first_column + (j) * SUB_GROUP + lane;                                            \
    (*(to))[w] = gather(b_matrix + column * g.b[BATCH + 1], g.b[BATCH], (INDEX)b + w * (STEPS / 8),        \
                        column < g.n ? g.k : 0, STEPS / 8);                                                \
  }

// g.a and g.b hold, per batch axis, how many packed matrices one step skips, or the strides of a matrix that is read as
// it lies. Totals wait in local memory, each in a slot of its own work-item: so no barrier is needed, and a sub-group
// past the edges has nothing to do.
__attribute__((intel_reqd_sub_group_size(SUB_GROUP)))
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void
multiply(__global OUT *out, const long at, __global const A_TYPE *a_data, const long a_at,
         __global const B_TYPE *b_data, const long b_at EXTRAS(EXTRA_ARGUMENT), const Geometry g) {
  __local ACC totals[SLOTS][ITEMS];
  const int sub_group = (int)get_sub_group_id(), lane = (int)get_sub_group_local_id();
  const int item = sub_group * SUB_GROUP + lane;
  const INDEX panels_a = (g.m + ROWS * TILES_A - 1) / (ROWS * TILES_A);
  const INDEX panels_b = (g.n + SUB_GROUP * TILES_B - 1) / (SUB_GROUP * TILES_B);
  const INDEX panel_a = (INDEX)get_group_id(1) * GROUP_A + sub_group / GROUP_B;
  const INDEX panel_b = (INDEX)get_group_id(0) * GROUP_B + sub_group % GROUP_B;
  if (panel_a >= panels_a || panel_b >= panels_b) return;
  const UINDEX batch = (UINDEX)get_group_id(2);
  const INDEX depth = (g.k + STEPS * MULTIPLE - 1) / (STEPS * MULTIPLE) * MULTIPLE;
  __global const A_TYPE *a_matrix = a_data + a_at + batch_offset(batch, g.batch, g.a);
  __global const B_TYPE *b_matrix = b_data + b_at + batch_offset(batch, g.batch, g.b);
  UINDEX a = A_FIRST, b = B_FIRST;
  const INDEX first_row = panel_a * (TILES_A * ROWS), first_column = panel_b * (TILES_B * SUB_GROUP);
  const int rows = (int)min((INDEX)(TILES_A * ROWS), g.m - first_row);
  __local ACC *total = &totals[0][item];
  for (int slot = 0; slot < rows * TILES_B; ++slot) total[slot * ITEMS] = (ACC)0;
  for (INDEX start = 0; start < depth; start += DEPTH ? DEPTH : depth) {
    TOTAL chunk[TILES_A][TILES_B];
#pragma unroll
    for (int i = 0; i < TILES_A; ++i) {
#pragma unroll
      for (int j = 0; j < TILES_B; ++j) chunk[i][j] = (TOTAL)(0);
    }
    const INDEX end = DEPTH ? min(depth, start + (INDEX)DEPTH) : depth;
    for (INDEX step = start; step < end; step += TOGETHER) {
      RIGHT right[TOGETHER][TILES_B];
#pragma unroll
      for (int s = 0; s < TOGETHER; ++s) {
#pragma unroll
        for (int j = 0; j < TILES_B; ++j) READ_RIGHT(&right[s][j], j);
        b += B_STEP;
      }
#pragma unroll
      for (int i = 0; i < TILES_A; ++i) {
        LEFT left[TOGETHER];
        READ_LEFT(left, i);
#pragma unroll
        for (int s = 0; s < TOGETHER; ++s) {
#pragma unroll
          for (int j = 0; j < TILES_B; ++j) chunk[i][j] = MULTIPLY(left[s], right[s][j], chunk[i][j]);
        }
      }
      a += A_STEP;
    }
#pragma unroll
    for (int i = 0; i < TILES_A; ++i) {
#pragma unroll
      for (int j = 0; j < TILES_B; ++j) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
          total[((i * ROWS + r) * TILES_B + j) * ITEMS] += (ACC)chunk[i][j][r];
        }
      }
    }
  }
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + at + batch_offset(batch, g.batch, g.out);
  for (int r = 0; r < rows; ++r) {
    const INDEX row = first_row + r;
#pragma unroll
    for (int j = 0; j < TILES_B; ++j) {
      const INDEX column = first_column + j * SUB_GROUP + lane;
      if (column < g.n) {
        to[row * g.out[BATCH] + OUT_COLUMN] = EPILOGUE(total[(r * TILES_B + j) * ITEMS], EXTRAS(EXTRA_VALUE));
      }
    }
  }
}

#endif
