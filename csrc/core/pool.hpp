// Memory of host arrays, kept for the next array of its size class instead of being given back at once.
//
// Fresh memory costs a page fault for every 4 KiB of its first use, which is more than most operations: large blocks
// are aligned to huge pages and ask for them, and a block that an array no longer needs serves the next one with its
// pages in place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace accel::core {

/// At least `bytes` bytes, aligned to 64; null where there is no memory. Contents are whatever was there.
void* acquire(size_t bytes);

/// Gives back what acquire(bytes) returned. Any thread may.
void release(void* data, size_t bytes);

/// Bytes that may lie idle. Where more would, all that is idle is returned to the system.
void set_idle_limit(size_t bytes);

/// Returns all that is idle to the system; false where nothing is.
bool release_idle();

/// Bytes that lie idle now.
size_t idle_bytes();

}  // namespace accel::core
