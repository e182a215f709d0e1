// Factorisations of blocks of complex numbers, whose parts are matrices of their own: factor.cl in pairs. What is one
// fma of real numbers is four (docs/numerics.md, rule 7). The generator defines what factor.cl says.

typedef struct {
  // strides: from matrix to matrix, from row to row, along a row
  INDEX out[3], out_im[3], order[3], a[3], a_im[3], b[3], b_im[3];
} Geometry;

typedef struct {
  T re, im;
} Pair;

typedef struct {
  T ratio, size;
  bool turned;
} Divisor;

#define AT(x, strides, i, j) x[x##_at + (long)(i) * g.strides[1] + (long)(j) * g.strides[2]]
#define PAIR(x, strides, i, j) ((Pair){AT(x, strides, i, j), AT(x##_im, strides##_im, i, j)})
#define STORE(x, strides, i, j, value)                                         \
  do {                                                                         \
    const Pair kept_ = (value);                                                \
    AT(x, strides, i, j) = kept_.re, AT(x##_im, strides##_im, i, j) = kept_.im; \
  } while (0)
#define OPERAND(what, x) what x, long x##_at, what x##_im, long x##_im_at
#define MOVE(x, strides, matrix) x##_at += (matrix) * g.strides[0], x##_im_at += (matrix) * g.strides##_im[0]

// c + a * b, the number a being [[re, -im], [im, re]]
Pair plus(Pair a, Pair b, Pair c) {
  return (Pair){fma(-a.im, b.im, fma(a.re, b.re, c.re)), fma(a.re, b.im, fma(a.im, b.re, c.im))};
}

Pair minus(Pair a) { return (Pair){-a.re, -a.im}; }

// Both are turned by -i where the divisor's imaginary part is the larger one, so that the quotient of its parts is
// small.
Divisor divisor_of(Pair x) {
  const bool turned = fabs(x.im) > fabs(x.re);
  const T first = turned ? x.im : x.re, second = turned ? -x.re : x.im, ratio = quotient(second, first);
  return (Divisor){ratio, fma(second, ratio, first), turned};
}

Pair over(Pair x, Divisor by) {
  const T a = by.turned ? x.im : x.re, b = by.turned ? -x.re : x.im;
  return (Pair){quotient(fma(b, by.ratio, a), by.size), quotient(fma(-a, by.ratio, b), by.size)};
}

#if CHOLESKY
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(OPERAND(__global T *, out),
                                                                        OPERAND(__global const T *, a), Geometry g,
                                                                        ulong n) {
  __local Pair block[FACTOR][FACTOR + 1];
  const int i = (int)get_local_id(0), rows = (int)n, mine = i < rows;
  const long matrix = (long)get_group_id(0);
  MOVE(out, out, matrix);
  MOVE(a, a, matrix);
  for (int k = 0; mine && k <= i; ++k) block[i][k] = PAIR(a, a, i, k);
  for (int k = 0; k < rows; ++k) {
    barrier(CLK_LOCAL_MEM_FENCE);
    const T root = square_root(block[k][k].re);
    Pair l = {root, 0};
    if (mine && i > k) l = (Pair){quotient(block[i][k].re, root), quotient(block[i][k].im, root)};
    barrier(CLK_LOCAL_MEM_FENCE);
    if (mine && i >= k) block[i][k] = l;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = k + 1; mine && j <= i; ++j) {
      const Pair other = block[j][k];
      block[i][j] = plus(l, (Pair){-other.re, other.im}, block[i][j]);
    }
  }
  for (int k = 0; mine && k < rows; ++k) {
    Pair l = {0, 0};
    if (k <= i) l = block[i][k];
    STORE(out, out, i, k, l);
  }
}
#endif

