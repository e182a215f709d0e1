"""The suites: which cases they have, and how to choose among these."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...dtypes import TABLE
from ...errors import ArgumentError, ConfigError, UnsupportedError
from ...ops.spec import OpSpec
from ...registry import OPS
from . import beside, models, sweeps
from .case import Workload

FILE = Path(__file__).parents[1] / "suites.toml"


@dataclass(frozen=True)
class Suite:
    """name and version (a change of its cases is a new one). summary: what it is for. sweeps: names of the sweeps.
    parts: of the models; each names a model, and perhaps the layers, phases and dtypes that it is restricted to."""

    name: str
    version: int
    summary: str
    sweeps: tuple[str, ...]
    parts: tuple[dict[str, Any], ...]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _suites() -> dict[str, Suite]:
    return {
        name: Suite(name, row["version"], row["summary"], tuple(row.get("sweeps", ())), tuple(row.get("models", ())))
        for name, row in _tables()["suites"].items()
    }


SUITES: dict[str, Suite] = _suites()
"""By name."""


def op_spec(workload: Workload) -> OpSpec | None:
    """The op's row, or what stands for one; None: accel has no such op, or one of its own insides goes by that name."""
    spec = beside.SPECS.get(workload.op) or OPS.get(workload.op)
    return None if spec is None or spec.namespace == "internal" else spec


def known(workload: Workload) -> OpSpec:
    """The op's row. Raises UnsupportedError where accel has no such op."""
    spec = op_spec(workload)
    if spec is None:
        raise UnsupportedError(f"accel has no op {workload.op!r}")
    return spec


def contract_class(workload: Workload, numerics: str) -> str:
    """What the bit contract promises of a case: exact, bits or bound. Raises UnsupportedError where accel has no such
    op."""
    return known(workload).bits(TABLE[workload.dtype], numerics)


def call(workload: Workload) -> Callable[..., Any]:
    """accel's public function with the keywords bound: takes the operands, and gives the first result. Raises
    UnsupportedError where accel has no such op."""
    spec, keywords = known(workload), dict(workload.keywords)

    def called(*operands: Any) -> Any:
        arguments, given = arranged(spec, operands, keywords)
        return first(spec.function(*arguments, **given))

    return called


def positional(spec: OpSpec, given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The keywords whose parameters have no name for callers (astype's dtype), which follow the operands, and the
    others."""
    parameters = inspect.signature(spec.function).parameters.values()
    nameless = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in given]
    return tuple(given[name] for name in nameless), {k: v for k, v in given.items() if k not in nameless}


def arranged(spec: OpSpec, operands: Sequence[Any], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands and keywords as the function takes them: by position, with what stands between operands (layer_norm's
    normalized_shape), and by name."""
    parameters = inspect.signature(spec.function).parameters
    names, taken = list(parameters), spec.arguments[: len(operands)]
    if tuple(names[: len(operands)]) == taken or not set(taken) <= set(names):
        last, named = positional(spec, given)
        return (*operands, *last), named
    values = {name: parameters[name].default for name in names} | given | dict(zip(taken, operands, strict=True))
    front = names[: 1 + max(names.index(name) for name in taken)]
    return tuple(values[name] for name in front), {name: v for name, v in given.items() if name not in front}


def first(result: Any) -> Any:
    """An op's result, or the first of several: the one that is judged and hashed."""
    return result[0] if isinstance(result, tuple) else result


def known_ops() -> tuple[str, ...]:
    """Ops that accel has, or that a model calls."""
    public = {name for name, spec in OPS.items() if spec.namespace != "internal"}
    return tuple(sorted(public | {case.op for cases in models.load().values() for case in cases}))


def known_models() -> tuple[str, ...]:
    """The named models."""
    return tuple(models.load())


def select(
    suite: str,
    ops: Sequence[str] = (),
    models: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    pattern: str | None = None,
) -> list[Workload]:
    """The cases of a suite that meet every filter given; none given: all. May be empty.

    ops, models, dtypes: names, of which a case has one; no sweep is of a model. pattern: a regular expression that a
    case's id contains. Raises ArgumentError for an unknown name, which lists the known ones, and for a bad pattern.
    """
    _check("suite", [suite], tuple(SUITES))
    _check("op", ops, known_ops())
    _check("model", models, known_models())
    _check("dtype", dtypes, tuple(TABLE))
    try:
        matches = re.compile(pattern or "").search
    except re.error as error:
        raise ArgumentError(f"case: {pattern!r} is no regular expression: {error}") from None
    return [
        case
        for case in cases(SUITES[suite])
        if (not ops or case.op in ops)
        and (not models or case.model in models)
        and (not dtypes or case.dtype in dtypes)
        and matches(case.id)
    ]


def _check(what: str, given: Sequence[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise ArgumentError(f"{what}: unknown {name!r}; there are {', '.join(known)}")


def cases(suite: Suite) -> list[Workload]:
    """All cases of a suite, each once: sweeps, then models."""
    found: dict[str, Workload] = {}
    for case in (*_of_sweeps(suite), *_of_models(suite)):
        if found.setdefault(case.id, case) != case:
            raise ConfigError(f"suite {suite.name}: two cases have the id {case.id!r}")
    return list(found.values())


def _of_sweeps(suite: Suite) -> Iterator[Workload]:
    rows = _tables()["sweeps"]
    for name in suite.sweeps:
        if name not in rows:
            raise ConfigError(f"suite {suite.name}: unknown sweep {name!r}; there are {', '.join(rows)}")
        given = dict(rows[name])
        yield from sweeps.FAMILIES[given.pop("family")](**given)


def _of_models(suite: Suite) -> Iterator[Workload]:
    known = models.load()
    for part in suite.parts:
        chosen = [
            case
            for case in known[part["model"]]
            if case.layer in part.get("layers", (case.layer,))
            and case.phase in part.get("phases", (case.phase,))
            and case.dtype in part.get("dtypes", (case.dtype,))
        ]
        if missing := set(part.get("layers", ())) - {case.layer for case in chosen}:
            raise ConfigError(f"suite {suite.name}: {part['model']} has no layer {', '.join(sorted(missing))} there")
        yield from chosen
