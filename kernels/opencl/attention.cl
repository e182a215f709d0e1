// Attention by an online softmax (docs/numerics.md, rule 8). A work-item has a row: the query of one sequence and head.
//
// The generator (attention.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   STORED, T        an element of query, key, value and output in memory, and the type that is computed in
//   D, DV            elements of a key and of a value at most
//   LANES, CHUNK     keys of a block and of a chunk
//   MASK             0: none, 1: bool, 2: numbers that are added; MASKED is its type in memory
//   SINKS, SLOPES, STARTS, LENGTHS, OFFSETS, PAGES, DROPOUT   1: there are such
//   CAPPED           1: scores are capped
//   load(STORED), load_mask(MASKED), narrow(T), quotient(T, T), exponential(T), hyperbolic(T), random(ulong, ulong,
//   ulong)

typedef struct {
  INDEX out[4], query[4], key[4], value[4], mask[4];  // strides of the batch or page, the head, the row and the column
  INDEX sink, slope, start, length, offset;           // from head to head, from sequence to sequence
  INDEX table[2], dropout[2];                         // from sequence to sequence, and from page to page, head to head
  INDEX sequences, heads, shared, queries, keys;      // shared: heads of queries to a head of keys
  INDEX pages, page, dropped;                         // how many, keys of one; of 2^24 weights, how many are dropped
  INDEX d, dv, lanes;  // elements of a key and of a value; LANES, which a compiler that knew it would unroll for
  INDEX from_end, before, after;  // before, after: -1 where a query sees all
} Geometry;

typedef struct {
  T scale, cap, kept;
} Numbers;

#define NOTHING (-(T)INFINITY)

// Elements from the first key or value on, of a head, to that of a place in its sequence.
#if PAGES
#define AT(place, strides)                                                                               \
  (clamp(table[(long)((start + (place)) / g.page) * g.table[1]], 0L, (long)g.pages - 1) * (strides)[0] + \
   (long)((start + (place)) % g.page) * (strides)[2])
#else
#define AT(place, strides) ((long)(place) * (strides)[2])
#endif

static inline T larger(T a, T b) { return b > a || b != b ? b : a; }

