// Rows of values stored, or folded by rule 2 of docs/numerics.md, where numbers of cells say. A work-item has one
// element of one row; where rows go in the order of their cells, that of the last row of a cell stores, and that of the
// first one combines all.
//
// The generator (scatter.py) defines, before this text:
//   INDEX, UINDEX   as in pointwise.cl
//   ELEMENT         an unsigned integer of an element's size, or what is folded
//   AXES, ROWS      axes that cells count, and axes of a row, at least 1 each
//   FOLD, EXTREME   1: rows are folded; 1: the best of them and of what is there stays
//   ORDERED         1: there is an order, which sorts the cells
//   SORTED          1: there is one, or cells are in order. Where rows are folded, it is 1.
//   SOURCED         1: row i is that of the values at source i, from the end for one below 0; zeros where there is none
//   COMBINE, NOTHING   of FOLD: of two elements; what combined with anything changes nothing
//   BETTER, FIRST   of EXTREME, after sort_keys.cl: < or >; 1: the last key is the first one
//   BLOCK, LANES    of rule 2

typedef struct {
  INDEX length[AXES], step[AXES], row[ROWS], out[ROWS], in[ROWS], value_step, cell_step, source_step, held;
} Geometry;

#if ORDERED
#define ORDER , __global const long *order, const long order_at
#define PLACE(i) (INDEX) order[order_at + (long)(i)]
#else
#define ORDER
#define PLACE(i) (INDEX)(i)
#endif
#if SOURCED
#define SOURCES , __global const long *sources, const long sources_at
#else
#define SOURCES
#endif
#define OPERANDS                                                                                  \
  __global ELEMENT *out, const long out_at, __global const ELEMENT *values, const long values_at, \
      __global const long *cells, const long cells_at ORDER SOURCES
#define CELL(i) cells[PLACE(i) * g.cell_step]

// One element of each row, in the order of the cells; `from`: that of the first of the values.
typedef struct {
  __global const ELEMENT *from;
#if ORDERED
  __global const long *order;
#endif
#if SOURCED
  __global const long *sources;
  INDEX source_step, held;
#endif
  INDEX step;
} Rows;

ELEMENT row_of(const Rows *rows, const ulong i) {
#if ORDERED
  const INDEX place = (INDEX)rows->order[i];
#else
  const INDEX place = (INDEX)i;
#endif
#if SOURCED
  long source = rows->sources[place * rows->source_step];
  source += source < 0 ? (long)rows->held : 0;
  return source >= 0 && source < rows->held ? rows->from[(INDEX)source * rows->step] : (ELEMENT)0;
#else
  return rows->from[place * rows->step];
#endif
}

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

#define ROW(k) row_of(rows, first + (k))
#define IN_BLOCK(k) fold_rows(rows, first + (k) * BLOCK, min((ulong)BLOCK, count - (k) * BLOCK))
#define IN_BLOCKS(k) \
  fold_blocks(rows, first + (k) * BLOCK * BLOCK, min((ulong)BLOCK * BLOCK, count - (k) * BLOCK * BLOCK))

ELEMENT fold_rows(const Rows *rows, const ulong first, const ulong n){FOLDED(ROW)}

ELEMENT fold_blocks(const Rows *rows, const ulong first, const ulong count) {
  const ulong n = (count + BLOCK - 1) / BLOCK;
  FOLDED(IN_BLOCK)
}

ELEMENT fold_all(const Rows *rows, const ulong first, const ulong count) {
  if (count == 1) return ROW(0);
  if (count <= BLOCK) return fold_rows(rows, first, count);
  if (count <= (ulong)BLOCK * BLOCK) return fold_blocks(rows, first, count);
  const ulong n = (count + (ulong)BLOCK * BLOCK - 1) / ((ulong)BLOCK * BLOCK);
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
#if FOLD || (EXTREME && SORTED)
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
#elif SORTED
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
  Rows rows;
  rows.from = values;
  rows.step = g.value_step;
#if ORDERED
  rows.order = order + order_at;
#endif
#if SOURCED
  rows.sources = sources + sources_at;
  rows.source_step = g.source_step;
  rows.held = g.held;
#endif
#if FOLD
  out[at] = COMBINE(out[at], fold_all(&rows, i, end - i));
#elif EXTREME
  ELEMENT best = out[at];
  KEY its = (KEY)(key_of(best) + FIRST);
#if SORTED
  for (ulong k = i; k < end; ++k) {
#else
  for (ulong k = i; k <= i; ++k) {
#endif
    const ELEMENT x = row_of(&rows, k);
    const KEY key = (KEY)(key_of(x) + FIRST);
    if (key BETTER its) {
      its = key;
      best = x;
    }
  }
  out[at] = best;
#else
  out[at] = row_of(&rows, i);
#endif
}
