#include "kernels/factor_pair.hpp"
#include "kernels/jacobi.hpp"
#include "table.hpp"

namespace accel::ACCEL_ISA {

/// Of numbers by type, and then of pairs.
static constexpr FactorRow kFactors[] = {
    Factor<float>::row(Jacobi<float>::rotate), Factor<double>::row(Jacobi<double>::rotate),
    FactorPair<float>::row(JacobiPair<float>::rotate), FactorPair<double>::row(JacobiPair<double>::rotate)};

void add_factors(KernelTable& table) { table.factors = rows(kFactors); }

}  // namespace accel::ACCEL_ISA
