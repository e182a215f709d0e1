#include "sort_network.hpp"

#include <string_view>

namespace accel {

namespace baseline {
Rows<SortRow> sort_rows();
}
#if defined(__x86_64__)
namespace avx2 {
Rows<SortRow> sort_rows();
}
namespace avx512 {
Rows<SortRow> sort_rows();
}
#elif defined(__aarch64__)
namespace neon {
Rows<SortRow> sort_rows();
}
#endif

const SortRow* find_sort(const char* name, int size, bool indices) {
  const std::string_view isa = name;
  Rows<SortRow> rows = baseline::sort_rows();
#if defined(__x86_64__)
  if (isa == "avx2") rows = avx2::sort_rows();
  if (isa == "avx512") rows = avx512::sort_rows();
#elif defined(__aarch64__)
  if (isa == "neon") rows = neon::sort_rows();
#endif
  for (const SortRow& row : rows) {
    if (row.size == size && row.indices == indices) return &row;
  }
  return nullptr;
}

}  // namespace accel
