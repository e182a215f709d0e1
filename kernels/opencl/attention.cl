// Attention by an online softmax (docs/numerics.md, rule 8): what its two forms share. attention_lanes.cl has a
// work-item for each row, the query of one sequence and head; attention_loops.cl, for CPU devices, for several rows.
// Or, where SPLIT, for one chunk of their keys: then the state of a row, which joining with nothing leaves as it is,
// goes into scratch, and the kernel `merge` joins the chunks of a row in order.
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
//   GIVEN            the arguments of operands that there may be, each before a comma
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
  (clamp(pages[(long)((start + (place)) / g.page) * g.table[1]], 0L, (long)g.pages - 1) * (strides)[0] + \
   (long)((start + (place)) % g.page) * (strides)[2])
#else
#define AT(place, strides) ((long)(place) * (strides)[2])
#endif

// Of a batch's entry: where its keys begin, how many of the `left` behind that it has, and, of packed sequences, where
// the queries of the one that begins at `first` end.
#if STARTS
#define START_OF(b) ((INDEX)clamp(starts[starts_at + (long)(b) * g.start], 0L, (long)g.keys))
#else
#define START_OF(b) ((INDEX)0)
#endif
#if LENGTHS
#define LENGTH_OF(b, left) ((INDEX)clamp(lengths[lengths_at + (long)(b) * g.length], 0L, (long)(left)))
#else
#define LENGTH_OF(b, left) (left)
#endif
#define END_OF(b, first)  \
  ((b) == g.sequences - 1 \
       ? g.queries        \
       : (INDEX)clamp(offsets[offsets_at + (long)((b) + 1) * g.offset], (long)(first), (long)g.queries))

// The keys from LOW_OF up to HIGH_OF, of `length`, are those that a query at a place sees.
#define LOW_OF(place) (g.before < 0 || (place) <= g.before ? 0 : (place) - g.before)
#define HIGH_OF(place, length) (g.after < 0 || (length) - (place) <= g.after ? (length) : (place) + g.after + 1)

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
