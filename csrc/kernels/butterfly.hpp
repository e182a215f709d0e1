// Butterflies in registers: the steps of src/accel/ops/composed/butterfly.py, one by one.
#pragma once

#include "../butterfly.hpp"
#include "interleave.hpp"
#include "transpose.hpp"

namespace accel::ACCEL_ISA {

/// Complex numbers.
template <class T>
struct Parts {
  Vector<T> re, im;
};

template <class T>
ACCEL_LANES Parts<T> sum(Parts<T> a, Parts<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
ACCEL_LANES Parts<T> difference(Parts<T> a, Parts<T> b) {
  return {a.re - b.re, a.im - b.im};
}
/// a - i b.
template <class T>
ACCEL_LANES Parts<T> back(Parts<T> a, Parts<T> b) {
  return {a.re + b.im, a.im - b.re};
}
/// a + i b.
template <class T>
ACCEL_LANES Parts<T> ahead(Parts<T> a, Parts<T> b) {
  return {a.re - b.im, a.im + b.re};
}
template <class T>
ACCEL_LANES Parts<T> times(Parts<T> a, Vector<T> by) {
  return {a.re * by, a.im * by};
}

template <class T>
ACCEL_LANES Parts<T> product(Parts<T> a, Parts<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

template <class T>
ACCEL_LANES void four(Parts<T>& a, Parts<T>& b, Parts<T>& c, Parts<T>& d) {
  const Parts<T> even = sum(a, c), odd = difference(a, c), other_even = sum(b, d), other_odd = difference(b, d);
  a = sum(even, other_even);
  b = back(odd, other_odd);
  c = difference(even, other_even);
  d = ahead(odd, other_odd);
}

/// The transforms of kRadix numbers.
template <class T, int kRadix>
ACCEL_LANES void transform(Parts<T> (&x)[kRadix], const Vector<T>* constants) {
  if constexpr (kRadix == 2) {
    const Parts<T> a = x[0];
    x[0] = sum(a, x[1]);
    x[1] = difference(a, x[1]);
  } else if constexpr (kRadix == 4) {
    four(x[0], x[1], x[2], x[3]);
  } else if constexpr (kRadix == 8) {
    const Vector<T> half = constants[0];
    four(x[0], x[2], x[4], x[6]);
    four(x[1], x[3], x[5], x[7]);
    const Parts<T> first{(x[3].re + x[3].im) * half, (x[3].im - x[3].re) * half};
    const Parts<T> third{(x[7].re - x[7].im) * half, (x[7].re + x[7].im) * half};
    const Parts<T> even0 = x[0], even1 = x[2], even2 = x[4], even3 = x[6], odd0 = x[1], odd2 = x[5];
    x[0] = sum(even0, odd0);
    x[1] = sum(even1, first);
    x[2] = back(even2, odd2);
    x[3] = difference(even3, third);
    x[4] = difference(even0, odd0);
    x[5] = difference(even1, first);
    x[6] = ahead(even2, odd2);
    x[7] = sum(even3, third);
  } else if constexpr (kRadix > 1) {
    constexpr int kHalf = kRadix / 2;
    const Vector<T>*const cos = constants, *const sin = constants + kHalf;
    Parts<T> both[kHalf], apart[kHalf];
    const Parts<T> first = x[0];
    Parts<T> all = first;
#pragma GCC unroll 8
    for (int j = 0; j < kHalf; ++j) {
      both[j] = sum(x[1 + j], x[kRadix - 1 - j]);
      apart[j] = difference(x[1 + j], x[kRadix - 1 - j]);
      all = sum(all, both[j]);
    }
    x[0] = all;
#pragma GCC unroll 8
    for (int k = 1; k <= kHalf; ++k) {
      Parts<T> along = sum(first, times(both[0], cos[k - 1])), across = times(apart[0], sin[k - 1]);
#pragma GCC unroll 8
      for (int j = 2; j <= kHalf; ++j) {
        const int place = j * k % kRadix, at = (place > kHalf ? kRadix - place : place) - 1;
        along = sum(along, times(both[j - 1], cos[at]));
        const Parts<T> by = times(apart[j - 1], sin[at]);
        across = place > kHalf ? difference(across, by) : sum(across, by);
      }
      x[k] = back(along, across);
      x[kRadix - k] = ahead(along, across);
    }
  }
}

template <class T, int kRadix>
struct Butterflies {
  static constexpr int kE = kElements<T>;
  static constexpr int kConstants = kRadix == 8 ? 1 : kRadix % 2 ? kRadix - 1 : 0;
  static constexpr int kUnturned = kRadix == 1 ? 0 : 2;  // parts of results before those that are turned

  static constexpr ButterflyRow row() { return {kRadix, kCType<T>, run}; }

  static void run(const ButterflyPass& pass) {
    Vector<T> constants[kConstants + 1];
    for (int c = 0; c < kConstants; ++c) constants[c] = splat(*reinterpret_cast<const T*>(pass.constants[c]));
    const Vector<T> scale = pass.scale ? splat(*reinterpret_cast<const T*>(pass.scale)) : Vector<T>{};
    const T *x[2 * kRadix], *turns[2 * kRadix] = {};
    T* y[2 * kRadix];
    bool pairs = pass.of_x.step == 2, to_pairs = pass.of_y.step == 2,
         across = kRadix % 2 == 0 && pass.of_y.step == kRadix;
    for (int k = 0; k < 2 * kRadix; ++k) {
      x[k] = reinterpret_cast<const T*>(pass.x[k]) + pass.of_x.at;
      y[k] = reinterpret_cast<T*>(pass.y[k]) + pass.of_y.at;
      if (k % 2) {
        pairs &= x[k] == x[k - 1] + 1;
        to_pairs &= y[k] == y[k - 1] + 1;
      }
      across &= y[k] == y[k % 2] + k / 2;
    }
    for (int k = kUnturned; pass.turns && k < 2 * kRadix; ++k) {
      turns[k] = reinterpret_cast<const T*>(pass.turns[k - kUnturned]) + pass.of_turns.at;
    }
    if constexpr (kRadix == 1) {
      const bool by_pairs = pass.of_turns.step == 2 && turns[1] == turns[0] + 1;
      if (pairs && to_pairs && by_pairs) return products(pass, x[0], turns[0], y[0]);
    }
    for (int64_t r = 0; r < pass.rows; ++r) {
      for (int64_t at = 0; at < pass.n; at += kE) {
        const int64_t whole = pass.n - at < kE ? pass.n - at : kE;  // y may be x: nothing is computed twice
        Parts<T> v[kRadix];
        const int64_t from = r * pass.of_x.row + at * pass.of_x.step;
        if (whole < kE) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            v[k] = {some(x[2 * k] + from, pass.of_x.step, whole), some(x[2 * k + 1] + from, pass.of_x.step, whole)};
          }
        } else if (pairs) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            const Vector<T> low = load(x[2 * k] + from), high = load(x[2 * k] + from + kE);
            v[k] = {unzip<0, T>(low, high), unzip<1, T>(low, high)};
          }
        } else if (pass.of_x.step == 1) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) v[k] = {load(x[2 * k] + from), load(x[2 * k + 1] + from)};
        } else {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            v[k] = {some(x[2 * k] + from, pass.of_x.step, kE), some(x[2 * k + 1] + from, pass.of_x.step, kE)};
          }
        }
        transform<T, kRadix>(v, constants);
        if (pass.turns) turn(v, turns, r * pass.of_turns.row + at * pass.of_turns.step, pass.of_turns.step, whole);
        if (pass.scale) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) v[k] = times(v[k], scale);
        }
        const int64_t to = r * pass.of_y.row + at * pass.of_y.step;
        if (whole < kE) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            put(y[2 * k] + to, v[k].re, pass.of_y.step, whole);
            put(y[2 * k + 1] + to, v[k].im, pass.of_y.step, whole);
          }
        } else if (to_pairs) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            store<T>(y[2 * k] + to, in_turn<0, T>(v[k].re, v[k].im));
            store<T>(y[2 * k] + to + kE, in_turn<1, T>(v[k].re, v[k].im));
          }
        } else if (pass.of_y.step == 1) {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            store<T>(y[2 * k] + to, v[k].re);
            store<T>(y[2 * k + 1] + to, v[k].im);
          }
        } else if (across) {
          Vector<T> parts[kRadix];
#pragma GCC unroll 2
          for (int part = 0; part < 2; ++part) {
#pragma GCC unroll 8
            for (int k = 0; k < kRadix; ++k) parts[k] = part ? v[k].im : v[k].re;
            store_across(y[part] + to, parts);
          }
        } else {
#pragma GCC unroll 8
          for (int k = 0; k < kRadix; ++k) {
            put(y[2 * k] + to, v[k].re, pass.of_y.step, kE);
            put(y[2 * k + 1] + to, v[k].im, pass.of_y.step, kE);
          }
        }
      }
    }
  }

 private:
  /// Numbers, factors and products with their parts in pairs; at least a vector of each. In any order of lanes.
  static void products(const ButterflyPass& pass, const T* x, const T* by, T* y) {
    const int64_t n = pass.n, x_row = pass.of_x.row, by_row = pass.of_turns.row, y_row = pass.of_y.row;
    for (int64_t r = 0; r < pass.rows; ++r, x += x_row, by += by_row, y += y_row) {
      int64_t at = 0;
      for (; at + 2 * kE <= 2 * n; at += 2 * kE) {
        const Parts<T> found = product(parts_of(x + at), parts_of(by + at));
        store<T>(y + at, zip<false, T>(found.re, found.im));
        store<T>(y + at + kE, zip<true, T>(found.re, found.im));
      }
      if (const int64_t left = 2 * n - at; left > 0) {  // y may be x or by: nothing is computed twice
        const Parts<T> found = product(some_parts(x + at, left), some_parts(by + at, left));
        T last[2 * kE];
        store<T>(last, zip<false, T>(found.re, found.im));
        store<T>(last + kE, zip<true, T>(found.re, found.im));
        for (int64_t k = 0; k < left; ++k) y[at + k] = last[k];
      }
    }
  }
  ACCEL_LANES Parts<T> parts_of(const T* pairs) {
    const Vector<T> low = load(pairs), high = load(pairs + kE);
    return {unzip_groups<0, T>(low, high), unzip_groups<1, T>(low, high)};
  }
  /// The same of fewer elements than two vectors have.
  ACCEL_LANES Parts<T> some_parts(const T* pairs, int64_t count) {
    T last[2 * kE] = {};
    for (int64_t k = 0; k < count; ++k) last[k] = pairs[k];
    return parts_of(last);
  }

  /// Turns every result but the first back; a single number is multiplied.
  ACCEL_LANES void turn(Parts<T> (&v)[kRadix], const T* const* turns, int64_t at, int64_t step, int64_t count) {
    const auto by = [&](auto read) __attribute__((always_inline)) {
      if constexpr (kRadix == 1) v[0] = product(v[0], {read(turns[0] + at), read(turns[1] + at)});
#pragma GCC unroll 8
      for (int k = 1; k < kRadix; ++k) {
        const Vector<T> cos = read(turns[2 * k] + at), sin = read(turns[2 * k + 1] + at);
        v[k] = {v[k].re * cos + v[k].im * sin, v[k].im * cos - v[k].re * sin};
      }
    };
    if constexpr (kRadix == 1) {
      if (step == 2 && count == kE && turns[1] == turns[0] + 1) {
        const Vector<T> low = load(turns[0] + at), high = load(turns[0] + at + kE);
        v[0] = product(v[0], {unzip<0, T>(low, high), unzip<1, T>(low, high)});
        return;
      }
    }
    if (step == 0) {
      by([](const T* p) __attribute__((always_inline)) { return splat(*p); });
    } else if (step == 1 && count == kE) {
      by([](const T* p) __attribute__((always_inline)) { return load(p); });
    } else {
      by([&](const T* p) __attribute__((always_inline)) { return some(p, step, count); });
    }
  }

  /// The first `count` elements, `step` apart.
  ACCEL_LANES Vector<T> some(const T* p, int64_t step, int64_t count) {
    if (step == 1 && count < kE) return load_some(p, count);
    if (step == 0) return splat(*p);
    T lanes[kE] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = p[i * step];
    return load(lanes);
  }

  ACCEL_LANES void put(T* p, Vector<T> v, int64_t step, int64_t count) {
    if (step == 1 && count < kE) return store_some(p, v, count);
    T lanes[kE];
    store<T>(lanes, v);
    for (int64_t i = 0; i < count; ++i) p[i * step] = lanes[i];
  }

  /// out[i * kRadix + k] = parts[k][i], where kRadix is 2, 4 or 8; nothing else gets here.
  ACCEL_LANES void store_across(T* out, Vector<T> (&parts)[kRadix]) {
    if constexpr (kRadix % kE == 0) {
#pragma GCC unroll 8
      for (int first = 0; first < kRadix; first += kE) {
        Vector<T> square[kE];
#pragma GCC unroll 8
        for (int k = 0; k < kE; ++k) square[k] = parts[first + k];
        Transpose<T>::run(square);
#pragma GCC unroll 8
        for (int i = 0; i < kE; ++i) store<T>(out + i * kRadix + first, square[i]);
      }
    } else if constexpr (kRadix % 2 == 0) {
#pragma GCC unroll 3
      for (int round = 1; round < kRadix; round *= 2) {
        Vector<T> joined[kRadix];
#pragma GCC unroll 8
        for (int k = 0; k < kRadix / 2; ++k) {
          joined[2 * k] = in_turn<0, T>(parts[k], parts[k + kRadix / 2]);
          joined[2 * k + 1] = in_turn<1, T>(parts[k], parts[k + kRadix / 2]);
        }
#pragma GCC unroll 8
        for (int k = 0; k < kRadix; ++k) parts[k] = joined[k];
      }
#pragma GCC unroll 8
      for (int k = 0; k < kRadix; ++k) store<T>(out + k * kE, parts[k]);
    }
  }
};

}  // namespace accel::ACCEL_ISA
