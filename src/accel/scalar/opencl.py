"""OpenCL C printer.

A program becomes ``static inline OUT name(IN0 x0, …)`` in storage types: uchar for bool, ushort for float16 and
bfloat16; one that may have several results, a function that stores them. A translation unit holds PRELUDE once, before
the functions; FP64_PRAGMA before everything if a program uses float64. OpenCL contracts products into sums by default
and no build option stops it; the pragma in the prelude does.
Division and square root of float32 are correctly rounded only on devices with CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT in
CL_DEVICE_SINGLE_FP_CONFIG, built with -cl-fp32-correctly-rounded-divide-sqrt. On others define ACCEL_SOFT_DIVIDE, and
the prelude corrects the device's own quotient and root by exact fma residuals, or with ACCEL_WIDE_DIVIDE too, where
float64 is fast, takes those of float64. ACCEL_HALF says that the device converts to half and from it as IEEE 754 has
it; without it, integers do.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from . import convert
from .c_dialect import Dialect
from .expr import FLOATS, Expr, schedule
from .program import Program

TYPES = {
    "bool": "bool",
    "int8": "char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "uint8": "uchar",
    "uint16": "ushort",
    "uint32": "uint",
    "uint64": "ulong",
    "float32": "float",
    "float64": "double",
}


def _bitcast(dtype: str, operand: str) -> str:
    return f"as_{TYPES[dtype]}({operand})"


def _call(op: str, dtype: str, operands: tuple[str, ...]) -> str | None:
    if op in ("narrow", "widen"):
        return f"accel_{op}({operands[0]})"
    if op in ("div", "sqrt") and dtype == "float32":
        return f"accel_{op}_f32({', '.join(operands)})"
    if op == "select" and dtype in FLOATS:  # an operand of ?: that is a call, as of a NaN's bits, is branched around
        return f"select({operands[2]}, {operands[1]}, ({'int' if dtype == 'float32' else 'long'}){operands[0]})"
    if op in ("fma", "sqrt", "floor", "ceil", "trunc", "rint", "abs"):
        return f"{'fabs' if op == 'abs' else op}({', '.join(operands)})"
    return None


DIALECT = Dialect(
    types=TYPES,
    storage_bool="uchar",
    suffixes={"int32": "", "uint32": "u", "int64": "L", "uint64": "UL"},
    bitcast=_bitcast,
    call=_call,
)

FP64_PRAGMA = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
CORRECTLY_ROUNDED_OPTION = "-cl-fp32-correctly-rounded-divide-sqrt"
"""Build option for devices whose CL_DEVICE_SINGLE_FP_CONFIG has CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT."""

PRELUDE = r"""
#pragma OPENCL FP_CONTRACT OFF

#ifndef ACCEL_SOFT_DIVIDE

static inline float accel_div_f32(float a, float b) { return a / b; }
static inline float accel_sqrt_f32(float x) { return sqrt(x); }

#elif defined(ACCEL_WIDE_DIVIDE)

// By float64, which OpenCL rounds correctly: 53 bits are enough that a second rounding to float32 changes nothing, also
// where it ends in a subnormal.
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
static inline float accel_div_f32(float a, float b) { return (float)((double)a / (double)b); }
static inline float accel_sqrt_f32(float x) { return (float)sqrt((double)x); }

#else

// First approximations for arguments in [1, 4), within a few units in the last place (OpenCL: 2.5 and 3).
#ifndef ACCEL_SEED_RECIPROCAL
#define ACCEL_SEED_RECIPROCAL(b) (1.0f / (b))
#endif
#ifndef ACCEL_SEED_SQRT
#define ACCEL_SEED_SQRT(x) sqrt(x)
#endif

// Fraction in [1, 2) and unbiased exponent of a positive finite number, by integer operations.
static inline float accel_fraction(uint magnitude, int *exponent) {
  const int shift = magnitude < 0x00800000u ? (int)clz(magnitude) - 8 : 0;
  *exponent = (shift > 0 ? 1 - shift : (int)(magnitude >> 23)) - 127;
  return as_float(((magnitude << shift) & 0x007fffffu) | 0x3f800000u);
}

