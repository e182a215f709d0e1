// A work-item has up to HEIGHT rows that read the same keys, or a chunk of their keys (see attention.cl). Of a block of
// keys it makes, in private memory, what the rows share: the keys turned round and the values, both widened. Then
// products are of vectors of keys, or of a value's columns, with BAND rows in registers.
//
// The generator defines besides:
//   VECTOR, MASKS    elements of a vector, and the type of its comparisons
//   BAND, ABREAST    rows, and vectors of each, that are in registers at a time
//   HEIGHT           rows of a work-item at most, a multiple of BAND
//   exponentials(Vector)

#define VECTORS (LANES / VECTOR)

// What a tile of rows has in private memory. A row's probabilities are its scores at first.
typedef struct {
  T query[HEIGHT * D], p[HEIGHT * LANES], part[HEIGHT * DV], acc[HEIGHT * DV];
  T factor[HEIGHT], most[HEIGHT], total[HEIGHT], its_most[HEIGHT], its_total[HEIGHT];
  INDEX place[HEIGHT], low[HEIGHT], high[HEIGHT];
} Tile;

// n elements from a place on, `step` apart: `to` becomes them, widened, and zeros behind them as far as tiles reach.
static inline void widen(__global const STORED* from, INDEX step, int n, T* to) {
  if (step == 1) {
    for (int c = 0; c < n; ++c) to[c] = load(from[c]);
  } else {
    for (int c = 0; c < n; ++c) to[c] = load(from[(long)c * step]);
  }
  for (int c = n; c % (ABREAST * VECTOR) != 0; ++c) to[c] = 0;
}

#define LARGEST(a, b) (((b) > (a)) | ((b) != (b)) ? (b) : (a))

#if VECTOR == 16
#define HALVES(X) X(16, 8) X(8, 4) X(4, 2)
#elif VECTOR == 8
#define HALVES(X) X(8, 4) X(4, 2)
#else
#define HALVES(X) X(4, 2)
#endif
#define LARGEST_HALF(n, half) const JOIN(T, half) x##half = LARGEST(x##n.lo, x##n.hi);
#define SUM_HALF(n, half) const JOIN(T, half) x##half = x##n.lo + x##n.hi;

static inline T largest_of(Vector JOIN(x, VECTOR)) { HALVES(LARGEST_HALF) return LARGEST(x2.lo, x2.hi); }
static inline T sum_of(Vector JOIN(x, VECTOR)) { HALVES(SUM_HALF) return x2.lo + x2.hi; }

// p of BAND rows from `row` on becomes the products with the block's keys, scaled.
#define SCORE                                                                                          \
  for (int v = 0; v < VECTORS; v += ABREAST) {                                                         \
    Vector sum[BAND][ABREAST];                                                                         \
    _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                                 \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) sum[m][n] = (Vector)((T)0);                  \
    }                                                                                                  \
    _Pragma("unroll 1") for (int c = 0; c < d; ++c) {                                                  \
      Vector k[ABREAST];                                                                               \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) k[n] = VLOAD(v + n, keys + c * LANES);       \
      _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                               \
        const Vector x = (Vector)(t.query[(row + m) * D + c]);                                         \
        _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) sum[m][n] = fma(x, k[n], sum[m][n]);       \
      }                                                                                                \
    }                                                                                                  \
    _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                                 \
      T* s = t.p + (row + m) * LANES;                                                                  \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) VSTORE(sum[m][n] * numbers.scale, v + n, s); \
    }                                                                                                  \
  }

