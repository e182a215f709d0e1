// Array loops over the generated vector functions: whole vectors, and one partial vector at an end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../kernels.hpp"
#include "lanes.hpp"

namespace accel::ACCEL_ISA {

/// One argument of a block of kMaskBlock elements (or the first n) next to lanes of kBytes: numbers, or bools.
template <class T, int kBytes>
struct BlockArgument {
  static constexpr int kLanes = kMaskBlock / kBytes;
  const T* p;
  int64_t n;
  int64_t step;  // 1, or 0 where one vector is repeated

  ACCEL_LANES BlockArgument at(const T* p, int64_t n, int64_t step) { return {p, n, step}; }
  Vector<T> get(int v) const {
    const int64_t left = n - v * kLanes;
    return left >= kLanes ? load<T>(p + v * kLanes * step) : load_some<T>(p + v * kLanes * step, left);
  }
};
template <int kBytes>
struct BlockArgument<uint8_t, kBytes> {
  MaskBlock<kBytes> masks;

  ACCEL_LANES BlockArgument at(const uint8_t* p, int64_t n, int64_t) { return {MaskBlock<kBytes>::load(p, n)}; }
  Mask<kBytes> get(int v) const { return masks.get(v); }
};

/// The loop of Lanes over arrays: a function of vectors of lanes, and of masks where the scalar function of the type
/// R (*)(A...) has uint8_t, which is a bool in memory. Memory says how its values are stored. kLong: of a function so
/// long that a copy of it more costs more, while this is compiled, than a branch does while it runs.
template <auto Lanes, class Scalar, class Memory = AsComputed, bool kLong = false>
struct LanesLoop;

template <auto Lanes, class R, class... A, class Memory, bool kLong>
struct LanesLoop<Lanes, R (*)(A...), Memory, kLong> {
  static void run(int64_t n, void* out, const void* const* args) { run_with(n, out, args, 0); }

  __attribute__((noinline)) static void run_with(int64_t n, void* out, const void* const* args, unsigned options) {
    const auto indices = std::index_sequence_for<A...>{};
    if constexpr (kLong) {
      run_long(n, static_cast<Stored<R>*>(out), args, options, indices);
    } else if (options & kStream) {
      run_typed<true>(n, static_cast<Stored<R>*>(out), args, options, indices);
    } else {
      run_typed<false>(n, static_cast<Stored<R>*>(out), args, options, indices);
    }
  }

  static constexpr FunctionRow row(const char* function, const char* dtype) {
    static_assert(sizeof...(A) <= kMaxArity);
    return {function, dtype, sizeof...(A), {kCType<Stored<A>>...}, kCType<Stored<R>>, run, run_with};
  }

 private:
  template <class T>
  using Stored = typename Memory::template Stored<T>;
  template <class T>
  static constexpr bool kIsBool = std::is_same_v<T, uint8_t>;
  static constexpr bool kBlocks = kIsBool<R> || (kIsBool<A> || ...);
  static constexpr int kBytes = sizeof(R) > 1 ? sizeof(R) : (sizeof(A), ...);  // the last argument is never a bool
  static constexpr int kLanes = ACCEL_VECTOR_BYTES / kBytes;
  static constexpr int64_t kWritten = kIsBool<R> ? kMaskBlock : kLanes * int64_t{sizeof(Stored<R>)};  // bytes at a time
  static_assert(kMaskBlock == ACCEL_VECTOR_BYTES && kRepeatBytes >= ACCEL_VECTOR_BYTES);

  template <bool kStreams, size_t... I>
  static void run_typed(int64_t n, Stored<R>* out, const void* const* args, unsigned options,
                        std::index_sequence<I...>) {
    // A repeated argument stays where it is.
    run_steps<kStreams>(n, out, static_cast<const Stored<A>*>(args[I])..., ~-static_cast<int64_t>(options >> I & 1)...);
  }

