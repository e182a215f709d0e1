// Products with quantised weights in the canonical order: a work-item makes ROWS elements of one column.
//
// The generator (quantized_matmul.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   IN, OUT          storage of x and of the result; float load(IN), OUT finish(float)
//   CODE, STEPS      storage of codes, and steps of k that one holds: 1, or 2 of 4 bits each
//   FLOAT            see small_floats.cl, which comes before this text
//   SCALE, SUPER     storage of scales, and groups of a super-block, or 0; float load_scale(SCALE)
//   MINOR, EACH      storage of minors, if there are any; rows of scales and of minors for each group: 2 with minima
//   ZERO             of integers whose zeros are not stored
//   ROWS             of the result that a work-item makes
//   PANEL, KC        columns of a panel, and steps of a chunk
// Weights lie in panels (docs/quantization.md): neighbouring work-items read neighbouring bytes.

typedef struct {
  INDEX m, n, k, group;
  INDEX x[2];  // strides: rows, columns
  INDEX out[2];
} Geometry;

__attribute__((reqd_work_group_size(PANEL, 1, 1))) __kernel void quantized_matmul(
    __global OUT *out, const long at, __global const IN *x, const long x_at, __global const CODE *codes,
    const long codes_at, __global const SCALE *scales, const long scales_at,
#ifdef MINOR
    __global const MINOR *minors, const long minors_at,
#endif
    const Geometry g) {
  const size_t panel = get_group_id(0), lane = get_local_id(0);
  const INDEX column = (INDEX)(panel * PANEL + lane), first = (INDEX)get_group_id(1) * ROWS;
  const size_t groups = (size_t)(g.k / g.group);
  codes += codes_at + panel * (size_t)(g.k / STEPS) * PANEL + lane;
#if SUPER
  scales += scales_at + panel * (groups / SUPER * EACH) * PANEL + lane;
#else
  scales += scales_at + panel * groups * PANEL + lane;
#endif
#ifdef MINOR
  minors += minors_at + panel * groups * EACH * PANEL + lane;
#endif
  float total[ROWS];
  __global const IN *from[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {  // past the last row it is read again
    total[r] = 0.0f;
    from[r] = x + x_at + min(first + r, g.m - 1) * g.x[0];
  }
  for (INDEX start = 0; start < g.k; start += KC) {
    const INDEX end = min(start + (INDEX)KC, g.k);
    float chunk[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) chunk[r] = 0.0f;
    INDEX step = start;
    while (step < end) {
      const INDEX its_group = step / g.group, stop = min(end, (its_group + 1) * g.group);
#if SUPER
      const size_t major = (size_t)(its_group / SUPER) * EACH * PANEL, minor = (size_t)its_group * EACH * PANEL;
      const float scale = load_scale(scales[major]) * minors[minor];
#if EACH == 2
      const float minimum = load_scale(scales[major + PANEL]) * minors[minor + PANEL];
#endif
#else
      const float scale = load_scale(scales[(size_t)its_group * PANEL]);
#endif
#if defined(MINOR) && !SUPER
      const int zero = minors[(size_t)its_group * PANEL];
#else
      const int zero = ZERO;
#endif
      for (; step < stop; step += STEPS) {
        const int code = codes[(size_t)(step / STEPS) * PANEL];
#pragma unroll
        for (int s = 0; s < STEPS; ++s) {
          const int whole = STEPS == 1 ? code : s ? code >> 4 : code & 15;
#if FLOAT
          const float weight = weight_of((uint)whole) * scale;
#elif EACH == 2
          const float weight = fma((float)whole, scale, -minimum);
#else
          const float weight = (float)(whole - zero) * scale;
#endif
#pragma unroll
          for (int r = 0; r < ROWS; ++r) chunk[r] = fma(load(from[r][(step + s) * g.x[1]]), weight, chunk[r]);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) total[r] = start ? total[r] + chunk[r] : chunk[r];
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    if (first + r < g.m && column < g.n) {
      out[at + (first + r) * g.out[0] + column * g.out[1]] = finish(total[r]);
    }
  }
}
