"""Gradients through linalg's factorisations: against torch.autograd in float64 and complex128, and where torch has
another answer against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import accel
from accel import linalg
from accel.conversion import to_numpy
from accel.errors import ArgumentError

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

BATCHES = [(), (2,), (2, 1)]


def normal(seed: int, *shape: int, pairs: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if pairs else x


def square(seed: int, n: int, batch: tuple[int, ...] = (), pairs: bool = False) -> np.ndarray:
    """A matrix that is far from singular."""
    return normal(seed, *batch, n, n, pairs=pairs) + 2 * n * np.eye(n) * (1 if seed % 2 else -1)


def positive(seed: int, n: int, batch: tuple[int, ...] = (), pairs: bool = False) -> np.ndarray:
    x = normal(seed, *batch, n, n, pairs=pairs)
    return x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(n)


def several(result):
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def weighed(results, weights, lib):
    """One number of all results."""
    total = 0.0
    for y, w in zip(several(results), weights, strict=True):
        z = y * w
        total = total + lib.sum(lib.real(z) if "complex" in str(z.dtype) else z)
    return total


def alike(ours, theirs, *xs, least=1e-10, theirs_as=lambda g: g):
    """Our gradient of a weighed sum is torch's."""
    given_ = [torch.tensor(x, requires_grad=True) for x in xs]
    made = several(theirs(*given_))
    weights = [normal(i, *y.shape, pairs=y.is_complex()) for i, y in enumerate(made)]
    weighed(made, [torch.tensor(w) for w in weights], torch).backward()
    found = accel.grad(lambda w, *x: weighed(ours(*x), w, accel), tuple(range(1, len(xs) + 1)))(tuple(weights), *xs)
    for got, t in zip(found, given_, strict=True):
        want = theirs_as(t.grad).numpy()
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, least, least * np.abs(want).max(initial=1e-300))


few = settings(max_examples=8, deadline=None, phases=[Phase.generate], derandomize=True)
sizes = st.integers(1, 5)
seeds = st.integers(0, 1 << 16)


@few
@given(sizes, st.sampled_from(BATCHES), st.booleans(), seeds, st.sampled_from(["inv", "det", "slogdet"]))
def test_of_one_matrix(n, batch, pairs, seed, name):
    alike(getattr(linalg, name), getattr(torch.linalg, name), square(seed, n, batch, pairs))


@few
@given(sizes, st.sampled_from(BATCHES), st.booleans(), seeds, st.booleans())
def test_cholesky(n, batch, pairs, seed, upper):
    """Ours is Hermitian; of complex matrices torch's has besides an imaginary diagonal, on which no factor depends."""
    alike(
        lambda x: linalg.cholesky(x, upper=upper),
        lambda x: torch.linalg.cholesky(x, upper=upper),
        positive(seed, n, batch, pairs),
        theirs_as=lambda g: (g + g.mH) / 2,
    )


@few
@given(sizes, st.sampled_from([((), ()), ((2,), (2,)), ((), (3,)), ((2, 1), (3,))]), st.booleans(), seeds)
def test_solve(n, batches, pairs, seed):
    a, b = square(seed, n, batches[0], pairs), normal(seed, *batches[1], n, 2, pairs=pairs)
    alike(linalg.solve, torch.linalg.solve, a, b)


def test_solve_of_a_vector_and_of_a_mixture():
    alike(linalg.solve, torch.linalg.solve, square(3, 4), normal(4, 4))
    of_each = square(3, 4, (2,)), normal(4, 4)
    alike(linalg.solve, lambda a, b: torch.linalg.solve(a, b[:, None])[..., 0], *of_each)
    a, b = square(3, 4), normal(4, 4, 2, pairs=True)
    w = (normal(5, 4, 2, pairs=True),)
    g = accel.grad(lambda a, b, w: weighed(linalg.solve(a, b), w, accel), (0, 1))(a, b, w)
    t = torch.tensor(a, requires_grad=True)
    weighed(torch.linalg.solve(t.to(torch.complex128), torch.tensor(b)), [torch.tensor(w[0])], torch).backward()
    assert g[0].dtype == np.float64 and g[1].dtype == np.complex128
    np.testing.assert_allclose(g[0], t.grad.numpy(), 1e-10)


@few
@given(sizes, sizes, st.sampled_from(BATCHES), seeds)
def test_qr(m, n, batch, seed):
    x = normal(seed, *batch, m, n) + 3 * np.eye(m, n)
    alike(lambda x: tuple(linalg.qr(x)), lambda x: tuple(torch.linalg.qr(x)), x, least=1e-8)


def test_qr_of_complex_matrices():
    """Of a function that no direction of a column of Q has a part in."""

    def of(q, r, lib, w):
        return lib.sum(lib.real((q * lib.conj(q)) * w[0])) + lib.sum(lib.real((r * lib.conj(r)) * w[1]))

    x = normal(1, 4, 3, pairs=True)
    w = (normal(2, 4, 3), normal(3, 3, 3))
    got = accel.grad(lambda x, w: of(*linalg.qr(x), accel, w))(x, w)
    t = torch.tensor(x, requires_grad=True)
    of(*torch.linalg.qr(t), torch, [torch.tensor(v) for v in w]).backward()
    np.testing.assert_allclose(got, t.grad.numpy(), 1e-10, 1e-12)


