// Dot products: chunks are independent chains, computed side by side in lanes.
#pragma once

#include "contract.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

/// out[j] = the sum of a[j * a_step + p] * b[j * b_step + p].
template <class T>
struct Pairs {
  static constexpr int kE = kElements<T>;

  static void run(int64_t n, int64_t k, const void* a_data, int64_t a_step, const void* b_data, int64_t b_step,
                  void* out_data) {
    const T* const a = static_cast<const T*>(a_data);
    const T* const b = static_cast<const T*>(b_data);
    T* const out = static_cast<T*>(out_data);
    for (int64_t j = 0; j < n; j += kE) {
      const int64_t lanes = n - j < kE ? n - j : kE;
      const Vector<T> sum = dots(k, a + j * a_step, a_step, b + j * b_step, b_step, lanes);
      lanes == kE ? store(out + j, sum) : store_some(out + j, sum, lanes);
    }
  }

 private:
  /// Lanes past the last repeat it.
  static Vector<T> dots(int64_t k, const T* a, int64_t a_step, const T* b, int64_t b_step, int64_t lanes) {
    Vector<T> sum = {};
    int64_t p = 0;
    for (; p + kE <= k; p += kE) {
      Vector<T> x[kE], y[kE];
      columns(a + p, a_step, lanes, x);
      columns(b + p, b_step, lanes, y);
#pragma GCC unroll 16
      for (int q = 0; q < kE; ++q) sum = fma<T>(x[q], y[q], sum);
    }
    for (; p < k; ++p) {
      Vector<T> x, y;
      for (int64_t l = 0; l < kE; ++l) {
        const int64_t row = l < lanes ? l : lanes - 1;
        x[l] = a[row * a_step + p];
        y[l] = b[row * b_step + p];
      }
      sum = fma<T>(x, y, sum);
    }
    return sum;
  }

  /// x[q][lane] = rows[lane * step + q], and fetches the same of the next kE rows.
  __attribute__((always_inline)) static void columns(const T* rows, int64_t step, int64_t lanes, Vector<T> (&x)[kE]) {
    const uintptr_t next = reinterpret_cast<uintptr_t>(rows) + static_cast<uintptr_t>(kE * step) * sizeof(T);
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) {
      x[l] = load(rows + (l < lanes ? l : lanes - 1) * step);
      __builtin_prefetch(reinterpret_cast<const void*>(next + static_cast<uintptr_t>(l * step) * sizeof(T)), 0, 2);
    }
    Transpose<T>::run(x);
  }
};

}  // namespace accel::ACCEL_ISA
