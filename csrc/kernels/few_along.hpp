// Products of few rows with a B whose columns are contiguous along k.
#pragma once

#include "few_factors.hpp"

namespace accel::ACCEL_ISA {

template <class F>
struct FewAlong : FewFactors<F> {
  using Base = FewFactors<F>;
  using Base::kChunk, Base::kE, Base::kGroup, Base::kParts, Base::kPiece;
  using typename Base::Acc, typename Base::Factor, typename Base::Stored, typename Base::Unit;
  static constexpr int kAhead = 1024 / sizeof(Stored);  // k from a load to its prefetch

  static bool run(const FewProblem& x) {
    typename F::Doubt doubt;
    for (int64_t j = 0; j < x.n; j += kE) {
      const Columns columns{static_cast<const Stored*>(x.b) + j * x.b_stride, x.b_stride, x.n - j < kE ? x.n - j : kE};
      Base::template for_blocks<Base::kAlongRows>(
          x, [&](auto rows, int64_t i, int64_t m) { block<rows.value>(x, i, m, j, columns, doubt); });
    }
    return !doubt.any();
  }

 private:
  using Units = Unit[kE][kE];

  /// kE columns of B, of which `count` exist.
  struct Columns {
    const Stored* b;
    int64_t stride;
    int64_t count;

    /// k from p to the first whole vector of memory, where it is the same in all columns. A vector across two lines
    /// would fetch both of them twice: the lines of columns a power of two apart do not stay in their set of L1.
    int64_t to_boundary(int64_t p) const {
      const uintptr_t past = reinterpret_cast<uintptr_t>(b + p) % ACCEL_VECTOR_BYTES;
      if (past % sizeof(Unit) != 0 || stride * sizeof(Stored) % ACCEL_VECTOR_BYTES != 0) return 0;
      return (ACCEL_VECTOR_BYTES - past) % ACCEL_VECTOR_BYTES / sizeof(Stored);
    }
  };

  __attribute__((always_inline)) static void transpose(const Stored* from, int64_t step, int64_t count,
                                                       Vector<Unit> (&units)[kE], typename F::Doubt& doubt) {
    const int64_t last = count - 1;
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) {
      memcpy(&units[l], from + (l < last ? l : last) * step, sizeof units[l]);  // columns beyond repeat the last
      doubt.look(units[l]);
    }
    Transpose<Unit>::run(units);
  }

  /// The units of k in [begin, end) of columns in which [first, last) can be read, from the one returned on.
  __attribute__((noinline)) static int64_t gather(const Columns& x, int64_t begin, int64_t end, int64_t first,
                                                  int64_t last, Units& units, typename F::Doubt& doubt) {
    Vector<Unit> v[kE];
    const int64_t at = begin + kPiece <= last ? begin : last - kPiece;
    const bool within = at >= first && (begin - at) % kGroup == 0 && (end - at) % kGroup == 0;
    if (within) {
      transpose(x.b + at, x.stride, x.count, v, doubt);
    } else {
      Stored copy[kE][kPiece] = {};
      for (int64_t l = 0; l < x.count; ++l) {
        memcpy(copy[l], x.b + l * x.stride + begin, (end - begin) * sizeof(Stored));
      }
      transpose(copy[0], kPiece, kE, v, doubt);
    }
    for (int u = 0; u < kE; ++u) store(units[u], v[u]);
    return within ? (begin - at) / kGroup : 0;
  }

  /// All chunks of kE columns, transposed in registers.
  template <int M>
  static void block(const FewProblem& x, int64_t i, int64_t m, int64_t j, const Columns& columns,
                    typename F::Doubt& doubt) {
    const auto count = [](int64_t k) { return (k + kGroup - 1) / kGroup; };
    // Units that are read already, and those of them that the next chunk begins with.
    Units ready;
    int64_t next = 0, beyond = 0;
    const int64_t head = columns.to_boundary(x.k_begin);
    if (head > 0 && x.k_begin + head <= x.k_end && x.k - x.k_begin > head) {
      next = gather(columns, x.k_begin, x.k_begin + head, x.k_begin, x.k_end, ready, doubt);
      beyond = next + count(head);
    }
    for (int64_t p = x.k_begin; p < x.k_end; p += kChunk) {
      const int64_t k = Base::chunk(x, p), end = p + k;
      const Factor* a = Base::factors(x, M, i, p);
      Vector<Acc> sums[M];
#pragma GCC unroll 16
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
      int64_t q = p + (beyond - next) * kGroup;
#pragma GCC unroll 1
      for (; next < beyond; ++next) multiply(load(ready[next]));
      for (; q + kPiece <= end; q += kPiece) {
        fetch_ahead(x, columns.b + q, q);
        Vector<Unit> units[kE];
        transpose(columns.b + q, columns.stride, columns.count, units, doubt);
        if constexpr (M < 8) {
#pragma GCC unroll 16
          for (int u = 0; u < kE; ++u) multiply(units[u]);
        } else {  // too many sums for the units to stay in registers
          Units rows;
#pragma GCC unroll 16
          for (int u = 0; u < kE; ++u) store(rows[u], units[u]);
#pragma GCC unroll 1
          for (int u = 0; u < kE; ++u) multiply(load(rows[u]));
        }
      }
      if (q < end) {
        // A vector of which the next chunk gets the rest, where all of it is there.
        const bool on = q + kPiece <= x.k_end;
        fetch_ahead(x, columns.b + q, q);
        next = gather(columns, q, on ? q + kPiece : end, x.k_begin, x.k_end, ready, doubt);
        beyond = on ? kE : next + count(end - q);
        const int64_t own = next + count(end - q);
#pragma GCC unroll 1
        for (; next < own; ++next) multiply(load(ready[next]));
      }
      Acc* const c = static_cast<Acc*>(x.c) + i * x.ldc + j;
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r) {  // by constants: sums are registers
        if (r < m) Base::write(c + r * x.ldc, sums[r], columns.count, p > 0);
      }
    }
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
