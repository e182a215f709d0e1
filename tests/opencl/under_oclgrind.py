"""Runs representative kernels on Oclgrind's simulator, which checks every access and every pair of accesses. Started by
test_oclgrind.py in a process of its own: ``python under_oclgrind.py loops|lanes|control``."""

import sys
from pathlib import Path

import numpy as np
import pyopencl as cl
import pytest

import accel
from accel import registry
from accel.backends import opencl_device
from accel.dtypes import TABLE
from accel.kernels.opencl import attention, matmul_tiles, scan, sort
from accel.ops import canonical
from accel.ops.primitive.row import Rows, evaluate
from accel.ops.primitive.row import rows as run_rows
from accel.scalar import Fold, Input, RowProgram, Step
from accel.testing.compare import check

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from attention_chunks import chunked

BROKEN = """
__kernel void past_the_end(__global float *x) { x[get_global_id(0) + 1] = 1.0f; }
__kernel void race(__global float *x) {
  __local float shared[8];
  shared[get_local_id(0)] = x[get_local_id(0)];
  x[get_local_id(0)] = shared[get_local_id(0) ^ 1];
}
"""


def control(device: accel.Device) -> None:
    """A kernel that writes past its buffer and one that lacks a barrier, so that the test knows both would be seen."""
    for function in ("past_the_end", "race"):
        kernel = device.kernel("broken.cl", BROKEN, function)
        buffer = device.allocate(32)
        device.copy_in(buffer, 0, np.zeros(32, np.uint8))
        kernel.set_arg(0, buffer)
        cl.enqueue_nd_range_kernel(device.queue, kernel, (8,), (8,))
        device.synchronize()


def spread(device: accel.Device, x: np.ndarray, reduced: int) -> None:
    """Elements less their maximum, times the sum of that: two folds in sequence, elements that are needed again."""
    steps = (
        Fold("max", 0),
        Step("subtract", "float32", (0, 1)),
        Fold("sum", 2),
        Step("multiply", "float32", (2, 3)),
    )
    program = Rows(RowProgram((Input("float32", True),), steps, (4,)), reduced)
    got = np.asarray(run_rows(program, accel.asarray(x, device=device)))
    assert (got == evaluate(program, x)).all()


