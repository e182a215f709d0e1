"""What a report says of an example that failed: enough to understand it, and the line that runs it again."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backends.base import Device
from ..config import OPTIONS, config
from ..dtypes import DType, as_dtype
from ..ops.spec import OpSpec
from .compare import Disagreement
from .families import Sample

DECISIVE = ("numerics", "num_threads", "cpu_isa")
"""Settings that may decide whether an example fails."""


@dataclass(frozen=True)
class Failure:
    """One failing example. size: elements of its operands. Its text is several lines."""

    size: int
    lines: tuple[str, ...]

    @classmethod
    def of(
        cls,
        spec: OpSpec,
        dtype: DType,
        device: Device,
        number: int,
        sample: Sample,
        served_by: Iterable[str],
        error: Exception,
    ) -> Failure:
        """served_by: names of the kernels, as `accel explain` prints them."""
        named = ", ".join(f"{name}={value!r}" for name, value in sample.keywords.items())
        given = [line for i, x in enumerate(sample.operands) if (line := _operand(spec, i, x))]
        return cls(
            sum(x.size for x in sample.operands if isinstance(x, np.ndarray)),
            (
                f"{spec.name} of {dtype} on {device}, example {number}: {_what(error)}",
                *given,
                *([named] if named else []),
                f"kernel: {', '.join(sorted(served_by)) or 'none was reached'}",
                f"again: {again(spec, dtype, device, number)}",
            ),
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _what(error: Exception) -> str:
    if isinstance(error, Disagreement):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"


def _operand(spec: OpSpec, i: int, x: object) -> str:
    name = spec.arguments[i] if i < len(spec.arguments) else f"operand {i}"
    if not isinstance(x, np.ndarray):
        return f"{name}: {x}"
    strides = tuple(step // x.itemsize for step in x.strides)
    return f"{name}: {as_dtype(x.dtype)}, shape {x.shape}, strides {strides}"


def again(spec: OpSpec, dtype: DType, device: Device, number: int) -> str:
    """A command line that runs the example."""
    settings = config.current()
    given = [
        f"{option.variable}={getattr(settings, option.name)}"
        for option in OPTIONS
        if option.name in DECISIVE and getattr(settings, option.name) != option.default
    ]
    name = shlex.quote(str(device))
    return " ".join([*given, f"accel conform --device {name} --op {spec.name} --dtype {dtype} --example {number}"])
