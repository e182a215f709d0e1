// Rows made orthogonal by Jacobi's rotations (docs/numerics.md). A work-group has one matrix, whose rows it keeps in the
// output; teams of as many work-items as there are lanes have a pair of rows each, one element of each lane at a time.
//
// The generator (factor.py) defines what factor.cl says, and
//   PAIRS              1: of complex numbers, whose parts are matrices of their own
//   LANES, BLOCK       of sums
//   TEAMS              of a work-group; ITEMS is TEAMS * LANES
//   SWEEPS             at most
//   TOLERANCE          the largest cosine of rows that are not turned
//   LEAST              the square of the norm of a row below which it is taken for zeros
//   HIGH, LOW, ROOT    of PAIRS: above and below which products are scaled, and the root of the scale
//   hypotenuse(T, T)   of PAIRS

#if PAIRS
#define SUMS 4
typedef struct {
  INDEX out[3], out_im[3], order[3], a[3], a_im[3], b[3], b_im[3];
} Geometry;
#else
#define SUMS 3
typedef struct {
  INDEX out[3], order[3], a[3], b[3];
} Geometry;
#endif

#define AT(x, strides, i, j) x[x##_at + (long)(i) * g.strides[1] + (long)(j) * g.strides[2]]

// Sums of each team's lanes, to its first one. All work-items are here together.
void fold(__local T part[SUMS][TEAMS][LANES], int team, int l) {
  for (int apart = LANES / 2; apart > 0; apart /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int s = 0; l < apart && s < SUMS; ++s) part[s][team][l] += part[s][team][l + apart];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// The larger one; NaN before all numbers.
T larger(T a, T b) { return a != a || a > b ? a : b; }

// The row at a place of the ring that all rows but the first go round in.
INDEX ring(INDEX place, INDEX round, INDEX pairs) {
  const INDEX first = place < round ? place - round + 2 * pairs - 1 : place - round;
  return first < pairs - 1 ? first + 1 : 3 * pairs - 2 - first;
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(
    __global T *out, long out_at,
#if PAIRS
    __global T *out_im, long out_im_at,
#endif
    __global T *beside, long beside_at, __global const T *a, long a_at,
#if PAIRS
    __global const T *a_im, long a_im_at,
#endif
    Geometry g, ulong rows, ulong columns, ulong given) {
  __local T part[SUMS][TEAMS][LANES];
  __local T largest[TEAMS];
  const int l = (int)get_local_id(0) % LANES, team = (int)get_local_id(0) / LANES;
  const INDEX pairs = (INDEX)(rows / 2), n = (INDEX)columns, length = (INDEX)given;
  const long matrix = (long)get_group_id(0);
  out_at += matrix * g.out[0], a_at += matrix * g.a[0], beside_at += matrix * g.order[0];
#if PAIRS
  out_im_at += matrix * g.out_im[0], a_im_at += matrix * g.a_im[0];
#endif
  for (INDEX i = team; i < 2 * pairs; i += TEAMS) {
    for (INDEX j = l; j < n; j += LANES) {
      AT(out, out, i, j) = AT(a, a, i, j);
#if PAIRS
      AT(out_im, out_im, i, j) = AT(a_im, a_im, i, j);
#endif
    }
  }
  const T enough = square_root((T)length) * (T)TOLERANCE;
  T worst = 0;
  for (int sweep = 0; sweep < SWEEPS; ++sweep) {
    worst = 0;
    for (INDEX round = 0; round < 2 * pairs - 1; ++round) {
      barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
      for (INDEX first = 0; first < pairs; first += TEAMS) {
        const INDEX pair = first + team;
        const bool mine = pair < pairs;
        const INDEX p = pair == 0 || !mine ? 0 : ring(pair - 1, round, pairs);
        const INDEX q = mine ? ring(2 * pairs - 2 - pair, round, pairs) : 0;
        T found[SUMS], above[SUMS];
        for (int s = 0; s < SUMS; ++s) above[s] = 0;
        for (INDEX begin = 0, block = 0; begin < length; begin += BLOCK, ++block) {
          T sums[SUMS];
          for (int s = 0; s < SUMS; ++s) sums[s] = 0;
          IN_ORDER for (INDEX i = begin + l; mine && i < min(length, begin + BLOCK); i += LANES) {
            const T x = AT(out, out, p, i), y = AT(out, out, q, i);
#if PAIRS
            const T v = AT(out_im, out_im, p, i), w = AT(out_im, out_im, q, i);
            sums[0] += x * x + v * v, sums[1] += y * y + w * w;
            sums[2] += x * y + v * w, sums[3] += v * y - x * w;
#else
            sums[0] += x * x, sums[1] += y * y, sums[2] += x * y;
#endif
          }
          for (int s = 0; s < SUMS; ++s) part[s][team][l] = sums[s];
          fold(part, team, l);
          for (int s = 0; s < SUMS; ++s) {
            found[s] = part[s][team][0];
            if (l == block % LANES) above[s] += found[s];
          }
          barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (length > BLOCK) {
          for (int s = 0; s < SUMS; ++s) part[s][team][l] = above[s];
          fold(part, team, l);
          for (int s = 0; s < SUMS; ++s) found[s] = part[s][team][0];
          barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (!mine) continue;
        const T size = square_root(found[0]) * square_root(found[1]);
#if PAIRS
        const T product = hypotenuse(found[2], found[3]), magnitude = product;
#else
        const T product = found[2], magnitude = fabs(product);
#endif
        const bool none = found[0] < (T)LEAST || found[1] < (T)LEAST;
        const T cosine = none ? magnitude * 0 : quotient(magnitude, size);
        worst = larger(cosine, worst);
        if (!(cosine > (T)TOLERANCE)) continue;
        const T apart = quotient(found[1] - found[0], product + product);
        const T far = fabs(apart), beside_one = far > (T)0x1.0p60f ? far : square_root(apart * apart + (T)1);
        const T least = quotient((T)1, far + beside_one);
        const T tangent = apart < 0 ? -least : least, c = quotient((T)1, square_root(tangent * tangent + (T)1));
        const T s = tangent * c, tau = quotient(s, c + (T)1);
#if PAIRS
        const T part_size = fmax(fabs(found[2]), fabs(found[3]));
        const T scale = part_size > (T)HIGH ? (T)1 / (T)ROOT : part_size < (T)LOW ? (T)ROOT : (T)1;
        const T re = found[2] * scale * scale, im = found[3] * scale * scale, norm = hypotenuse(re, im);
        const T e = quotient(re, norm), f = quotient(im, norm);
#endif
        for (INDEX j = l; j < n; j += LANES) {
          T x = AT(out, out, p, j), y = AT(out, out, q, j);
#if PAIRS
          const T v = AT(out_im, out_im, p, j), kept = AT(out_im, out_im, q, j);
          const T w = y * f + kept * e;
          y = y * e - kept * f;
          AT(out_im, out_im, p, j) = v - s * (w + tau * v);
          AT(out_im, out_im, q, j) = w + s * (v - tau * w);
#endif
          AT(out, out, p, j) = x - s * (y + tau * x);
          AT(out, out, q, j) = y + s * (x - tau * y);
        }
      }
    }
    if (l == 0) largest[team] = worst;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int other = 0; other < TEAMS; ++other) worst = larger(largest[other], worst);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (!(worst > enough)) break;
  }
  if (get_local_id(0) == 0) AT(beside, order, 0, 0) = worst;
}
