// Scans by work-groups: ITEMS work-items take a block of 16 ITEMS elements of each of ROWS rows, a group each. Elements
// go through local memory, so that neighbouring work-items read and write neighbouring ones.
//   ITEMS  1, 16 or 256

#define PADDED(i) ((i) + (i) / 16)  // an item's elements begin in banks of their own

// What comes before an item's group: from the totals of groups before it. Whether there is something. x is the item's
// group after `tree`; shared, above: local memory for ITEMS and for 16 accumulators of this row; all items take part.
static inline int before_group(const ACC x[16], const int l, __local ACC *shared, __local ACC *above, const int some_base,
                               const ACC base, ACC *before, ACC *total) {
  *before = base;
  int some = some_base;
  *total = x[15];
#if ITEMS > 1
  ACC mine = x[15];
  shared[l] = mine;
#pragma unroll
  for (int step = 1; step < 16; step *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (l & step) {
      mine = combine(shared[(l & ~(2 * step - 1)) + step - 1], mine);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    shared[l] = mine;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#if ITEMS > 16
  if (l < 16) {
    mine = shared[16 * l + 15];
    above[l] = mine;
  }
#pragma unroll
  for (int step = 1; step < 16; step *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (l < 16 && (l & step)) mine = combine(above[(l & ~(2 * step - 1)) + step - 1], mine);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (l < 16) above[l] = mine;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  *total = above[15];
  const int outer = l / 16;
  if (outer > 0) {
    *before = some ? combine(base, above[outer - 1]) : above[outer - 1];
    some = 1;
  }
#else
  *total = shared[15];
#endif
  if (l % 16 > 0) {
    *before = some ? combine(*before, shared[l - 1]) : shared[l - 1];
    some = 1;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#endif
  return some;
}

__attribute__((reqd_work_group_size(ITEMS, ROWS, 1))) __kernel void scan(ARGUMENTS) {
  __local ACC tiles[ROWS][PADDED(16 * ITEMS)];
  __local ACC groups[ROWS][ITEMS];
  __local ACC groups_above[ROWS][16];
  __local ACC bases[ROWS];
  const int l = (int)get_local_id(0), mine = (int)get_local_id(1);
  const ulong block = get_group_id(0), row = get_group_id(1) * ROWS + mine;
  const int present = row < rows;
  const ulong start = block * width;
  const int length = present ? (int)min((ulong)(16 * ITEMS), n - start) : 0;
  const UINDEX known = present ? (UINDEX)row : 0;
  __global const IN *from = in + in_at + offset_of(known, g.kept_shape, g.kept_in);
  __global OUT *to = out + out_at + offset_of(known, g.kept_shape, g.kept_out);
  if (g.initial) {
    if (present && block == 0 && l == 0) *to = FIRST;
    to += g.step_out;
  }
  ACC x[16];
  ACC base = (ACC)0;
  int some_base = 0;
  ACC before, total;
#if BEFORE
  __global const ACC *blocks_before = before_blocks + before_at + offset_of(known, g.kept_shape, g.kept_before);
#endif
#if BEFORE == 1
  // The totals of blocks are one block of elements, of which this block's own place tells what comes before it.
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    const ulong b = (ulong)l * 16 + j;
    x[j] = present && b < block ? blocks_before[(INDEX)b * g.step_before] : (ACC)0;
  }
  tree(x);
  const int some_blocks = before_group(x, l, groups[mine], groups_above[mine], 0, base, &before, &total);
  if ((ulong)l == block / 16) {
    const int inside = (int)(block % 16);
    ACC value = before;
#pragma unroll
    for (int j = 0; j < 15; ++j) {
      if (j + 1 == inside) value = some_blocks ? combine(before, x[j]) : x[j];
    }
    bases[mine] = value;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  base = bases[mine];
  some_base = block > 0;
#elif BEFORE == 2
  some_base = block > 0;
  if (some_base && present) base = blocks_before[(INDEX)block * g.step_before];
#endif
  __local ACC *tile = tiles[mine];
#pragma unroll
  for (int k = 0; k < 16; ++k) {
    const int i = k * ITEMS + l;
    tile[PADDED(i)] = i < length ? widen(from[((INDEX)start + i) * g.step_in]) : (ACC)0;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int j = 0; j < 16; ++j) x[j] = tile[PADDED(l * 16 + j)];
  tree(x);
  const int some = before_group(x, l, groups[mine], groups_above[mine], some_base, base, &before, &total);
#if TOTALS
  if (present && l == 0) to[(INDEX)block * g.step_out] = finish(total);
#else
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int j = 0; j < 16; ++j) {
#if EXCLUSIVE
    const ACC inside = x[j > 0 ? j - 1 : 0];
    tile[PADDED(l * 16 + j)] = j == 0 ? before : some ? combine(before, inside) : inside;
#else
    tile[PADDED(l * 16 + j)] = some ? combine(before, x[j]) : x[j];
#endif
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int k = 0; k < 16; ++k) {
    const int i = k * ITEMS + l;
    if (i < length) to[((INDEX)start + i) * g.step_out] = finish(tile[PADDED(i)]);
  }
#endif
}
