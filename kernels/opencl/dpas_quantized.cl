// Products with quantised weights on the matrix units of Intel's GPUs, for modes that promise a bound: what a code
// stands for without its scale is a number of 16 bits, and the scale multiplies what a part of its group adds up to.
// This text follows small_floats.cl.
//
// The generator (dpas_quantized.py) defines what quantized_matmul.cl asks for but IN, and:
//   PACK                1: `pack`; 0: `multiply`
//   SUB_GROUP, TILES_A, TILES_B, GROUP_A, GROUP_B, LEFT, RIGHT, TOTAL, MULTIPLY   as in dpas.cl
//   READ_LEFT(p), READ_RIGHT(p)   a tile's part of a lane, by one block read of the sub-group
//   RUN                 tiles along k that are added up before the scale multiplies them, all of one group
//   BFLOAT16            whether factors are bfloat16, else float16; ushort narrow(float)
//
// dpas.cl's `pack` makes panels of x, this one those of weights; tiles are laid out as there, of TILE steps of k.

#define ROWS 8
#define TILE 16
#define COLUMNS (TILES_B * SUB_GROUP)

#if PACK

typedef struct {
  INDEX k, group;
  INDEX columns;  // of all panels of words, zero past k
} Source;

// A weight w of a code and a scale s is a factor f times the rest r of s, but for w's rounding; where w is not finite,
// f is w. bfloat16 has float32's range, so f takes the power of two of s, that no sum of x * f leaves this range where
// x * w does not. From 2^-32 down it takes that, with which no sum of a run does: smaller terms would only come nearer
// to subnormal numbers. float16's range is such that f is the code's own number.
#define LEAST (95u << 23)

float power_of(const float s) {
  const uint bits = as_uint(s);
  return as_float((bits & 0x80000000u) | (BFLOAT16 ? max(bits & 0x7f800000u, LEAST) : 0x3f800000u));
}

float rest_of(const float s) {
  const uint bits = as_uint(s) & 0x7fffffffu;
  if (!BFLOAT16) return as_float(bits);
  return bits < LEAST ? as_float(bits) * 0x1p32f : as_float((bits & 0x7fffffu) | 0x3f800000u);
}

// A work-item makes a column of a tile. rests: of each run of each column, in the order of panels of words.
__attribute__((reqd_work_group_size(PANEL, 1, 1))) __kernel void pack(
    __global uint *words, const long words_at, __global float *rests, const long rests_at, __global const CODE *codes,
    const long codes_at, __global const SCALE *scales, const long scales_at,
#ifdef MINOR
    __global const MINOR *minors, const long minors_at,
#endif
    const Source g) {
  const size_t tile = get_group_id(0), depth = get_num_groups(0), panel = get_group_id(1), lane = get_local_id(0);
  const size_t column = panel * PANEL + lane, groups = (size_t)(g.k / g.group);
  if (column >= (size_t)g.columns) return;
  const INDEX first = (INDEX)tile * TILE;
  const size_t its_group = (size_t)(min(first, g.k - 1) / g.group);
#ifdef MINOR
  const MINOR minor = minors[minors_at + (panel * groups + its_group) * PANEL + lane];
#endif
#if SUPER
  scales += scales_at + (panel * (groups / SUPER) + its_group / SUPER) * PANEL + lane;
  const float scale = load_scale(*scales) * minor;
#else
  const float scale = load_scale(scales[scales_at + (panel * groups + its_group) * PANEL + lane]);
#endif
#if defined(MINOR) && !SUPER
  const int zero = minor;
#else
  const int zero = ZERO;
#endif
  const float power = power_of(scale);
  codes += codes_at + panel * (size_t)(g.k / STEPS) * PANEL + lane;
  const size_t to = column / COLUMNS, place = column % COLUMNS;
  words += words_at + ((to * depth + tile) * TILES_B + place / SUB_GROUP) * (8 * SUB_GROUP) + place % SUB_GROUP;
#pragma unroll
  for (int w = 0; w < 8; ++w) {
    uint made = 0;
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      const INDEX step = first + 2 * w + s;
      if (step < g.k) {
        const int code = codes[(size_t)(step / STEPS) * PANEL];
        const int whole = STEPS == 1 ? code : s ? code >> 4 : code & 15;
#if FLOAT
        const float number = weight_of((uint)whole);
#else
        const float number = (float)(whole - zero);
#endif
        const float weight = number * scale;
        made |= (uint)narrow(fabs(weight) < INFINITY ? number * power : weight) << (16 * s);
      }
    }
    words[w * SUB_GROUP] = made;
  }
  if (tile % RUN == 0) rests[rests_at + (to * (depth / RUN) + tile / RUN) * COLUMNS + place] = rest_of(scale);
}

