// A work-item has a row, or a chunk of its keys (see attention.cl). Neighbours are the rows that read the same keys.

__kernel void attention(__global RESULT* out, long out_at, __global const STORED* query, long query_at,
                        __global const STORED* key, long key_at, __global const STORED* value, long value_at,
                        GIVEN Geometry g, Numbers numbers, ulong rows) {
  if (get_global_id(0) >= rows) return;
  const UINDEX id = (UINDEX)get_global_id(0);
  const UINDEX rest = id / (UINDEX)g.queries / (UINDEX)g.shared / (UINDEX)g.splits;
  const INDEX whole = (INDEX)(id % (UINDEX)g.queries), few = g.heads / g.shared, its = (INDEX)(rest % (UINDEX)few),
              h = its * g.shared + (INDEX)(id / (UINDEX)g.queries % (UINDEX)g.shared);
  INDEX b = (INDEX)(rest / (UINDEX)few), row = whole, queries = g.queries;
#if SPLIT
  const INDEX turn = (INDEX)(id / (UINDEX)g.queries / (UINDEX)g.shared % (UINDEX)g.splits);
  const long line = (((long)b * g.heads + h) * g.queries + whole) * g.splits + turn;
#endif
#if OFFSETS
  INDEX first = 0, last = 0;
  for (b = 0; b < g.sequences; ++b) {
    last = END_OF(b, first);
    if (whole < last) break;
    first = last;
  }
  row = whole - first;
  queries = last - first;
#endif
  const int d = (int)g.d, dv = (int)g.dv, lanes = (int)g.lanes;
  const INDEX start = START_OF(b), length = LENGTH_OF(b, g.keys - start);
  const INDEX place = row + (g.from_end ? length - queries : 0);
  const INDEX low = LOW_OF(place), high = HIGH_OF(place, length);
  query += query_at + (long)b * g.query[0] + (long)h * g.query[1] + (long)whole * g.query[2];
  key += key_at + (long)its * g.key[1];
  value += value_at + (long)its * g.value[1];
#if PAGES
  __global const long* pages = table + table_at + (long)b * g.table[0];
#else
  key += (long)b * g.key[0] + (long)start * g.key[2];
  value += (long)b * g.value[0] + (long)start * g.value[2];
#endif
#if DROPOUT
  const ulong chance = dropout[dropout_at + (long)b * g.dropout[0] + (long)h * g.dropout[1]];
#endif
#if MASK
  mask += mask_at + (long)b * g.mask[0] + (long)h * g.mask[1] + (long)row * g.mask[2] + (long)start * g.mask[3];
#endif
#if SLOPES
  const T slope = slopes[slopes_at + (long)h * g.slope];
#endif
  T acc[DV], part[DV], q[D], p[LANES], lane[LANES];
  T most = NOTHING, total = 0;
  for (int c = 0; c < dv; ++c) acc[c] = 0;
  for (int c = 0; c < d; ++c) q[c] = load(query[(long)c * g.query[3]]);
#if SPLIT
  const INDEX opening = (low / CHUNK + turn) * CHUNK, closing = min(length, (INDEX)(opening + CHUNK));
#else
  const INDEX opening = 0, closing = length;
#endif
  for (INDEX chunk = opening; chunk < closing; chunk += CHUNK) {
    const INDEX end = min((INDEX)(chunk + CHUNK), length);
    if (chunk >= high || end <= low) continue;
    T its_most = NOTHING, its_total = 0;
    for (int c = 0; c < dv; ++c) part[c] = 0;
    for (INDEX at = chunk; at < end; at += LANES) {
      const int a = at >= low ? 0 : (int)min(low - at, (INDEX)LANES);
      const int z = (int)min(min(high, end) - at, (INDEX)LANES);
      if (a >= z) continue;
      T top = its_most;
      for (int l = 0; l < lanes; ++l) {
        T s = NOTHING;
        if (l >= a && l < z) {
          __global const STORED* k = key + AT(at + l, g.key);
          s = 0;
          for (int c = 0; c < d; ++c) s = fma(q[c], load(k[(long)c * g.key[3]]), s);
          s = s * numbers.scale;
#if CAPPED
          s = hyperbolic(quotient(s, numbers.cap)) * numbers.cap;
#endif
#if SLOPES
          s = fma(slope, -fabs((T)(at + l - place)), s);
#endif
#if MASK == 1
          s = mask[(long)(at + l) * g.mask[3]] ? s : NOTHING;
#endif
#if MASK == 2
          s = s + load_mask(mask[(long)(at + l) * g.mask[3]]);
#endif
        }
        p[l] = s;
        top = larger(top, s);
      }
      if (top == NOTHING) continue;
      const T factor = exponential(its_most - top);
      for (int l = 0; l < lanes; ++l) {
        p[l] = p[l] == NOTHING ? -(T)0 : exponential(p[l] - top);  // -0: not seen
        lane[l] = p[l];
      }
      for (int apart = lanes / 2; apart > 0; apart /= 2) {
        for (int l = 0; l < apart; ++l) lane[l] = lane[l] + lane[l + apart];
      }
      its_total = fma(its_total, factor, lane[0]);
      its_most = top;
      for (int c = 0; c < dv; ++c) part[c] = part[c] * factor;
      for (int l = a; l < z; ++l) {
        if (signbit(p[l])) continue;
#if DROPOUT
        const ulong places = (ulong)(long)place << 32 | (uint)(at + l);
        if ((uint)random(places, 0, chance) >> 8 < (uint)g.dropped) continue;
#endif
        __global const STORED* v = value + AT(at + l, g.value);
        for (int c = 0; c < dv; ++c) part[c] = fma(p[l], load(v[(long)c * g.value[3]]), part[c]);
      }
    }
    if (its_most == NOTHING) continue;
    T old, now;
    joined(&most, &total, its_most, its_total, &old, &now);
    for (int c = 0; c < dv; ++c) acc[c] = fma(acc[c], old, part[c] * now);
  }
#if SPLIT
  states += states_at + 2 * line;
  states[0] = most;
  states[1] = total;
  out += out_at + line * g.dv;
  if (most != NOTHING) {
    for (int c = 0; c < dv; ++c) out[c] = acc[c];
  }
#else
#if SINKS
  const T sink = sinks[sinks_at + (long)h * g.sink];
  if (sink != NOTHING) {
    T old, now;
    joined(&most, &total, sink, 1, &old, &now);
    for (int c = 0; c < dv; ++c) acc[c] = acc[c] * old;
  }
#endif
  out += out_at + (long)b * g.out[0] + (long)h * g.out[1] + (long)whole * g.out[2];
  for (int c = 0; c < dv; ++c) out[(long)c * g.out[3]] = finished(acc[c], most, total, numbers.kept);
#endif
}
