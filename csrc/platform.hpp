// What the systems spell differently: pages of memory, aligned blocks, forks and signals. The only file of csrc that
// includes a system's own headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(_WIN32)
#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <malloc.h>
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#endif

namespace accel::platform {

/// Asks for large pages where the system gives them.
inline void prefer_huge_pages([[maybe_unused]] void* at, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(at, bytes, MADV_HUGEPAGE);
#endif
}

/// Fresh pages, all 0, that start at a multiple of `alignment`, which is 0 or a power of two above a page, where the
/// system can return a part of what it mapped (Windows cannot, and has no such large pages without a privilege). Null
/// where there is no memory.
inline void* map_pages(size_t bytes, [[maybe_unused]] size_t alignment = 0) {
#if defined(_WIN32)
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#else
  void* const mapped = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* const start = static_cast<char*>(mapped);
  if (!alignment) return start;
  const size_t before = (alignment - reinterpret_cast<uintptr_t>(start) % alignment) % alignment;
  if (before) munmap(start, before);
  if (alignment > before) munmap(start + before + bytes, alignment - before);
  return start + before;
#endif
}

/// Returns all that one call of map_pages gave.
inline void unmap_pages(void* at, [[maybe_unused]] size_t bytes) {
#if defined(_WIN32)
  VirtualFree(at, 0, MEM_RELEASE);
#else
  munmap(at, bytes);
#endif
}

/// A block for free_aligned; bytes is a multiple of alignment, a power of two. Null where there is no memory.
inline void* allocate_aligned(size_t alignment, size_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, alignment);
#else
  return std::aligned_alloc(alignment, bytes);
#endif
}

inline void free_aligned(void* at) {
#if defined(_WIN32)
  _aligned_free(at);
#else
  std::free(at);
#endif
}

/// Registers what runs around a fork, in the parent and in the child; null for nothing. Windows has no fork.
inline int at_fork([[maybe_unused]] void (*before)(), [[maybe_unused]] void (*parent)(),
                   [[maybe_unused]] void (*child)()) {
#if defined(_WIN32)
  return 0;
#else
  return pthread_atfork(before, parent, child);
#endif
}

/// While it lives, threads that this one starts receive no signal: one must reach a thread of Python's. On Windows the
/// system starts a thread of its own for Ctrl-C.
class SignalsBlocked {
 public:
#if defined(_WIN32)
  SignalsBlocked() {}
  ~SignalsBlocked() {}
#else
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
#endif
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

#if !defined(_WIN32)
 private:
  sigset_t previous_;
#endif
};

}  // namespace accel::platform
