"""Dispatch on the null backend, where launches are recorded and nothing is computed; and what the resolver falls back
to."""

from __future__ import annotations

import contextlib
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import accel
from accel import _core, dispatch, interop, recording, registry
from accel.backends.base import Kernel
from accel.dtypes import FLOAT16, FLOAT32
from accel.ops.primitive.matmul import Product
from accel.ops.primitive.reduce import Reduction


def array(device, shape, dtype="float32"):
    return accel.empty(shape, dtype=dtype, device=device)


def test_pointwise_call(null):
    result = array(null, (3, 1)) + array(null, (4,), "int16")
    (call,) = null.launches
    assert (result.shape, result.dtype, result.device) == ((3, 4), accel.float32, null)
    assert call.op == "pointwise"
    assert call.params.inputs == ("float32", "int16")
    assert [x.shape for x in call.inputs] == [(3, 1), (4,)]
    assert call.outputs[0].strides == (4, 1)


def test_reduce_call(null):
    result = accel.sum(array(null, (2, 3, 4), "float16"), axis=(0, -1), keepdims=True)
    (call,) = null.launches
    assert call.params == Reduction("sum", (0, 2))
    assert (call.outputs[0].shape, call.outputs[0].dtype) == ((3,), FLOAT16)
    assert result.shape == (1, 3, 1)


def test_matmul_call(null):
    result = accel.matmul(array(null, (5, 1, 2, 3)).mT, array(null, (4, 2, 7)))
    (call,) = null.launches
    assert call.params == Product(None)
    a, b = call.inputs
    assert (a.shape, b.shape) == ((5, 4, 3, 2), (5, 4, 2, 7))
    assert a.strides == (6, 0, 1, 3), "a transposed operand and a stretched batch are views"
    assert b.strides == (0, 14, 7, 1)
    assert result.shape == (5, 4, 3, 7)


def test_linear_is_one_call_with_an_epilogue(null):
    x, weight, bias = array(null, (2, 5, 3), "float16"), array(null, (4, 3), "float16"), array(null, (4,), "float16")
    result = accel.nn.linear(x, weight, bias, activation="gelu")
    (call,) = null.launches
    assert [step.function for step in call.params.epilogue.steps] == ["cast", "add", "gelu", "cast"]
    assert call.inputs[0].shape == (10, 3), "leading axes that are one run of memory become rows"
    assert call.inputs[2].strides == (0, 1)
    assert (result.shape, result.dtype) == ((2, 5, 4), FLOAT16)


def test_linear_takes_its_operands_as_they_are(null):
    """Its plan is the kernel's, with no view and no second call on the way."""
    x, weight, bias = array(null, (2, 5, 3)), array(null, (4, 3)), array(null, (4,))
    for _ in range(2):
        assert accel.nn.linear(x, weight, bias).shape == (2, 5, 4)
    (plan,) = dispatch._plans.values()
    assert isinstance(plan, _core.Plan)
    first, second = null.launches
    assert first is second
    assert [(y.shape, y.strides) for y in first.inputs] == [((10, 3), (3, 1)), ((3, 4), (1, 3)), ((10, 4), (0, 1))]
    assert (first.outputs[0].shape, first.outputs[0].strides) == ((10, 4), (4, 1))


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [((3,), (3,), ()), ((3,), (3, 4), (4,)), ((2, 3), (3,), (2,)), ((5, 2, 3), (3, 4), (5, 2, 4)),
     ((3,), (5, 3, 4), (5, 4))],
)  # fmt: skip
def test_vectors_and_batches_take_the_short_way_too(null, a, b, result):
    for _ in range(2):
        assert accel.matmul(array(null, a), array(null, b)).shape == result
    (plan,) = dispatch._plans.values()
    assert isinstance(plan, _core.Plan)
    first, second = null.launches
    assert first is second


