// Scatters by single work-items, for CPU devices, after scatter.cl: a work-item has some rows, in the order of the
// cells, and of each some neighbouring columns, WIDTH at a time. What a cell's rows become is the work of the item that
// has the cell's first row, or, where rows are stored, its last one.

// How many columns from `column` on lie beside each other, WIDTH at most, and where.
int piece(const Geometry* g, const ulong column, const ulong last, long* to, long* from) {
  UINDEX rest = (UINDEX)column;
  UINDEX behind = 0;
  *to = *from = 0;
  for (int a = ROWS - 1; a >= 0; --a) {
    const UINDEX next = a == 0 ? 0 : rest / (UINDEX)g->row[a];
    const INDEX index = (INDEX)(a == 0 ? rest : rest - next * (UINDEX)g->row[a]);
    if (a == ROWS - 1) behind = (UINDEX)(g->row[a] - index);
    *to += (long)index * g->out[a];
    *from += (long)index * g->in[a];
    rest = next;
  }
  return (int)min((ulong)WIDTH, min((ulong)behind, last - column));
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void scatter(OPERANDS, Geometry g, const ulong count,
                                                                     const ulong columns, const ulong rows_each,
                                                                     const ulong columns_each) {
  const ulong first_column = get_global_id(0) * columns_each, last_column = min(first_column + columns_each, columns);
  const ulong first = get_global_id(1) * rows_each, last = min(first + rows_each, count);
  const Geometry geometry = g;
  cells += cells_at;
  out += out_at;
  Rows rows;
  rows_of(&rows, values + values_at, &geometry GIVEN);
  __global const ELEMENT* start = rows.from;
#if FOLD || (EXTREME && SORTED)
  long before = first > 0 && first < last ? CELL(first - 1) : -1;
#endif
  for (ulong i = first; i < last; ++i) {
    const long cell = CELL(i);
    ulong end = i + 1;
#if FOLD || (EXTREME && SORTED)
    const bool begun = cell == before;
    before = cell;
    if (begun) continue;
    while (end < count && CELL(end) == cell) ++end;
#elif SORTED
    if (end < count && CELL(end) == cell) continue;
#endif
    long at;
    if (cell < 0 || !found(&geometry, cell, &at)) continue;
    for (ulong column = first_column; column < last_column; column += (ulong)rows.width) {
      long to, from;
      rows.width = piece(&geometry, column, last_column, &to, &from);
      rows.from = start + from;
      put(out + at + to, geometry.out[ROWS - 1], &rows, i, end);
    }
  }
}
