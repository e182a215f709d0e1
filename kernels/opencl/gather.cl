// Elements that index arrays select. Order is free: each element is moved alone.
//
// The generator (gather.py) defines, before this text:
//   INDEX, UINDEX    int and uint, or long and ulong where an offset or a length needs 64 bits
//   ELEMENT          an unsigned integer of an element's size
//   RANK             axes after collapsing; the last one is walked by `x`, the others make up the rows
//   OUT_STEP, IN_STEP  UNIT, SAME or STRIDED: the output's and the input's walk along the last axis
//   EACH_INDEX(X)    X(k, step) for each index array; INDICES: how many, at least 1
//   ALIKE            1: no index changes along the last axis
//   WHOLE            1: the output and the input are UNIT
//   NOTHING          1: an indexed axis has no elements, so that none may be read
//   LANES, LOCAL_X, LOCAL_Y, EACH  as in pointwise.cl
// A position below 0 counts from the end of the axis that it indexes; one out of range gives 0 and reads nothing.

typedef struct {
  INDEX shape[RANK];
  INDEX out[RANK];
  INDEX in[RANK];
  INDEX index[INDICES][RANK];
  INDEX length[INDICES];
  INDEX step[INDICES];
} Geometry;

#define UNIT(strides) (INDEX)x
#define SAME(strides) 0
#define STRIDED(strides) ((INDEX)x * (strides)[RANK - 1])

#define ARGUMENT(k, walk) __global const long *index##k, const long index_at##k,
#define POINTER(k, walk) __global const long *p##k = index##k + index_at##k;
#define WALK(k, walk) p##k += (INDEX)place * g.index[k][axis];

// Adds to `at`; `good`: whether every position is in range. Position 0 takes the place of one that is not.
#define SELECT(k, walk)                                        \
  {                                                            \
    long position = p##k[walk(g.index[k])];                    \
    position += position < 0 ? (long)g.length[k] : 0;          \
    const int its_good = (ulong)position < (ulong)g.length[k]; \
    good &= its_good;                                          \
    at += (its_good ? (INDEX)position : 0) * g.step[k];        \
  }

#define START                                                  \
  __global ELEMENT *to = out + out_at;                         \
  __global const ELEMENT *from = in + in_at;                   \
  EACH_INDEX(POINTER)                                          \
  UINDEX rest = (UINDEX)row;                                   \
  for (int axis = RANK - 2; axis >= 0; --axis) {               \
    const UINDEX length = (UINDEX)g.shape[axis];               \
    const UINDEX place = axis == 0 ? rest : rest % length;     \
    rest = axis == 0 ? 0 : rest / length;                      \
    to += (INDEX)place * g.out[axis];                          \
    from += (INDEX)place * g.in[axis];                         \
    EACH_INDEX(WALK)                                           \
  }

#define ARGUMENTS                                                                              \
  __global ELEMENT *out, const long out_at, __global const ELEMENT *in, const long in_at, \
      EACH_INDEX(ARGUMENT) const Geometry g, const ulong rows

#if LANES

__attribute__((reqd_work_group_size(LOCAL_X, LOCAL_Y, 1))) __kernel void gather(ARGUMENTS) {
  const size_t row = get_global_id(1);
  const size_t columns = g.shape[RANK - 1];
  if (row >= rows) return;
  START
  size_t x = get_global_id(0);
  for (int e = 0; e < EACH; ++e, x += get_global_size(0)) {
    if (x < columns) {
      INDEX at = IN_STEP(g.in);
      int good = 1;
      EACH_INDEX(SELECT)
      to[OUT_STEP(g.out)] = good ? from[at] : (ELEMENT)0;
    }
  }
}

#else

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void gather(ARGUMENTS, const ulong rows_each,
                                                                    const ulong columns_each) {
  const size_t first = get_global_id(0) * columns_each;
  const size_t last = min(first + columns_each, (ulong)g.shape[RANK - 1]);
  const size_t first_row = get_global_id(1) * rows_each;
  const size_t last_row = min(first_row + rows_each, rows);
  for (size_t row = first_row; row < last_row; ++row) {
    START
    size_t x = first;
#if NOTHING
    for (; x < last; ++x) to[OUT_STEP(g.out)] = (ELEMENT)0;
#elif ALIKE
    INDEX at = 0;
    int good = 1;
    EACH_INDEX(SELECT)
    from += at;
    if (!good) {
      for (; x < last; ++x) to[OUT_STEP(g.out)] = (ELEMENT)0;
    }
#if WHOLE
    for (; x + 16 <= last; x += 16) vstore16(vload16(0, from + x), 0, to + x);
#endif
    for (; x < last; ++x) to[OUT_STEP(g.out)] = from[IN_STEP(g.in)];
#else
    for (; x < last; ++x) {
      INDEX at = IN_STEP(g.in);
      int good = 1;
      EACH_INDEX(SELECT)
      const ELEMENT value = from[at];  // in bounds also where a position is not
      to[OUT_STEP(g.out)] = good ? value : (ELEMENT)0;
    }
#endif
  }
}

#endif