#else

typedef struct {
  INDEX m, n;
  INDEX runs;    // of RUN tiles along k
  INDEX out[2];  // strides: rows, columns
} Geometry;

#define ITEMS (SUB_GROUP * GROUP_A * GROUP_B)
#define SLOTS (ROWS * TILES_A * TILES_B)

// Totals stay in registers, as scales multiply them too often for local memory: so tiles are fewer than dpas.cl's. They
// pass it once, each in a slot of its own work-item, so that a loop rounds and stores them: written out for each, that
// is too much for the compiler, which then keeps totals elsewhere.
__attribute__((intel_reqd_sub_group_size(SUB_GROUP)))
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void
multiply(__global OUT *out, const long at, __global const uint *a_panels, const long a_at,
         __global const uint *b_panels, const long b_at, __global const uint *rests, const long rests_at,
         const Geometry g) {
  __local float totals[SLOTS][ITEMS];
  const int sub_group = (int)get_sub_group_id(), lane = (int)get_sub_group_local_id();
  const INDEX panel_a = (INDEX)get_group_id(1) * GROUP_A + sub_group / GROUP_B;
  const INDEX panel_b = (INDEX)get_group_id(0) * GROUP_B + sub_group % GROUP_B;
  const INDEX first_row = panel_a * (TILES_A * ROWS), first_column = panel_b * COLUMNS + lane;
  if (first_row >= g.m || first_column - lane >= g.n) return;
  UINDEX a = (UINDEX)a_at + (UINDEX)(panel_a * g.runs) * (RUN * TILES_A * 64);
  UINDEX b = (UINDEX)b_at + (UINDEX)(panel_b * g.runs) * (RUN * 8 * COLUMNS);
  UINDEX rest = (UINDEX)rests_at + (UINDEX)(panel_b * g.runs) * COLUMNS;
  TOTAL total[TILES_A][TILES_B];
#pragma unroll
  for (int i = 0; i < TILES_A; ++i) {
#pragma unroll
    for (int j = 0; j < TILES_B; ++j) total[i][j] = (TOTAL)(0);
  }
  for (INDEX run = 0; run < g.runs; ++run) {
    TOTAL part[TILES_A][TILES_B];
#pragma unroll
    for (int i = 0; i < TILES_A; ++i) {
#pragma unroll
      for (int j = 0; j < TILES_B; ++j) part[i][j] = (TOTAL)(0);
    }
    for (int step = 0; step < RUN; ++step) {
      RIGHT right[TILES_B];
#pragma unroll
      for (int j = 0; j < TILES_B; ++j) right[j] = READ_RIGHT(b_panels + b + j * (8 * SUB_GROUP));
#pragma unroll
      for (int i = 0; i < TILES_A; ++i) {
        const LEFT left = READ_LEFT(a_panels + a + i * 64);
#pragma unroll
        for (int j = 0; j < TILES_B; ++j) part[i][j] = MULTIPLY(left, right[j], part[i][j]);
      }
      a += TILES_A * 64;
      b += 8 * COLUMNS;
    }
#pragma unroll
    for (int j = 0; j < TILES_B; ++j) {
      const TOTAL scale = (TOTAL)(as_float(intel_sub_group_block_read(rests + rest + j * SUB_GROUP)));
#pragma unroll
      for (int i = 0; i < TILES_A; ++i) total[i][j] = fma(part[i][j], scale, total[i][j]);
    }
    rest += COLUMNS;
  }
  __local float *slot = &totals[0][sub_group * SUB_GROUP + lane];
#pragma unroll
  for (int i = 0; i < TILES_A; ++i) {
#pragma unroll
    for (int j = 0; j < TILES_B; ++j) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) slot[((i * ROWS + r) * TILES_B + j) * ITEMS] = total[i][j][r];
    }
  }
  const int rows = (int)min((INDEX)(TILES_A * ROWS), g.m - first_row);
  for (int r = 0; r < rows; ++r) {
    const INDEX row = first_row + r;
#pragma unroll
    for (int j = 0; j < TILES_B; ++j) {
      const INDEX column = first_column + j * SUB_GROUP;
      if (column < g.n) out[at + row * g.out[0] + column * g.out[1]] = finish(slot[(r * TILES_B + j) * ITEMS]);
    }
  }
}

#endif
