"""int8 products on sm_90: operands whose neighbours are not along k are copied first."""

from __future__ import annotations

import numpy as np
import pytest
from triton_cases import TARGETS, Recorder

import accel
from accel.dtypes import TABLE
from accel.kernels.triton import matmul, matmul_turned
from accel.layout import layout
from accel.ops.primitive.matmul import Product
from accel.registry import OPS
from accel.testing.compare import check

RNG = np.random.default_rng(41)


def launches(architecture, a, b, m=2048, n=2048, k=512, dtype="int8", batch=()):
    """The names of the kernels of a product; a, b: strides of the last two axes, None: rows."""
    device = Recorder(architecture)

    def made(shape, strides):
        return layout(
            TABLE[dtype], (*batch, *shape), None if strides is None else (*(0,) * len(batch), *strides), device
        )

    out = layout(TABLE["int32" if dtype == "int8" else dtype], (*batch, m, n), None, device)
    call = device.call("matmul", (made((m, k), a), made((k, n), b)), (out,), Product(None))
    prepared = matmul._prepared(call, matmul._default(call))
    return [launch.code.name for launch in prepared.launches], prepared


ROWS, A_ALONG_M, B_ALONG_K = None, (1, 2048), (1, 512)


def test_what_is_copied():
    for a, b, names in (
        (ROWS, B_ALONG_K, ["dot"]),
        (ROWS, ROWS, ["pointwise", "dot"]),
        (A_ALONG_M, B_ALONG_K, ["pointwise", "dot"]),
        (A_ALONG_M, ROWS, ["pointwise", "pointwise", "dot"]),
    ):
        found, prepared = launches("sm_90", a, b)
        assert found == names
        assert sum(prepared.scratch) == (len(names) - 1) * 2048 * 512
    for given in ({"m": 512}, {"dtype": "float16"}, {"batch": (2,)}, {"k": 1}):
        assert launches("sm_90", ROWS, ROWS, **given)[0][0] != "pointwise", given
    for architecture in set(TARGETS) - {"sm_90"}:
        assert "pointwise" not in launches(architecture, ROWS, ROWS)[0]
    _, prepared = launches("sm_90", ROWS, ROWS, k=500)
    assert prepared.scratch == (2047 * 512 + 500,)  # columns begin at multiples of 16 bytes


def test_operands_along_k_go_to_the_matrix_units_as_they_are():
    """The main loop of copies has half the instructions of that of what lies in rows."""
    from machine_code import figures

    device = Recorder("sm_90")
    loops = []
    for strides in (B_ALONG_K, ROWS):
        shapes = ((2048, 512), (512, 2048))
        a, b = (layout(TABLE["int8"], s, t, device) for s, t in zip(shapes, (ROWS, strides), strict=True))
        out = layout(TABLE["int32"], (2048, 2048), None, device)
        matmul.multiply(call := device.call("matmul", (a, b), (out,), Product(None)), matmul._computed(call))
        loops.append(figures(device.prepared[-1].compile(TARGETS["sm_90"], True), "sm_90").loop)
    assert loops[0] < 0.6 * loops[1]


@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("b_turned", [False, True])
@pytest.mark.parametrize("dtype", ["int32", None])
@pytest.mark.parametrize("name", ["triton:emulated-sm_90", pytest.param("triton:0", marks=pytest.mark.gpu)])
def test_the_product_is_the_same(name, a_turned, b_turned, dtype, monkeypatch):
    """Of operands of which copies would pay on a GPU that is 100 times as small."""
    device = accel.device(name)
    monkeypatch.setattr(matmul_turned, "TIMES", 10)
    asked = []
    monkeypatch.setattr(
        matmul_turned,
        "after_copies",
        lambda *given, real=matmul_turned.after_copies: asked.append(given) or real(*given),
    )
    a, b = RNG.integers(-128, 128, (70, 45)).astype(np.int8), RNG.integers(-128, 128, (45, 51)).astype(np.int8)
    a = np.ascontiguousarray(a.T).T if a_turned else a
    b = np.ascontiguousarray(b.T).T if b_turned else b
    keywords = {} if dtype is None else {"dtype": accel.int32}
    check(OPS["matmul"], device, (a, b), keywords)
    assert len(asked) == (0 if device.architecture != "sm_90" or (b_turned and not a_turned) else 1)
