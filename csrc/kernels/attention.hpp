// Attention by an online softmax (docs/numerics.md, rule 8): blocks of kLanes keys, whose scores are packed products
// with the keys transposed, chunks of blocks, rows in tiles of registers.
#pragma once

#include "../attention_kernels.hpp"
#include "contract.hpp"
#include "half.hpp"
#include "operations.hpp"
#include "units.hpp"

namespace accel::ACCEL_ISA {

#include "casts/bfloat16.hpp"
#include "casts/float16.hpp"
#include "casts/float32.hpp"
#include "functions/exp.hpp"
#include "functions/philox.hpp"
#include "functions/tanh.hpp"

template <class T>
struct Attention {
  using V = Vector<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  static constexpr int kE = kElements<T>;
  static constexpr int kKeys = kLanes;         // of a block
  static constexpr int kVectors = kKeys / kE;  // of a row's scores
  static constexpr int kM = 6;                 // rows of a tile
  static constexpr int kOnce = 4;              // rows that are worth no packed keys, if there are no others
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int kN = 4;  // vectors of a tile
#else
  static constexpr int kN = 2;
#endif
  static_assert(kVectors % kN == 0);

  static T infinity() { return static_cast<T>(__builtin_inf()); }
  static T number(double x) { return static_cast<T>(x); }

  static V exp(V x) {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return accel_lanes_exp_float32(x);
    if constexpr (sizeof(T) == 8) return accel_lanes_exp_float64(x);
#else
    for (int i = 0; i < kE; ++i) x[i] = exp(static_cast<T>(x[i]));
    return x;
#endif
  }
  static T exp(T x) {
    if constexpr (sizeof(T) == 4) {
      return accel_exp_float32(x);
    } else {
      return accel_exp_float64(x);
    }
  }
  static T fma_of(T a, T b, T c) {
    if constexpr (sizeof(T) == 4) {
      return fma_f32(a, b, c);
    } else {
      return fma_f64(a, b, c);
    }
  }
  static V tanh(V x) {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return accel_lanes_tanh_float32(x);
    if constexpr (sizeof(T) == 8) return accel_lanes_tanh_float64(x);
#else
    for (int i = 0; i < kE; ++i) {
      if constexpr (sizeof(T) == 4) {
        x[i] = accel_tanh_float32(x[i]);
      } else {
        x[i] = accel_tanh_float64(x[i]);
      }
    }
    return x;
#endif
  }
  /// The larger one; NaN before every number.
  static T larger(T a, T b) { return b > a || b != b ? b : a; }
  static V larger(V a, V b) { return ((b > a) | (b != b)) ? b : a; }

  static int64_t width(const AttentionProblem& p) { return (p.dv + kE - 1) / kE * kE; }
  static int64_t state(const AttentionProblem& p) { return kE + width(p); }  // maximum, sum, then the accumulator

  /// What a part needs.
  struct Room {
    T *query, *keys, *values, *scores, *wide, *chunk, *factors, *maxima, *sums;
    int64_t bytes = 0;
    Room(const AttentionProblem& p, char* at) {
      const auto take = [&](T*& piece, int64_t count) {
        piece = at ? reinterpret_cast<T*>(at + bytes) : nullptr;
        bytes += (count * int64_t{sizeof(T)} + 63) / 64 * 64;
      };
      take(query, kAttentionRows * p.d);
      take(keys, kKeys * p.d);
      take(values, kKeys * width(p));
      take(scores, kAttentionRows * kKeys);
      take(wide, kKeys * p.d);
      take(chunk, kAttentionRows * width(p));
      take(factors, kAttentionRows);
      take(maxima, kAttentionRows);
      take(sums, kAttentionRows);
    }
  };
  static int64_t room(const AttentionProblem& p) { return Room(p, nullptr).bytes; }

  // elements in memory

  static T read(DType dtype, const char* x, int64_t i) {
    if (dtype == DType::kFloat16) return accel_cast_float16_float32(reinterpret_cast<const uint16_t*>(x)[i]);
    if (dtype == DType::kBfloat16) return accel_cast_bfloat16_float32(reinterpret_cast<const uint16_t*>(x)[i]);
    return reinterpret_cast<const T*>(x)[i];
  }

