// Matrix multiply: packing, the register tile, and a direct kernel for small problems.
//
// Every output element is one chain of fma over ascending k from +0 within a chunk of KC, whatever the tile.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "../kernels.hpp"
#include "contract.hpp"
#include "dot.hpp"
#include "transpose.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

#include "casts/bfloat16.hpp"
#include "casts/float16.hpp"

/// M rows x V vectors of outputs in registers, the sums of a[i * a_row + p * a_col] * b[p * b_row + j] over ascending p
/// in [0, k). Where Partial, only the first `columns` columns of b and c exist: the last vector is not whole.
template <class T, int M, int V, bool Partial>
struct Tile {
  static constexpr int kE = kElements<T>;
  Vector<T> acc[M][V];

  __attribute__((always_inline)) Tile(int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row,
                                      int64_t columns) {
    const int64_t rest = columns - (V - 1) * kE;
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < V; ++j) acc[i][j] = Vector<T>{};
    }
    for (int64_t p = 0; p < k; ++p, a += a_col, b += b_row) {
      Vector<T> row[V];
#pragma GCC unroll 16
      for (int j = 0; j < V; ++j) row[j] = Partial && j == V - 1 ? load_some(b + j * kE, rest) : load(b + j * kE);
#if defined(__aarch64__)
      if constexpr (M % kE == 0 && (std::is_same_v<T, float> || std::is_same_v<T, double>)) {
        if (a_row == 1) {
          multiply_lanes(a, row, std::make_index_sequence<M>{});
          continue;
        }
      }
#endif
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        const Vector<T> x = splat(a[i * a_row]);
#pragma GCC unroll 16
        for (int j = 0; j < V; ++j) acc[i][j] = fma<T>(x, row[j], acc[i][j]);
      }
    }
  }

#if defined(__aarch64__)
  /// fmla takes a factor from any lane of a register: neighbours of a column of A are loaded together.
  template <size_t... I>
  __attribute__((always_inline)) void multiply_lanes(const T* a, const Vector<T> (&row)[V], std::index_sequence<I...>) {
    Vector<T> column[M / kE];
#pragma GCC unroll 16
    for (int i = 0; i < M / kE; ++i) column[i] = load(a + i * kE);
    (multiply_lane<I % kE>(column[I / kE], row, acc[I]), ...);
  }
  template <int Lane>
  __attribute__((always_inline)) static void multiply_lane(Vector<T> column, const Vector<T> (&row)[V],
                                                           Vector<T> (&sums)[V]) {
#pragma GCC unroll 16
    for (int j = 0; j < V; ++j) {
      if constexpr (sizeof(T) == 4) {
        sums[j] = vfmaq_laneq_f32(sums[j], row[j], column, Lane);
      } else {
        sums[j] = vfmaq_laneq_f64(sums[j], row[j], column, Lane);
      }
    }
  }
#endif

  /// c = acc, or c + acc where `add`.
  __attribute__((always_inline)) void write(T* c, int64_t ldc, bool add, int64_t columns) {
    const int64_t rest = columns - (V - 1) * kE;
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < V; ++j) {
        T* const out = c + i * ldc + j * kE;
        if (Partial && j == V - 1) {
          store_some(out, add ? load_some(out, rest) + acc[i][j] : acc[i][j], rest);
        } else {
          store(out, add ? load(out) + acc[i][j] : acc[i][j]);
        }
      }
    }
  }
};

template <class T, int MR, int NV>
struct Matmul {
  static constexpr int kE = kElements<T>;
  static constexpr int kNR = NV * kE;
  static_assert(MR * kNR * sizeof(T) <= kMaxTileBytes);
  static constexpr int kWide = 8;  // vectors of a strip for very few rows, where nothing else hides the latency of fma
  static constexpr int kTall = ACCEL_VECTOR_BYTES == 64 ? 16 : 8;  // rows of one vector of columns
  // Fewer rows in a panel than MR: smaller tiles, so that less is computed in vain.
  static constexpr int kFewer = 2 * MR / 3, kFewest = MR / 3;

