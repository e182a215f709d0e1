#include "kernels/butterfly.hpp"

namespace accel::ACCEL_ISA {

static constexpr ButterflyRow kButterflies[] = {
    Butterflies<float, 1>::row(),  Butterflies<float, 2>::row(),  Butterflies<float, 3>::row(),
    Butterflies<float, 4>::row(),  Butterflies<float, 5>::row(),  Butterflies<float, 7>::row(),
    Butterflies<float, 8>::row(),  Butterflies<double, 1>::row(), Butterflies<double, 2>::row(),
    Butterflies<double, 3>::row(), Butterflies<double, 4>::row(), Butterflies<double, 5>::row(),
    Butterflies<double, 7>::row(), Butterflies<double, 8>::row(),
};

Rows<ButterflyRow> butterfly_rows();
Rows<ButterflyRow> butterfly_rows() { return {kButterflies, sizeof kButterflies / sizeof *kButterflies}; }

}  // namespace accel::ACCEL_ISA
