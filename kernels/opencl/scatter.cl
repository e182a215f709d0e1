// Rows of values stored, or folded by rule 2 of docs/numerics.md, where numbers of cells say. A work-item has one
// element of one row; where there is an order, that of the last row of a cell stores, and that of the first one
// combines all.
//
// The generator (scatter.py) defines, before this text:
//   INDEX, UINDEX   as in pointwise.cl
//   ELEMENT         an unsigned integer of an element's size, or what is folded
//   AXES, ROWS      axes that cells count, and axes of a row, at least 1 each
//   FOLD, EXTREME   1: rows are folded; 1: the best of them and of what is there stays
//   ORDERED         1: there is an order. Rows that are folded have one.
//   COMBINE, NOTHING   of FOLD: of two elements; what combined with anything changes nothing
//   BETTER, FIRST   of EXTREME, after sort_keys.cl: < or >; 1: the last key is the first one
//   BLOCK, LANES    of rule 2

typedef struct {
  INDEX length[AXES], step[AXES], row[ROWS], out[ROWS], in[ROWS], value_step, cell_step;
} Geometry;

#if ORDERED
#define OPERANDS                                                                                  \
  __global ELEMENT *out, const long out_at, __global const ELEMENT *values, const long values_at, \
      __global const long *cells, const long cells_at, __global const long *order, const long order_at
#define PLACE(i) (INDEX) order[order_at + (long)(i)]
#else
#define OPERANDS                                                                                  \
  __global ELEMENT *out, const long out_at, __global const ELEMENT *values, const long values_at, \
      __global const long *cells, const long cells_at
#define PLACE(i) (INDEX)(i)
#endif
#define CELL(i) cells[PLACE(i) * g.cell_step]

#if FOLD
// The fold of n items from `first` on: lanes, then halves. ITEM(k): item k.
#define FOLDED(ITEM)                                                                 \
  ELEMENT lane[LANES];                                                               \
  for (int l = 0; l < LANES; ++l) lane[l] = NOTHING;                                 \
  for (ulong k = 0; k < n; ++k) lane[k % LANES] = COMBINE(lane[k % LANES], ITEM(k)); \
  for (int apart = LANES / 2; apart > 0; apart /= 2) {                               \
    for (int l = 0; l < apart; ++l) lane[l] = COMBINE(lane[l], lane[l + apart]);     \
  }                                                                                  \
  return lane[0];

#define FROM __global const ELEMENT *from, __global const long *order, const ulong first
#define ROW(k) from[(INDEX)order[first + (k)] * value_step]
#define IN_BLOCK(k) fold_rows(from, order, first + (k) * BLOCK, min((ulong)BLOCK, rows - (k) * BLOCK), value_step)
#define IN_BLOCKS(k)                                                                                           \
  fold_blocks(from, order, first + (k) * BLOCK * BLOCK, min((ulong)BLOCK * BLOCK, rows - (k) * BLOCK * BLOCK), \
              value_step)

ELEMENT fold_rows(FROM, const ulong n, const INDEX value_step){FOLDED(ROW)}

ELEMENT fold_blocks(FROM, const ulong rows, const INDEX value_step) {
  const ulong n = (rows + BLOCK - 1) / BLOCK;
  FOLDED(IN_BLOCK)
}

ELEMENT fold_all(FROM, const ulong rows, const INDEX value_step) {
  if (rows == 1) return ROW(0);
  if (rows <= BLOCK) return fold_rows(from, order, first, rows, value_step);
  if (rows <= (ulong)BLOCK * BLOCK) return fold_blocks(from, order, first, rows, value_step);
  const ulong n = (rows + (ulong)BLOCK * BLOCK - 1) / ((ulong)BLOCK * BLOCK);
  FOLDED(IN_BLOCKS)
}
#endif

__kernel void scatter(OPERANDS, Geometry g, const ulong count, const ulong columns) {
  const ulong item = get_global_id(0);
  if (item >= count * columns) return;
  const ulong i = item / columns;
  UINDEX rest = (UINDEX)(item % columns);
  cells += cells_at;
  values += values_at;
  long cell = CELL(i);
  if (cell < 0) return;
#if FOLD || (EXTREME && ORDERED)
  if (i > 0 && CELL(i - 1) == cell) return;
  ulong end = i + 1, high = count;
  while (end < high) {
    const ulong probe = (end + high) / 2;
    if (CELL(probe) == cell) {
      end = probe + 1;
    } else {
      high = probe;
    }
  }
#elif ORDERED
  if (i + 1 < count && CELL(i + 1) == cell) return;
#endif
  long at = out_at;
  for (int a = AXES - 1; a > 0; --a) {
    const long next = cell / g.length[a];
    at += (cell - next * g.length[a]) * g.step[a];
    cell = next;
  }
  if (cell >= g.length[0]) return;
  at += cell * g.step[0];
  for (int a = ROWS - 1; a >= 0; --a) {
    const UINDEX next = a == 0 ? 0 : rest / (UINDEX)g.row[a];
    const INDEX index = (INDEX)(a == 0 ? rest : rest - next * (UINDEX)g.row[a]);
    at += (long)index * g.out[a];
    values += (long)index * g.in[a];
    rest = next;
  }
#if FOLD
  out[at] = COMBINE(out[at], fold_all(values, order + order_at, i, end - i, g.value_step));
#elif EXTREME
  ELEMENT best = out[at];
  KEY its = (KEY)(key_of(best) + FIRST);
#if ORDERED
  for (ulong k = i; k < end; ++k) {
#else
  for (ulong k = i; k <= i; ++k) {
#endif
    const ELEMENT x = values[PLACE(k) * g.value_step];
    const KEY key = (KEY)(key_of(x) + FIRST);
    if (key BETTER its) {
      its = key;
      best = x;
    }
  }
  out[at] = best;
#else
  out[at] = values[PLACE(i) * g.value_step];
#endif
}
