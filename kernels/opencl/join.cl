// Arrays side by side in one: each copied to its own box of the output. Order is free: each element goes its own way.
//
// The generator (join.py) defines, before this text:
//   TYPE             unsigned integer of an element's size
//   INDEX, UINDEX    int and uint, or long and ulong where an offset or a length needs 64 bits
//   COUNT, RANK      boxes, and axes of each after collapsing; the last one is the innermost of the output
//   BOXES(X)         X(0) X(1) … X(COUNT - 1); those that are not needed begin behind the last task
//   LANES            1: a work-item is a lane of a SIMD unit, and a task is a work-group's. 0: it is a thread (CPU
//                    devices), and a task is its own
//   LOCAL, TASK      work-items of a work-group, elements of a task
// Offsets are in elements. The inputs lie apart from the output.

typedef struct {
  INDEX shape[COUNT][RANK];
  INDEX out[COUNT][RANK];
  INDEX in[COUNT][RANK];
  INDEX to[COUNT];     // offset of the box in the output
  INDEX first[COUNT];  // its first task
  INDEX size[COUNT];   // its elements
} Geometry;

#define ARGUMENT(k) __global const TYPE *in##k, const long at##k,
#define SELECT(k)                           \
  if (task >= (UINDEX)g.first[k]) {         \
    from = in##k + at##k;                   \
    to = g.to[k];                           \
    at = task - (UINDEX)g.first[k];         \
    size = (UINDEX)g.size[k];               \
    for (int a = 0; a < RANK; ++a) {        \
      shape[a] = (UINDEX)g.shape[k][a];     \
      out_steps[a] = g.out[k][a];           \
      in_steps[a] = g.in[k][a];             \
    }                                       \
  }

// Steps from the element at place `rest` of the box, taken apart: `x` along the last axis, the others in two offsets.
#define PLACE(rest, x, out_at, in_at)                          \
  UINDEX x = rest;                                             \
  INDEX out_at = 0, in_at = 0;                                 \
  if (RANK > 1) {                                              \
    UINDEX above = x / shape[RANK - 1];                        \
    x -= above * shape[RANK - 1];                              \
    for (int a = RANK - 2; a >= 0; --a) {                      \
      const UINDEX next = a == 0 ? 0 : above / shape[a];       \
      const INDEX place = (INDEX)(above - next * shape[a]);    \
      out_at += place * out_steps[a];                          \
      in_at += place * in_steps[a];                            \
      above = next;                                            \
    }                                                          \
  }

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) __kernel void join(__global TYPE *out, const long out_first,
                                                                      BOXES(ARGUMENT) const Geometry g) {
  const UINDEX task = (UINDEX)get_group_id(0);
  __global const TYPE *from = in0 + at0;
  UINDEX shape[RANK], at = task, size = (UINDEX)g.size[0];
  INDEX out_steps[RANK], in_steps[RANK], to = 0;
  BOXES(SELECT)
  __global TYPE *target = out + out_first + to;
  at *= TASK;
#if LANES
#pragma unroll
  for (int e = 0; e < TASK / LOCAL; ++e) {
    const UINDEX i = at + (UINDEX)get_local_id(0) + (UINDEX)(e * LOCAL);
    if (i < size) {
      PLACE(i, x, out_at, in_at)
      target[out_at + (INDEX)x * out_steps[RANK - 1]] = from[in_at + (INDEX)x * in_steps[RANK - 1]];
    }
  }
#else
  const INDEX out_step = out_steps[RANK - 1], in_step = in_steps[RANK - 1];
  const UINDEX end = min(size, at + TASK);
  while (at < end) {
    PLACE(at, x, out_at, in_at)
    const UINDEX n = RANK > 1 ? min(end - at, shape[RANK - 1] - x) : end - at;
    __global TYPE *put = target + out_at + (INDEX)x * out_step;
    __global const TYPE *get = from + in_at + (INDEX)x * in_step;
    if (out_step == 1 && in_step == 1) {
      for (UINDEX i = 0; i < n; ++i) put[i] = get[i];
    } else if (out_step == 1 && in_step == 0) {
      const TYPE one = get[0];
      for (UINDEX i = 0; i < n; ++i) put[i] = one;
    } else {
      for (UINDEX i = 0; i < n; ++i) put[(INDEX)i * out_step] = get[(INDEX)i * in_step];
    }
    at += n;
  }
#endif
}
