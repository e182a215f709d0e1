"""Gradients through eigenvalues, singular values and what is made of them: against torch.autograd in float64 and
complex128, and against central differences."""

from __future__ import annotations

import numpy as np
import pytest

import accel
from accel import linalg
from accel.errors import ArgumentError

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

SHAPES = [(3, 3), (2, 4, 3), (3, 5)]


def normal(seed: int, *shape: int, pairs: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if pairs else x


def symmetric(seed: int, *shape: int, pairs: bool = False) -> np.ndarray:
    x = normal(seed, *shape, pairs=pairs)
    return x + np.conj(np.swapaxes(x, -1, -2))


def adjoint(x, lib):
    return lib.conj(x).mT


def of_svd(x, w, lib, full=False):
    """Depends on all three, but on no direction that is free."""
    u, s, vh = lib.linalg.svd(x, full_matrices=full)
    made = lib.real((u * (s**3)[..., None, :]) @ vh)
    return lib.sum(s * w[0]) + lib.sum(lib.abs(u) ** 2 * w[1]) + lib.sum(lib.abs(vh) ** 2 * w[2]) + lib.sum(made * w[3])


def of_eigh(x, w, lib):
    values, vectors = lib.linalg.eigh(x)
    made = lib.real((vectors * (values**3)[..., None, :]) @ adjoint(vectors, lib))
    return lib.sum(values * w[0]) + lib.sum(lib.abs(vectors) ** 2 * w[1]) + lib.sum(made * w[3])


def weights(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    *batch, m, n = shape
    k = min(m, n)
    return normal(1, *batch, k), normal(2, *batch, m, k), normal(3, *batch, k, n), normal(4, *batch, m, n)


def of_each(name):
    """A number that a function makes of a matrix and weights."""

    def of(x, w, lib):
        its = lib.linalg
        if name == "pinv":
            return lib.sum(lib.real(its.pinv(x)) * w[3].mT)
        if name in ("nuc", 2, -2):
            return lib.sum(its.matrix_norm(x, ord=name) ** 2)
        return lib.sum(getattr(its, name)(x) * w[0])

    return {"svd": of_svd, "eigh": of_eigh}.get(name, of)


def gradients(of, x: np.ndarray, w: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    t = torch.tensor(x, requires_grad=True)
    of(t, [torch.tensor(v) for v in w], torch).backward()
    return np.asarray(accel.grad(lambda x, *w: of(x, w, accel))(x, *w)), t.grad.numpy()


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["svd", "svdvals", "pinv", "nuc", 2, -2])
def test_of_singular_values(name, shape, pairs):
    got, want = gradients(of_each(name), normal(7, *shape, pairs=pairs), weights(shape))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, 1e-9, 1e-9 * np.abs(want).max())


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 4, 4)], ids=str)
@pytest.mark.parametrize("name", ["eigh", "eigvalsh"])
def test_of_eigenvalues(name, shape, pairs):
    """Ours is Hermitian."""
    got, want = gradients(of_each(name), symmetric(7, *shape, pairs=pairs), weights(shape))
    want = (want + np.conj(np.swapaxes(want, -1, -2))) / 2
    np.testing.assert_allclose(got, np.conj(np.swapaxes(got, -1, -2)), 1e-9, 1e-12)
    np.testing.assert_allclose(got, want, 1e-9, 1e-9 * np.abs(want).max(initial=1e-300))


def differences(f, x: np.ndarray, v: np.ndarray, h: float = 2.0**-18) -> float:
    """The central one along a direction."""
    return (float(f(x + h * v)) - float(f(x - h * v))) / (2 * h)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("name", ["svd", "svdvals", "pinv", "nuc", 2, -2, "eigh", "eigvalsh"])
def test_central_differences(name, pairs):
    of, shape = of_each(name), (4, 4) if str(name).startswith("eig") else (4, 3)
    made = symmetric if str(name).startswith("eig") else normal
    x, v, w = made(5, *shape, pairs=pairs), made(6, *shape, pairs=pairs), weights(shape)
    slope = np.asarray(accel.grad(lambda x, *w: of(x, w, accel))(x, *w))
    along = float(np.sum(np.real(np.conj(slope) * v)))
    want = differences(lambda x: of(x, [accel.asarray(each) for each in w], accel), x, v)
    assert along == pytest.approx(want, rel=1e-6)
    assert float(np.sum(np.real(np.conj(slope) * (v + 0.01)))) != pytest.approx(want, rel=1e-6)  # it sees a difference


def test_all_of_a_square_matrix():
    got, want = gradients(lambda x, w, lib: of_svd(x, w, lib, True), normal(7, 3, 3), weights((3, 3)))
    np.testing.assert_allclose(got, want, 1e-9, 1e-9)


def test_the_vectors_beside_those_of_a_long_matrix_have_none():
    with pytest.raises(ArgumentError, match="full_matrices: the 2 vectors"):
        accel.grad(lambda x: accel.sum(linalg.svd(x).U ** 2))(normal(1, 5, 3))
    x = normal(1, 5, 3)
    want = accel.grad(lambda x: accel.sum(linalg.svdvals(x)))(x)
    np.testing.assert_allclose(accel.grad(lambda x: accel.sum(linalg.svd(x).S))(x), want, 1e-12)


def test_equal_values_have_no_vectors_of_their_own():
    x = np.diag([1.0, 1.0, 2.0])
    for function in (lambda x: linalg.svd(x).U, lambda x: linalg.eigh(x).eigenvectors):
        assert not np.isfinite(accel.grad(lambda x: accel.sum(function(x) ** 3))(x)).all()  # noqa: B023
    for function in (linalg.svdvals, linalg.eigvalsh, linalg.pinv):
        assert np.isfinite(accel.grad(lambda x: accel.sum(function(x)))(x)).all()  # noqa: B023


def test_pinv_of_one_rank():
    """Along matrices that keep theirs."""
    a, b, v = normal(1, 5, 2), normal(2, 2, 4), normal(3, 5, 2)

    def of(a, b):
        return accel.sum(linalg.pinv(a @ b, rtol=1e-6) ** 2)

    got = float(np.sum(np.asarray(accel.grad(of)(a, b)) * v))
    assert got == pytest.approx(differences(lambda a: of(a, b), a, v), rel=1e-5)


def test_a_rank_is_a_constant():
    x = normal(1, 4, 3)
    got = accel.grad(lambda x: accel.sum(x * accel.astype(linalg.matrix_rank(x), "float64")))(x)
    assert (got == 3.0).all()


@pytest.mark.parametrize("name", ["eigvalsh", "svdvals", "pinv"])
def test_second_derivatives(name):
    x, v = symmetric(2, 4, 4), symmetric(3, 4, 4)

    def of(lib, x):
        return lib.sum(getattr(lib.linalg, name)(x) ** 3)

    _, got = accel.jvp(accel.grad(lambda x: of(accel, x)), (x,), (v,))
    _, want = torch.autograd.functional.hvp(lambda x: of(torch, x), torch.tensor(x), torch.tensor(v))
    want = (want + want.mT).numpy() / 2 if name == "eigvalsh" else want.numpy()
    np.testing.assert_allclose(got, want, 1e-7, 1e-8 * np.abs(want).max())
