// Attention by an online softmax (docs/numerics.md, rule 8). A work-item has a row: the query of one sequence and head.
// Or, where SPLIT, one chunk of a row's keys: then its state, which joining with nothing leaves as it is, goes into
// scratch, and the kernel `merge` joins the chunks of a row in order. Neighbours are the rows that read the same keys.
//
// The generator (attention.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   STORED, T        an element of query, key, value and output in memory, and the type that is computed in
//   D, DV            elements of a key and of a value at most
//   LANES, CHUNK     keys of a block and of a chunk
//   MASK             0: none, 1: bool, 2: numbers that are added; MASKED is its type in memory
//   SINKS, SLOPES, STARTS, LENGTHS, OFFSETS, PAGES, DROPOUT   1: there are such
//   CAPPED           1: scores are capped
//   SPLIT, COLUMNS   1: chunks are shared out; elements of a value that a work-item of `merge` joins at most
//   load(STORED), load_mask(MASKED), narrow(T), quotient(T, T), exponential(T), hyperbolic(T), random(ulong, ulong,
//   ulong)

typedef struct {
  INDEX out[4], query[4], key[4], value[4], mask[4];  // strides of the batch or page, the head, the row and the column
  INDEX sink, slope, start, length, offset;           // from head to head, from sequence to sequence
  INDEX table[2], dropout[2];                         // from sequence to sequence, and from page to page, head to head
  INDEX sequences, heads, shared, queries, keys;      // shared: heads of queries to a head of keys
  INDEX pages, page, dropped;                         // how many, keys of one; of 2^24 weights, how many are dropped
  INDEX splits;                                       // chunks that a row may see, where they are shared out, else 1
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

// Maximum and sum of a row after a chunk or a sink whose maximum is not NOTHING; what its accumulator and the chunk's
// are to be multiplied by.
static inline void joined(T* most, T* total, T its_most, T its_total, T* old, T* now) {
  const T top = larger(*most, its_most);
  *old = exponential(*most - top);
  *now = exponential(its_most - top);
  *most = top;
  *total = fma(*total, *old, its_total * *now);
}

static inline STORED finished(T acc, T most, T total, T kept) {
  T x = most == NOTHING ? (T)0 : quotient(acc, total);
#if DROPOUT
  x = x * kept;
#endif
  return narrow(x == 0 ? (T)0 : x);
}

#if SPLIT
#define RESULT T
#else
#define RESULT STORED
#endif

__kernel void attention(__global RESULT* out, long out_at, __global const STORED* query, long query_at,
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
#if SPLIT
                        __global T* states, long states_at,
#endif
                        Geometry g, Numbers numbers, ulong rows) {
  if (get_global_id(0) >= rows) return;
  const UINDEX id = (UINDEX)get_global_id(0);
  const UINDEX rest = id / (UINDEX)g.queries / (UINDEX)g.shared / (UINDEX)g.splits;
  const INDEX whole = (INDEX)(id % (UINDEX)g.queries), few = g.heads / g.shared, its = (INDEX)(rest % (UINDEX)few),
              h = its * g.shared + (INDEX)(id / (UINDEX)g.queries % (UINDEX)g.shared);
  INDEX b = (INDEX)(rest / (UINDEX)few), row = whole, queries = g.queries;
#if SPLIT
  const INDEX turn = (INDEX)(id / (UINDEX)g.queries / (UINDEX)g.shared % (UINDEX)g.splits);
  const long line = (((long)b * g.heads + h) * g.queries + whole) * g.splits + turn;
#endif
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
#if SPLIT
  const INDEX opening = (low / CHUNK + turn) * CHUNK, closing = min(length, (INDEX)(opening + CHUNK));
#else
  const INDEX opening = 0, closing = length;
#endif
  for (INDEX chunk = opening; chunk < closing; chunk += CHUNK) {
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
    T old, now;
    joined(&most, &total, its_most, its_total, &old, &now);
    for (int c = 0; c < dv; ++c) acc[c] = fma(acc[c], old, part[c] * now);
  }
#if SPLIT
  states += states_at + 2 * line;
  states[0] = most;
  states[1] = total;
  out += out_at + line * g.dv;
  if (most != NOTHING) {
    for (int c = 0; c < dv; ++c) out[c] = acc[c];
  }
#else
#if SINKS
  const T sink = sinks[sinks_at + (long)h * g.sink];
  if (sink != NOTHING) {
    T old, now;
    joined(&most, &total, sink, 1, &old, &now);
    for (int c = 0; c < dv; ++c) acc[c] = acc[c] * old;
  }
#endif
  out += out_at + (long)b * g.out[0] + (long)h * g.out[1] + (long)whole * g.out[2];
  for (int c = 0; c < dv; ++c) out[(long)c * g.out[3]] = finished(acc[c], most, total, numbers.kept);
#endif
}

#if SPLIT
// A work-item joins COLUMNS elements of a row. Where a chunk's maximum is NOTHING, its accumulator was not written.
__kernel void merge(__global STORED* out, long out_at, __global const T* parts, long parts_at, __global const T* states,
                    long states_at,
#if SINKS
                    __global const T* sinks, long sinks_at,
#endif
                    Geometry g, Numbers numbers, ulong items) {
  if (get_global_id(0) >= items) return;
  const long id = (long)get_global_id(0), across = (g.dv + COLUMNS - 1) / COLUMNS, line = id / across;
  const int first = (int)(id % across) * COLUMNS, n = min(COLUMNS, (int)g.dv - first);
  const long whole = line % g.queries, h = line / g.queries % g.heads, b = line / g.queries / g.heads;
  T acc[COLUMNS], most = NOTHING, total = 0, old, now;
  for (int c = 0; c < n; ++c) acc[c] = 0;
  states += states_at + line * g.splits * 2;
  parts += parts_at + line * g.splits * g.dv + first;
  for (INDEX split = 0; split < g.splits; ++split, states += 2, parts += g.dv) {
    if (states[0] == NOTHING) continue;
    joined(&most, &total, states[0], states[1], &old, &now);
    for (int c = 0; c < n; ++c) acc[c] = fma(acc[c], old, parts[c] * now);
  }
#if SINKS
  const T sink = sinks[sinks_at + h * g.sink];
  if (sink != NOTHING) {
    joined(&most, &total, sink, 1, &old, &now);
    for (int c = 0; c < n; ++c) acc[c] = acc[c] * old;
  }
#endif
  out += out_at + b * g.out[0] + h * g.out[1] + whole * g.out[2] + first * g.out[3];
  for (int c = 0; c < n; ++c) out[(long)c * g.out[3]] = finished(acc[c], most, total, numbers.kept);
}
#endif
