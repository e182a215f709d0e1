"""Warp barriers, fences and hints, which order nothing here, and traps. CTA barriers are the scheduler's."""

from ..formats import Mask
from ..machine import Machine, Step
from ..parse import Instruction
from .table import instruction


@instruction("bar", "barrier")
def warp_barrier(machine: Machine, ins: Instruction) -> Step:
    """bar.warp.sync: the lanes of a warp that are active run together anyway."""
    if not (ins.flag("warp") and ins.flag("sync")):
        raise NotImplementedError
    mask = machine.get(ins, 0, "u32")
    return lambda m: machine.check_members(mask, m, ins)


@instruction("fence", "membar", "prefetch", "nanosleep", "griddepcontrol", "createpolicy", "discard")
def nothing(machine: Machine, ins: Instruction) -> Step:
    ins.mods = []
    return lambda m: None


@instruction("trap")
def trap(machine: Machine, ins: Instruction) -> Step:
    def step(m: Mask) -> None:
        raise RuntimeError("trap")

    return step
