// What the sources of families/ define once per instruction set, each in that one's namespace.
#pragma once

#include <string_view>

#if defined(__x86_64__)
/// Declares the same in the namespace of every instruction set.
#define ACCEL_IN_EACH_ISA(...) \
  namespace baseline {         \
  __VA_ARGS__;                 \
  }                            \
  namespace avx2 {             \
  __VA_ARGS__;                 \
  }                            \
  namespace avx512 {           \
  __VA_ARGS__;                 \
  }
/// What has been declared so, of an instruction set by its name, which is one of those compiled in.
#define ACCEL_OF_ISA(isa, name) \
  (std::string_view(isa) == "avx512" ? avx512::name : std::string_view(isa) == "avx2" ? avx2::name : baseline::name)
#elif defined(__aarch64__)
#define ACCEL_IN_EACH_ISA(...) \
  namespace baseline {         \
  __VA_ARGS__;                 \
  }                            \
  namespace neon {             \
  __VA_ARGS__;                 \
  }
#define ACCEL_OF_ISA(isa, name) (std::string_view(isa) == "neon" ? neon::name : baseline::name)
#else
#define ACCEL_IN_EACH_ISA(...) \
  namespace baseline {         \
  __VA_ARGS__;                 \
  }
#define ACCEL_OF_ISA(isa, name) ((void)(isa), baseline::name)
#endif