#if LU
// Each work-item has the rows of its number, of that plus ITEMS, and so on; they are kept in the output.
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(OPERAND(__global T *, out),
                                                                        __global long *order, long order_at,
                                                                        OPERAND(__global const T *, a), Geometry g,
                                                                        ulong rows, ulong columns) {
  __local BITS best[ITEMS];
  __local INDEX place[ITEMS];
  const INDEX l = (INDEX)get_local_id(0), m = (INDEX)rows, n = (INDEX)columns;
  const long matrix = (long)get_group_id(0);
  MOVE(out, out, matrix);
  MOVE(a, a, matrix);
  order_at += matrix * g.order[0];
  for (INDEX i = l; i < m; i += ITEMS) {
    for (INDEX j = 0; j < n; ++j) STORE(out, out, i, j, PAIR(a, a, i, j));
    AT(order, order, i, 0) = i;
  }
  for (INDEX k = 0; k < min(m, n); ++k) {
    BITS most = 0;
    INDEX where = m;  // none yet
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i < k) continue;
      const Pair x = PAIR(out, out, i, k);
      const T size = fabs(x.re) + fabs(x.im);
      const BITS mine = size == size ? as_bits(size) : (BITS)MAGNITUDE;
      if (where == m || mine > most) most = mine, where = i;
    }
    best[l] = most, place[l] = where;
    for (int apart = ITEMS / 2; apart > 0; apart /= 2) {
      barrier(CLK_LOCAL_MEM_FENCE);
      if (l < apart) {
        const BITS other = best[l + apart];
        const INDEX its = place[l + apart];
        const bool first = other == best[l] && its < place[l];
        if (its < m && (place[l] == m || other > best[l] || first)) best[l] = other, place[l] = its;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    const INDEX p = place[0];
    if (p != k) {
      for (INDEX j = l; j < n; j += ITEMS) {
        const Pair kept = PAIR(out, out, k, j);
        STORE(out, out, k, j, PAIR(out, out, p, j));
        STORE(out, out, p, j, kept);
      }
      if (l == 0) {
        const long kept = AT(order, order, k, 0);
        AT(order, order, k, 0) = AT(order, order, p, 0);
        AT(order, order, p, 0) = kept;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    const Pair pivot = PAIR(out, out, k, k);
    const bool some = pivot.re != 0 || pivot.im != 0;
    const Divisor by = divisor_of(pivot);
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i <= k) continue;
      Pair factor = PAIR(out, out, i, k);
      if (some) factor = over(factor, by);
      STORE(out, out, i, k, factor);
      for (INDEX j = k + 1; j < n; ++j) {
        STORE(out, out, i, j, plus(factor, minus(PAIR(out, out, k, j)), PAIR(out, out, i, j)));
      }
    }
  }
}
#endif

