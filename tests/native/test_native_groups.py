"""accel._cpu.GroupedMatmul: each group's bits are those of its own product, on every instruction set."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from native_reference import numpy_dtype, random, run_matmul, same, strides


def three(x: np.ndarray) -> list[int]:
    return strides(x) if x.ndim == 3 else [0, *strides(x)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("dtype", "output"), [("float32", "float32"), ("bfloat16", "float32"), ("int8", "int32")])
def test_groups(cpu, isa, dtype, output, threads):
    """Groups of no rows, one row, few and many; ends that are cut to what there is."""
    edges = [0, 0, 1, 6, 150, 150]
    rng = np.random.default_rng(1)
    a, b = random(rng, dtype, (150, 300)), random(rng, dtype, (5, 260, 300)).transpose(0, 2, 1)
    for ends in (np.array([-7, 1, 6, 2**40, 9]), np.array([0, 1, 6, 150, 150], np.int32)):
        out, want = np.zeros((150, 260), numpy_dtype(output)), np.zeros((150, 260), numpy_dtype(output))
        turned, turned_want = np.zeros((5, 9, 260), out.dtype), np.zeros((5, 9, 260), out.dtype)
        kernel = cpu.GroupedMatmul(isa, dtype, output)
        for x, y, z, contracted in ((a, b, out, False), (a[:, :9].T, a[:, 40:], turned, True)):
            pointers = [v.ctypes.data for v in (x, y, ends)]
            *_, m, n = z.shape
            kernel.run(
                pointers, [z.ctypes.data], 5, m, n, x.shape[1], contracted, three(x), three(y), three(z),
                ends.dtype.name, threads,
            )  # fmt: skip
        for g, (start, end) in enumerate(pairwise(edges)):
            if end > start:
                run_matmul(cpu, isa, a[start:end], b[g], want[start:end])
            run_matmul(cpu, isa, a[start:end, :9].T, a[start:end, 40:], turned_want[g])
        assert same(out, want) and same(turned, turned_want) and out[149].any()


def test_bad_arguments(cpu, isa):
    kernel = cpu.GroupedMatmul(isa, "float32", "float32")
    a, b, out = np.zeros((2, 3), np.float32), np.zeros((1, 3, 4), np.float32), np.zeros((2, 4), np.float32)
    ends = np.array([2])

    def run(groups, m, ends_dtype, of_a=(0, 3, 1)):
        pointers = [x.ctypes.data for x in (a, b, ends)]
        kernel.run(pointers, [out.ctypes.data], groups, m, 4, 3, False, of_a, three(b), three(out), ends_dtype, 1)

    run(1, 2, "int64")
    for given in ((-1, 2, "int64"), (1, -2, "int64"), (1, 2, "float32"), (1, 2, "int64", (3, 1)), (1, 2**62, "int64")):
        with pytest.raises(ValueError, match=r"negative|int32 or int64|strides|too large|a: "):
            run(*given)
