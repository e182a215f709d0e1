// A scalar program over strided, broadcast operands. Order is free: each element is computed alone.
//
// The generator (pointwise.py) defines, before this text:
//   INDEX, UINDEX    int and uint, or long and ulong where an offset or a length needs 64 bits
//   RANK             axes after collapsing; the last one is walked by `x`, the others make up the rows
//   OPERANDS(X)      X(i, type, step, w) for each input; step is UNIT, SAME or STRIDED: its walk along the last axis;
//                    w: the number of its strides
//   RESULTS(X)       the same for each output
//   VALUES           the arguments of the program: VALUE(i, type, step, w) of each input, &r0 and so on of each output
//   WALKS            how many strides there are
//   program(...)     the scalar program, from storage types to storage types
//   LANES            1: a work-item is a lane of a SIMD unit; neighbours take neighbouring elements. 0: it is a thread
//                    that loops over elements (CPU devices; nothing to share, no barrier)
//   LOCAL_X, LOCAL_Y work-group size (LANES 1); EACH: elements of one work-item along the last axis
// Offsets are in elements. An input may be the same elements as an output, so no pointer is restrict.

typedef struct {
  INDEX shape[RANK];
  INDEX walk[WALKS][RANK];
} Geometry;

#define UNIT(strides) x
#define SAME(strides) 0
#define STRIDED(strides) ((INDEX)x * (strides)[RANK - 1])

#define ARGUMENT(i, type, step, w) __global const type *in##i, const long at##i,
#define POINTER(i, type, step, w) __global const type* p##i = in##i + at##i;
#define WALK(i, type, step, w) p##i += (INDEX)place * g.walk[w][axis];
#define VALUE(i, type, step, w) p##i[step(g.walk[w])]
#define OUT_ARGUMENT(i, type, step, w) __global type *out##i, const long out_at##i,
#define OUT_POINTER(i, type, step, w) __global type* to##i = out##i + out_at##i;
#define OUT_WALK(i, type, step, w) to##i += (INDEX)place * g.walk[w][axis];
#define DECLARE(i, type, step, w) type r##i;
#define STORE(i, type, step, w) to##i[step(g.walk[w])] = r##i;

#define START                                              \
  RESULTS(OUT_POINTER)                                     \
  OPERANDS(POINTER)                                        \
  UINDEX rest = (UINDEX)row;                               \
  for (int axis = RANK - 2; axis >= 0; --axis) {           \
    const UINDEX length = (UINDEX)g.shape[axis];           \
    const UINDEX place = axis == 0 ? rest : rest % length; \
    rest = axis == 0 ? 0 : rest / length;                  \
    RESULTS(OUT_WALK)                                      \
    OPERANDS(WALK)                                         \
  }

#define ARGUMENTS RESULTS(OUT_ARGUMENT) OPERANDS(ARGUMENT) const Geometry g, const ulong rows

#define ELEMENT    \
  RESULTS(DECLARE) \
  program(VALUES); \
  RESULTS(STORE)

#if LANES

__attribute__((reqd_work_group_size(LOCAL_X, LOCAL_Y, 1))) __kernel void pointwise(ARGUMENTS) {
  const size_t row = get_global_id(1);
  const size_t columns = g.shape[RANK - 1];
  if (row >= rows) return;
  START
  size_t x = get_global_id(0);
#pragma unroll
  for (int e = 0; e < EACH; ++e, x += get_global_size(0)) {
    if (x < columns) {
      ELEMENT
    }
  }
}

#else

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void pointwise(ARGUMENTS, const ulong rows_each,
                                                                       const ulong columns_each) {
  const size_t first = get_global_id(0) * columns_each;
  const size_t last = min(first + columns_each, (ulong)g.shape[RANK - 1]);
  const size_t first_row = get_global_id(1) * rows_each;
  const size_t last_row = min(first_row + rows_each, rows);
  for (size_t row = first_row; row < last_row; ++row) {
    START
    for (size_t x = first; x < last; ++x) {
      ELEMENT
    }
  }
}

#endif
