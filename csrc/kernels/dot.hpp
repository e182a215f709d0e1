// Dot products: chunks are independent chains, computed side by side in lanes.
#pragma once

#include <cstddef>
#include <utility>

#include "contract.hpp"
#include "vector.hpp"

namespace accel::ACCEL_ISA {

/// Element `lane` of a vector belongs to row `lane`, at base + lane * step; lanes past `last` repeat row `last`.
template <class T>
struct LaneRows {
  const T* base;
  int64_t step;
  int64_t last;

  const T* operator[](int64_t lane) const { return base + (lane < last ? lane : last) * step; }
};

/// The same where every row exists.
template <class T>
struct AllRows {
  const T* base;
  int64_t step;

  const T* operator[](int64_t lane) const { return base + lane * step; }
};

/// Columns of kElements rows, kGroup at a time.
template <class T>
struct Columns {
  static constexpr int kE = kElements<T>;
  static constexpr int kGroup = kE < 4 ? kE : 4;

  template <int N>
  struct Piece {
    typedef T type __attribute__((vector_size(N * sizeof(T))));
  };

  /// Elements p to p + kGroup - 1 of rows first, first + kGroup, first + 2 kGroup, ... (N / kGroup of them) in a row.
  template <int N, class Rows>
  __attribute__((always_inline)) static typename Piece<N>::type load_pieces(const Rows& rows, int64_t p,
                                                                            int64_t first) {
    typename Piece<N>::type v;
#if defined(__AVX512F__)
    // Loads that broadcast under a mask take no shuffle, as inserting a piece does.
    if constexpr (N == kE && sizeof(T) == 4) {
      __m512 all = _mm512_maskz_broadcast_f32x4(0xffff, piece(rows[first] + p));
      all = _mm512_mask_broadcast_f32x4(all, 0x00f0, piece(rows[first + kGroup] + p));
      all = _mm512_mask_broadcast_f32x4(all, 0x0f00, piece(rows[first + 2 * kGroup] + p));
      return (Vector<T>)_mm512_mask_broadcast_f32x4(all, 0xf000, piece(rows[first + 3 * kGroup] + p));
    }
#endif
    if constexpr (N == kGroup) {
      memcpy(&v, rows[first] + p, sizeof v);
      return v;
    } else {
      return join<N>(load_pieces<N / 2>(rows, p, first), load_pieces<N / 2>(rows, p, first + N / 2),
                     std::make_index_sequence<N>{});
    }
  }

  /// columns[q][lane] = rows[lane][p + q]
  template <class Rows>
  __attribute__((always_inline)) static void load(const Rows& rows, int64_t p, Vector<T> (&columns)[kGroup]) {
    Vector<T> v[kGroup];
    for (int r = 0; r < kGroup; ++r) v[r] = load_pieces<kE>(rows, p, r);
    constexpr auto lanes = std::make_index_sequence<kE>{};
    if constexpr (kGroup == 2) {
      columns[0] = interleave<1, 0>(v[0], v[1], lanes);
      columns[1] = interleave<1, 1>(v[0], v[1], lanes);
    } else {
      const Vector<T> low0 = interleave<1, 0>(v[0], v[1], lanes), low1 = interleave<1, 0>(v[2], v[3], lanes);
      const Vector<T> high0 = interleave<1, 2>(v[0], v[1], lanes), high1 = interleave<1, 2>(v[2], v[3], lanes);
      columns[0] = interleave<2, 0>(low0, low1, lanes);
      columns[1] = interleave<2, 2>(low0, low1, lanes);
      columns[2] = interleave<2, 0>(high0, high1, lanes);
      columns[3] = interleave<2, 2>(high0, high1, lanes);
    }
  }

  /// column[lane] = rows[lane][p]
  template <class Rows>
  static Vector<T> load_one(const Rows& rows, int64_t p) {
    Vector<T> column;
    for (int lane = 0; lane < kE; ++lane) column[lane] = rows[lane][p];
    return column;
  }

 private:
#if defined(__AVX512F__)
  static __m128 piece(const T* p) { return _mm_loadu_ps(reinterpret_cast<const float*>(p)); }
#endif

