// Scans of consecutive elements by single work-items, for CPU devices: each takes a block of a row by spans of sixteen
// groups, a group in a vector. For sums and products, whose identity changes no bit.
//   IDENTITY  -0, 0 or 1 of ACC
//   VECTOR_COMBINE(a, b)  of vectors and of scalars

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(ACC, 16) ACC16;
#define LOADED(p) JOIN(JOIN(as_, ACC), 16)(vload16(0, p))

// `tree` of the elements of a vector.
static inline ACC16 tree16(ACC16 x) {
  const ACC16 nothing = (ACC16)((ACC)IDENTITY);
  ACC16 low = nothing;
  low.s13579bdf = x.s02468ace;
  x = VECTOR_COMBINE(low, x);
  low = nothing;
  low.s2367abef = x.s115599dd;
  x = VECTOR_COMBINE(low, x);
  low = nothing;
  low.s4567cdef = x.s3333bbbb;
  x = VECTOR_COMBINE(low, x);
  low = nothing;
  low.s89abcdef = x.s77777777;
  return VECTOR_COMBINE(low, x);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void scan(ARGUMENTS) {
  const ulong item = get_global_id(0);
  const ulong row = item % rows, block = item / rows;
  __global const IN *from = in + in_at + offset_of((UINDEX)row, g.kept_shape, g.kept_in);
  __global OUT *to = out + out_at + offset_of((UINDEX)row, g.kept_shape, g.kept_out);
  if (g.initial) {
    if (block == 0) *to = FIRST;
    ++to;
  }
  const ulong first = block * width, last = min(n, first + width);
  Prefix prefix;  // of spans
  prefix.count = 0;
  ACC above = (ACC)0;
  int some_above = 0;
#if BEFORE
  __global const ACC *blocks_before = before_blocks + before_at + offset_of((UINDEX)row, g.kept_shape, g.kept_before);
#if BEFORE == 1
  for (ulong b = 0; b < block; ++b) push(&prefix, blocks_before[(INDEX)b * g.step_before]);
  some_above = total_of(&prefix, 0, LEVELS, 0, &above);
  prefix.count = 0;
#else
  some_above = block > 0;
  if (some_above) above = blocks_before[(INDEX)block * g.step_before];
#endif
#endif
  ACC high = above;  // what comes before the span
  int some = some_above;
  for (ulong at = first; at < last; at += 256) {
    const int here = (int)min((ulong)256, last - at), whole = here / 16;
    ACC16 x[16];
    ACC totals[16];
    for (int j = 0; j < whole; ++j) {
      x[j] = tree16(LOADED(from + at + 16 * j));
      totals[j] = x[j].sf;
    }
    if (whole < 16) {
      IN some_of[16];
      for (int j = 0; j < 16; ++j) some_of[j] = 16 * whole + j < here ? from[at + 16 * whole + j] : (IN)0;
      x[whole] = tree16(LOADED(some_of));
      for (int j = whole; j < 16; ++j) totals[j] = (ACC)0;
    }
    const ACC16 groups = tree16(vload16(0, totals));
#if !TOTALS
    vstore16(some ? VECTOR_COMBINE((ACC16)high, groups) : groups, 0, totals);
    ACC before = high;
    for (int j = 0; j < whole; ++j) {
      const ACC16 value = some || j > 0 ? VECTOR_COMBINE((ACC16)before, x[j]) : x[j];
      vstore16(JOIN(JOIN(as_, OUT), 16)(value), 0, to + at + 16 * j);
      before = totals[j];
    }
    if (16 * whole < here) {
      OUT some_of[16];
      const ACC16 value = some || whole > 0 ? VECTOR_COMBINE((ACC16)before, x[whole]) : x[whole];
      vstore16(JOIN(JOIN(as_, OUT), 16)(value), 0, some_of);
      for (int j = 0; j < here - 16 * whole; ++j) to[at + 16 * whole + j] = some_of[j];
    }
#endif
    push(&prefix, groups.sf);
    high = above;
    some = total_of(&prefix, 0, LEVELS, some_above, &high);
  }
#if TOTALS
  to[(INDEX)block * g.step_out] = high;
#endif
}
