// An OpenMP runtime that another library of the process computes with, and the threads of the pool.
#pragma once

namespace accel {

/// Functions of a runtime that is loaded, as code compiled by GCC calls them; null: of none.
struct OpenMp {
  /// GOMP_parallel_start: runs function(data) on threads - 1 others, and is there for the calling thread to do so.
  void (*start)(void (*function)(void*), void* data, unsigned threads) = nullptr;
  void (*end)() = nullptr;        // GOMP_parallel_end: waits for the others
  int (*processors)() = nullptr;  // omp_get_num_procs
  int (*size)() = nullptr;        // omp_get_num_threads: of the calling thread's team
};

/// From now on the runtime starts the pool's threads, and counts them among its own; null functions: they are the
/// pool's alone. In a forked child they always are: the runtime's data says of threads that they are there.
void join_openmp(const OpenMp& openmp);

/// Whether a runtime counts the pool's threads.
bool joined_openmp();

}  // namespace accel
