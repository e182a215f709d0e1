// Stable sorting of rows by unsigned keys (docs/numerics.md): work-groups sort blocks of BLOCK elements, then launches
// merge neighbouring runs, each twice as long as before.
//
// The generator (sort.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   KEY, SIGN, INFINITE, FLIP  of sort_keys.cl, whose text comes before this one
//   INDICES          1: indices are sorted along and are the result
//   LAST             1: the first `count` results go to the output's strides; else keys and indices to scratch, row
//                    after row
//   KEPT             number of kept axes, at least 1
//   BLOCK, ITEMS     elements of a block, a power of two; work-items of its work-group
//   CHUNK            elements that a work-item merges

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

// Where the element at `place` of a row goes, as a variable `at`.
#if LAST
#define TARGET(row, place) const long at = out_at + offset_of(row, g.shape, g.to) + (long)(place) * g.to_step
#else
#define TARGET(row, place) const long at = out_at + (long)(row) * (long)n + (long)(place)
#endif

#ifdef BLOCK
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void sort(OUTPUTS, __global const KEY *in, long in_at,
                                                                      Geometry g, ulong n, ulong blocks) {
  __local KEY keys[BLOCK];
#if INDICES
  __local ushort order[BLOCK];
#endif
  const ulong group = get_group_id(0), block = group % blocks;
  const UINDEX row = (UINDEX)(group / blocks);
  const ulong start = block * BLOCK;
  const int length = (int)min((ulong)BLOCK, n - start), l = (int)get_local_id(0);
  const long from = in_at + offset_of(row, g.shape, g.from) + (long)start * g.from_step;
  for (int i = l; i < BLOCK; i += ITEMS) {  // beyond the end, the largest key; its index is larger than those of others
    keys[i] = i < length ? key_of(in[from + (long)i * g.from_step]) : (KEY) ~(KEY)0;
#if INDICES
    order[i] = (ushort)i;
#endif
  }
  for (int run = 2; run <= BLOCK; run *= 2) {
    for (int apart = run / 2; apart > 0; apart /= 2) {
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int p = l; p < BLOCK / 2; p += ITEMS) {
        const int i = 2 * apart * (p / apart) + p % apart, j = i + apart;
        const KEY a = keys[i], b = keys[j];
        const int backwards = (i & run) != 0 && run < BLOCK;
#if INDICES
        const ushort c = order[i], d = order[j];
        const int beyond = a > b || (a == b && c > d);
        if (beyond != backwards) order[i] = d, order[j] = c;
#else
        const int beyond = a > b;
#endif
        if (beyond != backwards) keys[i] = b, keys[j] = a;
      }
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#if LAST
  const int written = min(length, (int)min(g.count, (INDEX)BLOCK));
#else
  const int written = length;
#endif
  for (int i = l; i < written; i += ITEMS) {
    TARGET(row, start + (ulong)i);
#if INDICES
    PUT(keys[i], start + order[i]);
#else
    PUT(keys[i], 0);
#endif
  }
}
#else
#if INDICES
#define INPUTS __global const KEY *keys, long keys_at, __global const INDEX *order, long order_at
#else
#define INPUTS __global const KEY *keys, long keys_at
#endif

// Merges the runs [low, middle) and [middle, high) of a row; the first one's elements go before their equals.
__kernel void sort(OUTPUTS, INPUTS, Geometry g, ulong n, ulong run, ulong chunks, ulong rows) {
  const ulong item = get_global_id(0);
  if (item >= rows * chunks) return;
  const UINDEX row = (UINDEX)(item / chunks);
#if LAST
  const ulong start = item % chunks * CHUNK, end = min((ulong)g.count, start + CHUNK);
  if (start >= end) return;
#else
  const ulong start = item % chunks * CHUNK, end = min(n, start + CHUNK);
#endif
  const ulong low = start / (2 * run) * (2 * run), middle = min(n, low + run), high = min(n, low + 2 * run);
  const long base = keys_at + (long)row * (long)n;
  const ulong before = start - low, right = high - middle;
  const long beyond = (long)before - (long)right;
  ulong a = beyond > 0 ? (ulong)beyond : 0, top = min(before, middle - low);
  while (a < top) {  // how many of the first run are among the first `before` of both
    const ulong probe = (a + top) / 2;
    if (keys[base + (long)(low + probe)] <= keys[base + (long)(middle + (before - 1 - probe))]) {
      a = probe + 1;
    } else {
      top = probe;
    }
  }
  ulong i = low + a, j = middle + (before - a);
  for (ulong place = start; place < end; ++place) {
    const bool first = j >= high || (i < middle && keys[base + (long)i] <= keys[base + (long)j]);
    const ulong chosen = first ? i++ : j++;
    TARGET(row, place);
#if INDICES
    PUT(keys[base + (long)chosen], order[order_at + (long)row * (long)n + (long)chosen]);
#else
    PUT(keys[base + (long)chosen], 0);
#endif
  }
}
#endif
