// Products of few rows with a B whose rows are contiguous.
#pragma once

#include "few_factors.hpp"

namespace accel::ACCEL_ISA {

template <class F>
struct FewAcross : FewFactors<F> {
  using Base = FewFactors<F>;
  using Base::kChunk, Base::kE, Base::kGroup, Base::kParts;
  using typename Base::Acc, typename Base::Factor, typename Base::Stored;
  static constexpr int kTogether = F::kTogether;
  // Registers that hold factors of B. Every factor of A that is loaded meets kVectors of them.
  static constexpr int kRegisters = ACCEL_VECTOR_BYTES == 64 ? 16 : 8;
  static constexpr int kVectors = kTogether == 1 && ACCEL_VECTOR_BYTES == 64 ? 2 : kTogether;
  static constexpr int kWide = kVectors * kE;  // columns at once
  static constexpr int kMost = kRegisters / (kVectors * kParts);
  static constexpr int kDepth = kMost < 1 ? 1 : kMost > 8 ? 8 : kMost;  // units of k at a time
  static constexpr int kLine = 64 / sizeof(Stored);
  // Whether to ask for the rows that come next. Zen 3 foresees eight at a time, and is slower where they are asked for.
  static constexpr bool kAsks = ACCEL_VECTOR_BYTES == 64 || kGroup > 2;
  static constexpr int kSumBytes = 16 << 10;  // sums of a block of columns, in L1
  static constexpr int kRowBytes = kAsks ? 8 << 10 : 16 << 10;
  static constexpr int kMostColumns = kRowBytes / sizeof(Stored) < kSumBytes / sizeof(Acc)
                                          ? kRowBytes / sizeof(Stored)
                                          : kSumBytes / sizeof(Acc);  // of a row that are read end to end
  static_assert(kMostColumns % kWide == 0);

  static bool run(const FewProblem& x) {
    typename F::Doubt doubt;
    const int64_t head = columns_to_line(x), whole = head + (x.n - head) / kWide * kWide;
    for (int64_t p = x.k_begin; p < x.k_end; p += kChunk) {
      if (head > 0) edge(x, p, 0, head, doubt);
      for (int64_t j = head; j < whole; j += kMostColumns) {
        const int64_t columns = whole - j < kMostColumns ? whole - j : kMostColumns;
        Base::template for_blocks<Base::kAcrossRows>(x, [&](auto rows, int64_t i, int64_t m) {
          constexpr int kColumns = columns_at_once<rows.value>();
          for (int64_t c = 0; c < columns; c += kColumns) {
            const int64_t width = columns - c < kColumns ? columns - c : kColumns;
            block<rows.value>(x, i, m, j + c, width, 0, p, column(x, p, j + c), x.b_stride, doubt);
          }
        });
      }
      if (whole < x.n) edge(x, p, whole, x.n - whole, doubt);
    }
    return !doubt.any();
  }

 private:
  template <int M>
  static constexpr int columns_at_once() {
    constexpr int columns = kSumBytes / static_cast<int>(sizeof(Acc)) / M;
    return columns < kMostColumns ? columns : kMostColumns;
  }

  static const Stored* column(const FewProblem& x, int64_t p, int64_t j) {
    return static_cast<const Stored*>(x.b) + p * x.b_stride + j;
  }

  /// kColumns before the first whole vector of memory, where it is the same in all rows: see FewAlong::head.
  static int64_t columns_to_line(const FewProblem& x) {
    const uintptr_t past = reinterpret_cast<uintptr_t>(x.b) % ACCEL_VECTOR_BYTES;
    if (past % sizeof(Stored) != 0 || x.b_stride * sizeof(Stored) % ACCEL_VECTOR_BYTES != 0) return 0;
    const int64_t columns = (ACCEL_VECTOR_BYTES - past) % ACCEL_VECTOR_BYTES / sizeof(Stored);
    return x.n < columns + kWide ? 0 : columns;
  }

  /// One chunk of columns whose rows are contiguous: read row by row from end to end, several rows at a time, with the
  /// sums in L1. Reads whole multiples of kWide columns of b, of which `columns` from `skip` on are column j of c and
  /// those after it.
  template <int M>
  __attribute__((noinline)) static void block(const FewProblem& x, int64_t i, int64_t m, int64_t j, int64_t columns,
                                              int64_t skip, int64_t p, const Stored* b, int64_t b_row,
                                              typename F::Doubt& doubt) {
    const int64_t k = Base::chunk(x, p), units = (k + kGroup - 1) / kGroup;
    const int64_t width = (skip + columns + kWide - 1) / kWide * kWide;
    const Factor* a = Base::factors(x, M, i, p);
    constexpr int kColumns = columns_at_once<M>();
    Acc sums[M][kColumns];
    for (int r = 0; r < M; ++r) {
      const Vector<Acc> first = splat(Base::start(a + (Base::chunk_size(k) - 1) * M, r));
      for (int64_t c = 0; c < width; c += kE) store(&sums[r][c], first);
    }
    int64_t u = 0;
    for (; u + kDepth <= k / kGroup; u += kDepth, a += kDepth * kParts * M) {
      // The rows after these, or the first of the next columns.
      const int64_t next = kDepth * kGroup * (u + 2 * kDepth <= units ? b_row : 0);
      const int64_t ahead = next ? next : columns - u * kGroup * b_row;
      rows<M, kDepth>(width, b + u * kGroup * b_row, b_row, k, ahead, a, sums, doubt);
    }
    for (; u < units; ++u, a += kParts * M) {
      rows<M, 1>(width, b + u * kGroup * b_row, b_row, k - u * kGroup, 0, a, sums, doubt);
    }
    Acc* const c = static_cast<Acc*>(x.c) + i * x.ldc + j;
    for (int r = 0; r < m; ++r) {
      Acc ordered[kTogether > 1 ? kColumns : 1];
      if constexpr (kTogether > 1) in_order(width, sums[r], ordered);
      const Acc* const sum = kTogether > 1 ? ordered : sums[r];
      for (int64_t l = 0; l < columns; l += kE) {
        Vector<Acc> last = {};
        // Those of an edge do not begin with a vector, and may end before one.
        memcpy(&last, sum + skip + l, (skip + l + kE <= width ? kE : width - skip - l) * sizeof(Acc));
        Base::write(c + r * x.ldc + l, last, columns - l, p > 0);
      }
    }
  }

