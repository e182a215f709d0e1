// Products of few rows with a B whose columns are contiguous along k.
#pragma once

#include "few_factors.hpp"

namespace accel::ACCEL_ISA {

template <class F>
struct FewAlong : FewFactors<F> {
  using Base = FewFactors<F>;
  using typename Base::Acc, typename Base::Factor, typename Base::Stored, typename Base::Unit;
  using Base::kE, Base::kGroup, Base::kParts, Base::kPiece;
  static constexpr int kAhead = 1024 / sizeof(Stored);  // k from a load to its prefetch

  static bool run(const FewProblem& x) {
    typename F::Doubt doubt;
    for (int64_t j = 0; j < x.n; j += kE) {
      const int64_t columns = x.n - j < kE ? x.n - j : kE;
      for (int64_t p = x.k_begin; p < x.k_end; p += kKC) {
        Base::for_blocks(x,
                         [&](auto rows, int64_t i, int64_t m) { block<rows.value>(x, i, m, j, columns, p, doubt); });
      }
    }
    return !doubt.any();
  }

 private:
  /// k up to the first whole vector of memory, where it is the same in all columns. A vector across two lines would
  /// fetch both of them twice: the lines of 16 columns a power of two apart do not stay in one set of L1.
  static int64_t head(const Stored* b, int64_t stride) {
    const uintptr_t past = reinterpret_cast<uintptr_t>(b) % ACCEL_VECTOR_BYTES;
    if (past % sizeof(Unit) != 0 || stride * sizeof(Stored) % ACCEL_VECTOR_BYTES != 0) return 0;
    return (ACCEL_VECTOR_BYTES - past) % ACCEL_VECTOR_BYTES / sizeof(Stored);
  }

  /// One chunk of kE columns, transposed in registers.
  template <int M>
  static void block(const FewProblem& x, int64_t i, int64_t m, int64_t j, int64_t columns, int64_t p,
                    typename F::Doubt& doubt) {
    const Stored* const b = static_cast<const Stored*>(x.b) + j * x.b_stride + p;
    const int64_t k = Base::chunk(x, p);
    const Factor* a = Base::factors(x, M, i, p);
    Vector<Acc> sums[M];
    for (int r = 0; r < M; ++r) sums[r] = splat(Base::start(a + (Base::chunk_size(k) - 1) * M, r));
    const auto multiply = [&](Vector<Unit> unit) __attribute__((always_inline)) {
      Vector<Factor> parts[kParts];
      F::split(unit, parts);
#pragma GCC unroll 2
      for (int g = 0; g < kParts; ++g, a += M) {
#pragma GCC unroll 16
        for (int r = 0; r < M; ++r) sums[r] = F::multiply(splat(a[r]), parts[g], sums[r]);
      }
    };
    const auto transpose = [&](const Stored* from, int64_t step, int64_t last, Vector<Unit>(&units)[kE])
        __attribute__((always_inline)) {
#pragma GCC unroll 16
      for (int l = 0; l < kE; ++l) {
        memcpy(&units[l], from + (l < last ? l : last) * step, sizeof units[l]);  // columns beyond repeat the last
        doubt.look(units[l]);
      }
      Transpose<Unit>::run(units);
    };
    const auto part = [&](int64_t begin, int64_t end) __attribute__((always_inline)) {
      Vector<Unit> units[kE];
      // A whole vector that holds it and lies in the chunk, or a copy.
      const int64_t at = begin + kPiece <= k ? begin : k - kPiece;
      if (at >= 0 && (begin - at) % kGroup == 0 && (end - at) % kGroup == 0) {
        transpose(b + at, x.b_stride, columns - 1, units);
      } else {
        Stored copy[kE][kPiece] = {};
        for (int64_t l = 0; l < columns; ++l) memcpy(copy[l], b + begin + l * x.b_stride, (end - begin) * sizeof(Stored));
        transpose(copy[0], kPiece, kE - 1, units);
        end -= begin;
        begin = 0;
        return multiply_rows(units, 0, (end + kGroup - 1) / kGroup, multiply);
      }
      multiply_rows(units, (begin - at) / kGroup, (end - at) / kGroup, multiply);
    };
    int64_t q = head(b, x.b_stride);
    if (q > k) q = k;
    if (q > 0) part(0, q);
    for (; q + kPiece <= k; q += kPiece) {
      fetch_ahead(x, b + q, p + q);
      Vector<Unit> units[kE];
      transpose(b + q, x.b_stride, columns - 1, units);
      if constexpr (M < 8) {
#pragma GCC unroll 16
        for (int u = 0; u < kE; ++u) multiply(units[u]);
      } else {  // too many sums for the units to stay in registers
        multiply_rows(units, 0, kE, multiply);
      }
    }
    if (q < k) part(q, k);
    Acc* const c = static_cast<Acc*>(x.c) + i * x.ldc + j;
    for (int r = 0; r < m; ++r) Base::write(c + r * x.ldc, sums[r], columns, p > 0);
  }

  template <class Multiply>
  __attribute__((always_inline)) static void multiply_rows(const Vector<Unit> (&units)[kE], int64_t begin, int64_t end,
                                                           Multiply&& multiply) {
    Unit rows[kE][kE];
#pragma GCC unroll 16
    for (int u = 0; u < kE; ++u) store(rows[u], units[u]);
#pragma GCC unroll 1
    for (int64_t u = begin; u < end; ++u) multiply(load(rows[u]));
  }

  /// The columns at q, and the same place in the next columns once these end.
  __attribute__((always_inline)) static void fetch_ahead(const FewProblem& x, const Stored* from, int64_t q) {
    const int64_t ahead = q + kAhead < x.k_end ? kAhead : kE * x.b_stride - (x.k_end - x.k_begin) + kAhead;
    const uintptr_t address = reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(ahead) * sizeof(Stored);
    const uintptr_t next = static_cast<uintptr_t>(x.b_stride) * sizeof(Stored);
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) __builtin_prefetch(reinterpret_cast<const void*>(address + l * next), 0, 2);
  }
};

}  // namespace accel::ACCEL_ISA