SHAPES = {
    "1-D": lambda x: x[0, 0],
    "1-D strided": lambda x: x[0, 0, ::-1],
    "2-D": lambda x: x[0],
    "2-D strided": lambda x: x[0, ::2],
    "2-D transposed": lambda x: x[0, :3].mT,
    "3-D": lambda x: x,
    "3-D strided": lambda x: x[:, ::2],
    "empty": lambda x: x[:, :0],
}


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float16", "float32"), ("int8", "int16")])
@pytest.mark.parametrize("way", ["native", "override", "decomposition", "recorded"])
@pytest.mark.parametrize("name", SHAPES)
def test_linear_of_any_layout_and_any_way(name, way, dtypes, monkeypatch):
    device = "cpu"
    if way == "override":  # from a device of another backend
        device = next((str(d) for d in accel.devices() if d.backend == "opencl"), None)
        if device is None:
            pytest.skip("needs an OpenCL device, such as the CPU with pip's intel-opencl-rt")
    values = np.arange(-30, 30).reshape(2, 10, 3)
    x = SHAPES[name](accel.asarray(values.astype(dtypes[0]), device=device))
    weight = accel.asarray(np.arange(12).reshape(4, 3).astype(dtypes[1])[::-1], device=device)
    bias = accel.asarray(np.arange(4).astype(dtypes[1]), device=device)
    expected = np.asarray(x).astype(np.int64) @ np.asarray(weight).astype(np.int64).T + np.arange(4)
    dispatch.forget()
    if way == "decomposition":
        kernels = [k for k in registry.kernels("cpu") if k.op != "matmul"]
        own = [replace(k, supports=lambda call: "an epilogue" if call.params.epilogue else None)
               for k in registry.kernels("cpu") if k.op == "matmul"]  # fmt: skip
        monkeypatch.setattr(registry, "kernels", lambda backend: [*kernels, *own])
    with contextlib.ExitStack() as stack:
        if way == "override":
            stack.enter_context(accel.config(override="linear=cpu"))
        recorder = stack.enter_context(recording.recording(run=True)) if way == "recorded" else None
        got = accel.nn.linear(x, weight, bias)
    dispatch.forget()
    assert (got.shape, str(got.device)) == (expected.shape, device)
    np.testing.assert_array_equal(np.asarray(got).astype(np.int64), expected.astype(got.dtype.numpy))
    if recorder is not None and got.size:
        what, found = recorder.calls[0]
        assert what.startswith("linear(") and recorder.served_by() >= {recording.COMPILED, "cpu.matmul"}
        (compiled,) = (candidate for candidate in found if candidate.what == recording.COMPILED)
        assert compiled.kernels[-1] == "cpu.matmul", "after casts, where there are any"


def test_softmax_composes(null):
    x = array(null, (2, 6), "bfloat16")
    accel.nn.softmax(x)
    assert [call.op for call in null.launches] == ["row"]
    null.launches.clear()
    with accel.config(fusion="off"):
        accel.nn.softmax(x)
    widened, *between, rounded = null.launches
    assert [call.op for call in between] == ["reduce", "pointwise", "pointwise", "reduce", "pointwise"]
    assert {call.outputs[0].dtype for call in (widened, *between)} == {FLOAT32}, "all but the last stay in float32"
    assert rounded.op == "pointwise" and rounded.outputs[0].dtype is x.dtype


def test_a_plan_is_made_once(null, monkeypatch):
    made = []
    original = dispatch._make
    monkeypatch.setattr(dispatch, "_make", lambda *a: made.append(1) or original(*a))
    for _ in range(5):
        array(null, (3,)) + array(null, (3,))
    assert len(made) == 1
    array(null, (4,)) + array(null, (4,))
    assert len(made) == 2
    with accel.config(numerics="fast"):
        array(null, (3,)) + array(null, (3,))
    assert len(made) == 3
    array(null, (3,)) + array(null, (3,))
    assert len(made) == 3
    assert len(null.launches) == 8


def test_incomplete_arrays_and_wrong_calls_raise():
    x = accel.ones((3,), device="cpu")
    assert np.asarray(x + x + x).tolist() == [3, 3, 3]
    hollow = x[:]
    del hollow.buffer
    with pytest.raises(TypeError, match="host memory"):
        x + hollow
    del hollow.layout
    with pytest.raises(AttributeError):
        x + hollow
    for arguments in ((), (1,), (1, (), None, None, None)):
        with pytest.raises(TypeError):
            dispatch.call(*arguments)
    with pytest.raises(TypeError, match="operands"):
        interop.enter(registry.OPS["add"], [x, x])


@pytest.mark.parametrize("order", ["C", "F", "reversed", "read-only", "other byte order", "0-d", "empty"])
def test_numpy_arrays_come_in_and_go_out(order):
    """The short way for plain arrays and the long one for the rest, twice: with and without a plan."""
    x = np.arange(6.0).reshape(2, 3)
    x = {
        "C": x, "F": np.asfortranarray(x), "reversed": x[::-1], "read-only": np.broadcast_to(x, (2, 3)),
        "other byte order": x.astype(">f8"), "0-d": np.array(2.0), "empty": np.empty((0, 3)),
    }[order]  # fmt: skip
    for _ in range(2):
        result = accel.multiply(x, x)
        assert type(result) is np.ndarray
        assert result.flags.writeable
        assert not np.shares_memory(result, x)
        np.testing.assert_array_equal(result, x * x)
        assert result.dtype == np.float64


def test_nothing_is_launched_for_nothing(null):
    assert (array(null, (0, 3)) + 1.0).shape == (0, 3)
    assert accel.matmul(array(null, (0, 2)), array(null, (2, 3))).shape == (0, 3)
    assert null.launches == []


def test_setitem_writes_through_a_view(null):
    x = array(null, (4, 6), "int32")
    x[1:3, ::2] = array(null, (3,))
    (call,) = null.launches
    assert call.outputs[0].strides == (6, 2)
    assert call.outputs[0].shape == (2, 3)


def test_two_devices_raise(null):
    with pytest.raises(accel.DeviceError, match=r"null:0 and cpu|cpu and null:0"):
        accel.matmul(array(null, (2, 2)), accel.ones((2, 2), device="cpu"))