  template <int N, class Half, size_t... I>
  __attribute__((always_inline)) static typename Piece<N>::type join(Half a, Half b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, static_cast<int>(I)...);
  }

  /// In every group of lanes: runs of Run elements from a and b in turn, from element First on.
  template <int Run, int First, size_t... I>
  __attribute__((always_inline)) static Vector<T> interleave(Vector<T> a, Vector<T> b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, source<Run, First>(static_cast<int>(I))...);
  }

  template <int Run, int First>
  static constexpr int source(int lane) {
    const int group = lane / kGroup * kGroup, at = lane % kGroup;
    return group + First + at / (2 * Run) * Run + at % Run + (at / Run % 2 ? kE : 0);
  }
};

/// out[j] = the sum of a[j * a_step + p] * b[j * b_step + p].
template <class T>
struct Pairs {
  static constexpr int kE = kElements<T>;
  static constexpr int kGroup = Columns<T>::kGroup;
  static constexpr int kVectors = 4;  // chains in flight, to hide the latency of fma
  static constexpr int kLine = 64 / sizeof(T);

  static void run(int64_t n, int64_t k, const void* a_data, int64_t a_step, const void* b_data, int64_t b_step,
                  void* out_data) {
    const T* const a = static_cast<const T*>(a_data);
    const T* const b = static_cast<const T*>(b_data);
    T* const out = static_cast<T*>(out_data);
    int64_t j = 0;
    for (; j + kVectors * kE <= n; j += kVectors * kE) {
      AllRows<T> x[kVectors], y[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        x[v] = {a + (j + v * kE) * a_step, a_step};
        y[v] = {b + (j + v * kE) * b_step, b_step};
      }
      Vector<T> sums[kVectors];
      accumulate<kVectors>(k, x, y, sums);
      for (int v = 0; v < kVectors; ++v) store(out + j + v * kE, sums[v]);
    }
    for (; j < n; j += kE) {
      const int64_t lanes = n - j < kE ? n - j : kE;
      const LaneRows<T> x[1] = {{a + j * a_step, a_step, lanes - 1}}, y[1] = {{b + j * b_step, b_step, lanes - 1}};
      Vector<T> sums[1];
      accumulate<1>(k, x, y, sums);
      lanes == kE ? store(out + j, sums[0]) : store_some(out + j, sums[0], lanes);
    }
  }

 private:
  /// What follows these rows, as many elements on: the rows that come next where they lie one after another.
  static void fetch_next(const AllRows<T>& rows, int64_t p) {
    const uintptr_t step = static_cast<uintptr_t>(rows.step) * sizeof(T);
    const uintptr_t first = reinterpret_cast<uintptr_t>(rows.base + p) + kVectors * kE * step;
#pragma GCC unroll 16
    for (int lane = 0; lane < kE; ++lane) __builtin_prefetch(reinterpret_cast<const void*>(first + lane * step), 0, 2);
  }
  static void fetch_next(const LaneRows<T>&, int64_t) {}

  template <int V, class Rows>
  __attribute__((always_inline)) static void accumulate(int64_t k, const Rows (&x)[V], const Rows (&y)[V],
                                                        Vector<T> (&sums)[V]) {
    for (int v = 0; v < V; ++v) sums[v] = Vector<T>{};
    int64_t p = 0;
    for (; p + kGroup <= k; p += kGroup) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        if (p % kLine == 0) {
          fetch_next(x[v], p);
          fetch_next(y[v], p);
        }
        Vector<T> a[kGroup], b[kGroup];
        Columns<T>::load(x[v], p, a);
        Columns<T>::load(y[v], p, b);
#pragma GCC unroll 4
        for (int q = 0; q < kGroup; ++q) sums[v] = fma<T>(a[q], b[q], sums[v]);
      }
    }
    for (; p < k; ++p) {
      for (int v = 0; v < V; ++v)
        sums[v] = fma<T>(Columns<T>::load_one(x[v], p), Columns<T>::load_one(y[v], p), sums[v]);
    }
  }
};

}  // namespace accel::ACCEL_ISA
