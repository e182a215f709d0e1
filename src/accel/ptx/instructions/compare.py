"""Comparisons and selections."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..formats import FLOATS, Mask, untyped, widen
from ..integers import FOLD
from ..machine import Machine, Step, put
from ..parse import Instruction
from .table import instruction

COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
UNSIGNED = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
UNORDERED = ("equ", "neu", "ltu", "leu", "gtu", "geu")  # true if either is a NaN
COMPARISONS = (*COMPARE, *UNSIGNED, *UNORDERED, "num", "nan")


def _comparison(machine: Machine, ins: Instruction, kind: str) -> Callable[[], npt.NDArray[np.bool_]]:
    """A function to the result of comparing the first two sources."""
    op, ftz = ins.pick(COMPARISONS), ins.flag("ftz")
    if kind not in FLOATS:
        if op in UNSIGNED:
            op, kind = UNSIGNED[op], "u" + kind[1:]
        a, b, fn = machine.get(ins, 1, kind), machine.get(ins, 2, kind), COMPARE[op]
        return lambda: fn(a, b)
    if kind.endswith("x2"):
        raise NotImplementedError
    x, y = (machine.bits(operand, kind, ins.scope, ftz) for operand in ins.args[1:3])
    if op in ("num", "nan"):
        return lambda: (np.isnan(widen(x(), kind)) | np.isnan(widen(y(), kind))) == (op == "nan")
    fn = COMPARE[op[:2]]

    def test() -> npt.NDArray[np.bool_]:
        a, b = widen(x(), kind), widen(y(), kind)
        r = fn(a, b)
        if op == "ne":
            return r & ~(np.isnan(a) | np.isnan(b))
        return r if len(op) == 2 else r | np.isnan(a) | np.isnan(b)

    return test


@instruction("setp")
def setp(machine: Machine, ins: Instruction) -> Step:
    join, (kind,) = ins.pick(("and", "or", "xor"), None), ins.types()
    test = _comparison(machine, ins, kind)
    names = [n.strip() for n in ins.args[0].split("|")]
    out = machine.target(names[0], "pred", ins.scope)
    other = machine.target(names[1], "pred", ins.scope) if len(names) > 1 else None
    if join is None:
        if other is None:
            return lambda m: put(out, test(), m)

        def both(m: Mask) -> None:
            t = test()
            put(out, t, m)
            put(other, ~t, m)

        return both
    negated, fn = ins.args[3].startswith("!"), FOLD[join]
    c = machine.value(ins.args[3].lstrip("! "), "pred", ins.scope)

    def joined(m: Mask) -> None:
        t = test()
        extra = ~c if negated else c.copy()  # c may be a destination
        put(out, fn(t, extra), m)
        if other is not None:
            put(other, fn(~t, extra), m)

    return joined


@instruction("set")
def set_number(machine: Machine, ins: Instruction) -> Step:
    to, kind = ins.types(2)
    test, out = _comparison(machine, ins, kind), machine.out(ins, "b32")
    yes = {"f32": np.uint32(0x3F800000), "u32": np.uint32(0xFFFFFFFF), "s32": np.uint32(0xFFFFFFFF)}.get(to)
    if yes is None:
        raise NotImplementedError
    return lambda m: put(out, np.where(test(), yes, np.uint32(0)), m)


@instruction("selp")
def selp(machine: Machine, ins: Instruction) -> Step:
    kind = untyped(ins.types()[0])
    out, a, b = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, kind)
    p = machine.get(ins, 3, "pred")
    return lambda m: put(out, np.where(p, a, b), m)


@instruction("slct")
def slct(machine: Machine, ins: Instruction) -> Step:
    kind, by = ins.types(2)
    kind, ftz = untyped(kind), ins.flag("ftz")
    out, a, b, c = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, kind), machine.get(ins, 3, by)
    if by != "f32":
        return lambda m: put(out, np.where(c >= 0, a, b), m)
    bits = machine.bits(ins.args[3], by, ins.scope, ftz)  # flushed, a negative subnormal is -0, and -0 >= 0
    return lambda m: put(out, np.where(widen(bits(), by) >= 0, a, b), m)
