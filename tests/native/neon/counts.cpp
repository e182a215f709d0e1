// Runs the register tile of a compute type once: counts TYPE K, where TYPE is the row of the table of products. Prints
// the rows and columns of the tile.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "families/table.hpp"

int main(int count, char** arguments) {
  if (count != 3) return 2;
  accel::KernelTable table{};
  accel::ACCEL_ISA::add_matmul(table);
  const accel::MatmulRow& row = table.matmuls.data[std::atoi(arguments[1])];
  const int64_t k = std::atoll(arguments[2]);
  std::vector<double> a(row.mr * k), b(row.nr * k), c(row.mr * row.nr);
  row.tile(k, row.mr, a.data(), b.data(), c.data(), row.nr, false);
  std::printf("%d %d\n", row.mr, row.nr);
}
