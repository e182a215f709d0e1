// Vectors of VECTOR elements of T, for kernels of CPU devices; their generators define both. VECTOR 1: there are none.

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define VLOAD JOIN(vload, VECTOR)
#define VSTORE JOIN(vstore, VECTOR)

#if VECTOR > 1

typedef JOIN(T, VECTOR) Vector;

// The first halves of two vectors, and the second ones, element by element in turn. Written by components, rather than
// element by element, it stays one instruction.
static inline Vector zip_low(Vector a, Vector b) {
  Vector all;
  all.even = a.lo;
  all.odd = b.lo;
  return all;
}
static inline Vector zip_high(Vector a, Vector b) {
  Vector all;
  all.even = a.hi;
  all.odd = b.hi;
  return all;
}

// COLUMN(0) to COLUMN(VECTOR - 1), vectors of as many elements: made rows, which begin `width` after one another. Each
// round takes the vectors of one half in turn with those of the other, which exchanges rows and columns after all.
// Rounds are a loop: unrolled, they are a third of what attention takes to compile, and no faster.
#define TURN(COLUMN, to, width)                                                             \
  {                                                                                         \
    Vector x[VECTOR], y[VECTOR];                                                            \
    _Pragma("unroll") for (int i = 0; i < VECTOR; ++i) x[i] = COLUMN(i);                    \
    _Pragma("unroll 1") for (int round = 1; round < VECTOR; round *= 2) {                   \
      _Pragma("unroll") for (int i = 0; i < VECTOR / 2; ++i) {                              \
        y[2 * i] = zip_low(x[i], x[i + VECTOR / 2]);                                        \
        y[2 * i + 1] = zip_high(x[i], x[i + VECTOR / 2]);                                   \
      }                                                                                     \
      _Pragma("unroll") for (int i = 0; i < VECTOR; ++i) x[i] = y[i];                       \
    }                                                                                       \
    _Pragma("unroll") for (int i = 0; i < VECTOR; ++i) VSTORE(x[i], 0, (to) + i * (width)); \
  }

#endif
