"""Loads, stores, parameters and asynchronous copies."""

from collections.abc import Callable

import numpy as np

from ..formats import TYPES, Mask, untyped
from ..machine import ADDRESS, Machine, Step, put
from ..memory import Addresses, BadAccess, Memory
from ..parse import Instruction, elements
from .table import instruction

# Orders, scopes and cache hints: with all lanes in lockstep and one memory they change nothing.
QUALIFIERS = (
    *("weak", "relaxed", "acquire", "release", "acq_rel", "volatile", "cta", "gpu", "sys", "cluster"),
    *("ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "noftz", "aligned"),
    *("L1::evict_last", "L1::evict_first", "L1::evict_normal", "L1::evict_unchanged", "L1::no_allocate"),
    *("L2::evict_last", "L2::evict_first", "L2::evict_normal", "L2::cache_hint", "L2::64B", "L2::128B", "L2::256B"),
)
SPACES = ("global", "shared", "shared::cta", "local", "const", "param")
VECTORS = ("v2", "v4", "v8")


def place(machine: Machine, ins: Instruction, operand: str) -> tuple[Memory, Callable[[], Addresses]]:
    """The memory and the address function of a load, store or atomic."""
    ins.flag(*QUALIFIERS)
    space = ins.pick(SPACES, "").split("::")[0]
    return machine.memory[space], machine.address(operand, ins.scope)


@instruction("ld")
def load(machine: Machine, ins: Instruction) -> Step:
    if "param" in ins.mods and not _is_register(ins, ins.args[1]):
        ins.flag("param")
        return _param(machine, ins, ins.args[1], ins.args[0])
    memory, address = place(machine, ins, ins.args[1])
    n, kind = int(ins.pick(VECTORS, "v1")[1:]), ins.types()[0]
    kind, size, text = kind if kind[0] == "s" else untyped(kind), TYPES[kind].itemsize, ins.text
    outs = [machine.target(o, kind, ins.scope) for o in elements(ins.args[0])]
    view, typed = memory.views[size], TYPES[kind]

    def step(m: Mask) -> None:
        at = memory.at(address(), m, n * size, text) // size
        for i, out in enumerate(outs):
            if m is None:
                out[...] = view[at + i].view(typed)
            else:
                out[m] = view[at + i].view(typed)

    return step


@instruction("st")
def store(machine: Machine, ins: Instruction) -> Step:
    if ins.flag("param"):
        return _param(machine, ins, ins.args[0], ins.args[1])
    memory, address = place(machine, ins, ins.args[0])
    n, kind = int(ins.pick(VECTORS, "v1")[1:]), untyped(ins.types()[0])
    size, text = TYPES[kind].itemsize, ins.text
    sources, view = [machine.value(o, kind, ins.scope) for o in elements(ins.args[1])], memory.views[size]

    def step(m: Mask) -> None:
        at = memory.at(address(), m, n * size, text) // size
        for i, a in enumerate(sources):
            view[at + i] = a if m is None or a.size == 1 else a[m]

    return step


def _is_register(ins: Instruction, cell: str) -> bool:
    """Whether a parameter is loaded by an address in a register, which `mov` has put there."""
    found = ADDRESS.fullmatch(cell)
    return found is not None and getattr(ins.scope.get(found[1]), "ndim", 0) == 1


def _param(machine: Machine, ins: Instruction, cell: str, other: str) -> Step:
    """ld.param and st.param: parameters are byte rows with the registers, not memory."""
    ins.pick(VECTORS, None)
    kind = ins.types()[0]
    kind = kind if kind[0] == "s" else untyped(kind)
    name, _, offset = cell[1:-1].replace(" ", "").partition("+")
    first, t = int(offset or "0", 0) // TYPES[kind].itemsize, TYPES[kind]
    columns = ins.scope[name].view(t)
    if ins.op == "st":
        pairs = [(columns[:, first + i], machine.value(o, kind, ins.scope)) for i, o in enumerate(elements(other))]
    else:
        pairs = [(machine.target(o, kind, ins.scope), columns[:, first + i]) for i, o in enumerate(elements(other))]

    def step(m: Mask) -> None:
        for out, a in pairs:
            put(out, a, m)

    return step


@instruction("cp")
def copy_async(machine: Machine, ins: Instruction) -> Step:
    """cp.async, done at once; commit and wait are then nothing."""
    if not ins.flag("async"):
        raise NotImplementedError
    if ins.flag("commit_group", "wait_group", "wait_all"):
        return lambda m: None
    hint = ins.flag("L2::cache_hint")
    ins.flag("ca", "cg", "L2::64B", "L2::128B", "L2::256B")
    if not (ins.flag("shared", "shared::cta") and ins.flag("global")):
        raise NotImplementedError
    if ins.mods:  # .bulk and .mbarrier among them
        raise NotImplementedError
    size, text = int(ins.args[2], 0), ins.text
    to, origin = (machine.address(operand, ins.scope) for operand in ins.args[:2])
    taken = np.full(machine.lanes, size, np.uint32)
    if len(ins.args) > 3 + hint:
        taken = np.broadcast_to(machine.value(ins.args[3], "u32", ins.scope), machine.lanes)
    shared, whole, span = machine.memory["shared"], machine.memory["global"], np.arange(size)

    def step(m: Mask) -> None:
        m = machine.everyone(m)
        at = shared.at(to(), m, size, text)
        rows = np.zeros((len(at), size), np.uint8)  # what is not read is zeros
        for n in np.unique(taken[m]):
            if n == 0:
                continue
            some = m & (taken == n)
            if (origin()[some] % size).any():
                raise BadAccess(f"misaligned address: {text}")
            if n not in (1, 2, 4, 8, 16):
                raise NotImplementedError(f"cp.async of {n} bytes: {text}")
            source = whole.at(origin(), some, int(n), text)
            rows[some[m], :n] = whole.views[1][source[:, None] + np.arange(n)]
        shared.views[1][at[:, None] + span] = rows

    return step
