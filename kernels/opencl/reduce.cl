// Reductions in the canonical order of docs/numerics.md, rule 2: blocks of BLOCK elements; lane i % 64 of a block
// takes element i, ascending; the lanes fold in halves. One launch makes one result per block; launches repeat until
// one block is left. This file holds what both geometries share; reduce_lanes.cl or reduce_loops.cl follows it.
//
// The generator (reduce.py) defines, before this text:
//   INDEX, UINDEX            as in pointwise.cl
//   IN, ACC, OUT             storage type, accumulator, result (OUT is ACC where block results are reduced further)
//   LOAD                     which of LOAD_SAME, LOAD_FLOAT16… below; what it names besides
//   COMBINE(a, b), IDENTITY  of scalars and of vectors; for INDEXED, BEFORE(a, b): whether key a beats key b
//   EMPTY                    the result of no elements
//   finish(ACC) -> OUT
//   INDEXED                  1: argmax and argmin, whose result is the place of the best key
//   LOOKUP                   1: a later launch of those: the place chosen among blocks names the element in `places`
//   LAST                     1: one block is left, and results go to the output's strides
//   KEPT, REDUCED            number of kept and of reduced axes, each at least 1
//   WHOLE                    1: an output's blocks, several of them, are folded in the same launch
//   PACKED                   elements of an output where neighbouring outputs follow each other, else 0
//   ACCESS_ROWS, ACCESS_COLUMNS, LANES, ACROSS, OUTPUTS   see the geometries
//
// Minimum and maximum work on keys: integers in the order of the values, with -0 below +0 and every NaN beyond all
// numbers (at the end that wins). So they are exact, free of order, and no device's own min or max is trusted.

typedef struct {
  INDEX kept_shape[KEPT];
  INDEX kept_in[KEPT];
  INDEX kept_out[KEPT];
  INDEX reduced_shape[REDUCED];
  INDEX reduced_in[REDUCED];
} Geometry;

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define LOAD_SAME(N) return x;

// float16 to float32 by integer operations; subnormals become normal by one exact subtraction.
#define LOAD_FLOAT16(N)                                                                   \
  const uint##N bits = convert_uint##N(x);                                                \
  const uint##N shifted = (bits & 0x7fffu) << 13;                                         \
  const uint##N tiny = as_uint##N(as_float##N(shifted + (113u << 23)) - 0x1p-14f);        \
  const uint##N finite = shifted < (0x0400u << 13) ? tiny : shifted + (112u << 23);       \
  const uint##N magnitude = shifted >= (0x7c00u << 13) ? shifted + (224u << 23) : finite; \
  return as_float##N(magnitude | ((bits & 0x8000u) << 16));

#define LOAD_BFLOAT16(N) return as_float##N(convert_uint##N(x) << 16);

// Sums and products of integers are computed modulo 2^32 or 2^64. WIDE has ACC's width and IN's sign.
#define LOAD_INTEGER(N) return JOIN(JOIN(as_, ACC), N)(JOIN(JOIN(convert_, WIDE), N)(x));

// 1 where any bit of MAGNITUDE is set: a float's sign bit does not count.
#define LOAD_TRUTH(N) return convert_int##N((x & (IN)MAGNITUDE) != (IN)0) & 1;

#define LOAD_KEY_INTEGER(N) return JOIN(JOIN(convert_, ACC), N)(x);
#define LOAD_KEY_FLIPPED(N) return JOIN(JOIN(as_, ACC), N)(x ^ SIGN);

// IN is the signed integer of the float's bits. argmax and argmin take -0 and +0 for equal: ZERO_KEY is the key -0
// gets.
#define LOAD_KEY_FLOAT(N)                                                        \
  const JOIN(ACC, N) bits = JOIN(JOIN(convert_, ACC), N)(x);                     \
  const JOIN(ACC, N) key = bits ^ ((bits >> (ACC_BITS - 1)) & (ACC)MAGNITUDE);   \
  const JOIN(ACC, N) number = key == (ACC)(-1) ? (JOIN(ACC, N))(ZERO_KEY) : key; \
  return (bits & (ACC)MAGNITUDE) > (ACC)INFINITE ? (JOIN(ACC, N))(NAN_KEY) : number;

#define LOADER(N) \
  static inline JOIN(ACC, N) load##N(const JOIN(IN, N) x) { JOIN(LOAD_, LOAD)(N) }

// Element `place` of a sequence of rows: the offset of its place along axes walked row-major.
static inline INDEX offset_of(UINDEX place, const INDEX *shape, const INDEX *strides, const int axes) {
  INDEX offset = 0;
  for (int axis = axes - 1; axis > 0; --axis) {
    const UINDEX length = (UINDEX)shape[axis];
    offset += (INDEX)(place % length) * strides[axis];
    place /= length;
  }
  return offset + (INDEX)place * strides[0];
}

#if INDEXED
#define ARGUMENTS                                                                                       \
  __global OUT *out, const long at, __global const IN *in, const long in_at, __global long *places_out, \
      const long places_out_at, __global const long *places, const long places_at, const Geometry g,    \
      const ulong count, const ulong blocks, const ulong outputs
#else
#define ARGUMENTS                                                                                                 \
  __global OUT *out, const long at, __global const IN *in, const long in_at, const Geometry g, const ulong count, \
      const ulong blocks, const ulong outputs
#endif

// The block's result goes to the output, or to place [output][block] of the next launch's input.
#if INDEXED
#if LOOKUP
#define ELEMENT places[places_at + output * count + block * BLOCK + (ulong)place]
#else
#define ELEMENT (long)(block * BLOCK + (ulong)place)
#endif
#if LAST
#define STORE(key, place) out[at + offset_of((UINDEX)output, g.kept_shape, g.kept_out, KEPT)] = ELEMENT
#else
#define STORE(key, place)                  \
  out[at + output * blocks + block] = key; \
  places_out[places_out_at + output * blocks + block] = ELEMENT
#endif
#elif LAST
#define STORE(value, place) \
  out[at + offset_of((UINDEX)output, g.kept_shape, g.kept_out, KEPT)] = finish(count == 0 ? (ACC)(EMPTY) : (value))
#else
#define STORE(value, place) out[at + output * blocks + block] = (value)
#endif

// Lane state: `lane` alone, or a key and the number of the row that it came from (its type is ACC, an integer).
#if INDEXED
#define TAKE(lane, row, value, its_row)                                                    \
  {                                                                                        \
    const MASK better = BEFORE(value, lane) | (((value) == (lane)) & ((its_row) < (row))); \
    (lane) = better ? (value) : (lane);                                                    \
    (row) = better ? (its_row) : (row);                                                    \
  }
#define NOWHERE ((ACC)0x7fffffff)
#else
#define TAKE(lane, row, value, its_row) (lane) = COMBINE(lane, value)
#endif
