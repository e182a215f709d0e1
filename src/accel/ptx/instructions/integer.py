"""add, sub, mul, mad, div and rem: integers here, with their carries; floating-point types go to `floating`."""

import numpy as np

from ..formats import FLOATS, TYPES, UINT, Mask
from ..integers import divide, multiply_high
from ..machine import Array, Machine, Step, put
from ..parse import Instruction
from .floating import PAIRS, float_operation, pairwise
from .table import instruction


@instruction("add", "sub")
def add_sub(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    if kind in FLOATS:
        return float_operation(machine, ins, ins.op, 2, kind)
    return _sum(machine, ins, kind)


@instruction("addc", "subc")
def add_sub_carry(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return _sum(machine, ins, kind)


@instruction("mul")
def mul(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return float_operation(machine, ins, "mul", 2, kind) if kind in FLOATS else _product(machine, ins, kind)


@instruction("mad")
def mad(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return float_operation(machine, ins, "fma", 3, kind) if kind in FLOATS else _product(machine, ins, kind)


@instruction("madc")
def mad_carry(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return _product(machine, ins, kind)


@instruction("div")
def div(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return float_operation(machine, ins, "div", 2, kind) if kind in FLOATS else _quotient(machine, ins, kind)


@instruction("rem")
def rem(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    return _quotient(machine, ins, kind)


def _sum(machine: Machine, ins: Instruction, kind: str) -> Step:
    """add, addc, sub, subc; the carry of .cc (for sub: the borrow) is kept per lane."""
    a, b, out = machine.get(ins, 1, kind), machine.get(ins, 2, kind), machine.out(ins, kind)
    keep, use, minus = ins.flag("cc"), ins.op in ("addc", "subc"), ins.op.startswith("sub")
    if ins.flag("sat"):
        if kind != "s32" or keep or use:
            raise NotImplementedError
        fn, low, high = np.subtract if minus else np.add, -1 << 31, (1 << 31) - 1
        return lambda m: put(out, np.clip(fn(a.astype(np.int64), b.astype(np.int64)), low, high).astype(np.int32), m)
    typed = TYPES[kind]
    if kind in PAIRS:
        if minus or keep or use:
            raise NotImplementedError
        return lambda m: put(out, pairwise(np.add, kind, a, b), m)
    a, b = a.view(UINT[typed.itemsize]), b.view(UINT[typed.itemsize])
    if keep or use:
        return lambda m: put(out, _with_carry(machine, a, b, m, keep, use, minus).view(typed), m)
    if minus:
        return lambda m: put(out, (a - b).view(typed), m)
    return lambda m: put(out, (a + b).view(typed), m)


def _with_carry(machine: Machine, a: Array, b: Array, m: Mask, keep: bool, use: bool, minus: bool = False) -> Array:
    carry = machine.carry.astype(a.dtype) if use else a.dtype.type(0)
    first = a - b if minus else a + b
    r = first - carry if minus else first + carry
    if keep:
        put(machine.carry, (a < b) | (first < carry) if minus else (first < a) | (r < first), m)
    return r


def _product(machine: Machine, ins: Instruction, kind: str) -> Step:
    """mul, mad and madc."""
    part = ins.pick(("lo", "hi", "wide"))
    a, b = machine.get(ins, 1, kind), machine.get(ins, 2, kind)
    result = f"{kind[0]}{16 * a.itemsize}" if part == "wide" else kind
    out, typed = machine.out(ins, result), TYPES[result]
    unsigned = UINT[typed.itemsize]

    def fn() -> Array:
        if part == "lo":
            return a.view(unsigned) * b.view(unsigned)
        if part == "hi":
            return multiply_high(a, b).view(unsigned)
        return (a.astype(typed) * b.astype(typed)).view(unsigned)

    if ins.op == "mul":
        return lambda m: put(out, fn().view(typed), m)
    c, keep, use = machine.get(ins, 3, result).view(unsigned), ins.flag("cc"), ins.op == "madc"
    if keep or use:
        return lambda m: put(out, _with_carry(machine, fn(), c, m, keep, use).view(typed), m)
    return lambda m: put(out, (fn() + c).view(typed), m)


def _quotient(machine: Machine, ins: Instruction, kind: str) -> Step:
    out, a, b, op = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, kind), ins.op
    return lambda m: put(out, divide(op, *np.broadcast_arrays(a, b)), m)