  template <size_t... I>
  static void run_long(int64_t n, Stored<R>* out, const void* const* args, unsigned options,
                       std::index_sequence<I...>) {
    static_assert(!kBlocks);
    const bool streams = options & kStream;
    const auto some = [&](int64_t at, int64_t count) {
      run_some(count, out + at,
               (static_cast<const Stored<A>*>(args[I]) + (at & ~-static_cast<int64_t>(options >> I & 1)))...);
    };
    const auto lanes = [&](int64_t at) __attribute__((always_inline)) {
      return Lanes(Memory::template read<A>(static_cast<const Stored<A>*>(args[I]) +
                                            (at & ~-static_cast<int64_t>(options >> I & 1)))...);
    };
    int64_t i = 0;
    if (streams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % kWritten / sizeof(Stored<R>));
      i = before < n ? before : n;
      if (i > 0) some(0, i);
    }
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      const Vector<R> first = lanes(i), second = lanes(i + kLanes);
      if (streams) {
        Memory::template write<true, R>(out + i, first);
        Memory::template write<true, R>(out + i + kLanes, second);
      } else {
        Memory::template write<false, R>(out + i, first);
        Memory::template write<false, R>(out + i + kLanes, second);
      }
    }
    for (; i < n; i += kLanes) some(i, n - i < kLanes ? n - i : kLanes);
  }

  template <class T>
  using Keep = int64_t;  // of each argument: all ones, or 0 where it is repeated

  template <bool kStreams>
  static void run_steps(int64_t n, Stored<R>* out, const Stored<A>*... args, Keep<A>... keep) {
    int64_t i = 0;
    if constexpr (kStreams) {
      const int64_t before = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) % kWritten / sizeof(Stored<R>));
      i = before < n ? before : n;
      if constexpr (kBlocks) {
        if (i > 0) run_block<false>(i, out, BlockArgument<A, kBytes>::at(args, i, keep & 1)...);
      } else {
        if (i > 0) run_some(i, out, args...);
      }
    }
    if constexpr (kBlocks) {
      for (; i + kMaskBlock <= n; i += kMaskBlock) {
        run_block<kStreams>(kMaskBlock, out + i,
                            BlockArgument<A, kBytes>::at(args + (i & keep), kMaskBlock, keep & 1)...);
      }
      if (i < n) {
        run_block<false>(n - i, out + i, BlockArgument<A, kBytes>::at(args + (i & keep), n - i, keep & 1)...);
      }
    } else {
      i = in_pairs<kLanes>(
          i, n,
          [&](int64_t at)
              __attribute__((always_inline)) { return Lanes(Memory::template read<A>(args + (at & keep))...); },
          [&](int64_t at, Vector<R> lanes)
              __attribute__((always_inline)) { Memory::template write<kStreams, R>(out + at, lanes); });
      if (i < n) run_some(n - i, out + i, (args + (i & keep))...);
    }
  }

  /// A vector at most; nothing beyond it is touched.
  __attribute__((noinline)) static void run_some(int64_t n, Stored<R>* out, const Stored<A>*... args) {
    if constexpr (kLong) {
      const bool whole = n == kLanes;
      const Vector<R> lanes =
          Lanes((whole ? Memory::template read<A>(args) : Memory::template read_some<A>(args, n))...);
      if (whole) return Memory::template write<false, R>(out, lanes);
      Memory::template write_some<R>(out, lanes, n);
    } else {
      Memory::template write_some<R>(out, Lanes(Memory::template read_some<A>(args, n)...), n);
    }
  }

  /// As many elements at most as fill a vector with bools.
  template <bool kStreams>
  ACCEL_LANES void run_block(int64_t n, R* out, const BlockArgument<A, kBytes>&... args) {
    [[maybe_unused]] MaskBlock<kBytes> masks;
    for (int v = 0; v < kBytes; ++v) {
      const int64_t left = n - v * kLanes;
      if (left <= 0) break;
      if constexpr (kIsBool<R>) {
        masks.set(v, Lanes(args.get(v)...));
      } else if (left >= kLanes) {
        Memory::template write<kStreams, R>(out + v * kLanes, Lanes(args.get(v)...));
      } else {
        Memory::template write_some<R>(out + v * kLanes, Lanes(args.get(v)...), left);
      }
    }
    if constexpr (kIsBool<R>) masks.template store<kStreams>(out, n);
  }
};

}  // namespace accel::ACCEL_ISA
