// Scatters where a work-item has one element of one row, after scatter.cl.

__kernel void scatter(OPERANDS, Geometry g, const ulong count, const ulong columns) {
  const ulong item = get_global_id(0);
  if (item >= count * columns) return;
  const ulong i = item / columns;
  UINDEX rest = (UINDEX)(item % columns);
  cells += cells_at;
  const long cell = CELL(i);
  if (cell < 0) return;
  ulong end = i + 1;
#if FOLD || (EXTREME && SORTED)
  if (i > 0 && CELL(i - 1) == cell) return;
  ulong high = count;
  while (end < high) {
    const ulong probe = (end + high) / 2;
    if (CELL(probe) == cell) {
      end = probe + 1;
    } else {
      high = probe;
    }
  }
#elif SORTED
  if (end < count && CELL(end) == cell) return;
#endif
  long at;
  if (!found(&g, cell, &at)) return;
  Rows rows;
  rows_of(&rows, values + values_at, &g GIVEN);
  for (int a = ROWS - 1; a >= 0; --a) {
    const UINDEX next = a == 0 ? 0 : rest / (UINDEX)g.row[a];
    const INDEX index = (INDEX)(a == 0 ? rest : rest - next * (UINDEX)g.row[a]);
    at += (long)index * g.out[a];
    rows.from += (long)index * g.in[a];
    rest = next;
  }
  put(out + out_at + at, 1, &rows, i, end);
}
