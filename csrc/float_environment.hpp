// The floating-point environment of a thread: rounding mode, treatment of subnormal numbers, traps.
//
// Any code of the process may change it (fesetround, torch.set_flush_denormal, a library built with -ffast-math), a new
// thread inherits its creator's, and what is computed in another one than IEEE 754's default has other bits.
#pragma once

#include <cfenv>
#include <cstdint>

namespace accel {

/// The registers that hold it, exception flags left out.
struct FloatControl {
#if defined(__x86_64__)
  static constexpr uint32_t kMxcsr = 0x1F80, kFlags = 0x3F;  // round to nearest, subnormals kept, no traps
  static constexpr uint16_t kX87 = 0x37F;                    // the same, in extended precision: long double's

  uint32_t mxcsr;
  uint16_t x87;

  static FloatControl read() {
    FloatControl control;
    control.mxcsr = __builtin_ia32_stmxcsr();
    asm volatile("fnstcw %0" : "=m"(control.x87));
    return control;
  }
  void write() const {
    __builtin_ia32_ldmxcsr(mxcsr);
    asm volatile("fldcw %0" : : "m"(x87));
  }
  static FloatControl standard() { return {kMxcsr, kX87}; }
  bool is_standard() const { return (mxcsr & ~kFlags) == kMxcsr && x87 == kX87; }
#elif defined(__aarch64__)
  uint64_t fpcr;

  static FloatControl read() {
    FloatControl control;
    asm volatile("mrs %0, fpcr" : "=r"(control.fpcr));
    return control;
  }
  void write() const { asm volatile("msr fpcr, %0" : : "r"(fpcr)); }
  static FloatControl standard() { return {0}; }
  bool is_standard() const { return fpcr == 0; }
#else
  int rounding;

  static FloatControl read() { return {std::fegetround()}; }
  void write() const { std::fesetround(rounding); }
  static FloatControl standard() { return {FE_TONEAREST}; }
  bool is_standard() const { return rounding == FE_TONEAREST; }
#endif
};

/// IEEE 754's default environment on this thread, as long as the object lives; then the one before, with its exception
/// flags. Where that is the default one already, nothing is written, and flags stay as they were raised meanwhile.
///
/// loads: whether what runs meanwhile may leave another environment, as loading a library built with -ffast-math does.
/// Looking for that takes as long again: not on the way of a small call.
class StandardFloats {
 public:
  explicit StandardFloats(bool loads = false)
      : control_(FloatControl::read()), foreign_(!control_.is_standard()), loads_(loads) {
    if (foreign_) enter();
  }
  ~StandardFloats() {
    if (foreign_ || (loads_ && !FloatControl::read().is_standard())) leave();
  }
  StandardFloats(const StandardFloats&) = delete;
  StandardFloats& operator=(const StandardFloats&) = delete;

 private:
  [[gnu::noinline, gnu::cold]] void enter() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
    FloatControl::standard().write();  // also the bits that C's function leaves alone
  }
  [[gnu::noinline, gnu::cold]] void leave() {
    if (foreign_) std::fesetenv(&before_);
    control_.write();
  }

  const FloatControl control_;
  const bool foreign_, loads_;
  std::fenv_t before_;  // where it is foreign
};

}  // namespace accel
