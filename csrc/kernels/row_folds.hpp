// Folds of rows that lie anywhere, each of which is a lane of rule 2.
#pragma once

#include <type_traits>

#include "../row_folds.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

template <class T, bool kMultiply>
struct FoldedRows {
  using V = Vector<T>;
  static constexpr int64_t kWidth = kElements<T>;

  static V of(V a, V b) { return kMultiply ? a * b : a + b; }
  static T of(T a, T b) {
    using Wide = std::conditional_t<(sizeof(T) < 4), uint32_t, T>;  // as 16 bits promote to int, which overflows
    return static_cast<T>(kMultiply ? static_cast<Wide>(a) * static_cast<Wide>(b)
                                    : static_cast<Wide>(a) + static_cast<Wide>(b));
  }

  /// What lane L of N holds when lanes have been folded down to S.
  template <int L, int S, int N, class U>
  __attribute__((always_inline)) static U lane(const T* const* rows, int64_t c) {
    if constexpr (S >= N) {
      U x;
      memcpy(&x, rows[L] + c, sizeof x);
      return x;
    } else if constexpr (L + S < N) {
      const U a = lane<L, 2 * S, N, U>(rows, c);
      return of(a, lane<L + S, 2 * S, N, U>(rows, c));
    } else {
      return lane<L, 2 * S, N, U>(rows, c);
    }
  }

  /// `every` rows are from one to the next.
  template <int N>
  static void fold_lanes(const T* const* rows, int64_t every, int64_t n, T* total) {
    const T* own[N];
#pragma GCC unroll 8
    for (int l = 0; l < N; ++l) own[l] = rows[l * every];
    int64_t c = 0;
    for (; c + 4 * kWidth <= n; c += 4 * kWidth) {
      V x[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) x[v] = lane<0, 1, N, V>(own, c + v * kWidth);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) store(total + c + v * kWidth, x[v]);
    }
    for (; c + kWidth <= n; c += kWidth) store(total + c, lane<0, 1, N, V>(own, c));
    for (; c < n; ++c) total[c] = lane<0, 1, N, T>(own, c);
  }

  static void fold_few(const T* const* rows, int64_t every, int64_t count, int64_t n, T* total) {
    constexpr decltype(&fold_lanes<1>) kFew[] = {fold_lanes<1>, fold_lanes<2>, fold_lanes<3>, fold_lanes<4>,
                                                 fold_lanes<5>, fold_lanes<6>, fold_lanes<7>, fold_lanes<8>};
    kFew[count - 1](rows, every, n, total);
  }

  /// Of more than 8 rows, the lanes l, l + 8, … are folded by themselves first, as halving does.
  static void fold(int64_t count, int64_t n, const void* const* pointers, void* result) {
    const T* const* const rows = reinterpret_cast<const T* const*>(pointers);
    T* const total = static_cast<T*>(result);
    if (count <= 8) return fold_few(rows, 1, count, n, total);
    T parts[8 * kFoldedColumns];
    const T* folded[8];
    for (int64_t l = 0; l < 8; ++l) {
      folded[l] = rows[l];
      if (l + 8 >= count) continue;
      fold_few(rows + l, 8, (count - l + 7) / 8, n, parts + l * n);
      folded[l] = parts + l * n;
    }
    fold_few(folded, 1, 8, n, total);
  }
};

#define ACCEL_FOLDS(type) {FoldedRows<type, false>::fold, FoldedRows<type, true>::fold}
extern const RowFolds kRowFolds;
const RowFolds kRowFolds = {
    ACCEL_FOLDS(float),
    ACCEL_FOLDS(double),
    {ACCEL_FOLDS(uint8_t), ACCEL_FOLDS(uint16_t), ACCEL_FOLDS(uint32_t), ACCEL_FOLDS(uint64_t)},
};
#undef ACCEL_FOLDS

}  // namespace accel::ACCEL_ISA
