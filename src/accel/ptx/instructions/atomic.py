"""Atomic operations: CTAs in order, lanes ascending."""

from collections.abc import Callable

import numpy as np

from ..formats import FLOATS, TYPES, Mask, flush, untyped, widen
from ..integers import FOLD
from ..machine import Array, Machine, Step
from ..parse import Instruction
from ..rounding import NEAREST, arithmetic, finish, minimum_maximum
from .copy import place
from .table import instruction

# The new value of a cell, from the old one and the operands, each an array of one element.
EXCHANGES: dict[str, Callable[..., Array]] = {
    "exch": lambda old, b: b,
    "cas": lambda old, b, c: c if old[0] == b[0] else old,
    "inc": lambda old, b: np.where(old >= b, 0, old + 1),
    "dec": lambda old, b: np.where((old == 0) | (old > b), b, old - 1),
}


def _float_add(kind: str, ftz: bool) -> Callable[[Array, Array], Array]:
    add = arithmetic("add", kind, NEAREST)

    def fn(old: Array, b: Array) -> Array:
        if ftz:
            old, b = flush(old, kind), flush(b, kind)
        return finish(add(widen(old, kind), widen(b, kind)), kind, ftz)

    return fn


@instruction("atom", "red")
def atom_red(machine: Machine, ins: Instruction) -> Step:
    red = ins.op == "red"
    memory, address = place(machine, ins, ins.args[0 if red else 1])
    op, (kind,) = ins.pick((*FOLD, *EXCHANGES)), ins.types()
    if kind.endswith("x2"):
        raise NotImplementedError
    raw, size, text = untyped(kind), TYPES[kind].itemsize, ins.text
    typed = TYPES[raw if kind in FLOATS else kind]
    out = np.empty(machine.lanes, TYPES[raw]) if red else machine.out(ins, raw)
    given = ins.args[1 if red else 2 :][: 2 if op == "cas" else 1]
    operands = [np.broadcast_to(machine.value(a, raw, ins.scope), machine.lanes).view(typed) for a in given]
    cells = memory.views[size].view(typed)
    ins.unordered = kind in FLOATS and op == "add"
    if kind in FLOATS and op == "add":
        # PTX: atom.add.f32 on global memory flushes subnormal inputs and results, on shared memory it does not.
        fn = _float_add(kind, kind == "f32" and memory is machine.memory["global"])
    elif kind in FLOATS and op in ("min", "max"):
        fn = lambda old, b: minimum_maximum(op, old, b, kind, False)  # noqa: E731
    else:
        fn = FOLD[op] if op in FOLD else EXCHANGES[op]

    def step(m: Mask) -> None:
        lanes = machine.lane if m is None else np.nonzero(m)[0]
        values = [v.copy() for v in operands]  # the destination may be an operand
        for lane, at in zip(lanes, memory.at(address(), m, size, text) // size, strict=True):
            old = cells[at : at + 1].copy()
            cells[at : at + 1] = fn(old, *(v[lane : lane + 1] for v in values))
            out[lane : lane + 1] = old.view(TYPES[raw])

    return step
