"""Like in, like out, and nothing moves silently: which kind a result has, and where an operand may lie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import accel
from accel.array import Array

torch = pytest.importorskip("torch", reason="torch is not installed")

NULL = accel.device("null:0")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


MAKE = {
    "array": lambda: accel.ones((2, 3)),
    "torch": lambda: torch.ones(2, 3),
    "numpy": lambda: np.ones((2, 3), np.float32),
    "numpy scalar": lambda: np.float32(1),
    "scalar": lambda: 1.0,
}
RANK = ("array", "torch", "numpy")
KIND = {"array": Array, "torch": torch.Tensor, "numpy": np.ndarray}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(MAKE, MAKE)))
def test_the_kind_of_a_result(first, second):
    kinds = {name.removesuffix(" scalar") if name != "scalar" else name for name in (first, second)}
    if kinds == {"scalar"}:
        with pytest.raises(accel.ArgumentError, match="at least one array among x1, x2, got Python scalars only"):
            accel.add(MAKE[first](), MAKE[second]())
        return
    want = KIND[next(name for name in RANK if name in kinds)]
    out = accel.add(MAKE[first](), MAKE[second]())
    assert type(out) is want
    assert np.asarray(out).tolist() in ([[2, 2, 2]] * 2, 2)


@pytest.mark.parametrize("third", MAKE)
def test_three_operands(third):
    for condition in (
        np.array([True, False, True]),
        torch.tensor([True, False, True]),
        accel.asarray([True, False, True]),
    ):
        out = accel.where(condition, MAKE[third](), 0.0)
        assert np.asarray(out).reshape(-1, 3)[-1].tolist() == [1, 0, 1]
        kinds = [Array, torch.Tensor, np.ndarray]
        have = [type(condition), type(out)]
        assert kinds.index(type(out)) <= kinds.index(type(condition)), have


@pytest.mark.parametrize("value", [[1.0], (1.0,), "1", None, object(), {1: 2}, b"1", np.ndarray, slice(1)])
@pytest.mark.parametrize("at", [0, 1])
def test_what_is_no_array(value, at):
    operands = [accel.ones(2), value] if at else [value, np.ones(2, np.float32)]
    with pytest.raises(accel.ArgumentError, match=rf"add: x{at + 1}: expected an accel.Array, .* got .*accel.asarray"):
        accel.add(*operands)


def test_host_arrays_beside_the_cpu_are_wrapped():
    x = accel.ones(3, device="cpu")
    for other in (np.ones(3, np.float32), torch.ones(3)):
        out = accel.add(x, other)
        assert (type(out), str(out.device)) == (Array, "cpu")


def test_host_arrays_go_where_the_host_memory_is_shared():
    interpreter = _interpreter()
    x = accel.asarray(np.ones(3, np.float32), device=interpreter)
    (a, b), _ = accel.interop.adopt("add", x1=x, x2=np.ones(3, np.float32))
    assert a.device is b.device is interpreter


def _interpreter():
    try:
        return accel.device("triton:interpreter")
    except accel.AccelError as error:
        pytest.skip(f"no Triton: {error}")


@pytest.mark.parametrize(
    ("other", "name"), [(np.ones(3, np.float32), "numpy.ndarray"), (torch.ones(3), "torch.Tensor")]
)
@pytest.mark.parametrize("turned", [False, True])
def test_host_arrays_beside_another_memory_are_refused(other, name, turned):
    x = accel.ones(3, device=NULL)
    operands, (here, there) = ((other, x), ("x1", "x2")) if turned else ((x, other), ("x2", "x1"))
    words = rf"add: {here} is in the host's memory \({name}\) and {there} is on null:0; .*\({here}, device='null:0'\)"
    with pytest.raises(accel.DeviceError, match=words):
        accel.add(*operands)
    assert str(accel.add(x, accel.asarray(other, device="null:0")).device) == "null:0"


def test_scalars_go_anywhere():
    x = accel.ones(3, device=NULL)
    for scalar in (1, 2.0, True, np.float32(1), np.float64(1)):
        out = accel.add(x, scalar)
        assert (type(out), str(out.device)) == (Array, "null:0")
    assert accel.add(x, np.float64(1)).dtype is accel.float64


def test_two_devices_are_refused():
    with pytest.raises(accel.DeviceError, match="add: operands are on cpu and null:0; move one with to_device"):
        accel.add(accel.ones(3, device="cpu"), accel.ones(3, device=NULL))


def test_host_arrays_run_on_the_default_device():
    with accel.config(device="null:0"):
        NULL.launches.clear()
        out = accel.add(np.ones(3, np.float32), np.ones(3, np.float32))
        assert (type(out), len(NULL.launches)) == (np.ndarray, 1)
        out = accel.add(torch.ones(3), 1.0)
        assert (type(out), len(NULL.launches)) == (torch.Tensor, 2)
        assert str(accel.asarray(torch.ones(3)).device) == "null:0"
        assert str(accel.asarray(np.ones(3)).device) == "null:0"
        assert str(accel.asarray([1, 2]).device) == "null:0"


def test_operators_leave_foreign_arrays_to_themselves():
    x = accel.ones(3)
    assert type(np.ones(3, np.float32) + x) is Array
    assert type(torch.ones(3) + x) is type(x + torch.ones(3)) is Array
    assert x.__add__("text") is NotImplemented
    with pytest.raises(TypeError):
        x + "text"
    with pytest.raises(TypeError):
        x + [1.0]  # noqa: RUF005
