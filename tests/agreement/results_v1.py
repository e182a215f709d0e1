"""Results of version 1 of the bit contract: fixed operands, the ops on them, and the digests of what came out.

results_v1.json holds the digests, made on the CPU by the commit that it names. They are what version 1 is: an entry
never changes, and the script adds only what is missing.

python tests/agreement/results_v1.py --write    adds digests of cases that have none, computed by the accel that runs
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import accel
from accel.dtypes import FLOATS, INTEGERS, TABLE, DType, as_dtype
from accel.testing.compare import fetch, place

DATA = Path(__file__).with_suffix(".json")
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Binary digits of a significand."""


def stream(seed: int, n: int) -> np.ndarray:
    """n numbers of 64 bits: SplitMix64 (Steele, Lea, Flood 2014), written out so that no library can change it."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def scaled(sign: np.ndarray, significand: np.ndarray, exponent: np.ndarray, dtype: DType) -> np.ndarray:
    """Integers times powers of two, which the dtype holds exactly."""
    wide = np.ldexp(np.where(sign, -1.0, 1.0) * significand.astype(np.float64), exponent)
    result = wide.astype(dtype.numpy)
    assert (result.astype(np.float64) == wide).all(), "a made-up operand was rounded"
    return result


def ordinary(seed: int, n: int, dtype: DType) -> np.ndarray:
    """Floats of both signs from 1/64 to 4, with all their digits; integers of all their bits."""
    raw = stream(seed, n)
    if dtype.kind == "b":
        return (raw >> np.uint64(63)).astype(bool)
    if dtype.kind != "f":
        return raw.astype(f"u{dtype.itemsize}").view(dtype.numpy)
    least = 1 << (DIGITS[dtype.name] - 1)
    significand = (raw & np.uint64(least - 1)) + np.uint64(least)
    exponent = (raw >> np.uint64(56) & np.uint64(7)).astype(np.int64) - 6 - (DIGITS[dtype.name] - 1)
    return scaled(raw >> np.uint64(63) == 1, significand, exponent, dtype)


def near_one(seed: int, n: int, dtype: DType) -> np.ndarray:
    """Floats within 1/64 of 1: a product of thousands stays in range. Odd integers, whose products stay odd."""
    raw = stream(seed, n)
    if dtype.kind == "b":
        return raw != 0
    if dtype.kind != "f":
        return (raw | np.uint64(1)).astype(f"u{dtype.itemsize}").view(dtype.numpy)
    one = 1 << (DIGITS[dtype.name] - 1)
    offset = (raw % np.uint64(one >> 5)).astype(np.int64) - (one >> 6)
    return scaled(np.zeros(n, bool), one + offset, np.full(n, 1 - DIGITS[dtype.name]), dtype)


def special(seed: int, n: int, dtype: DType) -> np.ndarray:
    """Rows of 70 elements, each with other special values among ordinary ones; integers: the ends of their range."""
    if dtype.kind == "b":
        rows = np.zeros((n // 70, 70), bool)
        rows[1] = True
        rows[2::2, 37] = True
        return rows.reshape(-1)
    if dtype.kind != "f":
        limits = np.iinfo(dtype.numpy)
        choice = np.array([limits.min, limits.max, 0, 1], dtype.numpy)
        return choice[(stream(seed, n) >> np.uint64(62)).astype(np.int64)]
    rows = ordinary(seed, n, dtype).reshape(-1, 70)
    bits = np.dtype(f"u{dtype.itemsize}")
    odd = (stream(seed + 1, n) >> np.uint64(63)).astype(bool).reshape(-1, 70)
    subnormal = (stream(seed + 2, n) & np.uint64((1 << (DIGITS[dtype.name] - 1)) - 1)).astype(bits)
    subnormal = (subnormal | odd.reshape(-1).astype(bits) << bits.type(8 * dtype.itemsize - 1)).view(dtype.numpy)
    subnormal = subnormal.reshape(-1, 70)
    infinity, zero = np.array([np.inf, 0.0], dtype.numpy)
    largest = np.array([np.inf], dtype.numpy).view(bits) - bits.type(1)
    rows[1, 41] = np.nan
    rows[2, 41] = infinity
    rows[3, 41] = -infinity
    rows[4, 5], rows[4, 66] = infinity, -infinity
    rows[5] = -infinity
    rows[6] = np.where(odd[6], -zero, zero)
    rows[7] = -zero
    rows[8] = subnormal[8]
    rows[9, ::9] = largest.view(dtype.numpy)
    rows[10, ::3] = subnormal[10, ::3]
    rows[11] = np.nan
    rows[12, 3:] = -infinity
    return rows.reshape(-1)


@dataclass(frozen=True)
class Operand:
    """Elements of a dtype and shape made by one of the functions above, in memory by rows, by columns, every second
    one of a row, or backwards."""

    dtype: DType
    shape: tuple[int, ...]
    make: Callable[[int, int, DType], np.ndarray] = ordinary
    memory: str = "rows"
    seed: int = 0

    def __str__(self) -> str:
        kind = "" if self.make is ordinary else f"{self.make.__name__} "
        memory = "" if self.memory == "rows" else f" {self.memory}"
        return f"{kind}{'x'.join(map(str, self.shape))}{memory}"

    def array(self) -> np.ndarray:
        elements = self.make(self.seed, int(np.prod(self.shape)), self.dtype).reshape(self.shape)
        if self.memory == "columns":
            return np.ascontiguousarray(elements.T).T
        if self.memory == "stepped":
            wide = np.zeros((*self.shape[:-1], 2 * self.shape[-1]), self.dtype.numpy)
            wide[..., ::2] = elements
            return wide[..., ::2]
        return np.ascontiguousarray(elements[..., ::-1])[..., ::-1] if self.memory == "backwards" else elements


@dataclass(frozen=True)
class Case:
    """One call of an op."""

    op: str
    operands: tuple[Operand, ...]
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        return self.operands[0].dtype.name

    @property
    def name(self) -> str:
        given = (f"{key}={value}".replace(" ", "") for key, value in self.keywords.items())
        return " ".join((", ".join(map(str, self.operands)), *given))

    @property
    def size(self) -> int:
        return sum(int(np.prod(x.shape)) for x in self.operands)

    def compute(self, device: accel.Device) -> np.ndarray:
        placed = [place(x.array(), device) for x in self.operands]
        with accel.config(numerics="reproducible"):
            return fetch(accel.registry.OPS[self.op].function(*placed, **self.keywords))


def digest(result: np.ndarray) -> str:
    """Of dtype, shape and elements by rows, the lowest byte first; every NaN as the same one."""
    result = np.ascontiguousarray(result)
    if as_dtype(result.dtype).kind == "f":
        with np.errstate(invalid="ignore"):  # of a signalling NaN
            result = np.where(np.isnan(result), np.array(np.nan, result.dtype), result)
    elements = result.view(f"u{result.itemsize}").astype(f"<u{result.itemsize}") if result.size else result
    text = f"{as_dtype(result.dtype)}{result.shape}".encode()
    return hashlib.sha256(text + elements.tobytes()).hexdigest()[:16]


ROWS = (
    ((3, 77), ordinary, "rows", 1),
    ((5, 4097), ordinary, "rows", 1),
    ((2, 2 * 4096 + 37), ordinary, "rows", -1),
    ((129, 70), ordinary, "rows", 0),
    ((5, 4097), ordinary, "columns", 1),
    ((3, 77), ordinary, "stepped", 1),
    ((3, 77), ordinary, "backwards", 1),
    ((13, 70), special, "rows", 1),
)
"""Shape, elements, memory and axis of an op on rows."""


def _rows(op: str, dtype: DType) -> Iterable[Case]:
    for shape, make, memory, axis in ROWS:
        yield Case(op, (Operand(dtype, shape, make, memory),), {"axis": axis})
        if op == "prod" and make is ordinary:
            yield Case(op, (Operand(dtype, shape, near_one, memory),), {"axis": axis})
    if op not in ("softmax", "log_softmax"):
        yield Case(op, (Operand(dtype, (3, 77)),))
    if op not in ("softmax", "log_softmax", "argmax", "argmin"):
        yield Case(op, (Operand(dtype, (3, 5, 70)),), {"axis": (0, 2), "keepdims": True})
    if op in ("sum", "prod", "any", "all", "mean", "logsumexp"):
        yield Case(op, (Operand(dtype, (0, 3)),), {"axis": 0})
    if op in ("sum", "prod", "softmax", "log_softmax", "logsumexp") and dtype.name != dtype.accumulator:
        yield Case(op, (Operand(dtype, (3, 77)),), {"axis": 1, "dtype": dtype.accumulator})


def _product(op: str, dtype: DType) -> Iterable[Case]:
    def operand(*shape: int, seed: int = 0, make: Any = ordinary, memory: str = "rows") -> Operand:
        return Operand(dtype, shape, make, memory, seed)

    second = (lambda *shape, **more: operand(*shape, seed=3, **more)) if op == "matmul" else None
    weight = second or (lambda k, n, **more: operand(n, k, seed=3, **more))
    for m, k, n in ((1, 77, 1), (3, 300, 5), (7, 2 * 256 + 9, 17), (33, 70, 65), (65, 64, 48), (1, 300, 70)):
        yield Case(op, (operand(m, k), weight(k, n)))
    yield Case(op, (operand(7, 300, memory="columns"), weight(300, 17, memory="columns")))
    yield Case(op, (operand(7, 70, memory="stepped"), weight(70, 17, memory="backwards")))
    yield Case(op, (operand(13, 70, make=special), weight(70, 17)))
    yield Case(op, (operand(2, 0), weight(0, 3)))
    if op == "matmul":
        yield Case(op, (operand(300), second(300)))
        yield Case(op, (operand(2, 1, 3, 70), second(5, 70, 4)))
    else:
        bias = operand(17, seed=4)
        yield Case(op, (operand(2, 3, 70), weight(70, 17)))
        yield Case(op, (operand(7, 300), weight(300, 17), bias))
        yield Case(op, (operand(13, 70, make=special), weight(70, 17), bias))
        if dtype.kind == "f":
            for activation in ("gelu", "gelu_tanh", "relu", "silu", "sigmoid", "tanh"):
                yield Case(op, (operand(7, 300), weight(300, 17), bias), {"activation": activation})
            yield Case(op, (operand(7, 300), weight(300, 17)), {"activation": "gelu"})
    if dtype.name != dtype.accumulator:
        yield Case(op, (operand(7, 300), weight(300, 17)), {"dtype": dtype.accumulator})


NUMBERS = (*INTEGERS, *FLOATS)
EVERY = tuple(TABLE.values())
OPS: dict[str, tuple[Callable[[str, DType], Iterable[Case]], tuple[DType, ...]]] = {
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp", "mean"), (_rows, FLOATS)),
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all"), (_rows, EVERY)),
    **dict.fromkeys(("argmax", "argmin"), (_rows, NUMBERS)),
    **dict.fromkeys(("matmul", "linear"), (_product, NUMBERS)),
}
"""How an op's cases are made, and for which dtypes."""


