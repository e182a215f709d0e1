// Every source of this folder is compiled once per instruction set, behind csrc/isa/<name>.hpp, and adds its rows to
// the KernelTable of that instruction set.
#pragma once

#include <cstddef>

#include "../kernels.hpp"

namespace accel::ACCEL_ISA {

template <class Row, size_t N>
static constexpr Rows<Row> rows(const Row (&table)[N]) {
  return {table, N};
}

void add_functions(KernelTable& table);
void add_halves(KernelTable& table);
void add_casts(KernelTable& table);
void add_folds(KernelTable& table);
void add_searches(KernelTable& table);
void add_scans(KernelTable& table);
void add_factors(KernelTable& table);
void add_row(KernelTable& table);
void add_matmul(KernelTable& table);
void add_memory(KernelTable& table);

/// All rows of the instruction set. To be called where the CPU has it.
KernelTable make_table();

}  // namespace accel::ACCEL_ISA
