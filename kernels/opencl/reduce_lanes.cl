// Reductions by work-groups: ACROSS x OUTPUTS work-items reduce one block of each of OUTPUTS outputs. LANES of the 64
// lanes have elements (a power of two; the others hold the identity and need no fold); each work-item holds
// LANES / ACROSS of them. Neighbouring work-items take neighbouring elements of an output (ACCESS_ROWS) or the same
// element of neighbouring outputs.

LOADER()
#define MASK int
#define HELD (LANES / ACROSS)

#if ACCESS_ROWS
#define SIZE_X ACROSS
#define SIZE_Y OUTPUTS
#else
#define SIZE_X OUTPUTS
#define SIZE_Y ACROSS
#endif

__attribute__((reqd_work_group_size(SIZE_X, SIZE_Y, 1))) __kernel void reduce(ARGUMENTS) {
  __local ACC shared_lane[OUTPUTS][ACROSS];
#if INDEXED
  __local int shared_place[OUTPUTS][ACROSS];
#endif
#if ACCESS_ROWS
  const size_t l = get_local_id(0), mine = get_local_id(1), block = get_group_id(0), group = get_group_id(1);
#else
  const size_t l = get_local_id(1), mine = get_local_id(0), block = get_group_id(1), group = get_group_id(0);
#endif
  const ulong output = group * OUTPUTS + mine;
  const bool present = output < outputs;
  const ulong start = block * BLOCK;
  const int length = (int)min((ulong)BLOCK, count - start);
  __global const IN *from =
      in + in_at + (present ? offset_of((UINDEX)output, g.kept_shape, g.kept_in, KEPT) : (INDEX)0);
  ACC lane[HELD];
#if INDEXED
  ACC row[HELD];
#endif
#pragma unroll
  for (int q = 0; q < HELD; ++q) {
    lane[q] = IDENTITY;
#if INDEXED
    row[q] = NOWHERE;
#endif
  }
  IN_ORDER for (int r = 0; present && r * LANES < length; ++r) {
#pragma unroll
    for (int q = 0; q < HELD; ++q) {
      const int element = r * LANES + q * ACROSS + (int)l;
      if (element < length) {
        const UINDEX place = (UINDEX)start + (UINDEX)element;
#if REDUCED == 1
        const ACC value = load(from[(INDEX)place * g.reduced_in[0]]);
#else
        const ACC value = load(from[offset_of(place, g.reduced_shape, g.reduced_in, REDUCED)]);
#endif
        TAKE(lane[q], row[q], value, (ACC)r);
      }
    }
  }
#if INDEXED
  int place[HELD];
#pragma unroll
  for (int q = 0; q < HELD; ++q) {
    place[q] = row[q] == NOWHERE ? BLOCK : (int)row[q] * LANES + q * ACROSS + (int)l;
  }
#endif
#pragma unroll
  for (int fold = HELD / 2; fold; fold /= 2) {
#pragma unroll
    for (int q = 0; q < fold; ++q) TAKE(lane[q], place[q], lane[q + fold], place[q + fold]);
  }
  shared_lane[mine][l] = lane[0];
#if INDEXED
  shared_place[mine][l] = place[0];
#endif
#pragma unroll
  for (int fold = ACROSS / 2; fold; fold /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if ((int)l < fold) {
      TAKE(lane[0], place[0], shared_lane[mine][l + fold], shared_place[mine][l + fold]);
      shared_lane[mine][l] = lane[0];
#if INDEXED
      shared_place[mine][l] = place[0];
#endif
    }
  }
#if INDEXED
  if (l == 0 && present) {
    const int place = shared_place[mine][0];
    STORE(shared_lane[mine][0], place);
  }
#else
  if (l == 0 && present) STORE(lane[0], 0);
#endif
}
