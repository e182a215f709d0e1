// Stable sorting of rows by unsigned keys (docs/numerics.md). What both geometries share; sort_lanes.cl or sort_loops.cl
// follows it.
//
// The generator (sort.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   KEY, SIGN, INFINITE, FLIP  of sort_keys.cl, whose text comes before this one
//   INDICES          1: indices are sorted along and are the result
//   LAST             1: the first `count` results go to the output's strides; else keys and indices to scratch, row
//                    after row
//   KEPT             number of kept axes, at least 1
//   CHUNK            elements that a work-item merges; not defined in the launch that sorts runs
//   BLOCK, ITEMS, RUN  see the geometries

typedef struct {
  INDEX shape[KEPT], from[KEPT], to[KEPT], from_step, to_step, count;
} Geometry;

INDEX offset_of(UINDEX row, const INDEX *shape, const INDEX *strides) {
  INDEX offset = 0;
  for (int a = KEPT - 1; a >= 0; --a) {
    const UINDEX next = row / (UINDEX)shape[a];
    offset += (INDEX)(row - next * (UINDEX)shape[a]) * strides[a];
    row = next;
  }
  return offset;
}

KEY bits_of(KEY key) {
  key ^= (KEY)FLIP;
#if INFINITE
  if (!(key & (KEY)SIGN)) return (KEY)~key;
#endif
  return key ^ (KEY)SIGN;
}

#if INDICES && LAST
#define OUT long
#define OUTPUTS __global OUT *out, long out_at
#define PUT(key, index) out[at] = (long)(index)
#elif INDICES
#define OUT KEY
#define OUTPUTS __global OUT *out, long out_at, __global INDEX *places, long places_at
#define PUT(key, index) out[at] = key, places[places_at + at - out_at] = (INDEX)(index)
#elif LAST
#define OUT KEY
#define OUTPUTS __global OUT *out, long out_at
#define PUT(key, index) out[at] = bits_of(key)
#else
#define OUT KEY
#define OUTPUTS __global OUT *out, long out_at
#define PUT(key, index) out[at] = key
#endif

// Where the element at `place` of a row goes, as a variable `at`; offset: of the row in the output.
#if LAST
#define ROW_OFFSET(row) offset_of(row, g.shape, g.to)
#define TARGET(offset, place) const long at = out_at + (offset) + (long)(place) * g.to_step
#else
#define ROW_OFFSET(row) ((long)(row) * (long)n)
#define TARGET(offset, place) const long at = out_at + (offset) + (long)(place)
#endif

#ifdef CHUNK
#if INDICES
#define INPUTS __global const KEY *keys, long keys_at, __global const INDEX *order, long order_at
#else
#define INPUTS __global const KEY *keys, long keys_at
#endif

// How many of the run [low, middle) are among the first `before` of it and [middle, high), when these are merged.
static inline ulong first_of(__global const KEY *keys, const ulong low, const ulong middle, const ulong high,
                             const ulong before) {
  const long beyond = (long)before - (long)(high - middle);
  ulong a = beyond > 0 ? (ulong)beyond : 0, top = min(before, middle - low);
  while (a < top) {
    const ulong probe = (a + top) / 2;
    if (keys[low + probe] <= keys[middle + (before - 1 - probe)]) {
      a = probe + 1;
    } else {
      top = probe;
    }
  }
  return a;
}
#endif
