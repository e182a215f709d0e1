#include "probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "isas.hpp"
#include "platform.hpp"

namespace accel {

#ifdef ACCEL_HAS_AVX512
namespace avx512_probe_vnni {
extern const ProbeRow kProbe;
}
namespace avx512_probe_bfloat16 {
extern const ProbeRow kProbe;
}
#endif

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPage = 4096;
constexpr int64_t kSteps = 10'000;                // tens of microseconds of arithmetic between looks at the clock
constexpr int64_t kMaxBytes = int64_t{16} << 30;  // of all arrays
constexpr double kMaxMilliseconds = 10'000;

struct Unmap {
  size_t bytes;
  void operator()(char* at) const { platform::unmap_pages(at, bytes); }
};

/// Fresh pages, large ones where the system gives them.
std::unique_ptr<char, Unmap> allocate(size_t bytes) {
  void* const at = platform::map_pages(bytes);
  if (!at) throw std::bad_alloc();
  platform::prefer_huge_pages(at, bytes);
  return {static_cast<char*>(at), Unmap{bytes}};
}

/// The row on every thread at once, each with its part of the arrays; the sum of their rates.
double rate(const ProbeRow& row, int threads, double milliseconds, char* memory, int64_t part) {
  const int64_t n = row.arrays ? part : kSteps;
  std::atomic<int> waiting{threads};
  std::vector<double> rates(threads);
  const auto body = [&](int thread) {
    char* const at = row.arrays ? memory + thread * part * row.arrays : nullptr;
    // a, then out, then b: a pass that goes over fewer arrays never touches the later ones
    char *const out = row.arrays > 1 ? at + part : nullptr, *const b = row.arrays > 2 ? at + 2 * part : nullptr;
    for (int64_t i = 0; i < part * row.arrays; i += 4) {
      const float value = 1 + static_cast<float>((i * 2654435761) >> 8 & 0xffff) / 0x10000;
      memcpy(at + i, &value, sizeof value);
    }
    row.run(n, out, at, b);
    --waiting;
    while (waiting.load(std::memory_order_acquire) > 0) std::this_thread::yield();
    const Clock::time_point start = Clock::now();
    double passes = 0, seconds = 0;
    do {
      row.run(n, out, at, b);
      ++passes;
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
    } while (seconds < milliseconds * 1e-3);
    rates[thread] = passes * row.work * static_cast<double>(n) / seconds;
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  try {
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(body, thread);
  } catch (...) {
    waiting = 0;
    for (std::thread& other : others) other.join();
    throw;
  }
  body(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double each : rates) sum += each;
  return sum * 1e-9;
}

/// The rows of a kind; none where this CPU lacks the instruction.
std::vector<const ProbeRow*> find(const KernelTable& table, const std::string& kind) {
  std::vector<const ProbeRow*> found;
  for (const ProbeRow& row : table.probes) {
    if (kind == row.kind) found.push_back(&row);
  }
#ifdef ACCEL_HAS_AVX512
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (kind == "vnni_int8" && has_avx512 && __builtin_cpu_supports("avx512vnni")) found = {&avx512_probe_vnni::kProbe};
  if (kind == "bfloat16_dot" && has_avx512 && __builtin_cpu_supports("avx512bf16"))
    found = {&avx512_probe_bfloat16::kProbe};
#endif
  if (found.empty() && kind != "vnni_int8" && kind != "bfloat16_dot") {
    throw std::invalid_argument("unknown kind of probe: " + kind);
  }
  return found;
}

}  // namespace

std::optional<double> probe(const KernelTable& table, const std::string& kind, int threads, double milliseconds,
                            int64_t bytes) {
  if (!(milliseconds > 0 && milliseconds <= kMaxMilliseconds)) throw std::invalid_argument("milliseconds: 0 to 10000");
  const std::vector<const ProbeRow*> rows = find(table, kind);
  if (rows.empty()) return std::nullopt;
  std::unique_ptr<char, Unmap> memory(nullptr, Unmap{0});
  int64_t part = 0;  // bytes of one array of one thread
  if (const int arrays = rows[0]->arrays) {
    if (bytes < 1 || bytes > kMaxBytes) throw std::invalid_argument("bytes: 1 to 16 GiB");
    part = std::max<int64_t>(1, bytes / (kPage * threads * arrays)) * kPage;
    memory = allocate(static_cast<size_t>(part * threads * arrays));
  }
  double best = 0;
  for (const ProbeRow* row : rows) {
    best = std::max(best, rate(*row, threads, milliseconds / static_cast<double>(rows.size()), memory.get(), part));
  }
  return best;
}

}  // namespace accel
