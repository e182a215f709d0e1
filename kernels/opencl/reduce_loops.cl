// Reductions by single work-items, for CPU devices: whole blocks, in vectors of 16 lanes, without barriers.
//   ACCESS_ROWS     the reduced elements of an output are consecutive
//   ACCESS_COLUMNS  neighbouring outputs, COLUMN_STEP apart, are taken 16 at a time, an element of each in a vector
//   neither         elements are gathered one by one

LOADER(16)
typedef JOIN(ACC, 16) ACC16;
#if ACC_BITS == 64
#define MASKS long16
#else
#define MASKS int16
#endif

// The reduced elements of an output, one after the other.
typedef struct {
  INDEX at[REDUCED];
  INDEX offset;
} Walk;

static inline void walk_to(Walk *walk, UINDEX place, const Geometry *g) {
  walk->offset = 0;
  for (int axis = REDUCED - 1; axis >= 0; --axis) {
    const UINDEX length = (UINDEX)g->reduced_shape[axis];
    walk->at[axis] = (INDEX)(axis ? place % length : place);
    walk->offset += walk->at[axis] * g->reduced_in[axis];
    place /= length;
  }
}

static inline void step(Walk *walk, const Geometry *g) {
  for (int axis = REDUCED - 1; axis >= 0; --axis) {
    walk->offset += g->reduced_in[axis];
    if (++walk->at[axis] < g->reduced_shape[axis] || axis == 0) return;
    walk->offset -= g->reduced_shape[axis] * g->reduced_in[axis];
    walk->at[axis] = 0;
  }
}

// Lanes that have elements, rounded up to a power of two: the others hold the identity and need no fold.
static inline int lanes_in_use(const int length) {
  int lanes = 1;
  while (lanes < 64 && lanes < length) lanes *= 2;
  return lanes;
}

#if ACCESS_COLUMNS

// Sixteen neighbouring outputs, or the last `width` of them.
static inline ACC16 load_columns(__global const IN *from, const INDEX apart, const int width) {
  IN some[16];
  if (width == 16) {
    if (apart == 1) return load16(vload16(0, from));
#pragma unroll
    for (int c = 0; c < 16; ++c) some[c] = from[c * apart];
  } else {
    for (int c = 0; c < 16; ++c) some[c] = c < width ? from[c * apart] : (IN)0;
  }
  return load16(vload16(0, some));
}

#if PACKED

typedef JOIN(IN, 16) IN16;

// Sixteen outputs of PACKED elements each, a power of two, which lie one after the other: element l of all of them.
// Places with even numbers before those with odd ones, once for each bit of an element's number.
static inline void load_packed(__global const IN *from, IN16 *element) {
#pragma unroll
  for (int l = 0; l < PACKED; ++l) element[l] = vload16(l, from);
#pragma unroll
  for (int bit = 1; bit < PACKED; bit *= 2) {
    IN16 other[PACKED];
#pragma unroll
    for (int l = 0; l < PACKED / 2; ++l) {
      const IN16 x = element[2 * l], y = element[2 * l + 1];
      other[l] = (IN16)(x.even, y.even);
      other[PACKED / 2 + l] = (IN16)(x.odd, y.odd);
    }
#pragma unroll
    for (int l = 0; l < PACKED; ++l) element[l] = other[l];
  }
}

#endif

#define MASK MASKS

