// Convolutions on CPU devices; follows convolution.cl, whose order it keeps. `pack` writes the weights into panels of
// ROWS outputs, [group][panel][term][ROWS], zero past the last output; a term is a kernel position and a channel. A
// work-item of `convolve` has WIDTH neighbouring places and up to PANELS panels: for each chunk of KC terms it gathers
// what the places meet into private memory, whatever the strides, then makes register tiles of ROWS x WIDTH with it.
//
//        term ->                    place ->
//      +-----------------+        +--------------+--------------+
//      | panel of weight |  term  | what the     |              |
//      | terms x ROWS    |   |    | places meet  |              |     WIDTH = VECTORS * VECTOR
//      +-----------------+   v    |              |              |
//
// What is skipped is gathered as 0, which changes no sum that begins at +0 where the weight is finite. `pack` notes per
// chunk of a panel whether it is; where not, lanes that skip a term keep their sum.
//
// The generator (convolution.py) defines, besides what convolution.cl lists:
//   PACK, ROWS, VECTORS, VECTOR, PANELS
//   SPREAD           whether x has gaps
//   LANE_NUMBERS     0, 1, ... below VECTOR
//   MASK             the integer as wide as T

#if PACK

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void pack(__global T *panels, const long panels_at,
                                                                  __global int *wild, const long wild_at,
                                                                  __global const T *weight, const long weight_at,
                                                                  const Geometry g) {
  const INDEX panel = (INDEX)get_group_id(1), group = (INDEX)get_group_id(2);
  const INDEX terms = g.kernel_lengths[0] * g.kernel_lengths[1] * g.kernel_lengths[2] * g.channels;
  const INDEX start = (INDEX)get_group_id(0) * KC, end = min(start + (INDEX)KC, terms), first = panel * ROWS;
  const size_t number = (size_t)group * get_num_groups(1) + panel;
  __global const T *from = weight + weight_at + group * g.weight[0];
  __global T *to = panels + panels_at + number * terms * ROWS;
  const int there = (int)min((INDEX)ROWS, g.outputs - first);
  INDEX rows[ROWS];  // those beyond the last output are it again
  for (int r = 0; r < ROWS; ++r) rows[r] = min(first + r, g.outputs - 1) * g.weight[1];
  int its_wild = 0;
  for (INDEX term = start; term < end;) {
    const INDEX position = term / g.channels, c = term - position * g.channels;
    const INDEX k2 = position % g.kernel_lengths[2], k01 = position / g.kernel_lengths[2];
    const INDEX k0 = k01 / g.kernel_lengths[1], k1 = k01 % g.kernel_lengths[1];
    const INDEX at = k0 * g.weight[3] + k1 * g.weight[4] + k2 * g.weight[5];
    const INDEX run = min(g.channels - c, end - term);
    __global const T *its = from + at + c * g.weight[2];
    for (INDEX i = 0; i < run; ++i, its += g.weight[2]) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const T value = r < there ? its[rows[r]] : (T)0;
        its_wild |= !isfinite(value);
        to[(size_t)(term + i) * ROWS + r] = value;
      }
    }
    term += run;
  }
  wild[wild_at + number * get_num_groups(0) + get_group_id(0)] = its_wild;
}

#else

#define WIDTH (VECTORS * VECTOR)
typedef JOIN(INDEX, VECTOR) Indices;
typedef JOIN(MASK, VECTOR) Mask;

// Where a vector's places lie: in x, the first element of each one's entry of the batch; per axis, the one that kernel
// position 0 meets, with gaps and padding counted.
typedef struct {
  Indices entry, at[3];
} Places;

// Lanes (-1) whose places have a term at kernel position k of axis a; `offset` grows by where it lies.
static inline Indices meet(__private const Geometry *g, int a, Indices at, INDEX k, __private Indices *offset) {
  at += k * g->dilation[a];
#if SPREAD
  const Indices element = at / g->spread[a];
  const Indices there = at >= 0 && element < g->lengths[a] && element * g->spread[a] == at;
#else
  const Indices element = at, there = at >= 0 && at < g->lengths[a];
#endif
  *offset += (element & there) * g->x[3 + a];
  return there;
}