#if QR
// Sums of columns [from, to) of part over the lanes, to its first one.
void fold(__local T part[FACTOR][ITEMS], int l, int from, int to) {
  for (int apart = ITEMS / 2; apart > 0; apart /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int t = l; t < (to - from) * apart; t += ITEMS) {
      part[from + t / apart][t % apart] += part[from + t / apart][t % apart + apart];
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// sums[part][j], one part of -tau times the products of the vector of column k and column j. It is text, as Intel's CPU
// runtime computes other numbers in a loop over parts around the barriers.
#define PRODUCTS(which, product)                                        \
  do {                                                                  \
    for (int j = k + 1; j < n; ++j) {                                   \
      sum = 0;                                                          \
      for (INDEX i = l; i < end; i += ITEMS) {                          \
        Pair v = {i == k, 0}, x = {0, 0};                               \
        if (i > k && i < m) v = PAIR(out, out, i, k);                   \
        if (i < m) x = PAIR(out, out, i, j);                            \
        sum = product;                                                  \
      }                                                                 \
      part[j][l] = sum;                                                 \
    }                                                                   \
    fold(part, (int)l, k + 1, n);                                       \
    for (int j = k + 1 + (int)l; j < n; j += ITEMS) sums[which][j] = -(tau * part[j][0]); \
    barrier(CLK_LOCAL_MEM_FENCE);                                       \
  } while (0)

// Work-item l has the rows of lane l, and keeps them in the output. Rows beyond m are zeros.
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(OPERAND(__global T *, out),
                                                                        __global T *beside, long beside_at,
                                                                        OPERAND(__global const T *, a), Geometry g,
                                                                        ulong rows, ulong columns) {
  __local T part[FACTOR][ITEMS];
  __local T sums[2][FACTOR];
  __local Pair diagonal;
  const INDEX l = (INDEX)get_local_id(0), m = (INDEX)rows, end = (m + ITEMS - 1) / ITEMS * ITEMS;
  const int n = (int)columns;
  const long matrix = (long)get_group_id(0);
  MOVE(out, out, matrix);
  MOVE(a, a, matrix);
  beside_at += matrix * g.order[0];
  for (INDEX i = l; i < m; i += ITEMS) {
    for (int j = 0; j < n; ++j) STORE(out, out, i, j, PAIR(a, a, i, j));
  }
  for (int k = 0; k < n; ++k) {
    T sum = 0;
    for (INDEX i = l; i < end; i += ITEMS) {
      Pair v = {0, 0};
      if (i > k && i < m) v = PAIR(out, out, i, k);
      sum = fma(v.im, v.im, fma(v.re, v.re, sum));
    }
    part[k][l] = sum;
    if (l == k % ITEMS) diagonal = PAIR(out, out, k, k);
    fold(part, (int)l, k, k + 1);
    const T total = part[k][0], re = diagonal.re, im = diagonal.im, square = fma(im, im, re * re);
    const T head = square_root(square), norm = square_root(square + total), size = head + norm;
    T e = 1, f = 0;
    if (head != 0) e = quotient(re, head), f = quotient(im, head);
    const T tau = total == 0 ? (T)0 : quotient(size, norm);
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i > k) {
        const Pair x = PAIR(out, out, i, k);
        Pair v = {quotient(fma(x.im, f, x.re * e), size), quotient(fma(-x.re, f, x.im * e), size)};
        if (total == 0) v = (Pair){0, 0};
        STORE(out, out, i, k, v);
      }
      if (i == k && total != 0) STORE(out, out, k, k, ((Pair){-(e * norm), -(f * norm)}));
    }
    if (l == 0) AT(beside, order, k, 0) = tau;
    PRODUCTS(0, fma(v.im, x.im, fma(v.re, x.re, sum)));
    PRODUCTS(1, fma(v.re, x.im, fma(-v.im, x.re, sum)));
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i < k || total == 0) continue;
      Pair v = {1, 0};
      if (i != k) v = PAIR(out, out, i, k);
      for (int j = k + 1; j < n; ++j) {
        STORE(out, out, i, j, plus(v, (Pair){sums[0][j], sums[1][j]}, PAIR(out, out, i, j)));
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
#endif

#if SOLVE
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(OPERAND(__global T *, out),
                                                                        OPERAND(__global const T *, a),
                                                                        OPERAND(__global const T *, b), Geometry g,
                                                                        ulong n, ulong columns, ulong tiles) {
  __local Pair triangle[FACTOR][FACTOR];
  __local Pair x[FACTOR][ITEMS];
  const int l = (int)get_local_id(0), rows = (int)n;
  const ulong group = get_group_id(0), column = group % tiles * ITEMS + (ulong)l;
  const long matrix = (long)(group / tiles);
  MOVE(out, out, matrix);
  MOVE(a, a, matrix);
  MOVE(b, b, matrix);
  for (int i = l; i < rows; i += ITEMS) {
    for (int k = 0; k < i + 1 - UNIT; ++k) triangle[i][k] = PAIR(a, a, i, k);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; column < columns && i < rows; ++i) {
    Pair sum = PAIR(b, b, i, column);
    for (int k = 0; k < i; ++k) sum = plus(minus(triangle[i][k]), x[k][l], sum);
#if !UNIT
    sum = over(sum, divisor_of(triangle[i][i]));
#endif
    x[i][l] = sum;
    STORE(out, out, i, column, sum);
  }
}
#endif
