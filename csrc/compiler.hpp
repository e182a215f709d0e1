// What compilers spell differently. All of csrc is written in the vector types of GCC and Clang.
#pragma once

#if defined(__clang__)
#define ACCEL_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
/// The iterations of the loop that follows are independent of each other.
#define ACCEL_IVDEP _Pragma("GCC ivdep")
#endif
