"""accel._cpu.Join: every way through boxes, on every instruction set, with threads; arguments that do not fit."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from native_reference import numpy_dtype, random, same, strides


def run_join(
    cpu: ModuleType, isa: str, out: np.ndarray, boxes: list[tuple[tuple[int, ...], np.ndarray]], threads: int
) -> None:
    steps = strides(out)
    offsets = [sum(s * step for s, step in zip(start, steps, strict=True)) for start, _ in boxes]
    kernel = cpu.Join(
        isa, out.dtype.name, [x.shape for _, x in boxes], offsets, [steps] * len(boxes), [strides(x) for _, x in boxes]
    )
    kernel.run([x.ctypes.data for _, x in boxes], [out.ctypes.data], threads)


def tiles(rng: np.random.Generator, dtype: str, shape: tuple[int, int], cut: tuple[int, int]) -> list:
    """Four boxes of a matrix, of operands of several layouts."""
    boxes = []
    for i, first in ((0, 0), (cut[0], 1)):
        for j, second in ((0, 0), (cut[1], 1)):
            rows = shape[0] - cut[0] if first else cut[0]
            columns = shape[1] - cut[1] if second else cut[1]
            x = random(rng, dtype, (rows, columns))
            x = (x, x[::-1, ::-1], np.asfortranarray(x), np.broadcast_to(x[:, :1], x.shape))[2 * first + second]
            boxes.append(((i, j), x))
    return boxes


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
def test_boxes(cpu, isa, dtype, threads):
    rng = np.random.default_rng(0)
    for shape, cut in (((40, 70), (13, 69)), ((700, 900), (350, 300)), ((5, 3000), (1, 2)), ((3000, 5), (2999, 2))):
        boxes = tiles(rng, dtype, shape, cut)
        for order in ("C", "F"):
            out = np.zeros(shape, numpy_dtype(dtype), order)
            run_join(cpu, isa, out, boxes, threads)
            for (i, j), x in boxes:
                assert same(out[i : i + x.shape[0], j : j + x.shape[1]], np.ascontiguousarray(x)), (shape, order)


def test_as_much_as_goes_around_the_caches(cpu, isa):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 99, (1500, 2100), np.int32)
    for axis in (0, 1):
        shape = (3000, 2100) if axis == 0 else (1500, 4200)
        for threads in (1, 2):
            out = np.zeros(shape, np.int32)
            start = (1500, 0) if axis == 0 else (0, 2100)
            run_join(cpu, isa, out, [((0, 0), x), (start, x[::-1])], threads)
            assert np.array_equal(out, np.concatenate([x, x[::-1]], axis))


def test_bad_arguments(cpu):
    good = [[(2,)], [0], [[1]], [[1]]]
    cpu.Join("baseline", "float32", *good)
    for position, wrong in ((0, [(2, 2)]), (0, [(-1,)]), (0, [(1 << 62,)]), (1, [1 << 70]), (1, []), (2, [[1, 1]]),
                            (3, []), (0, [(1,) * 64])):  # fmt: skip
        with pytest.raises(ValueError, match=r"strides|negative|large|range|there are|dimensions"):
            cpu.Join("baseline", "float32", *good[:position], wrong, *good[position + 1 :])
    for position in range(4):
        with pytest.raises(TypeError):
            cpu.Join("baseline", "float32", *good[:position], 7, *good[position + 1 :])
    with pytest.raises(ValueError, match="no_such"):
        cpu.Join("baseline", "no_such", *good)
    kernel = cpu.Join("baseline", "float32", *good)
    x = np.zeros(4, np.float32)
    for pointers in (([], [x.ctypes.data]), ([0], [x.ctypes.data]), ([x.ctypes.data + 1], [x.ctypes.data])):
        with pytest.raises(ValueError, match="inputs"):
            kernel.run(*pointers, 1)
    with pytest.raises(ValueError, match="threads"):
        kernel.launch(0)
