// Scans by single work-items: each takes a block of a row, group by group. For CPU devices, and for rows that lie next
// to each other, which neighbouring work-items read together.

__kernel void scan(ARGUMENTS) {
  const ulong item = get_global_id(0);
  if (item >= rows * blocks) return;
  const Geometry geometry = g;
  const ulong row = item % rows, block = item / rows;
  __global const IN *from = in + in_at + offset_of((UINDEX)row, geometry.kept_shape, geometry.kept_in);
  __global OUT *to = out + out_at + offset_of((UINDEX)row, geometry.kept_shape, geometry.kept_out);
  if (geometry.initial) {
    if (block == 0) *to = FIRST;
    to += geometry.step_out;
  }
  const ulong first = block * width, last = min(n, first + width);
  Prefix prefix;
  prefix.count = 0;
  ACC above = (ACC)0;
  int some_above = 0;
#if BEFORE
  __global const ACC *blocks_before =
      before_blocks + before_at + offset_of((UINDEX)row, geometry.kept_shape, geometry.kept_before);
#if BEFORE == 1
  for (ulong b = 0; b < block; ++b) push(&prefix, blocks_before[(INDEX)b * geometry.step_before]);
  some_above = total_of(&prefix, 0, LEVELS, 0, &above);
  prefix.count = 0;
#else
  some_above = block > 0;
  if (some_above) above = blocks_before[(INDEX)block * geometry.step_before];
#endif
#endif
  ACC before = above, high = above;  // high: what comes before the last sixteen groups
  int some = some_above, some_high = some_above;
  for (ulong at = first; at < last; at += 16) {
    const int here = (int)min((ulong)16, last - at);
    ACC x[16];
    for (int j = 0; j < 16; ++j) x[j] = j < here ? widen(from[((INDEX)at + j) * geometry.step_in]) : (ACC)0;
    tree(x);
#if !TOTALS
    for (int j = 0; j < here; ++j) {
#if EXCLUSIVE
      const ACC inside = x[j > 0 ? j - 1 : 0];
      const ACC value = j == 0 ? before : some ? combine(before, inside) : inside;
      if (some || j > 0) to[((INDEX)at + j) * geometry.step_out] = finish(value);
#else
      to[((INDEX)at + j) * geometry.step_out] = finish(some ? combine(before, x[j]) : x[j]);
#endif
    }
#endif
    push(&prefix, x[15]);
#if TOTALS
    // the last push leaves the total of a whole block alone in the stack, or in that of the level above it
    before = x[15];
#else
    if (prefix.count % 16 == 0) {
      high = above;
      some_high = total_of(&prefix, 1, LEVELS, some_above, &high);
    }
    before = high;
    some = total_of(&prefix, 0, 1, some_high, &before);
#endif
  }
#if TOTALS
  if (width > 16) total_of(&prefix, 0, LEVELS, 0, &before);
  to[(INDEX)block * geometry.step_out] = finish(before);
#endif
}
