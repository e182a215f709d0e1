// Products of units (format.hpp) by packed panels and register tiles.
#pragma once

#include "../kernels.hpp"
#include "format.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

/// Calls emit(u, lane, units) for the units u of a panel of `Width` rows or columns, ascending, and for every
/// kElements<Unit> of its lanes; element p of lane i is at src[i * across + p * along]. Lanes past `valid` hold
/// zeros, or other elements of the panel.
template <class F, int Width, class Emit>
__attribute__((always_inline)) static inline void for_units(int64_t k, int64_t valid, const typename F::Stored* src,
                                                            int64_t across, int64_t along, Emit&& emit) {
  using Stored = typename F::Stored;
  using Unit = typename F::Unit;
  constexpr int kE = kElements<Unit>, kGroup = F::kGroup, kPiece = kE * kGroup;
  for (int64_t lane = 0; lane < Width; lane += kE) {
    const int64_t lanes = valid - lane < kE ? valid - lane : kE;
    if (lanes <= 0) {
      for (int64_t u = 0; u * kGroup < k; ++u) emit(u, lane, Vector<Unit>{});
    } else if (across == 1) {
      // Up to here, a whole vector from each step of k lies between the first and the last element of the panel.
      const int64_t whole = lanes == kE ? k : along >= kE ? k - 1 : 0;
      Vector<Unit> keep = {};
      for (int l = 0; l < kE; ++l) keep[l] = l < lanes ? ~Unit(0) : Unit(0);
      for (int64_t p = 0; p < k; p += kGroup) {
        Stored copies[kGroup][kE];
        const Stored* rows[kGroup];
        for (int g = 0; g < kGroup; ++g) {
          rows[g] = src + (p + g) * along + lane;
          fetch<2>(rows[g], Width);
          if (p + g < whole) continue;
          memset(copies[g], 0, sizeof copies[g]);
          if (p + g < k) {
            if (lanes == Width) {
              memcpy(copies[g], rows[g], (Width < kE ? Width : kE) * sizeof(Stored));
            } else {
              memcpy(copies[g], rows[g], lanes * sizeof(Stored));
            }
          }
          rows[g] = copies[g];
        }
        emit(p / kGroup, lane, F::units(rows) & keep);
      }
    } else {
      const Stored* const first = src + lane * across;
      for (int64_t p = 0; p < k; p += kPiece) {
        Stored copies[kE][kPiece];
        const int64_t left = k - p < kPiece ? k - p : kPiece;
        const Stored* from = first + p * along;
        int64_t step = across, last = lanes - 1;
        if (along != 1 || left < kPiece) {
          memset(copies, 0, sizeof copies);
          for (int64_t l = 0; l < lanes; ++l) {
            for (int64_t q = 0; q < left; ++q) copies[l][q] = from[l * step + q * along];
          }
          from = copies[0];
          step = kPiece;
          last = kE - 1;
        }
        // The next rows, into L2: each row is too short for the hardware to foresee the next one.
#pragma GCC unroll 16
        for (int l = 0; l < kE; ++l) fetch<2>(first, (l + kE) * across + p * along);
        Vector<Unit> units[kE];
#pragma GCC unroll 16
        for (int l = 0; l < kE; ++l) memcpy(&units[l], from + (l < last ? l : last) * step, sizeof units[l]);
        Transpose<Unit>::run(units);
        const int64_t count = (left + kGroup - 1) / kGroup;
#pragma GCC unroll 16
        for (int u = 0; u < kE; ++u) {
          if (u < count) emit(p / kGroup + u, lane, units[u]);
        }
      }
    }
  }
}

template <class F, int MR, int NV>
struct UnitTile {
  using Stored = typename F::Stored;
  using Unit = typename F::Unit;
  using Factor = typename F::Factor;
  using Acc = typename F::Acc;
  static constexpr int kE = kElements<Unit>, kGroup = F::kGroup, kParts = F::kParts, kNR = NV * kE;
  static_assert(MR <= kE || kE < 8);

  static int64_t units(int64_t k) { return (k + kGroup - 1) / kGroup; }

