"""Changes of a model, each of which can be taken back."""

from __future__ import annotations

from typing import Any

ABSENT = object()


class Change:
    """A value in an object's ``__dict__``, in the place of another or of none. name: of the object, in errors."""

    def __init__(self, owner: Any, key: str, value: Any, name: str) -> None:
        self.owner, self.key, self.value, self.name = owner, key, value, name
        self.before = vars(owner).get(key, ABSENT)
        self.made = False

    def make(self) -> None:
        vars(self.owner)[self.key] = self.value
        self.made = True

    def stuck(self) -> str | None:
        """Why it cannot be taken back; None where it can, or was."""
        if not self.made or vars(self.owner).get(self.key, ABSENT) is self.value:
            return None
        return f"{self.name}: its {self.key} was set anew since; undo that first"

    def undo(self) -> None:
        if not self.made:
            return
        if self.before is ABSENT:
            vars(self.owner).pop(self.key, None)
        else:
            vars(self.owner)[self.key] = self.before
        self.made = False


class Frozen:
    """A tensor that requires no gradients for a while."""

    def __init__(self, tensor: Any, name: str) -> None:
        self.tensor, self.name, self.before, self.made = tensor, name, False, False

    def make(self) -> None:
        self.before, self.made = self.tensor.requires_grad, True
        self.tensor.requires_grad_(False)

    def stuck(self) -> str | None:
        return None

    def undo(self) -> None:
        if self.made and self.before:
            self.tensor.requires_grad_(True)
        self.made = False


def make_all(changes: list[Any]) -> None:
    """Makes all changes, or none."""
    for i, change in enumerate(changes):
        try:
            change.make()
        except BaseException:
            for its in reversed(changes[:i]):
                its.undo()
            raise
