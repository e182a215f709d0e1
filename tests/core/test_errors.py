"""Bad input: the error names the argument, what came and what was expected, and nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel.backends.cpu import native

F, N = np.ones((2, 3), np.float32), np.ones((2, 3), np.int32)

CASES = {
    "matmul inner": (lambda: accel.matmul(F, F), accel.ShapeError, r"a has shape \(2, 3\) and b has shape \(2, 3\): 3 columns meet 2 rows"),
    "matmul 0-d": (lambda: accel.matmul(np.float32(1), F), accel.ShapeError, "a: expected at least one axis"),
    "matmul batch": (lambda: accel.matmul(np.ones((2, 3, 3)), np.ones((4, 3, 3))), accel.ShapeError, "batch axes of a and b"),
    "matmul bool": (lambda: accel.matmul(F > 0, F.T > 0), accel.DtypeError, "takes numeric dtypes, got bool"),
    "matmul scalar": (lambda: accel.matmul(F, 2.0), accel.ArgumentError, "b: expected an array, got the scalar 2.0"),
    "matmul list": (lambda: accel.matmul(F, [[1.0]]), accel.ArgumentError, "b: expected an accel.Array.*list"),
    "matmul dtype": (lambda: accel.matmul(F, F.T, dtype="int32"), accel.DtypeError, "dtype: int32 from float32 operands; expected float32"),
    "matmul dtype name": (lambda: accel.matmul(F, F.T, dtype="float99"), accel.DtypeError, "dtype: 'float99' is not a dtype"),
    "matmul mixed": (lambda: accel.matmul(np.ones((2, 2), np.uint64), np.ones((2, 2), np.int8)), accel.DtypeError, "uint64 and int8"),
    "linear weight": (lambda: accel.nn.linear(F, np.ones(3, np.float32)), accel.ShapeError, r"weight: expected two axes \(out, in\)"),
    "linear features": (lambda: accel.nn.linear(F, np.ones((4, 2), np.float32)), accel.ShapeError, "3 features meet 2"),
    "linear bias": (lambda: accel.nn.linear(F, np.ones((4, 3), np.float32), F), accel.ShapeError, r"bias: expected shape \(4,\), got \(2, 3\)"),
    "linear bias dtype": (lambda: accel.nn.linear(F, np.ones((4, 3), np.float32), np.ones(4)), accel.DtypeError, "bias: float64 does not fit"),
    "linear activation": (lambda: accel.nn.linear(F, F, activation="gelo"), accel.ArgumentError, "activation: 'gelo' is not a scalar function"),
    "linear activation list": (lambda: accel.nn.linear(F, F, activation=["gelu"]), accel.ArgumentError, "activation: expected the name of a scalar function, got \\('gelu',\\)"),
    "linear 0-d": (lambda: accel.nn.linear(np.float32(1), F), accel.ShapeError, "x: expected at least one axis, got a 0-d array"),
    "linear scalar": (lambda: accel.nn.linear(F, 2.0), accel.ArgumentError, "weight: expected an array, got the scalar 2.0"),
    "behind one left out": (lambda: accel.nn.layer_norm(F, (3,), None, "bad"), accel.ArgumentError, "layer_norm: bias: expected an accel.Array"),
    "scalar behind one left out": (lambda: accel.nn.layer_norm(F, (3,), None, 1.0), accel.ArgumentError, "layer_norm: bias: expected an array, got the scalar"),
    "linear scalar bias": (lambda: accel.nn.linear(F, F, 1.0), accel.ArgumentError, "bias: expected an array, got the scalar 1.0"),
    "linear int activation": (lambda: accel.nn.linear(N, N, activation="gelu"), accel.DtypeError, "gelu takes float dtypes, got int32"),
    "broadcast": (lambda: accel.add(F, np.ones((4, 3), np.float32)), accel.ShapeError, r"add: shapes \(2, 3\), \(4, 3\) do not broadcast"),
    "dtype kind": (lambda: accel.exp(N), accel.DtypeError, "exp: takes float dtypes, got x: int32; cast with astype"),
    "logical": (lambda: accel.logical_and(F, F), accel.DtypeError, "takes bool dtypes, got x1: float32, x2: float32"),
    "scalar range": (lambda: accel.add(np.ones(2, np.uint8), 300), accel.DtypeError, "x2: 300 is outside uint8, which holds 0 to 255"),
    "scalars only": (lambda: accel.add(1, 2), accel.ArgumentError, "expected at least one array among x1, x2"),
    "count": (lambda: accel.add(F), accel.ArgumentError, "add: expected x1, x2, got 1 operands"),
    "where": (lambda: accel.where(F, F, F), accel.DtypeError, "condition: expected bool, got float32"),
    "string": (lambda: accel.exp("abc"), accel.ArgumentError, "x: expected an accel.Array.*str"),
    "None": (lambda: accel.exp(None), accel.ArgumentError, "x: expected an accel.Array.*NoneType"),
    "object dtype": (lambda: accel.exp(np.array([None])), accel.DtypeError, r"x: dtype\('O'\) is not a dtype"),
    "complex dtype": (lambda: accel.floor(np.ones(2, complex)), accel.DtypeError, "complex128"),
    "axis range": (lambda: accel.sum(F, axis=2), accel.AxisError, "axis: 2 is out of range for an array with 2 axes"),
    "axis twice": (lambda: accel.sum(F, axis=(0, -2)), accel.AxisError, "names an axis twice"),
    "axis type": (lambda: accel.sum(F, axis=1.5), accel.ArgumentError, "axis: expected an integer"),
    "argmax axes": (lambda: accel.argmax(F, axis=(0, 1)), accel.ArgumentError, "axis: expected an integer or None"),
    "argmax bool": (lambda: accel.argmax(F > 0), accel.DtypeError, "got bool"),
    "max of nothing": (lambda: accel.max(np.ones((3, 0))), accel.ShapeError, r"nothing to choose from along axes \(0, 1\)"),
    "mean int": (lambda: accel.mean(N), accel.DtypeError, "mean: x: takes floating and complex dtypes, got int32"),
    "softmax int": (lambda: accel.nn.softmax(N), accel.DtypeError, "softmax: x: takes floating dtypes"),
    "softmax axis": (lambda: accel.nn.softmax(F, axis=5), accel.AxisError, "softmax: axis: 5 is out of range"),
    "gelu": (lambda: accel.nn.gelu(F, "fast"), accel.ArgumentError, "approximate: expected 'none' or 'tanh', got 'fast'"),
    "reshape": (lambda: accel.reshape(F, (4, 2)), accel.ShapeError, r"has 6 elements, \(4, 2\) has 8"),
    "negative length": (lambda: accel.zeros((2, -1)), accel.ShapeError, "no negative length"),
    "shape type": (lambda: accel.zeros("ab"), accel.ArgumentError, "shape: expected integers"),
    "memory": (lambda: accel.empty((1 << 40, 1 << 18), device="cpu"), accel.OutOfMemoryError, f"{1 << 60} bytes were asked for; the device has"),
    "device": (lambda: accel.ones(2, device="gpu"), accel.DeviceError, "'gpu' names no backend"),
    "read-only": (lambda: _readonly().__setitem__(0, 1), accel.ArgumentError, "read-only"),
    "setitem shape": (lambda: accel.zeros(3).__setitem__(slice(0, 2), F), accel.ShapeError, r"\(2, 3\)"),
    "index": (lambda: accel.zeros(3)[5], IndexError, "5 is out of range for axis 0 of length 3"),
    "index type": (lambda: accel.zeros(3)["a"], accel.ArgumentError, "got str"),
    "index float": (lambda: accel.zeros(3)[1.0], accel.ArgumentError, "got float"),
    "index many": (lambda: accel.zeros(3)[0, 0], IndexError, r"2 indices for shape \(3,\)"),
    "mask": (lambda: accel.zeros(3)[np.array([True, False])], IndexError, r"a mask of shape \(2,\)"),
    "positions": (lambda: accel.take(F, np.array([0, 9]), axis=0), IndexError, "take: indices: 9 is out of range.*length 2"),
    "bool of many": (lambda: bool(accel.zeros(3)), accel.ShapeError, r"expected one element, got shape \(3,\)"),
}  # fmt: skip


def _readonly():
    x = np.zeros(3)
    x.flags.writeable = False
    return accel.asarray(x, device="cpu")


@pytest.mark.parametrize("name", CASES)
def test_error(name):
    call, kind, words = CASES[name]
    with pytest.raises(kind, match=words) as caught:
        call()
    assert isinstance(caught.value, (accel.AccelError, IndexError))


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_changed(name):
    before = F.tobytes(), N.tobytes()
    with pytest.raises((accel.AccelError, IndexError)):
        CASES[name][0]()
    assert (F.tobytes(), N.tobytes()) == before


def test_the_hierarchy_has_the_nearest_builtins():
    pairs = {
        accel.ConfigError: ValueError, accel.BackendUnavailableError: RuntimeError, accel.DeviceError: ValueError,
        accel.UnsupportedError: NotImplementedError, accel.ShapeError: ValueError, accel.AxisError: IndexError,
        accel.DtypeError: TypeError, accel.ArgumentError: TypeError, accel.OutOfMemoryError: MemoryError,
        accel.CompileError: RuntimeError, accel.FileError: ValueError, accel.RankError: RuntimeError,
    }  # fmt: skip
    for error, builtin in pairs.items():
        assert issubclass(error, builtin)
        assert issubclass(error, accel.AccelError)


@pytest.mark.parametrize("isa", ["neon", "avx512", "avx2"])
def test_an_instruction_set_that_is_not_there(isa):
    have = accel.device("cpu").details["instruction sets"]
    if isa in have.split(", "):
        pytest.skip(f"this CPU has {isa}")
    built = native().compiled_isas()
    lacks = "this CPU lacks it" if isa in built else f"this build was compiled for {', '.join(built)}; expected one of"
    with accel.config(cpu_isa=isa), pytest.raises(accel.ConfigError, match=f"'{isa}' is not available here: {lacks}"):
        accel.add(F, F)
