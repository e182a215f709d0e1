"""Matrix fragments of a warp: ldmatrix, stmatrix and mma.sync."""

import numpy as np

from accel.ieee import fma64

from ..formats import TYPES, Mask, widen
from ..machine import Array, Machine, Step, put
from ..parse import Instruction, elements
from ..rounding import finish
from .copy import place
from .table import instruction

SHAPES = ("m16n8k16", "m16n8k8", "m16n8k32", "m8n8k4", "m16n8k4")
ACCUMULATORS = {"f32": np.float32, "f64": np.float64, "s32": np.int32}


@instruction("ldmatrix", "stmatrix")
def ldmatrix_stmatrix(machine: Machine, ins: Instruction) -> Step:
    """8 rows of 8 b16 a matrix.

    Lanes 8 i to 8 i + 7 give matrix i's row addresses, and lane l has row l / 4, columns 2 (l % 4) and the next.
    """
    ins.flag("sync", "aligned")
    ins.pick(("x1", "x2", "x4"))
    transposed, is_store = ins.flag("trans"), ins.op == "stmatrix"
    if not ins.flag("m8n8") or ins.types() != ["b16"]:
        raise NotImplementedError
    memory, address = place(machine, ins, ins.args[0 if is_store else 1])
    names, find = elements(ins.args[1 if is_store else 0]), machine.value if is_store else machine.target
    registers = [find(name, "b32", ins.scope).reshape(-1, 32) for name in names]
    view, text, columns = memory.views[2], ins.text, np.arange(8)

    def step(m: Mask) -> None:
        warps, where = machine.whole_warps(m, ins), address()
        for i, register in enumerate(registers):
            rows = np.zeros((machine.warps, 32), bool)
            rows[warps, 8 * i : 8 * i + 8] = True
            at = (memory.at(where, rows.ravel(), 16, text) // 2).reshape(-1, 8, 1) + columns
            if is_store:
                values = np.ascontiguousarray(register[warps]).view(np.uint16).reshape(-1, 8, 8)
                view[at] = values.swapaxes(1, 2) if transposed else values
            else:
                values = view[at].swapaxes(1, 2) if transposed else view[at]
                register[warps] = np.ascontiguousarray(values).view(np.uint32).reshape(-1, 32)

    return step


def _elements(register: Array, kind: str, count: int) -> Array:
    """The values of a fragment's register: (warps, 32 lanes, count), in float64 or int64."""
    if kind == "f64":
        return register.view(np.float64).reshape(-1, 32, 1)
    if kind == "tf32":
        return (register & ~np.uint32(0x1FFF)).view(np.float32).astype(np.float64).reshape(-1, 32, 1)
    if kind in ("s8", "u8"):
        return register.view(TYPES[kind]).astype(np.int64).reshape(-1, 32, count)
    return widen(register.view(np.uint16), kind).astype(np.float64).reshape(-1, 32, count)


@instruction("mma")
def mma(machine: Machine, ins: Instruction) -> Step:
    """mma.sync for the fragment layouts that share one rule.

    Lane l is group g = l / 4, thread t = l % 4. With e elements a register, register r of A holds row g + 8 (r % 2) and
    columns e t + 4 e (r / 2) to the next e; B the same, columns for rows; register r of C row g + 8 (r / 2), column
    2 t + r % 2. f64 is an fma chain with ascending k, other floats one float64 matrix product, rounded.
    """
    ins.flag("sync", "aligned")
    saturates = ins.flag("satfinite")
    if not (ins.flag("row") and ins.flag("col")):
        raise NotImplementedError
    kinds, shape = ins.types(4), ins.pick(SHAPES)
    kind_d, kind_a, kind_b, kind_c = kinds
    if kind_d not in ACCUMULATORS or kind_c != kind_d or (kind_d == "f64") != (shape == "m8n8k4"):
        raise NotImplementedError
    height, depth = int(shape[1 : shape.index("n")]), int(shape[shape.index("k") + 1 :])
    whole = kind_d == "s32"
    raw = "b64" if kind_d == "f64" else "b32"
    d = [machine.target(o, raw, ins.scope) for o in elements(ins.args[0])]
    a, b, c = ([machine.value(o, raw, ins.scope) for o in elements(ins.args[i])] for i in (1, 2, 3))
    ins.approximate = not whole
    e = height * depth // (32 * len(a))
    lane = np.arange(32)
    g, t, span = lane[:, None] // 4, lane[:, None] % 4, np.arange(e)
    wide, typed = np.int64 if whole else np.float64, ACCUMULATORS[kind_d]

    def place_of(r: int) -> tuple[Array, Array]:
        """Rows and columns of C that the lanes' register r holds."""
        return g[:, 0] + 8 * (r // 2), 2 * t[:, 0] + r % 2

    def step(m: Mask) -> None:
        machine.whole_warps(m, ins)  # refuses others; those that take no part compute, too, and keep nothing
        left = np.zeros((machine.warps, height, depth), wide)
        right, total = np.zeros((machine.warps, depth, 8), wide), np.zeros((machine.warps, height, 8), wide)
        for r, register in enumerate(a):
            left[:, g + 8 * (r % 2), e * t + 4 * e * (r // 2) + span] = _elements(register, kind_a, e)
        for r, register in enumerate(b):
            right[:, e * t + 4 * e * r + span, g] = _elements(register, kind_b, e)
        for r, register in enumerate(c):
            total[:, *place_of(r)] = register.view(typed).reshape(-1, 32)
        if kind_d == "f64":
            for k in range(depth):
                total = fma64(left[:, :, k, None], right[:, k, None, :], total)
        else:
            total = left @ right + total
        if saturates and whole:
            total = np.clip(total, -1 << 31, (1 << 31) - 1)
        for r, register in enumerate(d):
            value = total[:, *place_of(r)].astype(typed).ravel().view(register.dtype)
            put(register, value if whole else finish(value, kind_d), m)

    return step
