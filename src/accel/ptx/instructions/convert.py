"""cvt between integers and floating-point formats."""

from collections.abc import Callable

import numpy as np

from accel.ieee import odd_sum

from ..formats import FLOATS, TYPES, UINT, Bits, Mask, is_nan, widen
from ..machine import Machine, Step, put
from ..parse import Instruction
from ..rounding import MODES, NEAREST, finish, narrow
from .table import instruction

TO_INTEGER = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


@instruction("cvt")
def cvt(machine: Machine, ins: Instruction) -> Step:
    mode, ftz, sat = ins.pick((*MODES, *TO_INTEGER, "rna"), None), ins.flag("ftz"), ins.flag("sat")
    to, kind = ins.types(2)
    if mode == "rna" and to != "tf32":
        raise NotImplementedError
    if to == "tf32":
        if mode != "rna" or kind != "f32" or ftz or sat:
            raise NotImplementedError
        return _to_tf32(machine, ins)
    if to.endswith("x2"):
        if kind != "f32" or len(ins.args) != 3 or mode not in MODES or sat:
            raise NotImplementedError
        return _pack(machine, ins, to, mode, ftz)
    if kind in FLOATS:
        bits = machine.bits(ins.args[1], kind, ins.scope, ftz and kind == "f32")
        if to in FLOATS:
            return _float_to_float(machine, ins, to, kind, bits, mode, ftz and to == "f32", sat)
        return _float_to_integer(machine, ins, to, kind, bits, mode)
    if to in FLOATS:
        return _integer_to_float(machine, ins, to, kind, mode, sat)
    return _integer_to_integer(machine, ins, to, kind, sat)


def _to_tf32(machine: Machine, ins: Instruction) -> Step:
    """Nearest with ties away from zero, at 10 bits of fraction."""
    out, a = machine.out(ins, "b32"), machine.get(ins, 1, "b32")
    half, kept = np.uint32(0x1000), ~np.uint32(0x1FFF)
    return lambda m: put(out, finish(np.where(is_nan(a, "f32"), a, a + half & kept), "f32"), m)


def _pack(machine: Machine, ins: Instruction, to: str, mode: str, ftz: bool) -> Step:
    """Two f32 sources, the first for the upper half."""
    out, fmt = machine.float_out(ins, to), to.removesuffix("x2")
    high, low = (machine.bits(a, "f32", ins.scope, ftz) for a in ins.args[1:])

    def step(m: Mask) -> None:
        pair = np.stack(np.broadcast_arrays(low(), high()), -1)
        put(out, finish(narrow(widen(pair, "f32").astype(np.float64), fmt, mode), fmt), m)

    return step


def _float_to_float(
    machine: Machine,
    ins: Instruction,
    to: str,
    kind: str,
    bits: Callable[[], Bits],
    mode: str | None,
    ftz: bool,
    sat: bool,
) -> Step:
    out = machine.float_out(ins, to)
    if mode in TO_INTEGER:
        if to != kind:
            raise NotImplementedError
        whole = TO_INTEGER[mode]
        return lambda m: put(out, finish(narrow(whole(widen(bits(), kind).astype(np.float64)), to), to, ftz, sat), m)
    if to == kind:
        return lambda m: put(out, finish(bits(), to, ftz, sat), m)
    rounding = mode or NEAREST  # a widening conversion has no mode
    return lambda m: put(out, finish(narrow(widen(bits(), kind).astype(np.float64), to, rounding), to, ftz, sat), m)


def _float_to_integer(
    machine: Machine, ins: Instruction, to: str, kind: str, bits: Callable[[], Bits], mode: str | None
) -> Step:
    """Clamps. A NaN gives 0, but the top bit alone when the source is f64 or the destination 64 bits."""
    if mode not in TO_INTEGER:
        raise NotImplementedError
    whole, out, t = TO_INTEGER[mode], machine.out(ins, to), TYPES[to]
    info, scalar = np.iinfo(t), t.type
    top = 1 << 8 * t.itemsize - 1 if kind == "f64" or t.itemsize == 8 else 0
    of_nan = np.array([top], UINT[t.itemsize]).view(t)
    above = float(info.max) + 1  # the first value past the range: 2**n, for 64 bits by rounding

    def step(m: Mask) -> None:
        x = whole(widen(bits(), kind).astype(np.float64))
        nan, over, under = np.isnan(x), x >= above, x < float(info.min)
        r = np.where(over | under | nan, 0.0, x).astype(t)
        put(out, np.where(nan, of_nan, np.where(over, scalar(info.max), np.where(under, scalar(info.min), r))), m)

    return step


def _integer_to_float(machine: Machine, ins: Instruction, to: str, kind: str, mode: str | None, sat: bool) -> Step:
    a, out = machine.get(ins, 1, kind), machine.float_out(ins, to)
    if to == "f64":
        if mode != NEAREST and a.itemsize == 8:
            raise NotImplementedError
        return lambda m: put(out, a.astype(np.float64).view(np.uint64), m)
    if mode not in MODES:
        raise NotImplementedError
    low = a.dtype.type(0xFFFFFFFF) if a.itemsize == 8 else None

    def step(m: Mask) -> None:
        if low is None:
            wide = a.astype(np.float64)
        else:  # both halves are exact in float64
            wide = odd_sum((a & ~low).astype(np.float64), (a & low).astype(np.float64))
        put(out, finish(narrow(wide, to, mode), to, False, sat), m)

    return step


def _integer_to_integer(machine: Machine, ins: Instruction, to: str, kind: str, sat: bool) -> Step:
    a, out, t = machine.get(ins, 1, kind), machine.out(ins, to), TYPES[to]
    if not sat:
        return lambda m: put(out, a.astype(t), m)
    scalar = a.dtype.type
    low = scalar(max(np.iinfo(t).min, np.iinfo(a.dtype).min))
    high = scalar(min(np.iinfo(t).max, np.iinfo(a.dtype).max))
    return lambda m: put(out, np.clip(a, low, high).astype(t), m)
