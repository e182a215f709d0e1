#include "pool.hpp"

#include <mutex>
#include <new>

#include "../platform.hpp"

namespace accel::core {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSmall = 4096;
constexpr size_t kMapped = size_t{1} << 20;  // from here on a block is mapped by itself
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kSmallClasses = kSmall / kAlignment;
constexpr int kClasses = kSmallClasses + 4 * 52;

struct SizeClass {
  int index;
  size_t bytes;
};

/// Small blocks come in steps of 64 bytes, others four to every power of two: at most a fifth of a block is unused.
SizeClass size_class(size_t bytes) {
  if (bytes <= kSmall) {
    const size_t steps = bytes ? (bytes + kAlignment - 1) / kAlignment : 1;
    return {static_cast<int>(steps - 1), steps * kAlignment};
  }
  const int power = 63 - __builtin_clzll(bytes - 1);  // 2^power < bytes <= 2^(power + 1)
  const size_t step = size_t{1} << (power - 2);
  const size_t steps = (bytes - (size_t{1} << power) + step - 1) / step;  // 1 to 4
  return {kSmallClasses + 4 * (power - 12) + static_cast<int>(steps) - 1, (size_t{1} << power) + steps * step};
}

void* map(size_t bytes) {
  const bool huge = bytes >= kHugePage;
  void* const start = platform::map_pages(bytes, huge ? kHugePage : 0);
  if (start && huge) platform::prefer_huge_pages(start, bytes);
  return start;
}

void* obtain(size_t bytes) { return bytes >= kMapped ? map(bytes) : platform::allocate_aligned(kAlignment, bytes); }

void discard(void* data, size_t bytes) {
  if (bytes >= kMapped) {
    platform::unmap_pages(data, bytes);
  } else {
    platform::free_aligned(data);
  }
}

/// The first bytes of an idle block.
struct Idle {
  Idle* next;
  size_t bytes;
};

/// Idle blocks by size class; the last one released, which is the likeliest to be in cache, is the next one taken.
class Pool {
 public:
  void* take(int index) {
    const std::lock_guard lock(mutex);
    Idle* const block = idle_[index];
    if (block) {
      idle_[index] = block->next;
      total_ -= block->bytes;
    }
    return block;
  }

  void put(void* data, const SizeClass& its) {
    const std::lock_guard lock(mutex);
    if (total_ + its.bytes > limit_) clear();
    if (its.bytes > limit_) return discard(data, its.bytes);
    idle_[its.index] = new (data) Idle{idle_[its.index], its.bytes};
    total_ += its.bytes;
  }

  void set_limit(size_t bytes) {
    const std::lock_guard lock(mutex);
    limit_ = bytes;
    if (total_ > limit_) clear();
  }

  /// False where nothing was idle.
  bool empty() {
    const std::lock_guard lock(mutex);
    const bool some = total_ > 0;
    clear();
    return some;
  }

  size_t total() {
    const std::lock_guard lock(mutex);
    return total_;
  }

  std::mutex mutex;

 private:
  void clear() {
    for (Idle*& first : idle_) {
      while (Idle* const block = first) {
        first = block->next;
        discard(block, block->bytes);
      }
    }
    total_ = 0;
  }

  Idle* idle_[kClasses] = {};
  size_t total_ = 0;
  size_t limit_ = 0;
};

/// Never destroyed: arrays outlive every destructor of this module.
Pool& pool() {
  static Pool* const only = new Pool;
  return *only;
}

// A fork must not copy the lock while another thread holds it.
[[maybe_unused]] const int fork_handlers =
    platform::at_fork([] { pool().mutex.lock(); }, [] { pool().mutex.unlock(); }, [] { pool().mutex.unlock(); });

}  // namespace

void* acquire(size_t bytes) {
  if (bytes > (size_t{1} << 62)) return nullptr;
  const SizeClass its = size_class(bytes);
  if (void* const idle = pool().take(its.index)) return idle;
  void* data = obtain(its.bytes);
  if (!data && pool().empty()) data = obtain(its.bytes);
  return data;
}

void release(void* data, size_t bytes) { pool().put(data, size_class(bytes)); }

void set_idle_limit(size_t bytes) { pool().set_limit(bytes); }

bool release_idle() { return pool().empty(); }

size_t idle_bytes() { return pool().total(); }

}  // namespace accel::core
