// Rows of values stored, or folded by rule 2 of docs/numerics.md, where numbers of cells say. Where rows go in the
// order of their cells, the last row of a cell is stored, and all of them are combined where the first one is.
//
// The generator (scatter.py) defines, before this text:
//   INDEX, UINDEX   as in pointwise.cl
//   ELEMENT         an unsigned integer of an element's size, or what is folded
//   EACH, VECTOR    elements of a vector, 1 or 16, and its type
//   PARTS           vectors of neighbouring elements of a row that are taken at once
//   AXES, ROWS      axes that cells count, and axes of a row, at least 1 each
//   FOLD, EXTREME   1: rows are folded; 1: the best of them and of what is there stays
//   ORDERED         1: there is an order, which sorts the cells
//   SORTED          1: there is one, or cells are in order. Where rows are folded, it is 1.
//   SOURCED         1: row i is that of the values at source i, from the end for one below 0; zeros where there is none
//   COMBINE         of FOLD: of two elements
//   BETTER, FIRST   of EXTREME, after sort_keys.cl for vectors: < or >; 1: the last key is the first one
//   BITS            of EXTREME: all bits of an element for what a comparison says is true
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

#if ORDERED && SOURCED
#define GIVEN , order, order_at, sources, sources_at
#elif ORDERED
#define GIVEN , order, order_at
#elif SOURCED
#define GIVEN , sources, sources_at
#else
#define GIVEN
#endif

#define WIDTH (EACH * PARTS)

// Neighbouring elements of a row.
typedef struct {
  VECTOR part[PARTS];
} Piece;

// Up to WIDTH elements of each row, in the order of the cells, `apart` from each other; `from`: the first one of the
// first of the values.
typedef struct {
  __global const ELEMENT* from;
#if ORDERED
  __global const long* order;
#endif
#if SOURCED
  __global const long* sources;
  INDEX source_step, held;
#endif
  INDEX step, apart;
  int width;
} Rows;

// Vectors make long code, which is there once; GPUs call no functions.
#if EACH > 1
#define CALLED __attribute__((noinline))
#else
#define CALLED
#endif

// Results are stored where a pointer says: Oclgrind does not know what becomes of structs that functions return.
#if EACH > 1
// Of which some are no whole vectors.
CALLED void load_some(Piece* piece, __global const ELEMENT* from, const INDEX apart, const int width) {
  for (int p = 0; p < PARTS; ++p, from += EACH * apart) {
    const int its = width - EACH * p;
    if (apart == 1 && its >= EACH) {
      piece->part[p] = vload16(0, from);
    } else {
      ELEMENT some[EACH];
      for (int c = 0; c < EACH; ++c) some[c] = c < its ? from[c * apart] : (ELEMENT)0;
      piece->part[p] = vload16(0, some);
    }
  }
}
#endif

void load(Piece* piece, __global const ELEMENT* from, const INDEX apart, const int width) {
#if EACH == 1
  piece->part[0] = *from;
#else
  if (apart == 1 && width == WIDTH) {
#pragma unroll
    for (int p = 0; p < PARTS; ++p) piece->part[p] = vload16(p, from);
  } else {
    load_some(piece, from, apart, width);
  }
#endif
}

void store(const Piece* piece, __global ELEMENT* to, const INDEX apart, const int width) {
#if EACH == 1
  *to = piece->part[0];
#else
#pragma unroll
  for (int p = 0; p < PARTS; ++p, to += EACH * apart) {
    const int its = width - EACH * p;
    if (apart == 1 && its >= EACH) {
      vstore16(piece->part[p], 0, to);
    } else {
      ELEMENT some[EACH];
      vstore16(piece->part[p], 0, some);
      for (int c = 0; c < EACH && c < its; ++c) to[c * apart] = some[c];
    }
  }
#endif
}

void row_of(Piece* row, const Rows* rows, const ulong i) {
#if ORDERED
  const INDEX place = (INDEX)rows->order[i];
#else
  const INDEX place = (INDEX)i;
#endif
#if SOURCED
  long source = rows->sources[place * rows->source_step];
  source += source < 0 ? (long)rows->held : 0;
  if (source >= 0 && source < rows->held) {
    load(row, rows->from + (INDEX)source * rows->step, rows->apart, rows->width);
  } else {
    for (int p = 0; p < PARTS; ++p) row->part[p] = (VECTOR)(ELEMENT)0;
  }
#else
  load(row, rows->from + place * rows->step, rows->apart, rows->width);
#endif
}

#if FOLD
void combine(Piece* a, const Piece* b) {
#pragma unroll
  for (int p = 0; p < PARTS; ++p) a->part[p] = COMBINE(a->part[p], b->part[p]);
}