  static void tile(int64_t k, int64_t rows, const void* a_data, const void* b_data, void* c_data, int64_t ldc,
                   bool add) {
    const T* const a = static_cast<const T*>(a_data);
    const T* const b = static_cast<const T*>(b_data);
    T* const c = static_cast<T*>(c_data);
    if (rows > kFewer) {
      panel_tile<MR>(k, a, b, c, ldc, add);
    } else if (rows > kFewest) {
      panel_tile<kFewer>(k, a, b, c, ldc, add);
    } else {
      panel_tile<kFewest>(k, a, b, c, ldc, add);
    }
  }

  static void direct(int64_t m, int64_t n, int64_t k, const void* a_data, int64_t a_row, int64_t a_col,
                     const void* b_data, int64_t b_row, void* c_data, int64_t ldc, bool add_first) {
    for (int64_t p = 0; p < k; p += kKC) {
      Operands x{k - p < kKC ? k - p : kKC,
                 static_cast<const T*>(a_data) + p * a_col,
                 a_row,
                 a_col,
                 static_cast<const T*>(b_data) + p * b_row,
                 b_row,
                 static_cast<T*>(c_data),
                 ldc,
                 add_first || p > 0};
      int64_t left = n;
      if (m <= 2) {
        for (; left >= kWide * kE; left -= kWide * kE, x.advance(kWide * kE)) strip<1, kWide, false>(m, 0, x);
      }
      for (; left >= kNR; left -= kNR, x.advance(kNR)) strip<MR, NV, false>(m, 0, x);
      last_strip<NV>(m, left, x);
    }
  }

  static void batch(const BatchProblem& x) {
    const auto each = [&](auto&& product) __attribute__((always_inline)) {
      Operands y{x.k,     static_cast<const T*>(x.a), x.a_row, x.a_col, static_cast<const T*>(x.b),
                 x.b_row, static_cast<T*>(x.c),       x.ldc,   false};
      for (int64_t e = 0; e < x.count; ++e, y.a += x.a_step, y.b += x.b_step, y.c += x.c_step) product(y);
    };
    if (x.n > kE) {
      each([&](const Operands& y) { direct(x.m, x.n, x.k, y.a, y.a_row, y.a_col, y.b, y.b_row, y.c, y.ldc, false); });
    } else if (x.n == kE) {
      each([&](const Operands& y) { strip<kTall, 1, false>(x.m, x.n, y); });
    } else if (x.m > 4) {
      each([&](const Operands& y) { strip<8, 1, true>(x.m, x.n, y); });
    } else {
      each([&](const Operands& y) { strip<4, 1, true>(x.m, x.n, y); });
    }
  }

  static constexpr MatmulRow row() { return {kCType<T>, MR, kNR, tile, direct, batch, Pairs<T>::run}; }

 private:
  /// One chunk (k <= KC).
  struct Operands {
    int64_t k;
    const T* a;
    int64_t a_row, a_col;
    const T* b;
    int64_t b_row;
    T* c;
    int64_t ldc;
    bool add;

    void advance(int64_t columns) {
      b += columns;
      c += columns;
    }
    Operands below(int64_t rows) const {
      Operands x = *this;
      x.a += rows * a_row;
      x.c += rows * ldc;
      return x;
    }
  };

  template <int M>
  static void panel_tile(int64_t k, const T* a, const T* b, T* c, int64_t ldc, bool add) {
    Tile<T, M, NV, false>(k, a, 1, MR, b, kNR, kNR).write(c, ldc, add, kNR);
  }

  /// All m rows of one strip of V vectors of columns.
  template <int M, int V, bool Partial>
  static void strip(int64_t m, int64_t columns, const Operands& x) {
    int64_t i = 0;
    for (; i + M <= m; i += M) {
      const Operands y = x.below(i);
      Tile<T, M, V, Partial>(x.k, y.a, x.a_row, x.a_col, x.b, x.b_row, columns).write(y.c, x.ldc, x.add, columns);
    }
    if constexpr (M > 1) {
      if (i < m) strip<(M > 4 ? 4 : 1), V, Partial>(m - i, columns, x.below(i));
    }
  }

