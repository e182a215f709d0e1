// Measures what the CPU reaches at most: the limits that kernels are compared with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels.hpp"

namespace accel {

/// The rate of all threads together, in 1e9 operations (an fma is two) or bytes moved per second.
///
/// kind: fma_float32, fma_float64; vnni_int8, bfloat16_dot (whatever the table's instruction set; nothing where the CPU
/// lacks the instruction); read, copy, triad (stored plainly or past the caches, whichever is faster) over arrays that
/// take `bytes` bytes together. Runs for about `milliseconds`. Throws std::invalid_argument, std::bad_alloc,
/// std::system_error.
std::optional<double> probe(const KernelTable& table, const std::string& kind, int threads, double milliseconds,
                            int64_t bytes);

}  // namespace accel
