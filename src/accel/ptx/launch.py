"""Running a kernel over a grid."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import index

import numpy as np

from .._core import FloatEnvironment
from .assemble import Row, assemble
from .machine import Machine
from .parse import parse
from .schedule import Scheduler

FLAGS = ("approximate", "unordered", "contractible")


def run(
    ptx: str,
    grid: Sequence[int],
    args: Sequence[tuple[str, int | float]],
    num_warps: int,
    shared_bytes: int,
    allowed: Iterable[tuple[int, int]] | None = None,
    ctas_at_once: int = 1,
    order: Sequence[int] | None = None,
) -> dict[str, Counter[str]]:
    """Runs the entry of a PTX module over a grid of CTAs of 32 * num_warps threads.

    grid: CTAs along x, y and z (1 where left out); a grid with a 0 is checked and does nothing.
    args: (struct code, value) of the leading parameters, pointers as 'Q' host addresses; the others are 0.
    shared_bytes: size of the dynamic shared array.
    allowed: (address, bytes) that global accesses must stay in, or None for no check.
    ctas_at_once: CTAs that run together as more lanes, which is faster; leave it at 1 where CTAs depend on each other's
    atomics in order.
    order: the numbers of the CTAs in the order in which they run, ascending if None: a GPU promises none.

    Returns counters of executions by opcode, one a thread: "counts", all; and those of them that a check of bits wants
    none of: "approximate", whose bits PTX leaves open; "unordered", whose result depends on the order of threads
    (floating-point atomic additions); "contractible", add, sub and mul without .rn, which ptxas may fuse.

    Raises ValueError for PTX, arguments or launch numbers that do not fit together, before anything runs; and while
    running, NotImplementedError for an instruction that is not supported, BadAccess for a wrong address, RuntimeError
    for a trap, a deadlock or lanes missing from a warp-wide instruction. Those name the instruction, with the CTAs as a
    note; what ran until then has been stored, and so it is after KeyboardInterrupt.

    Calls may run in several threads at once: they share nothing but the process's memory, where the atomics of one call
    are not atomic to another.
    """
    if sys.byteorder != "little":
        raise RuntimeError("needs a little-endian host")
    module = parse(ptx)
    size = _grid(grid)
    if index(num_warps) < 1 or index(shared_bytes) < 0 or index(ctas_at_once) < 1:
        raise ValueError(f"cannot launch {num_warps} warps, {shared_bytes} bytes shared, {ctas_at_once} CTAs at once")
    if module.threads is not None and module.threads != 32 * num_warps:
        raise ValueError(f"{module.entry.name} wants {module.threads} threads a CTA, not {32 * num_warps}")
    if order is not None and sorted(order) != list(range(size[0] * size[1] * size[2])):
        raise ValueError(f"order: expected the numbers of {size[0] * size[1] * size[2]} CTAs, each once")
    with FloatEnvironment(), np.errstate(all="ignore"):
        machine = Machine(module, size, num_warps, shared_bytes, allowed, ctas_at_once)
        code = assemble(machine, module, args)
        scheduler = Scheduler(machine, code)
        for first in range(0, machine.ctas, machine.slots):
            machine.begin(first, order)
            try:
                scheduler.execute()
            except Exception as error:
                last = min(first + machine.slots, machine.ctas) - 1
                ctas = f"CTA {first}" if last == first else f"CTAs {first} to {last}"
                error.add_note(f"in {module.entry.name}, {ctas} of {machine.ctas}")
                raise
    return _report(code, scheduler.counts)


def _grid(grid: Sequence[int]) -> tuple[int, int, int]:
    size = tuple(index(n) for n in grid)
    if not 1 <= len(size) <= 3 or min(size) < 0:
        raise ValueError(f"a grid has 1 to 3 numbers of CTAs, not {tuple(grid)}")
    x, y, z = (*size, 1, 1)[:3]
    return x, y, z


def _report(code: list[Row], counts: list[int]) -> dict[str, Counter[str]]:
    result: dict[str, Counter[str]] = {key: Counter() for key in ("counts", *FLAGS)}
    for row, n in zip(code, counts, strict=True):
        if not n:
            continue
        result["counts"][row.ins.opcode] += n
        for flag in FLAGS:
            if getattr(row.ins, flag):
                result[flag][row.ins.opcode] += n
    return result
