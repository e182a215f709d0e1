"""Singular values, eigenvalues and what follows from them: residuals, orthogonality, special matrices, the same bits on
every device."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import dispatch
from accel.errors import ArgumentError, DtypeError, LinAlgError, ShapeError

KINDS = ("normal", "rank one less", "zero", "huge", "tiny", "graded", "orthogonal")


def matrix(shape: tuple[int, ...], dtype: str, kind: str, seed: int = 0) -> np.ndarray:
    rng, least = np.random.default_rng([seed, *shape]), min(shape[-2:])
    x = rng.normal(size=shape).astype(dtype)
    if kind == "rank one less" and least > 1:
        x[..., :, -1] = x[..., :, 0] * 2
        if shape[-1] > shape[-2]:
            x[..., -1, :] = x[..., 0, :] * 2
    elif kind == "zero":
        x *= 0
    elif kind in ("huge", "tiny"):
        x *= np.finfo(dtype).max / 100 if kind == "huge" else np.finfo(dtype).tiny * 100
    elif kind == "graded":
        x *= np.geomspace(1, 1e-5, shape[-1]).astype(dtype)
    elif kind == "orthogonal" and x.size:
        x = np.linalg.qr(x)[0]
    return x


def off_identity(rows: np.ndarray) -> float:
    """How far rows are from orthonormal ones."""
    wide = rows.astype(np.float64)
    return float(abs(wide @ np.swapaxes(wide, -1, -2) - np.eye(rows.shape[-2])).max(initial=0))


SHAPES = st.sampled_from(
    [(1, 1), (4, 1), (1, 4), (2, 2), (5, 3), (3, 5), (2, 3, 7, 4), (2, 4, 7), (33, 20), (0, 3), (3, 0), (2, 0, 0)]
)


@given(SHAPES, st.sampled_from(["float32", "float64"]), st.sampled_from(KINDS), st.booleans(), st.integers(0, 99))
def test_svd(shape, dtype, kind, full, seed):
    x, eps = matrix(shape, dtype, kind, seed), np.finfo(dtype).eps
    u, s, v = (np.asarray(each) for each in accel.linalg.svd(accel.asarray(x), full_matrices=full))
    want = np.linalg.svd(x.astype(np.float64), full_matrices=full)
    assert [each.shape for each in (u, s, v)] == [each.shape for each in want]
    assert {each.dtype for each in (u, s, v)} == {np.dtype(dtype)}
    size, largest = max(*shape[-2:], 4), max(float(want[1].max(initial=0)), np.finfo(dtype).tiny)
    assert abs(s - want[1]).max(initial=0) <= size * eps * largest
    assert (np.diff(s, axis=-1) <= 0).all() and (s >= 0).all()
    assert off_identity(np.swapaxes(u, -1, -2)) <= 4 * size * eps
    assert off_identity(v) <= 4 * size * eps
    k = s.shape[-1]
    again = (u[..., :k].astype(np.float64) * s[..., None, :]) @ v[..., :k, :]
    assert abs(again - x).max(initial=0) <= 4 * size * eps * largest
    assert np.array_equal(np.asarray(accel.linalg.svdvals(accel.asarray(x))), s) or dtype == "float64"


def test_the_bounds_of_a_wrong_result_are_exceeded():
    """Control."""
    x = matrix((5, 3), "float32", "normal")
    u, s, v = (np.asarray(each) for each in accel.linalg.svd(x, full_matrices=False))
    turned = u.copy()
    turned[:, 0] += 1e-4 * turned[:, 1]
    assert off_identity(turned.T) > 20 * np.finfo(np.float32).eps > off_identity(u.T)
    assert abs((u * (s * 1.0001)) @ v - x).max() > 20 * np.finfo(np.float32).eps * s[0]


@given(
    st.sampled_from([(1, 1), (2, 2), (5, 5), (3, 4, 4), (17, 17), (0, 0), (2, 0, 0)]),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["normal", "zero", "huge", "tiny", "multiple"]),
    st.integers(0, 99),
)
def test_eigh(shape, dtype, kind, seed):
    x, eps = matrix(shape, dtype, "normal" if kind == "multiple" else kind, seed), np.finfo(dtype).eps
    if kind == "multiple":  # 1 and -1, several times each
        q = np.linalg.qr(x.astype(np.float64))[0] if x.size else x
        x = ((q * np.where(np.arange(shape[-1]) % 2, -1, 1)) @ np.swapaxes(q, -1, -2)).astype(dtype)
    lower = np.tril(x)
    symmetric = (lower + np.swapaxes(np.tril(x, -1), -1, -2)).astype(np.float64)
    values, vectors = (np.asarray(each) for each in accel.linalg.eigh(accel.asarray(x)))
    want = np.linalg.eigvalsh(symmetric)
    norm, size = max(float(abs(symmetric).sum(-1).max(initial=0)), np.finfo(dtype).tiny), max(shape[-1], 4)
    assert (
        values.shape == want.shape and vectors.shape == x.shape and {values.dtype, vectors.dtype} == {np.dtype(dtype)}
    )
    assert (np.diff(values, axis=-1) >= 0).all()
    assert abs(values - want).max(initial=0) <= 2 * size * eps * norm
    assert off_identity(np.swapaxes(vectors, -1, -2)) <= 4 * size * eps
    off = symmetric @ vectors.astype(np.float64) - vectors.astype(np.float64) * values[..., None, :]
    assert abs(off).max(initial=0) <= 4 * size * eps * norm


@given(
    st.sampled_from([(5, 3), (3, 5), (4, 4), (2, 6, 4), (0, 3)]), st.sampled_from(["normal", "rank one less", "zero"])
)
def test_pinv_and_rank(shape, kind):
    x = matrix(shape, "float64", kind)
    found = np.asarray(accel.linalg.pinv(accel.asarray(x)))
    want = np.linalg.pinv(x, rcond=max(shape[-2:]) * np.finfo(np.float64).eps)
    assert found.shape == want.shape
    assert abs(found - want).max(initial=0) <= 1e-12 * max(1.0, float(abs(want).max(initial=0)))
    assert np.array_equal(np.asarray(accel.linalg.matrix_rank(x)), np.linalg.matrix_rank(x))
    assert np.asarray(accel.linalg.matrix_rank(x, rtol=2.0)).max(initial=0) == 0


@pytest.mark.parametrize("name", ["svd", "svdvals", "eigh", "eigvalsh", "pinv", "matrix_rank"])
def test_in_a_trace(name):
    """The same bits as outside, and NaN of a matrix of which the host would have said that it is refused."""
    function, x = getattr(accel.linalg, name), matrix((2, 5, 5), "float32", "normal")

    def several(x):
        made = function(x)
        return tuple(made) if isinstance(made, tuple) else (made,)

    fused = accel.fuse(lambda x: tuple(y * 1 for y in several(x)))
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(fused(x), several(x), strict=True))
    if name == "matrix_rank":
        return
    bad = x.copy()
    bad[1, 2, 2] = np.inf
    for got, want in zip(fused(bad), several(x), strict=True):
        assert np.isnan(got[1]).all()
        assert (got[0] == np.asarray(want)[0]).all()


def test_matrices_of_a_batch_are_decomposed_alone():
    x = np.stack([np.diag(np.arange(1, 6)).astype(np.float32), matrix((5, 5), "float32", "normal")])
    for function in (accel.linalg.svd, accel.linalg.eigh):
        together = function(x)
        for i in range(2):
            assert all((a[i] == b).all() for a, b in zip(together, function(x[i]), strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_many_rows_of_rounding_errors(rank, dtype):
    """A row of nothing but rounding errors beside one of the matrix' size: the cotangent of their angle, squared, is
    above all numbers, so that once nothing was turned and no sweep was the last."""
    rng = np.random.default_rng(0)
    for n in (20, 64):
        x = (rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))).astype(dtype)
        u, s, v = accel.linalg.svd(x)
        eps = np.finfo(dtype).eps
        assert abs((u * s) @ v - x).max() <= 4 * n * eps * s[0]
        assert abs(u @ np.conj(u.T) - np.eye(n)).max() <= 4 * n * eps
        assert accel.linalg.matrix_rank(x) == rank


def test_tolerances_by_matrix():
    x = np.stack([np.diag([4.0, 2, 1]), np.diag([4.0, 2, 1])])
    assert accel.linalg.matrix_rank(x, rtol=np.array([0.3, 0.6])).tolist() == [2, 1]
    inverse = np.asarray(accel.linalg.pinv(x, rtol=np.array([0.3, 0.6])))
    assert np.allclose(inverse, [np.diag([0.25, 0.5, 0]), np.diag([0.25, 0, 0])])


@pytest.mark.parametrize("name", ["svd", "svdvals", "eigh", "eigvalsh", "pinv", "matrix_rank", "eig", "eigvals"])
def test_what_is_no_matrix_of_numbers_is_refused(name):
    function = getattr(accel.linalg, name)
    for bad in (np.nan, np.inf):
        x = np.eye(3)
        x[1, 1] = bad
        with pytest.raises(LinAlgError, match="x"):
            function(x)
        with pytest.raises(np.linalg.LinAlgError):
            function(accel.asarray(x))
    with pytest.raises(ShapeError, match="x"):
        function(np.ones(3))
    with pytest.raises(DtypeError, match="x"):
        function(np.ones((3, 3), np.int32))
    if "eig" in name:
        with pytest.raises(ShapeError, match="x"):
            function(np.ones((3, 2)))
    if name in ("eig", "eigvals"):
        with pytest.raises(ArgumentError):
            accel.fuse(function)(accel.ones((3, 3)))


def test_eig():
    x = np.array([[[0.0, 1], [-1, 0]], [[2, 0], [0, 3]]])
    for given_x in (x, accel.asarray(x)):
        values, vectors = (np.asarray(each) for each in accel.linalg.eig(given_x))
        assert values.dtype == np.complex128
        assert np.allclose(x @ vectors, vectors * values[:, None, :])
        assert np.allclose(np.asarray(accel.linalg.eigvals(given_x)), values)
    assert accel.linalg.eigvals(x.astype(np.float32)).dtype == np.complex64


def devices() -> list[str]:
    return [str(device) for device in accel.devices() if device.backend in ("opencl", "triton")]


@pytest.mark.parametrize("shape", [(6, 5), (3, 4)], ids=str)
def test_the_same_bits_on_every_device(shape):
    x = matrix(shape, "float32", "normal")
    symmetric = x @ x.T
    found = {}
    for device in ("cpu", *devices()):
        with accel.config(device=device):
            results = [*accel.linalg.svd(accel.asarray(x)), *accel.linalg.eigh(accel.asarray(symmetric))]
            found[device] = b"".join(np.asarray(each).tobytes() for each in results)
    assert len(set(found.values())) == 1, {k: hash(v) for k, v in found.items()}
    changed = x.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], np.float32(9))
    assert b"".join(np.asarray(each).tobytes() for each in accel.linalg.svd(changed)) not in found["cpu"]


def test_eig_on_another_device_is_a_fallback():
    where = devices()
    if not where:
        pytest.skip("needs a device beside the CPU")
    x = accel.asarray(np.eye(3, dtype=np.float32), device=where[0])
    with accel.config(fallback="error"), pytest.raises(accel.UnsupportedError, match="eigvals"):
        accel.linalg.eigvals(x)
    dispatch.forget()
    with warnings.catch_warnings(record=True) as said, accel.config(fallback="warn"):
        warnings.simplefilter("always")
        assert accel.linalg.eigvals(x).device is x.device
    assert any(issubclass(w.category, accel.FallbackWarning) for w in said)


@pytest.mark.parametrize("ord", [2, -2, "nuc", 2.0], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_singular_values(ord, keepdims):
    x = matrix((2, 4, 3), "float64", "normal")
    found = accel.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
    want = np.linalg.norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)
    assert found.shape == want.shape
    assert np.allclose(found, want, rtol=1e-13)


def test_negative_powers():
    x = matrix((3, 4, 4), "float64", "normal")
    assert np.allclose(accel.linalg.matrix_power(x, -2), np.linalg.matrix_power(x, -2), rtol=1e-9)
