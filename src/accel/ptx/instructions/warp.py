"""Instructions in which the lanes of a warp work together: shuffles, votes, reductions, election."""

import numpy as np

from ..formats import FLOATS, Bits, Mask
from ..integers import FOLD
from ..machine import Machine, Step, put
from ..parse import Instruction
from .table import instruction


def _pack_lanes(lanes: np.ndarray) -> Bits:
    """A 32-bit number a warp, bit i for lane i, given to all its lanes."""
    return (lanes.astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(1).astype(np.uint32).repeat(32)


@instruction("shfl")
def shfl(machine: Machine, ins: Instruction) -> Step:
    if not ins.flag("sync"):
        raise NotImplementedError
    mode = ins.pick(("up", "down", "bfly", "idx"))
    ins.types()
    names = [n.strip() for n in ins.args[0].split("|")]
    out = machine.target(names[0], "b32", ins.scope)
    valid = machine.target(names[1], "pred", ins.scope) if len(names) > 1 else None
    a, by, clamp, mask = (machine.get(ins, i, t) for i, t in ((1, "b32"), (2, "u32"), (3, "u32"), (4, "u32")))
    lane, first = machine.lane % 32, machine.lane - machine.lane % 32
    low, high = np.uint32(31), np.uint32(8)

    def step(m: Mask) -> None:
        machine.check_members(mask, m, ins)
        segment = (clamp >> high & low).astype(np.int64)
        limit, n = (clamp & low).astype(np.int64), (by & low).astype(np.int64)
        top = lane & segment | limit & ~segment
        if mode == "up":
            source = lane - n
        elif mode == "down":
            source = lane + n
        elif mode == "bfly":
            source = lane ^ n
        else:
            source = lane & segment | n & ~segment
        good = source >= top if mode == "up" else source <= top
        value = a[first + np.where(good, source, lane)] if a.size > 1 else a
        put(out, value, m)
        if valid is not None:
            put(valid, good, m)

    return step


@instruction("redux")
def redux(machine: Machine, ins: Instruction) -> Step:
    ins.flag("sync")
    op, (kind,) = ins.pick(FOLD), ins.types()
    if kind in FLOATS:
        raise NotImplementedError
    out, a, mask, fn = machine.out(ins, kind), machine.get(ins, 1, kind), machine.get(ins, 2, "u32"), FOLD[op]
    full = mask.size == 1 and mask[0] == 0xFFFFFFFF

    def step(m: Mask) -> None:
        rows = np.broadcast_to(a, machine.lanes).reshape(-1, 32)
        if m is None and full:
            put(out, fn.reduce(rows, axis=1, dtype=a.dtype).repeat(32), m)
            return
        machine.check_members(mask, m, ins)
        on = machine.everyone(m).reshape(-1, 32)
        r = np.zeros(rows.shape, a.dtype)
        for warp in np.nonzero(on.any(1))[0]:
            r[warp] = fn.reduce(rows[warp][on[warp]], dtype=a.dtype)
        put(out, r.ravel(), m)

    return step


@instruction("vote")
def vote(machine: Machine, ins: Instruction) -> Step:
    ins.flag("sync")
    mode, (kind,) = ins.pick(("ballot", "any", "all", "uni")), ins.types()
    negated = ins.args[1].startswith("!")
    p = machine.value(ins.args[1].lstrip("! "), "pred", ins.scope)
    out, mask = machine.out(ins, kind), machine.get(ins, 2, "u32")

    def step(m: Mask) -> None:
        machine.check_members(mask, m, ins)
        on = machine.everyone(m).reshape(-1, 32)
        yes = (np.broadcast_to(p, machine.lanes) != negated).reshape(-1, 32)
        some, every = (yes & on).any(1), (yes | ~on).all(1)
        if mode == "ballot":
            r = _pack_lanes(yes & on)
        else:
            r = {"any": some, "all": every, "uni": every | ~some}[mode].repeat(32)
        put(out, r, m)

    return step


@instruction("activemask")
def activemask(machine: Machine, ins: Instruction) -> Step:
    ins.types()
    out = machine.out(ins, "b32")
    return lambda m: put(out, _pack_lanes(machine.everyone(m).reshape(-1, 32)), m)


@instruction("elect")
def elect(machine: Machine, ins: Instruction) -> Step:
    ins.flag("sync")
    names = [n.strip() for n in ins.args[0].split("|")]
    out, chosen = machine.target(names[0], "b32", ins.scope), machine.target(names[1], "pred", ins.scope)
    mask = machine.get(ins, 1, "u32")

    def step(m: Mask) -> None:
        machine.check_members(mask, m, ins)
        leader = machine.everyone(m).reshape(-1, 32).argmax(1).repeat(32)
        put(out, leader.astype(np.uint32), m)
        put(chosen, leader == machine.lane % 32, m)

    return step
