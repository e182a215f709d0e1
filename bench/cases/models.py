"""Named models: `workloads/*.toml`, a file for each, whose layers become cases.

    name, title, source, dtypes     dtypes: of the operands that name none; one case for each
    phases.<phase> = { tokens = 512, … }    named lengths of that phase
    layers = [{ name, op, operands, count, … }]

An operand is a shape, or a table with shape and dtype, layout or values. Lengths in shapes, count, the N of values
``below-N`` and keywords may be names of the phase's lengths. A layer may restrict its phases and dtypes, and have
keywords, a cache (cold where none is given) and a source that is added to the model's.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from ...dtypes import TABLE
from ...errors import ConfigError
from .case import CACHES, LAYOUTS, Operand, Workload, keywords

FOLDER = Path(__file__).parents[1] / "workloads"

MODEL_KEYS = {"name", "title", "source", "dtypes", "phases", "layers"}
LAYER_KEYS = {"name", "op", "operands", "count"}
LAYER_OPTIONS = {"keywords", "phases", "dtypes", "cache", "source"}
OPERAND_OPTIONS = {"shape", "dtype", "layout", "values"}


@cache
def load() -> dict[str, tuple[Workload, ...]]:
    """The cases of every model, by its name. Raises ConfigError, which names file and layer, for a malformed file."""
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        cases = parse(path.read_text(encoding="utf-8"), path.name)
        found[path.stem] = cases
    return found


def parse(text: str, name: str) -> tuple[Workload, ...]:
    """The cases of one file, layer by layer. name: of the file, for messages."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    _has(name, table, MODEL_KEYS, set())
    if f"{table['name']}.toml" != name:
        raise ConfigError(f"{name}: the model's name is {table['name']!r}; expected the file's")
    cases = []
    for row in table["layers"]:
        where = f"{name}: layer {row.get('name')!r}"
        _has(where, row, LAYER_KEYS, LAYER_OPTIONS)
        for phase in row.get("phases", table["phases"]):
            if phase not in table["phases"]:
                raise ConfigError(f"{where}: unknown phase {phase!r}; there are {', '.join(table['phases'])}")
            for dtype in row.get("dtypes", table["dtypes"]):
                cases.append(_case(table, row, phase, dtype, f"{where}, phase {phase}"))
    ids = [case.id for case in cases]
    if repeated := {i for i in ids if ids.count(i) > 1}:
        raise ConfigError(f"{name}: more than one layer is called {', '.join(sorted(repeated))}")
    return tuple(cases)


def _case(model: dict[str, Any], row: dict[str, Any], phase: str, dtype: str, where: str) -> Workload:
    lengths = model["phases"][phase]
    cache = row.get("cache", "cold")
    _one_of(f"{where}: cache", cache, CACHES)
    _one_of(f"{where}: dtype", dtype, TABLE)
    given = {k: lengths.get(v, v) if isinstance(v, str) else v for k, v in row.get("keywords", {}).items()}
    return Workload(
        id=f"{model['name']}/{row['name']}/{phase} {row['op']} {dtype} {cache}",
        model=model["name"],
        layer=row["name"],
        phase=phase,
        count=_length(row["count"], lengths, f"{where}: count"),
        source="; ".join(s for s in (model["source"], row.get("source")) if s),
        op=row["op"],
        dtype=dtype,
        operands=tuple(_operand(x, dtype, lengths, f"{where}: operand {i}") for i, x in enumerate(row["operands"])),
        keywords=keywords(given),
        cache=cache,
    )


def _operand(given: Any, dtype: str, lengths: dict[str, int], where: str) -> Operand:
    table = {"shape": given} if isinstance(given, list) else given
    _has(where, table, {"shape"}, OPERAND_OPTIONS)
    layout, values, its_dtype = table.get("layout", "row-major"), table.get("values", "normal"), table.get("dtype")
    _one_of(f"{where}: layout", layout, LAYOUTS)
    _one_of(f"{where}: dtype", its_dtype or dtype, TABLE)
    if values.startswith("below-"):
        most = values.removeprefix("below-")
        values = f"below-{_length(int(most) if most.isdecimal() else most, lengths, f'{where}: values')}"
    shape = tuple(_length(n, lengths, f"{where}: shape") for n in table["shape"])
    return Operand(shape, its_dtype or dtype, layout, values)


def _length(given: Any, lengths: dict[str, int], where: str) -> int:
    found = lengths.get(given) if isinstance(given, str) else given
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ConfigError(f"{where}: expected a positive integer or one of {', '.join(lengths)}; got {given!r}")
    return found


def _one_of(where: str, given: Any, known: Any) -> None:
    if given not in known:
        raise ConfigError(f"{where}: expected one of {', '.join(known)}; got {given!r}")


def _has(where: str, table: dict[str, Any], needed: set[str], optional: set[str]) -> None:
    if missing := needed - table.keys():
        raise ConfigError(f"{where}: missing {', '.join(sorted(missing))}")
    if unknown := table.keys() - needed - optional:
        raise ConfigError(f"{where}: unknown {', '.join(sorted(unknown))}")