// The fold of n items from `first` on: lanes, then halves, without the lanes that nothing is in. ITEM(to, k): item k.
#define FOLDED(ITEM)                                                              \
  Piece lane[LANES], item;                                                        \
  ulong used = min(n, (ulong)LANES);                                              \
  for (ulong k = 0; k < used; ++k) ITEM(&lane[k], k);                             \
  for (ulong k = LANES; k < n; ++k) {                                             \
    ITEM(&item, k);                                                               \
    combine(&lane[k % LANES], &item);                                             \
  }                                                                               \
  for (ulong apart = LANES / 2; apart > 0; apart /= 2) {                          \
    for (ulong l = 0; l + apart < used; ++l) combine(&lane[l], &lane[l + apart]); \
    used = min(used, apart);                                                      \
  }                                                                               \
  *sum = lane[0];

#define ROW(to, k) row_of(to, rows, first + (k))
#define IN_BLOCK(to, k) fold_rows(to, rows, first + (k) * BLOCK, min((ulong)BLOCK, count - (k) * BLOCK))
#define IN_BLOCKS(to, k) \
  fold_blocks(to, rows, first + (k) * BLOCK * BLOCK, min((ulong)BLOCK * BLOCK, count - (k) * BLOCK * BLOCK))

CALLED void fold_rows(Piece* sum, const Rows* rows, const ulong first, const ulong n){FOLDED(ROW)}

CALLED void fold_blocks(Piece* sum, const Rows* rows, const ulong first, const ulong count) {
  const ulong n = (count + BLOCK - 1) / BLOCK;
  FOLDED(IN_BLOCK)
}

CALLED void fold_all(Piece* sum, const Rows* rows, const ulong first, const ulong count) {
  const ulong n = (count + (ulong)BLOCK * BLOCK - 1) / ((ulong)BLOCK * BLOCK);
  FOLDED(IN_BLOCKS)
}

void fold(Piece* sum, const Rows* rows, const ulong first, const ulong count) {
  if (count <= 2) {
    ROW(sum, 0);
    if (count == 1) return;
    Piece other;
    ROW(&other, 1);
    combine(sum, &other);
  } else if (count <= BLOCK) {
    fold_rows(sum, rows, first, count);
  } else if (count <= (ulong)BLOCK * BLOCK) {
    fold_blocks(sum, rows, first, count);
  } else {
    fold_all(sum, rows, first, count);
  }
}
#endif

// What becomes of the elements at `to`, by rows i to end of one cell: the last one, or all of them.
void put(__global ELEMENT* to, const INDEX apart, const Rows* rows, const ulong i, const ulong end) {
#if FOLD
  Piece sum, held;
  fold(&sum, rows, i, end - i);
  load(&held, to, apart, rows->width);
  combine(&held, &sum);
  store(&held, to, apart, rows->width);
#elif EXTREME
  Piece best, row;
  load(&best, to, apart, rows->width);
  KEY its[PARTS];
#pragma unroll
  for (int p = 0; p < PARTS; ++p) its[p] = key_of(best.part[p]) + (KEY)FIRST;
  for (ulong k = i; k < end; ++k) {
    row_of(&row, rows, k);
#pragma unroll
    for (int p = 0; p < PARTS; ++p) {
      const KEY key = key_of(row.part[p]) + (KEY)FIRST;
      const VECTOR better = BITS(key BETTER its[p]);  // Intel's compiler makes branches of a selection
      best.part[p] ^= (best.part[p] ^ row.part[p]) & better;
      its[p] ^= (its[p] ^ key) & better;
    }
  }
  store(&best, to, apart, rows->width);
#else
  Piece row;
  row_of(&row, rows, i);
  store(&row, to, apart, rows->width);
#endif
}

// Where a cell's row begins, from the first one's; false: it is none of the output's.
bool found(const Geometry* g, long cell, long* at) {
  *at = 0;
  for (int a = AXES - 1; a > 0; --a) {
    const long next = cell / g->length[a];
    *at += (cell - next * g->length[a]) * g->step[a];
    cell = next;
  }
  *at += cell * g->step[0];
  return cell >= 0 && cell < g->length[0];
}

void rows_of(Rows* rows, __global const ELEMENT* values, const Geometry* g ORDER SOURCES) {
  rows->from = values;
  rows->step = g->value_step;
  rows->apart = g->in[ROWS - 1];
  rows->width = WIDTH;
#if ORDERED
  rows->order = order + order_at;
#endif
#if SOURCED
  rows->sources = sources + sources_at;
  rows->source_step = g->source_step;
  rows->held = g->held;
#endif
}
