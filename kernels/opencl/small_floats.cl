// What codes stand for that are floats of 8 or 4 bits, exactly.
//
// The generator (quantized_matmul.py) defines, before this text:
//   FLOAT   whether codes are floats, of these constants of weight_formats.SmallFloat: SIGN (its bit), MANTISSA (bits),
//           BIAS, SPECIAL (the magnitude of the first that is not finite)

#if FLOAT
float weight_of(uint code) {
  const uint magnitude = code & (SIGN - 1), shifted = magnitude << (23 - MANTISSA);
  uint bits = shifted + ((uint)(127 - BIAS) << 23);
  // The bits of a subnormal number are those of a normal one without its leading 1.
  if (magnitude < 1u << MANTISSA) {
    bits = as_uint(as_float(shifted + ((uint)(128 - BIAS) << 23)) - as_float((uint)(128 - BIAS) << 23));
  }
  if (magnitude >= SPECIAL) bits = shifted | 0x7f800000u;
  return as_float(bits | ((code & SIGN) ? 0x80000000u : 0u));
}
#endif

