"""accel._cpu.Scatter: rows in several tasks, with strides, and in threads; and arguments that do not fit."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from native_reference import random, same, strides

from accel.layout import collapse
from accel.ops.parameters import Scatter
from accel.ops.primitive.scatter import evaluate


def run_scatter(
    cpu: ModuleType, out: np.ndarray, values: np.ndarray, cells: np.ndarray, threads: int, isa: str, **how: Any
) -> None:
    """Along the first axis of out. how: sources, start and whether cells are ascending, beside kind and apart."""
    kernel = cpu.Scatter(isa, out.dtype.name, how.get("kind", "set"), how.get("apart", False))
    steps, value_steps = strides(out), strides(values)
    rows, (out_rows, value_rows) = collapse(out.shape[1:], [steps[1:], value_steps[1:]])
    sorts = how.get("kind") in ("add", "multiply") and not how.get("ascending")
    order = [np.argsort(cells, kind="stable")] if sorts else []
    sources, start = ([how[name]] if name in how else [] for name in ("sources", "start"))
    kernel.run(
        [x.ctypes.data for x in (values, cells, *order, *sources, *start)], [out.ctypes.data], len(cells),
        out.shape[:1], steps[:1], rows, out_rows, value_rows, value_steps[0], strides(cells)[0],
        sorts, (len(values), strides(sources[0])[0]) if sources else None, bool(start), threads,
    )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
def test_rows(cpu, isa, dtype, threads):
    """Sums of whole numbers, which every order of additions gives."""
    rng = np.random.default_rng(0)
    shapes = (((70000,), 150000, "C"), ((500, 300), 900, "C"), ((40, 30, 50), 300, "F"), ((3,), 9, "C"))
    for full, count, order in shapes:
        held, values = (rng.integers(0, 2, s).astype(dtype) for s in (full, (count, *full[1:])))
        values = np.asfortranarray(values) if order == "F" else values
        cells = rng.integers(-2, full[0] + 2, count)
        good = (cells >= 0) & (cells < full[0])
        once = rng.permutation(full[0])[:count]
        for how in ({}, {"apart": True}, {"kind": "add"}, {"kind": "max"}, {"kind": "min"}):
            if dtype == "bool" and how.get("kind") == "add":
                continue
            out, want, its = np.array(held, order=order), held.copy(), once if "apart" in how else cells
            run_scatter(cpu, out, values[: len(its)], its, threads, isa, **how)
            if "kind" in how:
                ufunc = {"add": np.add, "max": np.maximum, "min": np.minimum}[how["kind"]]
                ufunc.at(want, cells[good], values[good])
            else:
                want[once if "apart" in how else cells[good]] = values[: len(its)] if "apart" in how else values[good]
            assert same(np.ascontiguousarray(out), want), (full, how)


def test_cells_of_several_blocks_of_rows(cpu, isa):
    """Beside another one of fewer, in tiles of a row and a rest."""
    rng = np.random.default_rng(0)
    values, cells = random(rng, "float32", (3 * 4096 + 70, 19)), np.zeros(3 * 4096 + 70, np.int64)
    cells[::50] = 1
    held = random(rng, "float32", (2, 19))
    out = held.copy()
    run_scatter(cpu, out, values, cells, 2, isa, kind="add")
    want = evaluate(Scatter((2, 19), (-1, 1), "add"), held, values, cells)
    assert same(out, want)
    turned = evaluate(Scatter((2, 19), (-1, 1), "add"), held, values[::-1], cells[::-1])
    assert not same(out, turned), "another order of the additions is seen"


@pytest.mark.parametrize(("dtype", "columns"), [("float32", 16), ("float32", 1100), ("float64", 67), ("int16", 515)])
def test_cells_of_every_number_of_rows(cpu, isa, dtype, columns):
    """Up to more than lanes, which are folded elsewhere; rows shorter and longer than what is folded at a time."""
    rng = np.random.default_rng(0)
    cells = rng.permutation(np.repeat(np.arange(70), np.arange(70)))
    values, held = random(rng, dtype, (len(cells), columns)), random(rng, dtype, (70, columns))
    want = evaluate(Scatter((70, columns), (-1, 1), "add"), held, values, cells)
    for order in "CF":
        for threads in (1, 2):
            out = np.array(held, order=order)
            run_scatter(cpu, out, np.asarray(values, order=order), cells, threads, isa, kind="add")
            assert same(np.ascontiguousarray(out), want), (order, threads)
    mixed = rng.permutation(len(cells))
    turned = evaluate(Scatter((70, columns), (-1, 1), "add"), held, values[mixed], cells[mixed])
    assert same(turned, want) == (dtype == "int16"), "another order of the additions of floats is seen"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("dtype", "columns"), [("float32", 16), ("float64", 600), ("int16", 1)])
def test_rows_at_sources(cpu, isa, dtype, columns, threads):
    """From the end, out of range, and in strides; cells of one, few and many rows; in order and not."""
    rng = np.random.default_rng(0)
    counts = np.r_[0:12, 60:70, 130, 4200]
    ascending = np.repeat(np.arange(len(counts)), counts)
    values, held = random(rng, dtype, (50, columns)), random(rng, dtype, (len(counts), columns))
    sources = rng.integers(-53, 53, 2 * len(ascending))[::2]
    sources[:6] = 50, -51, 2**62, -(2**63), -1, 0
    for cells, how in ((ascending, {"ascending": True}), (rng.permutation(ascending), {})):
        for kind in ("add", "multiply", "max", "set"):
            params = Scatter(held.shape, (-1, 1), kind, sourced=True)
            want = evaluate(params, held, values, cells, sources)
            for order in "CF":
                out = np.array(held, order=order)
                given = np.asarray(values, order=order)
                run_scatter(cpu, out, given, cells, threads, isa, kind=kind, sources=sources, **how)
                assert same(np.ascontiguousarray(out), want), (kind, order)
            assert not same(evaluate(params, held, values, cells, sources[::-1]), want), "other rows are seen"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", ["add", "multiply"])
def test_outputs_that_start_as_one_element(cpu, isa, kind, threads):
    """Cells without rows before, between and behind the others; numbers of no cell; rows of several axes."""
    rng = np.random.default_rng(0)
    for shape, cells in (
        ((40, 7), np.array([3, 3, 39, 5, -1, 5, 5, 40, 2**40])), ((40, 7), np.array([-5, -1])), ((3, 9), np.array([7])),
        ((900, 5, 40), rng.integers(-2, 902, 2500)), ((900,), np.sort(rng.integers(100, 700, 5000))),
        ((2000, 64), rng.integers(500, 600, 900)), ((6, 3), np.array([0, 5])),
    ):  # fmt: skip
        values, start = random(rng, "float32", (len(cells), *shape[1:])), np.float32([-0.0 if kind == "add" else 2])
        walks = (-1, *range(1, len(shape)))
        want = evaluate(Scatter(shape, walks, kind), np.full(shape, start[0]), values, cells)
        for order in "CF":
            out = np.full(shape, np.nan, np.float32, order=order)
            run_scatter(cpu, out, values, cells, threads, isa, kind=kind, start=start)
            assert same(np.ascontiguousarray(out), want), (shape, order)


def test_arguments_that_do_not_fit(cpu):
    for dtype in ("bool", "float16", "bfloat16"):
        with pytest.raises(ValueError, match="there is no sum or product of"):
            cpu.Scatter("baseline", dtype, "add", False)
    kernel = cpu.Scatter("baseline", "float32", "set", False)
    good = [4, (3,), (1,), (2,), (1,), (1,), 2, 1, False, None, False, 1]
    kernel.launch(*good)
    for position, wrong in (
        (0, -1), (0, 1 << 61), (1, ()), (1, (-3,)), (2, (1, 1)), (3, (1 << 60, 4)), (4, ()), (5, (1, 2)), (8, True),
        (9, (-1, 1)), (9, (1 << 62, 1)), (10, True), (11, 0),
    ):  # fmt: skip
        words = r"count|lengths|steps|rows|too many|threads|large|order|sources"
        with pytest.raises(ValueError, match=words):
            kernel.launch(*good[:position], wrong, *good[position + 1 :])
    for position in (0, 6, 7, 9):
        with pytest.raises(TypeError):
            kernel.launch(*good[:position], "x", *good[position + 1 :])