  /// to[i * step + c] = x[i * row + c * column], widened; columns behind n are zeros up to a whole number of vectors
  /// where step has room for them.
  static void copy(DType dtype, const char* x, int64_t rows, int64_t n, int64_t row, int64_t column, T* to,
                   int64_t step) {
    for (int64_t i = 0; i < rows; ++i, to += step) {
      const char* const from = x + i * row * (is_half(dtype) ? 2 : int64_t{sizeof(T)});
      int64_t c = 0;
      if (column == 1) {
        if constexpr (sizeof(T) == 4) {
          const uint16_t* const half = reinterpret_cast<const uint16_t*>(from);
          if (dtype == DType::kFloat16) {
            for (; c + kE <= n; c += kE) store(to + c, Float16::row(half + c));
          } else if (dtype == DType::kBfloat16) {
            for (; c + kE <= n; c += kE) store(to + c, Bfloat16::row(half + c));
          }
        }
        if (!is_half(dtype)) {
          memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
          c = n;
        }
      }
      for (; c < n; ++c) to[c] = read(dtype, from, c * column);
      for (; c < step; ++c) to[c] = 0;
    }
  }

  /// The same of n keys or values of a sequence in pages, from key `at` on.
  static void copy_pages(const AttentionPart& part, const char* first, const int64_t (&strides)[4], int64_t at,
                         int64_t n, int64_t columns, T* to, int64_t step) {
    const AttentionProblem& p = *part.problem;
    for (int64_t i = 0; i < n;) {
      const int64_t place = part.start + at + i, within = place % p.page;
      const int64_t left = p.page - within, rows = left < n - i ? left : n - i;
      int64_t page = part.table[place / p.page * part.step];
      page = page < 0 ? 0 : page >= p.pages ? p.pages - 1 : page;
      const char* const from = first + (page * strides[0] + within * strides[2]) * size_of(p.dtype);
      copy(p.dtype, from, rows, columns, strides[2], strides[3], to + i * step, step);
      i += rows;
    }
  }

  /// Keys as they lie: element p of key l at first[l * across + p * along].
  struct Keys {
    const Bits* first;
    int64_t across, along;
  };

  /// n keys, widened and from one place where they are not so.
  static Keys find_keys(const AttentionPart& part, int64_t at, int64_t n, const Room& room) {
    const AttentionProblem& p = *part.problem;
    if (!part.table && !is_half(p.dtype)) {
      return {reinterpret_cast<const Bits*>(part.key + at * p.key[2] * size_of(p.dtype)), p.key[2], p.key[3]};
    }
    if (part.table) {
      copy_pages(part, part.key, p.key, at, n, p.d, room.wide, p.d);
    } else {
      copy(p.dtype, part.key + at * p.key[2] * size_of(p.dtype), n, p.d, p.key[2], p.key[3], room.wide, p.d);
    }
    return {reinterpret_cast<const Bits*>(room.wide), p.d, 1};
  }

  /// to[p * kKeys + l] of n keys, zeros behind them.
  static void pack_keys(int64_t d, int64_t n, const Keys& keys, T* packed) {
    Bits* const to = reinterpret_cast<Bits*>(packed);
    for_units<Native<Bits>, kKeys>(d, n, keys.first, keys.across, keys.along,
                                   [&](int64_t u, int64_t lane, Vector<Bits> unit)
                                       __attribute__((always_inline)) { store(to + u * kKeys + lane, unit); });
  }

