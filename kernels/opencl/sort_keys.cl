// Elements as unsigned integers in the order of their values (docs/numerics.md).
//
// The generator defines, before this text:
//   KEY              unsigned integer of an element's width
//   SIGN, INFINITE   the sign bit, or 0 for unsigned integers; the bits of a float's infinity, 0 for integers
//   FLIP             all bits where the order descends, else 0

KEY key_of(KEY bits) {
  KEY key = bits ^ (KEY)SIGN;
#if INFINITE
  if (bits & (KEY)SIGN) key = (KEY)~bits;
  if ((KEY)(bits & (KEY)~(KEY)SIGN) > (KEY)INFINITE) key = (KEY) ~(KEY)0;
#endif
  return key ^ (KEY)FLIP;
}