// a / b correctly rounded. The truncated quotient of the fractions is exact because the sign of an fma residual is;
// with the residual's relation to half a unit it is rounded once, at the place where a subnormal result ends.
static inline float accel_div_f32(float a, float b) {
  const uint sign = (as_uint(a) ^ as_uint(b)) & 0x80000000u;
  const uint ma = as_uint(a) & 0x7fffffffu;
  const uint mb = as_uint(b) & 0x7fffffffu;
  const bool both_alike = ma == mb && (ma == 0u || ma == 0x7f800000u);
  if (ma > 0x7f800000u || mb > 0x7f800000u || both_alike) return as_float(0x7fc00000u);
  if (ma == 0x7f800000u || mb == 0u) return as_float(sign | 0x7f800000u);
  if (mb == 0x7f800000u || ma == 0u) return as_float(sign);
  int ea, eb;
  const float fa = accel_fraction(ma, &ea);
  const float fb = accel_fraction(mb, &eb);
  const float seed = ACCEL_SEED_RECIPROCAL(fb);
  const float y = fma(fma(-fb, seed, 1.0f), seed, seed);
  const float q0 = fa * y;
  const float q1 = fma(fma(-fb, q0, fa), y, q0);  // within one unit of the quotient
  const uint below = fma(-fb, q1, fa) < 0.0f ? as_uint(q1) - 1u : as_uint(q1);
  const uint quotient = fma(-fb, as_float(below + 1u), fa) >= 0.0f ? below + 1u : below;  // truncated
  const float rest = fma(-fb, as_float(quotient), fa);
  const float unit = fb * (quotient >= 0x3f800000u ? 0x1p-23f : 0x1p-24f);
  const uint guard = 2.0f * rest >= unit ? 2u : 0u;
  const uint sticky = rest > 0.0f && 2.0f * rest != unit ? 1u : 0u;
  const uint bits = ((quotient & 0x007fffffu) | 0x00800000u) << 2 | guard | sticky;
  const int biased = ea - eb + (int)(quotient >> 23);
  if (biased >= 255) return as_float(sign | 0x7f800000u);
  const uint shift = biased >= 1 ? 2u : min(3u - (uint)biased, 31u);
  const uint kept = bits >> shift;
  const uint lost = bits & ((1u << shift) - 1u);
  const uint half_unit = 1u << (shift - 1u);
  const uint up = lost > half_unit || (lost == half_unit && (kept & 1u)) ? 1u : 0u;
  return as_float(sign | ((biased >= 1 ? (uint)(biased - 1) << 23 : 0u) + kept + up));
}

// Square root correctly rounded: s is right unless x lies beyond the square of the midpoint to a neighbour, which is
// when x - s * neighbour has the wrong sign (all are multiples of a unit squared, so the midpoint's quarter drops out).
static inline float accel_sqrt_f32(float x) {
  const uint magnitude = as_uint(x) & 0x7fffffffu;
  if (magnitude == 0u || as_uint(x) == 0x7f800000u) return x;
  if (as_uint(x) > 0x7f800000u) return as_float(0x7fc00000u);
  int exponent;
  const float fraction = accel_fraction(magnitude, &exponent);
  const float m = (exponent & 1) ? 2.0f * fraction : fraction;
  const float seed = ACCEL_SEED_SQRT(m);
  const float refined = fma(0.5f * fma(-seed, seed, m), ACCEL_SEED_RECIPROCAL(seed), seed);
  const float s = clamp(refined, 1.0f, 0x1.fffffep+0f);
  const float above = as_float(as_uint(s) + 1u);
  const float under = as_float(as_uint(s) - 1u);
  const float root = fma(-s, above, m) > 0.0f ? above : (fma(-s, under, m) <= 0.0f ? under : s);
  return as_float(as_uint(root) + ((uint)(exponent >> 1) << 23));
}