@lru_cache
def cases(op: str) -> tuple[Case, ...]:
    make, dtypes = OPS[op]
    return tuple(case for dtype in dtypes for case in make(op, dtype))


def stored() -> dict[str, dict[str, dict[str, str]]]:
    """Digests by op, dtype and name of the case."""
    return json.loads(DATA.read_text(encoding="utf-8"))["results"]


def changed(
    chosen: Iterable[Case], device: accel.Device, compute: Callable[[Case, accel.Device], np.ndarray] = Case.compute
) -> list[str]:
    """The cases whose results on a device are not what is stored."""
    known = stored()
    return [
        f"{case.op} {case.dtype} {case.name}"
        for case in chosen
        if digest(compute(case, device)) != known[case.op][case.dtype][case.name]
    ]


def write(commit: str) -> None:
    """Adds what is missing. An entry that this accel computes differently is an error, and nothing is written."""
    known = stored() if DATA.exists() else {}
    first = json.loads(DATA.read_text(encoding="utf-8"))["commit"] if DATA.exists() else commit
    cpu = accel.device("cpu")
    for op in OPS:
        for case in cases(op):
            at = known.setdefault(op, {}).setdefault(case.dtype, {})
            new = digest(case.compute(cpu))
            if at.setdefault(case.name, new) != new:
                sys.exit(f"{op} {case.dtype} {case.name}: {new} is not the {at[case.name]} of version 1")
    page = {"contract": accel.BIT_CONTRACT, "commit": first, "results": known}
    DATA.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--write":
        sys.exit("usage: python tests/agreement/results_v1.py --write COMMIT")
    write(sys.argv[2])
