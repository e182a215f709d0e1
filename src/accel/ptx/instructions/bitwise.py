"""Logic, shifts, bit fields, byte permutation and counting bits."""

import numpy as np

from ..formats import TYPES, UINT, Mask
from ..integers import FOLD, bit_count, bit_length, shift
from ..machine import Machine, Step, put
from ..parse import Instruction
from .table import instruction


@instruction("and", "or", "xor")
def and_or_xor(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    out, a, b, fn = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, kind), FOLD[ins.op]
    return lambda m: put(out, fn(a, b), m)


@instruction("not")
def invert(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    out, a = machine.out(ins, kind), machine.get(ins, 1, kind)
    return lambda m: put(out, ~a, m)


@instruction("shl", "shr")
def shl_shr(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    if kind[0] == "b":
        kind = "u" + kind[1:]
    out, a, by, left = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, "u32"), ins.op == "shl"
    if by.size == 1 and by[0] < 8 * a.itemsize:  # the usual constant amount
        by = by.astype(a.dtype)
        return (lambda m: put(out, a << by, m)) if left else lambda m: put(out, a >> by, m)
    return lambda m: put(out, shift(a, by, left), m)


@instruction("shf")
def funnel_shift(machine: Machine, ins: Instruction) -> Step:
    left, wrap = ins.pick(("l", "r")) == "l", ins.pick(("wrap", "clamp")) == "wrap"
    ins.types()
    out, low, high, by = machine.out(ins, "b32"), *(machine.get(ins, i, "u32") for i in (1, 2, 3))
    half = np.uint64(32)

    def step(m: Mask) -> None:
        n = (by & np.uint32(31) if wrap else np.minimum(by, np.uint32(32))).astype(np.uint64)
        both = high.astype(np.uint64) << half | low
        put(out, ((both << n >> half) if left else both >> n).astype(np.uint32), m)

    return step


@instruction("lop3")
def lop3(machine: Machine, ins: Instruction) -> Step:
    ins.types()
    out, a, b, c = machine.out(ins, "b32"), *(machine.get(ins, i, "b32") for i in (1, 2, 3))
    table = int(ins.args[4].rstrip("U"), 0)

    def step(m: Mask) -> None:
        r = np.uint32(0)
        for i in range(8):
            if table >> i & 1:
                r = r | (a if i & 4 else ~a) & (b if i & 2 else ~b) & (c if i & 1 else ~c)
        put(out, r, m)

    return step


@instruction("prmt")
def permute_bytes(machine: Machine, ins: Instruction) -> Step:
    ins.types()
    out, a, b, c = machine.out(ins, "b32"), *(machine.get(ins, i, "u32") for i in (1, 2, 3))

    def step(m: Mask) -> None:
        both, r = b.astype(np.uint64) << np.uint64(32) | a, np.uint32(0)
        for i in range(4):
            pick = c >> np.uint32(4 * i)
            at = ((pick & np.uint32(7)) * np.uint32(8)).astype(np.uint64)
            byte = (both >> at & np.uint64(255)).astype(np.uint32)
            sign = (byte >> np.uint32(7)) * np.uint32(255)
            r = r | np.where(pick & np.uint32(8), sign, byte) << np.uint32(8 * i)
        put(out, r, m)

    return step


@instruction("bfe")
def extract_field(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    out, a, at, n = machine.out(ins, kind), machine.get(ins, 1, kind), *(machine.get(ins, i, "u32") for i in (2, 3))
    width, signed, zero = 8 * a.itemsize, a.dtype.kind == "i", a.dtype.type(0)

    def step(m: Mask) -> None:
        start = np.minimum(at & np.uint32(255), width).astype(np.int64)
        wanted = (n & np.uint32(255)).astype(np.int64)
        length = np.minimum(wanted, width - start)
        up = shift(a, width - start - length, True)  # the field at the top, then down with its sign
        past = shift(a, np.int64(width - 1), False) if signed else zero
        r = np.where(length > 0, shift(up, width - length, False), past)
        put(out, np.where(wanted == 0, zero, r), m)

    return step


@instruction("bfi")
def insert_field(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    unsigned = "u" + kind[1:]
    out, a, b = machine.out(ins, unsigned), machine.get(ins, 1, unsigned), machine.get(ins, 2, unsigned)
    at, n = machine.get(ins, 3, "u32"), machine.get(ins, 4, "u32")
    ones = np.full(machine.lanes, ~a.dtype.type(0))

    def step(m: Mask) -> None:
        start = at & np.uint32(255)
        field = shift(~shift(ones, n & np.uint32(255), True), start, True)
        put(out, shift(a, start, True) & field | b & ~field, m)

    return step


@instruction("clz", "popc", "bfind")
def count_bits(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    a, out, op = machine.get(ins, 1, kind), machine.out(ins, "u32"), ins.op
    shift_amount, width, unsigned = ins.flag("shiftamt"), 8 * TYPES[kind].itemsize, UINT[TYPES[kind].itemsize]

    def step(m: Mask) -> None:
        if op == "clz":
            r = width - bit_length(a)
        elif op == "popc":
            r = bit_count(a)
        else:  # the highest bit, of signed values the highest that differs from the sign
            n = bit_length((np.where(a < 0, ~a, a) if a.dtype.kind == "i" else a).view(unsigned))
            r = np.where(n == 0, 0xFFFFFFFF, width - n if shift_amount else n - 1)
        put(out, r.astype(np.uint32), m)

    return step


@instruction("brev")
def reverse_bits(machine: Machine, ins: Instruction) -> Step:
    (kind,) = ins.types()
    out, a = machine.out(ins, kind), machine.get(ins, 1, kind)
    scalar = a.dtype.type

    def step(m: Mask) -> None:
        r = np.zeros_like(a)
        for i in range(8 * a.itemsize):
            r = r << scalar(1) | a >> scalar(i) & scalar(1)
        put(out, r, m)

    return step
