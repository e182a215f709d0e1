"""Objects of this package that hold arrays, and are taken where arrays are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .array import Array


class Holder(NamedTuple):
    """What is known of a type of such objects.

    apart(value): what is compared, and the arrays; together(compared, arrays) makes the object again. So the arrays are
    arguments and results of what is traced, as those of tuples are.
    array(op, name, value): the array that an operand of that name stands for; raises ArgumentError where it is none.
    instead(op, name, value): what takes all arguments of the call of a composed op in its place, the object among them;
    None: the op takes the array.
    """

    apart: Callable[[Any], tuple[Any, Sequence[Any]]]
    together: Callable[[Any, Sequence[Any]], Any]
    array: Callable[[str, str, Any], Array]
    instead: Callable[[str, str, Any], Callable[..., Any] | None]


HOLDERS: dict[type, Holder] = {}
"""By the objects' types. What defines a type enters it."""
