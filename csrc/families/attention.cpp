#include "kernels/attention.hpp"

namespace accel::ACCEL_ISA {

Rows<AttentionRow> attention_rows() { return {kAttention, 2}; }

}  // namespace accel::ACCEL_ISA