def kernels(device: accel.Device) -> None:
    """Strided pointwise, reductions over blocks and columns, and products around no tile's edge, each against its
    answer."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def on(x: np.ndarray) -> accel.Array:
        return accel.asarray(x, device=device)

    x = numbers(6, 9, 7)
    got = on(x)[::2, ::-1].mT + on(x[0, 0, 0])
    assert (np.asarray(got) == x[::2, ::-1].transpose(0, 2, 1) + x[0, 0, 0]).all()
    y = on(x)
    y[1:, ::2] = on(x)[:-1, ::2]
    rows, columns = numbers(2, 4171), numbers(70, 21)
    for op, operand, axis in (
        ("sum", rows, 1),
        ("sum", columns, 0),
        ("argmax", columns, 0),
        ("sum", x, (0, 2)),
        ("argmin", rows, 1),
    ):
        got = np.asarray(getattr(accel, op)(on(operand), axis=axis))
        assert (got == registry.OPS[op].canonical(operand, axis=axis)).all()
    for operand, reduced in (
        (rows, 1),
        (columns[:3].T, 1),
        (columns, 1),
        (rows[:, :300], 1),
        (x[:, ::-2], 2),
        (numbers(5, 4100), 1),
    ):
        spread(device, operand, reduced)
    far = np.array([[0, -1, 4170, 4171, -4171, -4172, 2**62, -(2**63)]])
    got = np.asarray(accel.fuse(lambda x, i: accel.take_along_axis(x[:, ::-1], i))(on(rows), on(far)))
    good = (far >= -4171) & (far < 4171)
    assert (got == np.where(good, rows[:, ::-1][:, np.where(good, far, 0)[0]], 0)).all()
    assert (np.asarray(on(x)[[5, -6], :, [[0], [6]]]) == x[[5, -6], :, [[0], [6]]]).all()
    for operand in (rows, columns, x[:, ::2, ::-1]):  # several runs of a row, with a launch that merges them
        for op in ("sort", "argsort"):
            assert (np.asarray(getattr(accel, op)(on(operand))) == getattr(np, op)(operand, kind="stable")).all()
        got = np.asarray(accel.cumulative_sum(on(operand), axis=-1, include_initial=True))
        want = registry.OPS["cumulative_sum"].canonical(operand, axis=-1, include_initial=True)
        assert (got == want).all()
    vector, values = np.sort(rows[0])[::2], columns[:, ::-3]
    assert (
        np.asarray(accel.searchsorted(on(vector), on(values), side="right")) == vector.searchsorted(values, "right")
    ).all()
    assert (np.asarray(on(rows[0])[on(rows[0]) > 0.5]) == rows[0][rows[0] > 0.5]).all()
    y, rows_at = on(x), np.array([5, 0, -6, 5, 2, 0])
    y[on(rows_at), ::2] = on(x[::-1, ::2])
    want = x.copy()
    want[rows_at, ::2] = x[::-1, ::2]
    assert (np.asarray(y) == want).all()
    many = np.arange(4171) % 3 - 1
    for place in (many, many * 0):  # one sum of more than a block
        got = np.asarray(accel.index_add(on(rows[:, :3]), 1, on(place), on(rows)))
        assert (got == registry.OPS["index_add"].canonical(rows[:, :3], 1, place, rows)).all()
    wide, cells = x.reshape(-1, 54)[:, ::-1], np.array([1, 0, 1, -1, 0, 1, 1])  # vectors of a row, and a rest
    for values in (wide, wide[:, ::-1]):
        got = np.asarray(accel.index_add(on(wide[:3]), 0, on(cells), on(values)))
        assert (got == registry.OPS["index_add"].canonical(wide[:3], 0, cells, values)).all()
    got = np.asarray(accel.nn.segment_max(on(wide), on(cells % 3), 3))
    assert (got == [wide[cells % 3 == c].max(0) for c in range(3)]).all()
    table, bags = on(x.reshape(54, 7)), on(np.array([[0, 53, 54], [-1, -54, -55], [2**62, 7, -(2**63)]]))
    for mode in ("sum", "max"):  # rows at positions, of which some are out of range
        taken = accel.fuse(lambda t, i, mode=mode: accel.nn.embedding_bag(i, t, mode=mode))
        assert np.isfinite(np.asarray(taken(table, bags))).all()
    drop = accel.fuse(lambda x, i, v: accel.put_along_axis(x, i, v))
    got = np.asarray(drop(on(rows), on(np.repeat(far, 2, 0)), on(rows[:, :8])))
    want = rows.copy()
    np.put_along_axis(want, np.repeat(far[good][None], 2, 0), rows[:, :8][:, good[0]], 1)
    assert (got == want).all()
    for axis, parts in (
        (0, [x, x[::-1], x[:1]] * 7),
        (2, [x, x[:, ::-1]]),
        (1, [x.transpose(0, 2, 1)[:, :, ::-1]] * 3),
    ):
        assert (np.asarray(accel.concat([on(part) for part in parts], axis=axis)) == np.concatenate(parts, axis)).all()
    assert (np.asarray(accel.pad(on(x), 2, "reflect")) == np.pad(x, 2, "reflect")).all()
    for m, n, k in ((5, 7, 270), (33, 35, 17), (11, 37, 270)):  # the last one in stripes
        a, b = numbers(m, k), numbers(n, k)
        assert (np.asarray(on(a) @ on(b).mT) == canonical.matmul(a, b.T)).all()
        assert (np.asarray(on(a) @ on(b.T.copy())) == canonical.matmul(a, b.T)).all()
    x, w = numbers(40, 20), numbers(3, 20, 7)
    for ends in ((7, 7, 40), (-5, 90, 3), (2**40, 41, -1)):  # in the last two some ends are none
        got = np.asarray(accel.nn.grouped_matmul(on(x), on(w), offs=on(np.array(ends))))
        assert ends[0] != 7 or (got[:7] == canonical.matmul(x[:7], w[0])).all()
        accel.nn.grouped_matmul(on(x).T, on(x[:, :9]), offs=on(np.array(ends)))
        halves = on(x.astype(np.float16)), on(w.mT.astype(np.float16)).mT
        accel.nn.grouped_matmul(*halves, offs=on(np.array(ends)))
    bias = numbers(7)
    got = accel.nn.linear(on(numbers(3, 20)), on(numbers(7, 20)), on(bias), activation="relu")
    assert got.shape == (3, 7)


def models(device: accel.Device) -> None:
    """Attention, convolutions and products with quantised weights, as the kit has them at the edges of the contract:
    what is small enough for a simulator."""
    for name, most in (
        ("attention", 2600),
        ("convolution", 1000),
        ("quantized_matmul", 5000),
        ("grouped_matmul", 3000),
    ):
        spec, run = registry.OPS[name], 0
        for edge in spec.samples(TABLE["float32"]).edges:
            if edge.size <= most:
                sample = edge.make()
                check(spec, device, sample.operands, sample.keywords)
                run += 1
        assert run >= 3, f"{run} examples of {name}"
    rng = np.random.default_rng(1)
    q, k, v = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((1, 2, 10, 20), (1, 1, 70, 20), (1, 1, 70, 9))
    )
    check(
        registry.OPS["scaled_dot_product_attention"], device, (q, k, v),
        {"is_causal": True, "enable_gqa": True, "sinks": q[0, :, 0, 0].copy(), "alibi_slopes": q[0, :, 1, 0].copy()},
    )  # fmt: skip
    attention.FULL["loops"] = attention.FULL["lanes"]
    for case in ("unseen", "operands", "pages"):
        chunked(device, case, attention, pytest.MonkeyPatch())
    x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 20, 9, 7), (6, 20, 3, 3), 6))
    keywords = {"stride": 2, "padding": 1, "dilation": (1, 2), "activation": "silu"}
    check(registry.OPS["conv2d"], device, (x, weight, bias), keywords)
    last = np.moveaxis(x, 1, 3)[:, ::-1]
    keywords = {"groups": 2, "padding": "same", "data_format": "NHWC"}
    check(registry.OPS["conv2d"], device, (last, weight[:, :10], bias), keywords)


if __name__ == "__main__":
    mode = sys.argv[1]
    opencl_device.POOLED = 0  # every buffer of its exact size: the pool rounds sizes up
    started = registry.backend("opencl")
    context = started.devices()[0].context
    simulated = started.adopt(cl.CommandQueue(context))
    assert "Oclgrind" in simulated.description, simulated.description
    simulated.geometry = "loops" if mode == "loops" else "lanes"
    sort.parts_of = lambda rows, n, units: (-(-n // 4096), 4096) if n > 4096 else (1, n)
    scan.ALONE = 1 << 10
    matmul_tiles.SMALL = 1 << 14
    matmul_tiles.STRIPE_VECTOR = 16
    if mode == "control":
        control(simulated)
    else:
        with accel.config(check="off"):  # indices out of range are to reach the kernels
            kernels(simulated)
            models(simulated)
    print("done", mode)
