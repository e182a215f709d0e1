// Places of the true elements of a vector: a work-group takes a block, of which it is known how many come before it; or
// finds how many the block has.
//
// The generator (compact.py) defines, before this text:
//   INDEX            int, or long where an offset or a length needs 64 bits
//   BLOCK, ITEMS     elements of a block; work-items of its work-group, which divide it
//   COUNTS           1: the result is how many elements of each block are true

typedef struct {
  INDEX n, count, step, before_step, out_step;
} Geometry;

#if COUNTS
#define BEFORE
#else
#define BEFORE __global const long *before, const long before_at,
#endif

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void compact(
    __global long *out, const long out_at, __global const uchar *mask, const long mask_at, BEFORE const Geometry g) {
  __local int totals[ITEMS];
  const int l = (int)get_local_id(0), each = BLOCK / ITEMS;
  const INDEX block = (INDEX)get_group_id(0), first = block * BLOCK + l * each;
  const int length = first < g.n ? (int)min((INDEX)each, g.n - first) : 0;
  __global const uchar *const from = mask + mask_at + first * g.step;
  int mine = 0;
  for (int i = 0; i < length; ++i) mine += from[i * g.step] != 0;
  totals[l] = mine;
  for (int apart = 1; apart < ITEMS; apart *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    const int earlier = l >= apart ? totals[l - apart] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    totals[l] += earlier;
  }
#if COUNTS
  if (l == ITEMS - 1) out[out_at + block * g.out_step] = totals[l];
#else
  long to = before[before_at + block * g.before_step] + (totals[l] - mine);
  for (int i = 0; i < length; ++i) {
    if (from[i * g.step] != 0) {
      if (to >= 0 && to < g.count) out[out_at + (INDEX)to * g.out_step] = first + i;
      ++to;
    }
  }
#endif
}
