"""The kinds of models that a receipt may name, and what a receipt says to one of them."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..array import Array
from ..errors import AccelError, ArgumentError, FileError, shown

BUILT_IN = {"llama": "accel.receipts.llama"}
"""The kinds that come with accel, and the module of each, which registers it."""

_REGISTERED: dict[str, Model] = {}


@dataclass(frozen=True)
class Output:
    """One array that a model gives. sequence, step: where in a generation, if it is one."""

    name: str
    array: Array
    sequence: int | None = None
    step: int | None = None

    @property
    def label(self) -> str:
        """Its place in words."""
        return label(self.name, self.sequence, self.step)


def label(name: str, sequence: int | None, step: int | None) -> str:
    """The place of an output in words."""
    told = [f"{what} {number}" for what, number in (("sequence", sequence), ("step", step)) if number is not None]
    return f"{name} of {', '.join(told)}" if told else name


@dataclass(frozen=True)
class Nothing:
    """The parameters of a model that has none."""


Run = Callable[[Any, dict[str, Array], dict[str, Array], Any], Iterable[Output]]
"""A function of configuration, weights, inputs and parameters, which gives outputs, one after the other."""


def _none(config: Any) -> tuple[str, ...]:
    """No name in a file of weights is read over."""
    return ()


@dataclass(frozen=True)
class Model:
    """A kind of model.

    kind: its name in receipts. run: what computes it, with accel alone. config: the dataclass of its configuration.
    shapes: a function of the configuration, which gives the shape of each weight by name. inputs: the names of its
    inputs, None where `run` checks them itself. parameters: the dataclass of what else `run` is told, such as how
    tokens are drawn. ignored: a function of the configuration, which gives ends of names that are read over in files of
    weights.
    """

    kind: str
    run: Run
    config: type
    shapes: Callable[[Any], Mapping[str, tuple[int, ...]]]
    inputs: tuple[str, ...] | None = None
    parameters: type = Nothing
    ignored: Callable[[Any], tuple[str, ...]] = _none


def model(kind: str, **fields: Any) -> Callable[[Run], Run]:
    """A decorator that registers a function as what computes a kind of model; its fields are those of `Model`.

    Raises ArgumentError where another function has the name already.
    """
    if not isinstance(kind, str) or not kind:
        raise ArgumentError(f"model: kind: expected a name, got {shown(kind)}")

    def register(run: Run) -> Run:
        made = Model(kind, run, **fields)
        for name in ("config", "parameters"):
            if not (isinstance(getattr(made, name), type) and dataclasses.is_dataclass(getattr(made, name))):
                raise ArgumentError(f"model: {name}: expected a dataclass, got {shown(getattr(made, name))}")
        known = _REGISTERED.get(kind)
        theirs = [(m.run.__module__, m.run.__qualname__) for m in (made, known) if m is not None]
        if (kind in BUILT_IN and run.__module__ != BUILT_IN[kind]) or len(set(theirs)) > 1:
            raise ArgumentError(f"model: kind: {kind!r} is registered already; take another name")
        _REGISTERED[kind] = made
        return run

    return register


def find(kind: str) -> Model:
    """The registered model of a name. Only accel's own modules are imported. Raises ArgumentError."""
    if kind in BUILT_IN and kind not in _REGISTERED:
        importlib.import_module(BUILT_IN[kind])
    if kind not in _REGISTERED:
        known = ", ".join(sorted({*BUILT_IN, *_REGISTERED}))
        raise ArgumentError(
            f"model.kind: {shown(kind)} is not registered; registered: {known}. Import the module that registers it "
            "(accel verify --module NAME), if you trust that module: a receipt imports none"
        )
    return _REGISTERED[kind]


def check_inputs(its: Model, given: Mapping[str, Any]) -> None:
    """Raises ArgumentError where inputs are not those of a model."""
    names, expected = set(given), set(its.inputs or given)
    for what, wrong in (("the input is missing", expected - names), ("there is no such input", names - expected)):
        if wrong:
            raise ArgumentError(f"inputs.{min(wrong)}: {what}; {its.kind} takes {', '.join(its.inputs or ())}")


def as_json(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, with lists for tuples, without those that are as if they were not there."""
    told = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    untold = {field.name for field in _optional(type(value)) if told[field.name] == field.default}
    return {name: list(x) if isinstance(x, tuple) else x for name, x in told.items() if name not in untold}


def _optional(kind: type) -> list[Any]:
    """The fields of a dataclass that a document may leave out: what it says of a model has not changed since they are
    there."""
    return [field for field in dataclasses.fields(kind) if field.metadata.get("optional")]


def from_json(kind: type, value: Mapping[str, Any], where: str) -> Any:
    """An object of a dataclass of its fields. where: the place in the document. Raises FileError, which names it."""
    hints, fields = typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(value.keys() - fields.keys()):
        raise FileError(f"{where}.{unknown[0]}: there is no such field; expected: {', '.join(fields) or 'none'}")
    needed = fields.keys() - {field.name for field in _optional(kind)}
    if missing := [name for name in fields if name in needed and name not in value]:
        raise FileError(f"{where}.{missing[0]}: the field is missing")
    try:
        return kind(**{name: _typed(hints[name], value[name], f"{where}.{name}") for name in fields if name in value})
    except FileError:
        raise
    except (AccelError, ValueError, TypeError, ArithmeticError) as error:
        raise FileError(f"{where}: {error}") from None


def _typed(kind: Any, value: Any, where: str) -> Any:
    """A value of JSON as an annotation has it."""
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        element = typing.get_args(kind)[0]
        return tuple(_typed(element, x, f"{where}[{i}]") for i, x in enumerate(value))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise FileError(f"{where}: expected {getattr(kind, '__name__', kind)}, got {shown(value)}")
    return value