__kernel void attention(__global STORED* out, long out_at, __global const STORED* query, long query_at,
                        __global const STORED* key, long key_at, __global const STORED* value, long value_at,
#if MASK
                        __global const MASKED* mask, long mask_at,
#endif
#if SINKS
                        __global const T* sinks, long sinks_at,
#endif
#if SLOPES
                        __global const T* slopes, long slopes_at,
#endif
#if STARTS
                        __global const long* starts, long starts_at,
#endif
#if LENGTHS
                        __global const long* lengths, long lengths_at,
#endif
#if OFFSETS
                        __global const long* offsets, long offsets_at,
#endif
#if PAGES
                        __global const long* table, long table_at,
#endif
#if DROPOUT
                        __global const ulong* dropout, long dropout_at,
#endif
                        Geometry g, Numbers numbers, ulong rows) {
  if (get_global_id(0) >= rows) return;
  const UINDEX id = (UINDEX)get_global_id(0);
  const INDEX whole = (INDEX)(id % (UINDEX)g.queries), h = (INDEX)(id / (UINDEX)g.queries % (UINDEX)g.heads),
              its = h / g.shared;
  INDEX b = (INDEX)(id / (UINDEX)g.queries / (UINDEX)g.heads), row = whole, queries = g.queries;
#if OFFSETS
  INDEX first = 0, last = 0;
  for (b = 0; b < g.sequences; ++b) {
    last = b == g.sequences - 1
               ? queries
               : (INDEX)clamp(offsets[offsets_at + (long)(b + 1) * g.offset], (long)first, (long)queries);
    if (whole < last) break;
    first = last;
  }
  row = whole - first;
  queries = last - first;
#endif
  const int d = (int)g.d, dv = (int)g.dv, lanes = (int)g.lanes;
  INDEX start = 0, length = g.keys;
#if STARTS
  start = (INDEX)clamp(starts[starts_at + (long)b * g.start], 0L, (long)g.keys);
  length = g.keys - start;
#endif
#if LENGTHS
  length = (INDEX)clamp(lengths[lengths_at + (long)b * g.length], 0L, (long)length);
#endif
  const INDEX place = row + (g.from_end ? length - queries : 0);
  const INDEX low = g.before < 0 || place <= g.before ? 0 : place - g.before;
  const INDEX high = g.after < 0 || length - place <= g.after ? length : place + g.after + 1;
  query += query_at + (long)b * g.query[0] + (long)h * g.query[1] + (long)whole * g.query[2];
  key += key_at + (long)its * g.key[1];
  value += value_at + (long)its * g.value[1];
#if PAGES
  table += table_at + (long)b * g.table[0];
#else
  key += (long)b * g.key[0] + (long)start * g.key[2];
  value += (long)b * g.value[0] + (long)start * g.value[2];
#endif
  out += out_at + (long)b * g.out[0] + (long)h * g.out[1] + (long)whole * g.out[2];
#if DROPOUT
  const ulong chance = dropout[dropout_at + (long)b * g.dropout[0] + (long)h * g.dropout[1]];
#endif
#if MASK
  mask += mask_at + (long)b * g.mask[0] + (long)h * g.mask[1] + (long)row * g.mask[2] + (long)start * g.mask[3];
#endif
#if SLOPES
  const T slope = slopes[slopes_at + (long)h * g.slope];
#endif
  T acc[DV], part[DV], q[D], p[LANES], lane[LANES];
  T most = NOTHING, total = 0;
  for (int c = 0; c < dv; ++c) acc[c] = 0;
  for (int c = 0; c < d; ++c) q[c] = load(query[(long)c * g.query[3]]);
  for (INDEX chunk = 0; chunk < length; chunk += CHUNK) {
    const INDEX end = min((INDEX)(chunk + CHUNK), length);
    if (chunk >= high || end <= low) continue;
    T its_most = NOTHING, its_total = 0;
    for (int c = 0; c < dv; ++c) part[c] = 0;
    for (INDEX at = chunk; at < end; at += LANES) {
      const int a = at >= low ? 0 : (int)min(low - at, (INDEX)LANES);
      const int z = (int)min(min(high, end) - at, (INDEX)LANES);
      if (a >= z) continue;
      T top = its_most;
      for (int l = 0; l < lanes; ++l) {
        T s = NOTHING;
        if (l >= a && l < z) {
          __global const STORED* k = key + AT(at + l, g.key);
          s = 0;
          for (int c = 0; c < d; ++c) s = fma(q[c], load(k[(long)c * g.key[3]]), s);
          s = s * numbers.scale;
#if CAPPED
          s = hyperbolic(quotient(s, numbers.cap)) * numbers.cap;
#endif
#if SLOPES
          s = fma(slope, -fabs((T)(at + l - place)), s);
#endif
#if MASK == 1
          s = mask[(long)(at + l) * g.mask[3]] ? s : NOTHING;
#endif
#if MASK == 2
          s = s + load_mask(mask[(long)(at + l) * g.mask[3]]);
#endif
        }
        p[l] = s;
        top = larger(top, s);
      }
      if (top == NOTHING) continue;
      const T factor = exponential(its_most - top);
      for (int l = 0; l < lanes; ++l) {
        p[l] = p[l] == NOTHING ? -(T)0 : exponential(p[l] - top);  // -0: not seen
        lane[l] = p[l];
      }
      for (int apart = lanes / 2; apart > 0; apart /= 2) {
        for (int l = 0; l < apart; ++l) lane[l] = lane[l] + lane[l + apart];
      }
      its_total = fma(its_total, factor, lane[0]);
      its_most = top;
      for (int c = 0; c < dv; ++c) part[c] = part[c] * factor;
      for (int l = a; l < z; ++l) {
        if (signbit(p[l])) continue;
#if DROPOUT
        const ulong places = (ulong)(long)place << 32 | (uint)(at + l);
        if ((uint)random(places, 0, chance) >> 8 < (uint)g.dropped) continue;
#endif
        __global const STORED* v = value + AT(at + l, g.value);
        for (int c = 0; c < dv; ++c) part[c] = fma(p[l], load(v[(long)c * g.value[3]]), part[c]);
      }
    }
    if (its_most == NOTHING) continue;
    const T top = larger(most, its_most), old = exponential(most - top), now = exponential(its_most - top);
    most = top;
    total = fma(total, old, its_total * now);
    for (int c = 0; c < dv; ++c) acc[c] = fma(acc[c], old, part[c] * now);
  }
#if SINKS
  const T sink = sinks[sinks_at + (long)h * g.sink];
  if (sink != NOTHING) {
    const T top = larger(most, sink), factor = exponential(most - top);
    most = top;
    total = fma(total, factor, exponential(sink - top));
    for (int c = 0; c < dv; ++c) acc[c] = acc[c] * factor;
  }
#endif
  for (int c = 0; c < dv; ++c) {
    T x = most == NOTHING ? (T)0 : quotient(acc[c], total);
#if DROPOUT
    x = x * numbers.kept;
#endif
    out[(long)c * g.out[3]] = narrow(x == 0 ? (T)0 : x);
  }
}
