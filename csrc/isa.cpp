#include "isa.hpp"

#include <stdexcept>

#include "isas.hpp"

namespace accel {

ACCEL_IN_EACH_ISA(KernelTable make_table())
#ifdef ACCEL_HAS_AVX512
namespace avx512vnni {
extern const UnitKernels kKernels;
}
namespace avx512bf16 {
extern const MatrixKernels kKernels;
}
#endif

const std::vector<std::string>& compiled_isas() {
  static const std::vector<std::string> names = {ACCEL_ISAS};
  return names;
}

const std::vector<const KernelTable*>& supported_isas() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found;
#if defined(ACCEL_HAS_AVX512) || defined(ACCEL_HAS_AVX2)
    // These ask the operating system too whether it saves the registers.
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifndef __clang__  // Clang 15 has no name for it; CPUs with AVX2 and FMA have it
    has_avx2 = has_avx2 && __builtin_cpu_supports("f16c");
#endif
#endif
#ifdef ACCEL_HAS_AVX512
    if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      static KernelTable table = avx512::make_table();
      if (__builtin_cpu_supports("avx512vnni")) table.integer_dots = &avx512vnni::kKernels;
      // AMD's (from Zen 4 on) do twice the products of fma; Intel's without AMX half of them.
      if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd")) table.matrix = &avx512bf16::kKernels;
      found.push_back(&table);
    }
#endif
#ifdef ACCEL_HAS_AVX2
    if (has_avx2) {
      static const KernelTable table = avx2::make_table();
      found.push_back(&table);
    }
#endif
#ifdef ACCEL_HAS_NEON
    static const KernelTable neon_table = neon::make_table();
    found.push_back(&neon_table);
#endif
#ifdef ACCEL_HAS_BASELINE
    static const KernelTable baseline_table = baseline::make_table();
    found.push_back(&baseline_table);
#endif
    if (found.empty()) {
      std::string names;
      for (const std::string& name : compiled_isas()) names += (names.empty() ? "" : ", ") + name;
      throw std::runtime_error("it was compiled for " + names +
                               " alone, which this CPU lacks; with ACCEL_BUILD_ISA=all it runs on every CPU");
    }
    return found;
  }();
  return tables;
}

const KernelTable& find_isa(const std::string& name) {
  std::string names;
  for (const KernelTable* table : supported_isas()) {
    if (name == table->isa) return *table;
    names += (names.empty() ? "" : ", ") + std::string(table->isa);
  }
  throw std::invalid_argument("no instruction set " + name + " here; there are " + names);
}

DType parse_dtype(const std::string& name) {
  for (int d = 0; d < kDTypes; ++d) {
    if (name == kDTypeInfo[d].name) return static_cast<DType>(d);
  }
  throw std::invalid_argument("unknown dtype " + name);
}

}  // namespace accel
