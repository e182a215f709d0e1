"""Every op, dtype and device: the canonical bits, and the error bound around the exact answer, on examples of the op's
own spec."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

import numpy as np
import pytest
from targets import TARGETS, Target

import accel
from accel.backends.cpu import native
from accel.dtypes import BFLOAT16, FLOAT16, FLOAT32, DType
from accel.ops.spec import OpSpec
from accel.registry import PRIMITIVES
from accel.testing import compare, conform
from accel.testing.draw import Draw, laid

CASES = conform.cases()

ALIKE = ("cumulative_prod", "cumulative_max", "cumulative_min", "logcumsumexp", "put_along_axis", "index_add")
"""Ops whose kernels are those of `cumulative_sum` with another operation, or those of `scatter` around others: they run
as composed ones do."""


def is_composed(spec: OpSpec) -> bool:
    return (spec.decompose is not None and spec.name not in PRIMITIVES) or spec.name in ALIKE


def is_first(spec: OpSpec, dtype: DType) -> bool:
    return dtype is (FLOAT32 if FLOAT32 in spec.dtypes else spec.dtypes[0])


def part() -> Iterator[tuple[Target, OpSpec, DType]]:
    """What runs without --deep. The fastest instruction set here, and a GPU where there is one, run every op in every
    dtype. Of what is slower, instruction sets and devices, each runs every primitive in float32 (or its first dtype),
    the emulated GPUs by turns. A primitive's further dtypes are shared out among them, and so are composed ops, whose
    kernels are those of primitives, where compiling is quick."""
    fastest, *slower = (f"cpu-{isa}" for isa in native().isas())
    gpus = [t for t in TARGETS if t.name == "gpu" and any(d.kind == "gpu" for d in accel.devices())]
    widely = [*(t for t in TARGETS if t.name == fastest), *gpus]
    emulated = [t for t in TARGETS if t.name.startswith("emulated")]
    others = [t for t in TARGETS if t.name in (*slower, "intel", "pocl", "interpreter")]
    quick = [t for t in others if t.name != "pocl"]
    for spec, dtype in CASES:
        turn = crc32(f"{spec.name}-{dtype}".encode())
        chosen = list(widely)
        if (
            dtype.kind == "c"
        ):  # the kernels are those of real numbers; tests/complex/test_bits.py has some on all devices
            yield from ((target, spec, dtype) for target in chosen if target.name == "gpu" or is_first(spec, dtype))
            continue
        if is_composed(spec):
            chosen += [quick[turn % len(quick)]] if is_first(spec, dtype) else []
        elif is_first(spec, dtype):
            chosen += [*others, emulated[turn % len(emulated)]]
        else:
            every = [*others, emulated[turn % len(emulated)]]
            # 16-bit functions are those of float32 between casts; scatter is compiled anew for each element added
            long = dtype in (FLOAT16, BFLOAT16) or spec.name == "scatter"
            chosen.append((others if long else every)[turn % (len(others) + (not long))])
        yield from ((target, spec, dtype) for target in chosen)


def part_as_views() -> Iterator[tuple[Target, OpSpec, DType]]:
    """The same of edges as views: every op in its first dtype on the fastest instruction set, primitives by turns on a
    slower one."""
    fastest, *slower = (f"cpu-{isa}" for isa in native().isas())
    others = [t for t in TARGETS if t.name in slower]
    for spec, dtype in CASES:
        if is_first(spec, dtype) and dtype.kind != "c":
            yield from ((t, spec, dtype) for t in TARGETS if t.name == fastest)
            if others and not is_composed(spec):
                yield others[crc32(spec.name.encode()) % len(others)], spec, dtype


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spec" in metafunc.fixturenames:
        deep = metafunc.config.getoption("--deep")
        quick = part_as_views if metafunc.function is test_edges_as_views else part
        chosen = [(t, *case) for case in CASES for t in TARGETS] if deep else quick()
        marked = [pytest.param(*row, marks=[pytest.mark.gpu] if row[0].name == "gpu" else []) for row in chosen]
        ids = [f"{target.name}-{spec.name}-{dtype}" for target, spec, dtype in (row.values for row in marked)]
        metafunc.parametrize(("on", "spec", "dtype"), marked, ids=ids)


SMALL, FEW = 1000, 2
"""Elements of the largest edge examples, and drawn examples, without --deep, of composed ops in further dtypes and of
all ops on 16-bit floats: their kernels are those of the first dtype, between other conversions."""


def extent(deep: bool, target: Target, device: accel.Device, spec: OpSpec, dtype: DType) -> tuple[int, int | None]:
    """Drawn examples, and elements of the largest edge examples."""
    if deep:
        return 100, conform.largest(device)
    if not is_first(spec, dtype) and (is_composed(spec) or dtype in (FLOAT16, BFLOAT16)):
        return min(FEW, target.examples), min(SMALL, target.edges)
    return target.examples, target.edges


@lru_cache(maxsize=1)
def told(op: str, dtype: str) -> conform.Told:
    """What a spec says of the examples of an op and dtype: the tests of its devices follow each other."""
    return {}


def test_op(request, on, spec, dtype):
    with on.in_force() as device:
        known = conform.known_failures(device.backend).get((spec.name, dtype.name))
        examples, most = extent(request.config.getoption("--deep"), on, device, spec, dtype)
        small = on.small if is_composed(spec) and not request.config.getoption("--deep") else None
        row = conform.one(spec, dtype, device, examples, known, most, told=told(spec.name, dtype.name), small=small)
    print(f"largest error / bound: {row.error:.3g}")
    assert row.status in ("pass", "compiled", "decomposition", "known"), f"{row.status}: {row.detail}"


MOST, MOST_DEEP = 1100, 20_000
"""Elements of the largest edges that are laid as views."""


def test_edges_as_views(request, on, spec, dtype):
    """Edges, which lie row-major, as views of larger arrays: kernels choose how they read by strides, and what they
    read has the bits. Drawn examples are such views in any case."""
    deep, samples = request.config.getoption("--deep"), spec.samples(dtype)
    its = Draw.seeded(crc32(f"{spec.name}-{dtype}".encode()))
    with on.in_force() as device:
        most = min(MOST_DEEP, conform.largest(device) or MOST_DEEP) if deep else MOST
        edges = [edge for edge in samples.edges if edge.size <= most]
        for edge in edges if deep else its.permutation(edges)[:2]:
            sample = edge.make()
            for mode in conform.modes(spec, dtype):
                with warnings.catch_warnings(), accel.config(fallback="allow", numerics=mode):
                    warnings.simplefilter("ignore")
                    answers = compare.Answers(spec, sample.operands, sample.keywords, sample.period)
                    for _ in range(10 if deep else 2):
                        operands = tuple(laid(its, x) if isinstance(x, np.ndarray) else x for x in sample.operands)
                        named = {
                            k: laid(its, x) if isinstance(x, np.ndarray) else x for k, x in sample.keywords.items()
                        }
                        compare.check(spec, device, operands, named, sample.period, its.integer(0, 3), answers)


def test_contract(target):
    with target.in_force() as device:
        for row in conform.contract_rows(device):
            assert row.status == "pass", f"{row.op}: {row.detail}"
