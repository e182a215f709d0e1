"""Floating-point arithmetic: rounded, approximate, min and max, sign operations."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..formats import FLOATS, FORMATS, TYPES, UINT, Mask, magnitude, sign_bit, widen
from ..integers import FOLD
from ..machine import Machine, Step, put
from ..parse import Instruction
from ..rounding import MODES, NEAREST, arithmetic, finish, minimum_maximum, narrow
from .table import instruction

# Evaluated in float64; PTX leaves the last bits open.
APPROXIMATE: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
    "ex2": np.exp2,
    "lg2": np.log2,
    "rcp": lambda a: 1 / a,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "div": np.divide,
}


def float_operation(machine: Machine, ins: Instruction, op: str, count: int, kind: str) -> Step:
    """One rounded (or approximate) operation of `count` operands."""
    mode, ftz, sat = ins.pick(MODES, None), ins.flag("ftz"), ins.flag("sat")
    loose = ins.flag("approx", "full")
    fmt = kind.removesuffix("x2")
    ins.approximate, ins.contractible = loose, mode is None and op in ("add", "sub", "mul")
    sources = [machine.bits(a, kind, ins.scope, ftz) for a in ins.args[1 : 1 + count]]
    if loose:
        if fmt == "f64" and op not in ("rcp", "rsqrt"):
            raise NotImplementedError
        calculate = APPROXIMATE[op]

        def fn(*values: np.ndarray) -> np.ndarray:
            return narrow(calculate(*(x.astype(np.float64) for x in values)), fmt)

    else:
        fn = arithmetic(op, fmt, mode or NEAREST)
    out = machine.float_out(ins, kind)
    return lambda m: put(out, finish(fn(*(widen(s(), fmt) for s in sources)), fmt, ftz, sat), m)


@instruction("fma", "sqrt", "rcp", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh")
def only_float(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return float_operation(machine, ins, ins.op, 3 if ins.op == "fma" else 1, kind)


PAIRS = {"u16x2": np.dtype(np.uint16), "s16x2": np.dtype(np.int16)}
"""Two 16-bit integers in one 32-bit register."""


def pairwise(fn: Callable[..., np.ndarray], kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A function of each integer of the registers, which are one or two."""
    part = PAIRS.get(kind, a.dtype)
    return fn(*(np.ascontiguousarray(x).view(part) for x in (a, b))).view(a.dtype)


@instruction("min", "max")
def min_max(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    op = ins.op
    if kind not in FLOATS:
        relu = ins.flag("relu")
        if relu and kind not in ("s32", "s16x2"):
            raise NotImplementedError
        out, a, b, fn = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, kind), FOLD[op]
        chosen = (lambda x, y: np.maximum(fn(x, y), 0)) if relu else fn
        return lambda m: put(out, pairwise(chosen, kind, a, b), m)
    nan, ftz, fmt = ins.flag("NaN"), ins.flag("ftz"), kind.removesuffix("x2")
    if len(ins.args) != 3:
        raise NotImplementedError
    out = machine.float_out(ins, kind)
    x, y = (machine.bits(operand, kind, ins.scope, ftz) for operand in ins.args[1:])
    return lambda m: put(out, finish(minimum_maximum(op, x(), y(), fmt, nan), fmt), m)


@instruction("abs", "neg")
def abs_neg(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    minus = ins.op == "neg"
    if kind not in FLOATS:
        out, a = machine.out(ins, kind), machine.get(ins, 1, kind)
        unsigned = UINT[TYPES[kind].itemsize]
        return lambda m: put(out, np.where((a < 0) | minus, (0 - a.view(unsigned)).view(a.dtype), a), m)
    ftz = ins.flag("ftz")
    out, bits = machine.float_out(ins, kind), machine.bits(ins.args[1], kind, ins.scope, ftz)
    if minus:
        return lambda m: put(out, bits() ^ sign_bit(bits()), m)
    return lambda m: put(out, magnitude(bits()), m)


@instruction("copysign")
def copysign(machine: Machine, ins: Instruction) -> Step:
    """The sign of the first operand and the magnitude of the second."""
    (kind,) = ins.types()
    out = machine.float_out(ins, kind)
    a, b = (machine.bits(operand, kind, ins.scope) for operand in ins.args[1:3])
    return lambda m: put(out, a() & sign_bit(a()) | magnitude(b()), m)


@instruction("testp")
def testp(machine: Machine, ins: Instruction) -> Step:
    what = ins.pick(("finite", "infinite", "number", "notanumber", "normal", "subnormal"))
    (kind,) = ins.types()
    out, bits = machine.out(ins, "pred"), machine.bits(ins.args[1], kind, ins.scope)
    infinity, _, _, least = FORMATS[kind]
    tests = {
        "finite": lambda x: x < infinity,
        "infinite": lambda x: x == infinity,
        "number": lambda x: x <= infinity,
        "notanumber": lambda x: x > infinity,
        "normal": lambda x: (x >= least) & (x < infinity),
        "subnormal": lambda x: (x > 0) & (x < least),
    }
    test = tests[what]

    def step(m: Mask) -> None:
        put(out, test(magnitude(bits())), m)

    return step
