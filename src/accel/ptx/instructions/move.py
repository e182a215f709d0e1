"""mov, with packing and unpacking, and cvta."""

import numpy as np

from ..formats import TYPES, Mask, untyped
from ..machine import Machine, Step, put
from ..memory import WINDOW
from ..parse import Instruction, elements
from .table import instruction

CLOCKS = ("%clock", "%clock64", "%clock_hi", "%globaltimer")


@instruction("mov")
def mov(machine: Machine, ins: Instruction) -> Step:
    kind = untyped(ins.types()[0])
    if ins.args[1] in CLOCKS:
        return _clock(machine, ins, kind)
    to, origin = elements(ins.args[0]), elements(ins.args[1])
    n = max(len(to), len(origin))
    if n == 1:
        out, a = machine.target(to[0], kind, ins.scope), machine.value(origin[0], kind, ins.scope)
        return lambda m: put(out, a, m)
    part = f"b{8 * TYPES[kind].itemsize // n}"
    if len(to) == 1:
        columns = machine.target(to[0], kind, ins.scope).view(TYPES[part]).reshape(-1, n)
        pairs = [(columns[:, i], machine.value(o, part, ins.scope)) for i, o in enumerate(origin)]
    else:
        columns = machine.value(origin[0], kind, ins.scope).view(TYPES[part]).reshape(-1, n)
        pairs = [(machine.target(o, part, ins.scope), columns[:, i]) for i, o in enumerate(to)]

    def step(m: Mask) -> None:
        for out, a in pairs:
            put(out, a, m)

    return step


def _clock(machine: Machine, ins: Instruction, kind: str) -> Step:
    """A clock that goes on by one each time it is read."""
    out, high = machine.out(ins, kind), ins.args[1] == "%clock_hi"

    def step(m: Mask) -> None:
        machine.ticks += 1
        put(out, out.dtype.type(0 if high else machine.ticks), m)

    return step


@instruction("cvta")
def cvta(machine: Machine, ins: Instruction) -> Step:
    to, space = ins.flag("to"), ins.pick(("global", "shared", "shared::cta", "local", "const"))
    kind, window = ins.types()[0], np.uint64(WINDOW.get(space.split("::")[0], 0))
    out, a = machine.out(ins, "u64"), machine.get(ins, 1, kind)
    return (lambda m: put(out, a & ~window, m)) if to else lambda m: put(out, a | window, m)
