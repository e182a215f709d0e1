"""OpenCL's rows against the CPU backend's: how near a CPU's OpenCL runtime comes to accel's own code.

    python -m accel.bench.cpu.opencl --device opencl:intel

Both run on the same cores in one process, in turns, in mode ``reproducible``, so that both do the same work; times are
whole calls with results that are there. Each output's bits are compared before it is timed. A sample is taken when the
other's threads have let go of the cores; where they do not, the row has no ratio, and says why.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import exp, log
from statistics import median
from typing import Any

import numpy as np

import accel

from ..machine.head import load
from ..measure.quiet import Machine, Quiet
from ..measure.timing import OWN, SETTLE_SECONDS, rounds
from ..result.statistics import noise

Body = Callable[..., Any]
Case = tuple[str, Body, tuple[np.ndarray, ...], "str | None"]

SMALL, LARGE = 1 << 16, 1 << 22

NOISE = 0.02
"""Half the width of the interval of a median, as a share of it, at which a row is known well enough."""


@dataclass(frozen=True)
class Row:
    """own, other: seconds on OpenCL and on the CPU backend, medians. noisy: whether one is known less well than
    `NOISE`. refused: why there is no `other`."""

    name: str
    own: float
    other: float | None
    noisy: bool
    refused: str | None = None

    @property
    def ratio(self) -> float | None:
        """Of the CPU backend's time to OpenCL's."""
        return None if self.other is None else self.other / self.own


def cases() -> Iterator[Case]:
    """(name, function, operands, dtype to which floats are cast first or None)."""
    random = np.random.default_rng(18)

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, np.float32)

    for label, size in (("64K", SMALL), ("4M", LARGE)):
        x, y = normal(size), normal(size)
        for name in ("add", "divide"):
            yield f"{name} {label}", getattr(accel, name), (x, y), None
        yield f"pow {label}", accel.pow, (np.abs(x), y), None
        for name in ("exp", "tanh", "sqrt"):
            yield f"{name} {label}", getattr(accel, name), (np.abs(x),), None
        yield f"clip {label}", partial(accel.clip, min=-0.5, max=0.5), (x,), None
        for dtype in ("bfloat16", "float16", "float64", "int32"):
            yield f"astype {dtype} {label}", partial(_cast, dtype=dtype), (x,), None
        yield f"add bfloat16 {label}", accel.add, (x, y), "bfloat16"
        for name in ("sum", "max", "argmax"):
            yield f"{name} {label}", getattr(accel, name), (x,), None
        yield f"cumulative_sum {label}", accel.cumulative_sum, (x,), None
        yield f"take {label}", accel.take, (x, random.integers(0, size, size)), None
    yield "sort 64K", accel.sort, (normal(SMALL),), None
    yield "sort 1M", accel.sort, (normal(1 << 20),), None
    yield "take rows 64K", partial(accel.take, axis=0), (normal(4096, 64), random.integers(0, 4096, 1024)), None
    for count, columns, cells in ((1024, 4096, 512), (8192, 256, 128), (40000, 32, 5714)):
        body = partial(accel.nn.segment_sum, num_segments=cells)
        its = random.permutation(np.arange(count) % cells)
        yield f"segment_sum {count}x{columns} in {cells}", body, (normal(count, columns), its), None
    for rows, columns in ((16384, 4), (4096, 16), (1024, 64), (512, 128), (256, 256), (1000, 1000), (64, 65536)):
        label, x, weight = f"{rows}x{columns}", normal(rows, columns), normal(columns)
        yield f"sum rows {label}", partial(accel.sum, axis=-1), (x,), None
        yield f"softmax {label}", partial(accel.nn.softmax, axis=-1), (x,), None
        yield f"rms_norm {label}", partial(_rms_norm, columns), (x, weight), None
    yield "sum columns 1000x1000", partial(accel.sum, axis=0), (normal(1000, 1000),), None
    for dtype in ("float32", "bfloat16", "int8"):
        for m, k, n in ((1, 2048, 2048), (8, 2048, 2048), (64, 64, 64), (512, 512, 512)):
            for transposed in (False, True) if m < 64 else (False,):
                a, b = normal(m, k), normal(n, k).T if transposed else normal(k, n)
                if dtype == "int8":
                    a, b = (np.clip(v * 32, -127, 127).astype(np.int8, order="K") for v in (a, b))
                label = f"matmul {dtype} {m}x{k}x{n}" + (" b along k" if transposed else "")
                yield label, accel.matmul, (a, b), None if dtype == "int8" else dtype
    yield "linear 21504x1024 by 2 outputs", accel.nn.linear, (normal(21504, 1024), normal(2, 1024), normal(2)), None
    yield "matmul 64 of 384x64x384 b along k", accel.matmul, (normal(64, 384, 64), normal(64, 384, 64).mT), None
    yield "matmul 64 of 384x384x64", accel.matmul, (normal(64, 384, 384), normal(64, 384, 64)), None
    yield "add 320x128x128 and 320x1x1", accel.add, (normal(320, 128, 128), normal(320, 1, 1)), None
    yield "add 8x16x384x384 and 8x1x1x384", accel.add, (normal(8, 16, 384, 384), normal(8, 1, 1, 384)), None
    yield "silu 20M", accel.nn.silu, (normal(20 << 20),), None
    each = partial(accel.nn.conv2d, padding=1, groups=144)
    yield "conv2d 8x144x56x56 each channel", each, (normal(8, 144, 56, 56), normal(144, 1, 3, 3)), None
    for dtype in ("float32", "bfloat16"):
        for label, queries, keys in (("512 causal", 512, 512), ("1 to 4096", 1, 4096)):
            its = normal(1, 32, queries, 128), normal(1, 8, keys, 128), normal(1, 8, keys, 128)
            yield f"attention {dtype} {label}", partial(_attention, causal=queries > 1), its, dtype


def _cast(x: Any, dtype: str) -> Any:
    return accel.astype(x, getattr(accel, dtype))


def _rms_norm(columns: int, x: Any, weight: Any) -> Any:
    return accel.nn.rms_norm(x, (columns,), weight)


def _attention(query: Any, key: Any, value: Any, causal: bool) -> Any:
    return accel.nn.scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=True)


def measure(device: str, wanted: str = "", seconds: float = 0.25) -> Iterator[Row]:
    """The rows. wanted: a regular expression of row names. Raises AccelError where the two differ in a bit."""
    for name, body, operands, dtype in cases():
        if re.search(wanted, name) is None:
            continue
        calls, results = {}, []
        for place in (device, "cpu"):
            arrays = [_placed(x, dtype, place) for x in operands]
            calls[place] = partial(_finished, body, arrays, place)
            results.append(accel.asarray(calls[place](), device="cpu"))
        if bytes(_bits(results[0])) != bytes(_bits(results[1])):
            raise accel.AccelError(f"{name}: {device} and cpu differ")
        refused: dict[str, str] = {}
        samples = rounds(
            [calls[device]], {"cpu": [calls["cpu"]]}, seconds, NOISE, settle=SETTLE_SECONDS,
            quiet=Quiet().wait, refused=refused,
        )  # fmt: skip
        other = samples.get("cpu")
        noisy = max(map(noise, samples.values())) > NOISE
        yield Row(name, median(samples[OWN]), median(other) if other else None, noisy, refused.get("cpu"))


def _placed(x: np.ndarray, dtype: str | None, place: str) -> Any:
    placed = accel.asarray(x, device=place)
    return placed if dtype is None or x.dtype.kind != "f" else accel.astype(placed, getattr(accel, dtype))


def _finished(body: Body, arrays: list[Any], place: str) -> Any:
    result = body(*arrays)
    accel.synchronize(place)
    return result


def _bits(x: Any) -> Any:
    return np.asarray(accel.astype(x, accel.float32) if x.dtype.name == "bfloat16" else x)


def main(arguments: list[str] | None = None) -> int:
    """Prints how busy the machine was, the table in Markdown, slowest rows first, then the geometric mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="opencl:intel", help="an OpenCL CPU device")
    parser.add_argument("--rows", default="", help="a regular expression; only rows whose name has it")
    parser.add_argument("--seconds", type=float, default=0.25, help="of timing for each row")
    chosen = parser.parse_args(arguments)
    before, machine, where = load(), Machine(), accel.device(chosen.device)
    found: list[Row] = []
    with accel.config(numerics="reproducible"):
        for row in measure(chosen.device, chosen.rows, chosen.seconds):
            found.append(row)
            print(f"\r{len(found)} rows, {row.name:40}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if not found:
        parser.error(f"argument --rows: no row's name has {chosen.rows!r}")
    print("\n".join(table(found, where.description, before, machine.others())))
    return 0


def table(found: list[Row], device: str, load: float | None, others: float | None) -> Iterator[str]:
    """The lines. load: runnable processes per core at the begin. others: see `Machine.others`."""
    noisy = sum(row.noisy for row in found)
    busy = [f"{noisy} of {len(found)} rows noisier than ±{NOISE:.0%} (marked ±)"]
    busy += [] if load is None else [f"{load:.2g} runnable processes per core when it began"]
    busy += [] if others is None else [f"others took {others:.0%} of the cores"]
    yield f"{device}; {', '.join(busy)}\n"
    yield "| row | OpenCL, us | CPU backend, us | ratio |\n|---|---|---|---|"
    for row in sorted(found, key=lambda row: row.ratio or 0.0):
        mark = " ±" if row.noisy else ""
        other, ratio = ("", "") if row.other is None else (f"{row.other * 1e6:.1f}", f"{row.ratio:.2f}{mark}")
        yield f"| {row.name} | {row.own * 1e6:.1f} | {other} | {ratio} |"
    ratios = [row.ratio for row in found if row.ratio is not None]
    yield from (f"\n{row.name}: no ratio: {row.refused}" for row in found if row.refused is not None)
    if ratios:
        mean = exp(sum(map(log, ratios)) / len(ratios))
        yield f"\n{len(ratios)} rows: geometric mean {mean:.2f}, worst {min(ratios):.2f}"


if __name__ == "__main__":
    sys.exit(main())