#endif
"""


def _halves() -> str:
    """float16 bits from float32 and to it: by the device's own conversions, or by integers. Casts, not
    convert_half_rte, whose calls compilers do not make vectors of; both round half to even."""
    single, bits = Expr("arg", "float32", (), 0), Expr("arg", "uint16", (), 0)
    narrow = DIALECT.function("static inline", "accel_narrow", convert.narrow(single, "float16"), ("float32",))
    widen = DIALECT.function("static inline", "accel_widen", convert.widen(bits, "float16"), ("uint16",))
    return f"""
#ifdef ACCEL_HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
static inline ushort accel_narrow(float x) {{ return as_ushort((half)x); }}
static inline float accel_widen(ushort x) {{ return (float)as_half(x); }}
#else
{narrow}{widen}#endif
"""


PRELUDE += _halves()


def lower(*roots: Expr) -> tuple[Expr, ...]:
    """The same expressions, in which what narrows to float16 or widens it is one node, which the prelude has."""
    done: dict[Expr, Expr] = {}
    for node in schedule(*roots):
        if (x := _narrowed(node)) is not None:
            done[node] = Expr("narrow", "uint16", (done[x],))
        elif (x := _widened(node)) is not None:
            done[node] = Expr("widen", "float32", (done[x],))
        else:
            done[node] = Expr(node.op, node.dtype, tuple(done[a] for a in node.args), node.value)
    return tuple(done[root] for root in roots)


def _narrowed(node: Expr) -> Expr | None:
    """What a node is the float16 bits of, if it is; nodes that are equal are one."""
    if node.op != "convert" or node.dtype != "uint16" or node.args[0].op != "select":
        return None
    singles = (x.args[0] for x in schedule(node) if x.op == "bitcast" and x.args[0].dtype == "float32")
    return next((x for x in singles if convert.narrow(x, "float16") is node), None)


def _widened(node: Expr) -> Expr | None:
    """The float16 bits that a node is the value of, if it is."""
    if node.op != "bitcast" or node.dtype != "float32" or node.args[0].op != "or":
        return None
    halves = (x.args[0] for x in schedule(node) if x.op == "convert" and x.args[0].dtype == "uint16")
    return next((x for x in halves if convert.widen(x, "float16") is node), None)


def print_program(program: Program, name: str) -> str:
    """One function ``static inline OUT name(IN0 x0, …)``; the prelude is not repeated."""
    arguments = tuple(convert.storage(d) for d in program.inputs)
    (root,) = lower(program.expression())
    return DIALECT.function("static inline", name, root, arguments)


@lru_cache(maxsize=16)
def _of_vectors(width: int) -> Dialect:
    """Statements on vectors: a comparison is -1 or 0 of an element's width. Constants stay scalars, which operators
    widen, and functions do not."""

    def call(op: str, dtype: str, operands: tuple[str, ...]) -> str | None:
        vector = f"{TYPES[dtype]}{width}"
        if op == "select":
            no, yes = (f"({vector})({x})" for x in (operands[2], operands[1]))
            return f"select({no}, {yes}, {operands[0]})"
        return _call(op, dtype, tuple(f"({vector})({x})" for x in operands))

    wide = {name: f"{its}{width}" for name, its in TYPES.items()}
    return Dialect(wide, DIALECT.storage_bool, DIALECT.suffixes, lambda dtype, x: f"as_{wide[dtype]}({x})", call)


def print_vectors(program: Program, name: str, width: int) -> str:
    """One function of vectors, of a program of one float dtype without casts, division, square root and NaN
    constants."""
    size = {"float32": "int32", "float64": "int64"}[program.inputs[0]]
    dialect = _of_vectors(width)
    dialect = replace(dialect, types={**dialect.types, "bool": dialect.types[size]})
    return dialect.function("static inline", name, program.expression(), program.inputs)


def print_results(program: Program, name: str) -> str:
    """One function ``static inline void name(IN0 x0, …, OUT0 *r0, …)``, which stores every result of the program."""
    arguments = tuple(convert.storage(d) for d in program.inputs)
    return DIALECT.procedure("static inline", name, lower(*program.expressions()), arguments)


@lru_cache(maxsize=256)
def uses_fp64(program: Program) -> bool:
    """Whether any value is float64, so that the device must have cl_khr_fp64."""
    return any(node.dtype == "float64" for node in schedule(*program.expressions()))
