// Sorting by work-groups: each sorts a block of BLOCK elements in local memory, then launches merge neighbouring runs,
// each twice as long as before.
//   BLOCK, ITEMS     elements of a block, a power of two; work-items of its work-group

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
    TARGET(ROW_OFFSET(row), start + (ulong)i);
#if INDICES
    PUT(keys[i], start + order[i]);
#else
    PUT(keys[i], 0);
#endif
  }
}
#else

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
  __global const KEY *const x = keys + keys_at + (long)row * (long)n;
  const ulong taken = first_of(x, low, middle, high, start - low);
  ulong i = low + taken, j = middle + (start - low - taken);
  for (ulong place = start; place < end; ++place) {
    const bool first = j >= high || (i < middle && x[i] <= x[j]);
    const ulong chosen = first ? i++ : j++;
    TARGET(ROW_OFFSET(row), place);
#if INDICES
    PUT(x[chosen], order[order_at + (long)row * (long)n + (long)chosen]);
#else
    PUT(x[chosen], 0);
#endif
  }
}
#endif
