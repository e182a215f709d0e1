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
    cpu: ModuleType, out: np.ndarray, values: np.ndarray, cells: np.ndarray, threads: int, **how: Any
) -> None:
    """Along the first axis of out."""
    kernel = cpu.Scatter(out.dtype.name, how.get("kind", "set"), how.get("apart", False))
    steps, value_steps = strides(out), strides(values)
    rows, (out_rows, value_rows) = collapse(out.shape[1:], [steps[1:], value_steps[1:]])
    order = [np.argsort(cells, kind="stable")] if how.get("kind") in ("add", "multiply") else []
    kernel.run(
        [x.ctypes.data for x in (values, cells, *order)], [out.ctypes.data], len(cells), out.shape[:1], steps[:1],
        rows, out_rows, value_rows, value_steps[0], strides(cells)[0], threads,
    )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
def test_rows(cpu, dtype, threads):
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
            run_scatter(cpu, out, values[: len(its)], its, threads, **how)
            if "kind" in how:
                ufunc = {"add": np.add, "max": np.maximum, "min": np.minimum}[how["kind"]]
                ufunc.at(want, cells[good], values[good])
            else:
                want[once if "apart" in how else cells[good]] = values[: len(its)] if "apart" in how else values[good]
            assert same(np.ascontiguousarray(out), want), (full, how)


def test_cells_of_several_blocks_of_rows(cpu):
    """Beside another one of fewer, in tiles of a row and a rest."""
    rng = np.random.default_rng(0)
    values, cells = random(rng, "float32", (3 * 4096 + 70, 19)), np.zeros(3 * 4096 + 70, np.int64)
    cells[::50] = 1
    held = random(rng, "float32", (2, 19))
    out = held.copy()
    run_scatter(cpu, out, values, cells, 2, kind="add")
    want = evaluate(Scatter((2, 19), (-1, 1), "add"), held, values, cells)
    assert same(out, want)
    turned = evaluate(Scatter((2, 19), (-1, 1), "add"), held, values[::-1], cells[::-1])
    assert not same(out, turned), "another order of the additions is seen"


@pytest.mark.parametrize(("dtype", "columns"), [("float32", 16), ("float32", 1100), ("float64", 67), ("int16", 515)])
def test_cells_of_every_number_of_rows(cpu, dtype, columns):
    """Up to more than lanes, which are folded elsewhere; rows shorter and longer than what is folded at a time."""
    rng = np.random.default_rng(0)
    cells = rng.permutation(np.repeat(np.arange(70), np.arange(70)))
    values, held = random(rng, dtype, (len(cells), columns)), random(rng, dtype, (70, columns))
    want = evaluate(Scatter((70, columns), (-1, 1), "add"), held, values, cells)
    for order in "CF":
        for threads in (1, 2):
            out = np.array(held, order=order)
            run_scatter(cpu, out, np.asarray(values, order=order), cells, threads, kind="add")
            assert same(np.ascontiguousarray(out), want), (order, threads)
    mixed = rng.permutation(len(cells))
    turned = evaluate(Scatter((70, columns), (-1, 1), "add"), held, values[mixed], cells[mixed])
    assert same(turned, want) == (dtype == "int16"), "another order of the additions of floats is seen"


def test_arguments_that_do_not_fit(cpu):
    for dtype in ("bool", "float16", "bfloat16"):
        with pytest.raises(ValueError, match="there is no sum or product of"):
            cpu.Scatter(dtype, "add", False)
    kernel = cpu.Scatter("float32", "set", False)
    good = [4, (3,), (1,), (2,), (1,), (1,), 2, 1, 1]
    kernel.launch(*good)
    for position, wrong in (
        (0, -1), (0, 1 << 61), (1, ()), (1, (-3,)), (2, (1, 1)), (3, (1 << 60, 4)), (4, ()), (5, (1, 2)), (8, 0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"count|lengths|steps|rows|too many|threads|large"):
            kernel.launch(*good[:position], wrong, *good[position + 1 :])
    for position in (0, 6, 7):
        with pytest.raises(TypeError):
            kernel.launch(*good[:position], "x", *good[position + 1 :])