// part of BAND rows from `row` on is multiplied by its factor, and takes up the values of the keys [first, last).
#define ADD                                                                                                      \
  for (int v = 0; v < across; v += ABREAST) {                                                                    \
    Vector sum[BAND][ABREAST];                                                                                   \
    _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                                           \
      const Vector x = (Vector)(t.factor[row + m]);                                                              \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) sum[m][n] = VLOAD(v + n, t.part + (row + m) * DV) * x; \
    }                                                                                                            \
    _Pragma("unroll 1") for (int l = first; l < last; ++l) {                                                     \
      Vector its[ABREAST];                                                                                       \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) its[n] = VLOAD(v + n, values + l * DV);                \
      _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                                         \
        const Vector x = (Vector)(t.p[(row + m) * LANES + l]);                                                   \
        _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) sum[m][n] = fma(x, its[n], sum[m][n]);               \
      }                                                                                                          \
    }                                                                                                            \
    _Pragma("unroll") for (int m = 0; m < BAND; ++m) {                                                           \
      _Pragma("unroll") for (int n = 0; n < ABREAST; ++n) VSTORE(sum[m][n], v + n, t.part + (row + m) * DV);     \
    }                                                                                                            \
  }

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention(__global RESULT* out, long out_at,
                                                                       __global const STORED* query, long query_at,
                                                                       __global const STORED* key, long key_at,
                                                                       __global const STORED* value, long value_at,
                                                                       GIVEN Geometry g, Numbers numbers, ulong items,
                                                                       ulong height) {
  const INDEX lines = g.queries * g.shared, tiles = (lines + (INDEX)height - 1) / (INDEX)height;
  const UINDEX id = (UINDEX)get_global_id(0), rest = id / (UINDEX)tiles / (UINDEX)g.splits;
  const INDEX few = g.heads / g.shared, its = (INDEX)(rest % (UINDEX)few), entry = (INDEX)(rest / (UINDEX)few);
  const int d = (int)g.d, dv = (int)g.dv, across = (dv + ABREAST * VECTOR - 1) / (ABREAST * VECTOR) * ABREAST;
  const int lanes = (int)g.lanes, vectors = lanes / VECTOR;
  const INDEX first_line = (INDEX)(id % (UINDEX)tiles) * (INDEX)height;
  const INDEX end_line = min(lines, first_line + (INDEX)height);
#if SPLIT
  const INDEX turn = (INDEX)(id / (UINDEX)tiles % (UINDEX)g.splits);
#endif
  Tile t;
  T wide[LANES * D], keys[D * LANES], values[LANES * DV];
  // Lines are rows, the heads of a query neighbours. `rows` of them at a time, which are of one sequence, and whose
  // chunks, where they are shared out, begin with the same key.
  int rows;
  for (INDEX line = first_line; line < end_line; line += rows) {
    const INDEX whole = line / g.shared;
    INDEX b = entry, before = 0, behind = g.queries;
#if OFFSETS
    for (b = 0; b < g.sequences; ++b) {
      behind = END_OF(b, before);
      if (whole < behind) break;
      before = behind;
    }
#endif
    const INDEX start = START_OF(b), length = LENGTH_OF(b, g.keys - start);
    __global const STORED* its_keys = key + key_at + (long)its * g.key[1];
    __global const STORED* its_values = value + value_at + (long)its * g.value[1];
#if PAGES
    __global const long* pages = table + table_at + (long)b * g.table[0];
#else
    its_keys += (long)b * g.key[0] + (long)start * g.key[2];
    its_values += (long)b * g.value[0] + (long)start * g.value[2];
#endif
    INDEX low = length, high = 0;  // what any row sees
    const INDEX most_rows = min(end_line, behind * g.shared) - line;
    for (rows = 0; rows < most_rows; ++rows) {
      const INDEX query_of = (line + rows) / g.shared;
      const INDEX place = query_of - before + (g.from_end ? length - (behind - before) : 0);
      const INDEX its_low = LOW_OF(place), its_high = HIGH_OF(place, length);
#if SPLIT
      if (rows > 0 && its_low / CHUNK != t.low[0] / CHUNK) break;
#endif
      t.place[rows] = place;
      t.low[rows] = its_low;
      t.high[rows] = its_high;
      low = min(low, its_low);
      high = max(high, its_high);
      __global const STORED* q = query + query_at + (long)b * g.query[0] + (long)query_of * g.query[2] +
                                 (long)(its * g.shared + (line + rows) % g.shared) * g.query[1];
      widen(q, g.query[3], d, t.query + rows * D);
    }
    const int filled = (rows + BAND - 1) / BAND * BAND;
    for (int r = 0; r < filled; ++r) {
      t.most[r] = NOTHING;
      t.total[r] = 0;
      t.factor[r] = 1;
      for (int v = 0; v < across; ++v) VSTORE((Vector)((T)0), v, t.acc + r * DV);
      if (r < rows) continue;
      for (int c = 0; c < d; ++c) t.query[r * D + c] = 0;
      t.low[r] = t.high[r] = 0;
    }
#if SPLIT
    const INDEX opening = (low / CHUNK + turn) * CHUNK, closing = min(length, (INDEX)(opening + CHUNK));
#else
    const INDEX opening = low / CHUNK * CHUNK, closing = min(length, high);
#endif
    for (INDEX chunk = opening; chunk < closing; chunk += CHUNK) {
      const INDEX end = min(min((INDEX)(chunk + CHUNK), length), high);
      for (int r = 0; r < filled; ++r) {
        t.its_most[r] = NOTHING;
        t.its_total[r] = 0;
        for (int v = 0; v < across; ++v) VSTORE((Vector)((T)0), v, t.part + r * DV);
      }
      for (INDEX at = max(chunk, (INDEX)(low / LANES * LANES)); at < end; at += LANES) {
        const int n = (int)min(end - at, (INDEX)LANES);
        for (int l = 0; l < n; ++l) {
          widen(its_keys + AT(at + l, g.key), g.key[3], d, wide + l * D);
          widen(its_values + AT(at + l, g.value), g.value[3], dv, values + l * DV);
        }
        for (int l = n; l < lanes; ++l) {
          for (int c = 0; c < d; c += VECTOR) VSTORE((Vector)((T)0), 0, wide + l * D + c);
        }
#define KEY(l) VLOAD(column, wide + (those + (l)) * D)
        for (int those = 0; those < lanes; those += VECTOR) {
          for (int column = 0; column * VECTOR < d; ++column) {
            TURN(KEY, keys + column * VECTOR * LANES + those, LANES)
          }
        }
        int plain = -1;  // whether all values are finite, below 0 as long as nobody asked
        for (int row = 0; row < rows; row += BAND) {
          const int those = min(BAND, rows - row);
          int first = LANES, last = 0, hidden = DROPOUT;
          for (int r = row; r < row + those; ++r) {
            const int a = t.low[r] <= at ? 0 : (int)min(t.low[r] - at, (INDEX)LANES);
            const int z = (int)clamp(t.high[r] - at, (INDEX)0, (INDEX)n);
            if (a >= z) continue;
            first = min(first, a);
            last = max(last, z);
          }
          if (first >= last) continue;
          SCORE
          MASKS none = 0;
          for (int r = row; r < row + those; ++r) {
            const int a = t.low[r] <= at ? 0 : (int)min(t.low[r] - at, (INDEX)LANES);
            const int z = (int)clamp(t.high[r] - at, (INDEX)0, (INDEX)n);
            T* s = t.p + r * LANES;
#if CAPPED
            for (int l = 0; l < lanes; ++l) s[l] = hyperbolic(quotient(s[l], numbers.cap)) * numbers.cap;
#endif
#if SLOPES || MASK || DROPOUT
            const INDEX h = its * g.shared + (line + r) % g.shared, query_of = (line + r) / g.shared - before;
#endif
#if SLOPES
            const T slope = slopes[slopes_at + (long)h * g.slope];
            for (int l = a; l < z; ++l) s[l] = fma(slope, -fabs((T)(at + l - t.place[r])), s[l]);
#endif
#if MASK
            __global const MASKED* its_mask = mask + mask_at + (long)b * g.mask[0] + (long)h * g.mask[1] +
                                              (long)query_of * g.mask[2] + (long)(start + at) * g.mask[3];
#if MASK == 1
            for (int l = a; l < z; ++l) s[l] = its_mask[(long)l * g.mask[3]] ? s[l] : NOTHING;
#else
            for (int l = a; l < z; ++l) s[l] = s[l] + load_mask(its_mask[(long)l * g.mask[3]]);
#endif
#endif
            for (int l = 0; l < min(a, z); ++l) s[l] = NOTHING;
            for (int l = z; l < lanes; ++l) s[l] = NOTHING;
            Vector x[VECTORS];
            _Pragma("unroll") for (int v = 0; v < VECTORS; ++v) x[v] = VLOAD(v, s);
            Vector best = x[0];
            _Pragma("unroll") for (int v = 1; v < VECTORS; ++v) best = LARGEST(best, x[v]);
            _Pragma("unroll") for (int v = 0; v < VECTORS; ++v) none |= x[v] == NOTHING;
            const T most = t.its_most[r], top = larger(most, largest_of(best));
            if (top == NOTHING) {
              t.factor[r] = 1;
              for (int v = 0; v < vectors; ++v) VSTORE((Vector)(-(T)0), v, s);
              continue;
            }
            for (int v = 0; v < vectors; ++v) {
              const Vector score = VLOAD(v, s);
              VSTORE(score == NOTHING ? (Vector)(-(T)0) : exponentials(score - top), v, s);  // -0: not seen
            }
            _Pragma("unroll") for (int v = 0; v < VECTORS; ++v) x[v] = VLOAD(v, s);
            _Pragma("unroll") for (int apart = VECTORS / 2; apart > 0; apart /= 2) {
              _Pragma("unroll") for (int v = 0; v < apart; ++v) x[v] = x[v] + x[v + apart];
            }
            t.factor[r] = top == most ? (T)1 : exponential(most - top);
            t.its_total[r] = fma(t.its_total[r], t.factor[r], sum_of(x[0]));
            t.its_most[r] = top;
#if DROPOUT
            const ulong chance = dropout[dropout_at + (long)b * g.dropout[0] + (long)h * g.dropout[1]];
            for (int l = a; l < z; ++l) {
              const ulong places = (ulong)(long)t.place[r] << 32 | (uint)(at + l);
              if ((uint)random(places, 0, chance) >> 8 < (uint)g.dropped) s[l] = -(T)0;
            }
#endif
          }
          hidden |= any(none);
          // Of values that are no numbers, those that are not seen must not be multiplied.
          if (hidden && plain < 0) {
            Vector sum = (Vector)((T)0);
            for (int l = 0; l < n; ++l) {
              for (int v = 0; v < across; ++v) sum += VLOAD(v, values + l * DV) * (T)0;
            }
            plain = !any(sum != (T)0);
          }
          if (hidden && !plain) {
            for (int r = row; r < row + those; ++r) {
              T* s = t.part + r * DV;
              for (int v = 0; v < across; ++v) {
                Vector sum = VLOAD(v, s) * t.factor[r];
                for (int l = first; l < last; ++l) {
                  const T p = t.p[r * LANES + l];
                  if (!signbit(p)) sum = fma((Vector)(p), VLOAD(v, values + l * DV), sum);
                }
                VSTORE(sum, v, s);
              }
            }
          } else {
            ADD
          }
        }
      }
      for (int r = 0; r < rows; ++r) {
        if (t.its_most[r] == NOTHING) continue;
        T old, now;
        joined(&t.most[r], &t.total[r], t.its_most[r], t.its_total[r], &old, &now);
        for (int v = 0; v < across; ++v) {
          VSTORE(fma(VLOAD(v, t.acc + r * DV), (Vector)(old), VLOAD(v, t.part + r * DV) * now), v, t.acc + r * DV);
        }
      }
    }
    for (int r = 0; r < rows; ++r) {
      const INDEX h = its * g.shared + (line + r) % g.shared, query_of = (line + r) / g.shared;
      T* acc = t.acc + r * DV;
#if SPLIT
      const long its_state = (((long)entry * g.heads + h) * g.queries + query_of) * g.splits + turn;
      states[states_at + 2 * its_state] = t.most[r];
      states[states_at + 2 * its_state + 1] = t.total[r];
      if (t.most[r] == NOTHING) continue;
      for (int c = 0; c < dv; ++c) out[out_at + its_state * g.dv + c] = acc[c];
#else
#if SINKS
      const T sink = sinks[sinks_at + (long)h * g.sink];
      if (sink != NOTHING) {
        T old, now;
        joined(&t.most[r], &t.total[r], sink, 1, &old, &now);
        for (int c = 0; c < dv; ++c) acc[c] = acc[c] * old;
      }
#endif
      __global STORED* to = out + out_at + (long)b * g.out[0] + (long)h * g.out[1] + (long)query_of * g.out[2];
      for (int c = 0; c < dv; ++c) to[(long)c * g.out[3]] = finished(acc[c], t.most[r], t.total[r], numbers.kept);
#endif
    }
  }
}
