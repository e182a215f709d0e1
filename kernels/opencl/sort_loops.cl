// Sorting by single work-items, for CPU devices: each sorts a run of RUN elements at most by counting the digits of its
// keys, from the lowest one, then launches merge neighbouring runs, each twice as long as before.
//   SHORT   1: RUN is so small that inserting is faster, and is done in private memory

#define DIGITS ((int)sizeof(KEY))
#define DIGIT(key, d) (((key) >> (8 * (d))) & 255)

#ifndef CHUNK

// each: runs of a work-item, which has 2 RUN elements of scratch for keys, and as many for indices.
#if SHORT
#define WORK
#elif INDICES
#define WORK __global KEY *work, long work_at, __global INDEX *moved, long moved_at,
#else
#define WORK __global KEY *work, long work_at,
#endif

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void sort(OUTPUTS, WORK __global const KEY *in, long in_at,
                                                                  Geometry g, ulong n, ulong parts, ulong runs,
                                                                  ulong each) {
  const ulong item = get_global_id(0), last_run = min(runs, (item + 1) * each);
#if !SHORT
  __global KEY *const halves = work + work_at + (long)item * (2 * RUN);
#if INDICES
  __global INDEX *const places_of = moved + moved_at + (long)item * (2 * RUN);
#endif
#endif
  for (ulong r = item * each; r < last_run; ++r) {
    const UINDEX row = (UINDEX)(r / parts);
    const ulong start = r % parts * RUN;
    const int length = start < n ? (int)min((ulong)RUN, n - start) : 0;
    __global const KEY *from = in + in_at + offset_of(row, g.shape, g.from) + (long)start * g.from_step;
#if SHORT
    KEY sorted[RUN];
#if INDICES
    INDEX order[RUN];
#endif
    for (int i = 0; i < length; ++i) {
      const KEY key = key_of(from[(long)i * g.from_step]);
      int place = i;
      for (; place > 0 && sorted[place - 1] > key; --place) {
        sorted[place] = sorted[place - 1];
#if INDICES
        order[place] = order[place - 1];
#endif
      }
      sorted[place] = key;
#if INDICES
      order[place] = (INDEX)(start + i);
#endif
    }
#else
    __global KEY *sorted = halves, *other = halves + RUN;
#if INDICES
    __global INDEX *order = places_of, *order_other = places_of + RUN;
#endif
    uint counts[DIGITS][256];
    for (int d = 0; d < DIGITS; ++d) {
      for (int v = 0; v < 256; ++v) counts[d][v] = 0;
    }
    for (int i = 0; i < length; ++i) {
      const KEY key = key_of(from[(long)i * g.from_step]);
      sorted[i] = key;
#if INDICES
      order[i] = (INDEX)(start + i);
#endif
#pragma unroll
      for (int d = 0; d < DIGITS; ++d) ++counts[d][DIGIT(key, d)];
    }
    for (int d = 0; d < DIGITS; ++d) {
      if (length == 0 || counts[d][DIGIT(sorted[0], d)] == (uint)length) continue;  // the digit is the same in all
      uint sum = 0;
      for (int v = 0; v < 256; ++v) {
        const uint count = counts[d][v];
        counts[d][v] = sum;
        sum += count;
      }
      for (int i = 0; i < length; ++i) {
        const KEY key = sorted[i];
        const uint place = counts[d][DIGIT(key, d)]++;
        other[place] = key;
#if INDICES
        order_other[place] = order[i];
#endif
      }
      __global KEY *const keys_swapped = sorted;
      sorted = other;
      other = keys_swapped;
#if INDICES
      __global INDEX *const order_swapped = order;
      order = order_other;
      order_other = order_swapped;
#endif
    }
#endif
#if LAST
    const int written = min(length, (int)min(g.count, (INDEX)RUN));
#else
    const int written = length;
#endif
    const long offset = ROW_OFFSET(row);
    for (int i = 0; i < written; ++i) {
      TARGET(offset, start + (ulong)i);
#if INDICES
      PUT(sorted[i], order[i]);
#else
      PUT(sorted[i], 0);
#endif
    }
  }
}

#else

// Merges the runs [low, middle) and [middle, high) of a row; the first one's elements go before their equals.
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void sort(OUTPUTS, INPUTS, Geometry g, ulong n, ulong run,
                                                                  ulong chunks, ulong rows) {
  const ulong item = get_global_id(0);
  const UINDEX row = (UINDEX)(item / chunks);
  const ulong start = item % chunks * CHUNK;
#if LAST
  const ulong end = min((ulong)g.count, start + CHUNK);
  if (start >= end) return;
#else
  const ulong end = min(n, start + CHUNK);
#endif
  const ulong low = start / (2 * run) * (2 * run), middle = min(n, low + run), high = min(n, low + 2 * run);
  __global const KEY *const x = keys + keys_at + (long)row * (long)n;
#if INDICES
  __global const INDEX *const its_order = order + order_at + (long)row * (long)n;
#endif
  const ulong taken = first_of(x, low, middle, high, start - low);
  ulong i = low + taken, j = middle + (start - low - taken);
  const long offset = ROW_OFFSET(row);
  ulong place = start;
  for (; place < end && i < middle && j < high; ++place) {  // no branch on what nobody can foresee
    const KEY a = x[i], b = x[j];
    const bool first = a <= b;
    TARGET(offset, place);
#if INDICES
    const INDEX c = its_order[i], d = its_order[j];
    PUT(first ? a : b, first ? c : d);
#else
    PUT(first ? a : b, 0);
#endif
    i += first ? 1 : 0;
    j += first ? 0 : 1;
  }
  for (; place < end; ++place) {
    const ulong chosen = i < middle ? i++ : j++;
    TARGET(offset, place);
#if INDICES
    PUT(x[chosen], its_order[chosen]);
#else
    PUT(x[chosen], 0);
#endif
  }
}

#endif
