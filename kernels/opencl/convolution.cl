// Convolutions in the canonical order of docs/numerics.md, rule 3: fma from +0 over kernel positions, row-major, and
// channels, in chunks of KC, the chunks' results added in order to +0; then the bias and the epilogue. What is in the
// padding or in a gap is skipped, and counted.
//
// The generator (convolution.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   T, OUT           type of an element and of a sum, and of a result in memory
//   KC               chunk length
//   LANES            whether this text is all (GPUs), or convolution_loops.cl follows (CPU devices)
//   ITEMS            work-items of a work-group
//   ROWS             outputs of a work-item
//   BIAS             whether there is a bias
//   EXTRAS(X)        X(i, type) for each further operand of the epilogue; EXTRA_COUNT, at least 1
//   EPILOGUE(sum, more)   the epilogue's call: the sum, then a comma before each further operand

typedef struct {
  INDEX batch, groups, outputs, channels;
  INDEX lengths[3], kernel_lengths[3], places[3];
  INDEX stride[3], low[3], dilation[3], spread[3];
  INDEX x[6], weight[6], out[6], bias[2], extra[EXTRA_COUNT][6];  // strides, as in accel.convolution_plan.Windows
  INDEX panels;                                                   // of a work-item of convolution_loops.cl
} Geometry;

#define EXTRA_ARGUMENT(i, type) , __global const type *extra##i, long extra_at##i

#if LANES

// The element of axis a that a place meets at a kernel position; -1 where there is none.
static inline INDEX met(__private const Geometry *g, int a, INDEX place, INDEX position) {
  const INDEX at = place * g->stride[a] + position * g->dilation[a] - g->low[a];
  const INDEX element = at / g->spread[a];
  return at < 0 || element * g->spread[a] != at || element >= g->lengths[a] ? -1 : element;
}

#define EXTRA_POINTER(i, type)                                                                             \
  extra##i += extra_at##i + entry * g.extra[i][0] + group * g.extra[i][1] + o0 * g.extra[i][3] + o1 * g.extra[i][4] + \
              o2 * g.extra[i][5];
#define EXTRA_VALUE(i, type) , extra##i[(first + r) * g.extra[i][2]]

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void convolve(__global OUT *out, long out_at,
                                                                          __global const T *x, long x_at,
                                                                          __global const T *weight, long weight_at
#if BIAS
                                                                          ,
                                                                          __global const T *bias, long bias_at
#endif
                                                                              EXTRAS(EXTRA_ARGUMENT),
                                                                          Geometry g) {
  const INDEX id = (INDEX)get_global_id(0), group = (INDEX)get_global_id(2);
  const INDEX first = (INDEX)get_global_id(1) * ROWS;
  const INDEX across = g.places[2], down = g.places[1], deep = g.places[0];
  if (id >= g.batch * deep * down * across) return;
  const INDEX o2 = id % across, o1 = id / across % down, o0 = id / across / down % deep;
  const INDEX entry = id / across / down / deep;
  __global const T *from = x + x_at + entry * g.x[0] + group * g.x[1];
  __global const T *factors = weight + weight_at + group * g.weight[0];
  INDEX rows[ROWS];  // those beyond the last output are it again
  T total[ROWS], chunk[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    rows[r] = min(first + r, g.outputs - 1) * g.weight[1];
    total[r] = chunk[r] = (T)0;
  }
  INDEX filled = 0;
  for (INDEX k0 = 0; k0 < g.kernel_lengths[0]; ++k0) {
    const INDEX i0 = met(&g, 0, o0, k0);
    for (INDEX k1 = 0; k1 < g.kernel_lengths[1]; ++k1) {
      const INDEX i1 = met(&g, 1, o1, k1);
      for (INDEX k2 = 0; k2 < g.kernel_lengths[2]; ++k2) {
        const INDEX i2 = met(&g, 2, o2, k2);
        __global const T *met_here = from + i0 * g.x[3] + i1 * g.x[4] + i2 * g.x[5];
        const INDEX at = k0 * g.weight[3] + k1 * g.weight[4] + k2 * g.weight[5];
        for (INDEX c = 0; c < g.channels;) {
          const INDEX end = min(g.channels, c + KC - filled);
          filled += end - c;
          if (i0 >= 0 && i1 >= 0 && i2 >= 0) {
            for (; c < end; ++c) {
              const T value = met_here[c * g.x[2]];
              for (int r = 0; r < ROWS; ++r) {
                chunk[r] = fma(value, factors[at + rows[r] + c * g.weight[2]], chunk[r]);
              }
            }
          }
          c = end;
          if (filled == KC) {
            for (int r = 0; r < ROWS; ++r) total[r] += chunk[r], chunk[r] = (T)0;
            filled = 0;
          }
        }
      }
    }
  }
  EXTRAS(EXTRA_POINTER)
  __global OUT *to = out + out_at + entry * g.out[0] + group * g.out[1] + o0 * g.out[3] + o1 * g.out[4] + o2 * g.out[5];
  for (int r = 0; r < ROWS && first + r < g.outputs; ++r) {
    T result = total[r] + chunk[r];
#if BIAS
    result += bias[bias_at + group * g.bias[0] + (first + r) * g.bias[1]];
#endif
    to[(first + r) * g.out[2]] = EPILOGUE(result, EXTRAS(EXTRA_VALUE));
  }
}

#endif
