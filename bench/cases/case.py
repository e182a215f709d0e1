"""A case of the bench suite: one call of one op on operands that are described, not held."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import ArgumentError

LAYOUTS = ("row-major", "transposed")
CACHES = ("cold", "warm")

Keywords = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Operand:
    """shape and dtype of an operand, how it lies in memory, and which values it has.

    layout: ``row-major``, or ``transposed``: a view of row-major memory with the last two axes exchanged.
    values: a name of `inputs.VALUES`, or ``below-N``: integers from 0 to N - 1.
    """

    shape: tuple[int, ...]
    dtype: str
    layout: str = "row-major"
    values: str = "normal"


@dataclass(frozen=True)
class Workload:
    """One case. `to_json` gives these entries of a result file.

    id: unique, and the same in every run: "<model/layer/phase or sweep> <op> <dtype> <cache>".
    model, layer, phase: where a named model calls the op; None for a sweep. count: how often one pass of the model
    makes this call. source: where the shapes come from, in words.
    op: accel's name of it, whether accel has it or not. dtype: what the case is counted under.
    keywords: sorted pairs; hashable. cache: ``cold`` (the operands come from memory) or ``warm``.
    """

    id: str
    model: str | None
    layer: str | None
    phase: str | None
    count: int
    source: str | None
    op: str
    dtype: str
    operands: tuple[Operand, ...]
    keywords: Keywords
    cache: str

    def to_json(self) -> dict[str, Any]:
        """The entries of a result file, as JSON has them: lists for tuples, an object for keywords."""
        record = asdict(self)
        record["operands"] = [asdict(x) | {"shape": list(x.shape)} for x in self.operands]
        record["keywords"] = {name: list(v) if isinstance(v, tuple) else v for name, v in self.keywords}
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Workload:
        """The case of a record; its further entries are left alone. Raises ArgumentError for one that is missing or
        of the wrong kind."""
        try:
            plain = {name: record[name] for name in cls.__annotations__ if name not in ("operands", "keywords")}
            operands = tuple(Operand(**x | {"shape": tuple(x["shape"])}) for x in record["operands"])
            return cls(**plain, operands=operands, keywords=keywords(record["keywords"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ArgumentError(
                f"case: expected an object with {', '.join(cls.__annotations__)}, got {record!r}: "
                f"{type(error).__name__}: {error}"
            ) from None


def keywords(given: dict[str, Any]) -> Keywords:
    """Keywords as sorted pairs, with tuples for lists."""
    return tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in given.items()))