// kept_shape[KEPT - 1] neighbouring outputs are taken in groups of 16; a task is one block of such a group.
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void reduce(ARGUMENTS, const ulong tasks, const ulong each) {
  const ulong columns = (ulong)g.kept_shape[KEPT - 1], groups = (columns + 15) / 16;
  const ulong last_task = min(tasks, (get_global_id(0) + 1) * each);
  const Geometry geometry = g;
  ulong task = get_global_id(0) * each;
  ulong group = task % groups, block = task / groups % blocks, outer = task / groups / blocks;
  for (; task < last_task; ++task, ++group) {
    if (group == groups) group = 0, ++block;
    if (block == blocks) block = 0, ++outer;
    const ulong first = outer * columns + group * 16;
    const int width = (int)min((ulong)16, columns - group * 16);
    const ulong start = block * BLOCK;
    const int length = (int)min((ulong)BLOCK, count - start);
    const int lanes = lanes_in_use(length);
    __global const IN *from = in + in_at + offset_of((UINDEX)first, g.kept_shape, g.kept_in, KEPT);
    ACC16 lane[64];
#if INDEXED
    ACC16 row[64];
#endif
    for (int l = 0; l < lanes; ++l) {
      lane[l] = (ACC16)(IDENTITY);
#if INDEXED
      row[l] = (ACC16)(NOWHERE);
#endif
    }
#if PACKED
    if (width == 16) {
      IN16 element[PACKED];
      load_packed(from, element);
#pragma unroll
      for (int l = 0; l < PACKED; ++l) {
        const ACC16 value = load16(element[l]);
        TAKE(lane[l], row[l], value, (ACC16)((ACC)0));
      }
    } else
#endif
    {
      Walk walk;
      walk_to(&walk, (UINDEX)start, &geometry);
      for (int r = 0; r * 64 < length; ++r) {
        const int present = min(64, length - r * 64);
        for (int l = 0; l < present; ++l) {
          const ACC16 value = load_columns(from + walk.offset, COLUMN_STEP, width);
          TAKE(lane[l], row[l], value, (ACC16)((ACC)r));
          step(&walk, &geometry);
        }
      }
    }
#if INDEXED
    for (int l = 0; l < lanes; ++l) row[l] = row[l] * (ACC)64 + (ACC)l;  // wraps only for lanes without elements
    for (int l = min(length, lanes); l < lanes; ++l) row[l] = (ACC16)(NOWHERE);
#endif
    for (int fold = lanes / 2; fold; fold /= 2) {
      for (int l = 0; l < fold; ++l) TAKE(lane[l], row[l], lane[l + fold], row[l + fold]);
    }
    ACC value[16];
    vstore16(lane[0], 0, value);
#if INDEXED
    ACC element[16];
    vstore16(row[0], 0, element);
#endif
#if LAST && !INDEXED
    if (width == 16 && geometry.kept_out[KEPT - 1] == 1) {
      __global OUT *to = out + at + offset_of((UINDEX)first, g.kept_shape, g.kept_out, KEPT);
#pragma unroll
      for (int c = 0; c < 16; ++c) to[c] = finish(count == 0 ? (ACC)(EMPTY) : value[c]);
      continue;
    }
#endif
    for (int c = 0; c < width; ++c) {
      const ulong output = first + c;
#if INDEXED
      const ACC place = element[c];
#endif
      STORE(value[c], place);
    }
  }
}

#else

#define MASK MASKS

// The result of elements [start, start + length) of an output, whose first element is at `from`. place: the element's,
// counted from start.
static inline ACC reduce_block(__global const IN *from, const Geometry *g, const ulong start, const int length,
                               ACC *place) {
  ACC16 lane[4];
#if INDEXED
  ACC16 row[4];
#endif
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    lane[j] = (ACC16)(IDENTITY);
#if INDEXED
    row[j] = (ACC16)(NOWHERE);
#endif
  }
#if ACCESS_ROWS
  from += start;
  const int whole = length / 64;
#if INDEXED
  // Rows ascend: an equal key comes later. Where none is better than the identity, the first row's is as good.
  for (int j = 0; whole && j < 4; ++j) row[j] = (ACC16)((ACC)0);
#endif
  for (int r = 0; r < whole; ++r) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const ACC16 value = load16(vload16(r * 4 + j, from));
#if INDEXED
      const MASK better = BEFORE(value, lane[j]);
      lane[j] = better ? value : lane[j];
      row[j] = better ? (ACC16)((ACC)r) : row[j];
#else
      TAKE(lane[j], row[j], value, (ACC16)((ACC)r));
#endif
    }
  }
