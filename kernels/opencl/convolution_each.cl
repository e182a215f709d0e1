// Convolutions of groups of one channel on CPU devices; follows convolution.cl, whose order it keeps. There are few
// enough terms for one chunk. A work-item has a tile of places, `band` rows of `width`, of some neighbouring groups, one
// after the other. It copies the rows of x that they meet into private memory, with 0 for what is skipped, and each row
// by its phases, so that the elements that neighbouring places meet are neighbours at any stride:
//
//      element     0 1 2 3 4 5 6        stride 2:   0 2 4 6 | 1 3 5
//
// Then it makes ROWS x VECTORS * VECTOR places at a time, for each output, from one copied row after the other: what is
// loaded of it serves all rows of places that meet it. A 0 changes no sum that begins at +0 where the weight is finite;
// where one is not, each place is computed by itself from what it meets.
//
// The generator (convolution_each.py) defines, besides what convolution.cl lists: ROWS, VECTORS, VECTOR; TALL, BROAD:
// lengths of the window's last two axes; DOWN, APART: stride and dilation of the last but one; AT_ONCE: steps of BROAD
// that are written out; and BUFFER: elements of private memory.

#define WIDTH (VECTORS * VECTOR)
#define MET_ROWS ((ROWS - 1) * DOWN + (TALL - 1) * APART + 1)  // by ROWS rows of places

// band, width: places of a tile; bands, segments: tiles of the last two axes. rows: of x that a tile meets. pitch:
// elements of a phase. groups: of a work-item.
typedef struct {
  INDEX band, bands, width, segments, rows, pitch, groups;
} Tiling;

#define EXTRA_LINE(i, type)                                                                                    \
  __global const type *line##i = extra##i + extra_at##i + entry * g.extra[i][0] + group * g.extra[i][1] +      \
                                 output * g.extra[i][2] + o0 * g.extra[i][3] + (first_row + r) * g.extra[i][4] + \
                                 first_place * g.extra[i][5];
#define EXTRA_VALUE(i, type) , line##i[place * g.extra[i][5]]

#if BIAS
#define BIASED(sum) ((sum) + its_bias)
#else
#define BIASED(sum) (sum)
#endif

