"""The conformance kit's verdict: every op and dtype on one device, against the bit contract and the error bounds."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings

from .. import dispatch, registry
from ..backends.base import Device
from ..config import config
from ..conversion import from_numpy, to_numpy
from ..devices import device as device_of
from ..dtypes import DType
from ..errors import AccelError, OutOfMemoryError
from ..numerics import BIT_CONTRACT
from ..ops.spec import OpSpec
from .compare import check

PASSING = ("pass", "decomposition", "fallback", "known")


@dataclass(frozen=True)
class Row:
    """One op and dtype. status: pass (a native kernel, right), decomposition or fallback (right, by other ops or on the
    CPU),
    known (listed as a known failure, and failing), unsupported (refused with a reason), fail. error: largest |error| /
    bound met."""

    op: str
    dtype: str
    status: str
    examples: int
    error: float = 0.0
    detail: str = ""


@dataclass
class Report:
    """What a run found."""

    device: str
    bit_contract: int = BIT_CONTRACT
    rows: list[Row] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(row.status in (*PASSING, "unsupported") for row in self.rows)


def cases(ops: Iterable[str] | None = None) -> list[tuple[OpSpec, DType]]:
    """Every op of the table (or those named) with every operand dtype that it takes."""
    names = sorted(registry.OPS) if ops is None else list(ops)
    unknown = [name for name in names if name not in registry.OPS]
    if unknown:
        raise AccelError(f"conform: unknown op {unknown[0]!r}; ops: {', '.join(sorted(registry.OPS))}")
    return [(registry.OPS[name], dtype) for name in names for dtype in registry.OPS[name].dtypes]


def known_failures(backend: str) -> dict[tuple[str, str], str]:
    """(op, dtype) to reason, from the data file of a built-in backend: lines ``op dtype reason``, # starts a
    comment."""
    found: dict[tuple[str, str], str] = {}
    source = files("accel.testing") / "known_failures" / f"{backend}.txt"
    if source.is_file():
        for line in source.read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].split(maxsplit=2)
            if len(words) == 3:
                found[words[0], words[1]] = words[2]
    return found


def run(
    device: str | Device,
    ops: Iterable[str] | None = None,
    examples: int = 20,
    on_result: Callable[[Row], None] | None = None,
) -> Report:
    """Runs the kit on a device. on_result is called with each row as it is found."""
    target = device_of(device)
    report = Report(str(target))
    known = known_failures(target.backend)
    found = contract_rows(target) if ops is None else []
    for row in found:
        report.rows.append(row)
        if on_result is not None:
            on_result(row)
    for spec, dtype in cases(ops):
        row = one(spec, dtype, target, examples, known.get((spec.name, dtype.name)))
        report.rows.append(row)
        if on_result is not None:
            on_result(row)
    return report


def one(spec: OpSpec, dtype: DType, device: Device, examples: int, known: str | None = None) -> Row:
    """One op and dtype: as many examples as asked, drawn by the spec's own strategy, the same at every run."""
    how: set[str] = set()
    worst = [0.0]

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(spec.samples(dtype))
    def body(sample: tuple) -> None:
        operands, keywords = sample
        with dispatch.recording(run=True) as recorder:
            worst[0] = max(worst[0], check(spec, device, operands, keywords))
        how.update(recorder.served_by())

    try:
        with warnings.catch_warnings(), config(fallback="allow"):
            warnings.simplefilter("ignore")
            body()
    except NotImplementedError as error:
        return Row(spec.name, dtype.name, "unsupported", examples, worst[0], str(error))
    except Exception as error:
        status = "fail" if known is None else "known"
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Row(spec.name, dtype.name, status, examples, worst[0], detail)
    if known is not None:
        return Row(
            spec.name, dtype.name, "fail", examples, worst[0], f"listed as a known failure, but it passes: {known}"
        )
    status = "fallback" if dispatch.FALLBACK in how else "decomposition" if dispatch.DECOMPOSITION in how else "pass"
    return Row(spec.name, dtype.name, status, examples, worst[0])


def contract_rows(device: Device) -> list[Row]:
    """What the backend contract asks of memory, copies and names."""
    return [
        _contract(name, device, test)
        for name, test in (("memory", _memory), ("name", _name), ("too large", _too_large), ("order", _order))
    ]


def _contract(name: str, device: Device, test: Callable[[Device], None]) -> Row:
    try:
        test(device)
    except Exception as error:
        return Row(f"contract: {name}", "-", "fail", 1, 0.0, f"{type(error).__name__}: {error}")
    return Row(f"contract: {name}", "-", "pass", 1)


def _memory(device: Device) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 3, 64, 1000, 65537):
        data = rng.integers(0, 256, n).astype(np.uint8)
        buffer = device.allocate(n)
        device.copy_in(buffer, 0, data)
        assert (device.copy_out(buffer, 0, n) == data).all(), f"{n} bytes came back changed"
        if n > 2:
            device.copy_in(buffer, 1, data[:1])
            assert device.copy_out(buffer, 1, 1)[0] == data[0], "a copy to an offset went elsewhere"
            assert (device.copy_out(buffer, 2, n - 2) == data[2:]).all(), "a copy to an offset changed its neighbours"


def _name(device: Device) -> None:
    assert device_of(str(device)) is device, f"{device} is not accepted back as a name"


def _too_large(device: Device) -> None:
    keep = from_numpy(np.arange(10.0), device, copy=True)
    try:
        device.allocate(1 << 60)
    except OutOfMemoryError as error:
        assert str(1 << 60) in str(error), "the error does not say how much was asked for"
    else:
        raise AssertionError("an allocation of 2^60 bytes succeeded")
    assert (to_numpy(keep) == np.arange(10.0)).all(), "a live array was changed"


def _order(device: Device) -> None:
    x = from_numpy(np.zeros(5000, np.float32), device, copy=True)
    for _ in range(50):
        x = registry.OPS["add"].function(x, 1.0)
    device.synchronize()
    assert (to_numpy(x) == 50).all(), "work on one device ran out of order"
