// Factorisations of blocks of FACTOR columns at most (docs/numerics.md): every element is one chain of fma over
// ascending k, and then a quotient or a root. One work-group has a block, or some right-hand sides.
//
// The generator (factor.py) defines, before this text:
//   INDEX, UINDEX    as in pointwise.cl
//   T, BITS          type of an element; unsigned integers of its width
//   MAGNITUDE        all bits but the sign's
//   FACTOR           columns of a block at most
//   ITEMS            work-items of a work-group; of CHOLESKY as many as FACTOR, of QR as many as there are lanes
//   CHOLESKY, LU, QR, SOLVE   one of them is 1; UNIT: as if the triangle's diagonal were 1
//   square_root(T), quotient(T, T)

typedef struct {
  INDEX out[3], order[3], a[3], b[3];  // strides: from matrix to matrix, from row to row, along a row
} Geometry;

#define AT(x, strides, i, j) x[x##_at + (long)(i) * g.strides[1] + (long)(j) * g.strides[2]]

#if CHOLESKY
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(__global T *out, long out_at,
                                                                        __global const T *a, long a_at, Geometry g,
                                                                        ulong n) {
  __local T block[FACTOR][FACTOR + 1];
  const int i = (int)get_local_id(0), rows = (int)n, mine = i < rows;
  out_at += (long)get_group_id(0) * g.out[0], a_at += (long)get_group_id(0) * g.a[0];
  for (int k = 0; mine && k <= i; ++k) block[i][k] = AT(a, a, i, k);
  for (int k = 0; k < rows; ++k) {
    barrier(CLK_LOCAL_MEM_FENCE);
    const T root = square_root(block[k][k]);
    const T l = mine && i > k ? quotient(block[i][k], root) : root;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (mine && i >= k) block[i][k] = l;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = k + 1; mine && j <= i; ++j) block[i][j] = fma(-l, block[j][k], block[i][j]);
  }
  for (int k = 0; mine && k < rows; ++k) AT(out, out, i, k) = k <= i ? block[i][k] : (T)0;
}
#endif

#if LU
// Each work-item has the rows of its number, of that plus ITEMS, and so on; they are kept in the output.
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(__global T *out, long out_at,
                                                                        __global long *order, long order_at,
                                                                        __global const T *a, long a_at, Geometry g,
                                                                        ulong rows, ulong columns) {
  __local BITS best[ITEMS];
  __local INDEX place[ITEMS];
  const INDEX l = (INDEX)get_local_id(0), m = (INDEX)rows, n = (INDEX)columns;
  out_at += (long)get_group_id(0) * g.out[0], a_at += (long)get_group_id(0) * g.a[0];
  order_at += (long)get_group_id(0) * g.order[0];
  for (INDEX i = l; i < m; i += ITEMS) {
    for (INDEX j = 0; j < n; ++j) AT(out, out, i, j) = AT(a, a, i, j);
    AT(order, order, i, 0) = i;
  }
  for (INDEX k = 0; k < min(m, n); ++k) {
    BITS most = 0;
    INDEX where = m;  // none yet
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i < k) continue;
      const BITS mine = as_bits(AT(out, out, i, k)) & (BITS)MAGNITUDE;
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
        const T kept = AT(out, out, k, j);
        AT(out, out, k, j) = AT(out, out, p, j);
        AT(out, out, p, j) = kept;
      }
      if (l == 0) {
        const long kept = AT(order, order, k, 0);
        AT(order, order, k, 0) = AT(order, order, p, 0);
        AT(order, order, p, 0) = kept;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    const T pivot = AT(out, out, k, k);
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i <= k) continue;
      T factor = AT(out, out, i, k);
      if (pivot != 0) factor = quotient(factor, pivot);
      AT(out, out, i, k) = factor;
      for (INDEX j = k + 1; j < n; ++j) AT(out, out, i, j) = fma(-factor, AT(out, out, k, j), AT(out, out, i, j));
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

// Work-item l has the rows of lane l, and keeps them in the output. Rows beyond m are zeros.
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(__global T *out, long out_at,
                                                                        __global T *beside, long beside_at,
                                                                        __global const T *a, long a_at, Geometry g,
                                                                        ulong rows, ulong columns) {
  __local T part[FACTOR][ITEMS];
  __local T diagonal;
  const INDEX l = (INDEX)get_local_id(0), m = (INDEX)rows, end = (m + ITEMS - 1) / ITEMS * ITEMS;
  const int n = (int)columns;
  out_at += (long)get_group_id(0) * g.out[0], a_at += (long)get_group_id(0) * g.a[0];
  beside_at += (long)get_group_id(0) * g.order[0];
  for (INDEX i = l; i < m; i += ITEMS) {
    for (int j = 0; j < n; ++j) AT(out, out, i, j) = AT(a, a, i, j);
  }
  for (int k = 0; k < n; ++k) {
    T sum = 0;
    for (INDEX i = l; i < end; i += ITEMS) {
      const T v = i > k && i < m ? AT(out, out, i, k) : (T)0;
      sum = fma(v, v, sum);
    }
    part[k][l] = sum;
    if (l == k % ITEMS) diagonal = AT(out, out, k, k);
    fold(part, (int)l, k, k + 1);
    const T size = part[k][0], head = diagonal;
    const T norm = square_root(fma(head, head, size)), top = head < 0 ? norm : -norm, divisor = head - top;
    const T tau = size == 0 ? (T)0 : quotient(divisor, -top);
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i > k) AT(out, out, i, k) = size == 0 ? (T)0 : quotient(AT(out, out, i, k), divisor);
      if (i == k && size != 0) AT(out, out, k, k) = top;
    }
    if (l == 0) AT(beside, order, k, 0) = tau;
    for (int j = k + 1; j < n; ++j) {
      sum = 0;
      for (INDEX i = l; i < end; i += ITEMS) {
        const T v = i == k ? (T)1 : i > k && i < m ? AT(out, out, i, k) : (T)0;
        sum = fma(v, i < m ? AT(out, out, i, j) : (T)0, sum);
      }
      part[j][l] = sum;
    }
    fold(part, (int)l, k + 1, n);
    for (INDEX i = l; i < m; i += ITEMS) {
      if (i < k || size == 0) continue;
      const T v = i == k ? (T)1 : AT(out, out, i, k);
      for (int j = k + 1; j < n; ++j) {
        const T product = tau * part[j][0];
        AT(out, out, i, j) = fma(v, -product, AT(out, out, i, j));
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
#endif

#if SOLVE
__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void factor(__global T *out, long out_at,
                                                                        __global const T *a, long a_at,
                                                                        __global const T *b, long b_at, Geometry g,
                                                                        ulong n, ulong columns, ulong tiles) {
  __local T triangle[FACTOR][FACTOR];
  __local T x[FACTOR][ITEMS];
  const int l = (int)get_local_id(0), rows = (int)n;
  const ulong group = get_group_id(0), column = group % tiles * ITEMS + (ulong)l;
  const long matrix = (long)(group / tiles);
  out_at += matrix * g.out[0], a_at += matrix * g.a[0], b_at += matrix * g.b[0];
  for (int i = l; i < rows; i += ITEMS) {
    for (int k = 0; k < i + 1 - UNIT; ++k) triangle[i][k] = AT(a, a, i, k);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; column < columns && i < rows; ++i) {
    T sum = AT(b, b, i, column);
    for (int k = 0; k < i; ++k) sum = fma(-triangle[i][k], x[k][l], sum);
#if !UNIT
    sum = quotient(sum, triangle[i][i]);
#endif
    x[i][l] = sum;
    AT(out, out, i, column) = sum;
  }
}
#endif
