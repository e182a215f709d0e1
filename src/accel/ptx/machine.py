"""The state of the CTAs that run together, and how instructions read and write it.

Every thread is a lane; a register is one array with an element per lane. What an instruction needs is looked up once,
when it is built: a view of a register as the instruction's type, or an array of one element for a constant.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .formats import FORMATS, TYPES, UINT, Bits, Mask, flush, untyped
from .memory import Addresses, Global, Memory, Private, place_variables
from .parse import Instruction, Module

Array = npt.NDArray[Any]
Scope = dict[str, Any]  # register and parameter names to arrays
Step = Callable[[Mask], None]  # one instruction for the lanes of a mask

ADDRESS = re.compile(r"\[\s*([^\s+\]-]+)\s*(?:([+-])\s*(-?\w+))?\s*\]")
FLOAT_BITS = re.compile(r"0[fF]([0-9a-fA-F]{8})|0[dD]([0-9a-fA-F]{16})")
DECIMAL = re.compile(r"-?\d+\.\d*(?:[eE][-+]?\d+)?")
OCTAL = re.compile(r"-?0[0-7]+")


def put(view: Array, value: Any, m: Mask) -> None:
    """Writes one value (or row) a lane, for the lanes of mask m."""
    if m is None:
        view[...] = value
    else:
        np.copyto(view, value, where=m if view.ndim == 1 else m[:, None], casting="unsafe")


class Machine:
    """Registers, memory and flags of `slots` CTAs of `threads` threads.

    lane: 0 to lanes - 1; slot: each lane's CTA among those that run together; live: the lanes that have not returned;
    carry: .cc's bit per lane; special: the special registers; code built for a machine keeps views of all of these.
    """

    def __init__(
        self,
        module: Module,
        grid: tuple[int, int, int],
        num_warps: int,
        shared_bytes: int,
        allowed: Iterable[tuple[int, int]] | None,
        ctas_at_once: int,
    ) -> None:
        self.grid, self.threads = grid, 32 * num_warps
        self.ctas = grid[0] * grid[1] * grid[2]
        self.slots = max(1, min(ctas_at_once, self.ctas))
        self.lanes = self.threads * self.slots
        self.warps = self.lanes // 32
        self.lane = np.arange(self.lanes)
        self.slot = self.lane // self.threads
        self.live = np.ones(self.lanes, bool)
        self.carry = np.zeros(self.lanes, np.uint64)
        self.ticks = 0
        self.registers: list[Array] = []
        self.special = self._special()
        layout = place_variables(module.variables, shared_bytes)
        self.symbols, self.constants = layout.symbols, layout.constants
        if allowed is not None:
            allowed = [*allowed, *((data.ctypes.data, data.nbytes) for data in layout.constants)]
        self.shared = Private(layout.sizes["shared"], self.slots, self.slot)
        whole = Global(allowed)
        self.memory: dict[str, Memory] = {
            "global": whole,
            "const": whole,
            "": whole,
            "shared": self.shared,
            "local": Private(layout.sizes["local"], self.lanes, self.lane),
        }

    def _special(self) -> dict[str, Bits]:
        def full(value: int) -> Bits:
            return np.full(self.lanes, value, np.uint32)

        one, thread = np.uint32(1), (self.lane % self.threads).astype(np.uint32)
        at = thread % np.uint32(32)
        special = {
            "%laneid": at,
            "%warpid": thread // np.uint32(32),
            "%nwarpid": full(self.threads // 32),
            "%tid.x": thread,
            "%tid.y": full(0),
            "%tid.z": full(0),
            "%smid": full(0),
            "%nsmid": full(1),
            "%cluster_ctarank": full(0),
            "%cluster_nctarank": full(1),
            "WARP_SZ": full(32),
            "%lanemask_eq": one << at,
            "%lanemask_lt": (one << at) - one,
        }
        for axis, extent, count in zip("xyz", (self.threads, 1, 1), self.grid, strict=True):
            special["%ntid." + axis] = full(extent)
            special["%nctaid." + axis], special["%ctaid." + axis] = full(count), full(0)
            special["%cluster_nctaid." + axis], special["%cluster_ctaid." + axis] = full(1), full(0)
        special["%lanemask_le"] = special["%lanemask_eq"] | special["%lanemask_lt"]
        special["%lanemask_ge"] = ~special["%lanemask_lt"]
        special["%lanemask_gt"] = ~special["%lanemask_le"]
        return special

    def begin(self, first: int, order: Sequence[int] | None = None) -> None:
        """Makes the slots the CTAs from `first` on, of those in order, with registers and shared memory that are no
        zeros by luck."""
        turn = first + self.slot
        index = turn if order is None else np.asarray(order)[np.minimum(turn, self.ctas - 1)]
        self.special["%ctaid.x"][:] = index % self.grid[0]
        self.special["%ctaid.y"][:] = index // self.grid[0] % self.grid[1]
        self.special["%ctaid.z"][:] = index // (self.grid[0] * self.grid[1])
        for block in self.registers:
            if block.dtype == bool:
                block.fill(True)
            else:
                block.view(np.uint8).fill(0xB5)
        self.shared.bytes.fill(0xA5)
        self.live = turn < self.ctas

    def declare(self, kind: str, names: Iterable[str], scope: Scope) -> None:
        """Adds the registers of a .reg directive to the scope; `r<4>` is r0 to r3."""
        for name in names:
            stem, _, count = name.partition("<")
            dtype = TYPES[kind] if kind == "pred" else UINT[TYPES[kind].itemsize]
            block = np.empty((int(count[:-1]) if count else 1, self.lanes), dtype)
            self.registers.append(block)
            for i, row in enumerate(block):
                scope[f"{stem}{i}" if count else stem] = row

    # Operands

    def value(self, operand: str, kind: str, scope: Scope) -> Array:
        """A view of the operand's lanes as this type; constants have one element, and so has a parameter's address."""
        t = TYPES[kind]
        row = self.special.get(operand) if operand in self.special else scope.get(operand)
        if row is not None and row.ndim == 1:
            if t.kind == "b" or row.itemsize == t.itemsize:
                return row if row.dtype == t else row.view(t)
            if row.itemsize > t.itemsize:
                return row.view(t)[:: row.itemsize // t.itemsize]
            raise ValueError(f"{operand} is narrower than .{kind}")
        if m := FLOAT_BITS.fullmatch(operand):
            if t.itemsize != (4 if m[1] else 8):
                raise NotImplementedError
            return np.array([int(m[1] or m[2], 16)], UINT[t.itemsize]).view(t)
        number = self._integer(operand)
        if t.kind == "b":
            return np.array([number != 0])
        return np.array([number & (1 << 8 * t.itemsize) - 1], UINT[t.itemsize]).view(t)

    def _integer(self, operand: str) -> int:
        """An integer constant, or a variable's address with or without an offset."""
        name, _, offset = (part.strip() for part in operand.partition("+"))
        if name in self.symbols:
            return self.symbols[name] + int(offset or "0", 0)
        digits = operand.rstrip("Uu")
        try:
            return int(digits, 8) if OCTAL.fullmatch(digits) else int(digits, 0)
        except ValueError:
            raise NotImplementedError(f"unknown operand {operand}") from None

    def get(self, ins: Instruction, i: int, kind: str) -> Array:
        return self.value(ins.args[i], kind, ins.scope)

    def target(self, operand: str, kind: str, scope: Scope) -> Array:
        """A writable view of a destination; one wider than the type is extended by the type's sign."""
        t = TYPES[kind]
        if operand == "_":
            return np.empty(self.lanes, t)
        row = scope.get(operand)
        if row is None:
            raise ValueError(f"no register {operand}")
        if row.dtype == bool or row.itemsize == t.itemsize:
            return row.view(t)
        if row.itemsize < t.itemsize:
            raise ValueError(f"{operand} is narrower than .{kind}")
        return row.view(f"i{row.itemsize}") if t.kind == "i" else row

    def out(self, ins: Instruction, kind: str) -> Array:
        return self.target(ins.args[0], kind, ins.scope)

    def bits(self, operand: str, kind: str, scope: Scope, ftz: bool = False) -> Callable[[], Bits]:
        """A function to the operand's bits in a float format; packed formats give two columns, the lower half first."""
        fmt = kind.removesuffix("x2")
        if kind in ("f32", "f64") and DECIMAL.fullmatch(operand):
            view = np.array([float(operand)], TYPES[kind]).view(UINT[TYPES[kind].itemsize])
        else:
            view = self.value(operand, untyped(kind), scope)
        if fmt != kind:
            view = view.view(FORMATS[fmt].one.dtype).reshape(-1, 2)
        return (lambda: flush(view, fmt)) if ftz else lambda: view

    def float_out(self, ins: Instruction, kind: str) -> Bits:
        """The destination's bits, with two columns for packed formats."""
        view, fmt = self.target(ins.args[0], untyped(kind), ins.scope), kind.removesuffix("x2")
        return view if fmt == kind else view.view(FORMATS[fmt].one.dtype).reshape(-1, 2)

    def address(self, operand: str, scope: Scope) -> Callable[[], Addresses]:
        """A function to the lanes' addresses."""
        m = ADDRESS.fullmatch(operand)
        if not m:
            raise NotImplementedError
        offset = int(m[3] or "0", 0) * (-1 if m[2] == "-" else 1)
        base = scope.get(m[1])
        if base is None:
            fixed = np.full(self.lanes, int(self.value(m[1], "s64", scope)[0]) + offset, np.int64)
            return lambda: fixed
        if base.itemsize < 8:  # addresses of 32 bits wrap
            return lambda: (base.astype(np.int64) + offset) & 0xFFFFFFFF
        base = base.view(np.int64)
        return lambda: base + offset

    # Warps

    def everyone(self, m: Mask) -> npt.NDArray[np.bool_]:
        return np.ones(self.lanes, bool) if m is None else m

    def check_members(self, mask: Bits, m: Mask, ins: Instruction) -> None:
        """Checks that the lanes that a warp-wide instruction names are all there."""
        if m is None:
            return
        warp = m.reshape(-1, 32)
        named = (np.broadcast_to(mask, self.lanes) >> self.special["%laneid"] & 1).astype(bool) & self.live
        if (warp.any(1)[:, None] & named.reshape(-1, 32) & ~warp).any():
            raise RuntimeError(f"threads that it waits for have branched away: {ins.text}")

    def whole_warps(self, m: Mask, ins: Instruction) -> npt.NDArray[np.intp]:
        """The numbers of the warps that take part, each with all its lanes."""
        if m is None:
            return np.arange(self.warps)
        rows = m.reshape(-1, 32)
        if (rows.any(1) != rows.all(1)).any():
            raise RuntimeError(f"needs whole warps: {ins.text}")
        return np.nonzero(rows.all(1))[0]