  /// The same for the last 0 <= columns < V vectors.
  template <int V>
  static void last_strip(int64_t m, int64_t columns, const Operands& x) {
    if (columns == 0) return;
    if (columns > (V - 1) * kE) {
      columns == V* kE ? strip<MR, V, false>(m, columns, x) : strip<MR, V, true>(m, columns, x);
      return;
    }
    if constexpr (V > 1) last_strip<V - 1>(m, columns, x);
  }
};

/// The compute type of one stored element; integers wrap modulo 2**32 or 2**64.
template <class From, class To>
static inline To widen_native(From x) {
  return static_cast<To>(x);
}

/// Writes four rows of k elements as four columns of a panel: dst[p * width + i] = rows[i][p]. Asks for the rows that
/// lie `next` elements on: each is too short for the hardware to foresee the following one.
template <class T>
static void transpose_four(int64_t k, const T* const* rows, int64_t next, T* dst, int64_t width) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  constexpr int kLine = 64 / sizeof(T);
  int64_t p = 0;
  for (; p + 4 <= k; p += 4) {
    if (p % kLine == 0) {
      for (int i = 0; i < 4; ++i) fetch(rows[i], next + p);
    }
    Four r[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) memcpy(&r[i], rows[i] + p, sizeof(Four));
    if constexpr (kElements<T> == 4) {
      Transpose<T>::run(r);
    } else {
      const Four low0 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
      const Four low1 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
      const Four high0 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
      const Four high1 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
      r[0] = __builtin_shufflevector(low0, low1, 0, 1, 4, 5);
      r[1] = __builtin_shufflevector(low0, low1, 2, 3, 6, 7);
      r[2] = __builtin_shufflevector(high0, high1, 0, 1, 4, 5);
      r[3] = __builtin_shufflevector(high0, high1, 2, 3, 6, 7);
    }
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) memcpy(dst + (p + q) * width, &r[q], sizeof(Four));
  }
  for (; p < k; ++p) {
    for (int i = 0; i < 4; ++i) dst[p * width + i] = rows[i][p];
  }
}

/// The same of kElements<T> rows by square transposes, for all k but the last k % kElements<T>.
template <class T>
static void transpose_square(int64_t k, const T* x, int64_t across, T* dst, int64_t width) {
  constexpr int kE = kElements<T>;
  for (int64_t p = 0; p + kE <= k; p += kE) {
    Vector<T> v[kE];
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) fetch<2>(x, (l + kE) * across + p);
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) v[l] = load(x + l * across + p);
    Transpose<T>::run(v);
#pragma GCC unroll 16
    for (int l = 0; l < kE; ++l) store(dst + (p + l) * width, v[l]);
  }
}

/// k <= KC.
template <class From, class To, To (*Widen)(From), int Width>
static bool pack(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst) {
  constexpr int kLine = 64 / sizeof(From);
  const From* const x = static_cast<const From*>(src);
  To* const out = static_cast<To*>(dst);
  int64_t i = 0;
  if (across == 1) {
    if (valid == Width) {
      for (int64_t p = 0; p < k; ++p) {
        // The next panel, into L2: each row is too short for the hardware to foresee it.
        for (int l = 0; l < Width; l += kLine) fetch<2>(x, p * along + Width + l);
        if constexpr (std::is_same_v<From, To>) {
          memcpy(out + p * Width, x + p * along, Width * sizeof(To));  // the compiler leaves a width of 6 to scalars
        } else {
          ACCEL_IVDEP
          for (int l = 0; l < Width; ++l) out[p * Width + l] = Widen(x[p * along + l]);
        }
      }
      return true;
    }
  } else if (along == 1) {
    if constexpr (std::is_same_v<From, To> && Width % kElements<To> == 0 && kElements<To> > 4) {
      constexpr int kE = kElements<To>;
      for (; i + kE <= valid; i += kE) {
        transpose_square(k, x + i * across, across, out + i, Width);
        for (int64_t p = k / kE * kE; p < k; ++p) {
          for (int l = 0; l < kE; ++l) out[p * Width + i + l] = x[(i + l) * across + p];
        }
      }
    }
    const auto four = [&](int64_t first) {
      const To* rows[4];
      if constexpr (std::is_same_v<From, To>) {
        for (int l = 0; l < 4; ++l) rows[l] = x + (first + l) * across;
        transpose_four(k, rows, 4 * across, out + first, Width);
      } else {
        To widened[4][kKC];
        for (int l = 0; l < 4; ++l) {
          const From* const row = x + (first + l) * across;
          for (int64_t p = 0; p < k; p += 64 / sizeof(From)) fetch(row, 4 * across + p);
          ACCEL_IVDEP
          for (int64_t p = 0; p < k; ++p) widened[l][p] = Widen(row[p]);
          rows[l] = widened[l];
        }
        transpose_four(k, rows, 0, out + first, Width);
      }
    };
    for (; i + 4 <= valid; i += 4) four(i);
    if (valid > 4 && i < valid) {
      four(valid - 4);  // some rows once more: sooner done than the rest one by one
      i = valid;
    }
  }
  for (; i < valid; ++i) {
    for (int64_t p = 0; p < k; ++p) out[p * Width + i] = Widen(x[i * across + p * along]);
  }
  for (; i < Width; ++i) {
    for (int64_t p = 0; p < k; ++p) out[p * Width + i] = To(0);
  }
  return true;
}

