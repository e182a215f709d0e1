"""accel.linalg of complex matrices: residuals and orthogonality in extended precision, special matrices and shapes,
LinAlgError, and the bits of the rules on every device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel import linalg
from accel.graph.interpret import canonical

DTYPES = ("complex64", "complex128")
SIZES = (1, 3, 16, 33)
SHAPES = ((1, 1), (4, 1), (1, 4), (2, 7, 4), (4, 7), (18, 17), (0, 3), (2, 0, 0))
KINDS = ("normal", "rank one less", "zero", "graded", "huge", "tiny", "real", "imaginary")


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def wide(x) -> np.ndarray:
    return np.asarray(x).astype(np.clongdouble)


def drawn(shape: tuple[int, ...], dtype: str, kind: str = "normal", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    x = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    part = np.finfo(dtype)
    if kind == "rank one less" and min(shape[-2:]) > 1:
        x[..., :, -1] = x[..., :, 0] * 2j
        x[..., -1, :] = x[..., 0, :] * 2
    elif kind == "zero":
        x *= 0
    elif kind == "graded":
        x *= np.geomspace(1, 1e-5, shape[-1]).astype(dtype)
    elif kind in ("huge", "tiny"):
        x *= part.dtype.type(part.max / 100 if kind == "huge" else part.tiny * 100)
    elif kind in ("real", "imaginary"):
        x = (x.real * (1 if kind == "real" else 1j)).astype(dtype)
    return x


def definite(n: int, dtype: str, ill: bool = False) -> np.ndarray:
    """A Hermitian matrix, with condition numbers near what the dtype can hold where it is ill."""
    x = drawn((2, n, n), dtype).astype(complex)
    q = np.linalg.qr(x)[0]
    values = np.geomspace(1, 100 * n * np.finfo(dtype).eps if ill else 0.1, n)
    made = (q * values) @ adjoint(q)
    return ((made + adjoint(made)) / 2).astype(dtype)


def error(made: np.ndarray, x: np.ndarray) -> float:
    """The largest difference relative to the largest element of each matrix, in eps of x's dtype times its size."""
    off, size = (np.max(np.abs(v), axis=(-2, -1), initial=0) for v in (made - wide(x), wide(x)))
    part = np.finfo(x.dtype)
    return float(np.max(off / np.maximum(size, part.tiny), initial=0) / (part.eps * max(4, *x.shape[-2:])))


def off_identity(columns: np.ndarray, dtype: str) -> float:
    n = columns.shape[-1]
    off = np.abs(adjoint(wide(columns)) @ wide(columns) - np.eye(n)).max(initial=0)
    return float(off / (np.finfo(dtype).eps * max(4, columns.shape[-2])))


