// The rate of vpdpbusd (AVX-512 VNNI): four products of bytes added to each 32-bit element.
#define ACCEL_ISA avx512_probe_vnni
#include <immintrin.h>

#include "../kernels.hpp"
#include "../kernels/chains.hpp"

namespace accel::avx512_probe_vnni {

static void run(int64_t n, void*, const void*, const void*) {
  __m512i a = _mm512_set1_epi32(0x03010402), b = _mm512_set1_epi32(0x01ff02fe);
  keep(a);
  keep(b);
  run_chains(n, a, [&](__m512i x) { return _mm512_dpbusd_epi32(x, a, b); });
}

extern const ProbeRow kProbe;
const ProbeRow kProbe = {"vnni_int8", 0, 2.0 * kChains * 64, run};

}  // namespace accel::avx512_probe_vnni
