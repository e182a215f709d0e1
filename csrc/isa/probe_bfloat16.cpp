// The rate of vdpbf16ps (AVX-512 BF16): two products of bfloat16 added to each float32 element.
#define ACCEL_ISA avx512_probe_bfloat16
#include <immintrin.h>

#include "../kernels.hpp"
#include "../kernels/chains.hpp"

namespace accel::avx512_probe_bfloat16 {

static void run(int64_t n, void*, const void*, const void*) {
  __m512i a = _mm512_set1_epi32(0x3f803f00), b = _mm512_set1_epi32(0x3f00bf20);  // (1, 0.5) and (0.5, -0.625)
  keep(a);
  keep(b);
  run_chains(n, _mm512_set1_ps(1), [&](__m512 x) { return _mm512_dpbf16_ps(x, (__m512bh)a, (__m512bh)b); });
}

extern const ProbeRow kProbe;
const ProbeRow kProbe = {"bfloat16_dot", 0, 2.0 * kChains * 32, run};

}  // namespace accel::avx512_probe_bfloat16
