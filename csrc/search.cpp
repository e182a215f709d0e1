#include "search.hpp"

#include <algorithm>
#include <cstring>

#include "sort_keys.hpp"

namespace accel {

namespace {

constexpr int kTogether = 32;                // values that are searched for at once, so that memory is waited for once
constexpr int64_t kGrain = 1 << 12;          // values of a task
constexpr double kThreadProbes = 1 << 16;    // probes that are worth a thread
constexpr int64_t kBlocks = 1 << 14;         // booleans of a task
constexpr double kThreadBooleans = 1 << 18;  // booleans that are worth a thread
constexpr int64_t kLocal = 1024;             // places that wait in L1

/// Keys by which -0 and +0 are equal, without branches: what is next to a value in a sorted vector is hard to foresee.
template <class U, bool kFloats>
struct SearchKeys {
  const U sign, infinity;

  explicit SearchKeys(const Keys<U>& keys) : sign(keys.sign), infinity(keys.infinity) {}

  U operator()(U bits) const {
    if (!kFloats) return static_cast<U>(bits ^ sign);
    const U magnitude = static_cast<U>(bits & ~sign);
    const U negative = static_cast<U>(0 - U{bits > sign});  // all bits; of -0 none
    const U nan = static_cast<U>(0 - U{magnitude > infinity});
    return static_cast<U>((magnitude ^ (negative & ~sign)) | (sign & ~negative) | nan);
  }
};

template <class U, bool kRight>
inline bool is_before(U element, U value) {
  return kRight ? element <= value : element < value;
}

/// n <= kTogether values, whose keys are given, by halving (accel.ops.canonical.search): with one probe for all as long
/// as the least and the greatest go the same way.
template <class U, bool kFloats, bool kRight>
void search(const SearchKeys<U, kFloats>& key, const U* in, int64_t length, int64_t step, const U* values, int n,
            int64_t* low) {
  const auto [least, greatest] = std::minmax_element(values, values + n);
  int64_t common = 0;
  while (length > 1) {
    const int64_t half = length / 2;
    const U its = key(in[(common + half - 1) * step]);
    const bool after = is_before<U, kRight>(its, *least);
    if (after != is_before<U, kRight>(its, *greatest)) break;
    common += after ? half : 0;
    length -= half;
  }
  std::fill(low, low + n, common);
  while (length > 1) {
    const int64_t half = length / 2;
    const U* const probe = in + (half - 1) * step;
    for (int i = 0; i < n; ++i) {
      low[i] += half & -int64_t{is_before<U, kRight>(key(probe[low[i] * step]), values[i])};
    }
    length -= half;
  }
  if (length == 0) return;
  for (int i = 0; i < n; ++i) low[i] += is_before<U, kRight>(key(in[low[i] * step]), values[i]);
}

template <class U, bool kFloats, bool kRight>
void search_all(DType dtype, const SearchProblem& p, const char* in, const char* from, int64_t* out, int threads,
                Interrupt& interrupt) {
  const SearchKeys<U, kFloats> key(Keys<U>(dtype, false));
  const U* const vector = reinterpret_cast<const U*>(in);
  const U* const values = reinterpret_cast<const U*>(from);
  Nest nest{p.shape, {p.out, p.values}};
  nest.sort_and_collapse();
  int probes = 1;
  while (p.length >> probes) ++probes;
  const int64_t elements = p.shape.product(), columns = nest.inner();
  const int64_t to_step = nest.inner_stride(0), from_step = nest.inner_stride(1);
  threads = worthwhile(static_cast<double>(elements) * probes, kThreadProbes, threads);
  const int64_t tasks = std::min(elements, tasks_of(static_cast<double>(elements), kGrain, threads));
  const int64_t share = (elements + tasks - 1) / tasks;
  parallel_for((elements + share - 1) / share, threads, interrupt, [&](int64_t task, Worker& worker) {
    int64_t at = task * share, column = at % columns;
    const int64_t end = std::min(elements, at + share);
    RowCursor cursor(nest, at / columns);
    U its[kTogether];
    int64_t low[kTogether];
    while (at < end) {
      const int n = static_cast<int>(std::min({end - at, columns - column, int64_t{kTogether}}));
      const U* const value = values + cursor.offset(1) + column * from_step;
      int64_t* const to = out + cursor.offset(0) + column * to_step;
      for (int i = 0; i < n; ++i) its[i] = key(value[i * from_step]);
      search<U, kFloats, kRight>(key, vector, p.length, p.step, its, n, low);
      for (int i = 0; i < n; ++i) to[i * to_step] = low[i];
      worker.checkpoint(int64_t{n} * probes * 4);
      at += n;
      column += n;
      if (column == columns) {
        column = 0;
        if (at < end) cursor.next();
      }
    }
  });
}

/// Whether 64 booleans are all false.
inline bool all_false(const uint8_t* mask) {
  uint64_t words[8], any = 0;
  std::memcpy(words, mask, sizeof words);
  for (const uint64_t word : words) any |= word;
  return any == 0;
}

constexpr uint64_t kAllTrue = 0x0101010101010101;  // eight booleans

/// The places of true elements among n <= kLocal, counted from `first`; how many there are.
int64_t places(const uint8_t* mask, int64_t n, int64_t step, int64_t first, int64_t* found) {
  int64_t k = 0, i = 0;
  if (step == 1) {
    for (; i + 8 <= n; i += 8) {
      uint64_t word;
      std::memcpy(&word, mask + i, 8);
      if (word == 0) {
        for (; i + 72 <= n && all_false(mask + i + 8); i += 64) {
        }
        continue;
      }
      if (word == kAllTrue) {
        for (int64_t j = 0; j < 8; ++j) found[k + j] = first + i + j;
        k += 8;
        continue;
      }
      for (int64_t j = i; j < i + 8; ++j) {
        found[k] = first + j;
        k += mask[j] != 0;
      }
    }
  }
  for (; i < n; ++i) {
    found[k] = first + i;
    k += mask[i * step] != 0;
  }
  return k;
}

/// How many of n elements are true.
int64_t trues(const uint8_t* mask, int64_t n, int64_t step) {
  int64_t total = 0, i = 0;
  if (step == 1) {
    for (; i + 128 <= n; i += 128) {
      uint8_t some = 0;  // of up to 255, so that bytes are added to bytes
      for (int64_t j = i; j < i + 128; ++j) some = static_cast<uint8_t>(some + (mask[j] != 0));
      total += some;
    }
  }
  for (; i < n; ++i) total += mask[i * step] != 0;
  return total;
}

/// body(block, its first element, how many it has, worker) for every block.
template <class Body>
void each_block(const CompactProblem& p, int threads, Interrupt& interrupt, Body&& body) {
  const int64_t blocks = p.blocks();
  threads = worthwhile(static_cast<double>(p.length), kThreadBooleans, threads);
  const int64_t tasks = std::min(blocks, tasks_of(static_cast<double>(p.length), kBlocks, threads));
  parallel_for(tasks, threads, interrupt, [&](int64_t task, Worker& worker) {
    for (int64_t block = blocks * task / tasks; block < blocks * (task + 1) / tasks; ++block) {
      const int64_t first = block * p.block;
      body(block, first, std::min(p.block, p.length - first), worker);
    }
  });
}

}  // namespace

void Search::run(const SearchProblem& problem, const char* in, const char* values, int64_t* out, int threads,
                 Interrupt& interrupt) const {
  if (problem.shape.product() == 0) return;
  const auto choose = [&](auto of) {
    using U = decltype(of);
    const bool floats = is_half(dtype_) || dtype_ == DType::kFloat32 || dtype_ == DType::kFloat64;
    return floats   ? right_ ? search_all<U, true, true> : search_all<U, true, false>
           : right_ ? search_all<U, false, true>
                    : search_all<U, false, false>;
  };
  const int size = size_of(dtype_);
  const auto all = size == 1   ? choose(uint8_t{})
                   : size == 2 ? choose(uint16_t{})
                   : size == 4 ? choose(uint32_t{})
                               : choose(uint64_t{});
  all(dtype_, problem, in, values, out, threads, interrupt);
}

void Compact::count(const CompactProblem& p, const uint8_t* mask, int64_t* out, int threads,
                    Interrupt& interrupt) const {
  each_block(p, threads, interrupt, [&](int64_t block, int64_t first, int64_t n, Worker& worker) {
    out[block * p.out_step] = trues(mask + first * p.step, n, p.step);
    worker.checkpoint(n / 8);
  });
}

void Compact::run(const CompactProblem& p, const uint8_t* mask, const int64_t* before, int64_t* out, int threads,
                  Interrupt& interrupt) const {
  if (p.count == 0) return;
  each_block(p, threads, interrupt, [&](int64_t block, int64_t first, int64_t n, Worker& worker) {
    int64_t found[kLocal], to = before[block * p.before_step];
    for (int64_t at = first; at < first + n; at += kLocal) {
      const int64_t some = std::min(kLocal, first + n - at);
      const int64_t all = places(mask + at * p.step, some, p.step, at, found);
      const int64_t kept = to < 0 || to > p.count ? 0 : std::min(all, p.count - to);
      if (p.out_step == 1) {
        std::copy(found, found + kept, out + to);
      } else {
        for (int64_t k = 0; k < kept; ++k) out[(to + k) * p.out_step] = found[k];
      }
      worker.checkpoint(some);
      to += kept;
    }
  });
}

}  // namespace accel