  /// Whether all elements of n rows are finite.
  static bool finite(int64_t n, int64_t columns, const T* x, int64_t step) {
    V sums[4] = {};
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t c = 0; c < columns; c += kE) sums[c / kE % 4] += load(x + i * step + c) * T{0};
    }
    const V sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    bool found = true;
    for (int i = 0; i < kE; ++i) found = found && sum[i] == 0;
    return found;
  }

  // products

  /// s[m * kKeys + l] = the product of query m and key l.
  template <int M>
  static void score(int64_t d, const T* query, const T* keys, T* s) {
    for (int v = 0; v < kVectors; v += kN) {
      V sum[M][kN] = {};
      for (int64_t p = 0; p < d; ++p) {
        V key[kN];
#pragma GCC unroll 4
        for (int n = 0; n < kN; ++n) key[n] = load(keys + p * kKeys + (v + n) * kE);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
          const V x = splat(query[m * d + p]);
#pragma GCC unroll 4
          for (int n = 0; n < kN; ++n) sum[m][n] = fma<T>(x, key[n], sum[m][n]);
        }
      }
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int n = 0; n < kN; ++n) store(s + m * kKeys + (v + n) * kE, sum[m][n]);
      }
    }
  }

  /// The same of n keys that no other rows need: they are multiplied as they are transposed.
  template <int M>
  static void score_once(int64_t d, int64_t n, const T* query, const Keys& keys, T* s) {
    for (int64_t lane = 0; lane < kKeys; lane += kE) {
      V sum[M] = {};
      for_units<Native<Bits>, kE>(d, n - lane, keys.first + lane * keys.across, keys.across, keys.along,
                                  [&](int64_t u, int64_t, Vector<Bits> unit) __attribute__((always_inline)) {
                                    V key;
                                    memcpy(&key, &unit, sizeof key);
#pragma GCC unroll 8
                                    for (int m = 0; m < M; ++m) sum[m] = fma<T>(splat(query[m * d + u]), key, sum[m]);
                                  });
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) store(s + m * kKeys + lane, sum[m]);
    }
  }

  /// acc[m * step + c] = its product with factors[m], and then the chain of p[m * kKeys + j] * values[j * row + c].
  template <int M, int N>
  static void add_tile(int64_t begin, int64_t end, const T* p, const T* values, int64_t row, const T* factors, T* acc,
                       int64_t step) {
    V sum[M][N];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const V factor = splat(factors[m]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m][n] = load(acc + m * step + n * kE) * factor;
    }
    for (int64_t j = begin; j < end; ++j) {
      V value[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) value[n] = load(values + j * row + n * kE);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const V x = splat(p[m * kKeys + j]);
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[m][n] = fma<T>(x, value[n], sum[m][n]);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) store(acc + m * step + n * kE, sum[m][n]);
    }
  }

  template <int M>
  static void add(int64_t begin, int64_t end, int64_t columns, const T* p, const T* values, int64_t row,
                  const T* factors, T* acc, int64_t step) {
    int64_t c = 0;
    for (; c + kN * kE <= columns; c += kN * kE)
      add_tile<M, kN>(begin, end, p, values + c, row, factors, acc + c, step);
    if constexpr (kN == 4) {
      for (; c + 2 * kE <= columns; c += 2 * kE) add_tile<M, 2>(begin, end, p, values + c, row, factors, acc + c, step);
    }
    for (; c < columns; c += kE) add_tile<M, 1>(begin, end, p, values + c, row, factors, acc + c, step);
  }

  /// The same for one row with values that may be no numbers: what is not seen (p is -0) is left out.
  static void add_seen(int64_t begin, int64_t end, int64_t columns, const T* p, const T* values, int64_t row, T factor,
                       T* acc) {
    for (int64_t c = 0; c < columns; c += kE) {
      V sum = load(acc + c) * splat(factor);
      for (int64_t j = begin; j < end; ++j) {
        if (!__builtin_signbit(p[j])) sum = fma<T>(splat(p[j]), load(values + j * row + c), sum);
      }
      store(acc + c, sum);
    }
  }

  // rows

  /// A row's query, its place, and the keys [low, high) of the sequence that are in its window.
  struct Row {
    int64_t head, query, place, low, high;
    Row(const AttentionPart& part, int64_t r) {
      const AttentionProblem& p = *part.problem;
      head = (part.row + r) / part.queries;
      query = (part.row + r) % part.queries;
      place = query + (p.from_end ? part.length - part.queries : 0);
      low = p.before < 0 || place <= p.before ? 0 : place - p.before;
      high = p.after < 0 || part.length - place <= p.after ? part.length : place + p.after + 1;
    }
  };

  /// What follows a row's products: [a, z) of the block's keys are in its window.
  static void refine(const AttentionPart& part, const Row& its, int64_t at, int64_t a, int64_t z, T* s) {
    const AttentionProblem& p = *part.problem;
    const V scale = splat(number(p.scale)), cap = splat(number(p.softcap));
    for (int v = 0; v < kKeys; v += kE) {
      V x = load(s + v) * scale;
      if (p.softcap != 0) x = tanh(x / cap) * cap;
      store(s + v, x);
    }
    if (part.slopes) {
      const T slope = reinterpret_cast<const T*>(part.slopes)[its.head * p.slope];
      for (int64_t l = a; l < z; ++l) {
        const int64_t distance = at + l - its.place;
        s[l] = fma_of(slope, -static_cast<T>(distance < 0 ? -distance : distance), s[l]);
      }
    }
    if (part.mask) {
      const int size = size_of(p.mask_dtype);
      const int64_t step = p.mask[3];
      const char* const mask = part.mask + (its.head * p.mask[1] + its.query * p.mask[2] + at * step) * size;
      if (p.mask_dtype == DType::kBool) {
        for (int64_t l = a; l < z; ++l) s[l] = mask[l * step] ? s[l] : -infinity();
      } else if (is_half(p.mask_dtype)) {
        for (int64_t l = a; l < z; ++l) s[l] = s[l] + read(p.mask_dtype, mask, l * step);
      } else {
        for (int64_t l = a; l < z; ++l) s[l] = s[l] + reinterpret_cast<const T*>(mask)[l * step];
      }
    }
    for (int64_t l = 0; l < a; ++l) s[l] = -infinity();
    for (int64_t l = z; l < kKeys; ++l) s[l] = -infinity();
  }

  /// Makes a row's probabilities of its scores: -0 where a key is not seen, of which `hidden` learns. Returns the
  /// factor of what there was.
  static T soften(T* s, T* maximum, T* sum, bool* hidden) {
    V x[kVectors], most = load(s);
    for (int v = 0; v < kVectors; ++v) {
      x[v] = load(s + v * kE);
      most = larger(most, x[v]);
    }
    T top = *maximum;
    for (int i = 0; i < kE; ++i) top = larger(top, static_cast<T>(most[i]));
    if (top == -infinity()) {
      for (int v = 0; v < kVectors; ++v) store(s + v * kE, splat(T(-0.0)));
      *hidden = true;
      return 1;
    }
    const V above = splat(top), nothing = splat(-infinity());
    auto none = x[0] == nothing;
    for (int v = 1; v < kVectors; ++v) none |= x[v] == nothing;
    Bits nones[kE], any = 0;
    memcpy(nones, &none, sizeof nones);
    for (int i = 0; i < kE; ++i) any |= nones[i];
    *hidden |= any != 0;
    for (int v = 0; v < kVectors; ++v) {
      x[v] = x[v] == nothing ? splat(T(-0.0)) : exp(x[v] - above);
      store(s + v * kE, x[v]);
    }
    for (int half = kVectors / 2; half > 0; half /= 2) {
      for (int v = 0; v < half; ++v) x[v] = x[v] + x[v + half];
    }
    T lanes[kE];
    store(lanes, x[0]);
    for (int half = kE / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
    }
    const T factor = top == *maximum ? T{1} : exp(*maximum - top);
    *sum = fma_of(*sum, factor, lanes[0]);
    *maximum = top;
    return factor;
  }

  /// Makes the probabilities [a, z) that chance drops -0: by a random number of the places of the query and the key.
  static void drop(const AttentionPart& part, const Row& its, int64_t at, int64_t a, int64_t z, T* s) {
    const AttentionProblem& p = *part.problem;
    const uint64_t key = part.dropout[its.head * p.dropout[1]], high = static_cast<uint64_t>(its.place) << 32;
    for (int64_t l = a; l < z; ++l) {
      const uint64_t word = accel_philox_uint64(high | static_cast<uint32_t>(at + l), 0, key);
      if (static_cast<uint32_t>(word) >> 8 < p.dropped) s[l] = T(-0.0);
    }
  }

  static void run(const AttentionPart& part, void* memory, void* states) {
    const AttentionProblem& p = *part.problem;
    const Room room(p, static_cast<char*>(memory));
    const int64_t columns = width(p), size = state(p), itemsize = size_of(p.dtype);
    T* const rows = static_cast<T*>(states);
    int64_t low = part.end, high = part.begin;  // what any row sees
    for (int64_t r = 0; r < part.rows; ++r) {
      const Row its(part, r);
      copy(p.dtype, part.query + (its.head * p.query[1] + its.query * p.query[2]) * itemsize, 1, p.d, 0, p.query[3],
           room.query + r * p.d, p.d);
      rows[r * size] = -infinity();
      rows[r * size + 1] = 0;
      for (int64_t c = 0; c < columns; ++c) rows[r * size + kE + c] = 0;
      low = its.low < low ? its.low : low;
      high = its.high > high ? its.high : high;
    }
    low = low < part.begin ? part.begin : low;
    high = high > part.end ? part.end : high;
    const bool direct = !is_half(p.dtype) && p.value[3] == 1 && p.dv == columns && !part.table;
    for (int64_t chunk = part.begin; chunk < part.end; chunk += p.chunk) {
      const int64_t chunk_end = chunk + p.chunk < part.end ? chunk + p.chunk : part.end;
      if (chunk >= high || chunk_end <= low) continue;
      for (int64_t r = 0; r < part.rows; ++r) room.maxima[r] = -infinity(), room.sums[r] = 0;
      for (int64_t i = 0; i < part.rows * columns; ++i) room.chunk[i] = 0;
      for (int64_t at = chunk; at < chunk_end; at += kKeys) {
        const int64_t n = chunk_end - at < kKeys ? chunk_end - at : kKeys;
        if (at >= high || at + n <= low) continue;
        const Keys keys = find_keys(part, at, n, room);
        const bool once = part.rows > 1 && part.rows <= kOnce;
        if (!once) pack_keys(p.d, n, keys, room.keys);
        const T* values = room.values;
        int64_t row = columns;
        if (part.table) {
          copy_pages(part, part.value, p.value, at, n, p.dv, room.values, columns);
        } else {
          const char* const from = part.value + at * p.value[2] * itemsize;
          if (direct) {
            values = reinterpret_cast<const T*>(from);
            row = p.value[2];
          } else {
            copy(p.dtype, from, n, p.dv, p.value[2], p.value[3], room.values, columns);
          }
        }
        int plain = -1;
        for (int64_t r = 0; r < part.rows; r += kM) {
          const int64_t m = part.rows - r < kM ? part.rows - r : kM;
          block(part, room, r, m, at, n, once ? &keys : nullptr, values, row, &plain);
        }
      }
      for (int64_t r = 0; r < part.rows; ++r) {
        join_row(columns, rows + r * size, room.maxima[r], room.sums[r], room.chunk + r * columns);
      }
    }
  }

  /// m rows from r on, and a block of n keys: these, or those that were packed. plain: whether all values are finite,
  /// below 0 as long as nobody asked.
  static void block(const AttentionPart& part, const Room& room, int64_t r, int64_t m, int64_t at, int64_t n,
                    const Keys* keys, const T* values, int64_t row, int* plain) {
    const AttentionProblem& p = *part.problem;
    const int64_t columns = width(p);
    int64_t from[kM], to[kM], first = kKeys, last = 0;
    for (int64_t i = 0; i < m; ++i) {
      const Row its(part, r + i);
      from[i] = its.low <= at ? 0 : its.low - at;
      to[i] = its.high - at > n ? n : its.high - at;
      if (from[i] >= to[i]) continue;
      first = from[i] < first ? from[i] : first;
      last = to[i] > last ? to[i] : last;
    }
    if (first >= last) return;
    T* const s = room.scores + r * kKeys;
    const T* const query = room.query + r * p.d;
    if (keys) {
      if (m == 2) score_once<2>(p.d, n, query, *keys, s);
      if (m == 3) score_once<3>(p.d, n, query, *keys, s);
      if (m == 4) score_once<4>(p.d, n, query, *keys, s);
    } else {
      switch (m) {
        case 1:
          score<1>(p.d, query, room.keys, s);
          break;
        case 2:
          score<2>(p.d, query, room.keys, s);
          break;
        case 3:
          score<3>(p.d, query, room.keys, s);
          break;
        case 4:
          score<4>(p.d, query, room.keys, s);
          break;
        case 5:
          score<5>(p.d, query, room.keys, s);
          break;
        default:
          score<kM>(p.d, query, room.keys, s);
      }
    }
    bool hidden = part.dropout != nullptr;
    for (int64_t i = 0; i < m; ++i) {
      const int64_t a = from[i] < to[i] ? from[i] : 0, z = from[i] < to[i] ? to[i] : 0;
      refine(part, Row(part, r + i), at, a, z, s + i * kKeys);
      room.factors[r + i] = soften(s + i * kKeys, room.maxima + r + i, room.sums + r + i, &hidden);
      if (part.dropout) drop(part, Row(part, r + i), at, a, z, s + i * kKeys);
    }
    T* const acc = room.chunk + r * columns;
    const T* const factors = room.factors + r;
    // Of values that are no numbers, those that are not seen must not be multiplied.
    if (hidden && *plain < 0) *plain = finite(n, columns, values, row);
    if (hidden && !*plain) {
      for (int64_t i = 0; i < m; ++i)
        add_seen(first, last, columns, s + i * kKeys, values, row, factors[i], acc + i * columns);
      return;
    }
    switch (m) {
      case 1:
        add<1>(first, last, columns, s, values, row, factors, acc, columns);
        break;
      case 2:
        add<2>(first, last, columns, s, values, row, factors, acc, columns);
        break;
      case 3:
        add<3>(first, last, columns, s, values, row, factors, acc, columns);
        break;
      case 4:
        add<4>(first, last, columns, s, values, row, factors, acc, columns);
        break;
      case 5:
        add<5>(first, last, columns, s, values, row, factors, acc, columns);
        break;
      default:
        add<kM>(first, last, columns, s, values, row, factors, acc, columns);
    }
  }

  /// Joins a chunk to a row's state.
  static void join_row(int64_t columns, T* row, T maximum, T sum, const T* acc) {
    if (maximum == -infinity()) return;
    const T top = larger(row[0], maximum), old = exp(row[0] - top), now = exp(maximum - top);
    row[0] = top;
    row[1] = fma_of(row[1], old, sum * now);
    for (int64_t c = 0; c < columns; c += kE) {
      store(row + kE + c, fma<T>(load(row + kE + c), splat(old), load(acc + c) * splat(now)));
    }
  }

  static void join(const AttentionPart& part, void* states, const void* behind) {
    const int64_t columns = width(*part.problem), size = state(*part.problem);
    for (int64_t r = 0; r < part.rows; ++r) {
      const T* const its = static_cast<const T*>(behind) + r * size;
      join_row(columns, static_cast<T*>(states) + r * size, its[0], its[1], its + kE);
    }
  }

  static void finish(const AttentionPart& part, void* states) {
    const AttentionProblem& p = *part.problem;
    const int64_t columns = width(p), size = state(p);
    for (int64_t r = 0; r < part.rows; ++r) {
      const Row its(part, r);
      T* const row = static_cast<T*>(states) + r * size;
      T* const acc = row + kE;
      if (part.sinks) {
        const T sink = reinterpret_cast<const T*>(part.sinks)[its.head * p.sink];
        if (sink != -infinity()) {
          const T top = larger(row[0], sink), factor = exp(row[0] - top);
          row[0] = top;
          row[1] = fma_of(row[1], factor, exp(sink - top));
          for (int64_t c = 0; c < columns; c += kE) store(acc + c, load(acc + c) * splat(factor));
        }
      }
      const bool none = row[0] == -infinity();
      const V total = splat(row[1]), kept = splat(number(p.kept));
      for (int64_t c = 0; c < columns; c += kE) {
        V x = load(acc + c) / total;
        if (part.dropout) x = x * kept;
        store(acc + c, none ? V{} : (x == T{0} ? V{} : x));
      }
      char* const out = part.out + (its.head * p.out[1] + its.query * p.out[2]) * size_of(p.dtype);
      for (int64_t c = 0; c < p.dv; ++c) {
        if (p.dtype == DType::kFloat16) {
          if constexpr (sizeof(T) == 4)
            reinterpret_cast<uint16_t*>(out)[c * p.out[3]] = accel_cast_float32_float16(acc[c]);
        } else if (p.dtype == DType::kBfloat16) {
          if constexpr (sizeof(T) == 4)
            reinterpret_cast<uint16_t*>(out)[c * p.out[3]] = accel_cast_float32_bfloat16(acc[c]);
        } else {
          reinterpret_cast<T*>(out)[c * p.out[3]] = acc[c];
        }
      }
    }
  }

  static constexpr AttentionRow row() { return {kCType<T>, room, state, run, join, finish}; }
};

static constexpr AttentionRow kAttention[] = {Attention<float>::row(), Attention<double>::row()};

}  // namespace accel::ACCEL_ISA
