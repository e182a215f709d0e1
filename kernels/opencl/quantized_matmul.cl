// Products with quantised weights in the canonical order: a work-item makes ROWS elements of one column.
//
// The generator (quantized_matmul.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   IN, OUT          storage of x and of the result; float load(IN), OUT finish(float)
//   CODE, STEPS      storage of codes, and steps of k that one holds: 1, or 2 of 4 bits each
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
    const long codes_at, __global const float *scales, const long scales_at, __global const char *zeros,
    const long zeros_at, const Geometry g) {
  const size_t panel = get_group_id(0), lane = get_local_id(0);
  const INDEX column = (INDEX)(panel * PANEL + lane), first = (INDEX)get_group_id(1) * ROWS;
  const size_t groups = (size_t)(g.k / g.group);
  codes += codes_at + panel * (size_t)(g.k / STEPS) * PANEL + lane;
  scales += scales_at + panel * groups * PANEL + lane;
  zeros += zeros_at + panel * groups * PANEL + lane;
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
      const float scale = scales[(size_t)its_group * PANEL];
      const int zero = zeros[(size_t)its_group * PANEL];
      for (; step < stop; step += STEPS) {
        const int code = codes[(size_t)(step / STEPS) * PANEL];
#pragma unroll
        for (int s = 0; s < STEPS; ++s) {
          const int whole = STEPS == 1 ? code : s ? code >> 4 : code & 15;
          const float weight = (float)(whole - zero) * scale;
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
