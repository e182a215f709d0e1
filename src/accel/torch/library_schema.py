"""Schemas of torch's operators from accel's op table: the types of a spec's parameters as torch writes them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..ops.spec import OpSpec
from ..registry import OPS

ANNOTATED = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "str": "str",
    "Axes": "int[1]",
    "Shape": "int[]",
    "int | Shape": "int[1]",
    "int | tuple[int, ...]": "int[1]",
}
"""torch's types of accel's annotations, each of which a default of None makes optional."""

NAMED = {
    "align_corners": "bool",
    "ceil_mode": "bool",
    "data_format": "str",
    "dtype": "ScalarType",
    "groups": "int",
    "activation": "str",
    "window_size": "int[2]",
    "num_segments": "int",
    "scale_factor": "float[]",
    **dict.fromkeys(("kernel_size", "padding", "dilation", "output_padding", "output_size", "stride"), "int[{}]"),
    "size": "int[]",
}
"""Types of parameters whose annotation says too little, by name. {}: as many as the op has axes of places."""

TYPES: dict[tuple[str, str], str | None] = {
    ("matrix_norm", "ord"): "str",
    ("quantile", "q"): "float",
    ("searchsorted", "sorter"): None,
    **{("embedding_bag", name): None for name in ("max_norm", "norm_type", "scale_grad_by_freq", "sparse")},
    ("astype", "copy"): None,
    ("astype", "device"): None,
    ("copy", "out"): None,
    ("nan_to_num", "copy"): None,
}
"""Types of a parameter of an op; None: it is left at its default."""

PLACES = {"fold": 2, "unfold": 2}
"""Axes of places, of ops whose names do not end in their number."""

TENSOR = object()

OVERLOADS: dict[str, dict[str, Any]] = {
    "residual": {"residual": TENSOR},
    "running": {"running_mean": TENSOR, "running_var": TENSOR},
    "return_indices": {"return_indices": True},
    "returned": {"returned": True},
    "need_weights": {"need_weights": True},
    "asymmetric": {"symmetric": False},
}
"""Parameters by which an op has more results, one for each, where they are not at their defaults. A schema has a fixed
number, so that an overload of this name has them: a tensor that must be given, or a value that it always has."""

RESULTS = {
    "QRResult": 2,
    "SlogdetResult": 2,
    "EighResult": 2,
    "SVDResult": 3,
    "tuple[Array, Array]": 2,
    "tuple[Array, ...]": 2,
}
"""The number of results, by their annotation; others are one."""

UNFIT = {"pad": "its pad_width is a list of pairs"}
"""Public ops that no schema of torch fits, and why."""


@dataclass(frozen=True)
class Parameter:
    """name, as accel's. type: torch's. default: of accel's, or `inspect.Parameter.empty`. place: among those that
    accel takes by position; None: by name only."""

    name: str
    type: str
    default: Any
    place: int | None

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def __str__(self) -> str:
        return f"{self.type} {self.name}" + ("" if self.required else f"={_literal(self.default)}")


@dataclass(frozen=True)
class Signature:
    """One overload of an op. spec: the op's. function: accel's, which it calls. overload: its name, or "". fixed:
    arguments that it always gives by name. results: their number."""

    spec: OpSpec
    function: Callable[..., Any]
    overload: str
    parameters: tuple[Parameter, ...]
    fixed: tuple[tuple[str, Any], ...]
    results: int

    @property
    def name(self) -> str:
        return f"{self.spec.name}.{self.overload}" if self.overload else self.spec.name

    @property
    def schema(self) -> str:
        result = "Tensor" if self.results == 1 else f"({', '.join(['Tensor'] * self.results)})"
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {result}"


def signatures() -> Iterator[Signature]:
    """Of every public op of the table that torch's schemas fit."""
    for spec in OPS.values():
        if spec.namespace != "internal" and spec.name not in UNFIT and not spec.in_place:
            yield from _overloads(spec)


def _overloads(spec: OpSpec) -> Iterator[Signature]:
    function = _public(spec)
    theirs, body = inspect.signature(function), inspect.signature(_body(spec))
    count = RESULTS.get(str((theirs if function is not spec.function else body).return_annotation), 1)
    there = {name: its for name, its in OVERLOADS.items() if all(_may_be_left(theirs, p) for p in its)}
    switches = {p for its in there.values() for p in its}
    for overload, its in {"": {}, **there}.items():
        parameters = []
        for i, (name, parameter) in enumerate(theirs.parameters.items()):
            place = None if parameter.kind is parameter.KEYWORD_ONLY else i
            if name in switches:
                if its.get(name) is TENSOR:
                    parameters.append(Parameter(name, "Tensor", parameter.empty, place))
                continue
            annotated = parameter if parameter.annotation not in (parameter.empty, "Any") else body.parameters[name]
            found = _type(spec, name, str(annotated.annotation), parameter.default)
            if found is not None:
                parameters.append(Parameter(name, found, parameter.default, place))
        parameters.sort(key=lambda p: not p.required)
        fixed = tuple((name, value) for name, value in its.items() if value is not TENSOR)
        yield Signature(spec, function, overload, tuple(parameters), fixed, count + len(its))


def _may_be_left(theirs: inspect.Signature, name: str) -> bool:
    return name in theirs.parameters and theirs.parameters[name].default is not inspect.Parameter.empty


def _public(spec: OpSpec) -> Callable[..., Any]:
    """The function that users call: the op's, or what checks its results' values where they lie in memory."""
    module = importlib.import_module(f"accel.{spec.namespace}" if spec.namespace else "accel")
    found: Callable[..., Any] = getattr(module, spec.name, spec.function)
    return found


def _body(spec: OpSpec) -> Callable[..., Any]:
    """What has the annotations of an op's parameters: a composed op's body."""
    its = getattr(spec.decompose, "__self__", None)
    return getattr(its, "body", spec.function)


def _type(spec: OpSpec, name: str, annotation: str, default: Any) -> str | None:
    """torch's type of a parameter; None where it is left out. Raises ValueError where none is known."""
    found: str | None
    if name in spec.arguments:
        found = "Tensor"
    elif (spec.name, name) in TYPES:
        found = TYPES[spec.name, name]
    else:
        found = ANNOTATED.get(annotation.removesuffix(" | None")) or NAMED.get(name)
        if found is None:
            raise ValueError(f"{spec.name}: {name}: no type of torch is known for {annotation}")
        if "{}" in found:
            found = found.format(PLACES.get(spec.name) or int(spec.name[-2]))
    return f"{found}?" if found is not None and default is None else found


def _literal(value: Any) -> str:
    """A default, as schemas write it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return repr(value)
