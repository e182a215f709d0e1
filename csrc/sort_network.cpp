#include "sort_network.hpp"

#include "by_isa.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(Rows<SortRow> sort_rows())

const SortRow* find_sort(const char* isa, int size, bool indices) {
  for (const SortRow& row : ACCEL_OF_ISA(isa, sort_rows)()) {
    if (row.size == size && row.indices == indices) return &row;
  }
  return nullptr;
}

}  // namespace accel
