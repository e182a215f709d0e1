"""Runs rows for all lanes: which lanes are where, branches that part and meet again, barriers and returns."""

import numpy as np
import numpy.typing as npt

from .assemble import Row
from .machine import Machine

Lanes = npt.NDArray[np.bool_]


class Scheduler:
    """Runs groups of lanes that share a program counter, the lowest first, so that they meet where branches join.

    counts: executions of each row so far, one a thread.
    """

    def __init__(self, machine: Machine, code: list[Row]) -> None:
        self.machine, self.code = machine, code
        self.counts = [0] * len(code)
        self.pending: dict[int, Lanes] = {}  # program counter -> the lanes that are there
        self.waiting = np.full(machine.lanes, -1)  # the barrier's program counter, for lanes at one

    def execute(self) -> None:
        """Runs the live lanes from the first row until every one has returned."""
        self.pending = {0: self.machine.live.copy()}
        self.waiting[:] = -1
        while self.pending or self.release():
            pc = min(self.pending)
            self.advance(pc, self.pending.pop(pc))

    def enqueue(self, pc: int, lanes: Lanes) -> None:
        self.pending[pc] = self.pending[pc] | lanes if pc in self.pending else lanes

    def advance(self, pc: int, group: Lanes) -> None:
        """Runs a group of lanes up to the next group's program counter, or until none is left of it."""
        machine, code, counts, lanes = self.machine, self.code, self.counts, self.machine.lanes
        n = int(np.count_nonzero(group))
        everyone = None if n == lanes else group
        stop = min(self.pending, default=len(code))
        while pc < stop and n:
            action, guard, negated, kind, _ = code[pc]
            if guard is None:
                m, k = everyone, n
            else:
                m = ~guard if negated else guard.copy()
                if everyone is not None:
                    m = m & everyone
                k = int(np.count_nonzero(m))
                if k == 0:
                    pc += 1
                    continue
                if k == lanes:
                    m = None
            counts[pc] += k
            if kind == "":
                action(m)
                pc += 1
            elif kind == "bra" and k == n:
                pc = action
            elif kind == "bra":
                self.enqueue(action, m)
                self.enqueue(pc + 1, group & ~m)
                return
            elif kind == "ret":
                machine.live = machine.live & ~(group if m is None else m)
                group = group & machine.live
                everyone, n, pc = group, n - k, pc + 1
            elif k == np.count_nonzero(machine.live) and len(action) == 1:  # a barrier that everyone has reached
                pc += 1
            else:
                self.waiting[slice(None) if m is None else m] = pc
                group = group & (self.waiting < 0)
                everyone, n, pc = group, n - k, pc + 1
        if n:
            self.enqueue(pc, group)

    def release(self) -> bool:
        """Lets the lanes of complete barriers go on; False when every lane has returned."""
        machine, waiting = self.machine, self.waiting
        if not machine.live.any():
            return False
        who = np.nonzero(waiting >= 0)[0]
        names, wants = np.zeros(machine.lanes, np.int64), np.zeros(machine.lanes, np.int64)
        for pc in np.unique(waiting[who]):
            at, operands = waiting == pc, self.code[pc].action
            names[at] = np.broadcast_to(operands[0], machine.lanes)[at]
            wants[at] = np.broadcast_to(operands[1], machine.lanes)[at] if len(operands) > 1 else 0
        gone = False
        for slot, name in {(machine.slot[i], names[i]) for i in who}:
            at = (waiting >= 0) & (machine.slot == slot) & (names == name)
            expected = wants[at].max() or np.count_nonzero(machine.live & (machine.slot == slot))
            if np.count_nonzero(at) != expected:
                continue
            gone = True
            for pc in np.unique(waiting[at]):
                self.enqueue(int(pc) + 1, at & (waiting == pc))
            waiting[at] = -1
        if not gone:
            text = self.code[int(waiting.max())].ins.text
            raise RuntimeError(f"deadlock: threads wait at a barrier that the others never reach: {text}")
        return True
