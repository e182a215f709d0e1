// Products of few rows: how the rows of A are prepared, and what reading B along k and across it shares.
#pragma once

#include <type_traits>

#include "../kernels.hpp"
#include "contract.hpp"
#include "format.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

// With the 16 registers of AVX2, the sums of 16 rows leave none for B, and packing is sooner worth it.
#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr bool kFewRegisters = true;
#else
inline constexpr bool kFewRegisters = false;
#endif

template <class F>
struct FewFactors {
  using Stored = typename F::Stored;
  using Unit = typename F::Unit;
  using Factor = typename F::Factor;
  using Acc = typename F::Acc;
  static constexpr int kE = kElements<Unit>;
  static constexpr int kGroup = F::kGroup, kParts = F::kParts;
  static constexpr int kPiece = kE * kGroup;  // k of a vector of units
  static constexpr int kChunk = F::kChunk;    // k that are added up before they are added to c
  // Rows up to which each is faster than packing.
  static constexpr int kAlongRows = kFewRegisters ? 8 : kFewRows;
  static constexpr int kAcrossRows =
      kFewRegisters && std::is_floating_point_v<Acc> ? 64 / static_cast<int>(sizeof(Acc)) : kFewRows;
  static_assert(kChunk % kPiece == 0 && sizeof(Unit) == sizeof(Acc) && sizeof(Factor) == sizeof(Acc));

  /// Factors of a row of A: chunk by chunk its units, up to a whole number of vectors of them, then what its sum starts
  /// from.
  static constexpr int64_t chunk_size(int64_t k) { return (k + kPiece - 1) / kPiece * kE * kParts + 1; }
  static int64_t row_size(int64_t k) {
    return k / kChunk * chunk_size(kChunk) + (k % kChunk ? chunk_size(k % kChunk) : 0);
  }

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

 protected:
  template <int N>
  struct Constant {
    static constexpr int value = N;
  };

  /// body(rows at a time, first row, rows of it that exist), of kMost rows at most.
  template <int kMost, class Body>
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
          if constexpr (kMost > 8) body(Constant<16>{}, i, m);
      }
      i += rows;
    }
  }

  /// The factors of chunk p of the `rows` rows from i on.
  static const Factor* factors(const FewProblem& x, int rows, int64_t i, int64_t p) {
    return static_cast<const Factor*>(x.factors) + i * row_size(x.k) + p / kChunk * chunk_size(kChunk) * rows;
  }
  static int64_t chunk(const FewProblem& x, int64_t p) { return x.k - p < kChunk ? x.k - p : kChunk; }

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

 private:
  __attribute__((always_inline)) static void prepare_row(int64_t k, const Stored* x, int64_t step, Factor* out,
                                                         int64_t width) {
    for (int64_t p = 0; p < k; p += kChunk) {
      const int64_t length = k - p < kChunk ? k - p : kChunk, units = (length + kPiece - 1) / kPiece * kE;
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
      for (int64_t p = 0; p < k; p += kChunk) {
        const int64_t length = k - p < kChunk ? k - p : kChunk, units = chunk_size(length) - 1;
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
};

}  // namespace accel::ACCEL_ISA
