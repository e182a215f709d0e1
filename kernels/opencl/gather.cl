// Elements that index arrays select. Order is free: each element is moved alone.
//
// The generator (gather.py) defines, before this text:
//   INDEX, UINDEX    int and uint, or long and ulong where an offset or a length needs 64 bits
//   ELEMENT          an unsigned integer of an element's size
//   RANK             axes after collapsing; the last one is walked by `x`, the others make up the rows
//   EACH_INDEX(X)    X(k) for each index array; INDICES: how many, at least 1
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

#define ARGUMENT(k) __global const long *index##k, const long index_at##k,
#define POINTER(k) __global const long *p##k = index##k + index_at##k;
#define WALK(k) p##k += (INDEX)place * g.index[k][axis];
#define SELECT(k)                                              \
  {                                                            \
    long position = p##k[(INDEX)x * g.index[k][RANK - 1]];     \
    position += position < 0 ? (long)g.length[k] : 0;          \
    good = good && position >= 0 && position < g.length[k];    \
    at += (good ? (INDEX)position : 0) * g.step[k];            \
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

#define MOVE                                                   \
  INDEX at = (INDEX)x * g.in[RANK - 1];                        \
  int good = 1;                                                \
  EACH_INDEX(SELECT)                                           \
  to[(INDEX)x * g.out[RANK - 1]] = good ? from[at] : (ELEMENT)0;

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
      MOVE
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
    for (size_t x = first; x < last; ++x) {
      MOVE
    }
  }
}

#endif