def test_a_complete_qr_of_a_tall_matrix_has_none():
    with pytest.raises(ArgumentError, match="2 last columns of a complete Q"):
        accel.grad(lambda x: accel.sum(linalg.qr(x, mode="complete").R))(normal(1, 5, 3))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("name", ["cholesky", "inv", "det", "slogdet"])
def test_of_more_than_a_block(name, pairs):
    x = positive(3, 37, pairs=pairs) / 37
    ours, theirs = getattr(linalg, name), getattr(torch.linalg, name)
    alike(ours, theirs, x, least=1e-8, theirs_as=(lambda g: (g + g.mH) / 2) if name == "cholesky" else lambda g: g)


def adjugate(x: np.ndarray) -> np.ndarray:
    n = len(x)
    return np.array(
        [[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, j, 0), i, 1)) for j in range(n)] for i in range(n)]
    )


@pytest.mark.parametrize(
    "x",
    [
        np.array([[1.0, 2.0], [2.0, 4.0]]),
        np.zeros((1, 1)),
        np.zeros((3, 3)),
        np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]]),
        np.array([[1, 2j], [2, 4j]]),
    ],
)
def test_det_of_singular_matrices(x):
    """The adjugate, where torch gives zeros: a determinant is a polynomial."""
    got = accel.grad(lambda x: accel.real(linalg.det(x)))(x)
    np.testing.assert_allclose(got, np.conj(adjugate(x)).T, 1e-12, 1e-12)


def test_singular_matrices_in_a_trace():
    """torch raises for inv and solve; where nothing can be read, what is not finite says so. slogdet's is not finite in
    torch either."""
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    for function in (linalg.inv, lambda x: linalg.solve(x, x), lambda x: linalg.slogdet(x).logabsdet):
        assert not np.isfinite(accel.grad(lambda x: accel.sum(function(x)))(x)).any()  # noqa: B023
    assert np.isfinite(accel.grad(lambda x: accel.sum(linalg.inv(x)))(x + np.eye(2))).all()


def differences(f, x: np.ndarray, h: float = 2.0**-18) -> np.ndarray:
    """Central ones, by real and imaginary parts."""
    found = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        for step in (1, 1j) if x.dtype.kind == "c" else (1,):
            d = np.zeros_like(x)
            d[at] = h * step
            found[at] += step * (f(x + d) - f(x - d)) / (2 * h)
    return found


@pytest.mark.parametrize("pairs", [False, True])
def test_central_differences(pairs):
    x = square(7, 3, pairs=pairs)
    for function in (linalg.inv, lambda x: linalg.slogdet(x).logabsdet, lambda x: accel.real(linalg.det(x))):
        of = lambda x: accel.sum(accel.abs(function(x)) ** 2)  # noqa: E731, B023
        np.testing.assert_allclose(accel.grad(of)(x), differences(lambda x: float(of(x)), x), 1e-6, 1e-9)  # noqa: B023
    wrong = accel.grad(lambda x: accel.sum(accel.abs(linalg.inv(x + 0.01)) ** 2))(x)  # the comparison sees a difference
    right = differences(lambda x: float(accel.sum(accel.abs(linalg.inv(x)) ** 2)), x)
    assert not np.allclose(wrong, right, 1e-6, 1e-9)


@pytest.mark.parametrize("name", ["cholesky", "inv", "det", "slogdet", "solve", "qr"])
def test_second_derivatives(name):
    """A Hessian's product: the rules are made of functions that have rules."""
    x, v = positive(2, 4), normal(3, 4, 4)
    v = v + v.T
    b = normal(4, 4, 2)

    def of(lib, x, b):
        its = lib.linalg
        if name == "solve":
            return lib.sum(its.solve(x, b) ** 3)
        return sum(lib.sum(y**3 + y) for y in several(getattr(its, name)(x)))

    _, got = accel.jvp(accel.grad(lambda x, b: of(accel, x, b)), (x, b), (v, np.zeros_like(b)))
    _, want = torch.autograd.functional.hvp(lambda x: of(torch, x, torch.tensor(b)), torch.tensor(x), torch.tensor(v))
    np.testing.assert_allclose(got, want.numpy(), 1e-7, 1e-9 * np.abs(want.numpy()).max())


@pytest.mark.parametrize("pairs", [False, True])
def test_the_derivative_of_lu_and_of_triangles(pairs):
    """That of det's own derivative goes through both."""
    x, v = square(3, 3, pairs=pairs), normal(4, 3, 3, pairs=pairs)
    of = lambda x: accel.abs(linalg.det(x)) ** 2  # noqa: E731
    slope = accel.grad(of)
    _, got = accel.jvp(slope, (x,), (v,))
    h = 2.0**-18
    np.testing.assert_allclose(got, (slope(x + h * v) - slope(x - h * v)) / (2 * h), 1e-6, 1e-6 * np.abs(got).max())


def test_the_same_bits_on_every_device():
    x = positive(2, 3).astype(np.float32)

    def of(x):
        return accel.sum(linalg.inv(linalg.cholesky(x)))

    found = [to_numpy(accel.grad(of)(accel.asarray(x, device=device))) for device in ("cpu", "opencl:pocl")]
    assert (found[0] == found[1]).all()
    assert (found[0] != accel.grad(of)(x + np.float32(2.0**-16))).any()