#define ELEMENT_AT(i) from[i]
#else
  const int whole = 0;
  Walk walk;
  walk_to(&walk, (UINDEX)start, g);
#define ELEMENT_AT(i) from[walk.offset]
#endif
  for (int r = whole; r * 64 < length; ++r) {
    const int present = min(64, length - r * 64);
    IN some[64];
    ACC loaded[64];
    for (int l = 0; l < 64; ++l) some[l] = (IN)0;
    for (int l = 0; l < present; ++l) {
      some[l] = ELEMENT_AT(r * 64 + l);
#if !ACCESS_ROWS
      step(&walk, g);
#endif
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) vstore16(load16(vload16(j, some)), j, loaded);
    for (int l = present; l < 64; ++l) loaded[l] = IDENTITY;
#if INDEXED
    ACC its_row[64];
    for (int l = 0; l < 64; ++l) its_row[l] = l < present ? (ACC)r : NOWHERE;
#endif
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const ACC16 value = vload16(j, loaded);
      TAKE(lane[j], row[j], value, vload16(j, its_row));
    }
  }
#if INDEXED
  // A plain loop over the lanes: the first of the best, by (key, place).
  ACC key[64], rows[64];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    vstore16(lane[j], j, key);
    vstore16(row[j], j, rows);
  }
  ACC best = IDENTITY;
  *place = NOWHERE;
  for (int l = 0; l < 64; ++l) {
    const ACC its_place = rows[l] == NOWHERE ? NOWHERE : rows[l] * (ACC)64 + (ACC)l;
    const bool better = BEFORE(key[l], best) || (key[l] == best && its_place < *place);
    best = better ? key[l] : best;
    *place = better ? its_place : *place;
  }
  return best;
#else
  lane[0] = COMBINE(lane[0], lane[2]);
  lane[1] = COMBINE(lane[1], lane[3]);
  lane[0] = COMBINE(lane[0], lane[1]);
  const JOIN(ACC, 8) eight = COMBINE(lane[0].lo, lane[0].hi);
  const JOIN(ACC, 4) four = COMBINE(eight.lo, eight.hi);
  const JOIN(ACC, 2) two = COMBINE(four.lo, four.hi);
  return COMBINE(two.x, two.y);
#endif
}

// A task is one block of one output, or where WHOLE all blocks of it, 64 at most, which fold as lanes do.
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void reduce(ARGUMENTS, const ulong tasks, const ulong each) {
  const ulong last_task = min(tasks, (get_global_id(0) + 1) * each);
  const Geometry geometry = g;
  for (ulong task = get_global_id(0) * each; task < last_task; ++task) {
    ACC place = 0;
#if WHOLE && !INDEXED
    const ulong output = task, block = 0;
    __global const IN *from = in + in_at + offset_of((UINDEX)output, g.kept_shape, g.kept_in, KEPT);
    ACC value[64];
    const int lanes = lanes_in_use((int)blocks);
    for (int b = 0; b < lanes; ++b) value[b] = IDENTITY;
    for (ulong b = 0; b < blocks; ++b) {
      const int length = (int)min((ulong)BLOCK, count - b * BLOCK);
      value[b] = reduce_block(from, &geometry, b * BLOCK, length, &place);
    }
    for (int fold = lanes / 2; fold; fold /= 2) {
      for (int l = 0; l < fold; ++l) value[l] = COMBINE(value[l], value[l + fold]);
    }
    STORE(value[0], place);
#else
#if WHOLE  // keys have no order
    const ulong output = task, block = 0, start = 0;
    const int length = (int)count;
#else
    const ulong output = task / blocks, block = task % blocks, start = block * BLOCK;
    const int length = (int)min((ulong)BLOCK, count - start);
#endif
    __global const IN *from = in + in_at + offset_of((UINDEX)output, g.kept_shape, g.kept_in, KEPT);
    const ACC value = reduce_block(from, &geometry, start, length, &place);
    STORE(value, place);
#endif
  }
}

#endif
