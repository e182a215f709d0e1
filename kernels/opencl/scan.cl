// Scans in the canonical order of docs/numerics.md, rule 5: groups of 16 elements by a fixed tree, and what comes before
// a group from the totals of groups, by digits of its number to the base 16. One launch makes totals of blocks, the next
// scans the blocks after them. This file holds what both geometries share; scan_lanes.cl or scan_loops.cl follows it.
//
// The generator (scan.py) defines, before this text:
//   INDEX, UINDEX      as in pointwise.cl
//   IN, ACC, OUT       types of the input's elements as stored, of accumulators, and of the output's elements
//   widen(IN) -> ACC, combine(ACC, ACC) -> ACC, finish(ACC) -> OUT
//   FIRST              the identity as the output has it
//   KEPT               number of kept axes, at least 1
//   TOTALS             1: the output is each block's total
//   BEFORE             0: there is one block; 1: `before` has the blocks' totals; 2: it has what comes before each block
//   EXCLUSIVE          1: results do not include their own element; the first is not written
//   LEVELS, LANES, ROWS  see the geometries

typedef struct {
  INDEX kept_shape[KEPT];
  INDEX kept_in[KEPT];
  INDEX kept_out[KEPT];
  INDEX kept_before[KEPT];
  INDEX step_in, step_out, step_before;
  INDEX initial;  // 1: a row of the output has the identity before its first result
} Geometry;

static inline INDEX offset_of(UINDEX place, const INDEX *shape, const INDEX *strides) {
  INDEX offset = 0;
  for (int axis = KEPT - 1; axis > 0; --axis) {
    const UINDEX length = (UINDEX)shape[axis];
    offset += (INDEX)(place % length) * strides[axis];
    place /= length;
  }
  return offset + (INDEX)place * strides[0];
}

#if BEFORE
#define ARGUMENTS                                                                                                   \
  __global OUT *out, const long out_at, __global const IN *in, const long in_at, __global const ACC *before_blocks, \
      const long before_at, const Geometry g, const ulong n, const ulong width, const ulong blocks, const ulong rows
#else
#define ARGUMENTS                                                                                                    \
  __global OUT *out, const long out_at, __global const IN *in, const long in_at, const Geometry g, const ulong n, \
      const ulong width, const ulong blocks, const ulong rows
#endif

// A group by its tree: each element whose number has the bit `step` takes the total of the `step` before its own.
static inline void tree(ACC x[16]) {
#pragma unroll
  for (int step = 1; step < 16; step *= 2) {
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      if (j & step) x[j] = combine(x[(j & ~(2 * step - 1)) + step - 1], x[j]);
    }
  }
}