@pytest.fixture
def cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize("ill", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("cpu")
def test_cholesky(dtype, ill):
    for n in SIZES:
        x = definite(n, dtype, ill)
        for upper in (False, True):
            given = x + np.tril(np.full_like(x, np.nan), -1) if upper else x + np.triu(np.full_like(x, np.nan), 1)
            factor = linalg.cholesky(given, upper=upper)
            assert factor.dtype == x.dtype and not (np.tril(factor, -1) if upper else np.triu(factor, 1)).any()
            low = wide(adjoint(factor) if upper else factor)
            assert error(low @ adjoint(low), x) <= 1
            diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
            assert (diagonal.real > 0).all() and not diagonal.imag.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("cpu")
def test_systems(dtype):
    for n in SIZES:
        a, b = drawn((2, n, n), dtype), drawn((2, n, 3), dtype, seed=1)
        for rows in (a, np.swapaxes(a, 1, 2)):
            x = linalg.solve(rows, b)
            assert x.dtype == dtype
            size = np.abs(wide(rows)) @ np.abs(wide(x)) + np.abs(wide(b))
            assert (np.abs(wide(rows) @ wide(x) - wide(b)) <= 4 * n * np.finfo(dtype).eps * size).all()
        inverse = wide(linalg.inv(a))
        size = np.abs(wide(a)) @ np.abs(inverse) * n
        assert (np.abs(wide(a) @ inverse - np.eye(n)) <= 4 * n * np.finfo(dtype).eps * size).all()
        sign, size = np.linalg.slogdet(a.astype(complex))
        room = 40 * n * np.finfo(dtype).eps * np.linalg.cond(a.astype(complex)).max()
        found = linalg.slogdet(a)
        assert found.sign.dtype == dtype and found.logabsdet.dtype == np.dtype(dtype).type(0).real.dtype
        assert np.abs(found.sign - sign).max() <= room and np.abs(found.logabsdet - size).max() <= room
        det = linalg.det(a)
        assert det.dtype == dtype and np.abs(det / (sign * np.exp(size)) - 1).max() <= 2 * room


@pytest.mark.usefixtures("cpu")
def test_a_real_operand_beside_a_complex_one():
    a, b = drawn((3, 3), "complex64"), np.float32([1, 2, 3])
    assert np.allclose(linalg.solve(a, b), np.linalg.solve(a, b), rtol=1e-5)
    assert np.allclose(linalg.solve(a.real, b * 1j), np.linalg.solve(a.real, b * 1j), rtol=1e-5)
    assert linalg.solve(a.real, b * np.complex128(1j)).dtype == np.complex128


@settings(max_examples=12)
@given(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.sampled_from(KINDS), st.booleans())
def test_qr(shape, dtype, kind, complete):
    x = drawn(shape, dtype, kind)
    with accel.config(device="cpu"):
        q, r = linalg.qr(x, mode="complete" if complete else "reduced")
    want = np.linalg.qr(x.astype(complex), mode="complete" if complete else "reduced")
    assert [q.shape, r.shape] == [each.shape for each in want] and {q.dtype, r.dtype} == {np.dtype(dtype)}
    assert error(wide(q) @ wide(r), x) <= 4 and off_identity(q, dtype) <= 4
    assert not np.tril(r, -1).any()


@settings(max_examples=12)
@given(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.sampled_from(KINDS), st.booleans())
def test_svd(shape, dtype, kind, full):
    x, eps = drawn(shape, dtype, kind), np.finfo(dtype).eps
    with accel.config(device="cpu"):
        u, s, v = linalg.svd(x, full_matrices=full)
        assert s.tobytes() == linalg.svdvals(x).tobytes()
    want = np.linalg.svd(x.astype(complex), full_matrices=full)
    assert [each.shape for each in (u, s, v)] == [each.shape for each in want]
    assert u.dtype == v.dtype == dtype and s.dtype == np.dtype(dtype).type(0).real.dtype
    k, largest = s.shape[-1], max(float(want[1].max(initial=0)), np.finfo(dtype).tiny)
    assert np.abs(s - want[1]).max(initial=0) <= max(*shape[-2:], 4) * eps * largest
    assert (np.diff(s, axis=-1) <= 0).all() and (s >= 0).all()
    assert off_identity(u, dtype) <= 4 and off_identity(adjoint(v), dtype) <= 4
    made = wide(u)[..., :k] * s[..., None, :] @ wide(v)[..., :k, :]
    assert np.abs(made - wide(x)).max(initial=0) <= 4 * max(*shape[-2:], 4) * eps * largest


@settings(max_examples=12)
@given(st.sampled_from([1, 2, 3, 7, 18]), st.sampled_from(DTYPES), st.sampled_from(KINDS))
def test_eigh(n, dtype, kind):
    x = drawn((2, n, n), dtype, kind)
    low = np.tril(x, -1).astype(complex)
    whole = low + adjoint(low) + np.eye(n) * x.real
    with accel.config(device="cpu"):
        values, vectors = linalg.eigh(x)
        assert values.tobytes() == linalg.eigvalsh(x).tobytes()
    size = max(np.abs(whole).sum(-1).max(), np.finfo(dtype).tiny)
    room = 8 * max(n, 4) * np.finfo(dtype).eps * size
    assert vectors.dtype == dtype and values.dtype == np.dtype(dtype).type(0).real.dtype
    assert np.abs(values - np.linalg.eigvalsh(whole)).max() <= room and off_identity(vectors, dtype) <= 4
    assert np.abs(wide(vectors) * values[..., None, :] @ adjoint(wide(vectors)) - whole).max() <= room


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("cpu")
def test_what_follows_from_singular_values(dtype):
    eps = np.finfo(dtype).eps
    for kind in ("normal", "rank one less", "zero"):
        x = drawn((2, 5, 4), dtype, kind)
        assert np.array_equal(linalg.matrix_rank(x), np.linalg.matrix_rank(x))
        inverse, want = wide(linalg.pinv(x)), np.linalg.pinv(x.astype(complex), rtol=5 * eps)
        assert np.abs(inverse - want).max() <= 400 * eps * np.abs(want).max()
        for order in ("fro", 1, -1, np.inf, -np.inf, 2, "nuc"):
            found, norm = linalg.matrix_norm(x, ord=order), np.linalg.norm(x.astype(complex), ord=order, axis=(-2, -1))
            assert found.dtype == np.dtype(dtype).type(0).real.dtype
            assert np.abs(found - norm).max() <= 40 * eps * max(norm.max(), 1)


@pytest.mark.usefixtures("cpu")
def test_what_is_refused():
    hermitian = definite(3, "complex64")
    with pytest.raises(accel.LinAlgError, match="not positive definite"):
        linalg.cholesky(-hermitian)
    with pytest.raises(accel.LinAlgError, match="1 of its matrices is singular"):
        linalg.inv(np.array([[[1, 1j], [1j, -1]], [[1, 0], [0, 1j]]], np.complex64))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        linalg.solve(np.zeros((2, 2), np.complex128), np.ones(2, np.complex128))
    with pytest.raises(accel.ShapeError, match="square"):
        linalg.det(np.zeros((2, 3), np.complex64))
    with pytest.raises(accel.LinAlgError, match="not finite"):
        linalg.svd(np.array([[complex(0, np.nan)]], np.complex64))
    empty = np.zeros((2, 0, 0), np.complex64)
    assert linalg.cholesky(empty).shape == linalg.inv(empty).shape == (2, 0, 0)
    assert np.array_equal(linalg.det(empty), np.linalg.det(empty))
    assert [x.dtype.name for x in linalg.slogdet(empty)] == ["complex64", "float32"]


CALLS = {
    "cholesky": lambda x, h: linalg.cholesky(h),
    "solve": lambda x, h: linalg.solve(x, h),
    "slogdet": lambda x, h: linalg.slogdet(x),
    "qr": lambda x, h: linalg.qr(x),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits(request, target, dtype):
    deep, on_cpu = request.config.getoption("--deep"), target.name.startswith("cpu")
    if not deep and (target.name.startswith("emulated") or (dtype == "complex128" and target.name != "cpu-avx2")):
        pytest.skip("this runs on this device with --deep")
    with target.in_force() as device:
        if device.missing("float64") and dtype == "complex128":
            return
        given = drawn((1, 2, 2), dtype), definite(2, dtype)[:1]
        for name in CALLS if deep or target.name == "cpu-avx2" else ("solve",) if on_cpu else ("cholesky",):
            made = CALLS[name](*(accel.asarray(x, device=device) for x in given))
            want = canonical(CALLS[name], *given)
            for x, y in zip(*(v if isinstance(v, tuple) else (v,) for v in (made, want)), strict=True):
                assert np.asarray(x.to_device("cpu")).tobytes() == np.asarray(y).tobytes(), name


def test_other_bits_are_seen():
    given = drawn((1, 3, 3), "complex64"), definite(3, "complex64")[:1]
    assert np.asarray(canonical(CALLS["solve"], *given)).tobytes() != np.linalg.solve(*given).tobytes()