  static bool pack_a(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst) {
    Factor* const out = static_cast<Factor*>(dst);
    typename F::Doubt doubt;
    // Stores of whole vectors, each of which is overwritten by the next beyond its first MR lanes.
    for (int lane0 = 0; lane0 < MR; lane0 += kE) {
      Vector<Acc> start = {};
      const int64_t lanes = valid - lane0;
      if (lanes <= 0) break;
      for_units<F, (MR < kE ? MR : kE)>(k, lanes < kE ? lanes : kE, static_cast<const Stored*>(src) + lane0 * across,
                                        across, along,
                                        [&](int64_t u, int64_t, Vector<Unit> unit) __attribute__((always_inline)) {
                                          Vector<Factor> parts[kParts];
                                          doubt.look(unit);
                                          F::split_a(unit, parts);
                                          start = F::add_starts(parts[0], start);
                                          for (int g = 0; g < kParts; ++g)
                                            put(out + (u * kParts + g) * MR + lane0, parts[g], MR - lane0);
                                        });
      put(reinterpret_cast<Acc*>(out + units(k) * kParts * MR + lane0), start, MR - lane0);
    }
    return !doubt.any();
  }

  static bool pack_b(int64_t k, int64_t valid, const void* src, int64_t across, int64_t along, void* dst) {
    Unit* const out = static_cast<Unit*>(dst);
    typename F::Doubt doubt;
    for_units<F, kNR>(k, valid, static_cast<const Stored*>(src), across, along,
                      [&](int64_t u, int64_t lane, Vector<Unit> unit) __attribute__((always_inline)) {
                        doubt.look(unit);
                        store(out + u * kNR + lane, unit);
                      });
    return !doubt.any();
  }

  static void tile(int64_t k, int64_t rows, const void* a, const void* b, void* c, int64_t ldc, bool add) {
    // Fewer rows in a panel than MR: smaller tiles, so that less is computed in vain.
    constexpr int kFewer = 2 * MR / 3, kFewest = MR / 3;
    const Factor* const x = static_cast<const Factor*>(a);
    const Unit* const y = static_cast<const Unit*>(b);
    Acc* const out = static_cast<Acc*>(c);
    if (rows > kFewer) {
      panels<MR>(units(k), x, y, out, ldc, add);
    } else if (rows > kFewest) {
      panels<kFewer>(units(k), x, y, out, ldc, add);
    } else {
      panels<kFewest>(units(k), x, y, out, ldc, add);
    }
  }

  static constexpr UnitRow row(DType dtype, CType type, int depth) {
    return {dtype, type, MR, kNR, depth, kGroup, kParts, 1, tile, pack_a, pack_b};
  }

 private:
  template <class T>
  __attribute__((always_inline)) static void put(T* out, Vector<T> v, int64_t lanes) {
    if (lanes >= kE || MR < kE) {
      store(out, v);
    } else {
      store_some(out, v, lanes);
    }
  }

  template <int M>
  static void panels(int64_t k, const Factor* a, const Unit* b, Acc* c, int64_t ldc, bool add) {
    Vector<Acc> acc[M][NV];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      Acc start;
      memcpy(&start, a + k * kParts * MR + i, sizeof start);
#pragma GCC unroll 16
      for (int j = 0; j < NV; ++j) acc[i][j] = splat(start);
    }
    for (int64_t u = 0; u < k; ++u, a += kParts * MR, b += kNR) {
      Vector<Factor> parts[NV][kParts];
#pragma GCC unroll 16
      for (int j = 0; j < NV; ++j) F::split(load(b + j * kE), parts[j]);
#pragma GCC unroll 2
      for (int g = 0; g < kParts; ++g) {
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i) {
          const Vector<Factor> x = splat(a[g * MR + i]);
#pragma GCC unroll 16
          for (int j = 0; j < NV; ++j) acc[i][j] = F::multiply(x, parts[j][g], acc[i][j]);
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < NV; ++j) {
        Acc* const out = c + i * ldc + j * kE;
        store(out, add ? load(out) + acc[i][j] : acc[i][j]);
      }
    }
  }
};

}  // namespace accel::ACCEL_ISA
