// Places of values in a sorted vector by halving, always with the same lengths (docs/numerics.md).
//
// The generator (search.py) defines, before this text:
//   INDEX, UINDEX    int and uint, or long and ulong where an offset or a length needs 64 bits
//   KEY and the rest of sort_keys.cl, whose text comes before this one
//   RIGHT            1: places behind equal elements
//   RANK             axes of the values, at least 1
//   EACH             values of a work-item, which follow one another

typedef struct {
  INDEX shape[RANK], out[RANK], values[RANK], length, step;
} Geometry;

// A key by which -0 and +0 are equal.
static inline KEY search_key(const KEY bits) {
#if INFINITE
  return key_of(bits == (KEY)SIGN ? (KEY)0 : bits);
#else
  return key_of(bits);
#endif
}

static inline INDEX is_before(const KEY element, const KEY value) {
#if RIGHT
  return element <= value ? 1 : 0;
#else
  return element < value ? 1 : 0;
#endif
}

__kernel void search(__global long *out, const long out_at, __global const KEY *in, const long in_at,
                     __global const KEY *values, const long values_at, const Geometry g, const ulong total) {
  __global const KEY *vector = in + in_at;
  ulong at = get_global_id(0) * EACH;
  const ulong end = min(at + EACH, total);
  for (; at < end; ++at) {
    UINDEX rest = (UINDEX)at;
    INDEX to = 0, from = 0;
    for (int axis = RANK - 1; axis >= 0; --axis) {
      const UINDEX next = axis == 0 ? 0 : rest / (UINDEX)g.shape[axis];
      const INDEX place = (INDEX)(rest - next * (UINDEX)g.shape[axis]);
      to += place * g.out[axis];
      from += place * g.values[axis];
      rest = next;
    }
    const KEY value = search_key(values[values_at + from]);
    INDEX low = 0, length = g.length;
    while (length > 1) {
      const INDEX lower = length / 2;
      low += lower * is_before(search_key(vector[(low + lower - 1) * g.step]), value);
      length -= lower;
    }
    if (length == 1) low += is_before(search_key(vector[low * g.step]), value);
    out[out_at + to] = low;
  }
}
