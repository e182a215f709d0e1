#include "row_folds.hpp"

#include <string_view>

namespace accel {

namespace baseline {
extern const RowFolds kRowFolds;
}
#if defined(__x86_64__)
namespace avx2 {
extern const RowFolds kRowFolds;
}
namespace avx512 {
extern const RowFolds kRowFolds;
}
#elif defined(__aarch64__)
namespace neon {
extern const RowFolds kRowFolds;
}
#endif

const RowFolds& find_row_folds(const KernelTable& table) {
  [[maybe_unused]] const std::string_view isa = table.isa;
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::kRowFolds;
  if (isa == "avx2") return avx2::kRowFolds;
#elif defined(__aarch64__)
  if (isa == "neon") return neon::kRowFolds;
#endif
  return baseline::kRowFolds;
}

}  // namespace accel