// Places `from` to `end` of row r of the tile, of which `sums` holds those from `from` on. A row whose length the
// compiler knows, and whose neighbours are neighbours in memory, is stored by vectors.
#define FINISH(step) line[place * (step)] = EPILOGUE(BIASED(sums[place - from]), EXTRAS(EXTRA_VALUE));
#define FINISH_LINE(r, from, end)                                                        \
  {                                                                                      \
    __global OUT *line = to + (r) * g.out[4];                                            \
    EXTRAS(EXTRA_LINE)                                                                   \
    if (end - from == WIDTH && g.out[5] == 1) {                                          \
      for (INDEX place = from; place < from + WIDTH; ++place) FINISH(1)                  \
    } else {                                                                             \
      for (INDEX place = from; place < end; ++place) FINISH(g.out[5])                    \
    }                                                                                    \
  }

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void convolve(__global OUT *out, const long out_at,
                                                                      __global const T *x, const long x_at,
                                                                      __global const T *weight, const long weight_at
#if BIAS
                                                                      ,
                                                                      __global const T *bias, const long bias_at
#endif
                                                                          EXTRAS(EXTRA_ARGUMENT),
                                                                      const Geometry g, const Tiling t) {
  const INDEX tile = (INDEX)get_group_id(0), first_group = (INDEX)get_group_id(1) * t.groups;
  const INDEX entry = (INDEX)get_group_id(2), end_group = min(first_group + t.groups, g.groups);
  const INDEX segment = tile % t.segments, band = tile / t.segments % t.bands, o0 = tile / t.segments / t.bands;
  const INDEX first_place = segment * t.width, first_row = band * t.band;
  const INDEX places = min(t.width, g.places[2] - first_place), rows = min(t.band, g.places[1] - first_row);
  const INDEX phases = g.stride[2], line_length = phases * t.pitch;
  T lines[BUFFER + VECTOR];
  // Element 0 of a copied line, and what places meet of it.
  const INDEX first_element = first_place * phases - g.low[2];
  const INDEX needed = (places - 1) * phases + (g.kernel_lengths[2] - 1) * g.dilation[2] + 1;
  const INDEX low = clamp(-first_element, (INDEX)0, needed), high = clamp(g.lengths[2] - first_element, low, needed);
  const INDEX needed_rows = (rows - 1) * g.stride[1] + (g.kernel_lengths[1] - 1) * g.dilation[1] + 1;
  const INDEX terms = g.kernel_lengths[0] * TALL * BROAD;
  INDEX meets[BROAD];  // of a copied line, by the first place
  for (int k2 = 0; k2 < BROAD; ++k2) {
    const INDEX element = k2 * g.dilation[2];
    meets[k2] = element % phases * t.pitch + element / phases;
  }
  for (INDEX group = first_group; group < end_group; ++group) {
    __global const T *from_x = x + x_at + entry * g.x[0] + group * g.x[1];
    for (INDEX k0 = 0; k0 < g.kernel_lengths[0]; ++k0) {
      const INDEX i0 = o0 * g.stride[0] + k0 * g.dilation[0] - g.low[0];
      for (INDEX r = 0; r < needed_rows; ++r) {
        const INDEX i1 = first_row * g.stride[1] + r - g.low[1];
        const bool there = i0 >= 0 && i0 < g.lengths[0] && i1 >= 0 && i1 < g.lengths[1];
        const INDEX begin = there ? low : needed, end = there ? high : needed;
        __global const T *its = from_x + i0 * g.x[3] + i1 * g.x[4] + first_element * g.x[5];
        T *line = lines + (k0 * t.rows + r) * line_length;
        if (phases == 1) {
          // Zeros by whole vectors, beyond what they are for: that is copied after them, as the next line is.
          for (INDEX e = 0; e < begin; e += VECTOR) VSTORE((Vector)((T)0), 0, line + e);
          for (INDEX e = end; e < needed; e += VECTOR) VSTORE((Vector)((T)0), 0, line + e);
          if (g.x[5] == 1 && end - begin >= VECTOR) {
            for (INDEX e = begin; e < end; e += VECTOR) {
              const INDEX at = min(e, end - VECTOR);
              VSTORE(VLOAD(0, its + at), 0, line + at);
            }
          } else {
            for (INDEX e = begin; e < end; ++e) line[e] = its[e * g.x[5]];
          }
        } else {
          for (INDEX phase = 0; phase < phases; ++phase) {
            T *to_phase = line + phase * t.pitch;
            for (INDEX e = phase, n = 0; e < needed; e += phases, ++n) {
              to_phase[n] = e >= begin && e < end ? its[e * g.x[5]] : (T)0;
            }
          }
        }
      }
    }
    for (INDEX output = 0; output < g.outputs; ++output) {
      T factors[KC];
      bool wild = false;
      INDEX term = 0;
      for (INDEX k0 = 0; k0 < g.kernel_lengths[0]; ++k0) {
        for (int k1 = 0; k1 < TALL; ++k1) {
          __global const T *its = weight + weight_at + group * g.weight[0] + output * g.weight[1] + k0 * g.weight[3] +
                                  k1 * g.weight[4];
          for (int k2 = 0; k2 < BROAD; ++k2, ++term) {
            factors[term] = its[k2 * g.weight[5]];
            wild |= !isfinite(factors[term]);
          }
        }
      }
#if BIAS
      const T its_bias = bias[bias_at + group * g.bias[0] + output * g.bias[1]];
#endif
      __global OUT *to = out + out_at + entry * g.out[0] + group * g.out[1] + output * g.out[2] + o0 * g.out[3] +
                         first_row * g.out[4] + first_place * g.out[5];
      for (INDEX row = 0; row < rows; row += ROWS) {
        for (INDEX own = 0; own < places; own += WIDTH) {
          const INDEX from = max((INDEX)0, min(own, places - WIDTH)), end = min(from + WIDTH, places);
          const INDEX end_row = min(row + ROWS, rows);
          T sums[WIDTH];
          if (wild) {
            for (INDEX r = row; r < end_row; ++r) {
              for (INDEX place = from; place < end; ++place) {
                T sum = 0;
                for (term = 0; term < terms; ++term) {
                  const INDEX k2 = term % BROAD, k1 = term / BROAD % TALL, k0 = term / BROAD / TALL;
                  const INDEX i0 = o0 * g.stride[0] + k0 * g.dilation[0] - g.low[0];
                  const INDEX i1 = (first_row + r) * g.stride[1] + k1 * g.dilation[1] - g.low[1];
                  const INDEX i2 = (first_place + place) * g.stride[2] + k2 * g.dilation[2] - g.low[2];
                  if (i0 < 0 || i0 >= g.lengths[0] || i1 < 0 || i1 >= g.lengths[1] || i2 < 0 || i2 >= g.lengths[2]) {
                    continue;
                  }
                  sum = fma(factors[term], from_x[i0 * g.x[3] + i1 * g.x[4] + i2 * g.x[5]], sum);
                }
                sums[place - from] = (T)0 + sum;
              }
              FINISH_LINE(r, from, end)
            }
            continue;
          }
          Vector sum[ROWS][VECTORS];
#pragma unroll
          for (int r = 0; r < ROWS; ++r) {
#pragma unroll
            for (int v = 0; v < VECTORS; ++v) sum[r][v] = (Vector)((T)0);
          }
          for (INDEX k0 = 0; k0 < g.kernel_lengths[0]; ++k0) {
            const T *its = lines + (k0 * t.rows + row * DOWN) * line_length + from;
            const T *its_factors = factors + k0 * (TALL * BROAD);
#pragma unroll
            for (int i = 0; i < MET_ROWS; ++i) {
#pragma unroll AT_ONCE
              for (int k2 = 0; k2 < BROAD; ++k2) {
                Vector met[VECTORS];
#pragma unroll
                for (int v = 0; v < VECTORS; ++v) met[v] = VLOAD(v, its + i * line_length + meets[k2]);
#pragma unroll
                for (int k1 = 0; k1 < TALL; ++k1) {
                  const int below = i - k1 * APART, r = below / DOWN;
                  if (below >= 0 && below % DOWN == 0 && r < ROWS) {
                    const Vector factor = (Vector)(its_factors[k1 * BROAD + k2]);
#pragma unroll
                    for (int v = 0; v < VECTORS; ++v) sum[r][v] = fma(factor, met[v], sum[r][v]);
                  }
                }
              }
            }
          }
#pragma unroll
          for (int r = 0; r < ROWS; ++r) {
            if (row + r < rows) {
#pragma unroll
              for (int v = 0; v < VECTORS; ++v) VSTORE((Vector)((T)0) + sum[r][v], v, sums);
              FINISH_LINE(row + r, from, end)
            }
          }
        }
      }
    }
  }
}
