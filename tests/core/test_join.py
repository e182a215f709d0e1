"""The primitive join: launches, kernels that serve many shapes, and any number and kind of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import dispatch, registry
from accel.backends.base import Call
from accel.backends.copies import of_copies
from accel.config import config
from accel.dtypes import TABLE
from accel.kernels.cpu import pointwise as cpu_pointwise
from accel.layout import layout
from accel.ops.parameters import Join
from accel.ops.primitive.join import evaluate, join
from accel.plan import single
from accel.testing.compare import place
from accel.testing.draw import Draw
from accel.testing.join_family import along, cut


@pytest.fixture(params=["cpu", "opencl:pocl", "opencl:intel", "triton:interpreter", "triton:emulated-sm_90"])
def device(request: pytest.FixtureRequest) -> Any:
    try:
        return accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(str(error))


def prepared(device: Any, axis: int, *shapes: tuple[int, ...]) -> Any:
    parts = [np.empty(shape, np.float32) for shape in shapes]
    params, *_ = along(parts, axis).operands
    inputs = tuple(layout(TABLE["float32"], shape, None, device) for shape in shapes)
    call = Call(
        "join", inputs, (layout(TABLE["float32"], params.shape, None, device),), params, device, config.current()
    )
    (kernel,) = (k for k in registry.kernels(device.backend) if k.op == "join")
    return kernel.prepare(call).launches


def test_one_launch_and_more_where_arguments_run_out(device: Any) -> None:
    for shapes in ([(5,), (7,)], [(1 << 20,)] * 12, [(3,)] * 16):
        assert len(prepared(device, 0, *shapes)) == 1
    assert len(prepared(device, 1, *[(40, 3)] * 8)) == 1
    counts = {"cpu": 3, "opencl": 19, "triton": 19}
    assert len(prepared(device, 0, *[(3,)] * 300)) == counts[device.backend]


def test_one_kernel_serves_all_lengths_of_a_kind(device: Any) -> None:
    if device.backend == "cpu":
        pytest.skip("its kernels are compiled already")
    rng = np.random.default_rng(0)
    codes = set()
    for _ in range(40):
        n, k = rng.integers(2, 300, 2)
        (launch,) = prepared(device, 0, (int(n),), (int(k),))
        codes.add(launch.code.key() if device.backend == "triton" else launch.code.program)
    assert len(codes) <= 2  # and for Triton one where all are multiples of 16
    (other,) = prepared(device, 1, (20, 3), (20, 5))
    assert (other.code.key() if device.backend == "triton" else other.code.program) not in codes


@pytest.mark.parametrize("geometry", ["lanes", "loops"])
def test_boxes_cut_anyhow(device: Any, geometry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if device.backend == "opencl":
        monkeypatch.setattr(device, "geometry", geometry)
    elif geometry == "loops":
        pytest.skip("only OpenCL has two geometries")
    dispatch.forget()  # the other geometry's plans
    rng = np.random.default_rng(5)
    for trial in range(6):
        whole = ((40, 30), (4, 9, 11), (3, 5, 2, 7))[trial % 3]
        boxes = [(s, n) for s, n in cut(Draw.seeded(5, trial), whole) if 0 not in n]
        parts = []
        for i, (_, shape) in enumerate(boxes):
            x = rng.integers(0, 1 << 30, shape[::-1]).astype(np.int32).T
            parts.append((x, np.flip(x), np.broadcast_to(x[:1], shape), x.copy())[i % 4])
        params = Join(whole, tuple(s for s, _ in boxes))
        got = join(params, *(place(x, device) for x in parts))
        assert np.array_equal(np.asarray(got.to_device("cpu")), evaluate(params, *parts))


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_share_large_and_many_parts(threads: int) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 1 << 30, n).astype(np.int32) for n in (600_000, 3, 0, 90_000, 70_000, *[9_000] * 90)]
    with accel.config(num_threads=threads):
        got = accel.concat(parts)
    assert np.array_equal(got, np.concatenate(parts))
    squares = [rng.integers(0, 99, (700, 500)).astype(np.int16) for _ in range(2)]
    with accel.config(num_threads=threads):
        assert np.array_equal(
            accel.concat([squares[0], squares[1][::-1]], axis=1), np.hstack([squares[0], squares[1][::-1]])
        )
        assert np.array_equal(accel.stack([x.T for x in squares], axis=-1), np.stack([x.T for x in squares], axis=-1))


def test_what_does_not_fill_the_output_is_refused() -> None:
    for starts in (((0,), (2,)), ((0,), (3,)), ((-1,), (1,)), ((0, 0), (2,)), ((0,),)):
        with pytest.raises(accel.ShapeError, match="do not fill"):
            join(Join((4,), starts), np.ones(2), np.ones(1 if starts == ((0,), (2,)) else 2))


def test_the_kernel_of_a_backend_that_has_copies_only() -> None:
    kernel = of_copies("copies.join", cpu_pointwise.KERNELS)
    device = accel.device("cpu")
    rng = np.random.default_rng(1)
    x = rng.integers(0, 99, (6, 4)).astype(np.int16)
    parts = [place(part, device) for part in (x, x[::-1], x[:0], x[:2])]
    params, *_ = along([x, x[::-1], x[:0], x[:2]], 0).operands
    out = layout(TABLE["int16"], params.shape, None, device)
    call = Call("join", tuple(p.layout for p in parts), (out,), params, device, config.current())
    assert kernel.supports(call) is None
    made = single(device, [out], kernel.prepare(call), len(parts), None)
    assert np.array_equal(np.asarray(made(parts, None)), np.concatenate([x, x[::-1], x[:2]]))