// The same of the first two axes, from the place's entry on.
static inline Indices meet_rows(__private const Geometry *g, __private const Places *its, INDEX k0, INDEX k1,
                                __private Indices *offset) {
  *offset = its->entry;
  const Indices there = meet(g, 0, its->at[0], k0, offset);
  return there & meet(g, 1, its->at[1], k1, offset);
}

#define FURTHER_OFFSET(i, type)                                                                             \
  further[i][p] = entry * g.extra[i][0] + group * g.extra[i][1] + o0 * g.extra[i][3] + o1 * g.extra[i][4] + \
                  o2 * g.extra[i][5];
#define FURTHER_VALUE(i, type) , extra##i[extra_at##i + further[i][p] + output * g.extra[i][2]]

// Notes where place p of the tile lies.
#define LOCATE                                                                                   \
  {                                                                                              \
    to[p] = entry * g.out[0] + o0 * g.out[3] + o1 * g.out[4] + o2 * g.out[5];                    \
    EXTRAS(FURTHER_OFFSET)                                                                       \
    at[0][p] = o0 * g.stride[0] - g.low[0];                                                      \
    at[1][p] = o1 * g.stride[1] - g.low[1];                                                      \
    at[2][p] = o2 * g.stride[2] - g.low[2];                                                      \
    at[3][p] = entry * g.x[0];                                                                   \
  }

// One term of all rows, with the vectors that `KEPT(old, new, v)` makes of the sums.
#define ADVANCE(term, KEPT)                                                                                  \
  {                                                                                                          \
    Vector right[VECTORS];                                                                                   \
    _Pragma("unroll") for (int v = 0; v < VECTORS; ++v) right[v] = VLOAD((term) * VECTORS + v, gathered);    \
    _Pragma("unroll") for (int i = 0; i < ROWS; ++i) {                                                       \
      const Vector left = (Vector)(factors[(term) * ROWS + i]);                                              \
      _Pragma("unroll") for (int v = 0; v < VECTORS; ++v) {                                                  \
        chunk[i][v] = KEPT(chunk[i][v], fma(left, right[v], chunk[i][v]), v);                                \
      }                                                                                                      \
    }                                                                                                        \
  }
