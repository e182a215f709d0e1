"""What `accel.torch.optimize` did to a model, and the way back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...errors import ArgumentError
from .changes import Change, Frozen


class Replaced(NamedTuple):
    """A module that accel computes. name: in the model; "" for the model itself. type: its class. kind: what it is."""

    name: str
    type: str
    kind: str


class Left(NamedTuple):
    """A module, or what a model calls besides its modules, that stays torch's, and why."""

    name: str
    type: str
    why: str


@dataclass(frozen=True)
class Report:
    """What `optimize` replaced and what it left, in the order of the model's modules; its text is for reading.

    undo() takes everything back, as does leaving the report's context.
    """

    replaced: tuple[Replaced, ...]
    left: tuple[Left, ...]
    changes: tuple[Change | Frozen, ...]

    def undo(self) -> None:
        """Gives the model back as it was. Nothing happens where it was undone already. Raises ArgumentError, and undoes
        nothing, where something else was set in the place of what was replaced."""
        for change in self.changes:
            why = change.stuck()
            if why is not None:
                raise ArgumentError(f"undo: {why}")
        for change in reversed(self.changes):
            change.undo()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *error: Any) -> None:
        self.undo()

    def __str__(self) -> str:
        kinds = Counter((its.kind, its.type) for its in self.replaced)
        reasons = Counter((its.type, its.why) for its in self.left)
        done, kept = counted(len(self.replaced), "replacement"), counted(len(self.left), "module")
        lines = [f"{done} by accel, {kept} left to torch"]
        lines += [f"  {kind}: {n} x {name}" for (kind, name), n in kinds.items()]
        lines += [f"  torch's: {n} x {name}: {why}" for (name, why), n in reasons.items()]
        return "\n".join(lines)


def counted(n: int, noun: str) -> str:
    """A number of things in words."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