template <class From, class To, To (*Widen)(From)>
static void pack_line(int64_t n, const void* src, int64_t stride, void* dst) {
  const From* const x = static_cast<const From*>(src);
  To* const out = static_cast<To*>(dst);
  if (stride == 1) {
    ACCEL_IVDEP
    for (int64_t i = 0; i < n; ++i) out[i] = Widen(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = Widen(x[i * stride]);
  }
}

using MatmulF32 = Matmul<float, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;
using MatmulF64 = Matmul<double, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;
using MatmulU32 = Matmul<uint32_t, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;
using MatmulU64 = Matmul<uint64_t, ACCEL_TILE_ROWS, ACCEL_TILE_VECTORS>;

static constexpr MatmulRow kMatmuls[] = {MatmulF32::row(), MatmulF64::row(), MatmulU32::row(), MatmulU64::row()};

template <class From, class To, To (*Widen)(From) = widen_native<From, To>>
static constexpr PackRow pack_row(DType from) {
  return {from, kCType<To>, pack_line<From, To, Widen>, pack<From, To, Widen, ACCEL_TILE_ROWS>,
          pack<From, To, Widen, ACCEL_TILE_VECTORS * kElements<To>>};
}

static constexpr PackRow kPacks[] = {
    pack_row<float, float>(DType::kFloat32),
    pack_row<uint16_t, float, accel_cast_float16_float32>(DType::kFloat16),
    pack_row<uint16_t, float, accel_cast_bfloat16_float32>(DType::kBfloat16),
    pack_row<double, double>(DType::kFloat64),
    pack_row<int8_t, uint32_t>(DType::kInt8),
    pack_row<int16_t, uint32_t>(DType::kInt16),
    pack_row<int32_t, uint32_t>(DType::kInt32),
    pack_row<int64_t, uint32_t>(DType::kInt64),
    pack_row<uint8_t, uint32_t>(DType::kUint8),
    pack_row<uint16_t, uint32_t>(DType::kUint16),
    pack_row<uint32_t, uint32_t>(DType::kUint32),
    pack_row<uint64_t, uint32_t>(DType::kUint64),
    pack_row<int8_t, uint64_t>(DType::kInt8),
    pack_row<int16_t, uint64_t>(DType::kInt16),
    pack_row<int32_t, uint64_t>(DType::kInt32),
    pack_row<int64_t, uint64_t>(DType::kInt64),
    pack_row<uint8_t, uint64_t>(DType::kUint8),
    pack_row<uint16_t, uint64_t>(DType::kUint16),
    pack_row<uint32_t, uint64_t>(DType::kUint32),
    pack_row<uint64_t, uint64_t>(DType::kUint64),
};

}  // namespace accel::ACCEL_ISA
