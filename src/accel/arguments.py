"""What public functions ask of arguments that are no arrays: integers, switches and words, under the right names."""

from __future__ import annotations

import inspect
import math
import numbers
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from .errors import ArgumentError, shown

F = TypeVar("F", bound=Callable[..., Any])

NAMES = {"dim": "axis", "dims": "axis", "axes": "axis", "keepdim": "keepdims"}
"""What torch and others call it, and what the array API standard does."""

REQUIRED: Any = object()
"""The default of an argument that must be given, where other keywords are looked at first."""


def integer(op: str, argument: str, value: Any) -> int:
    """A Python integer from any library's, or from its integer array without axes. Raises ArgumentError."""
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{op}: {argument}: expected an integer, got {shown(value)}") from None


def integers(op: str, argument: str, value: Any, expected: str = "integers") -> tuple[int, ...]:
    """An integer, or a tuple or list of them, as a tuple. Raises ArgumentError."""
    try:
        return tuple(map(operator.index, value if isinstance(value, (tuple, list)) else (value,)))
    except TypeError:
        raise ArgumentError(f"{op}: {argument}: expected {expected}, got {shown(value)}") from None


def real(op: str, argument: str, value: Any) -> float:
    """A Python float from any library's real number; an integer beyond its range is infinite. Raises ArgumentError."""
    if type(value) is float:
        return value
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{op}: {argument}: expected a number, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def switch(op: str, argument: str, value: Any, none: bool = False) -> Any:
    """True or False, or None where that is a choice too; 0 and 1 stand for them. Raises ArgumentError."""
    if value is None and none:
        return None
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    choices = "True, False or None" if none else "True or False"
    raise ArgumentError(f"{op}: {argument}: expected {choices}, got {shown(value)}")


def word(op: str, argument: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of some words. Raises ArgumentError."""
    if isinstance(value, str) and value in choices:
        return value
    raise ArgumentError(f"{op}: {argument}: expected {' or '.join(map(repr, choices))}, got {shown(value)}")


def unshown(function: F) -> F:
    """The function itself, whose signature does not show the keywords that it takes only to `refuse` them, nor
    `REQUIRED`."""
    signature = inspect.signature(function)
    kept = [
        p.replace(default=p.empty) if p.default is REQUIRED else p
        for p in signature.parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    function.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return function


def refuse(op: str, others: Mapping[str, Any], required: str = "") -> None:
    """Raises ArgumentError for the first of the keywords that a function does not have, else for the argument that it
    requires."""
    if not others:
        raise ArgumentError(f"{op}: {required}: the argument is missing")
    name = next(iter(others))
    right = NAMES.get(name)
    raise ArgumentError(f"{op}: {name}: " + (f"the keyword is {right} here" if right else "there is no such keyword"))