class TestFallback:
    """A primitive that the device has no kernel for."""

    @pytest.fixture
    def bare(self, null, monkeypatch):
        """The null backend without reduce, and with a matmul that refuses."""
        rows = []
        for kernel in registry.kernels("null"):
            if kernel.op == "matmul":
                rows.append(Kernel("matmul", "null.picky", "x", lambda call: "only on Sundays", kernel.prepare))
            elif kernel.op != "reduce":
                rows.append(kernel)
        monkeypatch.setattr(registry, "kernels", lambda name: tuple(rows) if name == "null" else KERNELS(name))
        return null

    def test_warns_once_per_op_and_reason(self, bare):
        x = array(bare, (4, 4))
        with pytest.warns(accel.FallbackWarning, match=r"sum on null:0: null has no kernel for reduce.*ACCEL_FALLBACK"):
            result = accel.sum(x)
        assert result.device is bare
        with pytest.warns(accel.FallbackWarning, match=r"matmul on null:0: null.picky: only on Sundays"):
            accel.matmul(x, x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            accel.sum(x)
            accel.sum(array(bare, (5,)))

    def test_allow_is_silent(self, bare):
        with warnings.catch_warnings(), accel.config(fallback="allow"):
            warnings.simplefilter("error")
            assert accel.sum(array(bare, (4,))).shape == ()

    def test_error_raises_with_the_reason(self, bare):
        with accel.config(fallback="error"), pytest.raises(accel.UnsupportedError, match="only on Sundays"):
            accel.matmul(array(bare, (2, 2)), array(bare, (2, 2)))

    def test_explain_lists_every_candidate(self, bare):
        text = str(accel.explain("matmul", array(bare, (2, 2)), array(bare, (2, 2))))
        assert "no   null.picky (x): only on Sundays" in text
        assert "no   decomposition into other ops: matmul is a primitive" in text
        assert "runs fallback to cpu" in text


KERNELS = registry.kernels


def test_override_moves_an_op(null):
    with accel.config(override="sum=cpu"):
        x = array(null, (4,))
        total = accel.sum(x + x)
    assert [call.op for call in null.launches] == ["pointwise"]
    assert total.device is null


def test_verbose_goes_through_the_same_path(null, capsys):
    with accel.config(verbose="dispatch"):
        array(null, (2, 3)) + 1.0
    assert capsys.readouterr().err == "accel: add(float32[2, 3], float32[]) on null:0: null.pointwise\n"
    with accel.config(verbose="dispatch,profile"):
        array(null, (2, 3)) + 1.0
    line = capsys.readouterr().err
    assert line.startswith("accel: add(float32[2, 3], float32[]) on null:0: null.pointwise: ")
    assert line.endswith(" us\n")


class Broken:
    """A stream whose other end is gone."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    flush = close = lambda self: None


@pytest.mark.parametrize("stream", ["absent", "closed", "broken"])
def test_verbose_lines_go_nowhere_where_stderr_is_closed(monkeypatch, capsys, tmp_path, stream):
    x = accel.asarray([1.0, 2.0], device="cpu")
    with accel.config(verbose="dispatch,profile"):
        accel.exp(x)
        assert "exp(float32[2]) on cpu" in capsys.readouterr().err, "the control: a line is said"
        with open(tmp_path / "stderr", "w", encoding="utf-8") as closed:
            pass
        monkeypatch.setattr(sys, "stderr", {"absent": None, "closed": closed, "broken": Broken()}[stream])
        assert accel.exp(x).shape == (2,)
    assert capsys.readouterr().out == ""


def test_explain_computes_nothing(null):
    explained = accel.explain("softmax", array(null, (1 << 20, 1 << 20)))
    assert null.launches == []
    assert explained.runs == recording.COMPILED
    assert [what.partition("(")[0] for what, _ in explained.calls] == ["softmax"]
    with accel.config(fusion="off"):
        explained = accel.explain("softmax", array(null, (1 << 20, 1 << 20)))
    assert null.launches == []
    assert explained.runs == recording.DECOMPOSITION
    made = [what.partition("(")[0] for what, _ in explained.calls]
    assert made == ["softmax", "max", "stopped", "subtract", "exp", "sum", "divide"]
    with pytest.raises(accel.ArgumentError, match="unknown op 'softmux'"):
        accel.explain("softmux", np.ones(3))
    with pytest.raises(accel.ShapeError):
        accel.explain("matmul", np.ones((2, 3)), np.ones((2, 3)))


def test_results_of_the_default_device_come_back_as_numpy(null):
    with accel.config(device="null:0"):
        result = accel.add(np.ones(3, np.float32), 1)
    assert type(result) is np.ndarray
    assert len(null.launches) == 1


def test_numpy_arrays_of_many_layouts():
    """More layouts than the door remembers, met again in another order."""
    rng = np.random.default_rng(0)
    shapes = [tuple(rng.integers(0, 4, rng.integers(0, 6))) for _ in range(60)]
    for order in (1, -1, 1):
        for i, shape in enumerate(shapes[::order]):
            x = rng.integers(0, 9, shape).astype(("f4", "f8", "i4", "u1")[i % 4])
            result = accel.add(x, x)
            assert (result.shape, result.dtype) == (x.shape, x.dtype)
            np.testing.assert_array_equal(result, x + x)
