#include "taps.hpp"

#include <string_view>

namespace accel {

namespace baseline {
extern const TapRow kTaps[2];
}
#if defined(__x86_64__)
namespace avx2 {
extern const TapRow kTaps[2];
}
namespace avx512 {
extern const TapRow kTaps[2];
}
#elif defined(__aarch64__)
namespace neon {
extern const TapRow kTaps[2];
}
#endif

const TapRow& find_taps(const KernelTable& table, CType type) {
  const std::string_view isa = table.isa;
  const TapRow* rows = baseline::kTaps;
#if defined(__x86_64__)
  if (isa == "avx2") rows = avx2::kTaps;
  if (isa == "avx512") rows = avx512::kTaps;
#elif defined(__aarch64__)
  if (isa == "neon") rows = neon::kTaps;
#endif
  return rows[type == CType::kF64];
}

}  // namespace accel
