// Products of few rows: B is read once, as it is stored, whichever way it is contiguous, and widened in registers.
#pragma once

#include "../kernels.hpp"
#include "contract.hpp"
#include "format.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

template <class F>
struct Few {
  using Stored = typename F::Stored;
  using Unit = typename F::Unit;
  using Factor = typename F::Factor;
  using Acc = typename F::Acc;
  static constexpr int kE = kElements<Unit>;
  static constexpr int kGroup = F::kGroup, kParts = F::kParts;
  static constexpr int kPiece = kE * kGroup;  // k of a vector of units
  static constexpr int kLine = 64 / sizeof(Stored);
  static constexpr int kAhead = 1024 / sizeof(Stored);                    // k from a load to its prefetch, along k
  static constexpr int kSumBytes = 16 << 10;                              // sums of a block of columns, in L1
  static constexpr int kRowBytes = 2 << 10;                               // the most of one row's
  static constexpr int kDepth = (kParts == 2 ? 4 : kGroup == 1 ? 8 : 4);  // units of k at a time, across k
  static_assert(kKC % kPiece == 0 && sizeof(Unit) == sizeof(Acc) && sizeof(Factor) == sizeof(Acc));

  /// Factors of a row of A: chunk by chunk its units, up to a whole number of vectors of them, then what its sum starts
  /// from.
  static constexpr int64_t chunk_size(int64_t k) { return (k + kPiece - 1) / kPiece * kE * kParts + 1; }
  static int64_t row_size(int64_t k) { return k / kKC * chunk_size(kKC) + (k % kKC ? chunk_size(k % kKC) : 0); }

  static void prepare(int64_t m, int64_t k, const void* a_data, int64_t a_row, int64_t a_col, void* factors) {
    const Stored* const a = static_cast<const Stored*>(a_data);
    const int64_t size = row_size(k);
    for (int64_t i = 0; i < m;) {
      const int rows = few_rows(m - i);
      if (kGroup == 1 && a_col == 1 && rows <= m - i) {
        interleave(rows, k, a + i * a_row, a_row, static_cast<Factor*>(factors) + i * size);
        i += rows;
        continue;
      }
      for (int r = 0; r < rows; ++r) {
        Factor* const out = static_cast<Factor*>(factors) + i * size + r;
        const Stored* const row = a + (i + (i + r < m ? r : 0)) * a_row;
        if (a_col == 1) {
          prepare_row(k, row, int64_t{1}, out, rows);
        } else {
          prepare_row(k, row, a_col, out, rows);
        }
      }
      i += rows;
    }
  }

  static void along(const FewProblem& x) {
    for (int64_t j = 0; j < x.n; j += kE) {
      const int64_t columns = x.n - j < kE ? x.n - j : kE;
      for (int64_t p = x.k_begin; p < x.k_end; p += kKC) {
        for_blocks(x, [&](auto rows, int64_t i, int64_t m) { along_block<rows.value>(x, i, m, j, columns, p); });
      }
    }
  }

  static void across(const FewProblem& x) {
    for (int64_t p = x.k_begin; p < x.k_end; p += kKC) {
      const int64_t block = kRowBytes / sizeof(Acc), whole = x.n / kE * kE;
      for (int64_t j = 0; j < whole; j += block) {
        const int64_t columns = whole - j < block ? whole - j : block;
        for_blocks(x, [&](auto rows, int64_t i, int64_t m) {
          constexpr int kColumns = columns_at_once<rows.value>();
          for (int64_t c = 0; c < columns; c += kColumns) {
            const int64_t width = columns - c < kColumns ? columns - c : kColumns;
            across_block<rows.value, kColumns>(x, i, m, j + c, width, p, column(x, p, j + c), x.b_stride);
          }
        });
      }
      if (whole < x.n) across_last(x, p, whole);
    }
  }

  static constexpr FewRow row(DType dtype, CType type) { return {dtype, type, row_size, prepare, along, across}; }

