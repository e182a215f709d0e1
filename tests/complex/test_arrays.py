"""Complex arrays: made, converted, moved and computed with, against NumPy; memory is shared with NumPy and torch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

import accel
from accel.dtypes import DTYPES

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

PARTS = {np.complex64: np.float32, np.complex128: np.float64}


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def drawn(shape, dtype=np.complex64, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def alike(got, want) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    assert np.allclose(got, want, rtol=1e-5, atol=1e-5, equal_nan=True)


# dtypes


def test_promotion():
    c64, c128 = accel.complex64, accel.complex128
    for name, row in DTYPES.items():
        wide = c128 if name in ("float64", "complex128") else c64
        assert accel.result_type(c64, row) is accel.result_type(row, c64) is wide
        assert accel.result_type(c128, row) is c128
        assert accel.result_type(row, 1j) is (row if row.kind == "c" else wide)
    assert accel.result_type(c64, 1, 2.5, True, 3j) is c64
    assert accel.can_cast("float32", c64)
    assert not accel.can_cast("float64", c64)
    assert not accel.can_cast(c64, "float64")
    assert accel.isdtype(c64, "complex floating") and accel.isdtype(c128, "numeric")
    assert not accel.isdtype(c64, "real floating")
    assert accel.finfo(c64) == accel.finfo("float32") and accel.finfo(c128) == accel.finfo("float64")
    assert np.dtype(c64) == np.complex64 and c128 == np.complex128 and accel.asarray(1j).dtype is c64


# made and converted


@pytest.mark.parametrize("dtype", PARTS)
def test_creation(dtype):
    wanted = np.dtype(dtype).name
    alike(accel.zeros((2, 3), dtype=dtype), np.zeros((2, 3), dtype))
    alike(accel.ones(3, dtype=wanted), np.ones(3, dtype))
    alike(accel.full((2,), 1 - 2j, dtype=dtype), np.full(2, 1 - 2j, dtype))
    alike(accel.full((2,), 2.5, dtype=dtype), np.full(2, 2.5, dtype))
    alike(accel.eye(3, k=1, dtype=dtype), np.eye(3, k=1, dtype=dtype))
    alike(accel.linspace(1j, 2, 5, dtype=dtype), np.linspace(1j, 2, 5, dtype=dtype))
    alike(accel.linspace(0, 1, 3, dtype=dtype, endpoint=False), np.linspace(0, 1, 3, dtype=dtype, endpoint=False))
    alike(accel.asarray([[1, 2.5], [3j, True]], dtype=dtype), np.array([[1, 2.5], [3j, 1]], dtype))
    alike(accel.asarray(2**70, dtype=dtype), np.array(2.0**70, dtype))
    alike(accel.ones_like(accel.empty(2, dtype=dtype)), np.ones(2, dtype))
    alike(accel.tril(accel.full((3, 3), 1j, dtype=dtype)), np.tril(np.full((3, 3), 1j, dtype)))


def test_python_numbers():
    x = accel.asarray([1 + 2j, -0.0, complex(0.0, -0.0)])
    assert x.dtype is accel.complex64
    assert x.tolist() == [1 + 2j, 0, 0]
    assert str(x[2].item()) == "-0j" and str(x[0].item()) == "(1+2j)"
    assert complex(x[0]) == 1 + 2j and bool(x[0]) and not bool(x[1])
    assert f"{x[0]:.1f}" == "1.0+2.0j"
    assert "1.+2.j" in repr(x) and "dtype=complex64" in repr(x)
    assert 1 + 2j in x and 5j not in x
    for number in (float, int):
        with pytest.raises(TypeError):
            number(x[0])
    assert str(accel.full((), complex(1.0, -0.0)).item()) != str(accel.full((), complex(1.0, 0.0)).item())


@pytest.mark.parametrize("dtype", PARTS)
def test_memory_is_numpys(dtype):
    x = drawn((3, 4), dtype)[:, ::2]
    array = accel.asarray(x)
    assert np.shares_memory(np.asarray(array), x)
    assert np.shares_memory(accel.real(x), x) and np.shares_memory(accel.imag(x), x)
    alike(accel.imag(array), x.imag)
    alike(accel.real(array[::-1].T), x[::-1].T.real)
    accel.imag(array)[0, 0] = 7
    assert x[0, 0].imag == 7
    array[1] = 2 - 1j
    assert (x[1] == 2 - 1j).all()
    assert np.shares_memory(np.from_dlpack(array), x)
    back = accel.from_dlpack(x)
    assert back.dtype == dtype and np.shares_memory(np.asarray(back), x)
    assert accel.real(accel.asarray(x.real)).dtype == PARTS[dtype]
    assert accel.conj(x.real) is not None and np.shares_memory(accel.conj(x.real), x)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_memory_is_torchs(dtype):
    x = torch.randn(3, 4, dtype=dtype)
    array = accel.asarray(x)
    array[0, 0] = 3j
    assert x[0, 0] == 3j
    for part in (accel.real(x), accel.imag(x)):
        assert part.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert torch.equal(accel.imag(x.T), x.T.imag) and torch.equal(accel.real(x[1:]), x[1:].real)
    for lazy in (x.conj(), x.conj().imag, -x.conj().imag, x.mT.conj()):
        assert torch.equal(accel.positive(lazy), lazy.resolve_conj().resolve_neg())
    assert torch.allclose(accel.matmul(x, x.conj().mT), x @ x.conj().mT)
    assert torch.from_dlpack(array).data_ptr() == x.data_ptr()
    assert accel.from_dlpack(x).dtype is array.dtype


def test_copies_of_all_kinds():
    x = accel.asarray(drawn((2, 3)))
    for made in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x), accel.copy(x.T).T, x.contiguous()):
        assert np.array_equal(np.asarray(made), np.asarray(x)) and made.dtype is x.dtype
    assert pickle.loads(pickle.dumps(x.dtype)) is x.dtype


def test_casts():
    x = drawn((2, 3))
    x[0, 0], x[0, 1] = 0, 1j
    array = accel.asarray(x)
    alike(accel.astype(array, accel.complex128), x.astype(np.complex128))
    alike(accel.astype(accel.astype(array, accel.complex128), accel.complex64), x)
    alike(accel.astype(array, accel.bool), x != 0)
    for source in (
        np.array([1, -2, 3], np.int8),
        np.array([True, False]),
        np.array([np.nan, -0.0, np.inf], np.float32),
    ):
        got = np.asarray(accel.astype(accel.asarray(source), accel.complex64))
        assert np.array_equal(got.real, source.astype(np.float32), equal_nan=True)
        assert (got.imag == 0).all() and not np.signbit(got.imag).any()
    for target in ("float32", "int64", "float16"):
        with pytest.raises(accel.DtypeError, match="real parts"):
            accel.astype(array, target)


def test_what_is_refused():
    x, r = accel.asarray(drawn(3)), accel.ones(3)
    for call in (
        lambda: x < x,
        lambda: accel.maximum(x, 1.0),
        lambda: accel.floor(x),
        lambda: accel.max(x),
        lambda: accel.sort(x),
        lambda: accel.atan2(x, r),
        lambda: accel.nn.softmax(x),
        lambda: accel.var(x),
        lambda: accel.imag(r),
        lambda: accel.conj(accel.asarray([True])),
        lambda: accel.asarray([1j], dtype="float32"),
        lambda: accel.full(2, 1j, dtype="int32"),
        lambda: accel.sum(x, dtype="float32"),
        lambda: accel.matmul(x, x, dtype="complex128"),
        lambda: accel.linspace(0, 1j, 3, dtype="float32"),
        lambda: r.__setitem__(0, 1j),
        lambda: r.__imul__(1j),
        lambda: accel.where(x, x, x),
    ):
        with pytest.raises(accel.DtypeError):
            call()
    assert np.asarray(r).tolist() == [1, 1, 1]
    two = accel.asarray(drawn(2))
    for name in ("add", "divide", "pow", "equal"):
        with pytest.raises(accel.ShapeError, match=rf"{name}: shapes \(3,\), \(2,\) do not broadcast"):
            getattr(accel, name)(x, two)
    with pytest.raises(accel.ShapeError, match=r"matmul: .*\(3,\) .*\(2,\)"):
        accel.matmul(x, two)
    with pytest.raises(accel.ShapeError, match=r"arrays\[1\]: has shape \(1, 2\), arrays\[0\] \(1, 3\)"):
        accel.concat([x[None], two[None]])
    with pytest.raises(accel.AxisError, match="axis: 1 is out of range for an array with 1 axes"):
        accel.sum(x, axis=1)
    with pytest.raises(IndexError, match="3 is out of range for an axis of length 3"):
        accel.take(x, accel.asarray([3]))
    with pytest.raises(accel.UnsupportedError, match="out has"):
        accel.dispatch.call(accel.registry.OPS["exp"], (x,), None, accel.ones(3))


# moved


MOVES = {
    "transposed copy": (lambda m, x: m.copy(x.T)),
    "reshape": (lambda m, x: m.reshape(x.T, (12,))),
    "take": (lambda m, x: m.take(x, m.asarray([2, 0]), axis=0)),
    "take_along_axis": (lambda m, x: m.take_along_axis(x, m.asarray([[0, 1], [3, 3], [1, 0]]), axis=1)),
    "indices": (lambda m, x: x[m.asarray([0, 2]), 1:]),
    "mask": (lambda m, x: x[m.asarray([True, False, True])]),
    "concat": (lambda m, x: m.concat([x, x[::-1]], axis=-1)),
    "concat all": (lambda m, x: m.concat([x, x.T], axis=None)),
    "concat with reals": (lambda m, x: m.concat([x, m.real(x)])),
    "stack": (lambda m, x: m.stack([x, x[::-1]], axis=-1)),
    "roll": (lambda m, x: m.roll(x, 1, axis=1)),
    "roll all": (lambda m, x: m.roll(x, 5)),
    "pad": (lambda m, x: m.pad(x, 1)),
    "pad with": (lambda m, x: m.pad(x, ((1, 0), (0, 2)), constant_values=2j)),
    "reflect": (lambda m, x: m.pad(x, 2, "reflect")),
    "flip": (lambda m, x: m.flip(x, axis=0)),
    "tile": (lambda m, x: m.tile(x, (2, 1))),
    "repeat": (lambda m, x: m.repeat(x, 2, axis=1)),
    "where": (lambda m, x: m.where(m.real(x) > 0, x, x[::-1])),
    "where a number": (lambda m, x: m.where(m.real(x) > 0, x, 1.0)),
    "diff": (lambda m, x: m.diff(x)),
    "outer": (lambda m, x: m.outer(x[0], x[1])),
    "diag": (lambda m, x: m.diag(x[0])),
    "trace": (lambda m, x: m.trace(x)),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (2, 3, 4))),
    "squeeze": (lambda m, x: m.squeeze(x[:1], axis=0)),
}


@pytest.mark.parametrize("fusion", ["on", "off"])
@pytest.mark.parametrize("name", MOVES)
def test_movement(name, fusion):
    x = drawn((3, 4), seed=4)
    with accel.config(fusion=fusion):
        alike(MOVES[name](accel, accel.asarray(x)), MOVES[name](np, x))
        fused = accel.fuse(lambda a: MOVES[name](accel, a * 2.0))
        if not isinstance(name, str) or name not in (
            "mask",
            "indices",
            "take",
            "take_along_axis",
        ):  # these read indices
            alike(fused(accel.asarray(x)), MOVES[name](np, x * 2))


def test_assignment():
    x, other, r = drawn((3, 4)), drawn((3, 4), seed=1), drawn((3, 4), seed=2).real.copy()
    array = accel.asarray(x.copy())
    for at, value in (
        (1, 5j),
        ((slice(None), 1), other[:, 1]),
        ((0, 0), 2.5),
        (2, r[2]),
        ((slice(None), slice(None, None, -2)), other[:, :2]),
        ((0, slice(1, None)), array),
    ):
        if value is array:
            array[0, 1:] = array[1, :-1]
            x[0, 1:] = x[1, :-1]
            continue
        array[at] = value
        x[at] = value
    alike(array, x)
    array[1:] = array[:-1]
    x[1:] = x[:-1].copy()
    alike(array, x)
    array += accel.asarray(other)
    array *= 2j
    array /= accel.asarray(r)
    array -= 1
    alike(array, (x + other) * np.complex64(2j) / r - 1)


# computed


BINARY = ("add", "subtract", "multiply", "divide", "equal", "not_equal")


@pytest.mark.parametrize("name", BINARY)
def test_operands_of_all_kinds(name):
    function, want = getattr(accel, name), getattr(np, name)
    x, y, wide = drawn((3, 4)), drawn((3, 4), seed=1), drawn((3, 4), np.complex128, 2)
    r, i = y.real.copy(), np.arange(1, 13).reshape(3, 4)
    for a, b in ((x, y), (x, r), (r, x), (x.T, y.T[::-1]), (x, wide), (x[0], y), (x[:, :1], y[0]), (x[0, 0], y)):
        alike(function(a, b), want(a, b))
        alike(function(accel.asarray(a), accel.asarray(b)), want(a, b))
    alike(function(accel.asarray(x), accel.asarray(i)), want(x, i.astype(np.float32)))
    for number in (2, 2.5, 1j, True):
        alike(function(accel.asarray(x), number), want(x, np.complex64(number)))
        alike(function(number, accel.asarray(x)), want(np.complex64(number), x))
    alike(function(accel.asarray(r), 1j), want(r, np.complex64(1j)))
    alike(function(accel.asarray(i), 1j), want(i.astype(np.float32), np.complex64(1j)))
    assert function(accel.zeros((0, 3), dtype="complex64"), 1j).shape == (0, 3)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "any", "all"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_reductions(name, axis):
    x = drawn((3, 5, 2), seed=3)
    x[0, 0] = 0
    for keepdims in (False, True):
        alike(getattr(accel, name)(x, axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))


def test_reductions_of_nothing_and_of_many():
    empty = accel.zeros((2, 0), dtype="complex64")
    assert accel.sum(empty, axis=1).tolist() == [0, 0] and accel.prod(empty, axis=1).tolist() == [1, 1]
    turns = np.exp(1j * np.linspace(0, 50, 9001)).astype(np.complex128)
    assert abs(accel.prod(accel.asarray(turns)).item() - np.exp(1j * 9001 * 25)) < 1e-9
    alike(accel.cumulative_prod(accel.asarray(turns)), np.cumprod(turns))
    alike(accel.cumulative_sum(accel.asarray(turns)), np.cumsum(turns))
    r = np.array([1.0, 2.0], np.float32)
    alike(accel.sum(r, dtype=accel.complex64), np.complex64(3))


def test_products():
    a, b, r = drawn((2, 3, 4)), drawn((4, 5), seed=1), drawn((3, 4), seed=2).real.copy()
    alike(accel.matmul(a, b), a @ b)
    alike(accel.matmul(r, b), r @ b)
    alike(accel.matmul(a.mT if hasattr(a, "mT") else np.swapaxes(a, -1, -2), r), np.swapaxes(a, -1, -2) @ r)
    alike(accel.matmul(a[0, 0], b), a[0, 0] @ b)
    alike(accel.matmul(a[0, 0], b[:, 0]), a[0, 0] @ b[:, 0])
    alike(accel.vecdot(a, r), (np.conj(a) * r).sum(-1))
    alike(accel.vecdot(r, a), (r * a).sum(-1))
    alike(accel.tensordot(a, b, axes=1), np.tensordot(a, b, axes=1))
    alike(accel.linalg.vector_norm(b), np.linalg.norm(b))


def test_a_fused_function_computes_complex_numbers():
    function = accel.fuse(lambda a, b: accel.sum(accel.exp(a * b) + 1j, axis=1) / accel.mean(b))
    x, y = drawn((3, 4)), drawn((3, 4), seed=1)
    alike(function(x, y), (np.exp(x * y) + 1j).sum(1) / y.mean())
    of_real = accel.fuse(lambda a: {"turned": a * 1j, "same": a + 1.0, "angle": accel.imag(accel.log(a * 1j))})
    made = of_real(accel.asarray([1.0, -2.0]))
    alike(made["turned"], np.array([1j, -2j], np.complex64))
    alike(made["same"], np.array([2, -1], np.float32))
    alike(made["angle"], np.array([np.pi / 2, -np.pi / 2], np.float32))

    @accel.fuse
    def exp(a):  # a name that an op has, which is another function
        return a + 1j

    alike(exp(x), x + np.complex64(1j))
    kept = []
    accel.fuse(lambda a: kept.append(a * 2.0) or a)(accel.asarray(x))
    for use in (np.asarray, lambda a: a * 2.0, accel.exp, accel.copy):
        with pytest.raises(accel.ArgumentError, match="trace"):
            use(kept[0])


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
COMPLEX = numpy_strategies.arrays(
    np.complex64,
    numpy_strategies.array_shapes(max_dims=3, max_side=4),
    elements=st.builds(lambda a, b: np.complex64(complex(a, b)), FLOATS, FLOATS),
)


@given(COMPLEX)
def test_parts_of_sums_and_products_are_numpys(x):
    y = np.flip(x)
    with np.errstate(all="ignore"):
        for name in ("add", "subtract"):
            got, want = getattr(accel, name)(x, y), getattr(np, name)(x, y)
            assert np.array_equal(got.real, want.real, equal_nan=True)
            assert np.array_equal(got.imag, want.imag, equal_nan=True)
        a, b, c, d = (v.astype(np.float32) for v in (x.real, x.imag, y.real, y.imag))
        got = accel.multiply(x, y)
        assert np.array_equal(got.real, a * c - b * d, equal_nan=True)
        assert np.array_equal(got.imag, a * d + b * c, equal_nan=True)
        assert np.array_equal(accel.conj(x), np.conj(x), equal_nan=True)
        assert np.array_equal(accel.equal(x, y), x == y)


def test_elements_are_stored_and_added_where_positions_say():
    z = (np.arange(20) * (1 - 2j)).reshape(4, 5).astype(np.complex64)
    x, want, mask = accel.asarray(z.copy()), z.copy(), np.abs(z) > 9
    x[[0, 2]], want[[0, 2]] = 1j, 1j
    assert np.array_equal(np.asarray(x), want)
    x[mask], want[mask] = 3 - 1j, 3 - 1j
    assert np.array_equal(np.asarray(x), want)
    index, values = np.array([[1], [0], [4], [1]]), np.full((4, 1), 2j, np.complex64)
    put = accel.put_along_axis(x, index, values, axis=1)
    np.put_along_axis(want, index, values, 1)
    assert np.array_equal(np.asarray(put), want)
    added = accel.index_add(put, 0, np.array([1, 1]), accel.asarray(z[:2]))
    np.add.at(want, [1, 1], z[:2])
    assert np.array_equal(np.asarray(added), want)
    assert int(accel.count_nonzero(accel.asarray(z))) == 19