  /// kColumns of sums as they lie in memory, from the order of F::columns.
  static void in_order(int64_t width, const Acc* sums, Acc* out) {
    constexpr int kPieceSize = 16 / sizeof(Acc), kPieces = kE / kPieceSize;
    for (int64_t c = 0; c < width; c += kWide) {
#pragma GCC unroll 16
      for (int piece = 0; piece < kTogether * kPieces; ++piece) {
        memcpy(out + c + piece * kPieceSize, sums + c + piece % kTogether * kE + piece / kTogether * kPieceSize, 16);
      }
    }
  }

  template <int M, int Depth, int kColumns>
  __attribute__((always_inline)) static void rows(int64_t width, const Stored* b, int64_t b_row, int64_t k,
                                                  int64_t ahead, const Factor* a, Acc (&sums)[M][kColumns],
                                                  typename F::Doubt& doubt) {
    static constexpr Stored kZeros[kMostColumns] = {};
    for (int64_t c = 0; c < width; c += kWide) {
      if (kAsks && ahead != 0 && c % kLine == 0) {
        // Not by `fetch` for each row: it works out each address by itself, which was measured to cost up to 45 %.
        const uintptr_t address = reinterpret_cast<uintptr_t>(b + c) + static_cast<uintptr_t>(ahead) * sizeof(Stored);
        const uintptr_t next = static_cast<uintptr_t>(b_row) * sizeof(Stored);
#pragma GCC unroll 16
        for (int r = 0; r < Depth * kGroup; ++r) {
#pragma GCC unroll 2
          for (size_t at = 0; at < kWide * sizeof(Stored); at += 64) {
            __builtin_prefetch(reinterpret_cast<const void*>(address + r * next + at), 0, 2);
          }
        }
      }
      Vector<Factor> parts[Depth][kVectors / kTogether][kTogether][kParts];
#pragma GCC unroll 8
      for (int d = 0; d < Depth; ++d) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors / kTogether; ++v) {
          const Stored* from[kGroup];
          for (int g = 0; g < kGroup; ++g) {
            from[g] = (Depth > 1 || g < k ? b + (d * kGroup + g) * b_row : kZeros) + c + v * kE;
          }
          F::columns(from, parts[d][v]);
#pragma GCC unroll 4
          for (int t = 0; t < kTogether; ++t) doubt.look(parts[d][v][t][0]);
        }
      }
      // The factors of A are to be loaded in every round: all of them are more than there are registers.
      const Factor* factors = a;
      asm("" : "+r"(factors));
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r) {
        Vector<Acc> sum[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[v] = load(&sums[r][c + v * kE]);
#pragma GCC unroll 8
        for (int d = 0; d < Depth; ++d) {
#pragma GCC unroll 2
          for (int g = 0; g < kParts; ++g) {
            const Vector<Factor> factor = splat(factors[(d * kParts + g) * M + r]);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
              sum[v] = F::multiply(factor, parts[d][v / kTogether][v % kTogether][g], sum[v]);
            }
          }
        }
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) store(&sums[r][c + v * kE], sum[v]);
      }
    }
  }

  /// Less than kWide columns at the beginning or the end: as part of kWide that exist, or by way of a copy that is.
  static void edge(const FewProblem& x, int64_t p, int64_t j, int64_t columns, typename F::Doubt& doubt) {
    const int64_t first = j + kWide <= x.n ? j : x.n - kWide;
    Stored copy[kChunk * kWide];
    const Stored* b = copy;
    int64_t b_row = kWide, skip = 0;
    if (first >= 0) {
      b = column(x, p, first);
      b_row = x.b_stride;
      skip = j - first;
    } else {
      memset(copy, 0, sizeof copy);
      for (int64_t q = 0; q < Base::chunk(x, p); ++q) {
        memcpy(copy + q * kWide, column(x, p + q, j), columns * sizeof(Stored));
      }
    }
    Base::template for_blocks<Base::kAcrossRows>(
        x, [&](auto rows, int64_t i, int64_t m) { block<rows.value>(x, i, m, j, columns, skip, p, b, b_row, doubt); });
  }
};

}  // namespace accel::ACCEL_ISA
