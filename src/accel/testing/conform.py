"""The conformance kit's verdict: every op and dtype on one device, against the bit contract and the error bounds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np

from .. import recording, registry
from ..backends.base import Device
from ..config import config
from ..conversion import from_numpy, lent, shared, to_numpy
from ..devices import device as device_of
from ..dtypes import DType, as_dtype
from ..errors import AccelError, OutOfMemoryError
from ..numerics import BIT_CONTRACT
from ..ops.spec import OpSpec
from .compare import Answers, check
from .complex_family import complex_of
from .failure import Failure
from .families import Sample, Samples
from .unlisted_family import unlisted

PASSING = ("pass", "compiled", "decomposition", "fallback", "known")


Told = dict[tuple[str, int], tuple[Sample, Answers]]
"""An op's and dtype's examples, by the setting of numerics, on which bounds depend, and by number."""

INTERPRETED = 5000
"""Elements of the largest edge examples for devices that interpret their kernels, which would take hours for more."""


@dataclass(frozen=True)
class Row:
    """One op and dtype. status: pass (a native kernel, right), compiled, decomposition or fallback (right, as compiled
    launches, by other ops or on the CPU), known (listed as a known failure, and failing), unsupported (refused with
    a reason), fail. examples: how many were run. error: largest |error| / bound met. detail: of what is not simply
    right, in one or more lines."""

    op: str
    dtype: str
    status: str
    examples: int
    error: float = 0.0
    detail: str = ""


@dataclass
class Report:
    """What a run found. most: elements of the largest edge examples that were run (None: no limit)."""

    device: str
    most: int | None = None
    bit_contract: int = BIT_CONTRACT
    rows: list[Row] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(row.status in (*PASSING, "unsupported") for row in self.rows)


def cases(ops: Iterable[str] | None = None, dtypes: Iterable[str] | None = None) -> list[tuple[OpSpec, DType]]:
    """Every op of the table (or those named) with every operand dtype that it takes (or those named); of complex ones
    with what it promises of these, and so every op that has a rule for them alone."""
    every = {name: _of(spec) for name, spec in registry.OPS.items()}
    every |= {name: (complex_of(spec),) for name, spec in unlisted().items()}
    names = sorted(every) if ops is None else list(ops)
    unknown = [name for name in names if name not in every]
    if unknown:
        raise AccelError(f"conform: unknown op {unknown[0]!r}; ops: {', '.join(sorted(every))}")
    wanted = None if dtypes is None else [as_dtype(name) for name in dtypes]
    found = [(spec, dtype) for name in names for spec in every[name] for dtype in spec.dtypes]
    chosen = [(spec, dtype) for spec, dtype in found if wanted is None or dtype in wanted]
    if not chosen:
        raise AccelError(f"conform: {', '.join(names)}: none takes {', '.join(map(str, wanted or ()))}")
    return chosen


def _of(spec: OpSpec) -> tuple[OpSpec, ...]:
    """An op on real numbers and, where it has a rule for them, on complex ones."""
    return (spec, complex_of(spec)) if spec in registry.COMPLEX else (spec,)


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


def largest(device: Device) -> int | None:
    """Elements of the largest edge examples that a device is given; None: no limit."""
    return INTERPRETED if device.kind in ("interpreter", "emulated") else None


def run(
    device: str | Device,
    ops: Iterable[str] | None = None,
    examples: int = 20,
    on_result: Callable[[Row], None] | None = None,
    dtypes: Iterable[str] | None = None,
    example: int | None = None,
) -> Report:
    """Runs the kit on a device. examples: how many are drawn beside the edges. on_result is called with each row as it
    is found. example: the number of the only one to run."""
    target = device_of(device)
    report = Report(str(target), largest(target))
    known = known_failures(target.backend)
    chosen = cases(ops, dtypes)
    whole = ops is None and dtypes is None and example is None
    for row in contract_rows(target) if whole else []:
        report.rows.append(row)
        if on_result is not None:
            on_result(row)
    for spec, dtype in chosen:
        reason = known.get((spec.name, dtype.name))
        row = one(spec, dtype, target, examples, reason, report.most, example)
        report.rows.append(row)
        if on_result is not None:
            on_result(row)
    return report


def one(
    spec: OpSpec,
    dtype: DType,
    device: Device,
    examples: int,
    known: str | None = None,
    most: int | None = None,
    example: int | None = None,
    told: Told | None = None,
    small: int | None = None,
) -> Row:
    """One op and dtype: the edges of its spec with at most so many elements, and as many drawn examples as asked, the
    same at every run; or the one example of a number. Where "reproducible" promises more bits than "default", both.
    told: keeps what the spec says of the examples, for a run on another device. small: draws as many examples with at
    most so many elements instead, as far as there are some among the first."""
    samples: Samples = spec.samples(dtype)
    edges = [i for i, edge in enumerate(samples.edges) if most is None or edge.size <= most]
    drawn = -(-examples // 10) if dtype.kind == "c" else examples  # kernels have their own examples of real numbers
    numbers = [*edges, *_drawn(samples, drawn, small)] if example is None else [example]
    how: set[str] = set()
    failures: list[Failure] = []
    refusal, worst, done = None, 0.0, 0
    for mode in modes(spec, dtype):
        with warnings.catch_warnings(), config(fallback="allow", numerics=mode):
            warnings.simplefilter("ignore")
            for number in numbers:
                sample, answers = _example(spec, samples, number, told)
                done += 1
                with recording.recording(run=True) as recorder:
                    try:  # every other one begins behind an aligned address
                        called = sample.operands, sample.keywords, sample.period
                        worst = max(worst, check(spec, device, *called, lead=number % 2, answers=answers))
                    except NotImplementedError as error:
                        refusal = str(error)
                    except Exception as error:
                        failures.append(Failure.of(spec, dtype, device, number, sample, recorder.served_by(), error))
                how.update(recorder.served_by())
            if refusal is not None:
                break
    detail = ""
    if failures:
        status = "fail" if known is None else "known"
        detail = f"{len(failures)} of {done} examples fail\n{min(failures, key=lambda found: found.size)}"
    elif refusal is not None:
        status, detail = "unsupported", refusal
    elif known is not None:
        status, detail = "fail", f"listed as a known failure, but it passes: {known}"
    elif recording.FALLBACK in how:
        status = "fallback"
    elif recording.DECOMPOSITION in how:
        status = "decomposition"
    else:
        status = "compiled" if recording.COMPILED in how else "pass"
    return Row(spec.name, dtype.name, status, done, worst, detail)


def _drawn(samples: Samples, count: int, small: int | None) -> list[int]:
    """Numbers of drawn examples: the first, or of these those that are small before others."""
    first = len(samples.edges)
    if small is None:
        return list(range(first, first + count))
    return sorted(sorted(range(first, first + count + 8), key=lambda n: samples.example(n).size > small)[:count])


def _example(spec: OpSpec, samples: Samples, number: int, told: Told | None) -> tuple[Sample, Answers]:
    found = None if told is None else told.get((config.numerics, number))
    if found is None:
        sample = samples.example(number)
        found = sample, Answers(spec, sample.operands, sample.keywords, sample.period)
        if told is not None:
            told[config.numerics, number] = found
    return found


def modes(spec: OpSpec, dtype: DType) -> tuple[str, ...]:
    """The settings of numerics to run an op under: the one in force, and "reproducible" beside "default" where it
    promises more."""
    now = config.numerics
    more = now == "default" and spec.bits(dtype, now) != spec.bits(dtype, "reproducible")
    return (now, "reproducible") if more else (now,)


def contract_rows(device: Device) -> list[Row]:
    """What the backend contract asks of memory, copies and names."""
    return [
        _contract(name, device, test)
        for name, test in (
            ("memory", _memory),
            ("sharing", _sharing),
            ("name", _name),
            ("too large", _too_large),
            ("order", _order),
        )
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


def _sharing(device: Device) -> None:
    """The host's memory and the device's own, where it shares them."""
    memory = np.zeros(1003, np.float32)
    for source in (memory, memory[1:], memory[3:1000:3]):
        source[...] = np.arange(source.size)
        x = shared(source, device)
        if x is not None:
            assert (to_numpy(x) == source).all(), "what the host wrote to memory that it shares is not read"
            x += registry.OPS["copy"].function(x)
            device.synchronize()
            assert (source == 2 * np.arange(source.size)).all(), "what was written to the host's memory is not there"
    y = registry.OPS["add"].function(from_numpy(memory, device, copy=True), 1.0)
    seen = lent(y[2:])
    assert seen is None or (seen == memory[2:] + 1).all(), "memory that is lent to the host is not the array's"


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