#define EVERY(old, new, v) (new)
#define WHERE_MET(old, new, v) select(old, new, JOIN(JOIN(convert_, MASK), VECTOR)(met[v]))

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void convolve(
    __global OUT *out, const long out_at, __global const T *x, const long x_at, __global const T *restrict panels,
    const long panels_at, __global const int *wild, const long wild_at
#if BIAS
    ,
    __global const T *bias, const long bias_at
#endif
        EXTRAS(EXTRA_ARGUMENT),
    const Geometry g) {
  const INDEX id = (INDEX)get_group_id(0) * WIDTH, group = (INDEX)get_group_id(2);
  const INDEX across = g.places[2], down = g.places[1], deep = g.places[0];
  const int wanted = (int)min((INDEX)WIDTH, g.batch * deep * down * across - id);
  Places places[VECTORS];
  INDEX to[WIDTH], further[EXTRA_COUNT][WIDTH];
  {
    INDEX at[4][WIDTH];
    INDEX o2 = id % across, o1 = id / across % down, o0 = id / across / down % deep, entry = id / across / down / deep;
    if (o2 + WIDTH <= across) {
      for (int p = 0; p < WIDTH; ++p, ++o2) LOCATE
    } else {
      for (int p = 0; p < WIDTH; ++p) {
        LOCATE
        if (p + 1 < wanted && ++o2 == across) {  // those beyond the last place are it again
          o2 = 0;
          if (++o1 == down) {
            o1 = 0;
            if (++o0 == deep) o0 = 0, ++entry;
          }
        }
      }
    }
    for (int v = 0; v < VECTORS; ++v) {
      for (int a = 0; a < 3; ++a) places[v].at[a] = VLOAD(v, at[a]);
      places[v].entry = VLOAD(v, at[3]);
    }
  }
  const INDEX every = (g.outputs + ROWS - 1) / ROWS, first = (INDEX)get_group_id(1) * g.panels;
  const int count = (int)min(g.panels, every - first);
  const INDEX terms = g.kernel_lengths[0] * g.kernel_lengths[1] * g.kernel_lengths[2] * g.channels;
  const INDEX chunks = (terms + KC - 1) / KC, step = g.x[2];
  const size_t number = (size_t)group * every + first;
  __global const T *from = x + x_at + group * g.x[1];
  T gathered[KC * WIDTH], total[PANELS * ROWS * WIDTH];
  Indices rows_met[VECTORS], rows[VECTORS];  // of k0 and k1
  for (int v = 0; v < VECTORS; ++v) rows_met[v] = meet_rows(&g, &places[v], 0, 0, &rows[v]);
  INDEX start = 0, k0 = 0, k1 = 0, k2 = 0, c = 0;
  do {
    const INDEX end = min(start + (INDEX)KC, terms);
    bool skips = false;
    for (INDEX term = start; term < end;) {
      const INDEX run = min(g.channels - c, end - term);
      for (int v = 0; v < VECTORS; ++v) {
        Indices offset = rows[v];
        const Indices met = rows_met[v] & meet(&g, 2, places[v].at[2], k2, &offset);
        offset &= met;
        T *its = gathered + (size_t)(term - start) * WIDTH + v * VECTOR;
        const bool full = all(met);
        if (full && all(offset == offset.s0 + (Indices)(LANE_NUMBERS))) {
          __global const T *element = from + offset.s0 + c * step;
          for (INDEX i = 0; i < run; ++i) VSTORE(VLOAD(0, element + i * step), 0, its + i * WIDTH);
        } else {
          INDEX each[VECTOR];
          VSTORE(offset + c * step, 0, each);
          const Mask kept = JOIN(JOIN(convert_, MASK), VECTOR)(met);
          for (INDEX i = 0; i < run; ++i) {
            T values[VECTOR];
#pragma unroll
            for (int p = 0; p < VECTOR; ++p) values[p] = from[each[p] + i * step];
            VSTORE(select((Vector)((T)0), VLOAD(0, values), kept), 0, its + i * WIDTH);
          }
          skips |= !full;
        }
      }
      term += run;
      if ((c += run) < g.channels) break;  // the chunk ends within a position
      c = 0;
      if (++k2 < g.kernel_lengths[2]) continue;
      k2 = 0;
      if (++k1 == g.kernel_lengths[1]) k1 = 0, ++k0;
      for (int v = 0; v < VECTORS; ++v) rows_met[v] = meet_rows(&g, &places[v], k0, k1, &rows[v]);
    }
    for (int panel = 0; panel < count; ++panel) {
      __global const T *restrict factors = panels + panels_at + ((number + panel) * terms + start) * ROWS;
      Vector chunk[ROWS][VECTORS];
#pragma unroll
      for (int i = 0; i < ROWS; ++i) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) chunk[i][v] = (Vector)((T)0);
      }
      if (skips && wild[wild_at + (number + panel) * chunks + start / KC]) {
        for (INDEX term = start; term < end; ++term) {
          const INDEX position = term / g.channels, above = position / g.kernel_lengths[2];
          Indices met[VECTORS], offset = (Indices)(0);
          for (int v = 0; v < VECTORS; ++v) {
            met[v] = meet(&g, 2, places[v].at[2], position - above * g.kernel_lengths[2], &offset);
            met[v] &= meet_rows(&g, &places[v], above / g.kernel_lengths[1], above % g.kernel_lengths[1], &offset);
          }
          ADVANCE(term - start, WHERE_MET)
        }
      } else {
        for (size_t term = 0; term < (size_t)(end - start); ++term) ADVANCE(term, EVERY)
      }
#pragma unroll
      for (int i = 0; i < ROWS; ++i) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
          const int slot = (panel * ROWS + i) * VECTORS + v;
          VSTORE((start ? VLOAD(slot, total) : (Vector)((T)0)) + chunk[i][v], slot, total);
        }
      }
    }
    start = end;
  } while (start < terms);
  const INDEX first_output = first * ROWS;
  const int outputs = (int)min((INDEX)count * ROWS, g.outputs - first_output);
  for (int r = 0; r < outputs; ++r) {
    const INDEX output = first_output + r;
    __global OUT *its = out + out_at + group * g.out[1] + output * g.out[2];
    for (int p = 0; p < wanted; ++p) {
      T result = total[r * WIDTH + p];
#if BIAS
      result += bias[bias_at + group * g.bias[0] + output * g.bias[1]];
#endif
      its[to[p]] = EPILOGUE(result, EXTRAS(FURTHER_VALUE));
    }
  }
}

#endif
