// Elements as unsigned integers in the order of their values (docs/numerics.md).
//
// The generator defines, before this text:
//   KEY              unsigned integer of an element's width, or a vector of such
//   SIGN, INFINITE   the sign bit, or 0 for unsigned integers; the bits of a float's infinity, 0 for integers
//   FLIP             all bits where the order descends, else 0

KEY key_of(KEY bits) {
  KEY key = bits ^ (KEY)SIGN;
#if INFINITE
  const KEY negative = (KEY)0 - bits / (KEY)SIGN;  // all bits, without a branch that half of all elements take
  key = bits ^ ((KEY)SIGN | negative);
  key = (bits & (KEY) ~(KEY)SIGN) > (KEY)INFINITE ? (KEY) ~(KEY)0 : key;
#endif
  return key ^ (KEY)FLIP;
}