 private:
  template <int N>
  struct Constant {
    static constexpr int value = N;
  };

  /// body(rows at a time, first row, rows of it that exist)
  template <class Body>
  __attribute__((always_inline)) static void for_blocks(const FewProblem& x, Body&& body) {
    for (int64_t i = 0; i < x.m;) {
      const int rows = few_rows(x.m - i);
      const int64_t m = x.m - i < rows ? x.m - i : rows;
      switch (rows) {
        case 1:
          body(Constant<1>{}, i, m);
          break;
        case 2:
          body(Constant<2>{}, i, m);
          break;
        case 4:
          body(Constant<4>{}, i, m);
          break;
        case 8:
          body(Constant<8>{}, i, m);
          break;
        default:
          body(Constant<16>{}, i, m);
      }
      i += rows;
    }
  }

  template <int M>
  static constexpr int columns_at_once() {
    constexpr int64_t bytes = kSumBytes / M < kRowBytes ? kSumBytes / M : kRowBytes;
    return bytes / sizeof(Acc);
  }

  static const Factor* factors(const FewProblem& x, int rows, int64_t i, int64_t p) {
    return static_cast<const Factor*>(x.factors) + i * row_size(x.k) + p / kKC * chunk_size(kKC) * rows;
  }
  static const Stored* column(const FewProblem& x, int64_t p, int64_t j) {
    return static_cast<const Stored*>(x.b) + p * x.b_stride + j;
  }
  static int64_t chunk(const FewProblem& x, int64_t p) { return x.k - p < kKC ? x.k - p : kKC; }

  __attribute__((always_inline)) static void prepare_row(int64_t k, const Stored* x, int64_t step, Factor* out,
                                                         int64_t width) {
    for (int64_t p = 0; p < k; p += kKC) {
      const int64_t length = k - p < kKC ? k - p : kKC, units = (length + kPiece - 1) / kPiece * kE;
      Acc start = 0;
      for (int64_t u = 0; u < units; ++u) {
        Stored group[kGroup] = {};
        const int64_t left = length - u * kGroup;
        const int valid = left >= kGroup ? kGroup : left > 0 ? static_cast<int>(left) : 0;
        for (int g = 0; g < valid; ++g) group[g] = x[(p + u * kGroup + g) * step];
        Factor parts[kParts];
        if (kGroup == 1 && valid == 0) {
          parts[0] = static_cast<Factor>(-0.0);
        } else {
          F::prepare(group, valid, parts);
        }
        start += F::start(parts);
        for (int q = 0; q < kParts; ++q, out += width) *out = parts[q];
      }
      memcpy(out, &start, sizeof start);
      out += width;
    }
  }

