#include "sort_network.hpp"

#include <algorithm>

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(Rows<SortRow> sort_rows(); Rows<LongSort> long_sorts(); Rows<FirstKernel> first_kernels())

const SortRow* find_sort(const char* isa, int size, bool indices) {
  for (const SortRow& row : ACCEL_OF_ISA(isa, sort_rows)()) {
    if (row.size == size && row.indices == indices) return &row;
  }
  return nullptr;
}

const LongSort* find_long_sort(const char* isa, int size) {
  for (const LongSort& row : ACCEL_OF_ISA(isa, long_sorts)()) {
    if (row.size == size) return &row;
  }
  return nullptr;
}

const FirstKernel& find_first(const char* isa, int size) {
  const Rows<FirstKernel> rows = ACCEL_OF_ISA(isa, first_kernels)();
  return *std::find_if(rows.begin(), rows.end(), [size](const FirstKernel& row) { return row.size == size; });
}

}  // namespace accel
