// What comes before a place of a scan, kept by single work-items.
//   LEVELS  digits of the number of groups in a block, and of blocks

// Totals that have been seen: stack[level][bit] is that of 2^bit members of a level, where its digit of count has the
// bit.
typedef struct {
  ulong count;
  ACC stack[LEVELS][4];
} Prefix;

static inline void push(Prefix *prefix, ACC total) {
  for (int level = 0; level < LEVELS; ++level) {
    const uint digit = (uint)(prefix->count >> (4 * level)) & 15;
    if (digit & 1) {
      total = combine(prefix->stack[level][0], total);
      if (digit & 2) {
        total = combine(prefix->stack[level][1], total);
        if (digit & 4) {
          total = combine(prefix->stack[level][2], total);
          if (digit & 8) {
            total = combine(prefix->stack[level][3], total);
            continue;
          }
        }
      }
    }
    const uint clear = ~digit & (digit + 1);
    prefix->stack[level][clear == 1 ? 0 : clear == 2 ? 1 : clear == 4 ? 2 : 3] = total;
    break;
  }
  ++prefix->count;
}

// After `before`, where there is something: the total of levels `lowest` to `end` - 1, from the highest down. Whether
// there is one.
static inline int total_of(const Prefix *prefix, int lowest, int end, int some, ACC *before) {
  for (int level = end - 1; level >= lowest; --level) {
    const uint digit = (uint)(prefix->count >> (4 * level)) & 15;
    int found = 0;
    ACC value = *before;
    for (int bit = 0; bit < 4; ++bit) {
      if (!(digit >> bit & 1)) continue;
      value = found ? combine(prefix->stack[level][bit], value) : prefix->stack[level][bit];
      found = 1;
    }
    if (found) *before = some ? combine(*before, value) : value;
    some |= found;
  }
  return some;
}