  /// prepare_row for `rows` rows of elements that are factors already.
  static void interleave(int rows, int64_t k, const Stored* a, int64_t a_row, Factor* out) {
    if constexpr (kGroup == 1) {
      for (int64_t p = 0; p < k; p += kKC) {
        const int64_t length = k - p < kKC ? k - p : kKC, units = chunk_size(length) - 1;
        const Stored* const from = a + p;
        switch (rows) {
          case 1:
            memcpy(out, from, length * sizeof(Factor));
            break;
          case 2:
            interleave_rows<2>(length, from, a_row, out);
            break;
          case 4:
            interleave_rows<4>(length, from, a_row, out);
            break;
          case 8:
            interleave_rows<8>(length, from, a_row, out);
            break;
          default:
            interleave_rows<16>(length, from, a_row, out);
        }
        for (int64_t q = length * rows; q < units * rows; ++q) out[q] = static_cast<Factor>(-0.0);
        for (int64_t q = units * rows; q < (units + 1) * rows; ++q) out[q] = Factor(0);
        out += (units + 1) * rows;
      }
    }
  }
  template <int M>
  static void interleave_rows(int64_t k, const Stored* a, int64_t a_row, Factor* out) {
    for (int64_t p = 0; p < k; ++p, out += M) {
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r) out[r] = static_cast<Factor>(a[r * a_row + p]);
    }
  }

  static Acc start(const Factor* end, int row) {
    Acc value;
    memcpy(&value, end + row, sizeof value);
    return value;
  }

  static void write(Acc* c, Vector<Acc> sum, int64_t columns, bool add) {
    if (columns >= kE) {
      store(c, add ? load(c) + sum : sum);
    } else {
      store_some(c, add ? load_some(c, columns) + sum : sum, columns);
    }
  }

  /// One chunk of kE columns, each contiguous along k: transposed in registers.
  template <int M>
  static void along_block(const FewProblem& x, int64_t i, int64_t m, int64_t j, int64_t columns, int64_t p) {
    const Stored* const b = static_cast<const Stored*>(x.b) + j * x.b_stride + p;
    const int64_t k = chunk(x, p), whole = k / kPiece * kPiece;
    int64_t last = columns - 1;  // columns that do not exist repeat it
    const Factor* a = factors(x, M, i, p);
    Vector<Acc> sums[M];
    for (int r = 0; r < M; ++r) sums[r] = splat(start(a + (chunk_size(k) - 1) * M, r));
    for (int64_t q = 0; q < k; q += kPiece) {
      Stored piece[kE][kPiece];
      const Stored* from = b + q;
      int64_t step = x.b_stride;
      if (q < whole) {
        // To the same place in the next columns once these end.
        const int64_t ahead = p + q + kAhead < x.k_end ? kAhead : kE * step - (x.k_end - x.k_begin) + kAhead;
        const uintptr_t address = reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(ahead) * sizeof(Stored);
        const uintptr_t next = static_cast<uintptr_t>(step) * sizeof(Stored);
#pragma GCC unroll 16
        for (int l = 0; l < kE; ++l) __builtin_prefetch(reinterpret_cast<const void*>(address + l * next), 0, 2);
      } else {
        memset(piece, 0, sizeof piece);
        const int64_t valid = k - q < kPiece ? k - q : kPiece;
        for (int64_t l = 0; l < columns; ++l) memcpy(piece[l], from + l * step, valid * sizeof(Stored));
        from = piece[0];
        step = kPiece;
        last = kE - 1;
      }
      Vector<Unit> units[kE];
#pragma GCC unroll 16
      for (int l = 0; l < kE; ++l) memcpy(&units[l], from + (l < last ? l : last) * step, sizeof units[l]);
      Transpose<Unit>::run(units);
      const auto multiply = [&](Vector<Unit> unit) __attribute__((always_inline)) {
        Vector<Factor> parts[kParts];
        F::split(unit, parts);
#pragma GCC unroll 2
        for (int g = 0; g < kParts; ++g, a += M) {
#pragma GCC unroll 16
          for (int r = 0; r < M; ++r) sums[r] = F::multiply(splat(a[r]), parts[g], sums[r]);
        }
      };
      if constexpr (M < 8) {
#pragma GCC unroll 16
        for (int u = 0; u < kE; ++u) multiply(units[u]);
      } else {  // too many sums for the units to stay in registers
        Unit rows[kE][kE];
#pragma GCC unroll 16
        for (int u = 0; u < kE; ++u) store(rows[u], units[u]);
#pragma GCC unroll 1
        for (int u = 0; u < kE; ++u) multiply(load(rows[u]));
      }
    }
    Acc* const c = static_cast<Acc*>(x.c) + i * x.ldc + j;
    for (int r = 0; r < m; ++r) write(c + r * x.ldc, sums[r], columns, p > 0);
  }

  /// One chunk of columns (whole vectors of them, or less than one) whose rows are contiguous: read row by row from end
  /// to end, several rows at a time, with the sums in L1.
  template <int M, int Columns>
  static void across_block(const FewProblem& x, int64_t i, int64_t m, int64_t j, int64_t columns, int64_t p,
                           const Stored* b, int64_t b_row) {
    const int64_t k = chunk(x, p), units = (k + kGroup - 1) / kGroup, width = (columns + kE - 1) / kE * kE;
    const Factor* a = factors(x, M, i, p);
    Acc sums[M][Columns];
    for (int r = 0; r < M; ++r) {
      const Vector<Acc> first = splat(start(a + (chunk_size(k) - 1) * M, r));
      for (int64_t c = 0; c < width; c += kE) store(&sums[r][c], first);
    }
    int64_t u = 0;
    for (; u + kDepth <= k / kGroup; u += kDepth, a += kDepth * kParts * M) {
      // The rows after these, or the first of the next columns.
      const int64_t next = kDepth * kGroup * (u + 2 * kDepth <= units ? b_row : 0);
      const int64_t ahead = next ? next : columns - u * kGroup * b_row;
      across_rows<M, kDepth>(width, b + u * kGroup * b_row, b_row, k, ahead, a, sums);
    }
    for (; u < units; ++u, a += kParts * M) {
      across_rows<M, 1>(width, b + u * kGroup * b_row, b_row, k - u * kGroup, 0, a, sums);
    }
    Acc* const c = static_cast<Acc*>(x.c) + i * x.ldc + j;
    for (int r = 0; r < m; ++r) {
      for (int64_t l = 0; l < columns; l += kE) write(c + r * x.ldc + l, load(&sums[r][l]), columns - l, p > 0);
    }
  }

  template <int M, int Depth, int Columns>
  __attribute__((always_inline)) static void across_rows(int64_t width, const Stored* b, int64_t b_row, int64_t k,
                                                         int64_t ahead, const Factor* a, Acc (&sums)[M][Columns]) {
    static constexpr Stored kZeros[kRowBytes / sizeof(Acc)] = {};
    for (int64_t c = 0; c < width; c += kE) {
      if (ahead != 0 && c % kLine == 0) {
        const uintptr_t address = reinterpret_cast<uintptr_t>(b + c) + static_cast<uintptr_t>(ahead) * sizeof(Stored);
        const uintptr_t next = static_cast<uintptr_t>(b_row) * sizeof(Stored);
#pragma GCC unroll 16
        for (int r = 0; r < Depth * kGroup; ++r) {
          __builtin_prefetch(reinterpret_cast<const void*>(address + r * next), 0, 2);
        }
      }
      Vector<Factor> parts[Depth][kParts];
#pragma GCC unroll 8
      for (int d = 0; d < Depth; ++d) {
        const Stored* rows[kGroup];
        for (int g = 0; g < kGroup; ++g) {
          rows[g] = Depth > 1 || g < k ? b + (d * kGroup + g) * b_row + c : kZeros + c;
        }
        F::columns(rows, parts[d]);
      }
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r) {
        Vector<Acc> sum = load(&sums[r][c]);
#pragma GCC unroll 8
        for (int d = 0; d < Depth; ++d) {
#pragma GCC unroll 2
          for (int g = 0; g < kParts; ++g) sum = F::multiply(splat(a[(d * kParts + g) * M + r]), parts[d][g], sum);
        }
        store(&sums[r][c], sum);
      }
    }
  }

  /// The columns after the last whole vector, by way of a copy that is one.
  static void across_last(const FewProblem& x, int64_t p, int64_t j) {
    Stored copy[kKC * kE] = {};
    const int64_t k = chunk(x, p), columns = x.n - j;
    for (int64_t q = 0; q < k; ++q) memcpy(copy + q * kE, column(x, p + q, j), columns * sizeof(Stored));
    for_blocks(
        x, [&](auto rows, int64_t i, int64_t m) { across_block<rows.value, kE>(x, i, m, j, columns, p, copy, kE); });
  }
};

}  // namespace accel::ACCEL_ISA
